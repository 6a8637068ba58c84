// SPDX-License-Identifier: GPL-2.0
#include "policy/world.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/capacity.h"
#include "lib/hist.h"
#include "lib/rng.h"
#include "sim/topology.h"

#define MTU_BYTES	1514
#define DRAIN_EPOCHS	40
#define INCAST_STREAM	0x5000000ULL
#define TRACE_PIECE	2	/* epochs */
#define TRACE_LEAST	0.1	/* of the mean rate: a link that is cut is another subject */

static const double class_weight[SIM_CLASSES] = { 0.3, 0.3, 0.2, 0.2 };

struct world {
	struct mix mix;
	struct sim *sim;
	struct sim_topology topology;
	struct link_trace trace;
	struct dist scaled[2];
	struct rng incast;
	unsigned int epoch, phase;
	uint64_t phase_end_ns, incast_ns;	/* next */
	struct sim_stage_stats before;
	struct qdisc_triple setting;
	struct capacity capacity;
};

static int scale(const struct dist *from, double by, struct dist *to)
{
	to->bytes = malloc(from->n * sizeof(*to->bytes));
	to->share = malloc(from->n * sizeof(*to->share));
	to->n = from->n;
	if (!to->bytes || !to->share)
		return -ENOMEM;
	for (size_t i = 0; i < from->n; i++) {
		to->bytes[i] = fmax(from->bytes[i] * by, 1);
		to->share[i] = from->share[i];
	}
	return 0;
}

/* With headers; half a segment is not full. */
static double wire_bytes(const struct dist *sizes)
{
	return dist_mean(sizes) * (1 + (double)SIM_HEADERS / SIM_MSS) + SIM_HEADERS / 2;
}

static uint64_t gap_ns(struct world *w)
{
	const double mean_s = w->mix.phase[w->phase].incast_gap_s;

	return -log(1 - rng_uniform(&w->incast)) * mean_s * 1e9;
}

static uint64_t end_ns(const struct world *w)
{
	return w->mix.epochs * (uint64_t)(w->mix.epoch_s * 1e9);
}

static struct sim_flow_params flow(const struct world *w, enum sim_cc cc, bool ecn)
{
	return (struct sim_flow_params){
		.cc = cc, .ecn = ecn, .gso_bytes = w->mix.gso_bytes, .bytes = UINT64_MAX,
	};
}

/* Starts a flow on one of the paths, which are taken in turn. */
static int start(struct world *w, unsigned int turn, struct sim_flow_params *flow)
{
	if (!sim_topology_route(&w->topology, turn % w->mix.rtts, w->mix.rtts, 0, flow))
		return -EINVAL;
	return sim_add_flow(w->sim, flow);
}

/* Of mixed-ECN every other one is CUBIC without ECN. */
static int start_endless(struct world *w, unsigned int i)
{
	const bool other = w->mix.without_ecn > 0 && i % 2;
	struct sim_flow_params endless = flow(w, other ? SIM_CUBIC : SIM_DCTCP, !other);

	return start(w, i, &endless);
}

/* The link's rate and the arrivals of the phase that begins now. */
static int begin_phase(struct world *w)
{
	const struct mix_phase *p = &w->mix.phase[w->phase];
	const uint64_t now = sim_now_ns(w->sim), end = end_ns(w);
	const struct mix *m = &w->mix;
	struct sim_source_params source = {
		.flow = flow(w, SIM_DCTCP, true), .sizes = &w->scaled[w->phase],
		.flows_per_s = p->load * m->rate_bps / 8 / wire_bytes(&w->scaled[w->phase]),
		.between = {
			.topology = &w->topology, .from = { 0, m->rtts }, .to = { m->rtts, 1 },
			.mix = {
				{ 1 - m->without_ecn - m->ecn_cubic, SIM_DCTCP, true, m->gso_bytes },
				{ m->ecn_cubic, SIM_CUBIC, true, m->gso_bytes },
				{ m->without_ecn, SIM_CUBIC, false, m->gso_bytes },
			},
		},
	};
	int r = m->trace ? 0 : sim_set_rate(w->sim, 0, p->rate * m->rate_bps);

	if (r)
		return r;

	w->phase_end_ns = w->mix.phases > 1 ? now + (uint64_t)(w->mix.phase_s * 1e9) : end;
	if (w->phase_end_ns > end)
		w->phase_end_ns = end;
	source.until_ns = w->phase_end_ns;
	r = sim_add_source(w->sim, &source);
	w->incast_ns = p->incast ? now + gap_ns(w) : UINT64_MAX;
	return r < 0 ? r : 0;
}

/* The part of the trace that the run sees. */
static int cut_trace(struct world *w, const struct mix_files *files)
{
	const struct mix *m = &w->mix;
	const struct link_trace *whole = &files->trace[m->trace - 1];
	const uint64_t piece_ns = TRACE_PIECE * (uint64_t)(m->epoch_s * 1e9);
	const size_t n = (m->epochs + TRACE_PIECE - 1) / TRACE_PIECE;
	int r = link_trace_part(whole, m->trace_from * link_trace_length_ns(whole), piece_ns, n,
				TRACE_LEAST, &w->trace);

	/* Where it stands still for as long as a run. */
	if (r == -EINVAL)
		r = link_trace_part(whole, 0, piece_ns, n, TRACE_LEAST, &w->trace);
	if (!r)
		link_trace_scale(&w->trace, m->rate_bps / w->trace.mean_bps);
	return r;
}

static int build(struct world *w, const struct mix_files *files, uint64_t seed)
{
	const struct mix *m = &w->mix;
	uint64_t rtt_ns[MIX_RTTS_MAX];
	struct sim_bottleneck_params bottleneck = {
		.queue = {
			.rate_bps = m->rate_bps, .limit_bytes = m->limit_bytes,
			.aqm = { w->setting.qth_min, w->setting.qth_max, w->setting.max_p },
		},
		.n_senders = m->rtts, .rtt_ns = rtt_ns,
	};
	struct rng root;
	int r = m->trace ? cut_trace(w, files) : 0;

	if (r)
		return r;
	if (m->trace)
		bottleneck.queue.trace = &w->trace;
	for (unsigned int i = 0; i < m->rtts; i++)
		rtt_ns[i] = m->rtt_s * m->rtt_of[i] * 1e9;
	w->capacity.half[0] = m->rate_bps / 8;
	rng_seed(&root, m->seed + seed);
	rng_split(&root, INCAST_STREAM, &w->incast);
	w->sim = sim_new(m->seed + seed);
	if (!w->sim)
		return -ENOMEM;
	r = sim_build_bottleneck(w->sim, &bottleneck, &w->topology);
	for (unsigned int i = 0; r >= 0 && i < m->endless; i++)
		r = start_endless(w, i);
	if (r < 0)
		return r;
	sim_stage_read(w->sim, 0, &w->before);
	return begin_phase(w);
}

int world_new(const struct mix_files *files, const struct mix *m, uint64_t seed,
	      const struct qdisc_triple *setting, struct world **ret)
{
	struct world *w = calloc(1, sizeof(*w));
	int r = w ? 0 : -ENOMEM;

	if (w) {
		w->mix = *m;
		w->setting = *setting;
	}
	for (unsigned int i = 0; !r && i < m->phases; i++)
		r = scale(&files->sizes[m->phase[i].sizes], m->phase[i].scale, &w->scaled[i]);
	if (!r)
		r = build(w, files, seed);
	if (r) {
		world_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void world_free(struct world *w)
{
	if (!w)
		return;
	sim_free(w->sim);
	sim_topology_free(&w->topology);
	link_trace_free(&w->trace);
	dist_free(&w->scaled[0]);
	dist_free(&w->scaled[1]);
	free(w);
}

static int burst(struct world *w)
{
	struct sim_flow_params block = flow(w, SIM_DCTCP, true);
	int r = 0;

	block.bytes = MIX_BLOCK_BYTES;
	for (unsigned int i = 0; r >= 0 && i < w->mix.phase[w->phase].incast; i++)
		r = start(w, i, &block);
	w->incast_ns += gap_ns(w);
	return r < 0 ? r : 0;
}

/* What happens at times of its own, until then. */
static int run_until(struct world *w, uint64_t until_ns)
{
	int r = 0;

	while (!r && sim_now_ns(w->sim) < until_ns) {
		uint64_t next = until_ns;

		next = w->phase_end_ns < next ? w->phase_end_ns : next;
		next = w->incast_ns < next ? w->incast_ns : next;
		r = sim_run(w->sim, next);
		if (!r && next == w->incast_ns)
			r = burst(w);
		if (!r && next == w->phase_end_ns && next < end_ns(w)) {
			w->phase = (w->phase + 1) % w->mix.phases;
			r = begin_phase(w);
		}
	}
	return r;
}

/* Bytes per second. */
static double observe_capacity(struct world *w, const struct sim_stage_stats *b)
{
	const struct sim_stage_stats *a = &w->before;
	const double seconds = w->mix.epoch_s;

	if (w->mix.kind != MIX_RATE)
		return w->mix.rate_bps / 8;
	capacity_update(&w->capacity, sim_now_ns(w->sim), b->bytes - a->bytes, seconds * 1e9,
			b->backlogged_ns - a->backlogged_ns);
	if (w->mix.rate_told)
		return (b->capacity_bytes - a->capacity_bytes) / seconds;
	return capacity_get(&w->capacity);
}

static double share(double part, double whole)
{
	return whole > 0 ? part / whole : NAN;
}

/* The daemon's observation (queues.c), from the simulated queue. */
static void observe(struct world *w, const struct sim_stage_stats *b, struct ecn_interval *in)
{
	const struct sim_stage_stats *a = &w->before;
	const double ns = w->mix.epoch_s * 1e9;
	struct sim_flow_stats flows;
	const double p95 = hist_quantile_ns((const __u64 *)b->sojourn_hist,
					    (const __u64 *)a->sojourn_hist, 0.95);

	sim_flow_read(w->sim, &flows);
	*in = (struct ecn_interval){
		.seconds = w->mix.epoch_s,
		.capacity_bps = observe_capacity(w, b),
		.rtt_s = w->mix.rtt_s,
		.mtu_bytes = MTU_BYTES,
		.limit_bytes = w->mix.limit_bytes,
		.tx_bytes = b->bytes - a->bytes,
		.ce_bytes = b->ce_bytes - a->ce_bytes,
		.backlogged_s = (b->backlogged_ns - a->backlogged_ns) / 1e9,
		.avg_backlog_bytes = (b->backlog_byte_ns - a->backlog_byte_ns) / ns,
		.sojourn_p95_s = p95 < 0 ? -1 : p95 / 1e9,
		.active_flows = flows.unfinished,
		.elephant_share = NAN,
		.ect_share = NAN,
		.setting = w->setting,
	};
	if (w->mix.flows_seen) {
		in->elephant_share = share(b->elephant_bytes - a->elephant_bytes,
					   b->bytes - a->bytes);
		in->ect_share = share(b->ect_bytes - a->ect_bytes, b->bytes - a->bytes);
	}
}

void world_interval(const struct mix *m, struct ecn_interval *ret)
{
	*ret = (struct ecn_interval){
		.seconds = m->epoch_s, .capacity_bps = m->rate_bps / 8, .rtt_s = m->rtt_s,
		.mtu_bytes = MTU_BYTES, .limit_bytes = m->limit_bytes, .sojourn_p95_s = -1,
		.elephant_share = NAN, .ect_share = NAN,
	};
}

int world_epoch(struct world *w, struct ecn_interval *in)
{
	struct sim_stage_stats now;
	int r;

	w->epoch++;
	r = run_until(w, w->epoch * (uint64_t)(w->mix.epoch_s * 1e9));
	if (r)
		return r;
	sim_stage_read(w->sim, 0, &now);
	observe(w, &now, in);
	w->before = now;
	return w->epoch >= w->mix.epochs;
}

void world_set(struct world *w, const struct qdisc_triple *t)
{
	w->setting = *t;
	sim_set_aqm(w->sim, 0, &(struct sluice_aqm_params){ t->qth_min, t->qth_max, t->max_p });
}

unsigned int world_phase(const struct world *w)
{
	return w->phase;
}

struct sim *world_sim(struct world *w)
{
	return w->sim;
}

const struct sim_topology *world_topology(const struct world *w)
{
	return &w->topology;
}

/* The weighted mean of ln(mean slowdown) of the classes from..to-1 that have flows; NAN: none. */
static double log_slowdown(const struct sim_flow_stats *f, int from, int to)
{
	double sum = 0, weights = 0;

	for (int i = from; i < to; i++) {
		const struct sim_class_stats *c = &f->class[i];

		if (!c->flows)
			continue;
		sum += class_weight[i] * log(c->slowdown_sum / c->flows);
		weights += class_weight[i];
	}
	return weights > 0 ? sum / weights : NAN;
}

/* The same of one traffic, 0 without and 1 with ECN, as a slowdown. */
static double traffic_slowdown(const struct sim_flow_stats *f, int ecn)
{
	double sum = 0, weights = 0;

	for (int i = 0; i < SIM_CLASSES; i++) {
		const struct sim_traffic_stats *t = &f->traffic[ecn][i];

		if (!t->flows)
			continue;
		sum += class_weight[i] * log(t->slowdown_sum / t->flows);
		weights += class_weight[i];
	}
	return weights > 0 ? exp(sum / weights) : NAN;
}

int world_end(struct world *w, struct outcome *out)
{
	const struct sim_stage_stats *queue = &w->before;
	struct sim_flow_stats flows;
	double all, mice, elephants;
	int r;

	sim_flow_read(w->sim, &flows);
	out->goodput = flows.acked_bytes / queue->capacity_bytes;
	out->packets = queue->packets;
	out->dropped = (queue->early_drops + queue->limit_drops) / fmax(queue->packets, 1);
	r = sim_run(w->sim, end_ns(w) + DRAIN_EPOCHS * (uint64_t)(w->mix.epoch_s * 1e9));
	if (r)
		return r;
	sim_flow_read(w->sim, &flows);
	all = log_slowdown(&flows, 0, SIM_CLASSES);
	mice = log_slowdown(&flows, 0, 2);
	elephants = log_slowdown(&flows, 2, SIM_CLASSES);
	out->cost = exp((isnan(all) ? 0 : all) -
			COST_GOODPUT_WEIGHT * log(fmax(out->goodput, 1e-3)));
	out->mice = isnan(mice) ? 1 : exp(mice);
	out->ecn = w->mix.without_ecn > 0 ? traffic_slowdown(&flows, 1) : NAN;
	out->nonecn = w->mix.without_ecn > 0 ? traffic_slowdown(&flows, 0) : NAN;
	out->elephants = isnan(elephants) ? 1 / fmax(out->goodput, 1e-3) : exp(elephants);
	return 0;
}
