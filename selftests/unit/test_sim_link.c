// SPDX-License-Identifier: GPL-2.0
/* Links whose rate varies: traces, what is wrong in them, and what a queue makes of them. */
#include "unit/sim_fixture.h"

/* A comment beyond any fixed buffer is one line. */
#define TEN(x) x x x x x x x x x x
#define LONG "#" TEN(TEN(TEN("7 ")))

static struct link_trace trace_of(const char *text)
{
	struct link_trace t;
	struct sl_err e = { "" };
	char path[64];
	int r;

	write_file(path, text);
	r = link_trace_read(path, &t, &e);
	unlink(path);
	if (r)
		print_error("%s\n", e.text);
	assert_int_equal(r, 0);
	return t;
}

/* Two packets in millisecond 0, none in 1 and 2, one in 3: four milliseconds, again and again. */
static void test_opportunities(void **state)
{
	struct link_trace t = trace_of("# a link\n0\n0\n\n3\n");
	size_t cursor = 0;

	(void)state;
	assert_int_equal(t.period_ns, 4 * MS);
	close_to(t.mean_bps, 3 * 1500 * 8 / 4e-3, 1e-9, "mean rate");
	close_to(link_trace_bytes(&t, 4 * MS), 4500, 1e-9, "bytes of a lap");
	close_to(link_trace_bytes(&t, 9 * MS), 9000 + 3000, 1e-9, "bytes of two laps and a piece");
	assert_int_equal(link_trace_sent_ns(&t, &cursor, 0, 1500), MS / 2);
	assert_int_equal(link_trace_sent_ns(&t, &cursor, MS / 2, 1500), MS);
	/* Nothing until millisecond 3, and then at half the rate. */
	assert_int_equal(link_trace_sent_ns(&t, &cursor, MS, 750), 3 * MS + MS / 2);
	assert_int_equal(link_trace_sent_ns(&t, &cursor, 3 * MS, 1500 + 750), 4 * MS + MS / 4);
	/* Over three laps; and back to the first one, wherever the cursor is. */
	assert_int_equal(link_trace_sent_ns(&t, &cursor, 0, 3 * 4500 + 1500), 12 * MS + MS / 2);
	cursor = 99;
	assert_int_equal(link_trace_sent_ns(&t, &cursor, 0, 1500), MS / 2);
	link_trace_scale(&t, 2);
	assert_int_equal(link_trace_sent_ns(&t, &cursor, 0, 1500), MS / 4);
	close_to(link_trace_bytes(&t, 4 * MS), 9000, 1e-9, "bytes of a lap, scaled");
	link_trace_free(&t);
	link_trace_free(&t);
}

static void test_rates(void **state)
{
	struct link_trace t = trace_of("0 8000\n10 0\n20 16000\n");
	size_t cursor = 0;

	(void)state;
	assert_int_equal(t.period_ns, 0);
	assert_int_equal(link_trace_sent_ns(&t, &cursor, 9 * MS, 1000), 10 * MS);
	assert_int_equal(link_trace_sent_ns(&t, &cursor, 9 * MS, 3000), 21 * MS);
	assert_int_equal(link_trace_sent_ns(&t, &cursor, 100 * S, 2000), 100 * S + MS);
	close_to(link_trace_bytes(&t, 30 * MS), 10000 + 20000, 1e-9, "bytes");
	link_trace_free(&t);
	assert_int_equal(link_trace_steps(0, 0, MS, &t), -EINVAL);
	assert_int_equal(link_trace_steps(1e6, 1e6, 0, &t), -EINVAL);
}

/* Pieces of 4 ms from 2 ms on, with their mean rates; one that has less than the least, with that. */
static void test_part(void **state)
{
	struct link_trace t = trace_of("0 8000\n10 0\n20 16000\n"), part;

	(void)state;
	assert_int_equal(link_trace_length_ns(&t), 20 * MS);
	assert_int_equal(link_trace_part(&t, 2 * MS, 4 * MS, 3, 0.25, &part), 0);
	assert_int_equal(part.period_ns, 12 * MS);
	assert_int_equal(link_trace_length_ns(&part), 12 * MS);
	close_to(part.piece[0].rate_bps, 8e6, 1e-9, "first piece");
	close_to(part.piece[1].rate_bps, 8e6, 1e-9, "second piece");
	/* 8 kB in 12 ms, of which none in the last 4. */
	close_to(part.piece[2].rate_bps, 8e6 * 2 / 3 / 4, 1e-9, "third piece");
	close_to(part.mean_bps, 8e6 * (2 + 1 / 6.0) / 3, 1e-9, "mean");
	link_trace_free(&part);
	/* Beyond its end the last rate stays. */
	assert_int_equal(link_trace_part(&t, 18 * MS, 4 * MS, 2, 0, &part), 0);
	close_to(part.piece[0].rate_bps, 8e6, 1e-9, "across the end");
	close_to(part.piece[1].rate_bps, 16e6, 1e-9, "beyond the end");
	link_trace_free(&part);
	assert_int_equal(link_trace_part(&t, 12 * MS, MS, 4, 0.5, &part), -EINVAL);
	link_trace_free(&t);
}

static void test_bad_traces(void **state)
{
	static const struct { const char *text, *said; } bad[] = {
		{ "", "has no line" },
		{ "# only\n\n", "has no line" },
		{ LONG "\n0\nx\n", ":3: neither 'ms' nor 'ms kbit/s'" },
		{ "0\nx\n", ":2: neither 'ms' nor 'ms kbit/s'" },
		{ "0 100 7\n", ":1: neither 'ms' nor" },
		{ "5\n5 x\n", ":2: neither 'ms' nor" },
		{ "0\n\n2 100\n", ":3: 2 numbers, but lines before have 1" },
		{ "0 100\n2\n", ":2: 1 number, but lines before have 2" },
		{ "-1\n", ":1: the millisecond must be" },
		{ "1.5\n", ":1: the millisecond must be" },
		{ "nan\n", ":1: the millisecond must be" },
		{ "7\n6\n", ":2: milliseconds must not decrease" },
		{ "0 -3\n", ":1: the rate must be" },
		{ "0 1e12\n", ":1: the rate must be" },
		{ "1 100\n", ":1: milliseconds must begin with 0" },
		{ "0 100\n0 200\n", ":2: milliseconds must begin with 0 and increase" },
		{ "0 100\n5 0\n", ":2: the last rate stays" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct link_trace t = { 0 };
		struct sl_err e = { "" };
		char path[64];

		write_file(path, bad[i].text);
		assert_int_equal(link_trace_read(path, &t, &e), -EINVAL);
		unlink(path);
		if (!strstr(e.text, bad[i].said) || !strstr(e.text, path))
			print_error("'%s': %s\n", bad[i].text, e.text);
		assert_non_null(strstr(e.text, bad[i].said));
		assert_non_null(strstr(e.text, path));
		assert_null(t.piece);
	}
	assert_int_equal(link_trace_read("/nonexistent", &(struct link_trace){ 0 }, NULL), -ENOENT);
}

/* A queue that is never empty sends what its link can; an idle link loses what it does not use. */
static void test_queue(void **state)
{
	struct link_trace t;
	struct sim_stage_params p = { .trace = &t, .aqm = NEVER_MARKS };
	const struct sim_blast_params blast = {
		.bytes = 1250, .packets_per_s = 5000, .until_ns = UINT64_MAX,
	};
	struct sim_stage_stats st;
	struct sim *s = sim_new(1);

	(void)state;
	assert_int_equal(link_trace_steps(10e6, 30e6, 100 * MS, &t), 0);
	close_to(t.mean_bps, 20e6, 1e-9, "mean rate");
	assert_int_equal(sim_add_stage(s, &p), 0);
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 0 }, 1), 0);
	assert_int_equal(sim_add_blast(s, &blast), 0);
	assert_int_equal(sim_run(s, 100 * MS), 0);
	sim_stage_read(s, 0, &st);
	close_to(st.bytes, 10e6 / 8 * 0.1, 0.02, "bytes of the slow piece");
	close_to(st.capacity_bytes, 10e6 / 8 * 0.1, 1e-9, "capacity of the slow piece");
	assert_int_equal(sim_run(s, 20 * S), 0);
	sim_stage_read(s, 0, &st);
	close_to(st.bytes, 20e6 / 8 * 20, 0.001, "bytes");
	close_to(st.capacity_bytes, 20e6 / 8 * 20, 1e-9, "capacity");
	assert_int_equal(sim_set_rate(s, 0, 1e6), -EINVAL);
	sim_free(s);
	link_trace_free(&t);
}

/* A rate that somebody sets counts for the packets that come, and for the capacity. */
static void test_set_rate(void **state)
{
	struct sim *s = bottleneck(1, 10e6, 0, 0, (struct sluice_aqm_params)NEVER_MARKS);
	const struct sim_blast_params blast = {
		.bytes = 1250, .packets_per_s = 5000, .until_ns = UINT64_MAX,
	};
	struct sim_stage_stats st;

	(void)state;
	assert_int_equal(sim_add_blast(s, &blast), 0);
	assert_int_equal(sim_run(s, S), 0);
	assert_int_equal(sim_set_rate(s, 0, 40e6), 0);
	assert_int_equal(sim_run(s, 2 * S), 0);
	sim_stage_read(s, 0, &st);
	close_to(st.capacity_bytes, 50e6 / 8, 1e-9, "capacity");
	close_to(st.bytes, 50e6 / 8, 0.01, "bytes");
	assert_int_equal(sim_set_rate(s, 0, 0), -EINVAL);
	assert_int_equal(sim_set_rate(s, 1, 1e6), -EINVAL);
	sim_free(s);
}

static void note_end(void *arg, const struct sim_flow_record *r)
{
	if (r->ended_ns)
		*(uint64_t *)arg = r->ended_ns;
}

/* What an idle link has saved goes at once; the packet that waits for the rest is in the queue. */
static void test_bucket(void **state)
{
	const struct sim_stage_params there = {
		.rate_bps = 10e6, .burst_bytes = 4 * FRAME + 1000, .aqm = NEVER_MARKS,
	};
	const struct sim_stage_params back = { .delay_ns = 100 * MS };
	const double frame_ns = FRAME * 8e9 / 10e6, saved_ns = there.burst_bytes * 8e9 / 10e6;
	struct sim_stage_params bad = there;
	struct sim *s = sim_new(1);
	struct sim_stage_stats st;
	uint64_t ended_ns = 0;

	(void)state;
	assert_int_equal(sim_add_stage(s, &there), 0);
	assert_int_equal(sim_add_stage(s, &back), 1);
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 0 }, 1), 0);
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 1 }, 1), 1);
	sim_watch_flows(s, note_end, &ended_ns);
	/* Full at the beginning. */
	add_flow(s, SIM_RENO, false, 4 * SIM_MSS);
	sim_stage_read(s, 0, &st);
	assert_int_equal(st.packets, 4);	/* the link has not even been idle in between */
	assert_int_equal(st.backlog_bytes, 0);
	/* 1,000 bytes are left; the second of these waits for a whole packet's. */
	add_flow(s, SIM_RENO, false, 2 * SIM_MSS);
	assert_int_equal(sim_run(s, MS / 10), 0);
	sim_stage_read(s, 0, &st);
	assert_int_equal(st.backlog_bytes, 2 * FRAME);
	assert_int_equal(sim_run(s, MS), 0);
	sim_stage_read(s, 0, &st);
	assert_int_equal(st.backlog_bytes, FRAME);
	assert_int_equal(sim_run(s, 2 * MS), 0);
	close_to(ended_ns, 6 * frame_ns - saved_ns, 1e-6, "end of two packets");
	sim_stage_read(s, 0, &st);
	close_to(st.backlog_byte_ns, FRAME * (2 * (5 * frame_ns - saved_ns) + frame_ns), 1e-6,
		 "backlog over time");
	/* It fills at the link's rate, and no further than its size. */
	assert_int_equal(sim_run(s, (uint64_t)(6 * frame_ns - saved_ns + 2 * frame_ns)), 0);
	add_flow(s, SIM_RENO, false, 3 * SIM_MSS);
	assert_int_equal(sim_run(s, 50 * MS), 0);
	close_to(ended_ns, 9 * frame_ns - saved_ns, 1e-6, "end after a short rest");
	assert_int_equal(sim_run(s, S), 0);
	add_flow(s, SIM_RENO, false, 6 * SIM_MSS);
	assert_int_equal(sim_run(s, 2 * S), 0);
	close_to(ended_ns, S + 6 * frame_ns - saved_ns, 1e-6, "end after a long rest");
	bad.mark_departing = true;
	assert_int_equal(sim_add_stage(s, &bad), -EINVAL);
	bad = (struct sim_stage_params){ .burst_bytes = 1 };
	assert_int_equal(sim_add_stage(s, &bad), -EINVAL);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opportunities),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_part),
		cmocka_unit_test(test_bad_traces),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_set_rate),
		cmocka_unit_test(test_bucket),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
