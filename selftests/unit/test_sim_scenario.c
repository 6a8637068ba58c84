// SPDX-License-Identifier: GPL-2.0
/* Scenarios: a few numbers become the load that they say, on the links that they mean. */
#include "sim/scenario.h"
#include "unit/sim_fixture.h"

static const double sizes_bytes[] = { 5000, 15000 }, sizes_share[] = { 0, 1 };
static const struct dist sizes = { (double *)sizes_bytes, (double *)sizes_share, 2 };
static const double large_bytes[] = { 50000, 150000 };
static const struct dist large = { (double *)large_bytes, (double *)sizes_share, 2 };

static struct sim_scenario plain(void)
{
	struct sim_scenario c;

	sim_scenario_default(&c);
	c.sizes = &sizes;
	c.seconds = 4;
	return c;
}

/* The payload that went through each of some queues, as a share of a rate. */
static double share_of(const struct sim_world *w, unsigned int first, unsigned int n, double rate_bps,
		       double seconds)
{
	double bytes = 0;

	for (unsigned int i = first; i < first + n; i++) {
		struct sim_stage_stats st;

		sim_stage_read(w->sim, w->topology.queue[i], &st);
		bytes += st.bytes;
	}
	return bytes * SIM_MSS / FRAME * 8 / rate_bps / seconds / n;
}

static void test_load(void **state)
{
	struct sim_scenario c = plain();
	struct sim_world w;

	(void)state;
	c.load_percent = 40;
	for (int i = 0; i < 4; i++) {
		c.on_ms = i == 1 ? 10 : 0;
		c.off_ms = i == 1 ? 30 : 0;
		c.switch_s = i == 2;
		c.switch_sizes = i == 2 ? &large : NULL;
		c.step_ms = i == 3 ? 100 : 0;
		assert_int_equal(sim_world_build(&c, &w, NULL), 0);
		assert_int_equal(sim_run(w.sim, 5 * S), 0);
		close_to(w.rate_bps, i == 3 ? 0.75e9 : 1e9, 1e-9, "mean rate");
		close_to(share_of(&w, 0, 1, w.rate_bps, 4), 0.4, i == 1 ? 0.2 : 0.06, "load");
		sim_world_free(&w);
	}
	c = plain();
	c.topology = SIM_PARKING_LOT;
	c.load_percent = 40;
	assert_int_equal(sim_world_build(&c, &w, NULL), 0);
	assert_int_equal(sim_run(w.sim, 5 * S), 0);
	for (unsigned int i = 0; i < 3; i++)
		close_to(share_of(&w, i, 1, 1e9, 4), 0.4, 0.06, "load of a hop");
	sim_world_free(&w);

	c = plain();
	c.topology = SIM_LEAF_SPINE;
	c.leaves = 3;
	c.hosts_per_leaf = 4;
	c.load_percent = 20;
	c.fabric_kbps = 4000000;
	c.seconds = 1;
	assert_int_equal(sim_world_build(&c, &w, NULL), 0);
	assert_int_equal(sim_run(w.sim, 2 * S), 0);
	/* Acknowledgements go through the same queues: 66 bytes for each full segment, about. */
	close_to(share_of(&w, 0, 12, 1e9, 1), 0.2 * 1.05, 0.06, "load of the ports");
	/* Eight of eleven go to another leaf, over one of two spines: four hosts on two links of 4 Gbit/s. */
	close_to(share_of(&w, 12, 12, 4e9, 1), 0.2 * 1.05 * 8 / 11 * 4 / 2 / 4, 0.06, "load of the fabric");
	close_to(share_of(&w, 24, 12, 1e9, 1), 0.2 * 1.05, 0.06, "load of the hosts");
	sim_world_free(&w);
	sim_world_free(&w);
}

struct kinds {
	unsigned int n, ecn, cubic;
};

static void note(void *arg, const struct sim_flow_record *r)
{
	struct kinds *k = arg;

	if (r->ended_ns)
		return;
	k->n++;
	k->ecn += r->ecn;
	k->cubic += r->cc == SIM_CUBIC;
}

static void test_kinds(void **state)
{
	struct sim_scenario c = plain();
	struct kinds k = { 0 };
	struct sim_flow_stats f;
	struct sim_world w;

	(void)state;
	c.ecn_percent = 30;
	c.endless = 10;
	c.load_percent = 10;
	assert_int_equal(sim_world_build(&c, &w, NULL), 0);
	sim_watch_flows(w.sim, note, &k);
	assert_int_equal(sim_run(w.sim, 4 * S), 0);
	close_to(k.ecn, 0.3 * k.n, 0.05, "flows with ECN");
	assert_int_equal(k.cubic, k.n - k.ecn);
	sim_flow_read(w.sim, &f);
	assert_int_equal(f.started, k.n + 10);	/* those began before anybody watched */
	assert_true(f.traffic[0][3].acked_bytes > 0 && f.traffic[1][3].acked_bytes > 0);
	sim_world_free(&w);
}

/* The farthest of three senders has the longest round trip, and they are in equal ratios. */
static void test_round_trips(void **state)
{
	struct sim_scenario c = plain();
	double before_ns = 0;
	struct sim_world w;

	(void)state;
	c.senders = 3;
	c.rtt_max_us = 100000;
	c.load_percent = 0;
	c.incast_degree = c.incast_per_s = 1;	/* not before the first second is over */
	assert_int_equal(sim_world_build(&c, &w, NULL), 0);
	for (unsigned int i = 0; i < 3; i++) {
		struct sim_flow_params p = { .bytes = SIM_MSS };
		struct sim_flow_stats f;

		assert_true(sim_topology_route(&w.topology, i, 3, 0, &p));
		assert_true(sim_add_flow(w.sim, &p) >= 0);
		assert_int_equal(sim_run(w.sim, (i + 1) * 300 * MS), 0);
		sim_flow_read(w.sim, &f);
		assert_int_equal(f.class[0].flows, i + 1);
		close_to(f.class[0].fct_sum_ns - before_ns, 0.5e6 * pow(10, i) + FRAME * 8, 1e-4,
			 "time of a segment");
		before_ns = f.class[0].fct_sum_ns;
	}
	sim_world_free(&w);
}

static void refused(const struct sim_scenario *c, const char *said)
{
	struct sim_world w = { 0 };
	struct sl_err e = { "" };

	assert_int_equal(sim_world_build(c, &w, &e), -EINVAL);
	if (!strstr(e.text, said))
		print_error("'%s' does not say '%s'\n", e.text, said);
	assert_non_null(strstr(e.text, said));
	assert_null(w.sim);
}

static void test_bad_input(void **state)
{
	struct sim_scenario c = plain();

	(void)state;
	c.sizes = NULL;
	refused(&c, "needs a distribution");
	c = plain();
	c.qth_min = c.qth_max + 1;
	refused(&c, "qth_min");
	c = plain();
	c.topology = SIM_LEAF_SPINE;
	c.leaves = c.spines = c.hosts_per_leaf = 1000;
	refused(&c, "more than 65,000 paths");
	c = plain();
	c.step_ms = 1;
	c.topology = SIM_LEAF_SPINE;
	refused(&c, "step_ms need topology");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_bad_input),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
