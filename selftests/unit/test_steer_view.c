// SPDX-License-Identifier: GPL-2.0
/* From readings to the steering agent's observation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/steer_view.h"

static struct steer_snapshot before, now;

static void near(double value, double expected)
{
	assert_true(fabs(value - expected) <= 1e-9 * fabs(expected));
}

static void test_cpu(void **state)
{
	const struct procstat_cpu a = {
		.busy = 10, .softirq = 4, .total = 100, .softnet_dropped = 7,
	};
	const struct procstat_cpu b = {
		.busy = 25, .softirq = 9, .total = 150, .softnet_dropped = 17,
	};
	struct steer_cpu_obs o;

	(void)state;
	memset(&before, 0, sizeof(before));
	memset(&now, 0, sizeof(now));
	before.time_ns = 1000;
	now.time_ns = 500001000;
	near(steer_view_seconds(&before, &now), 0.5);
	o = steer_view_cpu(3, &a, &b, 0.5);
	near(o.util, 0.3);
	near(o.softirq, 0.1);
	near(o.drop_pps, 20);
	assert_true(o.cpu == 3 && o.pps == 0 && o.wait_p95_s < 0);

	before.cpu[3].packets = 100;
	now.cpu[3].packets = 1100;
	now.deliver[3].packets = 900;
	steer_view_sent(&before, &now, &o);
	near(o.pps, 2000);
	near(o.drop_pps, 220);
	assert_true(o.wait_p95_s < 0);	/* nothing was sampled */
	/* A second interface, with waits: all 20 between 1024 and 2048 ns. */
	now.stats.sampled = now.deliver[3].wait_samples = 20;
	now.deliver[3].wait_hist[10] = 20;
	steer_view_sent(&before, &now, &o);
	near(o.pps, 4000);
	assert_true(o.wait_p95_s > 1.9e-6 && o.wait_p95_s <= 2.048e-6);
}

static void test_buckets(void **state)
{
	struct steer_object o[4];

	(void)state;
	memset(&before, 0, sizeof(before));
	memset(&now, 0, sizeof(now));
	now.jiffies = 50;
	now.control.expires_jiffies = 51;
	for (unsigned int b = 0; b < 5; b++) {
		now.bucket[b] = (struct sluice_counter){ 10 + b, 1000 };
		now.bucket_target[b] = (struct sluice_bucket){
			.cpu = 1, .learned_cpu = 2, .flags = SLUICE_BUCKET_F_BASELINE,
		};
	}
	before.bucket[0].packets = 10;				/* idle */
	now.bucket_target[1].flags = 0;				/* empty */
	now.bucket_target[2].flags |= SLUICE_BUCKET_F_LEARNED;
	now.bucket_target[3].flags |= SLUICE_BUCKET_F_LEARNED | SLUICE_BUCKET_F_HOLD;
	assert_int_equal(steer_view_buckets(&before, &now, o, 4), 3);
	assert_true(o[0].id == 2 && o[0].cpu == 2 && o[0].pps == 12 && o[0].bps == 1000);
	assert_true(o[1].id == 3 && o[1].cpu == 1 && o[2].id == 4 && o[2].cpu == 1);
	assert_int_equal(steer_view_buckets(&before, &now, o, 2), 2);
	now.jiffies = 51;	/* the lease is over */
	assert_int_equal(steer_view_bucket_cpu(&now, 2), 1);
	assert_int_equal(steer_view_bucket_cpu(&now, 1), -1);
}

/* The target must end less busy than the CPU that is relieved is now. */
static void test_loses(void **state)
{
	const struct steer_cpu_obs cpus[] = {
		{ .cpu = 0, .util = 0.8, .pps = 800 }, { .cpu = 1, .util = 0.5, .pps = 500 },
	};
	const struct steer_object objects[] = {
		{ .id = 7, .cpu = 0, .pps = 400 },
		{ .id = 7, .is_flow = true, .cpu = 0, .pps = 100 },
	};
	const struct steer_interval in = { 1, cpus, 2, objects, 2 };
	struct steer_move m = { .id = 7, .from = 0, .to = 1 };

	(void)state;
	assert_true(steer_view_loses(&in, &m));
	m.is_flow = true;	/* another object, though its number is the same */
	assert_false(steer_view_loses(&in, &m));
	m.from = 9;
	assert_false(steer_view_loses(&in, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_loses),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
