// SPDX-License-Identifier: GPL-2.0
/* Off-policy estimates on a bandit whose values are known, and what they refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <cmocka.h>

#include "guard/offpolicy.h"
#include "lib/rng.h"

#define N 4000

static struct offpolicy_row rows[N];

/* Three actions that earn 0, 1, 3 (plus noise) in context 0, and 2, 1, 0 in context 1. */
static const double value[2][3] = { { 0.0, 1.0, 3.0 }, { 2.0, 1.0, 0.0 } };
static const double behaviour[2][3] = { { 0.6, 0.3, 0.1 }, { 0.2, 0.6, 0.2 } };
static const int choice[2] = { 2, 0 };	/* the candidate's: 2.5 on average */
#define CANDIDATE	2.5
#define BEHAVIOUR	0.8	/* (0.3 + 0.3 + 0.4 + 0.6) / 2 */

static void draw(unsigned int seed, double model_error)
{
	struct rng r;

	rng_seed(&r, seed);
	for (size_t i = 0; i < N; i++) {
		unsigned int x = rng_below(&r, 2), a = 0;
		double u = rng_uniform(&r);

		while (a < 2 && u >= behaviour[x][a])
			u -= behaviour[x][a++];
		rows[i] = (struct offpolicy_row){
			.reward = value[x][a] + 0.5 * rng_normal(&r),
			.behaviour = behaviour[x][a],
			.candidate = (int)a == choice[x],
			.support = behaviour[x][choice[x]],
			.value_taken = value[x][a] + model_error * (a + 1),
			.value_candidate = value[x][choice[x]] + model_error * (choice[x] + 1),
		};
	}
}

static void test_known_bandit(void **state)
{
	unsigned int snips = 0, dr = 0;
	double bias_snips = 0.0, bias_dr = 0.0;
	struct offpolicy_estimate e;

	(void)state;
	for (unsigned int seed = 1; seed <= 300; seed++) {
		/* A model that is wrong is put right by the weights. */
		draw(seed, seed % 2 ? 0.0 : 0.3);
		assert_int_equal(offpolicy_estimate(rows, N, &e), 0);
		assert_int_equal(e.n, N);
		assert_true(e.support == 1.0 && fabs(e.behaviour - BEHAVIOUR) < 0.1);
		snips += e.snips_low <= CANDIDATE && CANDIDATE <= e.snips_high;
		dr += e.dr_low <= CANDIDATE && CANDIDATE <= e.dr_high;
		bias_snips += (e.snips - CANDIDATE) / 300;
		bias_dr += (e.dr - CANDIDATE) / 300;
		if (seed % 2)	/* a good model makes it more precise */
			assert_true(e.dr_high - e.dr_low < e.snips_high - e.snips_low);
	}
	/* 285 are due; 270 is four standard deviations below. */
	assert_in_range(snips, 270, 300);
	assert_in_range(dr, 270, 300);
	assert_true(fabs(bias_snips) < 0.01 && fabs(bias_dr) < 0.02);
}

static void test_effective_sample(void **state)
{
	struct offpolicy_estimate e;
	size_t n = 0;

	(void)state;
	/* Kish: alike weights count each row, as many as the candidate's choice was taken in. */
	for (size_t i = 0; i < N; i++)
		rows[i] = (struct offpolicy_row){
			.reward = 1.0, .behaviour = 0.5, .candidate = i % 2, .support = 0.5,
			.value_taken = NAN, .value_candidate = NAN,
		};
	assert_int_equal(offpolicy_estimate(rows, 2 * OFFPOLICY_ESS_MIN, &e), 0);
	assert_true(fabs(e.ess - OFFPOLICY_ESS_MIN) < 1e-9);
	assert_true(isnan(e.dr));
	n = 2 * OFFPOLICY_ESS_MIN - 1;
	assert_int_equal(offpolicy_estimate(rows, n, &e), -ENODATA);
	assert_true(fabs(e.ess - (OFFPOLICY_ESS_MIN - 1)) < 1e-9 && e.snips == 1.0);
	/* One row of great weight among many is worth little. */
	rows[1].behaviour = 0.0005;
	assert_int_equal(offpolicy_estimate(rows, N, &e), -ENODATA);
	assert_true(e.ess < 20.0);
}

static void test_support(void **state)
{
	struct offpolicy_estimate e;

	(void)state;
	draw(1, 0.0);
	/* Context 1 is half of all: then the candidate wants what nobody did. */
	for (size_t i = 0; i < N; i++)
		if (rows[i].support == behaviour[1][0]) {
			rows[i].support = 0.0;
			rows[i].candidate = 0.0;
		}
	assert_int_equal(offpolicy_estimate(rows, N, &e), -EDOM);
	assert_true(e.support > 0.45 && e.support < 0.55 && isfinite(e.snips));
	/* Nobody says: the weights do. */
	for (size_t i = 0; i < N; i++)
		rows[i].support = NAN;
	assert_int_equal(offpolicy_estimate(rows, N, &e), -EDOM);
	assert_true(e.support > 0.4 && e.support < 0.6);
	draw(2, 0.0);
	for (size_t i = 0; i < N; i++)
		rows[i].support = NAN;
	offpolicy_estimate(rows, N, &e);
	assert_true(e.support > 0.9);
}

static void test_bad_rows(void **state)
{
	struct offpolicy_estimate e;

	(void)state;
	assert_int_equal(offpolicy_estimate(rows, 0, &e), -ENODATA);
	assert_true(e.n == 0 && isnan(e.snips) && isnan(e.behaviour));
	draw(3, 0.0);
	rows[0].reward = NAN;
	rows[1].behaviour = 0.0;
	rows[2].behaviour = 1.5;
	rows[3].candidate = -0.1;
	rows[4].reward = INFINITY;
	rows[5].value_taken = NAN;	/* no model of a row: no doubly robust estimate */
	assert_int_equal(offpolicy_estimate(rows, N, &e), 0);
	assert_int_equal(e.n, N - 5);
	assert_true(isfinite(e.snips) && isnan(e.dr) && isnan(e.dr_high));
	/* The candidate chose nothing that was done. */
	for (size_t i = 0; i < N; i++) {
		rows[i].candidate = 0.0;
		rows[i].support = 0.5;
	}
	assert_int_equal(offpolicy_estimate(rows, N, &e), -ENODATA);
	assert_true(isnan(e.snips) && e.ess == 0.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_bandit),
		cmocka_unit_test(test_effective_sample),
		cmocka_unit_test(test_support),
		cmocka_unit_test(test_bad_rows),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
