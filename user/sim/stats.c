// SPDX-License-Identifier: GPL-2.0
/*
 * What is counted of flows. One that has not ended when somebody reads is censored: it is known to
 * take at least as long as until now. To leave it out would favour the policy that starves it.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "sim/sim_priv.h"

unsigned int sim_class_of(uint64_t bytes)
{
	return bytes <= 10000 ? 0 : bytes <= 100000 ? 1 : bytes <= 1000000 ? 2 : 3;
}

double wire_bytes(double payload)
{
	return payload + ceil(payload / SIM_MSS) * SIM_HEADERS;
}

/* Alone on its path: the first packet goes from stage to stage, the others follow at the slowest. */
double alone_ns(const struct sim_path *path, double bytes, double packet_bytes)
{
	return path->delay_ns + wire_bytes(bytes) * path->ns_per_byte +
	       wire_bytes(fmin(bytes, packet_bytes)) * (path->ns_per_byte_all - path->ns_per_byte);
}

static double slowdown_of(const struct sim *s, const struct sim_flow *f)
{
	const double alone = alone_ns(&s->path[f->data_path], f->bytes, f->packet_bytes);

	return alone > 0 ? (s->now_ns - f->started_ns) / alone : 1;
}

static unsigned int slot_of(double slowdown)
{
	const int slot = slowdown > 1 ? log2(slowdown) * 8 : 0;

	return slot < SIM_SLOTS ? slot : SIM_SLOTS - 1;
}

void class_finished(struct sim_class_stats *c, double fct_ns, double slowdown)
{
	c->flows++;
	c->fct_sum_ns += fct_ns;
	c->slowdown_sum += slowdown;
	c->slowdown_hist[slot_of(slowdown)]++;
}

void class_unfinished(struct sim_class_stats *c, double age_ns, double slowdown)
{
	c->unfinished++;
	c->unfinished_age_sum_ns += age_ns;
	c->unfinished_hist[slot_of(slowdown)]++;
}

static void tell(const struct sim *s, const struct sim_flow *f, uint64_t ended_ns)
{
	const struct sim_flow_record r = {
		.started_ns = f->started_ns, .ended_ns = ended_ns, .bytes = f->bytes,
		.data_path = f->data_path, .ack_path = f->ack_path, .cc = f->cc, .ecn = f->ecn,
		.slowdown = ended_ns ? slowdown_of(s, f) : 0,
	};

	s->watch(s->watch_arg, &r);
}

void count_started(struct sim *s, const struct sim_flow *f)
{
	s->stats.started++;
	s->stats.unfinished++;
	if (s->watch)
		tell(s, f, 0);
}

/* --- queries ----------------------------------------------------------------------- */

int query_begin(struct sim *s, uint32_t answers, uint32_t *ret)
{
	if (!s->n_idle_queries) {
		uint32_t room = s->n_queries + 1, *idle;

		/* A slot more for each that is asked, never for each that was. */
		idle = realloc(s->idle_query, room * sizeof(*idle));
		if (!idle)
			return -ENOMEM;
		s->idle_query = idle;
		if (!sim_grow((void **)&s->query, &s->n_queries, sizeof(*s->query)))
			return -ENOMEM;
		s->idle_query[s->n_idle_queries++] = s->n_queries - 1;
	}
	*ret = s->idle_query[--s->n_idle_queries];
	s->query[*ret] = (struct sim_query){ .started_ns = s->now_ns, .left = answers };
	return 0;
}

/* Alone its answers would fill the last link, or the longest of them take its own time. */
static double query_slowdown(const struct sim *s, const struct sim_query *q)
{
	const double alone = fmax(q->alone_ns, q->delay_ns + q->last_link_ns);

	return alone > 0 ? (s->now_ns - q->started_ns) / alone : 1;
}

static void query_answered(struct sim *s, uint32_t query)
{
	struct sim_query *q = &s->query[query];

	if (--q->left)
		return;
	class_finished(&s->stats.query, s->now_ns - q->started_ns, query_slowdown(s, q));
	s->idle_query[s->n_idle_queries++] = query;
}

/* --- flows ------------------------------------------------------------------------- */

/* The last byte has arrived. */
void count_finished(struct sim *s, const struct sim_flow *f)
{
	const unsigned int class = sim_class_of(f->bytes);
	struct sim_traffic_stats *t = &s->stats.traffic[f->ecn][class];
	const double fct_ns = s->now_ns - f->started_ns, slowdown = slowdown_of(s, f);

	s->stats.finished++;
	s->stats.unfinished--;
	class_finished(&s->stats.class[class], fct_ns, slowdown);
	t->flows++;
	t->fct_sum_ns += fct_ns;
	t->slowdown_sum += slowdown;
	if (s->watch)
		tell(s, f, s->now_ns);
	if (f->query)
		query_answered(s, f->query - 1);
}

void count_acked(struct sim *s, const struct sim_flow *f, double bytes)
{
	s->stats.acked_bytes += bytes;
	s->stats.traffic[f->ecn][sim_class_of(f->bytes)].acked_bytes += bytes;
}

void sim_flow_read(const struct sim *s, struct sim_flow_stats *out)
{
	*out = s->stats;
	for (uint32_t i = 0; i < s->n_flows; i++) {
		const struct sim_flow *f = &s->flow[i];

		if (f->used && f->bytes != UINT64_MAX && f->received < f->bytes)
			class_unfinished(&out->class[sim_class_of(f->bytes)],
					 s->now_ns - f->started_ns, slowdown_of(s, f));
	}
	for (uint32_t i = 0; i < s->n_queries; i++) {
		const struct sim_query *q = &s->query[i];

		if (q->left)
			class_unfinished(&out->query, s->now_ns - q->started_ns, query_slowdown(s, q));
	}
}

/* Kaplan and Meier's estimate; without unfinished ones it is the plain quantile. */
double sim_slowdown_quantile(const struct sim_class_stats *c, double q)
{
	double at_risk = c->flows + c->unfinished, longer = 1;

	for (int i = 0; i < SIM_SLOTS && at_risk > 0; i++) {
		longer *= 1 - c->slowdown_hist[i] / at_risk;
		if (c->slowdown_hist[i] && 1 - longer >= q - 1e-12)
			return exp2((i + 0.5) / 8);
		at_risk -= c->slowdown_hist[i] + c->unfinished_hist[i];
	}
	return -1;
}
