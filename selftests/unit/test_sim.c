// SPDX-License-Identifier: GPL-2.0
/* The packet simulator: closed forms, conservation, and what TCP must do. */
#include "unit/sim_fixture.h"

/* --- queues ------------------------------------------------------------------- */

/* M/D/1: a packet waits rho / (2 (1 - rho)) service times, and is served for one. */
static void test_md1(void **state)
{
	static const double loads[] = { 0.3, 0.6, 0.9 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const double rho = loads[i], service_ns = 10000;
		struct sim *s = bottleneck(7 + i, GBIT, 0, 0,
					   (struct sluice_aqm_params)NEVER_MARKS);
		const struct sim_blast_params blast = {
			.bytes = 1250, .packets_per_s = rho * 1e9 / service_ns,
			.until_ns = UINT64_MAX,
		};
		struct sim_stage_stats st;

		assert_int_equal(sim_add_blast(s, &blast), 0);
		assert_int_equal(sim_run(s, 20 * S), 0);
		sim_stage_read(s, 0, &st);
		close_to(st.packets, rho * 20e9 / service_ns, 0.01, "packets");
		close_to(st.wait_sum_ns / st.packets, service_ns * (1 + rho / (2 * (1 - rho))), 0.03,
			 "time in the system");
		/* Little's law, for the queue. */
		close_to(st.backlog_byte_ns / 20e9 / 1250, rho * rho / (2 * (1 - rho)), 0.05,
			 "queue length");
		sim_free(s);
	}
}

static void test_limit(void **state)
{
	struct sim *s = bottleneck(1, GBIT, 0, 10 * 1250, (struct sluice_aqm_params)NEVER_MARKS);
	const struct sim_blast_params blast = {
		.bytes = 1250, .packets_per_s = 200000, .until_ns = S,
	};
	struct sim_stage_stats st;

	(void)state;
	assert_int_equal(sim_add_blast(s, &blast), 0);
	assert_int_equal(sim_run(s, 2 * S), 0);
	sim_stage_read(s, 0, &st);
	close_to(st.packets, 100000, 0.01, "packets at twice the rate");
	close_to(st.limit_drops, 100000, 0.03, "drops");
	assert_int_equal(st.backlog_max_bytes, 10 * 1250);
	assert_int_equal(st.backlog_bytes, 0);
	assert_int_equal(st.ce_packets + st.early_drops, 0);
	sim_free(s);
}

/* --- senders ------------------------------------------------------------------- */

/*
 * The saw-tooth of synchronised DCTCP flows (Alizadeh et al., "Data Center TCP (DCTCP)", SIGCOMM
 * 2010, section 3.3): in packets it goes from K + N down by sqrt(2 N (C RTT + K)) / 2.
 */
static void test_dctcp_queue(void **state)
{
	static const struct { unsigned int n; uint32_t k; } runs[] = { { 1, 40 }, { 2, 40 }, { 2, 80 } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const double bdp = GBIT / 8 * 1e-3 / FRAME, n = runs[i].n, k = runs[i].k;
		struct sim *s = bottleneck(3 + i, GBIT, MS, 0, step(runs[i].k * FRAME));
		double used, mean;

		for (unsigned int f = 0; f < runs[i].n; f++)
			add_flow(s, SIM_DCTCP, true, UINT64_MAX);
		mean = steady(s, GBIT, &used) / FRAME;
		print_message("# %u flows, K %u: mean %.1f packets, theory %.1f, used %.4f\n",
			      runs[i].n, runs[i].k, mean, k + n - sqrt(2 * n * (bdp + k)) / 4, used);
		close_to(mean, k + n - sqrt(2 * n * (bdp + k)) / 4, 0.15, "DCTCP's mean queue");
		assert_true(used > 0.995);
		sim_free(s);
	}
}

/* K below C RTT / 7 costs throughput, one above does not: what the rule is about. */
static void test_dctcp_threshold(void **state)
{
	const double bdp_bytes = GBIT / 8 * 2e-3;
	double used[2];

	(void)state;
	for (int high = 0; high < 2; high++) {
		struct sim *s = bottleneck(9, GBIT, 2 * MS, 0,
					   step(high ? bdp_bytes / 4 : bdp_bytes / 60));

		add_flow(s, SIM_DCTCP, true, UINT64_MAX);
		steady(s, GBIT, &used[high]);
		sim_free(s);
	}
	print_message("# used with K = C RTT / 60: %.4f, / 4: %.4f\n", used[0], used[1]);
	/* With W = C RTT + K packets, alpha is sqrt(2 / W): here the saw-tooth takes 5 % of W. */
	assert_true(used[0] > 0.97 && used[0] < 0.99);
	assert_true(used[1] > 0.999);
}

/* Reno needs a buffer of one bandwidth-delay product; it drops, repairs and stays busy. */
static void test_reno(void **state)
{
	struct sim *s = bottleneck(5, 1e8, 10 * MS, 125000, (struct sluice_aqm_params)NEVER_MARKS);
	struct sim_flow_stats f;
	struct sim_stage_stats st;
	double used;

	(void)state;
	add_flow(s, SIM_RENO, false, UINT64_MAX);
	steady(s, 1e8, &used);
	sim_flow_read(s, &f);
	sim_stage_read(s, 0, &st);
	assert_true(used > 0.95);
	assert_true(st.limit_drops > 0);
	assert_true(f.retransmits >= st.limit_drops);
	sim_free(s);
}

static void test_every_byte_arrives(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		/* Six packets of buffer: losses in bursts, and of retransmissions, too. */
		struct sim *s = bottleneck(seed, 1e8, 2 * MS, 6 * FRAME,
					   (struct sluice_aqm_params)NEVER_MARKS);
		struct sim_flow_stats f;
		struct sim_stage_stats st;

		for (int i = 0; i < 5; i++)
			add_flow(s, SIM_RENO, false, 300000 + 1000 * seed + i);
		assert_int_equal(sim_run(s, 200 * S), 0);
		sim_flow_read(s, &f);
		sim_stage_read(s, 0, &st);
		assert_int_equal(f.finished, 5);
		assert_int_equal(f.unfinished, 0);
		assert_true(f.acked_bytes == 5 * (300000 + 1000.0 * seed) + 10);
		assert_int_equal(f.class[2].flows, 5);
		assert_true(st.limit_drops > 0 && f.retransmits >= st.limit_drops);
		sim_free(s);
	}
}

/* Alone on its path a packet takes what its path takes. */
static void test_alone(void **state)
{
	struct sim *s = bottleneck(1, GBIT, MS, 0, (struct sluice_aqm_params)NEVER_MARKS);
	struct sim_flow_stats f;

	(void)state;
	add_flow(s, SIM_DCTCP, true, 1000);
	assert_int_equal(sim_run(s, S), 0);
	sim_flow_read(s, &f);
	assert_int_equal(f.class[0].flows, 1);
	close_to(f.class[0].fct_sum_ns, 0.5e6 + 1066 * 8, 0.001, "time of one packet");
	close_to(f.class[0].slowdown_sum, 1, 0.001, "slowdown");
	sim_free(s);
}

/*
 * Slow start into a small buffer loses hundreds of packets of one window. They are repaired in a few
 * round trips, as SACK tells of all holes, and not in hundreds of them.
 */
static void test_burst_of_losses(void **state)
{
	struct sim *s = bottleneck(1, GBIT, 10 * MS, 400 * FRAME,
				   (struct sluice_aqm_params)NEVER_MARKS);
	struct sim_flow_stats f;

	(void)state;
	add_flow(s, SIM_CUBIC, false, 20000000);
	assert_int_equal(sim_run(s, 20 * S), 0);
	sim_flow_read(s, &f);
	print_message("# %llu packets sent again, %.0f ms\n", (unsigned long long)f.retransmits,
		      f.class[3].fct_sum_ns / 1e6);
	assert_int_equal(f.finished, 1);
	assert_int_equal(f.timeouts, 0);
	assert_true(f.retransmits > 200);
	assert_true(f.class[3].fct_sum_ns < 400e6);	/* 167 ms at the rate of the link */
	sim_free(s);
}

/* The last packet of a flow is lost: nothing but the timer tells, 200 ms after it was sent. */
static void test_timeout(void **state)
{
	struct sim *s = bottleneck(1, GBIT, MS, 0, (struct sluice_aqm_params)NEVER_MARKS);
	const struct sim_stage_params lossy = {
		.rate_bps = GBIT, .aqm = NEVER_MARKS, .select_every = 12,
	};
	struct sim_flow_params p = { .ack_path = 1, .bytes = 12 * SIM_MSS, .cc = SIM_RENO };
	struct sim_flow_stats f;

	(void)state;
	assert_int_equal(sim_add_stage(s, &lossy), 2);
	p.data_path = (uint16_t)sim_add_path(s, (uint16_t[]){ 2, 0 }, 2);
	assert_true(sim_add_flow(s, &p) >= 0);
	assert_int_equal(sim_run(s, 10 * S), 0);
	sim_flow_read(s, &f);
	assert_int_equal(f.finished, 1);
	assert_int_equal(f.timeouts, 1);
	close_to(f.class[1].fct_sum_ns, 202e6, 0.01, "time with a time-out");

	/* Nor does a flow wait for longer that lost all it sent: 12 packets after the other one's 13. */
	for (int i = 0; i < 12; i++) {
		p.bytes = 100;
		assert_true(sim_add_flow(s, &p) >= 0);
	}
	assert_int_equal(sim_run(s, 20 * S), 0);
	sim_flow_read(s, &f);
	assert_int_equal(f.class[0].flows, 12);
	assert_int_equal(f.timeouts, 2);
	close_to(f.class[0].fct_sum_ns, 200e6, 0.05, "time with a time-out without a sample");
	sim_free(s);
}

/* Two flows of one hop each against one of two hops, which gets the least. */
static void test_parking_lot(void **state)
{
	const struct sim_stage_params hop = {
		.rate_bps = GBIT, .delay_ns = MS / 2, .aqm = step(40 * FRAME),
	};
	const struct sim_stage_params back = { .delay_ns = MS / 2 };
	struct sim_flow_params p = { .bytes = UINT64_MAX, .cc = SIM_DCTCP, .ecn = true };
	struct sim_stage_stats st[2];
	struct sim *s = sim_new(4);
	int data[3];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(sim_add_stage(s, &hop), i);
	assert_int_equal(sim_add_stage(s, &back), 2);
	data[0] = sim_add_path(s, (uint16_t[]){ 0, 1 }, 2);
	data[1] = sim_add_path(s, (uint16_t[]){ 0 }, 1);
	data[2] = sim_add_path(s, (uint16_t[]){ 1 }, 1);
	p.ack_path = (uint16_t)sim_add_path(s, (uint16_t[]){ 2 }, 1);
	for (int i = 0; i < 3; i++) {
		p.data_path = (uint16_t)data[i];
		assert_true(sim_add_flow(s, &p) >= 0);
	}
	assert_int_equal(sim_run(s, 3 * S), 0);
	for (int i = 0; i < 2; i++) {
		sim_stage_read(s, i, &st[i]);
		assert_true(st[i].bytes * 8 > 0.98 * 3 * GBIT);
		assert_true(st[i].ce_packets > 100);
	}
	sim_free(s);
}

/* --- many flows ------------------------------------------------------------------ */

static void load(uint64_t seed, uint32_t k, struct sim_flow_stats *f, struct sim_stage_stats *st)
{
	struct sim *s = bottleneck(seed, GBIT, MS, 4000000, step(k));
	struct sim_source_params p = { .until_ns = 4 * S };
	struct sl_err e = { "" };
	struct dist d;
	char path[64];

	write_file(path, "# bytes share\n1000 0\n20000 50\n100000 80\n1000000 100\n");
	assert_int_equal(dist_read(path, &d, &e), 0);
	unlink(path);
	close_to(dist_mean(&d), 0.5 * 10500 + 0.3 * 60000 + 0.2 * 550000, 1e-9, "mean size");
	p.flow = (struct sim_flow_params){ .ack_path = 1, .cc = SIM_DCTCP, .ecn = true };
	p.sizes = &d;
	p.flows_per_s = 0.5 * GBIT / 8 / dist_mean(&d);
	assert_int_equal(sim_add_source(s, &p), 0);
	assert_int_equal(sim_run(s, 6 * S), 0);
	sim_flow_read(s, f);
	sim_stage_read(s, 0, st);
	dist_free(&d);
	sim_free(s);
}

static void test_load(void **state)
{
	struct sim_flow_stats f, again, other;
	struct sim_stage_stats st, st2;
	uint64_t flows = 0;

	(void)state;
	load(11, 60000, &f, &st);
	assert_int_equal(f.started, f.finished);	/* two seconds to end */
	close_to(f.started, 4 * 0.5 * GBIT / 8 / 133250, 0.1, "flows");
	close_to(st.bytes * 8 / (4 * GBIT), 0.5 * FRAME / SIM_MSS, 0.12, "load");
	for (int i = 0; i < SIM_CLASSES; i++) {
		flows += f.class[i].flows;
		if (f.class[i].flows)
			assert_true(f.class[i].slowdown_sum >= f.class[i].flows);
	}
	assert_int_equal(flows, f.finished);
	assert_true(sim_slowdown_quantile(&f.class[0], 0.99) >= sim_slowdown_quantile(&f.class[0], 0.5));
	assert_true(sim_slowdown_quantile(&f.class[3], 0.5) < 0);

	load(11, 60000, &again, &st2);
	assert_memory_equal(&f, &again, sizeof(f));
	assert_memory_equal(&st, &st2, sizeof(st));
	/* Another policy sees the same arrivals: nothing but what became of them differs. */
	load(11, 10000, &other, &st2);
	assert_int_equal(other.started, f.started);
	assert_true(other.acked_bytes == f.acked_bytes);
	assert_true(st2.backlog_byte_ns < st.backlog_byte_ns);
	load(12, 60000, &other, &st2);
	assert_int_not_equal(st2.bytes, st.bytes);
}

struct arrivals {
	uint64_t n, hash, finished;
};

static void note_arrival(void *arg, const struct sim_flow_record *r)
{
	struct arrivals *a = arg;

	if (r->ended_ns) {
		assert_true(r->ended_ns > r->started_ns && r->slowdown >= 1);
		a->finished++;
		return;
	}
	a->n++;
	for (int i = 0; i < 2; i++)
		a->hash = (a->hash ^ (i ? r->bytes : r->started_ns)) * 0x100000001b3;
}

/* What a policy does shifts no arrival by a nanosecond and no size by a byte. */
static void test_common_arrivals(void **state)
{
	static const double bytes[] = { 100, 20000, 900000 }, share[] = { 0, 0.7, 1 };
	const struct dist sizes = { (double *)bytes, (double *)share, 3 };
	struct arrivals seen[3] = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct sim *s = bottleneck(21, GBIT, MS, 200000, step(i ? 20000 : 90000));
		const struct sim_source_params p = {
			.flow = { .ack_path = 1, .cc = i == 2 ? SIM_CUBIC : SIM_DCTCP, .ecn = true },
			.sizes = &sizes, .flows_per_s = 1000, .until_ns = 2 * S,
		};
		/* A ramp draws random numbers where a step does not. */
		const struct sluice_aqm_params ramp = { 10000, 100000, 500000 };

		sim_watch_flows(s, note_arrival, &seen[i]);
		assert_int_equal(sim_add_source(s, &p), 0);
		assert_int_equal(sim_run(s, S), 0);
		if (i)
			sim_set_aqm(s, 0, &ramp);
		assert_int_equal(sim_run(s, 5 * S), 0);
		sim_free(s);
	}
	assert_true(seen[0].n > 1800);
	assert_int_equal(seen[0].n, seen[0].finished);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(seen[i].n, seen[0].n);
		assert_true(seen[i].hash == seen[0].hash);
	}
}

/* A flow that is starved is no smaller number of flows: it is longer than what has been seen. */
static void test_censored(void **state)
{
	struct sim *s = bottleneck(1, 1e7, MS, 0, (struct sluice_aqm_params)NEVER_MARKS);
	struct sim_class_stats c = { .flows = 90 };
	struct sim_flow_stats f;

	(void)state;
	for (int i = 0; i < 3; i++)
		add_flow(s, SIM_RENO, false, i ? 5000000 : 5000);
	add_flow(s, SIM_RENO, false, UINT64_MAX);
	assert_int_equal(sim_run(s, S), 0);
	sim_flow_read(s, &f);
	assert_int_equal(f.class[0].flows, 1);
	assert_int_equal(f.class[0].unfinished, 0);
	assert_int_equal(f.class[3].flows, 0);
	assert_int_equal(f.class[3].unfinished, 2);	/* not the endless one */
	assert_int_equal(f.unfinished, 3);
	assert_true(f.class[3].unfinished_age_sum_ns == 2e9);
	assert_true(sim_slowdown_quantile(&f.class[3], 0.5) < 0);
	close_to(f.traffic[0][3].acked_bytes + 5000, f.acked_bytes, 1e-9, "goodput by class");
	assert_true(f.traffic[0][0].flows == 1 && f.traffic[1][0].flows == 0);
	sim_free(s);

	/* Ten of 100 unfinished, in a slot beyond all others: the quantiles below 0.9 stand. */
	c.slowdown_hist[8] = 50;
	c.slowdown_hist[16] = 40;
	c.unfinished_hist[24] = c.unfinished = 10;
	close_to(sim_slowdown_quantile(&c, 0.5), exp2(8.5 / 8), 1e-9, "median");
	close_to(sim_slowdown_quantile(&c, 0.9), exp2(16.5 / 8), 1e-9, "quantile 0.9");
	assert_true(sim_slowdown_quantile(&c, 0.95) < 0);
	/* Ten that were young say less: 40 of the 40 that could be seen had a slowdown of 4. */
	c.unfinished_hist[24] = 0;
	c.unfinished_hist[8] = 10;
	close_to(sim_slowdown_quantile(&c, 0.99), exp2(16.5 / 8), 1e-9, "quantile 0.99");
}

static void test_bad_input(void **state)
{
	static const struct { const char *text, *said; } bad[] = {
		{ "1000 0\n900 100\n", ":2: sizes and shares must not decrease" },
		{ "1000 50\n2000 40\n", ":2: sizes and shares must not decrease" },
		{ "1000 0\n\n# no\nx 100\n", ":4: not 'bytes cumulative'" },
		{ "1000 0\n2000 100 7\n", ":2: not 'bytes cumulative'" },
		{ "1000 0\n2000 nan\n", ":2: bytes must be" },
		{ "1000 0\n1e99 100\n", ":2: bytes must be" },
		{ "1000 1\n", "needs two or more lines" },
		{ "", "needs two or more lines" },
	};
	const struct sim_flow_params nowhere = { .data_path = 5, .bytes = 1 };
	struct sim *s = bottleneck(1, GBIT, MS, 0, step(1000));
	struct sl_err e;
	struct dist d;
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(path, bad[i].text);
		assert_int_equal(dist_read(path, &d, &e), -EINVAL);
		assert_non_null(strstr(e.text, bad[i].said));
		assert_non_null(strstr(e.text, path));
		unlink(path);
	}
	assert_int_equal(dist_read("/nonexistent", &d, &e), -ENOENT);
	assert_int_equal(sim_add_flow(s, &nowhere), -EINVAL);
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 9 }, 1), -EINVAL);
	assert_int_equal(sim_add_path(s, NULL, 0), -EINVAL);
	assert_int_equal(sim_add_stage(s, &(struct sim_stage_params){ .rate_bps = -1 }), -EINVAL);
	sim_free(s);
	sim_free(NULL);
}

static void note_end(void *arg, const struct sim_flow_record *r)
{
	if (r->ended_ns)
		*(uint64_t *)arg = r->ended_ns;
}

/* 74 bytes there, waiting behind what is there, and 74 back; one that is lost comes again. */
static void test_handshake(void **state)
{
	const struct sim_flow_params p = {
		.ack_path = 1, .bytes = SIM_MSS, .cc = SIM_DCTCP, .ecn = true, .handshake = true,
	};
	struct sluice_aqm_params never = NEVER_MARKS;
	struct sim *s = bottleneck(1, 1e6, 100 * MS, 0, never);
	const double syn_ns = 74 * 8e3, frame_ns = FRAME * 8e3;
	struct sim_flow_stats f;
	uint64_t ended_ns = 0;

	(void)state;
	sim_watch_flows(s, note_end, &ended_ns);
	assert_true(sim_add_flow(s, &p) >= 0);
	assert_int_equal(sim_run(s, S), 0);
	close_to(ended_ns, 150 * MS + syn_ns + frame_ns, 1e-6, "end");
	add_flow(s, SIM_DCTCP, true, SIM_MSS);
	assert_true(sim_add_flow(s, &p) >= 0);
	assert_int_equal(sim_run(s, 2 * S), 0);
	close_to(ended_ns, S + 150 * MS + syn_ns + 2 * frame_ns, 1e-6, "end behind another");
	sim_free(s);

	s = bottleneck(1, 1e6, 100 * MS, 73, never);
	assert_true(sim_add_flow(s, &p) >= 0);
	assert_int_equal(sim_run(s, 8 * S), 0);
	sim_flow_read(s, &f);
	assert_int_equal(f.timeouts, 3);	/* after 1, 3 and 7 s */
	assert_int_equal(f.unfinished, 1);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_md1),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_dctcp_queue),
		cmocka_unit_test(test_dctcp_threshold),
		cmocka_unit_test(test_reno),
		cmocka_unit_test(test_every_byte_arrives),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_burst_of_losses),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_parking_lot),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_common_arrivals),
		cmocka_unit_test(test_censored),
		cmocka_unit_test(test_bad_input),
		cmocka_unit_test(test_handshake),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
