// SPDX-License-Identifier: GPL-2.0
/* The marking ramp, against 128-bit and floating point references. */
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/sluice.h>
#include <sluice/aqm.h>

#define KNOB_MAX 0x7fffffffu

static struct sluice_aqm_config config(__u32 qth_min, __u32 qth_max, __u32 max_p)
{
	const struct sluice_aqm_params p = { .qth_min = qth_min, .qth_max = qth_max,
					     .max_p = max_p };
	struct sluice_aqm_config c;

	sluice_aqm_configure(&c, &p);
	return c;
}

/* The contract's formula, in units of 2^-32. */
static unsigned __int128 reference(__u32 qth_min, __u32 qth_max, __u32 max_p, __u32 q)
{
	if (q >= qth_max)
		return (unsigned __int128)1 << 32;
	if (q < qth_min)
		return 0;
	return ((unsigned __int128)max_p * (q - qth_min) << 32) /
	       ((unsigned __int128)1000000 * (qth_max - qth_min));
}

static void assert_close(__u32 qth_min, __u32 qth_max, __u32 max_p, __u32 q)
{
	struct sluice_aqm_config c = config(qth_min, qth_max, max_p);
	__u64 want = reference(qth_min, qth_max, max_p, q);
	__u64 got = sluice_aqm_probability(&c, q);

	if (got > want || want - got > 1)
		fail_msg("qth_min %u qth_max %u max_p %u q %u: %llu, expected %llu", qth_min,
			 qth_max, max_p, q, (unsigned long long)got, (unsigned long long)want);
}

/* Both sides of both thresholds. */
static void test_thresholds(void **state)
{
	struct sluice_aqm_config c = config(60000, 180000, 100000);

	(void)state;
	assert_false(sluice_aqm_decide(&c, 0, 0));
	assert_false(sluice_aqm_decide(&c, 59999, 0));
	assert_int_equal(sluice_aqm_probability(&c, 60000), 0);
	assert_true(sluice_aqm_decide(&c, 60001, 0));
	assert_false(sluice_aqm_decide(&c, 60001, UINT_MAX));
	/* Just below qth_max at most max_p, from qth_max on certainly. */
	assert_in_range(sluice_aqm_probability(&c, 179999), 429490000, 429496729);
	assert_false(sluice_aqm_decide(&c, 179999, UINT_MAX));
	assert_true(sluice_aqm_decide(&c, 180000, UINT_MAX));
	assert_true(sluice_aqm_decide(&c, UINT_MAX, UINT_MAX));
}

static void test_step(void **state)
{
	static const __u32 threshold[] = { 0, 1, 1514, 90000, KNOB_MAX };
	static const __u32 max_p[] = { 0, 1, 500000, 1000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(threshold) / sizeof(*threshold); i++) {
		for (size_t j = 0; j < sizeof(max_p) / sizeof(*max_p); j++) {
			__u32 k = threshold[i];
			struct sluice_aqm_config c = config(k, k, max_p[j]);

			if (k)
				assert_false(sluice_aqm_decide(&c, k - 1, 0));
			assert_true(sluice_aqm_decide(&c, k, UINT_MAX));
		}
	}
}

static void test_max_p_bounds(void **state)
{
	struct sluice_aqm_config never = config(0, 1000, 0);
	struct sluice_aqm_config full = config(0, 1000, 1000000);
	struct sluice_aqm_config byte = config(7, 8, 1000000);

	(void)state;
	assert_int_equal(sluice_aqm_probability(&never, 999), 0);
	assert_true(sluice_aqm_decide(&never, 1000, UINT_MAX));
	assert_in_range(sluice_aqm_probability(&full, 500), (1ULL << 31) - 1, 1ULL << 31);
	assert_int_equal(sluice_aqm_probability(&byte, 6), 0);
	assert_int_equal(sluice_aqm_probability(&byte, 7), 0);
	assert_int_equal(sluice_aqm_probability(&byte, 8), SLUICE_AQM_ALWAYS);
}

/* The ramp keeps its precision over the whole range of the knobs. */
static void test_precision(void **state)
{
	static const __u32 edge[] = { 0, 1, 2, 3, 1513, 1514, 60000, 1 << 20, (1 << 30) - 1,
				      1 << 30, KNOB_MAX - 1, KNOB_MAX };
	static const __u32 max_p[] = { 0, 1, 3, 10000, 333333, 999999, 1000000 };
	const size_t n = sizeof(edge) / sizeof(*edge);

	(void)state;
	for (size_t a = 0; a < n; a++)
		for (size_t b = a; b < n; b++)
			for (size_t p = 0; p < sizeof(max_p) / sizeof(*max_p); p++)
				for (size_t q = 0; q < n; q++)
					assert_close(edge[a], edge[b], max_p[p], edge[q]);
}

static __u32 next_random(__u64 *x)
{
	*x = *x * 6364136223846793005ULL + 1442695040888963407ULL;
	return *x >> 32;
}

static void test_random_settings(void **state)
{
	__u64 x = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		__u32 a = next_random(&x) >> (1 + next_random(&x) % 31);
		__u32 b = next_random(&x) >> (1 + next_random(&x) % 31);
		__u32 lo = a < b ? a : b, hi = a < b ? b : a;
		__u32 q = lo + (hi > lo ? next_random(&x) % (hi - lo) : 0);

		assert_close(lo, hi, next_random(&x) % 1000001, q);
	}
}

static void test_monotonic(void **state)
{
	struct sluice_aqm_config c = config(10, 100010, 700000);
	__u64 last = 0;

	(void)state;
	for (__u32 q = 0; q < 100100; q++) {
		__u64 p = sluice_aqm_probability(&c, q);

		assert_true(p >= last);
		last = p;
	}
	assert_int_equal(last, SLUICE_AQM_ALWAYS);
}

/* A uniform random number marks the fraction that the ramp promises. */
static void test_fraction(void **state)
{
	struct sluice_aqm_config c = config(0, 1000, 200000);
	const int n = 1 << 20;
	int marks = 0;
	__u64 x = 42;

	(void)state;
	for (int i = 0; i < n; i++)
		marks += sluice_aqm_decide(&c, 500, next_random(&x));
	/* 10 %; five standard deviations are 0.15 %. */
	assert_in_range(marks, n / 1000 * 98, n / 1000 * 102);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thresholds),
		cmocka_unit_test(test_step),
		cmocka_unit_test(test_max_p_bounds),
		cmocka_unit_test(test_precision),
		cmocka_unit_test(test_random_settings),
		cmocka_unit_test(test_monotonic),
		cmocka_unit_test(test_fraction),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
