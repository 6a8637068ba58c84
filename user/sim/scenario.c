// SPDX-License-Identifier: GPL-2.0
#include "sim/scenario.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "lib/rng.h"

#define SECOND_NS	1000000000ULL
#define MS_NS		1000000ULL

static const char *const network_names[SIM_NETWORK_MAX] = {
	[SIM_BOTTLENECK] = "bottleneck",
	[SIM_PARKING_LOT] = "parking_lot",
	[SIM_LEAF_SPINE] = "leaf_spine",
};

const char *sim_network_name(enum sim_network network)
{
	return network_names[network];
}

void sim_scenario_default(struct sim_scenario *c)
{
	*c = (struct sim_scenario){
#define X(name, min, max, def, text) .name = (def),
		SIM_SCENARIO_NUMBERS(X)
#undef X
		.topology = SIM_BOTTLENECK, .cc = SIM_DCTCP, .other_cc = SIM_CUBIC,
	};
}

static int check(const struct sim_scenario *c, struct sl_err *e)
{
	if (c->qth_min > c->qth_max)
		return sl_err(e, -EINVAL, "qth_min must not be above qth_max");
	if (!c->load_percent && !c->endless && !c->incast_degree)
		return sl_err(e, -EINVAL, "without load_percent, endless flows and incast_degree there "
			      "is nothing to simulate");
	if (c->load_percent && !c->sizes)
		return sl_err(e, -EINVAL, "load_percent needs a distribution of flow sizes");
	if (c->rtt_max_us && c->rtt_max_us < c->rtt_us)
		return sl_err(e, -EINVAL, "rtt_max_us must not be below rtt_us");
	if (!c->on_ms != !c->off_ms)
		return sl_err(e, -EINVAL, "on_ms and off_ms need each other");
	if (!c->switch_s != !c->switch_sizes)
		return sl_err(e, -EINVAL, "switch_s and switch_sizes need each other");
	if (c->trace && c->step_ms)
		return sl_err(e, -EINVAL, "either link_trace or step_ms changes the rate, not both");
	if (c->topology != SIM_BOTTLENECK && (c->rtt_max_us || c->access_kbps))
		return sl_err(e, -EINVAL, "rtt_max_us and access_kbps need topology bottleneck");
	if (c->topology == SIM_PARKING_LOT && c->incast_degree)
		return sl_err(e, -EINVAL, "incast_degree needs topology bottleneck or leaf_spine");
	if (c->topology == SIM_LEAF_SPINE && (c->trace || c->step_ms))
		return sl_err(e, -EINVAL, "link_trace and step_ms need topology bottleneck or "
			      "parking_lot");
	if (c->topology == SIM_LEAF_SPINE && c->leaves * c->hosts_per_leaf < 2)
		return sl_err(e, -EINVAL, "leaf_spine needs two hosts");
	return 0;
}

/* --- the network --------------------------------------------------------------------- */

static int build_bottleneck(const struct sim_scenario *c, const struct sim_stage_params *queue,
			    struct sim_world *w)
{
	const double ratio = c->rtt_max_us ? (double)c->rtt_max_us / c->rtt_us : 1;
	struct sim_bottleneck_params p = {
		.queue = *queue, .n_senders = c->senders, .access_bps = c->access_kbps * 1e3,
	};
	uint64_t *rtt_ns = calloc(c->senders, sizeof(*rtt_ns));
	int r;

	if (!rtt_ns)
		return -ENOMEM;
	for (uint64_t i = 0; i < c->senders; i++)
		rtt_ns[i] = llround(c->rtt_us * 1e3 *
				    pow(ratio, c->senders > 1 ? (double)i / (c->senders - 1) : 0));
	p.rtt_ns = rtt_ns;
	r = sim_build_bottleneck(w->sim, &p, &w->topology);
	free(rtt_ns);
	return r;
}

static int build_network(const struct sim_scenario *c, struct sim_world *w)
{
	struct sim_stage_params queue = {
		.rate_bps = c->rate_kbps * 1e3, .limit_bytes = c->limit_bytes,
		.trace = c->trace ? c->trace : c->step_ms ? &w->steps : NULL,
		.aqm = { c->qth_min, c->qth_max, c->max_p }, .drop_non_ect = c->drop_non_ect,
	};
	struct sim_leaf_spine_params fabric;

	switch (c->topology) {
	case SIM_BOTTLENECK:
		return build_bottleneck(c, &queue, w);
	case SIM_PARKING_LOT:
		queue.delay_ns = c->rtt_us * 500 / c->hops;
		return sim_build_parking_lot(w->sim, &(struct sim_parking_lot_params){ queue, c->hops },
					     &w->topology);
	default:
		queue.delay_ns = c->rtt_us * 1000 / 8;
		fabric = (struct sim_leaf_spine_params){
			c->leaves, c->spines, c->hosts_per_leaf, queue, queue, queue,
		};
		if (c->fabric_kbps)
			fabric.fabric.rate_bps = c->fabric_kbps * 1e3;
		return sim_build_leaf_spine(w->sim, &fabric, &w->topology);
	}
}

/* --- the traffic ---------------------------------------------------------------------- */

static struct sim_flow_params kind(const struct sim_scenario *c, bool ecn)
{
	return (struct sim_flow_params){
		.bytes = UINT64_MAX, .cc = ecn ? c->cc : c->other_cc, .ecn = ecn,
		.gso_bytes = c->gso_bytes,
	};
}

static struct sim_between between(const struct sim_scenario *c, const struct sim_world *w,
				  struct sim_hosts from, struct sim_hosts to)
{
	return (struct sim_between){
		.topology = &w->topology, .from = from, .to = to,
		.mix = {
			{ c->ecn_percent, c->cc, true, c->gso_bytes },
			{ 100 - c->ecn_percent, c->other_cc, false, c->gso_bytes },
		},
	};
}

/* Poisson arrivals that make so much load on average, by both distributions in turn if there are two. */
static int add_load(const struct sim_scenario *c, struct sim_world *w, double bps,
		    struct sim_hosts from, struct sim_hosts to)
{
	const struct dist *const sizes[] = { c->sizes, c->switch_sizes };
	const uint64_t turn_ns = c->switch_s * SECOND_NS;
	int r = 0;

	for (int i = 0; !r && i < (c->switch_s ? 2 : 1); i++) {
		struct sim_source_params p = {
			.flow = kind(c, true), .sizes = sizes[i], .until_ns = c->seconds * SECOND_NS,
			.flows_per_s = bps / 8 / dist_mean(sizes[i]),
			.between = between(c, w, from, to),
			.on_ns = c->on_ms * MS_NS, .off_ns = c->off_ms * MS_NS,
		};

		if (c->on_ms)
			p.flows_per_s *= (double)(c->on_ms + c->off_ms) / c->on_ms;
		if (c->switch_s)
			p.window = (struct sim_window){ i * turn_ns, turn_ns, 2 * turn_ns };
		r = sim_add_source(w->sim, &p);
	}
	return r;
}

static int add_loads(const struct sim_scenario *c, struct sim_world *w)
{
	const double bps = c->load_percent / 100.0 * w->rate_bps;
	const struct sim_hosts all = { 0, w->topology.n_hosts };
	int r = 0;

	if (c->topology == SIM_BOTTLENECK)
		return add_load(c, w, bps, (struct sim_hosts){ 0, c->senders },
				(struct sim_hosts){ c->senders, 1 });
	if (c->topology == SIM_LEAF_SPINE)
		return add_load(c, w, bps * all.n, all, all);
	for (uint16_t i = 0; !r && i <= c->hops; i++)
		r = add_load(c, w, bps / 2, (struct sim_hosts){ 2 * i, 1 },
			     (struct sim_hosts){ 2 * i + 1, 1 });
	return r;
}

/* The i-th flow that never ends: from one host after the other, to another leaf if there is one. */
static int add_endless(const struct sim_scenario *c, struct sim_world *w, uint64_t i)
{
	const bool ecn = (i + 1) * c->ecn_percent / 100 > i * c->ecn_percent / 100;
	const unsigned int n = w->topology.n_hosts;
	struct sim_flow_params p = kind(c, ecn);
	unsigned int from, to;

	switch (c->topology) {
	case SIM_BOTTLENECK:
		from = i % c->senders;
		to = c->senders;
		break;
	case SIM_PARKING_LOT:
		from = 2 * (i % (c->hops + 1));
		to = from + 1;
		break;
	default:
		from = i % n;
		to = (from + (c->leaves > 1 ? c->hosts_per_leaf : 1)) % n;
	}
	if (!sim_topology_route(&w->topology, from, to, rng_mix64(i), &p))
		return -EINVAL;
	return sim_add_flow(w->sim, &p);
}

static int add_queries(const struct sim_scenario *c, struct sim_world *w)
{
	const struct sim_hosts all = { 0, w->topology.n_hosts };
	const bool one = c->topology == SIM_BOTTLENECK;
	struct sim_incast_params p = {
		.flow = kind(c, true), .degree = c->incast_degree,
		.queries_per_s = c->incast_per_s, .periodic = !c->incast_poisson,
		.until_ns = c->seconds * SECOND_NS,
		.between = between(c, w, one ? (struct sim_hosts){ 0, c->senders } : all,
				   one ? (struct sim_hosts){ c->senders, 1 } : all),
	};

	p.flow.bytes = c->incast_bytes;
	return sim_add_incast(w->sim, &p);
}

static int add_traffic(const struct sim_scenario *c, struct sim_world *w)
{
	int r = 0;

	for (uint64_t i = 0; r >= 0 && i < c->endless; i++)
		r = add_endless(c, w, i);
	if (r >= 0 && c->load_percent)
		r = add_loads(c, w);
	if (r >= 0 && c->incast_degree)
		r = add_queries(c, w);
	return r < 0 ? r : 0;
}

int sim_world_build(const struct sim_scenario *c, struct sim_world *w, struct sl_err *e)
{
	const double rate_bps = c->rate_kbps * 1e3;
	int r = check(c, e);

	if (r)
		return r;
	*w = (struct sim_world){ .sim = sim_new(c->seed) };
	if (!w->sim)
		return sl_err(e, -ENOMEM, "out of memory");
	if (c->step_ms)
		r = link_trace_steps(rate_bps, rate_bps * c->step_percent / 100,
				     c->step_ms * MS_NS, &w->steps);
	w->rate_bps = c->trace ? c->trace->mean_bps : c->step_ms ? w->steps.mean_bps : rate_bps;
	if (!r)
		r = build_network(c, w);
	if (!r)
		r = add_traffic(c, w);
	if (!r)
		return 0;
	sim_world_free(w);
	if (r == -ENOSPC)
		return sl_err(e, -EINVAL, "leaf_spine has more than 65,000 paths: fewer hosts or spines");
	return sl_err(e, r, r == -ENOMEM ? "out of memory" : "these parameters do not fit together");
}

void sim_world_free(struct sim_world *w)
{
	sim_free(w->sim);
	sim_topology_free(&w->topology);
	link_trace_free(&w->steps);
	*w = (struct sim_world){ 0 };
}
