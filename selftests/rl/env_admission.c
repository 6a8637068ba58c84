// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl/envs.h"
#include "lib/rng.h"

struct admission {
	struct env env;
	struct rng rng;
	unsigned int n;
};

/* Starts anywhere, so that states the optimum never visits are seen too. */
static int reset(struct env *e, uint64_t seed)
{
	struct admission *m = (struct admission *)e;

	rng_seed(&m->rng, seed);
	m->n = rng_below(&m->rng, ADMISSION_MAX + 1);
	return 0;
}

void admission_features(unsigned int n, float *x)
{
	for (unsigned int i = 0; i <= ADMISSION_MAX; i++)
		x[i] = i == n;
}

static int observe(const struct env *e, float *x, uint8_t *feasible)
{
	const struct admission *m = (const struct admission *)e;

	admission_features(m->n, x);
	feasible[ADMISSION_ADMIT] = m->n < ADMISSION_MAX;
	return 1;
}

static int step(struct env *e, const struct env_action *a, struct env_step *out)
{
	struct admission *m = (struct admission *)e;

	out->reward = -ADMISSION_HOLD * m->n;
	if (rng_uniform(&m->rng) >= ADMISSION_ARRIVAL) {
		m->n -= m->n > 0;
	} else if (a->index == ADMISSION_ADMIT && m->n < ADMISSION_MAX) {
		m->n++;
		out->reward += ADMISSION_PAY;
	}
	return 0;
}

static void release(struct env *e)
{
	free(e);
}

struct env *admission_new(void)
{
	static const struct env_ops ops = { "admission", reset, observe, step, release };
	struct admission *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->env = (struct env) {
		.ops = &ops,
		.shape = { .features = ADMISSION_MAX + 1, .outputs = ADMISSION_ACTIONS,
			   .max_rows = 1 },
		/* Far shorter than 1 / (1 - gamma) would need: a cut must not count as an end. */
		.time_limit = 10,
	};
	return &m->env;
}

/* The expectation of one step, given the values of what follows. */
static double backup(const double v[ADMISSION_MAX + 1], unsigned int n, int action)
{
	const bool in = action == ADMISSION_ADMIT && n < ADMISSION_MAX;

	return -ADMISSION_HOLD * n +
	       ADMISSION_ARRIVAL * (in * ADMISSION_PAY + ADMISSION_GAMMA * v[n + in]) +
	       (1.0 - ADMISSION_ARRIVAL) * ADMISSION_GAMMA * v[n ? n - 1 : 0];
}

void admission_optimum(double q[ADMISSION_MAX + 1][ADMISSION_ACTIONS])
{
	double v[ADMISSION_MAX + 1] = { 0 };

	for (int k = 0; k < 2000; k++) {
		for (unsigned int n = 0; n <= ADMISSION_MAX; n++)
			for (int a = 0; a < ADMISSION_ACTIONS; a++)
				q[n][a] = backup(v, n, a);
		for (unsigned int n = 0; n <= ADMISSION_MAX; n++)
			v[n] = fmax(q[n][ADMISSION_REJECT], q[n][ADMISSION_ADMIT]);
	}
}

double admission_value_of(const double admit[ADMISSION_MAX + 1])
{
	double v[ADMISSION_MAX + 1] = { 0 };

	/* Gauss-Seidel: 0.95^2000 is nothing. */
	for (int k = 0; k < 2000; k++)
		for (unsigned int n = 0; n <= ADMISSION_MAX; n++)
			v[n] = admit[n] * backup(v, n, ADMISSION_ADMIT) +
			       (1.0 - admit[n]) * backup(v, n, ADMISSION_REJECT);
	return v[0];
}

double admission_value(const int policy[ADMISSION_MAX + 1])
{
	double admit[ADMISSION_MAX + 1];

	for (unsigned int n = 0; n <= ADMISSION_MAX; n++)
		admit[n] = policy[n] == ADMISSION_ADMIT;
	return admission_value_of(admit);
}
