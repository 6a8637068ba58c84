// SPDX-License-Identifier: GPL-2.0
/* Where flows come from: when, between whom, of what kind; and queries that many answer. */
#include "sim/topology.h"
#include "unit/sim_fixture.h"

static const double bytes_1k[] = { 1000, 1000 }, share_1k[] = { 0, 1 };
static const struct dist kilobytes = { (double *)bytes_1k, (double *)share_1k, 2 };

/* What was started: when, in bins of 100 ms; and between whom, of what kind. */
struct seen {
	uint64_t n, hash, last_ns, bin[100], path[64], ecn, cubic;
	double bytes;
};

static void note(void *arg, const struct sim_flow_record *r)
{
	struct seen *seen = arg;
	const uint64_t words[] = { r->started_ns, r->bytes, r->data_path, r->ack_path };

	if (r->ended_ns)
		return;
	assert_true(r->started_ns >= seen->last_ns);
	seen->last_ns = r->started_ns;
	seen->n++;
	seen->bytes += r->bytes;
	seen->ecn += r->ecn;
	seen->cubic += r->cc == SIM_CUBIC;
	for (size_t i = 0; i < 4; i++)
		seen->hash = (seen->hash ^ words[i]) * 0x100000001b3;
	if (r->started_ns / (100 * MS) < 100)
		seen->bin[r->started_ns / (100 * MS)]++;
	if (r->data_path < 64)
		seen->path[r->data_path]++;
}

static struct seen arrivals(const struct sim_source_params *p, uint64_t until_ns)
{
	struct sim *s = bottleneck(5, 10 * GBIT, MS, 0, (struct sluice_aqm_params)NEVER_MARKS);
	struct seen seen = { 0 };

	sim_watch_flows(s, note, &seen);
	assert_int_equal(sim_add_source(s, p), 0);
	assert_int_equal(sim_run(s, until_ns), 0);
	sim_free(s);
	return seen;
}

static void test_windows(void **state)
{
	struct sim_source_params p = {
		.flow = { .ack_path = 1 }, .sizes = &kilobytes, .flows_per_s = 2000,
		.until_ns = UINT64_MAX,
		.window = { .from_ns = 300 * MS, .length_ns = 200 * MS, .period_ns = S },
	};
	struct seen seen = arrivals(&p, 10 * S);

	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		if (i % 10 == 3 || i % 10 == 4)
			close_to(seen.bin[i], 200, 0.35, "arrivals in the window");
		else
			assert_int_equal(seen.bin[i], 0);
	}
	close_to(seen.n, 2000 * 0.2 * 10, 0.06, "arrivals");
	p.window.period_ns = 0;		/* once */
	seen = arrivals(&p, 10 * S);
	close_to(seen.n, 400, 0.2, "arrivals in one window");
	assert_int_equal(seen.bin[13], 0);
	p.window.length_ns = 0;		/* and for ever */
	close_to(arrivals(&p, 10 * S).n, 2000 * 9.7, 0.03, "arrivals without an end");
}

/* Half of the time, with the variance of counts that is due to periods and not to flows. */
static void test_on_off(void **state)
{
	struct sim_source_params p = {
		.flow = { .ack_path = 1 }, .sizes = &kilobytes, .flows_per_s = 2000,
		.until_ns = UINT64_MAX, .on_ns = 50 * MS, .off_ns = 150 * MS,
	};
	double mean = 0, variance = 0;
	struct seen seen;

	(void)state;
	seen = arrivals(&p, 100 * S);
	close_to(seen.n, 2000 * 0.25 * 100, 0.1, "arrivals");
	for (unsigned int i = 0; i < 100; i++)
		mean += seen.bin[i] / 100.0;
	for (unsigned int i = 0; i < 100; i++)
		variance += (seen.bin[i] - mean) * (seen.bin[i] - mean) / 99;
	/*
	 * An interrupted Poisson process: with r = 1/on + 1/off the index of dispersion in a bin of
	 * T is 1 + 2 L (1 - a) (1 - (1 - exp(-r T)) / r T) / r, L being its rate and a its share on.
	 */
	close_to(variance / mean, 1 + 2 * 2000 * 0.75 * 0.0375 * (1 - (1 - exp(-8 / 3.0)) * 3 / 8), 0.4,
		 "dispersion");
	/* Periods go on outside of a window: no arrival is older than the window. */
	p.window = (struct sim_window){ 1 * S, 100 * MS, 2 * S };
	seen = arrivals(&p, 100 * S);
	for (unsigned int i = 0; i < 100; i++)
		if (i % 20 != 10)
			assert_int_equal(seen.bin[i], 0);
	close_to(seen.n, 2000 * 0.25 * 0.1 * 50, 0.35, "arrivals in windows");
}

static struct sim *three_hosts(struct sim_topology *t)
{
	const uint64_t rtt_ns[] = { MS, 2 * MS, 4 * MS };
	const struct sim_bottleneck_params p = {
		.queue = { .rate_bps = GBIT, .aqm = NEVER_MARKS }, .n_senders = 3, .rtt_ns = rtt_ns,
	};
	struct sim *s = sim_new(8);

	assert_int_equal(sim_build_bottleneck(s, &p, t), 0);
	return s;
}

static void test_between(void **state)
{
	struct sim_topology t;
	struct sim *s = three_hosts(&t);
	struct sim_source_params p = {
		.sizes = &kilobytes, .flows_per_s = 10000, .until_ns = S,
		.between = {
			.topology = &t, .from = { 0, 3 }, .to = { 3, 1 },
			.mix = { { 0.25, SIM_CUBIC, false, 0 }, { 0.75, SIM_DCTCP, true, 0 } },
		},
	};
	struct sim_flow_params route;
	struct seen seen = { 0 };

	(void)state;
	sim_watch_flows(s, note, &seen);
	assert_int_equal(sim_add_source(s, &p), 0);
	assert_int_equal(sim_run(s, 2 * S), 0);
	close_to(seen.n, 10000, 0.05, "flows");
	close_to(seen.ecn, 0.75 * seen.n, 0.03, "flows with ECN");
	assert_int_equal(seen.cubic, seen.n - seen.ecn);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(sim_topology_route(&t, i, 3, 0, &route));
		close_to(seen.path[route.data_path], seen.n / 3.0, 0.05, "flows of a host");
	}

	p.between.to.n = 2;	/* there is no host 4 */
	assert_int_equal(sim_add_source(s, &p), -EINVAL);
	p.between.to = (struct sim_hosts){ 0, 1 };	/* senders have no paths to each other */
	assert_int_equal(sim_add_source(s, &p), -EINVAL);
	p.between.from.n = 1;	/* to itself */
	assert_int_equal(sim_add_source(s, &p), -EINVAL);
	p.between.to = (struct sim_hosts){ 3, 1 };
	p.window.period_ns = S;	/* of what length? */
	assert_int_equal(sim_add_source(s, &p), -EINVAL);
	p.window = (struct sim_window){ 0 };
	p.off_ns = S;
	assert_int_equal(sim_add_source(s, &p), -EINVAL);
	p.off_ns = 0;
	p.between.mix[1].gso_bytes = SIM_GSO_MAX + 1;
	assert_int_equal(sim_add_source(s, &p), -EINVAL);
	sim_free(s);
	sim_topology_free(&t);
}

/* N answers come at once and leave one after the other; the last one ends the query. */
static void test_incast(void **state)
{
	struct sim_topology t;
	struct sim *s = three_hosts(&t);
	struct sim_incast_params p = {
		.flow = { .bytes = SIM_MSS, .cc = SIM_DCTCP, .ecn = true },
		.between = { .topology = &t, .from = { 0, 3 }, .to = { 3, 1 } },
		.degree = 30, .queries_per_s = 10, .periodic = true, .until_ns = 3050 * MS,
	};
	struct sim_flow_stats f;
	struct seen seen = { 0 };

	(void)state;
	sim_watch_flows(s, note, &seen);
	assert_int_equal(sim_add_incast(s, &p), 0);
	assert_int_equal(sim_run(s, 99 * MS), 0);
	assert_int_equal(seen.n, 0);
	assert_int_equal(sim_run(s, 101 * MS), 0);
	assert_int_equal(seen.n, 30);
	sim_flow_read(s, &f);
	assert_int_equal(f.query.flows, 0);
	assert_int_equal(f.query.unfinished, 1);
	assert_int_equal(sim_run(s, 4 * S), 0);
	sim_flow_read(s, &f);
	assert_int_equal(f.query.flows, 30);
	assert_int_equal(f.query.unfinished, 0);
	assert_int_equal(f.finished, 900);
	/* Each host answers ten times; the answers of the farthest come last, 2 ms after the question. */
	close_to(f.query.fct_sum_ns / 30, 2e6 + 10 * FRAME * 8, 0.002, "query completion time");
	close_to(f.query.slowdown_sum / 30, (2e6 + 80 * FRAME) / (2e6 + 240 * FRAME), 0.002,
		 "query slowdown");
	sim_free(s);
	sim_topology_free(&t);

	/* Poisson queries whose answers overflow the buffer: some are late by a time-out. */
	s = three_hosts(&t);
	p.periodic = false;
	p.queries_per_s = 50;
	p.sizes = &kilobytes;
	p.degree = 2;
	assert_int_equal(sim_add_incast(s, &p), 0);
	assert_int_equal(sim_run(s, 10 * S), 0);
	sim_flow_read(s, &f);
	close_to(f.query.flows, 50 * 3.05, 0.25, "Poisson queries");
	assert_int_equal(f.finished, 2 * f.query.flows);
	assert_true(f.acked_bytes == 2000.0 * f.query.flows);

	p.degree = 0;
	assert_int_equal(sim_add_incast(s, &p), -EINVAL);
	p.degree = 1;
	p.between.topology = NULL;
	assert_int_equal(sim_add_incast(s, &p), -EINVAL);
	sim_free(s);
	sim_topology_free(&t);
}

/* All of it at once, under four policies: the same arrivals between the same hosts. */
static void test_common_arrivals(void **state)
{
	static const double bytes[] = { 100, 20000, 900000 }, share[] = { 0, 0.7, 1 };
	const struct dist sizes = { (double *)bytes, (double *)share, 3 };
	struct seen seen[4] = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct sim_topology t;
		struct sim *s = three_hosts(&t);
		const struct sim_source_params p = {
			.sizes = &sizes, .flows_per_s = 600, .until_ns = 2 * S,
			.between = {
				.topology = &t, .from = { 0, 3 }, .to = { 3, 1 },
				.mix = { { i, SIM_CUBIC, false, 0 }, { 4 - i, SIM_DCTCP, true, 0 } },
			},
			.on_ns = 100 * MS, .off_ns = 50 * MS, .window = { 0, 500 * MS, 700 * MS },
		};
		const struct sim_incast_params in = {
			.flow = { .cc = SIM_DCTCP, .ecn = true, .gso_bytes = i * 9000 },
			.sizes = &sizes, .between = p.between, .degree = 7, .queries_per_s = 20,
			.until_ns = 2 * S,
		};

		sim_watch_flows(s, note, &seen[i]);
		assert_int_equal(sim_add_source(s, &p), 0);
		assert_int_equal(sim_add_incast(s, &in), 0);
		for (uint64_t k = 1; k < 20; k++) {
			const struct sluice_aqm_params ramp = { 2000 * i * k, 10000 * i * k, 1000 * i };

			sim_set_aqm(s, 0, &ramp);
			assert_int_equal(sim_set_rate(s, 0, GBIT / (1 + k % (i + 1))), 0);
			assert_int_equal(sim_run(s, k * 100 * MS), 0);
		}
		assert_int_equal(sim_run(s, 5 * S), 0);
		sim_free(s);
		sim_topology_free(&t);
	}
	assert_true(seen[0].n > 500);
	assert_int_equal(seen[0].cubic, 0);
	assert_true(seen[3].cubic > seen[1].cubic);
	for (int i = 1; i < 4; i++) {
		assert_int_equal(seen[i].n, seen[0].n);
		assert_true(seen[i].hash == seen[0].hash);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_on_off),
		cmocka_unit_test(test_between),
		cmocka_unit_test(test_incast),
		cmocka_unit_test(test_common_arrivals),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
