// SPDX-License-Identifier: GPL-2.0
/*
 * Acrobot-v1: the two-link pendulum driven at its second joint of Sutton,
 * "Generalization in reinforcement learning: successful examples using sparse
 * coarse coding", NIPS 1995 (printed 1996), in the form of Sutton and Barto's
 * book; a fourth-order Runge-Kutta step of 0.2 s per decision. Angles are from
 * hanging down, the second relative to the first link. Every step costs 1 until
 * the tip is a link's length above the first joint; version 1 stops after 500.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl/envs.h"
#include "lib/rng.h"

/* Both links: mass 1, length 1, centre of mass in the middle, moment of inertia 1. */
#define CENTRE	0.5
#define GRAVITY	9.8
#define STEP_S	0.2
#define MAX_V1	(4.0 * M_PI)
#define MAX_V2	(9.0 * M_PI)

struct acrobot {
	struct env env;
	double s[4];	/* theta1, theta2, theta1', theta2' */
};

static int reset(struct env *e, uint64_t seed)
{
	struct acrobot *a = (struct acrobot *)e;
	struct rng rng;

	rng_seed(&rng, seed);
	for (int i = 0; i < 4; i++)
		a->s[i] = 0.2 * rng_uniform(&rng) - 0.1;
	return 0;
}

static int observe(const struct env *e, float *x, uint8_t *feasible)
{
	const double *s = ((const struct acrobot *)e)->s;

	(void)feasible;
	x[0] = cos(s[0]);
	x[1] = sin(s[0]);
	x[2] = cos(s[1]);
	x[3] = sin(s[1]);
	x[4] = s[2];
	x[5] = s[3];
	return 1;
}

static void derivative(const double s[4], double torque, double ds[4])
{
	const double c2 = cos(s[1]), s2 = sin(s[1]);
	const double d1 = CENTRE * CENTRE + (1.0 + CENTRE * CENTRE + 2.0 * CENTRE * c2) + 2.0;
	const double d2 = CENTRE * CENTRE + CENTRE * c2 + 1.0;
	const double phi2 = CENTRE * GRAVITY * cos(s[0] + s[1] - M_PI_2);
	const double phi1 = -CENTRE * s[3] * s[3] * s2 - 2.0 * CENTRE * s[3] * s[2] * s2 +
			    (CENTRE + 1.0) * GRAVITY * cos(s[0] - M_PI_2) + phi2;

	ds[0] = s[2];
	ds[1] = s[3];
	ds[3] = (torque + d2 / d1 * phi1 - CENTRE * s[2] * s[2] * s2 - phi2) /
		(CENTRE * CENTRE + 1.0 - d2 * d2 / d1);
	ds[2] = -(d2 * ds[3] + phi1) / d1;
}

static void runge_kutta(double s[4], double torque)
{
	static const double at[4] = { 0.0, 0.5, 0.5, 1.0 }, weight[4] = { 1.0, 2.0, 2.0, 1.0 };
	double k[4] = { 0 }, sum[4] = { 0 };

	for (int j = 0; j < 4; j++) {
		double y[4];

		for (int i = 0; i < 4; i++)
			y[i] = s[i] + at[j] * STEP_S * k[i];
		derivative(y, torque, k);
		for (int i = 0; i < 4; i++)
			sum[i] += weight[j] * k[i];
	}
	for (int i = 0; i < 4; i++)
		s[i] += STEP_S / 6.0 * sum[i];
}

static int step(struct env *e, const struct env_action *a, struct env_step *out)
{
	double *s = ((struct acrobot *)e)->s;

	runge_kutta(s, a->index - 1);
	s[0] = remainder(s[0], 2.0 * M_PI);
	s[1] = remainder(s[1], 2.0 * M_PI);
	s[2] = fmax(-MAX_V1, fmin(MAX_V1, s[2]));
	s[3] = fmax(-MAX_V2, fmin(MAX_V2, s[3]));
	out->terminated = -cos(s[0]) - cos(s[1] + s[0]) > 1.0;
	out->reward = out->terminated ? 0.0f : -1.0f;
	return 0;
}

static void release(struct env *e)
{
	free(e);
}

struct env *acrobot_new(void)
{
	static const struct env_ops ops = { "acrobot", reset, observe, step, release };
	struct acrobot *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->env = (struct env) {
		.ops = &ops, .shape = { .features = 6, .outputs = 3, .max_rows = 1 },
		.time_limit = 500,
	};
	return &a->env;
}

void acrobot_set(struct env *e, const double s[4])
{
	memcpy(((struct acrobot *)e)->s, s, 4 * sizeof(*s));
}

void acrobot_get(const struct env *e, double s[4])
{
	memcpy(s, ((const struct acrobot *)e)->s, 4 * sizeof(*s));
}
