// SPDX-License-Identifier: GPL-2.0
/*
 * Queues and links. What is being sent is in no queue any more, as with a qdisc; under a token bucket
 * the first packet waits for its tokens in the queue, and then needs no time.
 */
#include <errno.h>
#include <stdlib.h>

#include "sim/sim_priv.h"

static int fifo_push(struct sim_fifo *f, const struct sim_packet *p)
{
	if (f->n == f->room) {
		const uint32_t room = f->room ? f->room * 2 : 64;
		struct sim_packet *more = malloc(room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		for (uint32_t i = 0; i < f->n; i++)
			more[i] = f->packet[(f->head + i) & (f->room - 1)];
		free(f->packet);
		f->packet = more;
		f->head = 0;
		f->room = room;
	}
	f->packet[(f->head + f->n++) & (f->room - 1)] = *p;
	return 0;
}

static const struct sim_packet *fifo_head(const struct sim_fifo *f)
{
	return &f->packet[f->head];
}

static struct sim_packet fifo_pop(struct sim_fifo *f)
{
	const struct sim_packet p = f->packet[f->head];

	f->head = (f->head + 1) & (f->room - 1);
	f->n--;
	return p;
}

/* Call it before the backlog changes. */
static void integrate(struct sim_stage *st, uint64_t now_ns)
{
	const uint64_t elapsed_ns = now_ns - st->changed_ns;

	if (st->stats.backlog_bytes) {
		st->stats.backlog_byte_ns += (double)st->stats.backlog_bytes * elapsed_ns;
		st->stats.backlogged_ns += elapsed_ns;
	}
	st->changed_ns = now_ns;
}

/* On the wire until its delay is over; those behind it come later. */
static int travel(struct sim *s, uint32_t stage, struct sim_packet *p)
{
	struct sim_stage *st = &s->stage[stage];

	p->at_ns = s->now_ns + st->delay_ns;
	if (!st->under_way.n) {
		int r = heap_push(&s->heap, p->at_ns, SIM_EV_ARRIVES, stage);

		if (r)
			return r;
	}
	return fifo_push(&st->under_way, p);
}

static void count_sojourn(struct sim_stage_stats *st, uint64_t ns)
{
	const int slot = ns ? 63 - __builtin_clzll(ns) : 0;

	st->sojourn_hist[slot < SLUICE_HIST_SLOTS ? slot : SLUICE_HIST_SLOTS - 1]++;
}

static bool ramp_selects(struct sim_stage *st)
{
	if (!sluice_aqm_decide(&st->aqm, &st->lot, st->stats.backlog_bytes))
		return false;
	if (sluice_aqm_spent(&st->lot))
		sluice_aqm_draw(&st->lot, rng_u64(&st->rng) >> 32);
	return true;
}

static bool turn_selects(struct sim_stage *st)
{
	if (!st->select_every || ++st->unselected < st->select_every)
		return false;
	st->unselected = 0;
	return true;
}

/* false: it is to be dropped. */
static bool mark(struct sim_stage *st, struct sim_packet *p)
{
	const bool ramp = ramp_selects(st), turn = turn_selects(st);

	if ((!ramp && !turn) || (p->flags & PKT_CE))
		return true;
	if (p->flags & PKT_ECT) {
		p->flags |= PKT_CE;
		st->stats.ce_packets += p->segments;
		st->stats.ce_bytes += p->bytes;
		return true;
	}
	if (!turn && !st->drop_non_ect)
		return true;
	st->stats.early_drops += p->segments;
	return false;
}

/* What a packet has to wait for until the bucket has its tokens; takes them. */
static double bucket_owes(struct sim_stage *st, uint64_t now_ns, double bytes)
{
	const double saved = st->saved_bytes + (now_ns - st->idle_ns) / st->ns_per_byte;
	const double tokens = saved < st->burst_bytes ? saved : st->burst_bytes;

	st->saved_bytes = tokens > bytes ? tokens - bytes : 0;
	return tokens > bytes ? 0 : bytes - tokens;
}

/* The packet in hand is out of the queue and on its way. */
static int leave(struct sim *s, uint32_t stage)
{
	struct sim_stage *st = &s->stage[stage];
	struct sim_packet p = st->in_hand;

	if (st->burst_bytes) {
		integrate(st, s->now_ns);
		st->stats.backlog_bytes -= p.bytes;
	}
	st->stats.packets += p.segments;
	st->stats.bytes += p.bytes;
	if (p.flags & PKT_ECT)
		st->stats.ect_bytes += p.bytes;
	if (p.seq >= SIM_ELEPHANT && !(p.flags & PKT_ACK))
		st->stats.elephant_bytes += p.bytes;
	return travel(s, stage, &p);
}

static int send_next(struct sim *s, uint32_t stage)
{
	struct sim_stage *st = &s->stage[stage];
	uint64_t sent_ns, first_ns = s->now_ns;
	double bytes;

	st->sending = st->queue.n;
	if (!st->sending)
		return 0;
	integrate(st, s->now_ns);
	st->in_hand = fifo_pop(&st->queue);
	s->events++;
	bytes = st->in_hand.bytes;
	if (st->burst_bytes)
		bytes = bucket_owes(st, s->now_ns, bytes);
	else
		st->stats.backlog_bytes -= st->in_hand.bytes;
	if (st->mark_departing)
		mark(st, &st->in_hand);
	if (st->trace)
		sent_ns = link_trace_sent_ns(st->trace, &st->cursor, s->now_ns, st->in_hand.bytes);
	else
		sent_ns = s->now_ns + (uint64_t)(bytes * st->ns_per_byte + 0.5);
	if (st->burst_bytes)
		st->idle_ns = first_ns = sent_ns;
	count_sojourn(&st->stats, first_ns - st->in_hand.at_ns);
	st->stats.wait_sum_ns += (double)(sent_ns - st->in_hand.at_ns);
	if (st->burst_bytes && bytes <= 0) {
		/* Now, before a second one of the same time finds it in the queue; the queue was empty. */
		st->sending = false;
		return leave(s, stage);
	}
	return heap_push(&s->heap, sent_ns, SIM_EV_SENT, stage);
}

/* false: it is dropped. */
static bool accept(struct sim_stage *st, struct sim_packet *p)
{
	if (st->limit_bytes && st->stats.backlog_bytes + p->bytes > st->limit_bytes) {
		st->stats.limit_drops += p->segments;
		return false;
	}
	return st->mark_departing || mark(st, p);
}

int stage_enter(struct sim *s, const struct sim_packet *packet)
{
	const uint32_t stage = s->path[packet->path].stage[packet->hop];
	struct sim_stage *st = &s->stage[stage];
	struct sim_packet p = *packet;
	int r;

	s->events++;
	if (!st->ns_per_byte)
		return travel(s, stage, &p);
	if (!accept(st, &p))
		return 0;
	integrate(st, s->now_ns);
	p.at_ns = s->now_ns;
	r = fifo_push(&st->queue, &p);
	if (r)
		return r;
	st->stats.backlog_bytes += p.bytes;
	if (st->stats.backlog_bytes > st->stats.backlog_max_bytes && st->sending)
		st->stats.backlog_max_bytes = st->stats.backlog_bytes;
	return st->sending ? 0 : send_next(s, stage);
}

int stage_sent(struct sim *s, uint32_t stage)
{
	const int r = leave(s, stage);

	return r ? r : send_next(s, stage);
}

int stage_arrives(struct sim *s, uint32_t stage)
{
	struct sim_stage *st = &s->stage[stage];
	struct sim_packet p = fifo_pop(&st->under_way);
	int r = 0;

	if (st->under_way.n)
		r = heap_push(&s->heap, fifo_head(&st->under_way)->at_ns, SIM_EV_ARRIVES, stage);
	if (r)
		return r;
	if (++p.hop < s->path[p.path].n)
		return stage_enter(s, &p);
	if (p.flags & PKT_RATE)
		return rate_packet(s, &p);
	return p.flags & PKT_NOBODY ? 0 : flow_packet(s, &p);
}

static void count_capacity(struct sim_stage *st, uint64_t now_ns)
{
	if (st->trace)
		st->stats.capacity_bytes = link_trace_bytes(st->trace, now_ns) -
					   link_trace_bytes(st->trace, st->rate_set_ns);
	else if (st->ns_per_byte > 0)
		st->stats.capacity_bytes += (now_ns - st->rate_set_ns) / st->ns_per_byte;
}

int sim_set_rate(struct sim *s, unsigned int stage, double rate_bps)
{
	struct sim_stage *st = &s->stage[stage];

	if (st->trace || !st->ns_per_byte || !(rate_bps > 0))
		return -EINVAL;
	count_capacity(st, s->now_ns);
	st->rate_set_ns = s->now_ns;
	st->ns_per_byte = 8e9 / rate_bps;
	return 0;
}

void sim_stage_read(const struct sim *s, unsigned int stage, struct sim_stage_stats *out)
{
	struct sim_stage now = s->stage[stage];

	integrate(&now, s->now_ns);
	count_capacity(&now, s->now_ns);
	*out = now.stats;
}
