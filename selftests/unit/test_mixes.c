// SPDX-License-Identifier: GPL-2.0
/* Kinds of mixes: each has in the simulator what it is named for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "policy/policy.h"
#include "policy/world.h"
#include "sim/sim.h"

static double size_bytes[] = { 1000, 20000, 200000 }, size_share[] = { 0, 0.7, 1 };
static const struct dist sizes = { size_bytes, size_share, 3 };
static const char *const names[] = { "some/sizes" };
static const struct mix_files files = { .sizes = &sizes, .name = names, .n = 1, .epochs = 24 };

/* What each of the kinds is named for, and nothing of it elsewhere. */
static void kinds(void **state)
{
	unsigned int gso = 0, without = 0, three = 0, told = 0, seen = 0;

	(void)state;
	for (unsigned int i = 0; i < 300; i++) {
		struct mix m;

		mix_draw(&files, 9, i, &m);
		assert_int_equal(m.kind == MIX_MIXED_ECN, m.without_ecn >= 0.1);
		assert_true(m.ecn_cubic >= 0 && m.without_ecn + m.ecn_cubic <= 0.9);
		assert_true(m.kind == MIX_MIXED_ECN || m.ecn_cubic == 0);
		assert_int_equal(m.kind == MIX_RTTS, m.rtts > 1);
		assert_true(m.kind != MIX_RTTS || m.rtt_of[m.rtts - 1] == 4 * m.rtt_of[0]);
		assert_int_equal(m.kind == MIX_RATE, m.phases == 2 && m.phase[1].rate < 1);
		assert_true(m.phase[0].rate == 1 && m.phase[1].rate >= 0.5);
		/* What arrives can leave at any time. */
		assert_true(m.phase[1].load < m.phase[1].rate);
		assert_true(m.kind == MIX_MIXED_ECN ? m.limit_bytes >= 150000 :
			    m.limit_bytes == MIX_LIMIT_BYTES);
		assert_true(m.epoch_s >= 10 * m.rtt_s * m.rtt_of[m.rtts - 1]);
		gso += m.gso_bytes > 0;
		without += m.kind == MIX_MIXED_ECN;
		three += m.rtts == 3;
		told += m.rate_told;
		seen += m.flows_seen;
	}
	assert_true(gso > 70 && gso < 130 && without > 30 && three > 8 && told > 8);
	assert_true(seen > 100 && seen < 200);
}

/* The next mix of a kind; the first is number "kind". */
static struct mix mix_of(enum mix_kind kind)
{
	struct mix m;

	mix_draw(&files, 3, kind, &m);
	assert_int_equal(m.kind, kind);
	return m;
}

/* Has each called with what was observed, for all epochs of a run under one threshold. */
static struct outcome watch_run(const struct mix_files *f, const struct mix *m, double k,
				sim_watch *flow, void (*each)(void *arg, struct ecn_interval *in),
				void *arg)
{
	struct ecn_interval in;
	struct outcome out;
	struct qdisc_triple t;
	struct world *w;
	int last;

	world_interval(m, &in);
	t = policy_step(&in, k);
	assert_int_equal(world_new(f, m, 0, &t, &w), 0);
	sim_watch_flows(world_sim(w), flow, arg);
	do {
		last = world_epoch(w, &in);
		assert_true(last >= 0);
		if (each)
			each(arg, &in);
	} while (!last);
	assert_int_equal(world_end(w, &out), 0);
	world_free(w);
	return out;
}

struct shares {
	double ect[2], elephants[2];	/* least and most */
};

static void see_shares(void *arg, struct ecn_interval *in)
{
	struct shares *s = arg;

	assert_true(in->ect_share >= 0 && in->ect_share <= 1);
	assert_true(in->elephant_share >= 0 && in->elephant_share <= 1);
	s->ect[0] = fmin(s->ect[0], in->ect_share);
	s->ect[1] = fmax(s->ect[1], in->ect_share);
	s->elephants[0] = fmin(s->elephants[0], in->elephant_share);
	s->elephants[1] = fmax(s->elephants[1], in->elephant_share);
}

static void see_nothing(void *arg, struct ecn_interval *in)
{
	(void)arg;
	assert_true(isnan(in->ect_share) && isnan(in->elephant_share));
}

/* CUBIC without ECN fills the queue to its limit, and has slowdowns of its own. */
static void mixed_ecn(void **state)
{
	struct shares s = { { 1, 0 }, { 1, 0 } };
	struct mix m = mix_of(MIX_MIXED_ECN);
	struct outcome out;

	(void)state;
	m.endless = 2;
	m.flows_seen = true;
	out = watch_run(&files, &m, 30000, NULL, see_shares, &s);
	assert_true(out.dropped > 1e-4 && out.dropped < 0.1);
	assert_true(out.ecn > 1 && out.nonecn > 1);
	assert_true(s.ect[0] > 0 && s.ect[1] < 1);
	/* Both endless ones are large. */
	assert_true(s.elephants[1] > 0.3);

	/* All of them with ECN: marks keep the queue short of its limit. */
	m.without_ecn = 0;
	s = (struct shares){ { 1, 0 }, { 1, 0 } };
	out = watch_run(&files, &m, 30000, NULL, see_shares, &s);
	assert_true(out.dropped < 1e-4 && isnan(out.ecn) && isnan(out.nonecn));
	assert_true(s.ect[0] == 1);

	/* Without a flow table nothing is known of either. */
	m.flows_seen = false;
	watch_run(&files, &m, 30000, NULL, see_nothing, NULL);
}

struct paths {
	double least_s[8];	/* from the first byte's sending to the last one's arrival */
	unsigned int flows[8];
};

static void see_path(void *arg, const struct sim_flow_record *r)
{
	struct paths *p = arg;

	assert_true(r->data_path < 8);
	if (!r->ended_ns || r->bytes > SIM_MSS)
		return;
	p->least_s[r->data_path] = fmin(p->least_s[r->data_path],
					(r->ended_ns - r->started_ns) / 1e9);
	p->flows[r->data_path]++;
}

/* The fastest packet of each path takes half of its round-trip time. */
static void rtts(void **state)
{
	struct paths p = { .flows = { 0 } };
	static double bytes[] = { 500, 1400 }, shares[] = { 0, 1 };
	static const struct dist small = { bytes, shares, 2 };
	struct mix_files f = files;
	struct mix m = mix_of(MIX_RTTS);
	unsigned int paths = 0;

	(void)state;
	f.sizes = &small;
	for (unsigned int i = 0; i < 8; i++)
		p.least_s[i] = INFINITY;
	m.rtts = 3;
	m.rtt_s = 10e-3;
	m.endless = 0;
	memcpy(m.rtt_of, (double[]){ 0.5, 1, 2 }, sizeof(m.rtt_of));
	m.phase[0].scale = 1;
	m.phase[0].load = 0.01;
	watch_run(&f, &m, 30000, see_path, NULL, &p);
	for (unsigned int i = 0; i < 8; i++) {
		if (!p.flows[i])
			continue;
		assert_true(p.flows[i] > 20);
		assert_true(fabs(p.least_s[i] / (m.rtt_s / 2 * m.rtt_of[paths]) - 1) < 0.05);
		paths++;
	}
	assert_int_equal(paths, 3);
}

struct rates {
	double least, most, sum;
	unsigned int n;
};

static void see_rate(void *arg, struct ecn_interval *in)
{
	struct rates *r = arg;

	r->least = fmin(r->least, in->capacity_bps);
	r->most = fmax(r->most, in->capacity_bps);
	r->sum += in->capacity_bps;
	r->n++;
}

/* Steps are in the capacity where it is told, and the daemon's maximum does not see the lower one. */
static void steps_of_rate(void **state)
{
	struct mix m = mix_of(MIX_RATE);
	struct rates r = { INFINITY, 0, 0, 0 };
	const double full = m.rate_bps / 8;

	(void)state;
	m.phase[1].rate = 0.5;
	m.phase_s = 6 * m.epoch_s;
	m.rate_told = true;
	watch_run(&files, &m, 30000, NULL, see_rate, &r);
	assert_true(fabs(r.most / full - 1) < 1e-6 && fabs(r.least / full - 0.5) < 1e-6);
	assert_true(fabs(r.sum / r.n / full - 0.75) < 0.01);
	m.rate_told = false;
	r = (struct rates){ INFINITY, 0, 0, 0 };
	watch_run(&files, &m, 30000, NULL, see_rate, &r);
	assert_true(r.least / full > 0.999);
}

/* A part of a trace, with the mix's rate on average. */
static void traces(void **state)
{
	struct link_trace trace;
	struct mix_files f = files;
	struct mix m;
	struct rates r = { INFINITY, 0, 0, 0 };

	(void)state;
	assert_int_equal(link_trace_steps(10e6, 30e6, 300000000, &trace), 0);
	f.trace = &trace;
	f.traces = 1;
	mix_draw(&f, 3, MIX_RATE, &m);
	assert_true(m.trace == 1 && m.phases == 1 && m.phase[0].load < 0.45);
	assert_true(m.trace_from >= 0 && m.trace_from < 1);
	m.rate_told = true;
	m.trace_from = 0;
	m.epoch_s = 0.05;
	watch_run(&f, &m, 30000, NULL, see_rate, &r);
	assert_true(fabs(r.sum / r.n / (m.rate_bps / 8) - 1) < 1e-6);
	assert_true(fabs(r.most / r.least - 3) < 1e-6);
	link_trace_free(&trace);
}

/* Whole packets of GSO go through the queue: the same bytes with fewer events. */
static void gso(void **state)
{
	struct mix m = mix_of(MIX_STEADY);
	uint64_t events[2];
	double bytes[2];

	(void)state;
	for (int big = 0; big < 2; big++) {
		struct sim_stage_stats queue;
		struct ecn_interval in;
		struct qdisc_triple t;
		struct world *w;

		m.gso_bytes = big ? SIM_GSO_MAX : 0;
		world_interval(&m, &in);
		t = policy_step(&in, 100000);
		assert_int_equal(world_new(&files, &m, 0, &t, &w), 0);
		while (!world_epoch(w, &in))
			;
		sim_stage_read(world_sim(w), 0, &queue);
		events[big] = sim_events(world_sim(w));
		bytes[big] = queue.bytes;
		world_free(w);
	}
	assert_true(fabs(bytes[1] / bytes[0] - 1) < 0.02);
	assert_true(events[1] * 2 < events[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(mixed_ecn),
		cmocka_unit_test(rtts),
		cmocka_unit_test(steps_of_rate),
		cmocka_unit_test(traces),
		cmocka_unit_test(gso),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
