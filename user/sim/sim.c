// SPDX-License-Identifier: GPL-2.0
/* A run: what it consists of, and its loop. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_priv.h"

/* Streams of random numbers, so that a policy's draws do not shift the arrivals'. */
#define STREAM_STAGE	0x1000000ULL
#define STREAM_SOURCE	0x2000000ULL
#define STREAM_SIZES	0x3000000ULL
#define STREAM_BLAST	0x4000000ULL

#define INDEX_MAX	0xffff		/* of stages and paths */

/* One more element, zeroed, or NULL. */
static void *add(void **array, uint32_t *n, size_t size)
{
	char *more = realloc(*array, (*n + 1) * size);

	if (!more)
		return NULL;
	*array = more;
	return memset(more + (*n)++ * size, 0, size);
}

struct sim *sim_new(uint64_t seed)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (s)
		rng_seed(&s->rng, seed);
	return s;
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n_stages; i++) {
		free(s->stage[i].queue.packet);
		free(s->stage[i].under_way.packet);
	}
	for (uint32_t i = 0; i < s->n_paths; i++)
		free(s->path[i].stage);
	for (uint32_t i = 0; i < s->n_flows; i++)
		free(s->flow[i].beyond);
	free(s->stage);
	free(s->path);
	free(s->flow);
	free(s->idle_flow);
	free(s->source);
	free(s->blast);
	free(s->heap.event);
	free(s);
}

int sim_add_stage(struct sim *s, const struct sim_stage_params *p)
{
	const double rate_bps = p->trace ? p->trace->mean_bps : p->rate_bps;
	struct sim_stage *st;

	if (p->rate_bps < 0 || (p->trace && !(p->trace->mean_bps > 0)) || p->aqm.qth_min > p->aqm.qth_max || p->aqm.max_p > SLUICE_AQM_PPM ||
	    s->n_stages > INDEX_MAX)
		return -EINVAL;
	st = add((void **)&s->stage, &s->n_stages, sizeof(*st));
	if (!st)
		return -ENOMEM;
	st->ns_per_byte = rate_bps > 0 ? 8e9 / rate_bps : 0;
	st->trace = p->trace;
	st->rate_set_ns = s->now_ns;
	st->delay_ns = p->delay_ns;
	st->limit_bytes = p->limit_bytes;
	st->drop_non_ect = p->drop_non_ect;
	st->select_every = p->select_every;
	st->changed_ns = s->now_ns;
	sluice_aqm_configure(&st->aqm, &p->aqm);
	rng_split(&s->rng, STREAM_STAGE + s->n_stages, &st->rng);
	sluice_aqm_draw(&st->lot, rng_u64(&st->rng) >> 32);
	return (int)s->n_stages - 1;
}

int sim_add_path(struct sim *s, const uint16_t *stages, size_t n)
{
	struct sim_path *path;

	if (!n || n > UINT8_MAX || s->n_paths > INDEX_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (stages[i] >= s->n_stages)
			return -EINVAL;
	path = add((void **)&s->path, &s->n_paths, sizeof(*path));
	if (!path)
		return -ENOMEM;
	path->stage = malloc(n * sizeof(*stages));
	if (!path->stage) {
		s->n_paths--;
		return -ENOMEM;
	}
	memcpy(path->stage, stages, n * sizeof(*stages));
	path->n = n;
	for (size_t i = 0; i < n; i++) {
		path->delay_ns += s->stage[stages[i]].delay_ns;
		path->ns_per_byte = fmax(path->ns_per_byte, s->stage[stages[i]].ns_per_byte);
		path->ns_per_byte_all += s->stage[stages[i]].ns_per_byte;
	}
	return (int)s->n_paths - 1;
}

static bool flow_ok(const struct sim *s, const struct sim_flow_params *p)
{
	return p->data_path < s->n_paths && p->ack_path < s->n_paths &&
	       (unsigned int)p->cc < SIM_CC_MAX && p->gso_bytes <= SIM_GSO_MAX;
}

int sim_add_flow(struct sim *s, const struct sim_flow_params *p)
{
	return flow_ok(s, p) ? flow_start(s, p) : -EINVAL;
}

static uint64_t gap_ns(struct rng *rng, double per_s)
{
	return (uint64_t)(-log(1 - rng_uniform(rng)) * 1e9 / per_s);
}

int sim_add_source(struct sim *s, const struct sim_source_params *p)
{
	struct sim_source *src;

	if (!flow_ok(s, &p->flow) || !p->sizes || !(p->flows_per_s > 0))
		return -EINVAL;
	src = add((void **)&s->source, &s->n_sources, sizeof(*src));
	if (!src)
		return -ENOMEM;
	src->p = *p;
	rng_split(&s->rng, STREAM_SOURCE + s->n_sources, &src->gaps);
	rng_split(&s->rng, STREAM_SIZES + s->n_sources, &src->sizes);
	return heap_push(&s->heap, s->now_ns + gap_ns(&src->gaps, p->flows_per_s), SIM_EV_SOURCE,
			 s->n_sources - 1);
}

int sim_add_blast(struct sim *s, const struct sim_blast_params *p)
{
	struct sim_blast *b;

	if (p->path >= s->n_paths || !p->bytes || !(p->packets_per_s > 0))
		return -EINVAL;
	b = add((void **)&s->blast, &s->n_blasts, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->p = *p;
	rng_split(&s->rng, STREAM_BLAST + s->n_blasts, &b->gaps);
	return heap_push(&s->heap, s->now_ns + gap_ns(&b->gaps, p->packets_per_s), SIM_EV_BLAST,
			 s->n_blasts - 1);
}

static int arrive(struct sim *s, uint32_t index)
{
	struct sim_source *src = &s->source[index];
	struct sim_flow_params flow = src->p.flow;
	const uint64_t next = s->now_ns + gap_ns(&src->gaps, src->p.flows_per_s);
	double bytes;
	int r;

	if (s->now_ns >= src->p.until_ns)
		return 0;
	bytes = dist_quantile(src->p.sizes, rng_uniform(&src->sizes));
	flow.bytes = bytes < 1 ? 1 : (uint64_t)bytes;
	r = flow_start(s, &flow);
	return r < 0 ? r : heap_push(&s->heap, next, SIM_EV_SOURCE, index);
}

static int blast(struct sim *s, uint32_t index)
{
	struct sim_blast *b = &s->blast[index];
	const struct sim_packet p = {
		.bytes = b->p.bytes, .path = b->p.path, .flags = PKT_NOBODY, .segments = 1,
	};
	const uint64_t next = s->now_ns + gap_ns(&b->gaps, b->p.packets_per_s);
	int r;

	if (s->now_ns >= b->p.until_ns)
		return 0;
	r = stage_enter(s, &p);
	return r ? r : heap_push(&s->heap, next, SIM_EV_BLAST, index);
}

static int happen(struct sim *s, const struct sim_event *ev)
{
	switch ((enum sim_kind)ev->kind) {
	case SIM_EV_SENT:
		return stage_sent(s, ev->index);
	case SIM_EV_ARRIVES:
		return stage_arrives(s, ev->index);
	case SIM_EV_TIMEOUT:
		return flow_timeout(s, ev->index);
	case SIM_EV_SOURCE:
		return arrive(s, ev->index);
	case SIM_EV_BLAST:
		return blast(s, ev->index);
	}
	return -EINVAL;
}

int sim_run(struct sim *s, uint64_t until_ns)
{
	struct sim_event ev;
	int r = 0;

	while (!r && s->heap.n && s->heap.event[0].time_ns <= until_ns) {
		heap_pop(&s->heap, &ev);
		s->now_ns = ev.time_ns;
		r = happen(s, &ev);
	}
	if (!r && s->now_ns < until_ns)
		s->now_ns = until_ns;
	return r;
}

void sim_set_aqm(struct sim *s, unsigned int stage, const struct sluice_aqm_params *p)
{
	sluice_aqm_configure(&s->stage[stage].aqm, p);
}

uint64_t sim_now_ns(const struct sim *s)
{
	return s->now_ns;
}

uint64_t sim_events(const struct sim *s)
{
	return s->events;
}

void sim_watch_flows(struct sim *s, sim_watch *fn, void *arg)
{
	s->watch = fn;
	s->watch_arg = arg;
}
