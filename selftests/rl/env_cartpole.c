// SPDX-License-Identifier: GPL-2.0
/*
 * CartPole-v1: the cart and pole of Barto, Sutton, Anderson, "Neuronlike adaptive
 * elements that can solve difficult learning control problems", IEEE Transactions
 * on Systems, Man, and Cybernetics 1983, without friction, by Euler's method:
 *
 *   theta'' = (g sin - cos (F + m l theta'^2 sin) / M) / (l (4/3 - m cos^2 / M))
 *   x''     = (F + m l theta'^2 sin - m l theta'' cos) / M
 *
 * with M cart and pole together and l half the pole's length. Every step pays 1,
 * the one that fails included; version 1 stops after 500.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl/envs.h"
#include "lib/rng.h"

#define GRAVITY		9.8
#define MASS_POLE	0.1
#define MASS_TOTAL	1.1
#define HALF_LENGTH	0.5
#define FORCE		10.0
#define STEP_S		0.02
#define X_LIMIT		2.4
#define THETA_LIMIT	(12.0 * M_PI / 180.0)

struct cartpole {
	struct env env;
	double s[4];	/* x, x', theta, theta' */
};

static int reset(struct env *e, uint64_t seed)
{
	struct cartpole *c = (struct cartpole *)e;
	struct rng rng;

	rng_seed(&rng, seed);
	for (int i = 0; i < 4; i++)
		c->s[i] = 0.1 * rng_uniform(&rng) - 0.05;
	return 0;
}

static int observe(const struct env *e, float *x, uint8_t *feasible)
{
	const struct cartpole *c = (const struct cartpole *)e;

	(void)feasible;
	for (int i = 0; i < 4; i++)
		x[i] = c->s[i];
	return 1;
}

static int step(struct env *e, const struct env_action *a, struct env_step *out)
{
	struct cartpole *c = (struct cartpole *)e;
	double *s = c->s;
	const double sine = sin(s[2]), cosine = cos(s[2]);
	const double push = (a->index ? FORCE : -FORCE) +
			    MASS_POLE * HALF_LENGTH * s[3] * s[3] * sine;
	const double theta_acc = (GRAVITY * sine - cosine * push / MASS_TOTAL) /
		(HALF_LENGTH * (4.0 / 3.0 - MASS_POLE * cosine * cosine / MASS_TOTAL));
	const double x_acc = (push - MASS_POLE * HALF_LENGTH * theta_acc * cosine) / MASS_TOTAL;

	s[0] += STEP_S * s[1];
	s[1] += STEP_S * x_acc;
	s[2] += STEP_S * s[3];
	s[3] += STEP_S * theta_acc;
	out->reward = 1.0f;
	out->terminated = fabs(s[0]) > X_LIMIT || fabs(s[2]) > THETA_LIMIT;
	return 0;
}

static void release(struct env *e)
{
	free(e);
}

struct env *cartpole_new(void)
{
	static const struct env_ops ops = { "cartpole", reset, observe, step, release };
	struct cartpole *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->env = (struct env) {
		.ops = &ops, .shape = { .features = 4, .outputs = 2, .max_rows = 1 },
		.time_limit = 500,
	};
	return &c->env;
}

void cartpole_set(struct env *e, const double s[4])
{
	memcpy(((struct cartpole *)e)->s, s, 4 * sizeof(*s));
}

void cartpole_get(const struct env *e, double s[4])
{
	memcpy(s, ((const struct cartpole *)e)->s, 4 * sizeof(*s));
}
