// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/hist.h"

static void test_empty(void **state)
{
	__u64 a[SLUICE_HIST_SLOTS] = { 0 }, b[SLUICE_HIST_SLOTS] = { [5] = 7 };

	(void)state;
	assert_true(hist_quantile_ns(a, NULL, 0.5) < 0);
	/* Nothing new since "before" is as empty. */
	assert_true(hist_quantile_ns(b, b, 0.5) < 0);
}

static void test_inside_a_slot(void **state)
{
	/* 4 durations in [1024, 2048): the k-th ends at 1024 + 1024 * k / 4. */
	__u64 a[SLUICE_HIST_SLOTS] = { [10] = 4 };

	(void)state;
	assert_float_equal(hist_quantile_ns(a, NULL, 0.25), 1280, 1e-9);
	assert_float_equal(hist_quantile_ns(a, NULL, 0.50), 1536, 1e-9);
	assert_float_equal(hist_quantile_ns(a, NULL, 1.00), 2048, 1e-9);
}

static void test_between_slots(void **state)
{
	/* 9 in [16, 32), 1 in [1024, 2048): p90 is the end of the first, p95 in the second. */
	__u64 a[SLUICE_HIST_SLOTS] = { [4] = 9, [10] = 1 };

	(void)state;
	assert_float_equal(hist_quantile_ns(a, NULL, 0.90), 32, 1e-9);
	assert_float_equal(hist_quantile_ns(a, NULL, 0.95), 1024 + 512, 1e-9);
}

static void test_difference(void **state)
{
	__u64 before[SLUICE_HIST_SLOTS] = { [20] = 1000, [4] = 1 };
	__u64 now[SLUICE_HIST_SLOTS] = { [20] = 1000, [4] = 3 };

	(void)state;
	assert_float_equal(hist_quantile_ns(now, before, 0.5), 24, 1e-9);
	/* A histogram that was made anew counts from 0. */
	assert_float_equal(hist_quantile_ns(before, now, 1.0), 32, 1e-9);
}

static void test_ends(void **state)
{
	__u64 first[SLUICE_HIST_SLOTS] = { [0] = 2 };
	__u64 last[SLUICE_HIST_SLOTS] = { [SLUICE_HIST_SLOTS - 1] = 1 };

	(void)state;
	assert_float_equal(hist_quantile_ns(first, NULL, 0.5), 1, 1e-9);
	assert_float_equal(hist_quantile_ns(last, NULL, 1.0), 4294967296.0, 1e-3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_inside_a_slot),
		cmocka_unit_test(test_between_slots),
		cmocka_unit_test(test_difference),
		cmocka_unit_test(test_ends),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
