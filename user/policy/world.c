// SPDX-License-Identifier: GPL-2.0
#include "policy/world.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hist.h"
#include "lib/rng.h"
#include "sim/sim.h"

#define MTU_BYTES	1514
#define DRAIN_EPOCHS	40
#define INCAST_STREAM	0x5000000ULL

static const double class_weight[SIM_CLASSES] = { 0.3, 0.3, 0.2, 0.2 };

struct world {
	struct mix mix;
	struct sim *sim;
	struct dist scaled[2];
	struct rng incast;
	unsigned int epoch, phase;
	uint64_t phase_end_ns, incast_ns;	/* next */
	struct sim_stage_stats before;
	struct qdisc_triple setting;
};

static const struct sim_flow_params flow_params = { .ack_path = 1, .cc = SIM_DCTCP, .ecn = true };

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

/* Arrivals of the phase that begins now. */
static int begin_phase(struct world *w)
{
	const struct mix_phase *p = &w->mix.phase[w->phase];
	const uint64_t now = sim_now_ns(w->sim), end = end_ns(w);
	struct sim_source_params source = {
		.flow = flow_params, .sizes = &w->scaled[w->phase],
		.flows_per_s = p->load * w->mix.rate_bps / 8 / wire_bytes(&w->scaled[w->phase]),
	};
	int r;

	w->phase_end_ns = w->mix.phases > 1 ? now + (uint64_t)(w->mix.phase_s * 1e9) : end;
	if (w->phase_end_ns > end)
		w->phase_end_ns = end;
	source.until_ns = w->phase_end_ns;
	r = sim_add_source(w->sim, &source);
	w->incast_ns = p->incast ? now + gap_ns(w) : UINT64_MAX;
	return r < 0 ? r : 0;
}

static int build(struct world *w, uint64_t seed)
{
	const struct mix *m = &w->mix;
	const struct sim_stage_params there = {
		.rate_bps = m->rate_bps, .delay_ns = m->rtt_s * 5e8, .limit_bytes = MIX_LIMIT_BYTES,
		.aqm = { w->setting.qth_min, w->setting.qth_max, w->setting.max_p },
	};
	const struct sim_stage_params back = { .delay_ns = m->rtt_s * 5e8 };
	const uint16_t stage[] = { 0, 1 };
	struct sim_flow_params endless = flow_params;
	struct rng root;
	int r;

	endless.bytes = UINT64_MAX;
	rng_seed(&root, m->seed + seed);
	rng_split(&root, INCAST_STREAM, &w->incast);
	w->sim = sim_new(m->seed + seed);
	if (!w->sim)
		return -ENOMEM;
	if ((r = sim_add_stage(w->sim, &there)) < 0 || (r = sim_add_stage(w->sim, &back)) < 0 ||
	    (r = sim_add_path(w->sim, &stage[0], 1)) < 0 ||
	    (r = sim_add_path(w->sim, &stage[1], 1)) < 0)
		return r;
	for (unsigned int i = 0; i < m->endless; i++)
		if ((r = sim_add_flow(w->sim, &endless)) < 0)
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
		r = build(w, seed);
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
	dist_free(&w->scaled[0]);
	dist_free(&w->scaled[1]);
	free(w);
}

static int burst(struct world *w)
{
	struct sim_flow_params block = flow_params;
	int r = 0;

	block.bytes = MIX_BLOCK_BYTES;
	for (unsigned int i = 0; r >= 0 && i < w->mix.phase[w->phase].incast; i++)
		r = sim_add_flow(w->sim, &block);
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

/* The daemon's observation (queues.c), from the simulated queue. */
static void observe(const struct world *w, const struct sim_stage_stats *b, struct ecn_interval *in)
{
	const struct sim_stage_stats *a = &w->before;
	const double ns = w->mix.epoch_s * 1e9;
	struct sim_flow_stats flows;
	const double p95 = hist_quantile_ns((const __u64 *)b->sojourn_hist,
					    (const __u64 *)a->sojourn_hist, 0.95);

	sim_flow_read(w->sim, &flows);
	*in = (struct ecn_interval){
		.seconds = w->mix.epoch_s,
		.capacity_bps = w->mix.rate_bps / 8,
		.rtt_s = w->mix.rtt_s,
		.mtu_bytes = MTU_BYTES,
		.limit_bytes = MIX_LIMIT_BYTES,
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
}

void world_interval(const struct mix *m, struct ecn_interval *ret)
{
	*ret = (struct ecn_interval){
		.seconds = m->epoch_s, .capacity_bps = m->rate_bps / 8, .rtt_s = m->rtt_s,
		.mtu_bytes = MTU_BYTES, .limit_bytes = MIX_LIMIT_BYTES, .sojourn_p95_s = -1,
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

int world_end(struct world *w, struct outcome *out)
{
	struct sim_flow_stats flows;
	double all, mice, elephants;
	int r;

	sim_flow_read(w->sim, &flows);
	out->goodput = flows.acked_bytes * 8 / (w->mix.rate_bps * w->mix.epochs * w->mix.epoch_s);
	out->packets = w->before.packets;
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
	out->elephants = isnan(elephants) ? 1 / fmax(out->goodput, 1e-3) : exp(elephants);
	return 0;
}
