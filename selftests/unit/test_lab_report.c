// SPDX-License-Identifier: GPL-2.0
/* What the report chooses and how it judges, on campaigns of a few cells that are written down here. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lab/report.h"

#define CASES	4
#define POLICIES 4
#define TRIALS	8
#define SELECT	4

static double cost[CASES * POLICIES * TRIALS];
static struct report_case c[CASES];
static struct report_policy p[POLICIES];
static char family[3][REPORT_NAME] = { "a", "b", "c" };
static struct report_data d;

/* Cases 0 and 1 of one family each, 2 and 3 of a third one. Every cell is its policy's number. */
static int setup(void **state)
{
	(void)state;
	d = (struct report_data){ .cases = CASES, .policies = POLICIES, .trials = TRIALS, .families = 3,
				  .select = SELECT, .c = c, .p = p, .family = family, .cost = cost,
				  .endpoint_cost = cost };
	for (int k = 0; k < CASES; k++)
		c[k] = (struct report_case){ .family = k < 2 ? k : 2 };
	for (int k = 0; k < POLICIES; k++) {
		p[k] = (struct report_policy){ .role = LAB_STATIC, .k_bytes = 1000 * (k + 1) };
		for (int i = 0; i < CASES; i++)
			for (int t = 0; t < TRIALS; t++)
				cost[report_at(&d, i, k, t)] = k;
	}
	return 0;
}

static void set(size_t i, size_t k, size_t from, size_t to, double v)
{
	for (size_t t = from; t < to; t++)
		cost[report_at(&d, i, k, t)] = v;
}

static void near(double value, double expected)
{
	if (!(fabs(value - expected) < 1e-9)) {
		print_error("%.15g, expected %.15g\n", value, expected);
		fail();
	}
}

static void test_halving(void **state)
{
	const bool first[CASES] = { true }, all[CASES] = { true, true, true, true };
	const bool none[CASES] = { false };

	(void)state;
	assert_int_equal(report_halve(&d, cost, first, report_is_static, SELECT), 0);
	/* Of four, the first half of the trials decides which two go on: 3 is the best of all four
	 * trials, but among the worse ones of the first two.
	 */
	set(0, 3, 0, 2, 10);
	set(0, 3, 2, 4, -30);
	assert_int_equal(report_halve(&d, cost, first, report_is_static, SELECT), 0);
	set(0, 3, 0, 2, 0.5);
	assert_int_equal(report_halve(&d, cost, first, report_is_static, SELECT), 3);
	/* The trials that judge have no say. */
	set(0, 0, SELECT, TRIALS, -100);
	assert_int_equal(report_halve(&d, cost, first, report_is_static, SELECT), 3);
	/* Over all cases: who lacks one is out, and one that failed a trial is not. */
	set(1, 0, 0, TRIALS, NAN);
	set(0, 3, 0, TRIALS, 3);
	assert_int_equal(report_halve(&d, cost, all, report_is_static, SELECT), 1);
	set(1, 1, 0, 1, NAN);
	assert_int_equal(report_halve(&d, cost, all, report_is_static, SELECT), 1);
	assert_true(report_halve(&d, cost, all, report_is_learned, SELECT) == REPORT_NONE);
	assert_true(report_halve(&d, cost, none, report_is_static, SELECT) == REPORT_NONE);
	assert_true(report_halve(&d, cost, all, report_is_static, 0) == REPORT_NONE);
}

/* Policy 2 is best in family a, 3 in b, 1 in c. */
static void test_held_out(void **state)
{
	size_t pick[CASES];

	(void)state;
	set(0, 2, 0, TRIALS, -9);
	set(1, 3, 0, TRIALS, -5);
	set(2, 1, 0, TRIALS, -4);
	set(3, 1, 0, TRIALS, -4);
	c[2].test = c[3].test = true;
	assert_int_equal(report_best(&d, report_is_static, pick), 0);
	/* Of training families: each other's, and for the test the better of both. */
	assert_int_equal(pick[0], 3);
	assert_int_equal(pick[1], 2);
	assert_int_equal(pick[2], 2);
	assert_int_equal(pick[3], 2);
	/* Everything is test: of the other families. */
	c[0].test = c[1].test = true;
	assert_int_equal(report_best(&d, report_is_static, pick), 0);
	assert_int_equal(pick[0], 1);
	/* One family: over all of it. */
	c[0].family = c[1].family = 2;
	assert_int_equal(report_best(&d, report_is_static, pick), 0);
	assert_int_equal(pick[0], 1);
	assert_int_equal(pick[3], 1);
	assert_int_equal(report_oracle(&d, cost, pick), 0);
	assert_int_equal(pick[0], 2);
	assert_int_equal(pick[1], 3);
	assert_int_equal(pick[3], 1);
}

static void test_contrast(void **state)
{
	const size_t a[CASES] = { 1, 1, 1, 1 }, b[CASES] = { 0, 0, 0, 0 };
	const size_t some[CASES] = { 1, REPORT_NONE, 1, REPORT_NONE };
	bool use[CASES] = { true, true, true, true };
	struct report_contrast k;
	struct stats_interval s;
	double weight = 0;

	(void)state;
	/* Family c: 1 + 0 in case 2, 1 + 4 in case 3; a family counts once, however many cases. */
	set(3, 1, SELECT, TRIALS, 5);
	/* What chose does not count. */
	set(0, 1, 0, SELECT, 1000);
	assert_int_equal(report_contrast(&d, cost, a, b, use, &k), 0);
	assert_int_equal(k.level, LEVEL_FAMILIES);
	assert_int_equal(k.units, 3);
	assert_int_equal(k.pairs, CASES * (TRIALS - SELECT));
	near(k.list[0], 1);
	near(k.list[2], 3);
	for (size_t i = 0; i < k.pairs; i++)
		weight += k.weight[i];
	near(weight, 3);
	near(k.weight[0], 0.25);
	near(k.weight[k.pairs - 1], 0.125);
	report_contrast_interval(&k, &s);
	near(s.mean, 5.0 / 3);
	report_contrast_free(&k);

	/* A pair that lacks a side is none, and a case that lacks a pick neither. */
	set(0, 0, SELECT, SELECT + 1, NAN);
	assert_int_equal(report_contrast(&d, cost, some, b, use, &k), 0);
	assert_int_equal(k.pairs, 7);
	assert_int_equal(k.cases, 2);
	assert_int_equal(k.level, LEVEL_TRIALS);	/* two families say nothing of a third */
	report_contrast_free(&k);

	use[0] = false;
	assert_int_equal(report_contrast(&d, cost, a, b, use, &k), 0);
	assert_int_equal(k.level, LEVEL_CASES);
	assert_int_equal(k.units, 3);
	report_contrast_free(&k);
	/* Two cases: a trial is the mean of both. */
	use[1] = false;
	assert_int_equal(report_contrast(&d, cost, a, b, use, &k), 0);
	assert_int_equal(k.level, LEVEL_TRIALS);
	assert_int_equal(k.units, TRIALS - SELECT);
	near(k.list[0], 3);
	report_contrast_free(&k);
	/* Picked, but with nothing measured: not a level of its own. */
	set(3, 1, 0, TRIALS, NAN);
	assert_int_equal(report_contrast(&d, cost, a, b, use, &k), 0);
	assert_int_equal(k.level, LEVEL_TRIALS);
	assert_int_equal(k.units, TRIALS - SELECT);
	report_contrast_free(&k);
	use[2] = false;
	assert_int_equal(report_contrast(&d, cost, a, b, use, &k), 0);
	assert_int_equal(k.level, LEVEL_NONE);
	report_contrast_interval(&k, &s);
	assert_true(isnan(s.mean));
	report_contrast_free(&k);
}

static void test_bands(void **state)
{
	(void)state;
	assert_int_equal(report_band(0.251), BAND_GO);
	assert_int_equal(report_band(0.25), BAND_MAYBE);
	assert_int_equal(report_band(0.15), BAND_MAYBE);
	assert_int_equal(report_band(0.149), BAND_NO_GO);
	assert_int_equal(report_band(-1), BAND_NO_GO);
}

/* Policy 3 learns. Family means of its loss to policy 0, the best static one, are given. */
static struct report_rung judged(double a, double b, double e)
{
	struct report_result *r;
	struct report_rung rung;

	strcpy(p[3].name, "learned");
	strcpy(d.candidate, "learned");
	strcpy(d.reference, "best-static");
	strcpy(d.endpoint, "J");
	p[3].role = LAB_LEARNED;
	set(0, 3, 0, TRIALS, a);
	set(1, 3, 0, TRIALS, b);
	set(2, 3, 0, TRIALS, e);
	set(3, 3, 0, TRIALS, e);
	assert_int_equal(report_judge(&d, &r), 0);
	rung = r->rung[5];
	assert_string_equal(rung.name, "learned");
	assert_true(r->primary);
	assert_int_equal(r->endpoint_verdict, rung.verdict);
	assert_int_equal(r->endpoint_pairs, CASES * (TRIALS - SELECT));
	near(r->endpoint.mean, rung.loss.mean);
	near(r->all.o.mean, 0);
	report_result_free(r);
	return rung;
}

static void test_verdict(void **state)
{
	struct report_rung g = judged(0.01, 0.02, 0.03);

	(void)state;
	assert_int_equal(g.verdict, VERDICT_HOLDS);
	near(g.loss.mean, expm1(0.02));
	assert_true(isnan(g.captured.mean));	/* the oracle gains nothing over best static */
	g = judged(0.1, 0.11, 0.12);
	assert_int_equal(g.verdict, VERDICT_LOSES);
	g = judged(-0.1, 0.04, 0.15);
	assert_int_equal(g.verdict, VERDICT_UNDECIDED);
	assert_true(g.units_needed > 3);
	g = judged(-0.1, 0.1, 0.3);	/* its mean is above the margin */
	assert_int_equal(g.verdict, VERDICT_UNDECIDED);
	assert_int_equal(g.units_needed, 0);
	g = judged(0, 0, 0);		/* the same runs */
	assert_int_equal(g.verdict, VERDICT_NONE);
}

/* Where each family has a threshold of its own, which gains 1, and the policy gets 0.8 of it. */
static void test_captured(void **state)
{
	struct report_rung g;

	(void)state;
	for (int k = 0; k < CASES; k++)
		for (int i = 0; i < 3; i++)
			set(k, i, 0, TRIALS, i == (int)c[k].family ? -1 : 0);
	strcpy(p[3].name, "learned");
	strcpy(d.candidate, "learned");
	strcpy(d.reference, "best-static");
	p[3].role = LAB_LEARNED;
	for (int k = 0; k < CASES; k++)
		set(k, 3, 0, TRIALS, -0.8);
	{
		struct report_result *r;

		assert_int_equal(report_judge(&d, &r), 0);
		g = r->rung[5];
		near(g.captured.mean, 0.8);
		near(g.captured.low, 0.8);
		near(g.over.mean, expm1(0.2));
		assert_int_equal(r->oracle[2], 2);
		/* One threshold for all of them serves one family, by hindsight. */
		assert_true(r->all.o.mean > 0.3);
		assert_int_equal(report_band(r->all.o.mean), BAND_GO);
		report_result_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_halving, setup), cmocka_unit_test_setup(test_held_out, setup),
		cmocka_unit_test_setup(test_contrast, setup), cmocka_unit_test_setup(test_bands, setup),
		cmocka_unit_test_setup(test_verdict, setup), cmocka_unit_test_setup(test_captured, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
