// SPDX-License-Identifier: GPL-2.0
/*
 * Senders and receivers.
 *
 * Slow start and fast retransmit follow RFC 5681. A mark reduces the window once per window of data;
 * by how much, and how it grows, is in cc.c. The timer is RFC 6298's with Linux's minimum of 200 ms.
 *
 * Recovery is that of SACK (RFC 6675), made simple by paths that keep the order: what is missing below
 * the highest byte that has arrived was lost, and so was what is sent again if something sent later
 * has arrived. Holes are filled as far as the window is larger than what is under way. After a
 * time-out everything is sent again.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_priv.h"

#define INITIAL_WINDOW	(10.0 * SIM_MSS)	/* RFC 6928 */
#define MIN_WINDOW	(2.0 * SIM_MSS)
#define RTO_MIN_NS	200000000ULL
#define RTO_MAX_NS	60000000000ULL
#define SYN_RTO_NS	1000000000ULL
#define SYN_BYTES	74	/* Ethernet, IPv4, TCP with its options */
#define DUPACKS		3

/* --- coming and going --------------------------------------------------------- */

static int slot(struct sim *s, uint32_t *ret)
{
	struct sim_flow *more;
	uint32_t *idle;
	uint32_t room;

	if (!s->n_idle) {
		room = s->n_flows ? s->n_flows * 2 : 64;
		more = realloc(s->flow, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->flow = more;
		memset(more + s->n_flows, 0, (room - s->n_flows) * sizeof(*more));
		idle = realloc(s->idle_flow, room * sizeof(*idle));
		if (!idle)
			return -ENOMEM;
		s->idle_flow = idle;
		while (s->n_flows < room)
			s->idle_flow[s->n_idle++] = s->n_flows++;
	}
	*ret = s->idle_flow[--s->n_idle];
	return 0;
}

static void release(struct sim *s, uint32_t flow)
{
	struct sim_flow *f = &s->flow[flow];

	f->used = false;
	f->generation++;
	f->n_beyond = 0;
	/* Its timers may still be in the heap, and find no flow; only then the slot is free. */
	if (!f->timers)
		s->idle_flow[s->n_idle++] = flow;
}

/* --- sending ------------------------------------------------------------------- */

/*
 * A timer that moves away stays in the heap and looks at the deadline when it fires; for an earlier
 * deadline there is another one, and the first becomes stale.
 */
static int wait_until(struct sim *s, uint32_t flow, uint64_t deadline_ns)
{
	struct sim_flow *f = &s->flow[flow];
	int r;

	f->deadline_ns = deadline_ns;
	if (f->timers && f->timer_ns <= deadline_ns)
		return 0;
	r = heap_push(&s->heap, deadline_ns, SIM_EV_TIMEOUT, flow);
	if (r)
		return r;
	f->timers++;
	f->timer_ns = deadline_ns;
	return 0;
}

static int arm(struct sim *s, uint32_t flow)
{
	return wait_until(s, flow, s->now_ns + s->flow[flow].rto_ns);
}

static int send_packet(struct sim *s, uint32_t flow, uint64_t seq, uint32_t payload, bool again)
{
	const struct sim_flow *f = &s->flow[flow];
	const uint32_t segments = payload <= SIM_MSS ? 1 : (payload + SIM_MSS - 1) / SIM_MSS;
	const struct sim_packet p = {
		.seq = seq, .sent_ns = s->now_ns, .flow = flow, .generation = f->generation,
		.payload = payload, .bytes = payload + segments * SIM_HEADERS,
		.segments = segments, .path = f->data_path,
		.flags = (f->ecn ? PKT_ECT : 0) | (again ? PKT_AGAIN : 0),
	};

	s->stats.retransmits += again ? segments : 0;
	return stage_enter(s, &p);
}

/*
 * What is under way. Paths keep the order, so that everything below the highest byte that has
 * arrived has arrived, was lost, or was sent again.
 */
static double in_pipe(const struct sim_flow *f)
{
	const uint64_t top = f->heard > f->una ? f->heard : f->una;

	if (!f->recovering)
		return f->next - f->una;
	return (f->next > top ? f->next - top : 0) + f->again;
}

/* The payload of the next packet; 0: nothing may leave now. */
static uint32_t next_payload(const struct sim_flow *f)
{
	const double under_way = in_pipe(f), room = f->cwnd - under_way;
	const uint64_t left = f->bytes - f->next;
	uint32_t payload = SIM_MSS;

	if (!left || (under_way > 0 && room < SIM_MSS))
		return 0;
	if (f->packet_bytes > SIM_MSS && room >= 2 * SIM_MSS) {
		payload = room < f->packet_bytes ? (uint32_t)(room / SIM_MSS) * SIM_MSS :
						   f->packet_bytes;
	}
	if (payload >= left)
		return left;
	if (under_way > 0 && payload < f->packet_bytes && payload < f->cwnd / 3)
		return 0;
	return payload;
}

/*
 * The first hole from "from" on, of those the sender can know of. It looks at what the receiver has:
 * below the highest byte that is known to have arrived nothing but what is sent again can still
 * change that, and this is not looked at before the next recovery.
 */
static bool find_hole(const struct sim_flow *f, uint64_t from, uint64_t *begin, uint64_t *end)
{
	uint64_t at = f->received > from ? f->received : from;

	for (uint32_t i = 0; i < f->n_beyond && at < f->heard; i++) {
		if (at < f->beyond[i].from) {
			*begin = at;
			*end = f->beyond[i].from < f->heard ? f->beyond[i].from : f->heard;
			return true;
		}
		if (at < f->beyond[i].to)
			at = f->beyond[i].to;
	}
	return false;
}

/* Sends the first hole again, as far as its end is known, and at least a segment. */
static int send_first(struct sim *s, uint32_t flow)
{
	struct sim_flow *f = &s->flow[flow];
	uint64_t begin, end, bytes = SIM_MSS;

	if (find_hole(f, f->una, &begin, &end) && begin == f->una && end - begin > bytes)
		bytes = end - begin;
	if (bytes > f->packet_bytes)
		bytes = f->packet_bytes;
	if (bytes > f->bytes - f->una)
		bytes = f->bytes - f->una;
	f->repaired = f->una + bytes;
	f->again = bytes;
	return send_packet(s, flow, f->una, bytes, true);
}

/* Sends again what is known to be lost, as far as the window goes. */
static int repair(struct sim *s, uint32_t flow)
{
	struct sim_flow *f = &s->flow[flow];
	uint64_t begin, end;
	int r = 0;

	while (!r && (in_pipe(f) + SIM_MSS <= f->cwnd || in_pipe(f) <= 0) &&
	       find_hole(f, f->repaired > f->una ? f->repaired : f->una, &begin, &end)) {
		const uint64_t bytes = end - begin < f->packet_bytes ? end - begin : f->packet_bytes;

		if (begin == f->una)
			f->una_again_ns = s->now_ns;
		f->repaired = begin + bytes;
		f->again += bytes;
		r = send_packet(s, flow, begin, bytes, true);
	}
	return r;
}

static int send_window(struct sim *s, uint32_t flow)
{
	struct sim_flow *f = &s->flow[flow];
	uint32_t payload;
	int r = 0;

	while (!r && (payload = next_payload(f))) {
		const uint64_t seq = f->next;

		f->next += payload;
		r = send_packet(s, flow, seq, payload, seq < f->recover);
	}
	return r ? r : arm(s, flow);
}

static int send_syn(struct sim *s, uint32_t flow)
{
	const struct sim_flow *f = &s->flow[flow];
	const struct sim_packet p = {
		.sent_ns = s->now_ns, .flow = flow, .generation = f->generation, .bytes = SYN_BYTES,
		.segments = 1, .path = f->data_path, .flags = PKT_SYN,
	};
	int r = stage_enter(s, &p);

	return r ? r : arm(s, flow);
}

static void measure_rtt(struct sim_flow *f, double rtt_ns)
{
	double rto;

	if (f->srtt_ns <= 0) {
		f->srtt_ns = rtt_ns;
		f->rttvar_ns = rtt_ns / 2;
	} else {
		f->rttvar_ns += (fabs(f->srtt_ns - rtt_ns) - f->rttvar_ns) / 4;
		f->srtt_ns += (rtt_ns - f->srtt_ns) / 8;
	}
	rto = f->srtt_ns + 4 * f->rttvar_ns;
	f->rto_ns = rto < RTO_MIN_NS ? RTO_MIN_NS : rto > RTO_MAX_NS ? RTO_MAX_NS : (uint64_t)rto;
}

int flow_start(struct sim *s, const struct sim_flow_params *p)
{
	struct sim_flow *f;
	uint32_t flow;
	int r = slot(s, &flow);

	if (r)
		return r;
	f = &s->flow[flow];
	*f = (struct sim_flow){
		.generation = f->generation, .used = true, .ecn = p->ecn, .cc = p->cc,
		.data_path = p->data_path, .ack_path = p->ack_path,
		.packet_bytes = p->gso_bytes > SIM_MSS ? p->gso_bytes / SIM_MSS * SIM_MSS : SIM_MSS,
		.bytes = p->bytes ? p->bytes : 1, .started_ns = s->now_ns,
		.cwnd = INITIAL_WINDOW, .ssthresh = HUGE_VAL, .alpha = 1,
		.beyond = f->beyond, .room_beyond = f->room_beyond,
	};
	count_started(s, f);
	if (p->handshake) {
		f->connecting = true;
		f->rto_ns = SYN_RTO_NS;
		r = send_syn(s, flow);
		return r ? r : (int)flow;
	}
	/* What a handshake would have measured. */
	measure_rtt(f, s->path[p->data_path].delay_ns + s->path[p->ack_path].delay_ns);
	r = send_window(s, flow);
	return r ? r : (int)flow;
}

/* --- the sender hears ------------------------------------------------------------ */

/* A mark was echoed: once per window of data. */
static void reduce(struct sim_flow *f)
{
	if (f->recovering || f->una < f->reduced)
		return;
	f->cwnd = f->ssthresh = fmax(sim_cc_ops[f->cc].reduce(f, SIM_MARK), MIN_WINDOW);
	f->reduced = f->next;
}

static void grow(struct sim_flow *f, double acked, uint64_t now_ns)
{
	if (f->una < f->reduced)
		return;		/* the window that was marked is not over */
	if (f->cwnd < f->ssthresh)
		f->cwnd += acked;
	else
		sim_cc_ops[f->cc].avoid(f, acked, now_ns);
}

static int new_data(struct sim *s, uint32_t flow, double acked)
{
	struct sim_flow *f = &s->flow[flow];

	f->dupacks = 0;
	f->una_again_ns = s->now_ns;
	if (!f->recovering) {
		grow(f, acked, s->now_ns);
		return 0;
	}
	if (f->una < f->recover)
		return repair(s, flow);
	f->recovering = false;
	f->cwnd = f->ssthresh;
	return 0;
}

/* Tells that so many segments arrived beyond the hole. */
static int duplicate(struct sim *s, uint32_t flow, unsigned int segments, uint64_t sent_ns)
{
	struct sim_flow *f = &s->flow[flow];

	if (f->recovering) {
		/* What was sent after the hole was filled has arrived: that was lost again. */
		if (sent_ns > f->una_again_ns && f->repaired > f->una) {
			f->repaired = f->una;
			f->again = 0;
		}
		return repair(s, flow);
	}
	/* Not for what a former recovery or a time-out has sent twice. */
	f->dupacks += segments;
	if (f->dupacks < DUPACKS || f->una < f->recover)
		return 0;
	f->recovering = true;
	f->recover = f->next;
	f->repaired = f->una;
	f->again = 0;
	f->ssthresh = fmax(sim_cc_ops[f->cc].reduce(f, SIM_LOSS), MIN_WINDOW);
	f->cwnd = f->ssthresh;
	/* The first hole at once, whatever is under way. */
	f->una_again_ns = s->now_ns;
	return send_first(s, flow);
}

static int acknowledged(struct sim *s, const struct sim_packet *p)
{
	struct sim_flow *f = &s->flow[p->flow];
	const double acked = p->seq > f->una ? p->seq - f->una : 0;
	int r = 0;

	if (!(p->flags & PKT_AGAIN))
		measure_rtt(f, s->now_ns - p->sent_ns);
	else
		f->again = fmax(f->again - (double)p->told_segments * SIM_MSS, 0);
	if (p->seq + p->early > f->heard)
		f->heard = p->seq + p->early;
	if (acked > 0) {
		count_acked(s, f, acked);
		f->una = p->seq;
		if (f->next < f->una)
			f->next = f->una;
	}
	if (f->una >= f->bytes) {
		release(s, p->flow);
		return 0;
	}
	if (sim_cc_ops[f->cc].heard)
		sim_cc_ops[f->cc].heard(f, acked, p->flags & PKT_ECE);
	if (p->flags & PKT_ECE)
		reduce(f);
	if (acked > 0)
		r = new_data(s, p->flow, acked);
	else if (f->next > f->una)
		r = duplicate(s, p->flow, p->early ? p->told_segments : 1, p->sent_ns);
	return r ? r : send_window(s, p->flow);
}

int flow_timeout(struct sim *s, uint32_t flow)
{
	struct sim_flow *f = &s->flow[flow];

	f->timers--;
	if (!f->used) {
		if (!f->timers)
			s->idle_flow[s->n_idle++] = flow;
		return 0;
	}
	if (s->now_ns != f->timer_ns)
		return 0;
	f->timer_ns = UINT64_MAX;
	if (s->now_ns < f->deadline_ns)
		return wait_until(s, flow, f->deadline_ns);
	s->stats.timeouts++;
	if (f->connecting) {
		f->rto_ns *= 2;
		return send_syn(s, flow);
	}
	f->ssthresh = fmax(sim_cc_ops[f->cc].reduce(f, SIM_TIMEOUT), MIN_WINDOW);
	f->cwnd = SIM_MSS;
	f->recover = f->next;
	f->recovering = false;
	f->dupacks = 0;
	f->heard = f->next = f->una;
	f->rto_ns = f->rto_ns * 2 < RTO_MAX_NS ? f->rto_ns * 2 : RTO_MAX_NS;
	return send_window(s, flow);
}

/* --- the receiver ----------------------------------------------------------------- */

/* Adds a range to those that came early, which stay ascending and apart. */
static int keep_early(struct sim_flow *f, uint64_t from, uint64_t to)
{
	struct sim_range *b, new = { from, to };
	uint32_t i = 0, merged = 0;

	if (f->n_beyond == f->room_beyond) {
		const uint32_t room = f->room_beyond ? f->room_beyond * 2 : 8;

		b = realloc(f->beyond, room * sizeof(*b));
		if (!b)
			return -ENOMEM;
		f->beyond = b;
		f->room_beyond = room;
	}
	b = f->beyond;
	while (i < f->n_beyond && b[i].to < from)
		i++;
	while (i + merged < f->n_beyond && b[i + merged].from <= to) {
		new.from = new.from < b[i + merged].from ? new.from : b[i + merged].from;
		new.to = new.to > b[i + merged].to ? new.to : b[i + merged].to;
		merged++;
	}
	memmove(b + i + 1, b + i + merged, (f->n_beyond - i - merged) * sizeof(*b));
	b[i] = new;
	f->n_beyond += 1 - merged;
	return 0;
}

static void take_over(struct sim_flow *f)
{
	uint32_t n = 0;

	while (n < f->n_beyond && f->beyond[n].from <= f->received) {
		if (f->beyond[n].to > f->received)
			f->received = f->beyond[n].to;
		n++;
	}
	f->n_beyond -= n;
	if (n)
		memmove(f->beyond, f->beyond + n, f->n_beyond * sizeof(*f->beyond));
}

static int receive(struct sim *s, const struct sim_packet *p)
{
	struct sim_flow *f = &s->flow[p->flow];
	const bool was_complete = f->received >= f->bytes;
	const uint64_t to = p->seq + p->payload;
	struct sim_packet ack = {
		.sent_ns = p->sent_ns, .flow = p->flow, .generation = p->generation,
		.bytes = SIM_HEADERS, .path = f->ack_path,
		.segments = 1, .told_segments = p->segments,
		.flags = PKT_ACK | (p->flags & PKT_AGAIN) | (p->flags & PKT_CE ? PKT_ECE : 0),
	};
	int r = 0;

	if (p->seq > f->received) {
		r = keep_early(f, p->seq, to);
	} else if (to > f->received) {
		f->received = to;
		take_over(f);
	}
	if (r)
		return r;
	if (!was_complete && f->received >= f->bytes)
		count_finished(s, f);
	ack.seq = f->received;
	ack.early = to > f->received ? to - f->received : 0;
	return stage_enter(s, &ack);
}

static int shake_hands(struct sim *s, const struct sim_packet *p)
{
	struct sim_flow *f = &s->flow[p->flow];
	struct sim_packet answer = *p;

	if (p->flags & PKT_ACK) {
		if (!f->connecting)
			return 0;	/* the second answer to a SYN that was sent twice */
		f->connecting = false;
		measure_rtt(f, s->now_ns - p->sent_ns);
		return send_window(s, p->flow);
	}
	answer.flags = PKT_SYN | PKT_ACK;
	answer.path = f->ack_path;
	answer.hop = 0;
	return stage_enter(s, &answer);
}

int flow_packet(struct sim *s, const struct sim_packet *p)
{
	const struct sim_flow *f = &s->flow[p->flow];

	if (!f->used || f->generation != p->generation)
		return 0;	/* of one that has finished */
	if (p->flags & PKT_SYN)
		return shake_hands(s, p);
	return p->flags & PKT_ACK ? acknowledged(s, p) : receive(s, p);
}
