// SPDX-License-Identifier: GPL-2.0
/* Reference runs: reading, what is refused, a run whose outcome is known, and scores by hand. */
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

#include "sim/closed.h"
#include "sim/ref_score.h"

#define INDEX	"shard\tcc\tflows\tcompleted\n"
#define COLUMNS								\
	"flow\tsrc\tdst\tsize_bytes\tstart_ns\tns3_fct_ns\tns3_ideal_fct_ns\tmaxmin_fct_ns\n"
#define COMMON								\
	"# a run; cc=x\n# CC_MODE %d\n# PACKET_PAYLOAD_SIZE 1000\n"	\
	"# HAS_WIN 1\n# VAR_WIN 1\n# FIXED_WIN 18000\n"			\
	"# KMIN_MAP 2 10000000000 15 40000000000 60\n"			\
	"# KMAX_MAP 2 40000000000 90 10000000000 20\n"			\
	"# PMAX_MAP 1 10000000000 0.20\n# EWMA_GAIN 0.0625\n"		\
	"# MIN_RATE 1000Mb/s\n# DCTCP_RATE_AI 0.5Gb/s\n"		\
	"# ALPHA_RESUME_INTERVAL 50\n# RATE_DECREASE_INTERVAL 50\n"	\
	"# RP_TIMER 55\n# FAST_RECOVERY_TIMES 1\n# RATE_AI 2.0Mb/s\n# RATE_HAI 20.0Mb/s\n"

static char dir[64];

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* The settings with CC_MODE mode, the columns, and the flows. */
static void write_run(const char *name, int mode, const char *flows)
{
	char text[4096], format[4096];

	snprintf(format, sizeof(format), "%s%s%%s", COMMON, COLUMNS);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), format, mode, flows);
#pragma GCC diagnostic pop
	write_file(name, text);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/sluice_ref_XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = {
		"INDEX.tsv", "shard04_dctcp.tsv", "shard05_dcqcn.tsv",
	};
	char path[128];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static void test_read(void **state)
{
	struct ref_index x;
	struct ref_run run;
	struct sl_err e;

	(void)state;
	write_file("INDEX.tsv", INDEX "4\tdctcp\t2\t2\n5\tdcqcn\t1\t1\n");
	write_run("shard04_dctcp.tsv", 8, "0\t1\t2\t500\t1000\t2500\t2438\t438\n"
					  "1\t0\t2\t2000\t1500\t-1\t5000\t-1\n");
	assert_int_equal(ref_read_index(dir, &x, &e), 0);
	assert_int_equal(x.n, 2);
	assert_string_equal(x.entry[1].cc, "dcqcn");
	assert_int_equal(x.entry[0].shard, 4);
	assert_int_equal(x.entry[0].flows, 2);
	assert_int_equal(x.entry[1].line, 3);
	assert_int_equal(ref_read_run(dir, &x.entry[0], &run, &e), 0);
	assert_int_equal(run.n, 2);
	assert_true(run.set.cc_mode == 8 && run.set.window_bytes == 18000);
	assert_true(run.set.kmin_kb == 15 && run.set.kmax_kb == 20 && run.set.pmax == 0.2);
	assert_true(run.set.min_bps == 1e9 && run.set.dctcp_ai_bps == 5e8 && run.set.ai_bps == 2e6);
	assert_int_equal(run.flow[0].start_ns, 0);
	assert_int_equal(run.flow[1].start_ns, 500);
	assert_int_equal(run.flow[1].src, 0);
	assert_true(run.flow[0].maxmin_ns == 438 && run.flow[1].ns3_ns < 0);
	ref_run_free(&run);
	assert_int_equal(ref_read_run(dir, &x.entry[1], &run, &e), -ENOENT);
	ref_index_free(&x);
}

/* --- what is refused -------------------------------------------------------------- */

static void test_bad_index(void **state)
{
	static const struct { const char *text, *said; } bad[] = {
		{ "", "INDEX.tsv: has no runs" },
		{ "nothing\n", "INDEX.tsv:1: does not begin" },
		{ INDEX, "INDEX.tsv: has no runs" },
		{ INDEX "4\tdctcp\n", "INDEX.tsv:2: not 'shard cc flows" },
		{ INDEX "4\tdctcp\t2\nx\tdctcp\t2\n", "INDEX.tsv:3: not 'shard cc flows" },
		{ INDEX "4\tdctcp\t2x\n", "INDEX.tsv:2: not 'shard cc flows" },
		{ INDEX "4\t../../x\t2\n", "INDEX.tsv:2: not 'shard cc flows" },
		{ INDEX "-4\tdctcp\t2\n", "INDEX.tsv:2: not 'shard cc flows" },
		{ INDEX "4\taverylongnameindeed\t2\n", "INDEX.tsv:2: not 'shard cc flows" },
		{ INDEX "4\tdctcp\t0\n", "INDEX.tsv:2: flows must be" },
		{ INDEX "4\tdctcp\t99999999999\n", "INDEX.tsv:2: flows must be" },
	};
	struct ref_index x;
	struct sl_err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file("INDEX.tsv", bad[i].text);
		assert_int_equal(ref_read_index(dir, &x, &e), -EINVAL);
		if (!strstr(e.text, bad[i].said))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].said);
	}
	assert_int_equal(ref_read_index("/nonexistent", &x, &e), -ENOENT);
}

/* Replaces one text of a good file by another. */
static void test_bad_run(void **state)
{
	static const char good[] = "0\t1\t2\t500\t1000\t2500\t2438\t438\n";
	static const struct { const char *of, *by, *said; } bad[] = {
		{ "# CC_MODE 8\n", "", ":18: the flows begin, and there was no CC_MODE" },
		{ "CC_MODE 8", "CC_MODE", ":2: CC_MODE must be a number" },
		{ "CC_MODE 8", "CC_MODE 8 9", ":2: CC_MODE must be a number" },
		{ "CC_MODE 8", "CC_MODE nan", ":2: CC_MODE must be 0 to 100" },
		{ "PACKET_PAYLOAD_SIZE 1000", "PACKET_PAYLOAD_SIZE 0", ":3: PACKET_PAYLOAD_S" },
		{ "FIXED_WIN 18000", "FIXED_WIN -1", ":6: FIXED_WIN must be 1 to" },
		{ "KMIN_MAP 2 10000000000 15", "KMIN_MAP 2 5 15", ":7: KMIN_MAP must be 'N RATE" },
		{ "KMIN_MAP 2", "KMIN_MAP 3", ":7: KMIN_MAP must be 'N RATE" },
		{ "KMIN_MAP 2", "KMIN_MAP 1", ":7: KMIN_MAP must be 'N RATE" },
		{ "KMIN_MAP 2 10000000000 15", "KMIN_MAP 2 10000000000 50", ":19: KMIN_MAP is" },
		{ "0.20", "1.20", ":9: PMAX_MAP must be 0 to 1" },
		{ "1000Mb/s", "1000", ":11: MIN_RATE must be a rate" },
		{ "1000Mb/s", "99Gb/s", ":11: MIN_RATE must be 1 to" },
		{ "flow\tsrc", "flow\tfrom", ":19: not '# KEY VALUE'" },
		{ good, "", "has no flows" },
		{ good, "0\t1\t2\t500\t1000\t2500\t2438\n", ":20: not eight whole numbers" },
		{ good, "0\t1\t2\t500\t1000\t2500\t2438\t4.8\n", ":20: not eight whole numbers" },
		{ good, "0\t1\t2\t500\t1000\t2500\t2438\t9999999999999999999\n", ":20: not eight" },
		{ good, "0 1 2 500 1000 2500 2438 438\n", ":20: not eight whole numbers" },
		{ good, "# x\n", ":20: not eight whole numbers" },
		{ good, "0\t2\t0\t500\t1000\t2500\t2438\t438\n", ":20: hosts must be" },
		{ good, "0\t1\t3\t500\t1000\t2500\t2438\t438\n", ":20: hosts must be" },
		{ good, "0\t1\t2\t0\t1000\t2500\t2438\t438\n", ":20: size_bytes must be" },
		{ good, "0\t1\t2\t500\t-5\t2500\t2438\t438\n", ":20: start_ns must not" },
		{ good, "0\t1\t2\t5\t9\t9\t9\t9\n1\t1\t2\t5\t8\t9\t9\t9\n", ":21: start_ns" },
		{ good, "0\t1\t2\t500\t1000\t2500\t0\t438\n", ":20: ns3_ideal_fct_ns must" },
		{ good, "0\t1\t2\t5\t9\t9\t9\t9\n1\t1\t2\t5\t9\t9\t9\t9\n", "has 2 flows; line" },
	};
	const struct ref_entry entry = { .line = 2, .shard = 4, .cc = "dctcp", .flows = 1 };
	char all[4096], text[4096], path[128];
	struct ref_run run;
	struct sl_err e;
	FILE *f;

	(void)state;
	write_run("shard04_dctcp.tsv", 8, good);
	assert_int_equal(ref_read_run(dir, &entry, &run, &e), 0);
	ref_run_free(&run);
	snprintf(path, sizeof(path), "%s/shard04_dctcp.tsv", dir);
	f = fopen(path, "r");
	assert_non_null(f);
	all[fread(all, 1, sizeof(all) - 1, f)] = '\0';
	fclose(f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *at = strstr(all, bad[i].of);

		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - all), all, bad[i].by,
			 at + strlen(bad[i].of));
		write_file("shard04_dctcp.tsv", text);
		assert_int_equal(ref_read_run(dir, &entry, &run, &e), -EINVAL);
		if (!strstr(e.text, bad[i].said) || !strstr(e.text, path))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].said);
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	write_file("shard04_dctcp.tsv", text);
	assert_int_equal(ref_read_run(dir, &entry, &run, &e), -EINVAL);
	assert_non_null(strstr(e.text, ":1: the line is too long"));
}

/* --- simulating ------------------------------------------------------------------- */

/*
 * Flows that never meet take what the reference calls ideal: 0.8 ns for each byte with headers and
 * two links, and a packet's time more where two links have 10 Gb/s. Two more meet at the port.
 */
static void test_simulate(void **state)
{
	static const struct ref_entry entries[] = {
		{ .line = 2, .shard = 4, .cc = "dctcp", .flows = 5 },
		{ .line = 3, .shard = 5, .cc = "dcqcn", .flows = 5 },
	};
	static const char flows[] =
		"0\t0\t1\t100000\t1000000000\t85838\t85838\t80000\n"
		"1\t1\t2\t100000\t1001000000\t85838\t85838\t80000\n"
		"2\t0\t2\t100000\t1002000000\t86676\t86676\t80000\n"
		"3\t1\t2\t100000\t1003000000\t166000\t85838\t160000\n"
		"4\t1\t2\t100000\t1003000000\t166000\t85838\t160000\n";

	(void)state;
	write_run("shard04_dctcp.tsv", 8, flows);
	write_run("shard05_dcqcn.tsv", 1, flows);
	for (int i = 0; i < 2; i++) {
		struct ref_outcome o;
		struct ref_run run;
		struct sl_err e;
		double fct_ns[5];

		assert_true(ref_knows(entries[i].cc));
		assert_int_equal(ref_read_run(dir, &entries[i], &run, &e), 0);
		assert_int_equal(ref_simulate(&run, run.n, 1, fct_ns, &e), 0);
		for (int f = 0; f < 3; f++)
			assert_true(fabs(fct_ns[f] - run.flow[f].ideal_ns) <= 100);
		for (int f = 3; f < 5; f++)
			assert_true(fct_ns[f] > 1.5 * 85838 && fct_ns[f] < 3 * 85838);
		assert_int_equal(ref_outcome(&run, fct_ns, run.n, &o), 0);
		assert_int_equal(o.flows, 5);
		assert_int_equal(o.unended, 0);
		assert_int_equal(ref_simulate(&run, 0, 1, fct_ns, &e), -EINVAL);
		assert_int_equal(ref_simulate(&run, 6, 1, fct_ns, &e), -EINVAL);
		run.set.cc_mode = 7;
		assert_int_equal(ref_simulate(&run, run.n, 1, fct_ns, &e), -EINVAL);
		assert_non_null(strstr(e.text, "CC_MODE 7"));
		ref_run_free(&run);
	}
	assert_false(ref_knows("timely"));
}

static void test_outcome(void **state)
{
	/* The fourth did not end in the reference, the fifth not here. */
	struct ref_flow flow[] = {
		{ .ns3_ns = 200, .ideal_ns = 100, .maxmin_ns = 50 },
		{ .ns3_ns = 400, .ideal_ns = 100, .maxmin_ns = 300 },
		{ .ns3_ns = 300, .ideal_ns = 100, .maxmin_ns = 200 },
		{ .ns3_ns = -1, .ideal_ns = 100, .maxmin_ns = 200 },
		{ .ns3_ns = 300, .ideal_ns = 100, .maxmin_ns = 200 },
	};
	const struct ref_run run = { .flow = flow, .n = 5 };
	const double fct_ns[] = { 220, 400, 270, 100, 0 };
	struct ref_outcome o;

	(void)state;
	assert_int_equal(ref_outcome(&run, fct_ns, 5, &o), 0);
	assert_int_equal(o.flows, 3);
	assert_int_equal(o.unended, 1);
	assert_true(fabs(o.ns3.mean - 3) < 1e-9 && fabs(o.ns3.p99 - 3.98) < 1e-9);
	assert_true(fabs(o.sim.mean - 8.9 / 3) < 1e-9);
	assert_true(fabs(o.maxmin.mean - 2) < 1e-9);	/* 1 in the place of 0.5 */
	assert_true(fabs(o.flow_err - 0.1) < 1e-9);
	assert_int_equal(ref_outcome(&run, fct_ns, 5, &o), 0);
	flow[0].ns3_ns = -1;
	assert_int_equal(ref_outcome(&run, fct_ns, 1, &o), -EINVAL);
}

static void test_score(void **state)
{
	struct ref_outcome o[5] = { 0 };
	struct ref_score s;

	(void)state;
	for (int i = 0; i < 5; i++) {
		o[i].ns3 = (struct ref_figures){ 1 + i, 10 + i };
		o[i].sim = (struct ref_figures){ (1 + i) * 1.1, (10 + i) * (1 - 0.01 * i) };
		o[i].maxmin = (struct ref_figures){ 5 - i, 10 + i };
	}
	assert_int_equal(ref_score(o, 5, REF_SIM, REF_ALL, &s), 0);
	assert_int_equal(s.runs, 5);
	assert_true(fabs(s.spearman_mean - 1) < 1e-9 && fabs(s.spearman_p99 - 1) < 1e-9);
	assert_true(fabs(s.median_rel_err_mean - 0.1) < 1e-9);
	assert_true(fabs(s.median_rel_err_p99 - 0.02) < 1e-9);
	assert_int_equal(ref_score(o, 5, REF_NULL, REF_EVEN, &s), 0);
	assert_int_equal(s.runs, 3);
	assert_true(fabs(s.spearman_mean + 1) < 1e-9 && s.median_rel_err_p99 == 0);
	assert_int_equal(ref_score(o, 5, REF_SIM, REF_ODD, &s), 0);
	assert_int_equal(s.runs, 2);
	assert_true(fabs(s.median_rel_err_p99 - 0.02) < 1e-9);
	assert_int_equal(ref_score(o, 1, REF_SIM, REF_ODD, &s), 0);
	assert_int_equal(s.runs, 0);
	assert_true(isnan(s.spearman_mean) && isnan(s.median_rel_err_mean));
}

static void test_closed_forms(void **state)
{
	struct sim_closed_form c[SIM_CLOSED_FORMS];

	(void)state;
	assert_int_equal(sim_closed_forms(c), 0);
	for (int i = 0; i < SIM_CLOSED_FORMS; i++) {
		const double err = c[i].measured / c[i].theory - 1;

		print_message("# %s: theory %.3f, measured %.3f\n", c[i].what, c[i].theory,
			      c[i].measured);
		/* The saw-tooth is a model itself. */
		assert_true(fabs(err) < (c[i].what[0] == 'M' ? 0.03 : 0.15));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_bad_index),
		cmocka_unit_test(test_bad_run),
		cmocka_unit_test(test_simulate),
		cmocka_unit_test(test_outcome),
		cmocka_unit_test(test_score),
		cmocka_unit_test(test_closed_forms),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
