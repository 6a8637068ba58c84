// SPDX-License-Identifier: GPL-2.0
/*
 * Trials: how they cut time, what makes a block void, when they end; and, over many simulated ones, how often
 * they are wrong. selftests/lab/guard_rates has the latter with more trials.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "guard/trial.h"
#include "lab/guard_sim.h"

#define S 1000000000ULL

static struct trial_config config(void)
{
	struct trial_config c;

	trial_config_default(&c);
	c.seed = 7;
	return c;
}

static struct trial *make(const struct trial_config *c)
{
	struct trial *t;

	assert_int_equal(trial_new(c, &t), 0);
	return t;
}

/* J of each arm, constant, for queues 0 .. n - 1, from second "from" until "to" or a verdict; returns when. */
static uint64_t feed(struct trial *t, unsigned int n, uint64_t from, uint64_t to,
		     const double J[TRIAL_ARMS])
{
	struct trial_report r;

	for (uint64_t s = from; s < to; s++) {
		for (unsigned int q = 0; q < n; q++) {
			enum trial_arm a = trial_arm(t, q, s * S, NULL);

			trial_observe(t, q, (s + 1) * S, 1.0, J[a]);
		}
		trial_report(t, &r);
		if (r.verdict != TRIAL_RUNNING)
			return s;
	}
	return to;
}

static const double alike[TRIAL_ARMS] = { -1.0, -1.0, -1.0 };

static void test_refuses(void **state)
{
	struct trial_config c;
	struct trial *t = NULL;

	(void)state;
#define BAD(field, x)					\
	do {						\
		c = config();				\
		c.field = x;				\
		assert_int_equal(trial_new(&c, &t), -EINVAL);	\
	} while (0)
	BAD(slice_s, 0.0);
	BAD(slice_s, NAN);
	BAD(slice_s, INFINITY);
	BAD(discard, 0.5);
	BAD(discard, -0.1);
	BAD(alpha, 0.0);
	BAD(alpha, 0.5);
	BAD(span, 0.0);
	BAD(harm, NAN);
	BAD(strikes, 0);
	BAD(tolerance, -1.0);
	BAD(max_blocks, 0);
	c = config();
	c.watch = true;
	c.watch_slices = 1;
	assert_int_equal(trial_new(&c, &t), -EINVAL);
	assert_null(t);
	trial_free(NULL);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(trial_verdict_name(TRIAL_BETTER), "better");
	assert_string_equal(trial_verdict_text(TRIAL_UNDECIDED),
			    "no difference shown in the time it had");
	assert_string_equal(trial_arm_name(TRIAL_STATIC), "static");
	assert_string_equal(trial_arm_name((enum trial_arm)9), "?");
	for (int v = 0; v < TRIAL_VERDICT_N; v++)
		assert_non_null(trial_verdict_name((enum trial_verdict)v));
}

/* Every block has each arm once, all of a slice has one arm, and all orders come. */
static void test_blocks(void **state)
{
	struct trial_config c = config();
	struct trial *t = make(&c);
	unsigned int orders[32] = { 0 }, different = 0;
	bool part;

	(void)state;
	for (uint64_t b = 0; b < 300; b++) {
		unsigned int seen = 0, code = 0;

		for (uint64_t s = 0; s < 15; s++) {
			enum trial_arm a = trial_arm(t, 3, (b * 15 + s) * S, &part), again;

			again = trial_arm(t, 3, (b * 15 + s) * S + S / 2, NULL);
			assert_int_equal(a, again);
			assert_true(part);
			trial_observe(t, 3, (b * 15 + s + 1) * S, 1.0, -1.0);
			if (s % 5 == 0) {
				seen |= 1u << a;
				code = 3 * code + a;
			}
		}
		if (!b) {	/* nothing to compare with yet */
			assert_int_equal(seen, 1u << TRIAL_STATIC);
			continue;
		}
		assert_int_equal(seen, 7);
		orders[code]++;
	}
	for (int i = 0; i < 27; i++)
		different += orders[i] > 20;	/* 50 are due, 20 is 4.6 sd below */
	assert_int_equal(different, 6);
	trial_free(t);
}

static void test_canary_then_all(void **state)
{
	struct trial_config c = config();
	struct trial *t = make(&c);
	struct trial_report r;
	bool part;

	(void)state;
	/* Block 0 says what static earns, 5 blocks alone, and then all. */
	feed(t, 3, 0, 90, alike);
	trial_report(t, &r);
	assert_true(r.canary && r.queues == 1);
	assert_int_equal(trial_arm(t, 1, 89 * S, &part), TRIAL_INCUMBENT);
	assert_false(part);
	feed(t, 3, 90, 105 + 15, alike);
	trial_report(t, &r);
	assert_true(!r.canary && r.queues == 3);
	assert_int_equal(r.blocks, 6);
	feed(t, 3, 120, 151, alike);
	trial_report(t, &r);
	assert_int_equal(r.blocks, 9);	/* three queues, one observation */
	assert_true(r.mean[0] == 0.0 && r.mean[1] == 0.0 && r.reward[TRIAL_STATIC] == -1.0);
	assert_true(r.low[0] < 0.0 && r.high[0] > 0.0);
	trial_free(t);
}

static void test_canary_is_replaced(void **state)
{
	struct trial_config c = config();
	struct trial *t = make(&c);
	bool part;

	(void)state;
	feed(t, 2, 0, 40, alike);
	for (uint64_t s = 40; s < 80; s++)	/* queue 0 is gone */
		trial_arm(t, 1, s * S, &part);
	assert_true(part);
	trial_arm(t, 0, 80 * S, &part);
	assert_false(part);
	trial_free(t);
}

static void test_void_blocks(void **state)
{
	struct trial_config c = config();
	struct trial *t = make(&c);
	struct trial_report r;
	uint64_t s;

	(void)state;
	feed(t, 1, 0, 31, alike);
	trial_report(t, &r);
	assert_int_equal(r.blocks, 1);
	assert_int_equal(r.voided, 1);	/* the first one */
	/* Idle for most of a slice: 2 s of 5 are too few. */
	for (s = 31; s < 46; s++) {
		enum trial_arm a = trial_arm(t, 0, s * S, NULL);

		if (s < 35 || s > 37)
			trial_observe(t, 0, (s + 1) * S, 1.0, alike[a]);
	}
	trial_report(t, &r);
	assert_int_equal(r.voided, 2);
	assert_int_equal(r.blocks, 1);
	/* Idle for 2 s of 5: enough. */
	for (; s < 61; s++) {
		enum trial_arm a = trial_arm(t, 0, s * S, NULL);

		if (s < 52 || s > 53)
			trial_observe(t, 0, (s + 1) * S, 1.0, alike[a]);
	}
	trial_report(t, &r);
	assert_int_equal(r.blocks, 2);
	/* Somebody else acted on it: the incumbent has the rest. */
	feed(t, 1, 61, 65, alike);
	trial_interrupt(t, 0);
	for (s = 65; s < 75; s++)
		assert_int_equal(trial_arm(t, 0, s * S, NULL), TRIAL_INCUMBENT);
	feed(t, 1, 75, 106, alike);
	trial_report(t, &r);
	assert_int_equal(r.blocks, 4);
	assert_int_equal(r.voided, 3);
	trial_interrupt(t, 77);	/* nobody knows it */
	trial_free(t);
}

static void test_clock(void **state)
{
	struct trial_config c = config();
	struct trial *t = make(&c);
	struct trial_report r;
	enum trial_arm a;

	(void)state;
	feed(t, 1, 0, 37, alike);
	/* Suspended for an hour in the middle of a slice. */
	trial_observe(t, 0, 3637 * S, 3600.0, -5.0);
	feed(t, 1, 3637, 3637 + 31, alike);
	trial_report(t, &r);
	assert_int_equal(r.verdict, TRIAL_RUNNING);
	assert_int_equal(r.blocks, 2);	/* 1, and the first whole one after */
	assert_true(r.mean[0] == 0.0 && isnan(r.worst) == false && r.worst == 0.0);
	/* And never backward. */
	a = trial_arm(t, 0, 3668 * S, NULL);
	assert_int_equal(trial_arm(t, 0, 5 * S, NULL), a);
	trial_observe(t, 0, 6 * S, 1.0, -9.0);
	trial_report(t, &r);
	assert_int_equal(r.harmful[TRIAL_CANDIDATE], 0);
	trial_free(t);
}

static void test_bad_numbers(void **state)
{
	struct trial_config c = config();
	struct trial *t = make(&c);
	struct trial_report r;

	(void)state;
	for (uint64_t s = 0; s < 100; s++) {
		enum trial_arm a = trial_arm(t, 0, s * S, NULL);

		trial_observe(t, 0, (s + 1) * S, 1.0, s % 3 ? alike[a] : NAN);
		trial_observe(t, 0, (s + 1) * S, NAN, -2.0);
		trial_observe(t, 0, (s + 1) * S, -1.0, -2.0);
		trial_observe(t, 0, (s + 1) * S, 1.0, -INFINITY);
		trial_observe(t, 9, (s + 1) * S, 1.0, 0.0);
	}
	trial_report(t, &r);
	assert_true(r.mean[0] == 0.0 && r.blocks > 3);
	assert_int_equal(trial_arm(t, UINT32_MAX, 100 * S, NULL), TRIAL_INCUMBENT);
	trial_free(t);
}

static void test_better(void **state)
{
	const double both[TRIAL_ARMS] = { -1.0, -0.7, -1.0 }, one[TRIAL_ARMS] = { -1.0, -0.7, -0.7 };
	struct trial_config c = config();
	struct trial *t = make(&c);
	struct trial_report r;
	uint64_t s = feed(t, 1, 0, 100000, both);

	(void)state;
	trial_report(t, &r);
	assert_int_equal(r.verdict, TRIAL_BETTER);
	assert_in_range(s, 60, 300);
	assert_true(r.low[0] >= 0.0 && r.low[1] >= 0.0 && fabs(r.mean[0] - 0.3) < 1e-9);
	assert_int_equal(trial_arm(t, 0, (s + 1) * S, NULL), TRIAL_INCUMBENT);	/* it is over */
	trial_free(t);

	/* Better than the incumbent alone will not do. */
	t = make(&c);
	s = feed(t, 1, 0, 100000, one);
	trial_report(t, &r);
	assert_int_equal(r.verdict, TRIAL_UNDECIDED);
	assert_int_equal(r.blocks, c.max_blocks);
	trial_free(t);

	/* Without an incumbent of its own it will. */
	c.incumbent_is_static = true;
	t = make(&c);
	s = feed(t, 1, 0, 100000, both);
	trial_report(t, &r);
	assert_int_equal(r.verdict, TRIAL_BETTER);
	assert_true(isnan(r.mean[0]) && isnan(r.low[0]) && fabs(r.mean[1] - 0.3) < 1e-9);
	assert_int_equal(r.slices[TRIAL_INCUMBENT], 0);
	trial_free(t);
}

static void test_worse(void **state)
{
	/* Than the static only: that is enough. */
	const double J[TRIAL_ARMS] = { -1.0, -1.0, -0.7 };
	struct trial_config c = config();
	struct trial *t = make(&c);
	struct trial_report r;

	(void)state;
	feed(t, 2, 0, 100000, J);
	trial_report(t, &r);
	assert_int_equal(r.verdict, TRIAL_WORSE);
	assert_true(r.high[1] < 0.0 && fabs(r.worst + 0.3) < 1e-9 && r.harm_s == 0.0);
	trial_free(t);
}

/* The harm of an arm: seconds in which it acted on queue 0. */
static double acted(struct trial *t, uint64_t to, double J, enum trial_arm arm)
{
	double seconds = 0.0;

	for (uint64_t ms = 0; ms < to * 1000; ms += 50) {
		enum trial_arm a = trial_arm(t, 0, ms * 1000000, NULL);

		trial_observe(t, 0, (ms + 50) * 1000000, 0.05, a == arm ? J : -1.0);
		seconds += a == arm ? 0.05 : 0.0;
	}
	return seconds;
}

static void test_harmful(void **state)
{
	struct trial_config c = config();
	struct trial *t = make(&c);
	struct trial_report r;
	double seconds;

	(void)state;
	/* Beyond the bound: three slices of 0.2 * 5 + 1 s. */
	seconds = acted(t, 1000, -1.51, TRIAL_CANDIDATE);
	trial_report(t, &r);
	assert_int_equal(r.verdict, TRIAL_HARMFUL);
	assert_true(trial_worst_steady(&c) == 6.0 && fabs(seconds - 6.0) < 0.2);
	assert_int_equal(r.harmful[TRIAL_CANDIDATE], 3);
	assert_int_equal(r.harmful[TRIAL_INCUMBENT], 0);
	assert_true(fabs(r.worst + 0.51) < 1e-9 && fabs(r.harm_s - 6.0) < 0.2);
	trial_free(t);

	/* On this side of it, it is for the statistics. */
	t = make(&c);
	acted(t, 1000, -1.49, TRIAL_CANDIDATE);
	trial_report(t, &r);
	assert_int_equal(r.verdict, TRIAL_WORSE);
	assert_int_equal(r.harmful[TRIAL_CANDIDATE], 0);
	trial_free(t);
}

/* One that knows the rules: never as many strikes in a row, and good in between. */
static void test_harm_is_bounded(void **state)
{
	struct trial_config c = config();

	(void)state;
	for (c.seed = 1; c.seed <= 40; c.seed++) {
		struct trial *t = make(&c);
		struct trial_report r = { 0 };
		enum trial_arm last = TRIAL_STATIC;
		unsigned int slice = 0;
		double harm_s = 0.0;

		for (uint64_t ms = 0; ms < 6000000 && r.verdict == TRIAL_RUNNING; ms += 100) {
			enum trial_arm a = trial_arm(t, 0, ms * 1000000, NULL);
			double J = -1.0;

			slice += a == TRIAL_CANDIDATE && (a != last || ms % 5000 == 0);
			last = a;
			/* Well behaved at first, then so bad that the slice's mean falls short at its end. */
			if (a == TRIAL_CANDIDATE && slice % 3) {
				J = ms % 5000 < 4600 ? -1.4 : -4.0;
				harm_s += 0.1;
			} else if (a == TRIAL_CANDIDATE) {
				J = 0.5;
			}
			trial_observe(t, 0, (ms + 100) * 1000000, 0.1, J);
			trial_report(t, &r);
		}
		assert_int_equal(r.verdict, TRIAL_HARMFUL);
		assert_true(r.harmful[TRIAL_CANDIDATE] >= 12 && harm_s > 30.0);
		assert_true(harm_s <= trial_worst(&c));
		trial_free(t);
	}
}

/* The load makes all arms bad at once: nobody is blamed. */
static void test_load_is_not_blamed(void **state)
{
	struct trial_config c = config();
	struct trial_report r;
	struct trial *t;

	(void)state;
	for (int watch = 0; watch < 2; watch++) {
		c.watch = watch;
		t = make(&c);
		for (uint64_t ms = 0; ms < 900000; ms += 100) {
			trial_arm(t, 0, ms * 1000000, NULL);
			trial_observe(t, 0, (ms + 100) * 1000000, 0.1, -1.0 - 1.0 * (ms / 50000));
		}
		trial_report(t, &r);
		assert_int_equal(r.verdict, TRIAL_RUNNING);
		assert_int_equal(r.harmful[TRIAL_CANDIDATE] + r.harmful[TRIAL_INCUMBENT], 0);
		trial_free(t);
	}
}

static void test_watch(void **state)
{
	const double good[TRIAL_ARMS] = { -0.8, 0.0, -1.0 }, bad[TRIAL_ARMS] = { -1.3, 0.0, -1.0 };
	struct trial_config c = config();
	struct trial_report r;
	struct trial *t;
	uint64_t s;

	(void)state;
	c.watch = true;
	c.alpha = 0.001;
	t = make(&c);
	assert_int_equal(feed(t, 2, 0, 20000, good), 20000);
	trial_report(t, &r);
	assert_true(fabs(r.mean[1] - 0.2) < 1e-9 && isnan(r.mean[0]) && r.queues == 2);
	/* Nine of ten slices are the incumbent's; the first one was the static's. */
	assert_true(r.slices[TRIAL_INCUMBENT] >= 9 * r.slices[TRIAL_STATIC] - 20 &&
		    r.slices[TRIAL_INCUMBENT] <= 9 * r.slices[TRIAL_STATIC]);
	/* A good past does not count. */
	s = feed(t, 2, 20000, 40000, bad);
	trial_report(t, &r);
	assert_int_equal(r.verdict, TRIAL_WORSE);
	assert_in_range(s - 20000, 100, 1500);
	assert_int_equal(trial_arm(t, 0, 50000 * S, NULL), TRIAL_STATIC);
	trial_free(t);

	t = make(&c);
	acted(t, 200, -2.0, TRIAL_INCUMBENT);
	trial_report(t, &r);
	assert_int_equal(r.verdict, TRIAL_HARMFUL);
	assert_true(r.harm_s <= trial_worst_steady(&c) + 0.2);
	trial_free(t);
}

static void test_deterministic(void **state)
{
	struct guard_sim g = { .queues = 3, .sd = 0.2, .memory_s = 20.0, .hours_max = 0.2, .seed = 5 };
	struct guard_sim_result a, b, other;

	(void)state;
	g.trial = config();
	g.effect[TRIAL_CANDIDATE] = 0.1;
	assert_int_equal(guard_sim_run(&g, 0.1, &a), 0);
	assert_int_equal(guard_sim_run(&g, 0.1, &b), 0);
	assert_memory_equal(&a.report.mean, &b.report.mean, sizeof(a.report.mean));
	g.seed = 6;
	assert_int_equal(guard_sim_run(&g, 0.1, &other), 0);
	assert_true(other.report.mean[0] != a.report.mean[0]);
}

static void count(const struct guard_sim *base, unsigned int n, unsigned int verdict[TRIAL_VERDICT_N],
		  double *minutes)
{
	struct guard_sim g = *base;
	double scale = guard_sim_scale(&g);
	struct guard_sim_result r;

	memset(verdict, 0, TRIAL_VERDICT_N * sizeof(*verdict));
	*minutes = 0.0;
	for (unsigned int i = 0; i < n; i++) {
		g.seed = base->seed + i;
		assert_int_equal(guard_sim_run(&g, scale, &r), 0);
		verdict[r.report.verdict]++;
		*minutes += r.seconds / 60.0 / n;
		assert_true(r.harm_s <= trial_worst(&g.trial));
	}
}

/* A slow, drifting, periodic load; the two-armed trial has the one comparison only and errs more often. */
static void test_alike(void **state)
{
	struct guard_sim g = { .queues = 1, .sd = 0.2, .memory_s = 60.0, .drift = -2.0, .swing = 0.3,
			       .period_s = 37.0, .hours_max = 12.0, .seed = 100 };
	unsigned int v[TRIAL_VERDICT_N];
	double minutes;

	(void)state;
	g.trial = config();
	g.trial.max_blocks = 100;
	g.trial.incumbent_is_static = true;
	count(&g, 600, v, &minutes);
	/* 5 % of 600 are 30; over 46 is beyond chance (1e-3). */
	assert_in_range(v[TRIAL_BETTER], 0, 46);
	assert_in_range(v[TRIAL_WORSE], 0, 46);
	assert_in_range(v[TRIAL_HARMFUL], 0, 10);
	/* Several queues, three arms. */
	g.trial.incumbent_is_static = false;
	g.queues = 4;
	count(&g, 60, v, &minutes);
	assert_in_range(v[TRIAL_BETTER], 0, 9);
}

static void test_power(void **state)
{
	struct guard_sim g = { .queues = 1, .memory_s = 20.0, .hours_max = 12.0, .seed = 1000 };
	unsigned int v[TRIAL_VERDICT_N];
	double minutes;

	(void)state;
	g.trial = config();
	g.effect[TRIAL_CANDIDATE] = 0.1;
	g.sd = 0.1;
	count(&g, 40, v, &minutes);
	assert_int_equal(v[TRIAL_BETTER], 40);
	assert_true(minutes < 15.0);
	g.sd = 0.2;
	count(&g, 40, v, &minutes);
	assert_in_range(v[TRIAL_BETTER], 38, 40);
	assert_true(minutes < 30.0);
	/* Subtly bad: never promoted beyond alpha. */
	g.effect[TRIAL_CANDIDATE] = -0.03;
	count(&g, 60, v, &minutes);
	assert_in_range(v[TRIAL_BETTER], 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_canary_then_all),
		cmocka_unit_test(test_canary_is_replaced),
		cmocka_unit_test(test_void_blocks),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_better),
		cmocka_unit_test(test_worse),
		cmocka_unit_test(test_harmful),
		cmocka_unit_test(test_harm_is_bounded),
		cmocka_unit_test(test_load_is_not_blamed),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_deterministic),
		cmocka_unit_test(test_alike),
		cmocka_unit_test(test_power),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
