// SPDX-License-Identifier: GPL-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/capacity.h"
#include "daemon/guard.h"

#define SECOND 1000000000ULL

static const struct guard_config config = {
	.qth_low = 3000,
	.qth_high = 500000,
	.max_p_low = 1000,
	.max_p_high = 900000,
	.changes_per_s = 2,
	.moves_per_epoch = 3,
	.stand_down_ns = 10 * SECOND,
	.cpu_allowed = { [1] = true, [2] = true },
};

static struct guard_queue queue(uint64_t now_ns)
{
	return (struct guard_queue){
		.now_ns = now_ns,
		.limit_bytes = 400000,
		.current = { 60000, 180000, 100000 },
	};
}

static void check(enum guard_verdict want_verdict, struct qdisc_triple want,
		  struct qdisc_triple expected)
{
	struct guard_object o = { 0 };
	struct guard_queue q = queue(SECOND);
	struct qdisc_triple out = { 1, 2, 3 };

	assert_string_equal(guard_verdict_name(guard_triple(&config, &o, &q, &want, &out)),
			    guard_verdict_name(want_verdict));
	assert_memory_equal(&out, &expected, sizeof(out));
}

static void test_clamps(void **state)
{
	(void)state;
	/* Both sides of each bound. */
	check(GUARD_allowed, (struct qdisc_triple){ 3000, 3000, 1000 },
	      (struct qdisc_triple){ 3000, 3000, 1000 });
	check(GUARD_clamped, (struct qdisc_triple){ 2999, 3000, 1000 },
	      (struct qdisc_triple){ 3000, 3000, 1000 });
	check(GUARD_clamped, (struct qdisc_triple){ 3000, 3000, 999 },
	      (struct qdisc_triple){ 3000, 3000, 1000 });
	check(GUARD_allowed, (struct qdisc_triple){ 3000, 400000, 900000 },
	      (struct qdisc_triple){ 3000, 400000, 900000 });
	check(GUARD_clamped, (struct qdisc_triple){ 3000, 400000, 900001 },
	      (struct qdisc_triple){ 3000, 400000, 900000 });
	/* The queue's limit is below the configured bound here. */
	check(GUARD_clamped, (struct qdisc_triple){ 3000, 400001, 900000 },
	      (struct qdisc_triple){ 3000, 400000, 900000 });
	check(GUARD_clamped, (struct qdisc_triple){ 0xffffffff, 0xffffffff, 5000 },
	      (struct qdisc_triple){ 400000, 400000, 5000 });
}

static void test_infeasible(void **state)
{
	struct guard_object o = { 0 };
	struct guard_queue q = queue(SECOND);
	struct qdisc_triple want = { 5000, 4000, 1000 }, out = { 1, 2, 3 };

	(void)state;
	assert_int_equal(guard_triple(&config, &o, &q, &want, &out), GUARD_infeasible);
	want = (struct qdisc_triple){ 3000, 3000, 1000 };
	q.limit_bytes = 2999;
	assert_int_equal(guard_triple(&config, &o, &q, &want, &out), GUARD_infeasible);
	assert_int_equal(out.qth_min, 1);
}

static void test_unchanged(void **state)
{
	struct guard_object o = { 0 };
	struct guard_queue q = queue(SECOND);
	struct qdisc_triple want = q.current, out;

	(void)state;
	/* Equal to a baseline is still a learned value to write; to a learned one is not. */
	assert_int_equal(guard_triple(&config, &o, &q, &want, &out), GUARD_allowed);
	q.learned = true;
	assert_int_equal(guard_triple(&config, &o, &q, &want, &out), GUARD_unchanged);
	want.max_p++;
	assert_int_equal(guard_triple(&config, &o, &q, &want, &out), GUARD_allowed);
}

static enum guard_verdict change(struct guard_object *o, uint64_t now_ns, uint32_t qth)
{
	struct guard_queue q = queue(now_ns);
	struct qdisc_triple want = { qth, qth, 5000 }, out;

	return guard_triple(&config, o, &q, &want, &out);
}

static void test_rate_limit(void **state)
{
	struct guard_object o = { 0 };
	uint64_t t = 100 * SECOND;

	(void)state;
	assert_int_equal(change(&o, t, 4000), GUARD_allowed);
	assert_int_equal(change(&o, t, 5000), GUARD_allowed);
	assert_int_equal(change(&o, t, 6000), GUARD_rate_limited);
	/* Two a second: one comes back after half a second, not before. */
	assert_int_equal(change(&o, t + SECOND / 2 - 1000, 6000), GUARD_rate_limited);
	assert_int_equal(change(&o, t + SECOND / 2 + 1000, 6000), GUARD_allowed);
	assert_int_equal(change(&o, t + SECOND / 2 + 2000, 6000), GUARD_rate_limited);
	/* A long pause saves up one second's worth, not more. */
	t += 1000 * SECOND;
	assert_int_equal(change(&o, t, 4000), GUARD_allowed);
	assert_int_equal(change(&o, t, 5000), GUARD_allowed);
	assert_int_equal(change(&o, t, 6000), GUARD_rate_limited);
}

static void test_operator(void **state)
{
	struct guard_object o = { 0 };
	struct guard_queue q = queue(SECOND);
	struct qdisc_triple want = { 4000, 4000, 5000 }, out;

	(void)state;
	/* What was written before we came is no reason to stand down. */
	q.manual_gen = 7;
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_allowed);
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_allowed);
	q.manual_gen = 8;
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_manual);
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_stand_down);
	assert_int_equal(guard_triple(&config, &o, &q, &want, &out), GUARD_stand_down);
	q.now_ns = 11 * SECOND - 1;
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_stand_down);
	q.now_ns = 11 * SECOND;
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_allowed);
	assert_int_equal(guard_triple(&config, &o, &q, &want, &out), GUARD_allowed);

	q.hold = true;
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_hold);
	assert_int_equal(guard_triple(&config, &o, &q, &want, &out), GUARD_hold);
}

/* Without a time the stand-down lasts until it is released, by whatever clock. */
static void test_until_released(void **state)
{
	struct guard_config c = config;
	struct guard_object o = { 0 };
	struct guard_queue q = queue(SECOND);
	struct qdisc_triple want = { 4000, 4000, 5000 }, out;

	(void)state;
	c.stand_down_ns = 0;
	assert_int_equal(guard_watch(&c, &o, &q), GUARD_allowed);
	assert_false(guard_release(&o, q.now_ns));
	q.manual_gen++;		/* was written before the release, and is seen after it */
	assert_int_equal(guard_watch(&c, &o, &q), GUARD_allowed);
	q.manual_gen++;
	assert_int_equal(guard_watch(&c, &o, &q), GUARD_manual);
	q.now_ns = UINT64_MAX;
	assert_int_equal(guard_watch(&c, &o, &q), GUARD_stand_down);
	assert_int_equal(guard_triple(&c, &o, &q, &want, &out), GUARD_stand_down);
	q.now_ns = 0;
	assert_int_equal(guard_watch(&c, &o, &q), GUARD_stand_down);
	assert_true(guard_release(&o, q.now_ns));
	assert_false(guard_stands_down(&o, q.now_ns));
	assert_int_equal(guard_watch(&c, &o, &q), GUARD_allowed);
	assert_int_equal(guard_triple(&c, &o, &q, &want, &out), GUARD_allowed);
	/* The next write counts again. */
	q.manual_gen++;
	assert_int_equal(guard_watch(&c, &o, &q), GUARD_manual);

	/* A release ends a timed one as well. */
	o = (struct guard_object){ 0 };
	q.now_ns = SECOND;
	guard_watch(&config, &o, &q);
	q.manual_gen++;
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_manual);
	assert_true(guard_release(&o, q.now_ns));
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_allowed);
}

/* What the settings leave alone is the operator's to write. */
static void test_left_alone(void **state)
{
	struct guard_config c = config;
	struct guard_object o = { 0 };
	struct guard_queue q = queue(SECOND);

	(void)state;
	c.stand_down_ns = 0;
	q.left_alone = true;
	assert_int_equal(guard_watch(&c, &o, &q), GUARD_allowed);
	q.manual_gen++;
	assert_int_equal(guard_watch(&c, &o, &q), GUARD_allowed);
	q.left_alone = false;
	assert_int_equal(guard_watch(&c, &o, &q), GUARD_allowed);
	/* A stand-down that there was does not end by that. */
	q.manual_gen++;
	assert_int_equal(guard_watch(&c, &o, &q), GUARD_manual);
	q.left_alone = true;
	assert_int_equal(guard_watch(&c, &o, &q), GUARD_stand_down);
}

/* A daemon that was restarted goes on standing down, also if there was one more write meanwhile. */
static void test_restored(void **state)
{
	struct guard_object o = { 0 };
	struct guard_queue q = queue(SECOND);

	(void)state;
	q.manual_gen = 5;
	guard_restore(&o, 5);
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_stand_down);
	assert_true(guard_release(&o, q.now_ns));
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_allowed);
}

static void test_paused(void **state)
{
	struct guard_object o = { .paused = true };
	struct guard_queue q = queue(SECOND);
	struct qdisc_triple want = { 4000, 4000, 5000 }, out = { 1, 2, 3 };

	(void)state;
	q.hold = true;
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_paused);
	assert_int_equal(guard_triple(&config, &o, &q, &want, &out), GUARD_paused);
	assert_int_equal(guard_move(&config, &o, SECOND, false, 0, 1, 2), GUARD_paused);
	assert_int_equal(out.qth_min, 1);
	/* A write during the pause is one to stand down for after it. */
	q.hold = false;
	q.manual_gen++;
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_paused);
	o.paused = false;
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_stand_down);
	q.now_ns += 10 * SECOND;
	assert_int_equal(guard_watch(&config, &o, &q), GUARD_allowed);
	assert_int_equal(guard_move(&config, &o, SECOND, false, 0, 1, 2), GUARD_allowed);
}

static void test_moves(void **state)
{
	struct guard_object o = { 0 };

	(void)state;
	assert_int_equal(guard_move(&config, &o, SECOND, true, 0, 1, 2), GUARD_hold);
	assert_int_equal(guard_move(&config, &o, SECOND, false, 0, 1, 3), GUARD_cpu_not_allowed);
	assert_int_equal(guard_move(&config, &o, SECOND, false, 0, 1, SLUICE_MAX_CPUS),
			 GUARD_cpu_not_allowed);
	assert_int_equal(guard_move(&config, &o, SECOND, false, 0, 2, 2), GUARD_unchanged);
	assert_int_equal(guard_move(&config, &o, SECOND, false, 3, 1, 2), GUARD_too_many_moves);
	/* None of the refusals cost a token. */
	assert_int_equal(guard_move(&config, &o, SECOND, false, 2, 1, 2), GUARD_allowed);
	assert_int_equal(guard_move(&config, &o, SECOND, false, 0, 1, 2), GUARD_allowed);
	assert_int_equal(guard_move(&config, &o, SECOND, false, 0, 1, 2), GUARD_rate_limited);
}

static void test_every_verdict_has_a_reason(void **state)
{
	unsigned int v, go = 0;

	(void)state;
	for (v = 0; v < GUARD_N; v++) {
		assert_true(strlen(guard_verdict_text(v)) > 5);
		go += guard_go(v);
	}
	assert_int_equal(go, 2);
	assert_false(guard_go(GUARD_N));
}

static void test_capacity(void **state)
{
	struct capacity c = { { 0, 0 }, 0 };
	uint64_t t = 100 * SECOND;

	(void)state;
	/* 1000 bytes in 1 ms is 1 MB/s; known only once backlogged for 90 % of the interval. */
	capacity_update(&c, t, 1000, 1e6, 0.89e6);
	assert_float_equal(capacity_get(&c), 0, 0);
	capacity_update(&c, t, 1000, 1e6, 1e6);
	assert_float_equal(capacity_get(&c), 1e6, 1);
	/* Seldom backlogged: bytes over the backlogged time would tell 10 MB/s. */
	capacity_update(&c, t, 1000, 1e6, 0.1e6);
	assert_float_equal(capacity_get(&c), 1e6, 1);
	/* A plain rate above it is a better lower bound. */
	capacity_update(&c, t, 2000, 1e6, 0);
	assert_float_equal(capacity_get(&c), 2e6, 1);
	/* The peak is forgotten after two halves of the window with a backlog ... */
	capacity_update(&c, t + CAPACITY_HALF_NS, 500, 1e6, 1e6);
	assert_float_equal(capacity_get(&c), 2e6, 1);
	capacity_update(&c, t + 2 * CAPACITY_HALF_NS, 500, 1e6, 1e6);
	assert_float_equal(capacity_get(&c), 5e5, 1);
	/* ... and not by a quiet time. */
	capacity_update(&c, t + 100 * CAPACITY_HALF_NS, 10, 1e6, 0);
	assert_float_equal(capacity_get(&c), 5e5, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clamps),
		cmocka_unit_test(test_infeasible),
		cmocka_unit_test(test_unchanged),
		cmocka_unit_test(test_rate_limit),
		cmocka_unit_test(test_operator),
		cmocka_unit_test(test_until_released),
		cmocka_unit_test(test_left_alone),
		cmocka_unit_test(test_restored),
		cmocka_unit_test(test_paused),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_every_verdict_has_a_reason),
		cmocka_unit_test(test_capacity),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
