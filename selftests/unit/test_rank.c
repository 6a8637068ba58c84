// SPDX-License-Identifier: GPL-2.0
/* Rank correlation, by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/rank.h"

static void test_ranks(void **state)
{
	const double v[] = { 3, 1, 3, 2, 3 };
	double r[5];

	(void)state;
	rank_of(v, 5, r);
	assert_true(r[0] == 3 && r[1] == 0 && r[2] == 3 && r[3] == 1 && r[4] == 3);
}

static void test_spearman(void **state)
{
	const double up[] = { 1, 2, 3, 4, 50 }, down[] = { 9, 8, 7, 6, -6 };
	const double some[] = { 2, 1, 4, 3, 5 }, flat[] = { 1, 1, 1, 1, 1 };
	const double tied[] = { 1, 1, 2, 2, 3 };

	(void)state;
	assert_true(fabs(rank_spearman(up, up, 5) - 1) < 1e-12);
	assert_true(fabs(rank_spearman(up, down, 5) + 1) < 1e-12);
	/* 1 - 6 * 4 / (5 * 24) */
	assert_true(fabs(rank_spearman(up, some, 5) - 0.8) < 1e-12);
	assert_true(rank_spearman(up, flat, 5) == 0);
	/* Ranks 0.5 0.5 2.5 2.5 4: covariance 9 of squares 10 and 9. */
	assert_true(fabs(rank_spearman(up, tied, 5) - 9 / sqrt(90)) < 1e-12);
	assert_true(rank_spearman(up, up, 1) == 0 && rank_spearman(up, up, 0) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranks),
		cmocka_unit_test(test_spearman),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
