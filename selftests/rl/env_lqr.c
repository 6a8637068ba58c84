// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <stdlib.h>

#include "rl/envs.h"
#include "lib/rng.h"

#define STEP_S		0.2
#define NOISE		0.05	/* of the speed, each step */
#define COST_X		1.0
#define COST_V		0.1
#define COST_U		0.1

struct lqr {
	struct env env;
	struct rng rng;
	double x, v;
};

static int reset(struct env *e, uint64_t seed)
{
	struct lqr *l = (struct lqr *)e;

	rng_seed(&l->rng, seed);
	l->x = 2.0 * rng_uniform(&l->rng) - 1.0;
	l->v = 2.0 * rng_uniform(&l->rng) - 1.0;
	return 0;
}

static int observe(const struct env *e, float *x, uint8_t *feasible)
{
	const struct lqr *l = (const struct lqr *)e;

	(void)feasible;
	x[0] = l->x;
	x[1] = l->v;
	return 1;
}

static int step(struct env *e, const struct env_action *a, struct env_step *out)
{
	struct lqr *l = (struct lqr *)e;
	const double u = a->value[0];

	out->reward = -(COST_X * l->x * l->x + COST_V * l->v * l->v + COST_U * u * u);
	l->x += STEP_S * l->v;
	l->v += STEP_S * u + NOISE * rng_normal(&l->rng);
	return 0;
}

static void release(struct env *e)
{
	free(e);
}

struct env *lqr_new(void)
{
	static const struct env_ops ops = { "lqr", reset, observe, step, release };
	struct lqr *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->env = (struct env) {
		.ops = &ops, .shape = { .features = 2, .max_rows = 1, .dims = 1 },
		.time_limit = 50,
	};
	return &l->env;
}

/*
 * P <- Q + g A'PA - (g A'PB)^2 / (R + g B'PB), whose fixed point gives u = -k (x, v), with
 * A = [1 dt; 0 1], B = (0, dt).
 */
void lqr_gain(double k[2])
{
	const double t = STEP_S, g = LQR_GAMMA;
	double p[3] = { 0 };	/* xx, xv, vv */

	for (int i = 0; i < 10000; i++) {
		const double ax = g * t * p[1], av = g * t * (t * p[1] + p[2]);	/* g B'PA */
		const double r = COST_U + g * t * t * p[2];
		const double xx = p[0], xv = p[1];

		k[0] = ax / r;
		k[1] = av / r;
		p[0] = COST_X + g * xx - ax * k[0];
		p[1] = g * (t * xx + xv) - ax * k[1];
		p[2] = COST_V + g * (t * t * xx + 2.0 * t * xv + p[2]) - av * k[1];
	}
}

int lqr_optimal(void *ctx, const float *x, const uint8_t *feasible, unsigned int rows,
		struct env_action *a)
{
	static float force;
	const double *k = ctx;

	(void)feasible;
	(void)rows;
	force = -k[0] * x[0] - k[1] * x[1];
	a->value = &force;
	return 0;
}
