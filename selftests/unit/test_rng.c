// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/rng.h"

/* From the authors' xoshiro256plusplus.c, with the state 1, 2, 3, 4. */
static void reference_sequence(void **state)
{
	static const uint64_t want[] = { 41943041ull, 58720359ull, 3588806011781223ull,
					 3591011842654386ull };
	struct rng r = { .s = { 1, 2, 3, 4 } };

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_true(rng_u64(&r) == want[i]);
}

static void seeds_and_streams_differ(void **state)
{
	struct rng a, b, c, d;

	(void)state;
	rng_seed(&a, 1);
	rng_seed(&b, 1);
	rng_split(&a, 0, &c);
	rng_split(&a, 1, &d);
	for (int i = 0; i < 100; i++) {
		uint64_t x = rng_u64(&a), y = rng_u64(&c), z = rng_u64(&d);

		assert_true(x == rng_u64(&b));
		assert_true(x != y && y != z && x != z);
	}
	/* A split neither draws from its parent nor depends on anything but its state. */
	rng_split(&b, 1, &c);
	rng_split(&a, 1, &d);
	assert_true(rng_u64(&c) == rng_u64(&d));
	assert_true(rng_u64(&a) == rng_u64(&b));
}

static void below_is_uniform(void **state)
{
	unsigned int count[7] = { 0 };
	struct rng r;

	(void)state;
	rng_seed(&r, 2);
	for (int i = 0; i < 70000; i++)
		count[rng_below(&r, 7)]++;
	for (int i = 0; i < 7; i++)
		assert_in_range(count[i], 9600, 10400);
	assert_int_equal(rng_below(&r, 0), 0);
	assert_int_equal(rng_below(&r, 1), 0);
}

static void moments(void **state)
{
	const int n = 200000;
	double u = 0.0, g = 0.0, g2 = 0.0, g4 = 0.0;
	struct rng r;

	(void)state;
	rng_seed(&r, 3);
	for (int i = 0; i < n; i++) {
		double x = rng_uniform(&r), y = rng_normal(&r);

		assert_true(x >= 0.0 && x < 1.0);
		u += x / n;
		g += y / n;
		g2 += y * y / n;
		g4 += y * y * y * y / n;
	}
	assert_true(fabs(u - 0.5) < 0.005);
	assert_true(fabs(g) < 0.01);
	assert_true(fabs(g2 - 1.0) < 0.02);
	assert_true(fabs(g4 - 3.0) < 0.1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reference_sequence),
		cmocka_unit_test(seeds_and_streams_differ),
		cmocka_unit_test(below_is_uniform),
		cmocka_unit_test(moments),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
