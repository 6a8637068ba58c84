// SPDX-License-Identifier: GPL-2.0
/*
 * The statistics of a campaign against values from SciPy 1.10 and from textbooks. The command that
 * gave a constant stands beside it; x and y are the lists below.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lab/stats.h"
#include "lib/rng.h"

static const double x[] = { 2.1, 3.4, 1.9, 5.6, 4.4, 3.8, 2.7, 6.1 };
static const double y[] = { 1.0, 2.2, 1.5, 3.9, 2.0, 3.1, 2.8, 3.5 };
#define N	8

static void near(double value, double expected, double tolerance)
{
	if (!(fabs(value - expected) <= tolerance)) {
		print_error("%.15g, expected %.15g\n", value, expected);
		fail();
	}
}

static void test_moments(void **state)
{
	(void)state;
	near(stats_cv(x, N), 0.412379852632, 1e-11);	/* np.std(x, ddof=1) / np.mean(x) */
	near(stats_quantile(x, N, 0.25), 2.55, 1e-12);	/* np.quantile(x, .25) */
	near(stats_quantile(x, N, 0.9), 5.75, 1e-12);
	assert_true(isnan(stats_mean(x, 0)));
	assert_true(isnan(stats_cv(x, 1)));
	assert_true(isnan(stats_quantile(x, 0, 0.5)));
}

static void test_correlations(void **state)
{
	const double a[] = { 1, 2, 2, 3, 4 }, b[] = { 2, 1, 3, 3, 5 }, flat[] = { 1, 1, 1, 1, 1 };

	(void)state;
	near(stats_pearson(x, y, N), 0.809240033392, 1e-11);	/* stats.pearsonr(x, y) */
	near(stats_spearman(x, y, N), 0.785714285714, 1e-11);	/* stats.spearmanr(x, y) */
	near(stats_spearman(a, b, 5), 0.763157894737, 1e-11);	/* with ties */
	assert_true(isnan(stats_pearson(a, flat, 5)));
	assert_true(isnan(stats_spearman(flat, b, 5)));
	/* stats.f.sf(np.var(x, ddof=1) / np.var(y, ddof=1), 7, 7) */
	near(stats_variance_test(x, N, y, N), 0.136365394647, 1e-10);
	assert_true(isnan(stats_variance_test(x, 1, y, N)));
}

/* Freireich's patients on 6-MP: the table that textbooks explain the estimate by. */
static void test_kaplan_meier(void **state)
{
	const double t[] = { 35, 6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32,
			     34 };
	const bool c[] = { 1, 0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1 };
	const bool none[21] = { 0 };

	(void)state;
	near(stats_km_quantile(t, c, 21, 0.14), 6, 0);	/* S(6) = 0.857 */
	near(stats_km_quantile(t, c, 21, 0.15), 7, 0);	/* S(7) = 0.807 */
	near(stats_km_quantile(t, c, 21, 0.25), 13, 0);
	near(stats_km_quantile(t, c, 21, 0.5), 23, 0);	/* S(22) = 0.538, S(23) = 0.448 */
	assert_true(isnan(stats_km_quantile(t, c, 21, 0.6)));
	near(stats_km_quantile(t, none, 21, 0.5), 16, 0);
	assert_true(isnan(stats_km_quantile(t, c, 0, 0.5)));
}

static void test_signs(void **state)
{
	double d[N], w[N], many[200], ones[200];
	struct rng rng;

	(void)state;
	for (int i = 0; i < N; i++) {
		d[i] = x[i] - y[i] - 1;
		w[i] = 1;
	}
	/* stats.permutation_test((d,), np.sum, permutation_type='samples', n_resamples=np.inf) */
	near(stats_sign_test(d, w, N, 1), 0.4921875, 1e-12);
	/* All on one side: 2 of 2^8. */
	near(stats_sign_test(x, w, N, 1), 2.0 / 256, 1e-12);
	near(stats_sign_test((double[]){ 0, 0, 0 }, w, 3, 1), 1, 0);
	assert_true(isnan(stats_sign_test(x, w, 0, 1)));

	/* At random it finds what is there, and p is never 0. */
	rng_seed(&rng, 3);
	for (int i = 0; i < 200; i++) {
		many[i] = 1 + rng_normal(&rng);
		ones[i] = 1;
	}
	near(stats_sign_test(many, ones, 200, 1), 1.0 / (STATS_PERMUTATIONS + 1), 1e-15);
	/* What weighs nothing does not count. */
	for (int i = 4; i < 200; i++)
		ones[i] = 0;
	near(stats_sign_test(many, ones, 200, 1),
	     stats_sign_test(many, ones, 4, 1), 0.015);
}

/* Where nothing is different, it says so 95 times of 100. */
static void test_false_alarms(void **state)
{
	double d[20], w[20];
	unsigned int alarms = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 7);
	for (int k = 0; k < 300; k++) {
		for (int i = 0; i < 20; i++) {
			d[i] = rng_normal(&rng);
			w[i] = 1;
		}
		alarms += stats_sign_test(d, w, 20, k) <= 0.05;
	}
	assert_in_range(alarms, 5, 27);	/* 15 expected; stats.binom(300, .05): 0.999 */
}

static void test_holm(void **state)
{
	double p[] = { 0.04, NAN, 0.01, 0.03, 0.005 }, few[] = { 0.7, 0.6 };

	(void)state;
	assert_int_equal(stats_holm(p, 5), 0);
	near(p[4], 0.02, 1e-12);	/* 4 * 0.005 */
	near(p[2], 0.03, 1e-12);	/* 3 * 0.01 */
	near(p[3], 0.06, 1e-12);	/* 2 * 0.03 */
	near(p[0], 0.06, 1e-12);	/* 0.04, but not below the one before */
	assert_true(isnan(p[1]));
	assert_int_equal(stats_holm(few, 2), 0);
	near(few[0], 1, 0);
	near(few[1], 1, 0);
	assert_int_equal(stats_holm(few, 0), 0);
}

static void test_interval(void **state)
{
	struct stats_interval s;

	(void)state;
	stats_interval_mean(x, N, &s);
	/* stats.t.interval(.95, 7, np.mean(x), stats.sem(x)), and of .9 */
	near(s.mean, 3.75, 1e-12);
	near(s.low, 2.457156808596, 1e-9);
	near(s.high, 5.042843191404, 1e-9);
	near(s.upper, 4.785848739641, 1e-9);
	near(s.mean - s.lower, s.upper - s.mean, 1e-12);
	stats_interval_mean(x, 1, &s);
	near(s.mean, x[0], 0);
	assert_true(isnan(s.low) && isnan(s.high) && isnan(s.lower) && isnan(s.upper));
	stats_interval_mean(x, 0, &s);
	assert_true(isnan(s.mean) && isnan(s.low));
}

/* The intervals hold what they promise, of a handful of units above all. */
static void test_coverage(void **state)
{
	struct stats_interval s;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 11);
	for (size_t n = 2; n <= 8; n += 2) {
		unsigned int covered = 0, above = 0, ratio = 0;

		for (int k = 0; k < 1000; k++) {
			double a[8], b[8];

			for (size_t i = 0; i < n; i++) {
				a[i] = rng_normal(&rng);
				b[i] = 10 + rng_normal(&rng);
			}
			stats_interval_mean(a, n, &s);
			covered += s.low <= 0 && s.high >= 0;
			above += s.upper >= 0;
			for (size_t i = 0; i < n; i++)
				a[i] += 0.5 * b[i];
			stats_interval_ratio(a, b, n, &s);
			/* Unbounded is an interval, too. */
			ratio += isnan(s.low) || (s.low <= 0.5 && s.high >= 0.5);
		}
		assert_in_range(covered, 925, 975);	/* 950 expected, standard deviation 7 */
		assert_in_range(above, 925, 975);
		assert_in_range(ratio, 925, 1000);
	}
}

static void test_ratio(void **state)
{
	const double a[] = { 1, 2, 3, 4 }, b[] = { 2, 4, 6, 8 }, mixed[] = { 1, -1.5, 0.2, 0.1 },
		     weak[] = { 1, -0.9, 0.2, 0.1 };
	struct stats_interval s;

	(void)state;
	stats_interval_ratio(a, b, 4, &s);
	near(s.mean, 0.5, 1e-12);
	near(s.low, 0.5, 1e-7);
	near(s.high, 0.5, 1e-7);
	/* r where abs(np.mean(y - r x)) / stats.sem(y - r x) = stats.t.ppf(.975, 7), and .95 */
	stats_interval_ratio(y, x, N, &s);
	near(s.mean, 2.0 / 3, 1e-12);
	near(s.low, 0.535625979608, 1e-9);
	near(s.high, 0.836385811782, 1e-9);
	near(s.lower, 0.561208575408, 1e-9);
	near(s.upper, 0.795810415807, 1e-9);
	/* A share of what may as well be nothing has no bounds, of less than nothing no value. */
	stats_interval_ratio(a, weak, 4, &s);
	near(s.mean, 25, 1e-9);
	assert_true(isnan(s.low) && isnan(s.upper));
	stats_interval_ratio(a, mixed, 4, &s);
	assert_true(isnan(s.mean) && isnan(s.low));
	stats_interval_ratio(a, b, 1, &s);
	near(s.mean, 0.5, 0);
	assert_true(isnan(s.low));
}

static void test_units(void **state)
{
	double d[N];

	(void)state;
	for (int i = 0; i < N; i++)
		d[i] = x[i] - y[i] - 1;
	/* The least n with mean + stats.t.ppf(.95, n - 1) * sd / sqrt(n) <= margin */
	assert_int_equal(stats_units_needed(d, N, 1.0), 7);
	assert_int_equal(stats_units_needed(d, N, 0.9), 8);
	assert_int_equal(stats_units_needed(d, N, 0.2), 0);	/* the mean is 0.25 */
	assert_int_equal(stats_units_needed(d, 1, 5), 0);
}

static void test_clusters(void **state)
{
	const double at[] = { 0, 1, 2.5, 10, 11, 13, 30 };
	/* fcluster(linkage(squareform(D), 'complete'), limit, 'distance') */
	static const struct {
		double limit;
		unsigned int n, cluster[7];
	} cases[] = {
		{ 1.0, 5, { 0, 0, 1, 2, 2, 3, 4 } },
		{ 2.6, 4, { 0, 0, 0, 1, 1, 2, 3 } },
		{ 12.9, 3, { 0, 0, 0, 1, 1, 1, 2 } },
		{ 13.0, 2, { 0, 0, 0, 0, 0, 0, 1 } },
	};
	unsigned int cluster[7];
	double d[49];

	(void)state;
	for (int i = 0; i < 7; i++)
		for (int j = 0; j < 7; j++)
			d[i * 7 + j] = fabs(at[i] - at[j]);
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		assert_int_equal(stats_cluster(d, 7, cases[k].limit, cluster), cases[k].n);
		for (int i = 0; i < 7; i++)
			assert_int_equal(cluster[i], cases[k].cluster[i]);
	}
	assert_int_equal(stats_cluster(d, 0, 1, cluster), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moments), cmocka_unit_test(test_correlations),
		cmocka_unit_test(test_kaplan_meier), cmocka_unit_test(test_signs),
		cmocka_unit_test(test_false_alarms), cmocka_unit_test(test_holm),
		cmocka_unit_test(test_interval), cmocka_unit_test(test_coverage), cmocka_unit_test(test_ratio),
		cmocka_unit_test(test_units), cmocka_unit_test(test_clusters),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
