// SPDX-License-Identifier: GPL-2.0
/* How many flows occupy buckets, and what large flows carry between two passes of the table. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sluice/hash.h>

#include "daemon/flow_census.h"

#define ECT0	2
#define SECOND	1000000000ULL

static struct sluice_flow_key key(unsigned int i)
{
	struct sluice_flow_key k = { .saddr = { 10, 0, (__u8)(i >> 16), 1 }, .daddr = { 10, 9, 0, 2 },
				     .sport = (__be16)i, .dport = 80, .proto = 6, .family = 4 };
	return k;
}

/* Of n flows with addresses as a rack has them: the estimate. */
static double counted(unsigned int n)
{
	struct bucket_set s = { { 0 } };

	for (unsigned int i = 0; i < n; i++) {
		const struct sluice_flow_key k = key(i * 7 + n);

		bucket_set_add(&s, sluice_bucket_of(&k));
	}
	return bucket_set_flows(&s);
}

/* Within three standard errors, as the header has them; occupied buckets alone are far off. */
static void test_flows(void **state)
{
	static const struct { unsigned int n; double error; } row[] = {
		{ 0, 0 }, { 1, 0.01 }, { 20, 0.45 }, { 100, 2.3 }, { 1000, 27 }, { 5000, 360 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_true(fabs(counted(row[i].n) - row[i].n) <= 3 * row[i].error);
	/* Where no bucket is empty, so many at least. */
	assert_true(counted(100000) > 7500 && counted(100000) < 8000);
}

/* Both directions are one flow, however often they are told of. */
static void test_join(void **state)
{
	struct bucket_set there = { { 0 } }, back = { { 0 } };

	(void)state;
	for (unsigned int i = 0; i < 50; i++) {
		struct sluice_flow_key k = key(i), mirror = k;

		memcpy(mirror.saddr, k.daddr, sizeof(k.saddr));
		memcpy(mirror.daddr, k.saddr, sizeof(k.saddr));
		mirror.sport = k.dport;
		mirror.dport = k.sport;
		bucket_set_add(&there, sluice_bucket_of(&k));
		bucket_set_add(&back, sluice_bucket_of(&mirror));
	}
	bucket_set_join(&there, &back);
	assert_true(fabs(bucket_set_flows(&there) - 50) < 4);
}

static void see(struct flow_census *c, unsigned int i, uint64_t bytes, uint32_t born, __u8 tos)
{
	const struct sluice_flow_key k = key(i);
	const struct sluice_flow f = { .bytes = bytes, .born_ticks = born, .seen = { .tos = tos } };

	assert_int_equal(flow_census_see(c, &k, &f), 0);
}

static void test_shares(void **state)
{
	struct flow_census c = { 0 };

	(void)state;
	/* From one pass nothing follows. */
	see(&c, 1, 5000000, 10, ECT0);
	see(&c, 2, 99000, 10, 0);
	flow_census_end(&c, SECOND, 1000, 7000000);
	assert_true(c.result.at_ns == 0);
	/*
	 * 1 has 600000 more; 2 was small, and of its 150000 50000 are surely of this time; 3 is new,
	 * all of it is; 4 is small. Together 950000 of 2000000 that arrived, in two seconds.
	 */
	see(&c, 1, 5600000, 10, ECT0 | 4);
	see(&c, 2, 150000, 10, 0xb8);
	see(&c, 3, 300000, 1200, 3);
	see(&c, 4, 100000, 1200, ECT0);
	flow_census_end(&c, 3 * SECOND, 1500, 9000000);
	assert_true(c.result.at_ns == 3 * SECOND && c.result.arrived_bps == 1e6);
	assert_true(c.result.large_bps == 475e3 && c.result.ect_bps == 450e3);
	assert_true(flow_census_large_share(&c.result, 1) == 0.475);
	assert_true(fabs(flow_census_ect_share(&c.result, 1) - 450.0 / 475) < 1e-12);
	/* 1 idles; 3 was removed and made anew; 2 is gone. */
	see(&c, 1, 5600000, 10, ECT0);
	see(&c, 3, 200000, 1600, ECT0);
	flow_census_end(&c, 4 * SECOND, 1750, 9400000);
	assert_true(c.result.large_bps == 200e3);
	assert_true(flow_census_large_share(&c.result, 1) == 0.5);
	/* Nothing arrived: no share, and no error. */
	see(&c, 1, 5600000, 10, ECT0);
	flow_census_end(&c, 5 * SECOND, 2000, 9400000);
	assert_true(isnan(flow_census_large_share(&c.result, 1)));
	assert_true(isnan(flow_census_ect_share(&c.result, 1)));
	/* 2 is back (it was missed, say); what it had three passes ago does not count. */
	see(&c, 2, 160000, 10, 0);
	flow_census_end(&c, 6 * SECOND, 2250, 9400000);
	assert_true(c.result.large_bps == 60e3);
	/* Counters that were reset say nothing. */
	flow_census_end(&c, 7 * SECOND, 2500, 100);
	assert_true(c.result.at_ns == 0);
	flow_census_reset(&c);
	assert_false(c.have_before);
}

/* Interfaces weigh as much as arrives there, however long their passes took. */
static void test_several(void **state)
{
	const struct flow_census_result r[] = {
		{ .at_ns = 1, .arrived_bps = 900, .large_bps = 900, .ect_bps = 450 },
		{ .at_ns = 1, .arrived_bps = 100 },
	};

	(void)state;
	assert_true(flow_census_large_share(r, 2) == 0.9);
	assert_true(flow_census_ect_share(r, 2) == 0.5);
	assert_true(isnan(flow_census_large_share(r, 0)));
}

/* Far more large flows than a table begins with. */
static void test_many(void **state)
{
	struct flow_census c = { 0 };
	const unsigned int n = 50000;

	(void)state;
	for (unsigned int pass = 0; pass < 3; pass++) {
		for (unsigned int i = 0; i < n; i++)
			see(&c, i, 200000 + pass * 1000, 0, i % 2 ? ECT0 : 0);
		flow_census_end(&c, (pass + 1) * SECOND, pass, pass * n * 2000ULL);
	}
	assert_true(c.result.large_bps == n * 1000.0 && c.result.ect_bps == n * 500.0);
	assert_true(flow_census_large_share(&c.result, 1) == 0.5);
	flow_census_reset(&c);
}

/* Beyond what a table may hold, the next pass has nothing to compare with; the one after has. */
static void test_too_many(void **state)
{
	struct flow_census c = { 0 };
	struct sluice_flow f = { .bytes = 200000 };
	struct sluice_flow_key k;
	int r = 0;

	(void)state;
	flow_census_end(&c, SECOND, 1, 0);
	for (unsigned int i = 0; r == 0 && i < 1 << 20; i++) {
		k = key(i);
		r = flow_census_see(&c, &k, &f);
	}
	assert_int_equal(r, -ENOSPC);
	flow_census_end(&c, 2 * SECOND, 2, 1000);
	see(&c, 1, 300000, 0, 0);
	flow_census_end(&c, 3 * SECOND, 3, 2000000);
	assert_true(c.result.at_ns == 0);
	see(&c, 1, 400000, 0, 0);
	flow_census_end(&c, 4 * SECOND, 4, 2200000);
	assert_true(flow_census_large_share(&c.result, 1) == 0.5);
	flow_census_reset(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_too_many),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
