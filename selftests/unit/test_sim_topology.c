// SPDX-License-Identifier: GPL-2.0
/* Networks that builders make: who reaches whom, how long it takes, and which queues fill. */
#include "sim/topology.h"
#include "unit/sim_fixture.h"

#define FAST	{ .rate_bps = 10 * GBIT, .delay_ns = 10000, .aqm = NEVER_MARKS }

/* The time of one flow alone between two hosts, of one segment. */
static double alone(struct sim *s, const struct sim_topology *t, unsigned int from, unsigned int to,
		    uint64_t hash)
{
	struct sim_flow_params p = { .bytes = SIM_MSS };
	struct sim_flow_stats before, after;

	assert_true(sim_topology_route(t, from, to, hash, &p));
	sim_flow_read(s, &before);
	assert_true(sim_add_flow(s, &p) >= 0);
	assert_int_equal(sim_run(s, sim_now_ns(s) + S), 0);
	sim_flow_read(s, &after);
	assert_int_equal(after.finished, before.finished + 1);
	/* A flow of one packet alone on its path has a slowdown of one, over however many stages. */
	close_to(after.class[0].slowdown_sum - before.class[0].slowdown_sum, 1, 0.001, "slowdown");
	return after.class[0].fct_sum_ns - before.class[0].fct_sum_ns;
}

static void test_bottleneck(void **state)
{
	const uint64_t rtt_ns[] = { 3 * MS, MS, 3 * MS, 10 * MS };
	struct sim_bottleneck_params p = {
		.queue = { .rate_bps = GBIT, .aqm = NEVER_MARKS }, .n_senders = 4, .rtt_ns = rtt_ns,
	};
	struct sim_flow_params route[2];
	struct sim_topology t;

	(void)state;
	for (int access = 0; access < 2; access++) {
		struct sim *s = sim_new(1);

		p.access_bps = access * GBIT / 10;
		assert_int_equal(sim_build_bottleneck(s, &p, &t), 0);
		assert_int_equal(t.n_hosts, 5);
		assert_int_equal(t.n_queues, 1);
		assert_int_equal(t.queue[0], 0);
		for (unsigned int i = 0; i < 4; i++)
			close_to(alone(s, &t, i, 4, i), rtt_ns[i] / 2.0 + FRAME * (access ? 88 : 8),
				 1e-3, "time of a segment");
		assert_false(sim_topology_route(&t, 0, 1, 0, &route[0]));
		assert_false(sim_topology_route(&t, 5, 4, 0, &route[0]));
		/* Senders that are alike share their paths unless each has a link. */
		assert_true(sim_topology_route(&t, 0, 4, 0, &route[0]));
		assert_true(sim_topology_route(&t, 2, 4, 0, &route[1]));
		assert_int_equal(route[0].data_path == route[1].data_path, !access);
		sim_topology_free(&t);
		sim_free(s);
	}
}

/* One sender's round trip, ten times the other's, gets it a smaller share. */
static void test_mixed_rtt(void **state)
{
	const uint64_t rtt_ns[] = { MS, 10 * MS };
	const struct sim_bottleneck_params p = {
		.queue = { .rate_bps = GBIT, .aqm = step(300 * FRAME) }, .n_senders = 2,
		.rtt_ns = rtt_ns, .access_bps = 10 * GBIT,
	};
	struct sim_stage_stats st[2];
	struct sim_topology t;
	struct sim *s = sim_new(2);

	(void)state;
	assert_int_equal(sim_build_bottleneck(s, &p, &t), 0);
	for (unsigned int i = 0; i < 2; i++) {
		struct sim_flow_params flow = { .bytes = UINT64_MAX, .cc = SIM_RENO, .ecn = true };

		assert_true(sim_topology_route(&t, i, 2, 0, &flow));
		assert_true(sim_add_flow(s, &flow) >= 0);
	}
	assert_int_equal(sim_run(s, 10 * S), 0);
	sim_stage_read(s, 1, &st[0]);	/* the senders' links; 2 is a way back */
	sim_stage_read(s, 3, &st[1]);
	assert_true(st[0].bytes > 2 * st[1].bytes && st[1].bytes > 0);
	sim_stage_read(s, 0, &st[0]);
	assert_true(st[0].bytes * 8 > 0.9 * 10 * GBIT);
	sim_topology_free(&t);
	sim_free(s);
}

static void test_parking_lot(void **state)
{
	const struct sim_parking_lot_params p = {
		.hop = { .rate_bps = GBIT, .delay_ns = MS / 4, .aqm = step(40 * FRAME) }, .n_hops = 3,
	};
	struct sim_flow_params flow = { .bytes = UINT64_MAX, .cc = SIM_DCTCP, .ecn = true };
	struct sim_flow_stats f;
	struct sim_stage_stats st;
	struct sim_topology t;
	struct sim *s = sim_new(3);
	double through;

	(void)state;
	assert_int_equal(sim_build_parking_lot(s, &p, &t), 0);
	assert_int_equal(t.n_hosts, 8);
	assert_int_equal(t.n_queues, 3);
	close_to(alone(s, &t, 0, 1, 0), 3 * (MS / 4 + FRAME * 8), 1e-6, "time over three hops");
	close_to(alone(s, &t, 4, 5, 0), MS / 4 + FRAME * 8, 1e-6, "time over one hop");
	assert_false(sim_topology_route(&t, 0, 3, 0, &flow));

	for (unsigned int i = 0; i < 4; i++) {
		assert_true(sim_topology_route(&t, 2 * i, 2 * i + 1, 0, &flow));
		assert_true(sim_add_flow(s, &flow) >= 0);
	}
	assert_int_equal(sim_run(s, sim_now_ns(s) + 3 * S), 0);
	sim_flow_read(s, &f);
	through = f.traffic[1][3].acked_bytes;
	for (unsigned int i = 0; i < 3; i++) {
		sim_stage_read(s, t.queue[i], &st);
		assert_true(st.bytes * 8 > 0.97 * 3 * GBIT);
		assert_true(st.ce_packets > 100);
		through -= (double)st.bytes * SIM_MSS / FRAME;
	}
	/*
	 * All bytes less those of the hops are twice those of the long flow. Marked at three queues and
	 * with the longest round trip it has by far the least.
	 */
	through = -through / 2;
	print_message("# the long flow has %.3f of a hop\n", through * 8 / (3 * GBIT));
	assert_true(through > 0.005 * 3 * GBIT / 8 && through < 0.2 * 3 * GBIT / 8);
	sim_topology_free(&t);
	sim_free(s);
}

static void test_leaf_spine(void **state)
{
	const struct sim_leaf_spine_params p = {
		.n_leaves = 3, .n_spines = 4, .hosts_per_leaf = 5,
		.host = FAST, .port = FAST, .fabric = FAST,
	};
	uint64_t data[4] = { 0 }, ack[4] = { 0 };
	struct sim_topology t;
	struct sim *s = sim_new(4);

	(void)state;
	assert_int_equal(sim_build_leaf_spine(s, &p, &t), 0);
	assert_int_equal(t.n_hosts, 15);
	assert_int_equal(t.n_queues, 2 * 15 + 2 * 3 * 4);
	/* Every host reaches every other one, over two links or four. */
	for (unsigned int from = 0; from < 15; from++) {
		for (unsigned int to = 0; to < 15; to++) {
			struct sim_flow_params flow;

			assert_int_equal(sim_topology_route(&t, from, to, from, &flow), from != to);
			if (from != to)
				close_to(alone(s, &t, from, to, from),
					 (from / 5 == to / 5 ? 2 : 4) * (10000 + FRAME * 0.8), 1e-4,
					 "time of a segment");
		}
	}
	/* A flow's hash decides on its spine; hashes are spread over all of them, and acks elsewhere. */
	for (uint64_t i = 0; i < 8000; i++) {
		struct sim_flow_params flow, again, least;

		assert_true(sim_topology_route(&t, 2, 14, i * 0x9e3779b97f4a7c15ull >> 8, &flow));
		assert_true(sim_topology_route(&t, 2, 14, i * 0x9e3779b97f4a7c15ull >> 8, &again));
		assert_int_equal(flow.data_path, again.data_path);
		assert_int_equal(flow.ack_path, again.ack_path);
		assert_true(sim_topology_route(&t, 2, 14, 0, &least));
		data[flow.data_path % 4]++;
		ack[flow.ack_path % 4]++;
	}
	for (int i = 0; i < 4; i++) {
		close_to(data[i], 2000, 0.1, "flows of a spine");
		close_to(ack[i], 2000, 0.1, "acknowledgements of a spine");
	}
	sim_topology_free(&t);
	sim_free(s);
}

/* Many to one fill the port of the one, and no queue elsewhere. */
static void test_leaf_spine_incast(void **state)
{
	const struct sim_leaf_spine_params p = {
		.n_leaves = 4, .n_spines = 4, .hosts_per_leaf = 4,
		.host = FAST, .port = FAST, .fabric = FAST,
	};
	struct sim_topology t;
	struct sim *s = sim_new(4);
	const struct sim_incast_params in = {
		.flow = { .bytes = 10 * SIM_MSS, .cc = SIM_DCTCP, .ecn = true }, .degree = 12,
		.between = { .topology = &t, .from = { 4, 12 }, .to = { 1, 1 } },
		.queries_per_s = 100, .periodic = true, .until_ns = S,
	};
	struct sim_stage_stats st;
	struct sim_flow_stats f;

	(void)state;
	assert_int_equal(sim_build_leaf_spine(s, &p, &t), 0);
	assert_int_equal(sim_add_incast(s, &in), 0);
	assert_int_equal(sim_run(s, 2 * S), 0);
	sim_flow_read(s, &f);
	assert_int_equal(f.query.flows, 99);
	assert_int_equal(f.query.unfinished, 0);
	sim_stage_read(s, t.queue[1], &st);
	assert_true(st.backlog_max_bytes > 60 * FRAME);
	assert_int_equal(st.bytes, 99ull * 120 * FRAME);
	sim_stage_read(s, t.queue[2], &st);
	assert_int_equal(st.bytes, 0);
	/* The last link is full from the first answer to the last: alone it could not be faster. */
	assert_true(f.query.slowdown_sum / 99 < 1.6);
	sim_topology_free(&t);
	sim_free(s);
}

static void test_bad_input(void **state)
{
	const uint64_t rtt_ns[] = { MS };
	struct sim_bottleneck_params b = { .rtt_ns = rtt_ns };
	struct sim_leaf_spine_params l = { .n_leaves = 1, .n_spines = 1, .hosts_per_leaf = 1 };
	struct sim_parking_lot_params k = { .n_hops = 0 };
	struct sim_topology t = { 0 };
	struct sim *s = sim_new(1);

	(void)state;
	assert_int_equal(sim_build_bottleneck(s, &b, &t), -EINVAL);
	b.n_senders = SIM_SENDERS_MAX + 1;
	assert_int_equal(sim_build_bottleneck(s, &b, &t), -EINVAL);
	b.n_senders = 1;
	b.queue.rate_bps = -1;
	assert_int_equal(sim_build_bottleneck(s, &b, &t), -EINVAL);
	assert_int_equal(sim_build_parking_lot(s, &k, &t), -EINVAL);
	k.n_hops = SIM_HOPS_MAX + 1;
	assert_int_equal(sim_build_parking_lot(s, &k, &t), -EINVAL);
	assert_int_equal(sim_build_leaf_spine(s, &l, &t), -EINVAL);	/* one host */
	l.n_spines = 0;
	assert_int_equal(sim_build_leaf_spine(s, &l, &t), -EINVAL);
	l = (struct sim_leaf_spine_params){ .n_leaves = 20, .n_spines = 4, .hosts_per_leaf = 20 };
	assert_int_equal(sim_build_leaf_spine(s, &l, &t), -ENOSPC);
	assert_null(t.path);
	sim_topology_free(&t);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bottleneck),
		cmocka_unit_test(test_mixed_rtt),
		cmocka_unit_test(test_parking_lot),
		cmocka_unit_test(test_leaf_spine),
		cmocka_unit_test(test_leaf_spine_incast),
		cmocka_unit_test(test_bad_input),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
