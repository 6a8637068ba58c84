// SPDX-License-Identifier: GPL-2.0
/* A run: what it consists of, and its loop. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_priv.h"

/* Streams of random numbers, so that a policy's draws do not shift the arrivals'. */
#define STREAM_STAGE	0x1000000ULL
/* Those of sources are in source.c. */

#define INDEX_MAX	0xffff		/* of stages and paths */

void *sim_grow(void **array, uint32_t *n, size_t size)
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
	for (uint32_t i = 0; i < s->n_incasts; i++)
		free(s->incast[i].order);
	free(s->incast);
	free(s->query);
	free(s->idle_query);
	free(s->source);
	free(s->blast);
	free(s->heap.event);
	rate_free(s->rate);
	free(s);
}

int sim_add_stage(struct sim *s, const struct sim_stage_params *p)
{
	const double rate_bps = p->trace ? p->trace->mean_bps : p->rate_bps;
	struct sim_stage *st;

	if (p->rate_bps < 0 || (p->trace && !(p->trace->mean_bps > 0)) ||
	    p->aqm.qth_min > p->aqm.qth_max || p->aqm.max_p > SLUICE_AQM_PPM ||
	    (p->mark_departing && (p->drop_non_ect || p->select_every)) ||
	    (p->burst_bytes && (p->mark_departing || p->trace || !(p->rate_bps > 0))) ||
	    s->n_stages > INDEX_MAX)
		return -EINVAL;
	st = sim_grow((void **)&s->stage, &s->n_stages, sizeof(*st));
	if (!st)
		return -ENOMEM;
	st->ns_per_byte = rate_bps > 0 ? 8e9 / rate_bps : 0;
	st->trace = p->trace;
	st->rate_set_ns = s->now_ns;
	st->delay_ns = p->delay_ns;
	st->limit_bytes = p->limit_bytes;
	st->burst_bytes = p->burst_bytes;
	st->saved_bytes = p->burst_bytes;
	st->idle_ns = s->now_ns;
	st->drop_non_ect = p->drop_non_ect;
	st->select_every = p->select_every;
	st->mark_departing = p->mark_departing;
	st->changed_ns = s->now_ns;
	sluice_aqm_configure(&st->aqm, &p->aqm);
	rng_split(&s->rng, STREAM_STAGE + s->n_stages, &st->rng);
	sluice_aqm_draw(&st->lot, rng_u64(&st->rng) >> 32);
	return (int)s->n_stages - 1;
}

int sim_add_path(struct sim *s, const uint16_t *stages, size_t n)
{
	struct sim_path *path;

	if (!n || n > UINT8_MAX || s->n_paths >= INDEX_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (stages[i] >= s->n_stages)
			return -EINVAL;
	path = sim_grow((void **)&s->path, &s->n_paths, sizeof(*path));
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
		if (s->stage[stages[i]].ns_per_byte > 0)
			path->ns_per_byte_last = s->stage[stages[i]].ns_per_byte;
	}
	return (int)s->n_paths - 1;
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
		return source_arrives(s, ev->index);
	case SIM_EV_INCAST:
		return incast_arrives(s, ev->index);
	case SIM_EV_BLAST:
		return blast_arrives(s, ev->index);
	case SIM_EV_RATE:
		return rate_event(s, ev->index);
	}
	return -EINVAL;
}

int sim_run(struct sim *s, uint64_t until_ns)
{
	struct sim_event ev;
	int r = 0;

	while (!r && heap_pop(&s->heap, until_ns, &ev)) {
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
