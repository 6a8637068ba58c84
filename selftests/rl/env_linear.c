// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <stdlib.h>

#include "rl/envs.h"
#include "lib/rng.h"

struct linear {
	struct env env;
	struct rng rng;
	double theta[LINEAR_ARMS][LINEAR_FEATURES];
	double x[LINEAR_FEATURES];
	double regret, blind;
};

static void draw_context(struct linear *l)
{
	for (int i = 0; i < LINEAR_FEATURES; i++)
		l->x[i] = rng_normal(&l->rng);
}

static int reset(struct env *e, uint64_t seed)
{
	struct linear *l = (struct linear *)e;

	rng_seed(&l->rng, seed);
	for (int a = 0; a < LINEAR_ARMS; a++)
		for (int i = 0; i < LINEAR_FEATURES; i++)
			l->theta[a][i] = rng_normal(&l->rng) / sqrt(LINEAR_FEATURES);
	draw_context(l);
	return 0;
}

static int observe(const struct env *e, float *x, uint8_t *feasible)
{
	const struct linear *l = (const struct linear *)e;

	(void)feasible;
	for (int i = 0; i < LINEAR_FEATURES; i++)
		x[i] = l->x[i];
	return 1;
}

static int step(struct env *e, const struct env_action *a, struct env_step *out)
{
	struct linear *l = (struct linear *)e;
	double mean[LINEAR_ARMS] = { 0 }, best = -INFINITY, sum = 0.0;

	for (int k = 0; k < LINEAR_ARMS; k++) {
		for (int i = 0; i < LINEAR_FEATURES; i++)
			mean[k] += l->theta[k][i] * l->x[i];
		best = fmax(best, mean[k]);
		sum += mean[k];
	}
	l->regret = best - mean[a->index];
	l->blind = best - sum / LINEAR_ARMS;
	out->reward = mean[a->index] + LINEAR_NOISE * rng_normal(&l->rng);
	draw_context(l);
	return 0;
}

static void release(struct env *e)
{
	free(e);
}

struct env *linear_new(void)
{
	static const struct env_ops ops = { "linear", reset, observe, step, release };
	struct linear *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->env = (struct env) {
		.ops = &ops,
		.shape = { .features = LINEAR_FEATURES, .outputs = LINEAR_ARMS, .max_rows = 1 },
	};
	return &l->env;
}

void linear_regret(const struct env *e, double *regret, double *blind)
{
	*regret = ((const struct linear *)e)->regret;
	*blind = ((const struct linear *)e)->blind;
}
