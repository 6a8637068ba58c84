// SPDX-License-Identifier: GPL-2.0
/*
 * A scene runs in a world (world.h) whose own traffic is next to nothing: the parts' sources are added to
 * it, each with a window of time. So the queue, what is seen of it and how it is set are those of
 * "sluice eval" and "sluice lab run".
 */
#include "lab/dynamic.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ecn_agent.h"
#include "lab/dynamic_host.h"
#include "lab/objective.h"
#include "policy/policy.h"
#include "policy/world.h"
#include "sim/sim.h"
#include "sim/topology.h"

#define NS		1e9
#define NO_LOAD		1e-12
#define PIECES_MAX	512	/* of alternating phases, in one part */
#define OTHER_PATH	1.001	/* alike ones would be one, and tenants not told apart */
#define INCAST_SHARE	0.1	/* of the rate, together (workloads.h) */

/* The plan's defaults. */
static const struct objective objective = { { 0.3, 0.3, 0.2, 0.2 }, 0.2 };

struct seen_flow {
	double start_s, slowdown;
	unsigned char class, tenant;
};

struct running {
	const struct dynamic_scene *s;
	const struct dynamic_system *system;
	struct dynamic_result *ret;
	struct world *w;
	struct mix mix;
	struct mix_files files;
	struct dist own, sizes[DYNAMIC_PARTS][2];
	uint16_t path[DYNAMIC_TENANTS];
	struct seen_flow *flow;
	size_t flows, room;
	bool no_memory;
	double *goodput_at;		/* bytes acknowledged by the end of each epoch, from 0 */
	struct dynamic_host *host;
	struct ecn_agent *agent;
};

static void note_flow(void *arg, const struct sim_flow_record *f)
{
	struct running *r = arg;

	if (!f->ended_ns || f->bytes == UINT64_MAX)
		return;
	if (r->flows == r->room) {
		const size_t room = r->room ? 2 * r->room : 4096;
		void *more = reallocarray(r->flow, room, sizeof(*r->flow));

		if (!more) {
			r->no_memory = true;
			return;
		}
		r->flow = more;
		r->room = room;
	}
	r->flow[r->flows++] = (struct seen_flow){
		f->started_ns / NS, f->slowdown, flow_class(f->bytes), f->data_path == r->path[1],
	};
}

/* --- the scene --------------------------------------------------------------------------------- */

static bool part_ok(const struct dynamic_scene *s, const struct dynamic_part *p)
{
	const struct workload *w = p->workload;
	const bool last = p->from_s + p->length_s >= s->length_s;

	return w->rtts == 1 && p->tenant < DYNAMIC_TENANTS && p->length_s > 0 && p->load > 0 &&
	       (!w->endless || last) &&
	       (w->phases == 1 || (w->phase[0].rate == w->phase[1].rate &&
				   p->length_s / w->phase_s <= PIECES_MAX));
}

static double wire_bytes(const struct dist *sizes)
{
	return dist_mean(sizes) * (1 + (double)SIM_HEADERS / SIM_MSS) + SIM_HEADERS / 2;
}

static struct sim_between between(const struct running *r, const struct dynamic_part *p)
{
	const struct workload *w = p->workload;

	return (struct sim_between){
		.topology = world_topology(r->w), .from = { p->tenant, 1 },
		.to = { DYNAMIC_TENANTS, 1 },
		.mix = {
			{ 1 - w->cubic - w->ecn_cubic, SIM_DCTCP, true, 0 },
			{ w->ecn_cubic, SIM_CUBIC, true, 0 },
			{ w->cubic, SIM_CUBIC, false, 0 },
		},
	};
}

static int add_phase(struct running *r, const struct dynamic_part *p, const struct dist *sizes,
		     const struct workload_phase *phase, double from_s, double length_s)
{
	const struct sim_window window = { from_s * NS, length_s * NS, 0 };
	const struct sim_source_params source = {
		.flow = { .cc = SIM_DCTCP, .ecn = true, .bytes = 1 }, .sizes = sizes,
		.flows_per_s = p->load * phase->load * r->s->rate_bps / 8 / wire_bytes(sizes),
		.until_ns = r->s->length_s * NS, .between = between(r, p), .window = window,
	};
	const struct sim_incast_params incast = {
		.flow = { .cc = SIM_DCTCP, .ecn = true, .bytes = MIX_BLOCK_BYTES },
		.degree = phase->incast, .between = between(r, p), .window = window,
		.queries_per_s = p->load * INCAST_SHARE * r->s->rate_bps / 8 /
				 (MIX_BLOCK_BYTES * fmax(phase->incast, 1)),
		.until_ns = r->s->length_s * NS,
	};
	int e = sim_add_source(world_sim(r->w), &source);

	if (e >= 0 && phase->incast)
		e = sim_add_incast(world_sim(r->w), &incast);
	return e < 0 ? e : 0;
}

static int add_part(struct running *r, size_t i)
{
	const struct dynamic_part *p = &r->s->part[i];
	const struct workload *w = p->workload;
	int e = 0;

	for (unsigned int k = 0; !e && k < w->phases; k++)
		e = workload_sizes(w, k, r->s->rate_bps, &r->sizes[i][k], NULL);
	if (!e && w->phases == 1)
		return add_phase(r, p, &r->sizes[i][0], &w->phase[0], p->from_s, p->length_s);
	for (unsigned int k = 0; !e && k * w->phase_s < p->length_s; k++)
		e = add_phase(r, p, &r->sizes[i][k % 2], &w->phase[k % 2],
			      p->from_s + k * w->phase_s,
			      fmin(w->phase_s, p->length_s - k * w->phase_s));
	return e;
}

/* Flows that never end begin with the epoch in which their part does. */
static int add_endless(struct running *r, double from_s, double to_s)
{
	int e = 0;

	for (size_t i = 0; i < r->s->parts; i++) {
		const struct dynamic_part *p = &r->s->part[i];

		if (p->from_s < from_s || p->from_s >= to_s)
			continue;
		for (unsigned int k = 0; e >= 0 && k < p->workload->endless; k++) {
			struct sim_flow_params f = { .cc = SIM_DCTCP, .ecn = true,
						     .bytes = UINT64_MAX };

			if (!sim_topology_route(world_topology(r->w), p->tenant, DYNAMIC_TENANTS, k, &f))
				return -EINVAL;
			e = sim_add_flow(world_sim(r->w), &f);
		}
	}
	return e < 0 ? e : 0;
}

static int build(struct running *r, const struct qdisc_triple *first)
{
	int e = world_new(&r->files, &r->mix, r->s->seed, first, &r->w);

	for (unsigned int t = 0; !e && t < DYNAMIC_TENANTS; t++) {
		struct sim_flow_params f = { .cc = SIM_DCTCP };

		if (!sim_topology_route(world_topology(r->w), t, DYNAMIC_TENANTS, 0, &f))
			return -EINVAL;
		r->path[t] = f.data_path;
	}
	if (!e && r->path[0] == r->path[1])
		e = -EINVAL;
	if (e)
		return e;
	sim_watch_flows(world_sim(r->w), note_flow, r);
	for (size_t i = 0; !e && i < r->s->parts; i++)
		e = add_part(r, i);
	return e ? e : add_endless(r, 0, r->mix.epoch_s);
}

/* --- who decides ---------------------------------------------------------------------------------- */

static double part_k(const struct running *r, double now_s)
{
	double k = r->system->k_bytes[0], latest = -1;

	for (size_t i = 0; i < r->s->parts; i++)
		if (r->s->part[i].from_s <= now_s + 1e-9 && r->s->part[i].from_s > latest) {
			latest = r->s->part[i].from_s;
			k = r->system->k_bytes[i];
		}
	return k;
}

static int new_agent(struct running *r)
{
	struct ecn_agent_config c;

	ecn_agent_config_default(&c);
	c.explore = c.learn = true;
	c.seed = r->system->seed;
	return ecn_agent_new(&c, &r->agent);
}

static int begin(struct running *r, const struct ecn_interval *in, struct qdisc_triple *t)
{
	int e = 0;

	switch (r->system->kind) {
	case DYNAMIC_STEPS:
		*t = policy_step(in, part_k(r, 0));
		return 0;
	case DYNAMIC_HOST:
		e = dynamic_host_new(r->system, &r->host);
		if (!e)
			*t = dynamic_host_start(r->host, in);
		return e;
	default:
		*t = policy_step(in, r->system->fixed * policy_bdp_bytes(in));
		return new_agent(r);
	}
}

static int decide(struct running *r, double now_s, const struct ecn_interval *in,
		  struct qdisc_triple *t)
{
	struct ecn_decision d;
	int e;

	switch (r->system->kind) {
	case DYNAMIC_STEPS:
		*t = policy_step(in, part_k(r, now_s));
		return 0;
	case DYNAMIC_HOST:
		return dynamic_host_epoch(r->host, now_s, in, t);
	default:
		e = ecn_agent_decide(r->agent, 0, in, &d);
		if (e)
			return e;
		*t = d.triple;
		ecn_agent_applied(r->agent, 0, true);
		ecn_agent_train(r->agent, r->system->steps_per_epoch);
		return ecn_agent_health(r->agent);
	}
}

/* --- costs ------------------------------------------------------------------------------------------ */

/* tenant -1: of both. goodput below 0: of slowdowns alone. */
static double cost(const struct running *r, double from_s, double to_s, int tenant, double goodput)
{
	double sum[FLOW_CLASSES] = { 0 }, n[FLOW_CLASSES] = { 0 }, j = 0, weights = 0;

	for (size_t i = 0; i < r->flows; i++) {
		const struct seen_flow *f = &r->flow[i];

		if (f->start_s < from_s || f->start_s >= to_s ||
		    (tenant >= 0 && f->tenant != tenant))
			continue;
		sum[f->class] += f->slowdown;
		n[f->class]++;
	}
	for (int c = 0; c < FLOW_CLASSES; c++)
		if (n[c] > 0) {
			j += objective.class[c] * log(sum[c] / n[c]);
			weights += objective.class[c];
		}
	if (!(weights > 0))
		return NAN;
	return exp(j / weights - (goodput < 0 ? 0 : objective.goodput * log(fmax(goodput, 1e-3))));
}

/* Of what the link could have sent between two times, by the epochs in between. */
static double goodput(const struct running *r, double from_s, double to_s)
{
	const unsigned int a = round(from_s / r->mix.epoch_s);
	unsigned int b = round(to_s / r->mix.epoch_s);

	b = b > r->mix.epochs ? r->mix.epochs : b;
	if (a >= b)
		return -1;
	return (r->goodput_at[b] - r->goodput_at[a]) /
	       ((b - a) * r->mix.epoch_s * r->mix.rate_bps / 8);
}

static double until_next(const struct dynamic_scene *s, double from_s)
{
	double to_s = s->length_s;

	for (size_t i = 0; i < s->parts; i++)
		if (s->part[i].from_s > from_s + 1e-9)
			to_s = fmin(to_s, s->part[i].from_s);
	return to_s;
}

static int by_start(const void *a, const void *b)
{
	const double d = ((const struct seen_flow *)a)->start_s - ((const struct seen_flow *)b)->start_s;

	return (d > 0) - (d < 0);
}

static void tell_costs(struct running *r)
{
	const struct dynamic_scene *s = r->s;
	struct dynamic_result *ret = r->ret;
	struct seen_flow *all = r->flow;
	const size_t n = r->flows;
	size_t at = 0;

	ret->flows = n;
	ret->total = cost(r, 0, s->length_s, -1, goodput(r, 0, s->length_s));
	for (int t = 0; t < DYNAMIC_TENANTS; t++)
		ret->tenant_cost[t] = cost(r, 0, s->length_s, t, -1);
	for (size_t i = 0; i < s->parts; i++) {
		const double from = s->part[i].from_s, to = until_next(s, from);

		ret->part_cost[i] = cost(r, from, to, -1, goodput(r, from, to));
	}
	/* Many windows: each looks at its own flows. */
	qsort(all, n, sizeof(*all), by_start);
	while (ret->windows < DYNAMIC_WINDOWS && (ret->windows + 0.5) * s->window_s < s->length_s) {
		const double from = ret->windows * s->window_s, to = from + s->window_s;
		const size_t first = at;

		while (at < n && all[at].start_s < to)
			at++;
		r->flow = all + first;
		r->flows = at - first;
		ret->cost[ret->windows++] = cost(r, from, to, -1, goodput(r, from, to));
	}
	r->flow = all;
	r->flows = n;
}

/* --- a run ------------------------------------------------------------------------------------------ */

static int epochs(struct running *r, struct qdisc_triple t)
{
	struct ecn_interval in;
	unsigned int n = 0;
	int last, e;

	do {
		struct sim_flow_stats f;
		double now_s;

		e = last = world_epoch(r->w, &in);
		if (e < 0)
			return e;
		now_s = ++n * r->mix.epoch_s;
		sim_flow_read(world_sim(r->w), &f);
		r->goodput_at[n] = f.acked_bytes;
		e = decide(r, now_s, &in, &t);
		if (e < 0)
			return e;
		world_set(r->w, &t);
		if (n <= DYNAMIC_EPOCHS)
			r->ret->k[n - 1] = ((double)t.qth_min + t.qth_max) / 2;
		e = last ? 0 : add_endless(r, now_s, now_s + r->mix.epoch_s);
		if (e)
			return e;
	} while (!last);
	r->ret->epochs = n < DYNAMIC_EPOCHS ? n : DYNAMIC_EPOCHS;
	return 0;
}

static int own_sizes(struct dist *d)
{
	static const double bytes[] = { 63, 64 }, share[] = { 0, 1 };

	d->bytes = malloc(sizeof(bytes));
	d->share = malloc(sizeof(share));
	if (!d->bytes || !d->share)
		return -ENOMEM;
	memcpy(d->bytes, bytes, sizeof(bytes));
	memcpy(d->share, share, sizeof(share));
	d->n = 2;
	return 0;
}

static struct mix mix_of(const struct dynamic_scene *s)
{
	struct mix m = {
		.kind = MIX_STEADY, .rate_bps = s->rate_bps, .rtt_s = s->rtt_s,
		.rtts = DYNAMIC_TENANTS, .rtt_of = { 1, OTHER_PATH }, .limit_bytes = s->limit_bytes,
		.flows_seen = true, .phases = 1, .phase_s = INFINITY,
		.phase = { { .scale = 1, .load = NO_LOAD, .rate = 1 } },
		.epoch_s = s->epoch_s, .epochs = round(s->length_s / s->epoch_s),
	};

	m.phase[1] = m.phase[0];
	return m;
}

static void finish(struct running *r)
{
	world_free(r->w);
	dynamic_host_free(r->host);
	ecn_agent_free(r->agent);
	for (int i = 0; i < DYNAMIC_PARTS; i++)
		for (int k = 0; k < 2; k++)
			dist_free(&r->sizes[i][k]);
	dist_free(&r->own);
	free(r->flow);
	free(r->goodput_at);
}

int dynamic_run(const struct dynamic_scene *s, const struct dynamic_system *system,
		struct dynamic_result *ret)
{
	struct running r = { .s = s, .system = system, .ret = ret, .mix = mix_of(s) };
	struct ecn_interval in;
	struct qdisc_triple t;
	struct outcome out;
	int e = s->parts && s->parts <= DYNAMIC_PARTS ? 0 : -EINVAL;

	*ret = (struct dynamic_result){ .windows = 0 };
	for (size_t i = 0; !e && i < s->parts; i++)
		e = part_ok(s, &s->part[i]) ? 0 : -EINVAL;
	if (!e)
		e = own_sizes(&r.own);
	r.files = (struct mix_files){ .sizes = &r.own, .n = 1 };
	r.goodput_at = calloc(r.mix.epochs + 1, sizeof(*r.goodput_at));
	if (!e && !r.goodput_at)
		e = -ENOMEM;
	world_interval(&r.mix, &in);
	if (!e)
		e = begin(&r, &in, &t);
	if (!e)
		e = build(&r, &t);
	if (!e)
		e = epochs(&r, t);
	if (!e)
		e = world_end(r.w, &out);
	if (!e && r.no_memory)
		e = -ENOMEM;
	if (!e)
		tell_costs(&r);
	if (!e && r.host)
		dynamic_host_tell(r.host, ret);
	finish(&r);
	return e;
}
