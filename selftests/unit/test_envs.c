// SPDX-License-Identifier: GPL-2.0
/* The textbook environments: their equations, and how episodes end. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/rng.h"
#include "rl/envs.h"

static struct env_step act(struct env *e, int index)
{
	struct env_step s;

	assert_int_equal(env_step(e, &(struct env_action){ .index = index }, &s), 0);
	return s;
}

/* By hand, from rest: M x'' + m l theta'' = F, theta'' = -(F / M) / (l (4/3 - m / M)). */
static void cartpole_first_step(void **state)
{
	const double rest[4] = { 0 }, theta_acc = -(10.0 / 1.1) / (0.5 * (4.0 / 3.0 - 0.1 / 1.1));
	const double x_acc = (10.0 - 0.1 * 0.5 * theta_acc) / 1.1;
	struct env *e = cartpole_new();
	double s[4], mirrored[4];

	(void)state;
	assert_int_equal(env_reset(e, 1), 0);
	cartpole_set(e, rest);
	assert_true(act(e, 1).reward == 1.0f);
	cartpole_get(e, s);
	assert_true(s[0] == 0.0 && s[2] == 0.0);
	assert_true(fabs(s[1] - 0.02 * x_acc) < 1e-12 && fabs(s[1] - 0.195122) < 1e-6);
	assert_true(fabs(s[3] - 0.02 * theta_acc) < 1e-12 && fabs(s[3] + 0.292683) < 1e-6);
	cartpole_set(e, rest);
	act(e, 0);
	cartpole_get(e, mirrored);
	for (int i = 0; i < 4; i++)
		assert_true(mirrored[i] == -s[i]);
	env_free(e);
}

static void cartpole_ends(void **state)
{
	static const double lost[][4] = {
		{ 2.41, 0, 0, 0 }, { -2.41, 0, 0, 0 }, { 0, 0, 0.2095, 0 }, { 0, 0, -0.2095, 0 },
	}, held[][4] = {
		{ 2.39, 0, 0, 0 }, { -2.39, 0, 0, 0 }, { 0, 0, 0.2094, 0 }, { 0, 0, -0.2094, 0 },
	};
	struct env *e = cartpole_new();
	struct env_step s;

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(env_reset(e, 1), 0);
		cartpole_set(e, held[i]);
		assert_false(act(e, 0).terminated);
		cartpole_set(e, lost[i]);
		s = act(e, 0);
		assert_true(s.terminated && !s.truncated);
		assert_int_equal(env_step(e, &(struct env_action){ 0 }, &s), -EINVAL);
	}
	/* Held up by hand it is truncated at 500, not terminated. */
	assert_int_equal(env_reset(e, 1), 0);
	for (int i = 1; i <= 500; i++) {
		cartpole_set(e, held[0]);
		s = act(e, 0);
		assert_false(s.terminated);
		assert_int_equal(s.truncated, i == 500);
	}
	assert_int_equal(env_step(e, &(struct env_action){ 0 }, &s), -EINVAL);
	env_free(e);
}

/* Kinetic and potential energy of two rods, from velocities, not from the equations. */
static double acrobot_energy(const double s[4])
{
	const double w = s[2] + s[3], g = 9.8;
	const double v2 = s[2] * s[2] + 0.25 * w * w + s[2] * w * cos(s[1]);

	return 0.5 * (0.25 * s[2] * s[2] + s[2] * s[2] + v2 + w * w) -
	       0.5 * g * cos(s[0]) - g * (cos(s[0]) + 0.5 * cos(s[0] + s[1]));
}

static void acrobot_conserves_energy(void **state)
{
	const double swing[4] = { 0.6, -0.4, 0.3, 0.2 }, rest[4] = { 0 };
	struct env *e = acrobot_new();
	double s[4], driven[4], mirrored[4], start = acrobot_energy(swing);

	(void)state;
	assert_int_equal(env_reset(e, 1), 0);
	acrobot_set(e, swing);
	for (int i = 0; i < 20; i++) {
		assert_true(act(e, 1).reward == -1.0f);
		acrobot_get(e, s);
		assert_true(fabs(acrobot_energy(s) - start) < 0.05);
	}
	assert_true(fabs(s[0] - swing[0]) > 0.05);
	acrobot_set(e, rest);
	act(e, 1);
	acrobot_get(e, s);
	for (int i = 0; i < 4; i++)
		assert_true(fabs(s[i]) < 1e-12);
	/* A torque does work, and the other way round the same. */
	acrobot_set(e, rest);
	act(e, 2);
	acrobot_get(e, driven);
	assert_true(acrobot_energy(driven) > acrobot_energy(rest) + 1e-3);
	acrobot_set(e, rest);
	act(e, 0);
	acrobot_get(e, mirrored);
	for (int i = 0; i < 4; i++)
		assert_true(fabs(mirrored[i] + driven[i]) < 1e-12);
	env_free(e);
}

static void acrobot_ends(void **state)
{
	const double below[4] = { 1.9, 0.0, 0, 0 }, above[4] = { 2.2, 0.0, 1.0, 0 };
	struct env *e = acrobot_new();
	struct env_step s;

	(void)state;
	assert_int_equal(env_reset(e, 1), 0);
	acrobot_set(e, below);
	assert_false(act(e, 1).terminated);
	acrobot_set(e, above);
	s = act(e, 1);
	assert_true(s.terminated && s.reward == 0.0f);
	env_free(e);
}

/* What two policies meet: the same start for the same seed, and another for another. */
static void seeds(void **state)
{
	struct env *(*const make[])(void) = { cartpole_new, acrobot_new, admission_new, jsq_new };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct env *e = make[i]();
		float x[3][5][16] = { 0 };
		uint8_t ok[16];

		for (int k = 0; k < 3; k++) {
			assert_int_equal(env_reset(e, k < 2 ? 5 : 7), 0);
			for (int n = 0; n < 5; n++) {
				assert_true(env_observe(e, x[k][n], ok) > 0);
				act(e, 0);
			}
		}
		assert_memory_equal(x[0], x[1], sizeof(x[0]));
		assert_memory_not_equal(x[0], x[2], sizeof(x[0]));
		env_free(e);
	}
	env_free(NULL);
}

static void nonsense_is_refused(void **state)
{
	struct env *e = cartpole_new();
	struct env_step s;

	(void)state;
	assert_int_equal(env_reset(e, 1), 0);
	assert_int_equal(env_step(e, &(struct env_action){ .index = 2 }, &s), -EINVAL);
	assert_int_equal(env_step(e, &(struct env_action){ .index = -1 }, &s), -EINVAL);
	env_free(e);
}

/* The optimum is a threshold, the best of all thresholds, and the environment agrees. */
static void admission_optimum_is_right(void **state)
{
	double q[ADMISSION_MAX + 1][ADMISSION_ACTIONS], best = -1e9, sum = 0.0;
	int policy[ADMISSION_MAX + 1], best_at = -1, threshold = 0;
	struct env *e = admission_new();

	(void)state;
	admission_optimum(q);
	while (q[threshold][ADMISSION_ADMIT] > q[threshold][ADMISSION_REJECT])
		threshold++;
	assert_in_range(threshold, 2, ADMISSION_MAX - 2);
	for (int n = threshold; n < ADMISSION_MAX; n++)
		assert_true(q[n][ADMISSION_ADMIT] < q[n][ADMISSION_REJECT]);
	for (int t = 0; t <= ADMISSION_MAX; t++) {
		for (int n = 0; n <= ADMISSION_MAX; n++)
			policy[n] = n < t ? ADMISSION_ADMIT : ADMISSION_REJECT;
		if (admission_value(policy) > best) {
			best = admission_value(policy);
			best_at = t;
		}
	}
	assert_int_equal(best_at, threshold);
	assert_true(fabs(best - q[0][ADMISSION_ADMIT]) < 1e-9);

	/* Monte Carlo from the empty queue. */
	e->time_limit = 200;
	for (int i = 0; i < 20000; i++) {
		double discount = 1.0;
		struct env_step s = { 0 };
		float x[ADMISSION_MAX + 1];
		uint8_t ok[ADMISSION_ACTIONS];
		uint64_t seed = 1000 + i;

		/* A start that is not the empty queue is not what is valued: take the next seed. */
		do {
			assert_int_equal(env_reset(e, seed), 0);
			seed += 1000000;
			assert_int_equal(env_observe(e, x, ok), 1);
		} while (x[0] != 1.0f);
		while (!s.truncated) {
			int n = 0;

			env_observe(e, x, ok);
			while (x[n] != 1.0f)
				n++;
			s = act(e, n < threshold ? ADMISSION_ADMIT : ADMISSION_REJECT);
			sum += discount * s.reward;
			discount *= ADMISSION_GAMMA;
		}
	}
	assert_true(fabs(sum / 20000 - best) < 0.05);
	env_free(e);
}

/* u = -scale[i] k[i] (x, v); the discounted cost of one long episode. */
static double lqr_cost(const double scale[2], uint64_t seed)
{
	struct env *e = lqr_new();
	double k[2], sum = 0.0, weight = 1.0;

	lqr_gain(k);
	e->time_limit = 400;
	assert_int_equal(env_reset(e, seed), 0);
	while (!e->over) {
		struct env_step s;
		float x[2], u;
		uint8_t none;

		env_observe(e, x, &none);
		u = -scale[0] * k[0] * x[0] - scale[1] * k[1] * x[1];
		assert_int_equal(env_step(e, &(struct env_action){ .value = &u }, &s), 0);
		sum -= weight * s.reward;
		weight *= LQR_GAMMA;
	}
	env_free(e);
	return sum;
}

/* Every other gain costs more, in the mean over many episodes with the same noise. */
static void lqr_optimum_is_right(void **state)
{
	static const double scale[][2] = { { 1, 1 }, { 0.85, 1 }, { 1.15, 1 }, { 1, 0.85 },
					   { 1, 1.15 } };
	double cost[5] = { 0 };

	(void)state;
	for (int i = 0; i < 5; i++)
		for (uint64_t seed = 1; seed <= 300; seed++)
			cost[i] += lqr_cost(scale[i], seed) / 300;
	for (int i = 1; i < 5; i++)
		if (cost[i] < 1.002 * cost[0])
			fail_msg("scaled by %.2f and %.2f: %.4f, by 1: %.4f", scale[i][0],
				 scale[i][1], cost[i], cost[0]);
}

static void linear_regret_by_hand(void **state)
{
	struct env *e = linear_new();
	double regret, blind, least = 1e9, sum = 0.0;

	(void)state;
	/* The same context for each arm: one regret is 0, and their mean is a blind one's. */
	for (int a = 0; a < LINEAR_ARMS; a++) {
		assert_int_equal(env_reset(e, 5), 0);
		act(e, a);
		linear_regret(e, &regret, &blind);
		assert_true(regret >= 0.0);
		least = fmin(least, regret);
		sum += regret / LINEAR_ARMS;
	}
	assert_true(least == 0.0 && fabs(sum - blind) < 1e-12);
	env_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cartpole_first_step),
		cmocka_unit_test(cartpole_ends),
		cmocka_unit_test(acrobot_conserves_energy),
		cmocka_unit_test(acrobot_ends),
		cmocka_unit_test(seeds),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(admission_optimum_is_right),
		cmocka_unit_test(lqr_optimum_is_right),
		cmocka_unit_test(linear_regret_by_hand),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
