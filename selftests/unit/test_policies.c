// SPDX-License-Identifier: GPL-2.0
/* Policies one by one: what they decide from intervals made by hand; models that are no good. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "policy/fitted.h"
#include "policy/learned.h"
#include "policy/network.h"
#include "policy/novelty.h"
#include "policy/policy.h"

/* C = 25 MB/s, RTT = 2 ms: C * RTT = 50 KB. Half of C is sent, all through a backlog. */
static struct ecn_interval interval(void)
{
	return (struct ecn_interval){
		.seconds = 0.1, .capacity_bps = 25e6, .rtt_s = 2e-3, .mtu_bytes = 1500,
		.limit_bytes = 4000000, .tx_bytes = 1.25e6, .ce_bytes = 125e3, .backlogged_s = 0.05,
		.avg_backlog_bytes = 6250,
		.sojourn_p95_s = 1e-3, .setting = { 50000, 50000, 1000000 },
	};
}

static struct policy *make(const char *kind, const double *number, size_t n)
{
	struct model m = { 0 };
	struct policy *p;
	struct sl_err e;

	assert_int_equal(model_set_numbers(&m, kind, number, n), 0);
	assert_int_equal(policy_new(&m, &p, &e), 0);
	model_free(&m);
	return p;
}

/* K after so many intervals, each under the setting that came of the one before. */
static uint32_t after(struct policy *p, struct ecn_interval in, int intervals)
{
	for (int i = 0; i < intervals; i++) {
		struct qdisc_triple t = in.setting;

		assert_int_equal(policy_decide(p, &in, &t), 0);
		in.setting = t;
	}
	assert_int_equal(in.setting.qth_min, in.setting.qth_max);
	return in.setting.qth_min;
}

/* The same after the policy has told its mind so often, from 50,000 each time. */
static uint32_t after_many(struct policy *p, struct ecn_interval in, int times)
{
	const struct qdisc_triple first = in.setting;
	uint32_t k = 0;

	for (int n = 0; n < times; n++) {
		k = after(p, in, n ? POLICY_HOLD + 1 : POLICY_HOLD);
		in.setting = first;
	}
	return k;
}

static void features(void **state)
{
	struct feature_sum sum = { 0 };
	struct ecn_interval in = interval();
	double x[FEATURES];

	(void)state;
	in.elephant_share = NAN;	/* measured in the second epoch only */
	in.ect_share = 0.9;
	feature_add(&sum, &in);
	in.tx_bytes = 2.5e6;		/* all of C, and no mark */
	in.ce_bytes = 0;
	in.elephant_share = 0.25;
	in.ect_share = 0.6;
	feature_add(&sum, &in);
	feature_get(&sum, x);
	assert_true(fabs(x[FEATURE_bdp] - log2(50000 / 1500.0)) < 1e-9);
	assert_true(fabs(x[FEATURE_used] - 0.75) < 1e-9);
	assert_true(fabs(x[FEATURE_queued] - 25e6 * 0.1 / 3.75e6) < 1e-9);
	assert_true(fabs(x[FEATURE_backlog] - 1) < 1e-9);	/* 8 * 6250 / 50000 = 1 */
	assert_true(fabs(x[FEATURE_marked] - 125e3 / 3.75e6) < 1e-9);
	assert_true(fabs(x[FEATURE_delay] - log2(5)) < 1e-9);	/* 8 * 1 ms / 2 ms = 4 */
	assert_true(fabs(x[FEATURE_setting]) < 1e-9);
	assert_true(fabs(x[FEATURE_elephants] - 0.25) < 1e-9);
	assert_true(fabs(x[FEATURE_ect] - (0.9 * 1.25 + 0.6 * 2.5) / 3.75) < 1e-9);

	/* Where nobody measures them they are what they mostly are; nothing beyond what a share is. */
	sum = (struct feature_sum){ 0 };
	in.elephant_share = in.ect_share = NAN;
	feature_add(&sum, &in);
	feature_get(&sum, x);
	assert_true(x[FEATURE_elephants] == 0.75 && x[FEATURE_ect] == 1);
	in.elephant_share = 7;
	in.ect_share = -INFINITY;
	feature_add(&sum, &in);
	feature_get(&sum, x);
	assert_true(x[FEATURE_elephants] == 1 && x[FEATURE_ect] == 1);
}

static void one_number(void **state)
{
	static const struct { const char *kind; double number; uint32_t k; } cases[] = {
		{ "static", 77000, 77000 }, { "bdp", 0.5, 25000 }, { "time", 1e-3, 25000 },
		{ "static", 1, 3000 }, { "bdp", 1e-6, 3000 }, { "static", 1e12, 4000000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct policy *p = make(cases[i].kind, &cases[i].number, 1);
		const struct ecn_interval in = interval();

		assert_int_equal(policy_start(p, &in).qth_min, cases[i].k);
		assert_int_equal(after(p, in, 1), cases[i].k);
		policy_free(p);
	}
}

/* POLICY_HOLD intervals without a decision, then one; and one for the setting to take hold. */
static void controllers(void **state)
{
	struct policy *pi = make("pi", (double[]){ 0.75, 2, 0.3 }, 3),
		      *rules = make("rules", (double[]){ 0.6, 1, 0.3 }, 3);
	struct ecn_interval in = interval();

	(void)state;
	assert_int_equal(policy_start(pi, &in).qth_min, 15000);
	/* All through a backlog: 0.25 over the target, so K falls by 2 * 2 * 0.25 octaves. */
	assert_int_equal(after(pi, in, POLICY_HOLD - 1), 50000);
	policy_reset(pi);
	assert_int_equal(after(pi, in, POLICY_HOLD), 25000);
	policy_reset(pi);
	in.backlogged_s = 0.025;	/* a half: 0.25 below it */
	assert_int_equal(after(pi, in, POLICY_HOLD), 100000);

	/* Too little through a backlog: twice. Enough, and a long wait: half. Neither: as it is. */
	assert_int_equal(after(rules, in, POLICY_HOLD), 100000);
	policy_reset(rules);
	in.backlogged_s = 0.031;
	assert_int_equal(after(rules, in, POLICY_HOLD), 50000);
	policy_reset(rules);
	in.sojourn_p95_s = 2.1e-3;
	assert_int_equal(after(rules, in, POLICY_HOLD), 25000);
	policy_reset(rules);
	in.ce_bytes = 0;		/* without marks the threshold is not felt */
	assert_int_equal(after(rules, in, POLICY_HOLD), 50000);
	policy_free(pi);
	policy_free(rules);
}

/* marked <= 0.05: template 2 (a quarter of C * RTT), else 6 (four times). */
static const double small_tree[1 + 3 * FITTED_NODE] = {
	0.3,
	FEATURE_marked, 1, 2, 0, 0.05,
	-1, 0, 0, 2, 0,
	-1, 0, 0, 6, 0,
};

static void tree(void **state)
{
	struct policy *p = make("tree", small_tree, 1 + 3 * FITTED_NODE);
	struct ecn_interval in = interval();

	(void)state;
	assert_int_equal(policy_start(p, &in).qth_min, 15000);
	assert_int_equal(after(p, in, POLICY_HOLD), 200000);
	policy_reset(p);
	in.ce_bytes = 0.05 * in.tx_bytes;
	assert_int_equal(after(p, in, POLICY_HOLD), 12500);
	policy_free(p);
}

static void linear_and_lookup(void **state)
{
	/* log2(K / (C RTT)) = 1 - 10 * marked */
	double number[2 + FEATURES] = { 0.3, 1 }, table[1 + FEATURES + 2 * FITTED_ROW] = { 0.3 };
	struct ecn_interval in = interval();
	struct policy *p;

	(void)state;
	number[2 + FEATURE_marked] = -10;
	p = make("linear", number, 2 + FEATURES);
	assert_int_equal(after(p, in, POLICY_HOLD), 50000);	/* a tenth is marked */

	/* -1 octave at once, then less and less of it: a half, a third, a fourth, and no less. */
	policy_reset(p);
	in.ce_bytes = 0.2 * in.tx_bytes;
	assert_int_equal(after(p, in, POLICY_HOLD), 25000);
	policy_reset(p);
	assert_int_equal(after_many(p, in, 2), (int)(50000 * exp2(-1.0 / 2)));
	policy_reset(p);
	assert_int_equal(after_many(p, in, 4), (int)(50000 * exp2(-POLICY_MOVE)));
	policy_reset(p);
	assert_int_equal(after_many(p, in, 9), (int)(50000 * exp2(-POLICY_MOVE)));
	in = interval();
	policy_free(p);

	/* Two situations of one feature; the mean of both, as there are no more. */
	table[1 + FEATURE_marked] = 1;
	table[1 + FEATURES + FEATURES] = 2;
	table[1 + FEATURES + FITTED_ROW + FEATURES] = -1;
	p = make("lookup", table, 1 + FEATURES + 2 * FITTED_ROW);
	assert_int_equal(after(p, in, POLICY_HOLD), (int)(50000 * M_SQRT2));
	policy_free(p);
}

/* What a template costs depends on one feature alone; the network has to find that and where. */
static void network(void **state)
{
	enum { N = 500 };
	static double x[N * FEATURES], regret[N * POLICY_TEMPLATES];
	struct ecn_interval in = interval();
	struct model m = { 0 }, again = { 0 };
	struct policy *p;
	struct sl_err e;
	double *number;

	(void)state;
	for (int i = 0; i < N; i++) {
		x[i * FEATURES + FEATURE_marked] = i / (double)N;
		x[i * FEATURES + FEATURE_used] = i % 7;		/* says nothing */
		for (int k = 0; k < POLICY_TEMPLATES; k++)
			regret[i * POLICY_TEMPLATES + k] = 0.03 * pow(k - (i < N / 2 ? 2 : 7), 2);
	}
	assert_int_equal(network_fit(x, regret, N, 0.3, 1, &m), 0);
	assert_int_equal(network_fit(x, regret, N, 0.3, 1, &again), 0);
	assert_int_equal(model_crc(&m), model_crc(&again));
	assert_int_equal(policy_new(&m, &p, &e), 0);
	assert_int_equal(policy_start(p, &in).qth_min, 15000);
	in.tx_bytes = 2.5e6;
	in.ce_bytes = 0.25 * in.tx_bytes;
	assert_true(fabs(after(p, in, POLICY_HOLD) / (double)12500 - 1) < 0.05);
	policy_reset(p);
	in.ce_bytes = 0.75 * in.tx_bytes;
	assert_true(fabs(after(p, in, POLICY_HOLD) / (double)400000 - 1) < 0.05);
	policy_free(p);

	/* Each parameter is finite, what they make of a queue is not: an error, no setting. */
	number = m.data;
	for (size_t i = 1 + 2 * FEATURES; i < m.size / sizeof(*number); i++)
		number[i] = 1e30;
	assert_int_equal(policy_new(&m, &p, &e), 0);
	for (int i = 0; i < POLICY_HOLD - 1; i++)
		assert_int_equal(policy_decide(p, &in, &in.setting), 0);
	assert_int_equal(policy_decide(p, &in, &in.setting), -EDOM);
	policy_free(p);
	model_free(&again);

	x[3] = NAN;
	assert_int_equal(network_fit(x, regret, N, 0.3, 1, &again), -EDOM);
	assert_null(again.data);
	model_free(&m);
}

/* One mix was seen with many marks and wants template 6, the other with none and wants 1. */
static void identify(void **state)
{
	static double number[1 + FEATURES + 2 * FITTED_MIX] = { 0.3 };
	double *mix = number + 1 + FEATURES;
	struct ecn_interval in = interval();
	struct policy *p;

	(void)state;
	number[1 + FEATURE_marked] = 30;
	for (int s = 0; s < LAB_STEPS; s++)
		mix[s * FEATURES + FEATURE_marked] = 0.1;
	for (int k = 0; k < POLICY_TEMPLATES; k++) {
		mix[LAB_STEPS * FEATURES + k] = abs(k - 6);
		mix[FITTED_MIX + LAB_STEPS * FEATURES + k] = abs(k - 1);
	}
	p = make("identify", number, 1 + FEATURES + 2 * FITTED_MIX);
	assert_int_equal(after(p, in, POLICY_HOLD), 200000);
	policy_reset(p);
	in.ce_bytes = 0;
	assert_int_equal(after(p, in, POLICY_HOLD), 6250);
	policy_free(p);
}

static void idle_and_malformed(void **state)
{
	struct policy *p = make("static", (double[]){ 5000 }, 1);
	struct ecn_interval in = interval();

	(void)state;
	in.tx_bytes = in.backlogged_s = in.avg_backlog_bytes = 0;
	assert_int_equal(after(p, in, 3), 50000);
	in = interval();
	in.rtt_s = NAN;
	assert_int_equal(after(p, in, 3), 50000);
	policy_free(p);
}

/* Payloads that would lead out of themselves are refused. */
static void bad_payloads(void **state)
{
	static const struct { int at; double value; } bad[] = {
		{ 0, 0 }, { 0, -1 }, { 1, FEATURES }, { 1, 0.5 }, { 2, 0 }, { 2, 3 }, { 3, 0 },
		{ 3, 1e9 }, { 9, POLICY_TEMPLATES }, { 9, -1 }, { 5, NAN }, { 5, INFINITY },
	};
	double number[1 + 3 * FITTED_NODE];
	struct model m = { 0 };
	struct policy *p;
	struct sl_err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		memcpy(number, small_tree, sizeof(number));
		number[bad[i].at] = bad[i].value;
		model_set_numbers(&m, "tree", number, 1 + 3 * FITTED_NODE);
		assert_int_equal(policy_new(&m, &p, &e), -EBADMSG);
	}
	for (size_t n = 1; n < 1 + 3 * FITTED_NODE; n++) {
		model_set_numbers(&m, "tree", small_tree, n);
		assert_int_equal(policy_new(&m, &p, &e), -EBADMSG);
	}
	for (size_t i = 0; i < 3; i++) {
		model_set_numbers(&m, i == 0 ? "ddqn" : i == 1 ? "ppo" : "network", small_tree, 3);
		assert_int_equal(policy_new(&m, &p, &e), -EBADMSG);
	}
	model_set_numbers(&m, "oracle", small_tree, 1);
	assert_int_equal(policy_new(&m, &p, &e), -EINVAL);
	assert_non_null(strstr(e.text, "oracle"));
	model_free(&m);
}

/* Written and read again; every byte of the file matters, and so does its length. */
static void model_file(bool calibrated)
{
	struct model m = { .command = "sluice train ecn --algo tree" }, back;
	char path[] = "/tmp/test_policies.XXXXXX", bytes[1024];
	struct sl_err e;
	size_t n;
	FILE *f;

	close(mkstemp(path));
	assert_int_equal(model_set_numbers(&m, "tree", small_tree, 1 + 3 * FITTED_NODE), 0);
	if (calibrated) {
		m.calibration = strdup("what it knows");
		m.calibration_size = 14;
	}
	assert_int_equal(model_write(&m, path, &e), 0);
	assert_int_equal(model_read(path, &back, &e), 0);
	assert_string_equal(back.kind, "tree");
	assert_string_equal(back.command, m.command);
	assert_int_equal(back.size, m.size);
	assert_memory_equal(back.data, m.data, m.size);
	assert_int_equal(back.calibration_size, m.calibration_size);
	assert_true(calibrated ? !memcmp(back.calibration, m.calibration, 14) : !back.calibration);
	model_free(&back);

	f = fopen(path, "r");
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	/* Who knows version 2 alone is to see that this is another one. */
	assert_true(!strncmp(bytes, calibrated ? "sluice-model 3\n" : "sluice-model 2\n", 15));
	for (size_t i = 0; i < n; i++) {
		bytes[i] ^= 0x10;
		f = fopen(path, "w");
		fwrite(bytes, 1, n, f);
		fclose(f);
		bytes[i] ^= 0x10;
		assert_true(model_read(path, &back, &e) < 0);
		assert_non_null(strstr(e.text, path));
	}
	for (size_t i = 0; i < n; i++) {
		f = fopen(path, "w");
		fwrite(bytes, 1, i, f);
		fclose(f);
		assert_true(model_read(path, &back, &e) < 0);
	}
	unlink(path);
	assert_int_equal(model_read(path, &back, &e), -ENOENT);
	model_free(&m);
}

static void model_files(void **state)
{
	(void)state;
	model_file(false);
	model_file(true);
}

static void built_in(void **state)
{
	static const char *const name[][2] = {
		{ MODEL_SHIPPED, "lookup" }, { MODEL_SHIPPED_TREE, "qtree" },
	};
	struct sl_err e;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct novelty *n;
		struct policy *p;
		struct model m;

		assert_true(model_is_builtin(name[i][0]));
		assert_int_equal(model_read(name[i][0], &m, &e), 0);
		assert_string_equal(m.kind, name[i][1]);
		assert_int_equal(policy_new(&m, &p, &e), 0);
		assert_int_equal(novelty_of(&m, &n), 0);
		assert_non_null(n);
		novelty_free(n);
		policy_free(p);
		model_free(&m);
	}
	assert_false(model_is_builtin("shipped-bush"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(features),
		cmocka_unit_test(one_number),
		cmocka_unit_test(controllers),
		cmocka_unit_test(tree),
		cmocka_unit_test(linear_and_lookup),
		cmocka_unit_test(identify),
		cmocka_unit_test(network),
		cmocka_unit_test(idle_and_malformed),
		cmocka_unit_test(bad_payloads),
		cmocka_unit_test(model_files),
		cmocka_unit_test(built_in),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
