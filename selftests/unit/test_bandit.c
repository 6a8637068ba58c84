// SPDX-License-Identifier: GPL-2.0
/* Bandits and the Q table, by hand and against optima. */
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
#include "rl/bandit.h"
#include "rl/envs.h"
#include "rl/qtable.h"

#define NEAR(a, b)	assert_true(fabs((a) - (b)) < 1e-12)

/* x = (1, 0), then (1, 1), rewards 1 and 2: A = [3 1; 1 2], A^-1 = [2 -1; -1 3] / 5, b = (3, 2). */
static void regression_by_hand(void **state)
{
	const struct bandit_config c = { BANDIT_LINUCB, 2, 2, 0.5, 1 };
	const double first[2] = { 1, 0 }, second[2] = { 1, 1 }, asked[2] = { 0, 1 };
	double mean, width;
	struct bandit p;

	(void)state;
	assert_int_equal(bandit_init(&p, &c), 0);
	bandit_belief(&p, 0, second, &mean, &width);
	NEAR(mean, 0.0);
	NEAR(width, sqrt(2.0));
	assert_int_equal(bandit_learn(&p, 0, first, 1.0), 0);
	assert_int_equal(bandit_learn(&p, 0, second, 2.0), 0);
	NEAR(p.inverse[0], 0.4);
	NEAR(p.inverse[1], -0.2);
	NEAR(p.inverse[2], -0.2);
	NEAR(p.inverse[3], 0.6);
	NEAR(p.theta[0], 0.8);
	NEAR(p.theta[1], 0.6);
	bandit_belief(&p, 0, asked, &mean, &width);
	NEAR(mean, 0.6);
	NEAR(width, sqrt(0.6));
	/* 0.6 + 0.5 sqrt(0.6) = 0.99 beats 0.5; 0.6 + 3 sqrt(0.6) = 2.92 does not beat 3. */
	assert_int_equal(bandit_choose(&p, asked, NULL), 0);
	p.config.alpha = 1.8;	/* 1.99 and 1.8 */
	assert_int_equal(bandit_choose(&p, asked, NULL), 0);
	p.config.alpha = 3.0;
	assert_int_equal(bandit_choose(&p, asked, NULL), 1);
	assert_int_equal(bandit_greedy(&p, asked, NULL), 0);
	assert_int_equal(bandit_choose(&p, asked, (uint8_t[2]){ 1, 0 }), 0);
	assert_int_equal(bandit_greedy(&p, asked, (uint8_t[2]){ 0, 1 }), 1);
	assert_int_equal(bandit_choose(&p, asked, (uint8_t[2]){ 0, 0 }), -ENOENT);
	bandit_fini(&p);
}

/* What Thompson's draws say of two arms: arm 0 leads by 0.5 with deviations 1 and 1. */
static void thompson_by_hand(void **state)
{
	const struct bandit_config c = { BANDIT_THOMPSON, 2, 1, 1.0, 1 };
	const double x = 1.0;
	struct bandit p;
	int first = 0;

	(void)state;
	assert_int_equal(bandit_init(&p, &c), 0);
	p.theta[0] = 0.5;
	for (int i = 0; i < 40000; i++)
		first += bandit_choose(&p, &x, NULL) == 0;
	/* The difference is normal with mean 0.5 and variance 2. */
	assert_true(fabs(first / 40000.0 - 0.5 * erfc(-0.5 / sqrt(2.0) / sqrt(2.0))) < 0.01);
	bandit_fini(&p);
}

#define ARMS	5
#define DIMS	4
#define ROUNDS	4000

/* The regret of ROUNDS choices against knowing theta; *late: of the last quarter. */
static double regret(enum bandit_kind kind, double alpha, uint64_t seed, double *late)
{
	const struct bandit_config c = { kind, ARMS, DIMS, alpha, seed };
	double theta[ARMS][DIMS], total = 0.0;
	struct bandit p;
	struct rng rng;

	rng_seed(&rng, seed + 1000);
	assert_int_equal(bandit_init(&p, &c), 0);
	for (int a = 0; a < ARMS; a++)
		for (int i = 0; i < DIMS; i++)
			theta[a][i] = rng_normal(&rng) / sqrt(DIMS);
	*late = 0.0;
	for (int t = 0; t < ROUNDS; t++) {
		double x[DIMS], mean[ARMS] = { 0 }, best = -INFINITY, lost;
		int pick;

		for (int i = 0; i < DIMS; i++)
			x[i] = rng_normal(&rng);
		for (int a = 0; a < ARMS; a++) {
			for (int i = 0; i < DIMS; i++)
				mean[a] += theta[a][i] * x[i];
			best = fmax(best, mean[a]);
		}
		pick = bandit_choose(&p, x, NULL);
		lost = best - mean[pick];
		total += lost;
		if (t >= ROUNDS * 3 / 4)
			*late += lost;
		bandit_learn(&p, pick, x, mean[pick] + 0.5 * rng_normal(&rng));
	}
	bandit_fini(&p);
	return total;
}

/* Choosing blindly loses about 1.1 a round. Both stay below sqrt(d K T), and hardly lose late. */
static void regret_is_bounded(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		for (int kind = BANDIT_LINUCB; kind <= BANDIT_THOMPSON; kind++) {
			double late, all = regret(kind, 0.5, seed, &late);

			if (all > sqrt(DIMS * ARMS * ROUNDS) || late > 0.15 * all)
				fail_msg("kind %d seed %d: regret %.1f, %.1f in the last quarter",
					 kind, (int)seed, all, late);
		}
}

/* The inverse kept by updates is still the inverse after many of them. */
static void inverse_does_not_drift(void **state)
{
	const struct bandit_config c = { BANDIT_LINUCB, 1, 3, 1.0, 1 };
	double a[3][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } };
	struct bandit p;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	assert_int_equal(bandit_init(&p, &c), 0);
	for (int t = 0; t < 100000; t++) {
		double x[3] = { 1.0, rng_uniform(&rng), 1e-2 * rng_normal(&rng) };

		bandit_learn(&p, 0, x, x[1]);
		for (int i = 0; i < 3; i++)
			for (int j = 0; j < 3; j++)
				a[i][j] += x[i] * x[j];
	}
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++) {
			double sum = 0.0;

			for (int k = 0; k < 3; k++)
				sum += a[i][k] * p.inverse[k * 3 + j];
			assert_true(fabs(sum - (i == j)) < 1e-6);
		}
	assert_true(fabs(p.theta[1] - 1.0) < 1e-3 && p.pulls[0] == 100000);
	bandit_fini(&p);
}

static void q_table_by_hand(void **state)
{
	struct qtable t;

	(void)state;
	assert_int_equal(qtable_init(&t, 3, 2, 0.5, 0.5, 1.0), 0);
	/* Rates of a pair: 1/2, 1/4, 1/6. */
	assert_int_equal(qtable_learn(&t, 0, 1, 4.0, -1, NULL), 0);
	NEAR(t.q[1], 2.0);
	assert_int_equal(qtable_learn(&t, 0, 1, 4.0, -1, NULL), 0);
	NEAR(t.q[1], 2.5);
	/* Half of (1 + 0.5 * 2.5); with the good action masked the next state is worth 0. */
	assert_int_equal(qtable_learn(&t, 2, 0, 1.0, 0, NULL), 0);
	NEAR(t.q[4], 0.5 * 2.25);
	assert_int_equal(qtable_learn(&t, 2, 1, 1.0, 0, (uint8_t[2]){ 1, 0 }), 0);
	NEAR(t.q[5], 0.5);
	assert_int_equal(qtable_greedy(&t, 0, NULL), 1);
	assert_int_equal(qtable_greedy(&t, 0, (uint8_t[2]){ 1, 0 }), 0);
	assert_int_equal(qtable_greedy(&t, 0, (uint8_t[2]){ 0, 0 }), -ENOENT);
	assert_int_equal(qtable_learn(&t, 0, 2, 0.0, -1, NULL), -EINVAL);
	assert_int_equal(qtable_learn(&t, 0, 0, 0.0, 3, NULL), -EINVAL);
	assert_int_equal(qtable_learn(&t, 0, 0, NAN, 1, NULL), -EINVAL);
	qtable_fini(&t);
	assert_int_equal(qtable_init(&t, 1, 1, 1.0, 0.5, 1.0), -EINVAL);
	assert_int_equal(qtable_init(&t, 1u << 20, 1u << 20, 0.9, 0.5, 1.0), -EINVAL);
}

static unsigned int customers(const struct env *e, uint8_t *ok)
{
	float x[ADMISSION_MAX + 1];
	unsigned int n = 0;

	assert_int_equal(env_observe(e, x, ok), 1);
	while (x[n] != 1.0f)
		n++;
	return n;
}

/* Values and policy of the admission problem, from random actions in episodes of ten steps. */
static void q_table_finds_the_optimum(void **state)
{
	double q[ADMISSION_MAX + 1][ADMISSION_ACTIONS];
	struct env *e = admission_new();
	uint8_t ok[ADMISSION_ACTIONS];
	int policy[ADMISSION_MAX + 1];
	struct qtable t;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	admission_optimum(q);
	assert_int_equal(qtable_init(&t, ADMISSION_MAX + 1, ADMISSION_ACTIONS, ADMISSION_GAMMA,
				     0.5, 500.0), 0);
	for (int i = 0; i < 600000; i++) {
		struct env_action a;
		struct env_step s = { 0 };

		assert_int_equal(env_reset(e, rng_u64(&rng)), 0);
		while (!s.truncated) {
			unsigned int n = customers(e, ok);

			a.index = ok[ADMISSION_ADMIT] ? rng_below(&rng, 2) : ADMISSION_REJECT;
			assert_int_equal(env_step(e, &a, &s), 0);
			qtable_learn(&t, n, a.index, s.reward, customers(e, ok), ok);
		}
	}
	for (unsigned int n = 0; n <= ADMISSION_MAX; n++)
		for (int a = 0; a < ADMISSION_ACTIONS; a++)
			/* To admit to a full queue is not feasible, and never tried. */
			if ((n < ADMISSION_MAX || a == ADMISSION_REJECT) &&
			    fabs(t.q[n * ADMISSION_ACTIONS + a] - q[n][a]) > 0.1)
				fail_msg("%u customers, action %d: %.3f, not %.3f", n, a,
					 t.q[n * ADMISSION_ACTIONS + a], q[n][a]);
	for (unsigned int n = 0; n <= ADMISSION_MAX; n++)
		policy[n] = qtable_greedy(&t, n, NULL);
	assert_true(admission_value(policy) > 0.999 * q[0][ADMISSION_ADMIT]);
	qtable_fini(&t);
	env_free(e);
}

static void nonsense_is_refused(void **state)
{
	struct bandit_config c = { BANDIT_LINUCB, 2, 1, 1.0, 1 };
	const double x = 1.0, bad = NAN;
	struct bandit p;

	(void)state;
	assert_int_equal(bandit_init(&p, &c), 0);
	assert_int_equal(bandit_learn(&p, 2, &x, 1.0), -EINVAL);
	assert_int_equal(bandit_learn(&p, 0, &bad, 1.0), -EINVAL);
	assert_int_equal(bandit_learn(&p, 0, &x, INFINITY), -EINVAL);
	assert_true(p.inverse[0] == 1.0 && p.b[0] == 0.0 && p.pulls[0] == 0);
	bandit_fini(&p);
	c.alpha = NAN;
	assert_int_equal(bandit_init(&p, &c), -EINVAL);
	c.alpha = 1.0;
	c.arms = 0;
	assert_int_equal(bandit_init(&p, &c), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regression_by_hand),
		cmocka_unit_test(thompson_by_hand),
		cmocka_unit_test(regret_is_bounded),
		cmocka_unit_test(inverse_does_not_drift),
		cmocka_unit_test(q_table_by_hand),
		cmocka_unit_test(q_table_finds_the_optimum),
		cmocka_unit_test(nonsense_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
