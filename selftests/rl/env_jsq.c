// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <stdlib.h>

#include "rl/envs.h"
#include "lib/rng.h"

struct jsq {
	struct env env;
	struct rng rng;
	unsigned int n[JSQ_CPUS];
};

static int reset(struct env *e, uint64_t seed)
{
	struct jsq *j = (struct jsq *)e;

	rng_seed(&j->rng, seed);
	for (int i = 0; i < JSQ_CPUS; i++)
		j->n[i] = rng_below(&j->rng, 6);
	return 0;
}

/* A row of a CPU: its backlog above the least, the least and the mean of all. */
static int observe(const struct env *e, float *x, uint8_t *feasible)
{
	const struct jsq *j = (const struct jsq *)e;
	unsigned int least = JSQ_ROOM, sum = 0;

	(void)feasible;
	for (int i = 0; i < JSQ_CPUS; i++) {
		least = j->n[i] < least ? j->n[i] : least;
		sum += j->n[i];
	}
	for (int i = 0; i < JSQ_CPUS; i++, x += 3) {
		x[0] = (j->n[i] - least) / 5.0f;
		x[1] = least / 5.0f;
		x[2] = sum / (5.0f * JSQ_CPUS);
	}
	return JSQ_CPUS;
}

/* One arrival joins; then services end until the next one comes. */
static int step(struct env *e, const struct env_action *a, struct env_step *out)
{
	const double arrival = JSQ_LOAD / (1.0 + JSQ_LOAD);
	struct jsq *j = (struct jsq *)e;

	j->n[a->index] += j->n[a->index] < JSQ_ROOM;
	out->reward = 0.0f;
	/* Uniformised: a service of an idle CPU ends nothing, so policies share the randomness. */
	while (rng_uniform(&j->rng) >= arrival) {
		unsigned int *n = &j->n[rng_below(&j->rng, JSQ_CPUS)];

		for (int i = 0; i < JSQ_CPUS; i++)
			out->reward -= j->n[i] == 0;
		*n -= *n > 0;
	}
	return 0;
}

static void release(struct env *e)
{
	free(e);
}

struct env *jsq_new(void)
{
	static const struct env_ops ops = { "jsq", reset, observe, step, release };
	struct jsq *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->env = (struct env) {
		.ops = &ops, .shape = { .features = 3, .outputs = 1, .max_rows = JSQ_CPUS },
		.time_limit = 200,
	};
	return &j->env;
}

unsigned int jsq_backlog(const struct env *e, unsigned int cpu)
{
	return ((const struct jsq *)e)->n[cpu];
}
