// SPDX-License-Identifier: GPL-2.0
/* Quantiles and rank correlations, by hand-made cases. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/rank.h"

static void near(double value, double expected)
{
	if (!(fabs(value - expected) < 1e-12)) {
		print_error("%.15g, expected %.15g\n", value, expected);
		fail();
	}
}

static void test_quantile(void **state)
{
	double v[] = { 5, 1, 3, 2, 4 }, w[] = { 4, 1, 2, 3 }, one[] = { 7 };

	(void)state;
	near(rank_quantile(v, 5, 0), 1);
	near(rank_quantile(v, 5, 0.5), 3);
	near(rank_quantile(v, 5, 0.25), 2);
	near(rank_quantile(v, 5, 0.9), 4.6);
	near(rank_quantile(v, 5, 1), 5);
	near(rank_quantile(w, 4, 0.5), 2.5);
	near(rank_quantile(one, 1, 0.99), 7);
	assert_true(isnan(rank_quantile(one, 0, 0.5)));
}

/* With different values rho is 1 - 6 sum d^2 / (n (n^2 - 1)); tau counts pairs. */
static void test_correlations(void **state)
{
	const double a[] = { 1, 2, 3, 4, 5 }, up[] = { 10, 20, 30, 40, 1e9 };
	const double down[] = { 5, 4, 3, 2, 1 }, some[] = { 2, 1, 4, 3, 5 };
	const double ties[] = { 1, 2, 2, 3, 3 }, flat[] = { 7, 7, 7, 7, 7 };

	(void)state;
	near(rank_spearman(a, up, 5), 1);
	near(rank_kendall(a, up, 5), 1);
	near(rank_spearman(a, down, 5), -1);
	near(rank_kendall(a, down, 5), -1);
	near(rank_spearman(a, some, 5), 1 - 6 * 4 / 120.0);
	near(rank_kendall(a, some, 5), (8 - 2) / 10.0);
	/* Ranks 1, 2.5, 2.5, 4.5, 4.5; of ten pairs two are tied, the others agree. */
	near(rank_spearman(a, ties, 5), 9 / sqrt(10 * 9));
	near(rank_kendall(a, ties, 5), 8 / sqrt(10 * 8));
	assert_true(isnan(rank_spearman(a, flat, 5)));
	assert_true(isnan(rank_kendall(a, flat, 5)));
	assert_true(isnan(rank_spearman(a, up, 1)));
	assert_true(isnan(rank_spearman(a, up, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantile),
		cmocka_unit_test(test_correlations),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
