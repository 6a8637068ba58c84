// SPDX-License-Identifier: GPL-2.0
/*
 * Where flows and packets come from: Poisson arrivals, in on and off periods and within windows,
 * between hosts of a topology, and queries that many hosts answer at once.
 *
 * Everything here has streams of random numbers of its own, and nothing here looks at queues or at
 * flows that run: what a policy does shifts no arrival.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_priv.h"
#include "sim/topology.h"

#define STREAM_SOURCE	0x2000000ULL
#define STREAM_SIZES	0x3000000ULL
#define STREAM_BLAST	0x4000000ULL
#define STREAM_PLACES	0x5000000ULL
#define STREAM_QUERIES	0x6000000ULL
#define STREAM_ANSWERS	0x7000000ULL
#define STREAM_ASKED	0x8000000ULL

/* --- when ------------------------------------------------------------------------ */

static double exponential(struct rng *rng, double mean)
{
	return -log(1 - rng_uniform(rng)) * mean;
}

/* Whether t lies in the window; *next is when that changes, UINT64_MAX: never. */
static bool in_window(const struct sim_window *w, uint64_t t, uint64_t *next)
{
	uint64_t begin = w->from_ns;

	*next = begin;
	if (t < begin)
		return false;
	if (w->period_ns)
		begin += (t - begin) / w->period_ns * w->period_ns;
	*next = w->length_ns ? begin + w->length_ns : UINT64_MAX;
	if (t < *next)
		return true;
	*next = w->period_ns ? begin + w->period_ns : UINT64_MAX;
	return false;
}

/*
 * The next arrival after now; UINT64_MAX: there is none. What is left of a gap when a period ends is
 * drawn anew, which for exponential gaps makes no difference; a periodic source begins anew.
 */
static uint64_t next_arrival(struct sim_gaps *g, uint64_t now_ns)
{
	uint64_t t = now_ns;

	for (;;) {
		uint64_t end, at;

		if (!in_window(&g->window, t, &end)) {
			if (end == UINT64_MAX)
				return end;
			t = end;
			continue;
		}
		if (g->off_ns && g->on_until_ns <= t) {
			const uint64_t on_ns = g->on_until_ns +
					       (uint64_t)exponential(&g->rng, g->off_ns);

			g->on_until_ns = on_ns + (uint64_t)exponential(&g->rng, g->on_ns);
			t = on_ns > t ? on_ns : t;
			continue;
		}
		if (g->off_ns && g->on_until_ns < end)
			end = g->on_until_ns;
		at = t + (uint64_t)(g->periodic ? 1e9 / g->per_s :
						  exponential(&g->rng, 1) * 1e9 / g->per_s);
		if (at < end)
			return at;
		t = end;
	}
}

static bool window_ok(const struct sim_window *w)
{
	return w->length_ns ? !w->period_ns || w->length_ns <= w->period_ns : !w->period_ns;
}

static int schedule(struct sim *s, struct sim_gaps *g, enum sim_kind kind, uint32_t index)
{
	const uint64_t at_ns = next_arrival(g, s->now_ns);

	return at_ns == UINT64_MAX ? 0 : heap_push(&s->heap, at_ns, kind, index);
}

/* --- between whom, and of what kind -------------------------------------------------- */

static bool flow_ok(const struct sim *s, const struct sim_flow_params *p)
{
	return p->data_path < s->n_paths && p->ack_path < s->n_paths &&
	       (unsigned int)p->cc < SIM_CC_MAX && p->gso_bytes <= SIM_GSO_MAX;
}

static bool between_ok(const struct sim_between *b)
{
	struct sim_flow_params unused;

	for (int i = 0; i < SIM_MIX_MAX; i++)
		if (b->mix[i].share < 0 || (unsigned int)b->mix[i].cc >= SIM_CC_MAX ||
		    b->mix[i].gso_bytes > SIM_GSO_MAX)
			return false;
	if (!b->topology)
		return true;
	if (!b->from.n || !b->to.n ||
	    (b->from.n == 1 && b->to.n == 1 && b->from.first == b->to.first))
		return false;
	for (unsigned int i = 0; i < b->from.n; i++)
		for (unsigned int k = 0; k < b->to.n; k++)
			if (b->from.first + i != b->to.first + k &&
			    !sim_topology_route(b->topology, b->from.first + i, b->to.first + k, 0,
						&unused))
				return false;
	return true;
}

static void choose_kind(const struct sim_mix *mix, double u, struct sim_flow_params *flow)
{
	const struct sim_mix *kind = NULL;
	double all = 0;

	for (int i = 0; i < SIM_MIX_MAX; i++)
		all += mix[i].share;
	u *= all;
	for (int i = 0; i < SIM_MIX_MAX && (!kind || u >= 0); i++) {
		if (mix[i].share <= 0)
			continue;
		kind = &mix[i];
		u -= kind->share;
	}
	if (!kind)
		return;
	flow->cc = kind->cc;
	flow->ecn = kind->ecn;
	flow->gso_bytes = kind->gso_bytes;
}

/* Two random numbers a flow, whatever is made of them, and hosts until they differ. */
static void place(struct sim_source *src, struct sim_flow_params *flow)
{
	const struct sim_between *b = &src->p.between;
	const double kind = rng_uniform(&src->places);
	const uint64_t hash = rng_u64(&src->places);
	uint32_t from, to;

	choose_kind(b->mix, kind, flow);
	if (!b->topology)
		return;
	do {
		from = b->from.first + rng_below(&src->places, b->from.n);
		to = b->to.first + rng_below(&src->places, b->to.n);
	} while (from == to);
	sim_topology_route(b->topology, from, to, hash, flow);
}

static uint64_t draw_bytes(const struct dist *sizes, struct rng *rng)
{
	const double bytes = dist_quantile(sizes, rng_uniform(rng));

	return bytes < 1 ? 1 : (uint64_t)bytes;
}

/* --- flows ------------------------------------------------------------------------ */

int sim_add_flow(struct sim *s, const struct sim_flow_params *p)
{
	return flow_ok(s, p) ? flow_start(s, p) : -EINVAL;
}

int sim_add_source(struct sim *s, const struct sim_source_params *p)
{
	struct sim_source *src;

	if (!flow_ok(s, &p->flow) || !p->sizes || !(p->flows_per_s > 0) || !window_ok(&p->window) ||
	    !between_ok(&p->between) || (p->off_ns && !p->on_ns))
		return -EINVAL;
	src = sim_grow((void **)&s->source, &s->n_sources, sizeof(*src));
	if (!src)
		return -ENOMEM;
	src->p = *p;
	src->gaps = (struct sim_gaps){
		.per_s = p->flows_per_s, .on_ns = p->on_ns, .off_ns = p->off_ns,
		.on_until_ns = s->now_ns, .window = p->window,
	};
	rng_split(&s->rng, STREAM_SOURCE + s->n_sources, &src->gaps.rng);
	rng_split(&s->rng, STREAM_SIZES + s->n_sources, &src->sizes);
	rng_split(&s->rng, STREAM_PLACES + s->n_sources, &src->places);
	return schedule(s, &src->gaps, SIM_EV_SOURCE, s->n_sources - 1);
}

int source_arrives(struct sim *s, uint32_t index)
{
	struct sim_source *src = &s->source[index];
	struct sim_flow_params flow = src->p.flow;
	int r;

	if (s->now_ns >= src->p.until_ns)
		return 0;
	flow.bytes = draw_bytes(src->p.sizes, &src->sizes);
	place(src, &flow);
	r = flow_start(s, &flow);
	return r < 0 ? r : schedule(s, &src->gaps, SIM_EV_SOURCE, index);
}

/* --- queries ---------------------------------------------------------------------- */

int sim_add_incast(struct sim *s, const struct sim_incast_params *p)
{
	struct sim_incast *in;
	uint16_t *order;

	if (!p->between.topology || !between_ok(&p->between) || !p->degree ||
	    (unsigned int)p->flow.cc >= SIM_CC_MAX || p->flow.gso_bytes > SIM_GSO_MAX ||
	    !(p->queries_per_s > 0) || !window_ok(&p->window))
		return -EINVAL;
	order = malloc(p->between.from.n * sizeof(*order));
	in = order ? sim_grow((void **)&s->incast, &s->n_incasts, sizeof(*in)) : NULL;
	if (!in) {
		free(order);
		return -ENOMEM;
	}
	in->p = *p;
	in->order = order;
	in->gaps = (struct sim_gaps){
		.per_s = p->queries_per_s, .periodic = p->periodic, .window = p->window,
	};
	rng_split(&s->rng, STREAM_QUERIES + s->n_incasts, &in->gaps.rng);
	rng_split(&s->rng, STREAM_ANSWERS + s->n_incasts, &in->sizes);
	rng_split(&s->rng, STREAM_ASKED + s->n_incasts, &in->places);
	return schedule(s, &in->gaps, SIM_EV_INCAST, s->n_incasts - 1);
}

/* Who asks, and whom: the first of in->order, shuffled. Returns how many could be asked. */
static uint32_t choose_hosts(struct sim_incast *in, uint32_t *client)
{
	const struct sim_between *b = &in->p.between;
	uint32_t n = 0;

	do {
		*client = b->to.first + rng_below(&in->places, b->to.n);
	} while (b->from.n == 1 && b->from.first == *client);
	for (uint32_t i = 0; i < b->from.n; i++)
		if (b->from.first + i != *client)
			in->order[n++] = b->from.first + i;
	for (uint32_t i = 0; i < n && i < in->p.degree; i++) {
		const uint32_t other = i + rng_below(&in->places, n - i);
		const uint16_t host = in->order[other];

		in->order[other] = in->order[i];
		in->order[i] = host;
	}
	return n;
}

static int answer(struct sim *s, struct sim_incast *in, uint32_t query, uint32_t from, uint32_t to)
{
	struct sim_flow_params flow = in->p.flow;
	struct sim_query *q = &s->query[query];
	const struct sim_path *path;
	int r;

	choose_kind(in->p.between.mix, rng_uniform(&in->places), &flow);
	sim_topology_route(in->p.between.topology, from, to, rng_u64(&in->places), &flow);
	if (in->p.sizes)
		flow.bytes = draw_bytes(in->p.sizes, &in->sizes);
	path = &s->path[flow.data_path];
	q->last_link_ns += wire_bytes(flow.bytes) * path->ns_per_byte_last;
	q->alone_ns = fmax(q->alone_ns, alone_ns(path, flow.bytes, SIM_MSS));
	q->delay_ns = fmax(q->delay_ns, path->delay_ns);
	r = flow_start(s, &flow);
	if (r < 0)
		return r;
	s->flow[r].query = query + 1;
	return 0;
}

int incast_arrives(struct sim *s, uint32_t index)
{
	struct sim_incast *in = &s->incast[index];
	uint32_t client, n, query;
	int r;

	if (s->now_ns >= in->p.until_ns)
		return 0;
	r = query_begin(s, in->p.degree, &query);
	n = r ? 0 : choose_hosts(in, &client);
	for (uint32_t i = 0; !r && i < in->p.degree; i++)
		r = answer(s, in, query, in->order[i % n], client);
	return r ? r : schedule(s, &in->gaps, SIM_EV_INCAST, index);
}

/* --- packets ---------------------------------------------------------------------- */

int sim_add_blast(struct sim *s, const struct sim_blast_params *p)
{
	struct sim_blast *b;

	if (p->path >= s->n_paths || !p->bytes || !(p->packets_per_s > 0))
		return -EINVAL;
	b = sim_grow((void **)&s->blast, &s->n_blasts, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->p = *p;
	b->gaps.per_s = p->packets_per_s;
	rng_split(&s->rng, STREAM_BLAST + s->n_blasts, &b->gaps.rng);
	return schedule(s, &b->gaps, SIM_EV_BLAST, s->n_blasts - 1);
}

int blast_arrives(struct sim *s, uint32_t index)
{
	struct sim_blast *b = &s->blast[index];
	const struct sim_packet p = {
		.bytes = b->p.bytes, .path = b->p.path, .flags = PKT_NOBODY, .segments = 1,
	};
	int r;

	if (s->now_ns >= b->p.until_ns)
		return 0;
	r = stage_enter(s, &p);
	return r ? r : schedule(s, &b->gaps, SIM_EV_BLAST, index);
}
