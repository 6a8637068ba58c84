// SPDX-License-Identifier: GPL-2.0
/* Rate-based senders: pace, turn and window of a NIC, DCTCP's and DCQCN's reactions, losses. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim/rate.h"

#define US		1000ULL
#define MS		1000000ULL
#define LINK		10e9
#define FRAME		1048
#define FRAME_NS	838	/* at 10 Gb/s, in whole nanoseconds */
#define WIRE		(1 * US)	/* delay of each link */
#define RECEIVER	2	/* the NIC of the third host */
#define NEVER_MARKS	0x7fffffff

static const struct sim_rate_params base = {
	.cc = SIM_RATE_DCTCP, .max_bps = LINK, .min_bps = 1e9, .payload_bytes = 1000,
	.header_bytes = 48, .ack_bytes = 60, .gain = 1.0 / 16, .dctcp_ai_bps = 615e6,
	.alpha_ns = 50 * US, .decrease_ns = 50 * US, .increase_ns = 55 * US, .fast_recovery = 1,
	.ai_bps = 2e6, .hai_bps = 20e6,
};

/*
 * Two hosts with a NIC each send through a switch's port (stage 2) to a third; the way back is a
 * delay. Paths 0 and 1 are those of the hosts' data, 2 is for acknowledgements.
 */
static struct sim *hosts(const struct sim_rate_params *p, double port_bps, uint32_t k,
			 uint32_t limit)
{
	const struct sim_stage_params link = {
		.rate_bps = LINK, .delay_ns = WIRE, .aqm = { NEVER_MARKS, NEVER_MARKS, 0 },
	};
	const struct sim_stage_params port = {
		.rate_bps = port_bps, .delay_ns = WIRE, .limit_bytes = limit,
		.mark_departing = true, .aqm = { k, k, SLUICE_AQM_PPM },
	};
	const struct sim_stage_params back = { .delay_ns = 2 * WIRE };
	struct sim *s = sim_new(1);

	assert_non_null(s);
	assert_int_equal(sim_add_stage(s, &link), 0);
	assert_int_equal(sim_add_stage(s, &link), 1);
	assert_int_equal(sim_add_stage(s, &port), 2);
	assert_int_equal(sim_add_stage(s, &back), 3);
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 0, 2 }, 2), 0);
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 1, 2 }, 2), 1);
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 3 }, 1), 2);
	assert_int_equal(sim_add_nic(s, LINK, p), 0);
	assert_int_equal(sim_add_nic(s, LINK, p), 1);
	assert_int_equal(sim_add_nic(s, LINK, p), RECEIVER);
	return s;
}

static uint32_t add(struct sim *s, uint32_t nic, uint64_t bytes, uint64_t start_ns)
{
	const struct sim_rate_flow_params p = {
		.nic = nic, .ack_nic = RECEIVER, .data_path = (uint16_t)nic, .ack_path = 2, .bytes = bytes,
		.start_ns = start_ns,
	};
	const int flow = sim_add_rate_flow(s, &p);

	assert_true(flow >= 0);
	return (uint32_t)flow;
}

static void within(double value, double low, double high, const char *what)
{
	if (value >= low && value <= high)
		return;
	print_error("%s is %g, expected %g to %g\n", what, value, low, high);
	fail();
}

/* --- the NIC ---------------------------------------------------------------------- */

/* Packets follow each other at the link's rate, and the last one is stored twice. */
static void test_alone(void **state)
{
	struct sim *s = hosts(&base, LINK, NEVER_MARKS, 0);
	const uint32_t many = add(s, 0, 100000, 5 * US), one = add(s, 1, 1, 5 * MS);

	(void)state;
	assert_int_equal(sim_rate_fct_ns(s, many), 0);
	assert_int_equal(sim_run(s, 10 * MS), 0);
	assert_int_equal(sim_rate_fct_ns(s, many), 101 * FRAME_NS + 2 * WIRE);
	assert_int_equal(sim_rate_fct_ns(s, one), 2 * 39 + 2 * WIRE);
	assert_int_equal(sim_rate_fct_ns(s, 99), 0);
	sim_free(s);
}

/* Flows of one NIC take turns; one of half the size ends at the same time as half the other. */
static void test_turns(void **state)
{
	struct sim *s = hosts(&base, LINK, NEVER_MARKS, 0);
	const uint32_t a = add(s, 0, 200000, 0), b = add(s, 0, 100000, 0);

	(void)state;
	assert_int_equal(sim_run(s, 10 * MS), 0);
	assert_int_equal(sim_rate_fct_ns(s, a), 301 * FRAME_NS + 2 * WIRE);
	assert_int_equal(sim_rate_fct_ns(s, b), 201 * FRAME_NS + 2 * WIRE);
	sim_free(s);
}

/* A round trip is two packets' times and four links, 5.7 us: a window of two goes out in each. */
static void test_window(void **state)
{
	struct sim_rate_params p = base;
	const double rtt_ns = 2 * FRAME_NS + 4 * WIRE;

	(void)state;
	for (int var = 0; var < 2; var++) {
		struct sim *s;
		uint32_t flow;

		p.window_bytes = 2000;
		p.var_window = var;	/* without marks the rate stays, and the window */
		s = hosts(&p, LINK, NEVER_MARKS, 0);
		flow = add(s, 0, 200000, 0);
		assert_int_equal(sim_run(s, 10 * MS), 0);
		within(sim_rate_fct_ns(s, flow) / (100 * rtt_ns), 0.97, 1.01, "round trips");
		sim_free(s);
	}
}

/* A NIC that receives as well sends an acknowledgement, 48 ns, before each packet of its own. */
static void test_acks_first(void **state)
{
	struct sim *s = hosts(&base, LINK, NEVER_MARKS, 0);
	struct sim_rate_flow_params p = {
		.nic = 1, .ack_nic = 0, .ack_path = 3, .data_path = 4, .bytes = 400000,
	};
	const uint32_t mine = add(s, 0, 100000, 200 * US);

	(void)state;
	/* From host 1 to host 0 by a delay, and back by host 0's link and a delay. */
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 0, 3 }, 2), 3);
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 1, 3 }, 2), 4);
	assert_true(sim_add_rate_flow(s, &p) >= 0);
	assert_int_equal(sim_run(s, 10 * MS), 0);
	/* Data comes each 838 ns: of 100 packets, 105 or 106 acknowledgements go before. */
	within(sim_rate_fct_ns(s, mine) - (101.0 * FRAME_NS + 2 * WIRE), 104 * 48, 108 * 48,
	       "time for acknowledgements");
	sim_free(s);
}

/* --- congestion control ------------------------------------------------------------- */

/* Two senders with windows of 20 KB: without marks they fill them, DCTCP keeps to K. */
static void test_dctcp(void **state)
{
	struct sim_rate_params p = base;
	double mean[2];

	(void)state;
	p.window_bytes = 20000;
	p.var_window = true;
	for (int marks = 0; marks < 2; marks++) {
		struct sim *s = hosts(&p, LINK, marks ? 6000 : NEVER_MARKS, 0);
		struct sim_stage_stats st;

		add(s, 0, 50000000, 0);
		add(s, 1, 50000000, 0);
		assert_int_equal(sim_run(s, 10 * MS), 0);
		sim_stage_read(s, 2, &st);
		mean[marks] = st.backlog_byte_ns / (10.0 * MS);
		within(st.bytes * 8 / (LINK * 10e-3), 0.97, 1.001, "use");
		assert_true(marks ? st.ce_packets > 100 : !st.ce_packets);
		sim_free(s);
	}
	/* Two windows, and less than a bandwidth-delay product (7 KB) of them on the way. */
	within(mean[0], 33000, 42000, "backlog without marks");
	within(mean[1], 2000, 12000, "backlog with K of 6 KB");
}

/*
 * At 9.5 of 10 Gb/s a queue builds up until the first mark arrives. 50 us after that the rate is
 * halved, alpha being 1, and 50 us later again, for the marks that were under way. The target stays
 * 10 Gb/s: 55 us later the rate goes half the way there, and 55 us later again.
 */
static void test_dcqcn(void **state)
{
	static const struct { uint64_t from_us, to_us; double gbps; const char *what; } then[] = {
		{ 0, 49, 10, "rate before a reduction" },
		{ 51, 99, 5, "rate after one" },
		{ 101, 154, 2.5, "rate after two" },
		{ 157, 209, 6.25, "rate after an increase" },
		{ 212, 264, 8.125, "rate after two increases" },
	};
	struct sim_rate_params p = base;
	struct sim_stage_stats a, b;
	uint64_t marked_ns;
	struct sim *s;

	(void)state;
	p.cc = SIM_RATE_DCQCN;
	s = hosts(&p, 9.5e9, 2000, 0);
	add(s, 0, 50000000, 0);
	do {
		assert_int_equal(sim_run(s, sim_now_ns(s) + US / 10), 0);
		sim_stage_read(s, 2, &a);
	} while (!a.ce_packets && sim_now_ns(s) < MS);
	/* The mark has a packet's time, a link and the way back before it. */
	marked_ns = sim_now_ns(s) + FRAME_NS + 3 * WIRE;
	for (size_t i = 0; i < sizeof(then) / sizeof(then[0]); i++) {
		assert_int_equal(sim_run(s, marked_ns + then[i].from_us * US), 0);
		sim_stage_read(s, 0, &a);
		assert_int_equal(sim_run(s, marked_ns + then[i].to_us * US), 0);
		sim_stage_read(s, 0, &b);
		/* One packet more or less in 50 us is 0.17 Gb/s. */
		within((b.bytes - a.bytes) * 8.0 / ((then[i].to_us - then[i].from_us) * US),
		       then[i].gbps - 0.2, then[i].gbps + 0.2, then[i].what);
	}
	sim_free(s);
}

/* Four packets at once: the second leaves two behind when it leaves, not when it comes. */
static void test_mark_departing(void **state)
{
	(void)state;
	for (int departing = 0; departing < 2; departing++) {
		const struct sim_stage_params port = {
			.rate_bps = LINK, .aqm = { 2 * FRAME, 2 * FRAME, SLUICE_AQM_PPM },
			.mark_departing = departing,
		};
		const struct sim_stage_params back = { .delay_ns = MS };
		struct sim *s = sim_new(1);
		struct sim_stage_stats st;

		assert_int_equal(sim_add_stage(s, &port), 0);
		assert_int_equal(sim_add_stage(s, &back), 1);
		assert_int_equal(sim_add_path(s, (uint16_t[]){ 0 }, 1), 0);
		assert_int_equal(sim_add_path(s, (uint16_t[]){ 0 }, 1), 1);
		assert_int_equal(sim_add_path(s, (uint16_t[]){ 1 }, 1), 2);
		for (int i = 0; i <= RECEIVER; i++)
			assert_int_equal(sim_add_nic(s, 0, &base), i);
		for (int i = 0; i < 4; i++)
			add(s, 0, 1000, 0);
		assert_int_equal(sim_run(s, FRAME_NS / 2), 0);
		sim_stage_read(s, 0, &st);
		assert_int_equal(st.ce_packets, !departing);
		assert_int_equal(sim_run(s, MS / 2), 0);
		sim_stage_read(s, 0, &st);
		assert_int_equal(st.ce_packets, 1);
		assert_int_equal(st.packets, 4);
		sim_free(s);
	}
}

/* --- losses -------------------------------------------------------------------------- */

static void test_losses(void **state)
{
	struct sim_rate_params p = base;
	struct sim_stage_stats st;
	struct sim *s;
	uint32_t flow;

	(void)state;
	p.window_bytes = 20000;
	s = hosts(&p, 5e9, NEVER_MARKS, 10 * FRAME);
	flow = add(s, 0, 1000000, 0);
	assert_int_equal(sim_run(s, 1000 * MS), 0);
	sim_stage_read(s, 2, &st);
	assert_true(st.limit_drops > 0);
	/* Every byte arrived, some more than once. */
	assert_true(sim_rate_fct_ns(s, flow) > 1000 * 2 * FRAME_NS);
	assert_true(st.packets > 1000);
	sim_free(s);
}

static void test_refused(void **state)
{
	struct sim *s = hosts(&base, LINK, NEVER_MARKS, 0), *empty = sim_new(1);
	struct sim_rate_flow_params f = { .bytes = 1 };
	struct sim_rate_params p = base;

	(void)state;
	assert_int_equal(sim_add_rate_flow(empty, &f), -EINVAL);
	assert_int_equal(sim_rate_fct_ns(empty, 0), 0);
	f.nic = 3;
	assert_int_equal(sim_add_rate_flow(s, &f), -EINVAL);
	f = (struct sim_rate_flow_params){ .bytes = 1, .ack_nic = 3 };
	assert_int_equal(sim_add_rate_flow(s, &f), -EINVAL);
	f = (struct sim_rate_flow_params){ .bytes = 1, .ack_path = 3 };
	assert_int_equal(sim_add_rate_flow(s, &f), -EINVAL);
	f = (struct sim_rate_flow_params){ .bytes = 0 };
	assert_int_equal(sim_add_rate_flow(s, &f), -EINVAL);
	assert_int_equal(sim_run(s, 10), 0);
	f = (struct sim_rate_flow_params){ .bytes = 1, .start_ns = 9 };
	assert_int_equal(sim_add_rate_flow(s, &f), -EINVAL);
	p.min_bps = p.max_bps * 2;
	assert_int_equal(sim_add_nic(s, LINK, &p), -EINVAL);
	p = base;
	p.cc = SIM_RATE_DCQCN;
	p.increase_ns = 0;
	assert_int_equal(sim_add_nic(s, LINK, &p), -EINVAL);
	assert_int_equal(sim_add_nic(s, -1, &base), -EINVAL);
	assert_int_equal(sim_add_stage(s, &(struct sim_stage_params){
		.rate_bps = 1, .mark_departing = true, .drop_non_ect = true }), -EINVAL);
	sim_free(s);
	sim_free(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_acks_first),
		cmocka_unit_test(test_dctcp),
		cmocka_unit_test(test_dcqcn),
		cmocka_unit_test(test_mark_departing),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
