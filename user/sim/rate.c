// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/rate.h"
#include "sim/sim_priv.h"

#define PKT_NACK	PKT_AGAIN	/* of an acknowledgement here */
#define NACK_GAP_NS	500000ULL	/* between two for the same gap */
#define NEVER		UINT64_MAX

/* What an event of this file is for: the low bits of its index, above them the NIC or flow. */
enum { EV_NIC_FREE, EV_NIC_TIMER, EV_START, EV_ALPHA, EV_DECREASE, EV_INCREASE, EV_BITS = 3 };

struct rate_flow {
	struct sim_rate_flow_params p;

	/* The sender. */
	uint64_t next, una;
	double rate_bps;
	uint64_t ready_ns;	/* the pace forbids the next packet before */
	double alpha;
	union {
		struct {
			uint64_t round_end;	/* a round trip is over when it is acknowledged */
			uint64_t round_packets, round_marks;
			bool reduced;		/* not again until reduced_end is acknowledged */
			uint64_t reduced_end;
		} dctcp;
		struct {
			double target_bps;
			bool running;		/* there was a first notification */
			bool marked_alpha, marked_rate;	/* one since the last period began */
			unsigned int stage;	/* increases since the last reduction */
			uint64_t increase_ns;	/* the next one; other events of it are void */
		} dcqcn;
	};

	/* The receiver. */
	uint64_t expected;
	uint64_t nack_seq, nack_ns;	/* the last gap, and when to complain of it again */
	uint64_t fct_ns;
};

struct rate_nic {
	struct sim_rate_params p;
	double ns_per_byte, rate_bps;
	uint32_t *flow;		/* those that are not known to have finished */
	uint32_t n, room, last;
	bool busy;
	uint64_t acks_ns;	/* of sending for acknowledgements that came while it was busy */
	uint64_t timer_ns;	/* NEVER: it is not set */
};

struct sim_rate {
	struct rate_nic *nic;
	struct rate_flow *flow;
	uint32_t n_nics, n_flows, room_flows;
};

static int at(struct sim *s, uint64_t time_ns, unsigned int what, uint32_t whose)
{
	return heap_push(&s->heap, time_ns, SIM_EV_RATE, whose << EV_BITS | what);
}

static bool finished(const struct rate_flow *f)
{
	return f->una >= f->p.bytes;
}

static bool window_full(const struct rate_nic *nic, const struct rate_flow *f)
{
	double window = nic->p.window_bytes;

	if (window <= 0)
		return false;
	if (nic->p.var_window)
		window = fmax(floor(window * f->rate_bps / nic->p.max_bps), 1);
	return f->next - f->una >= window;
}

/* --- the NIC -------------------------------------------------------------------- */

/* Leaves out those that have finished, from the position "first"; follows where "pick" goes. */
static int tidy(struct sim_rate *sr, struct rate_nic *nic, uint32_t first, int pick)
{
	uint32_t to = first;

	for (uint32_t i = first; i < nic->n; i++) {
		if (finished(&sr->flow[nic->flow[i]]))
			continue;
		if ((int)i == pick)
			pick = (int)to;
		nic->flow[to++] = nic->flow[i];
	}
	nic->n = to;
	return pick;
}

/* The position of the flow whose turn it is, or -1. */
static int whose_turn(struct sim *s, struct rate_nic *nic)
{
	uint32_t over = UINT32_MAX;
	int pick = -1;

	for (uint32_t i = 1; i <= nic->n; i++) {
		const uint32_t at_i = (i + nic->last) % nic->n;
		const struct rate_flow *f = &s->rate->flow[nic->flow[at_i]];

		if (finished(f)) {
			over = at_i < over ? at_i : over;
		} else if (f->next < f->p.bytes && f->ready_ns <= s->now_ns &&
			   !window_full(nic, f)) {
			pick = (int)at_i;
			break;
		}
	}
	return over < UINT32_MAX ? tidy(s->rate, nic, over, pick) : pick;
}

static uint64_t sending_ns(const struct rate_nic *nic, uint32_t bytes)
{
	return (uint64_t)(bytes * nic->ns_per_byte);
}

static int transmit(struct sim *s, uint32_t nic_id, uint32_t flow)
{
	struct rate_nic *nic = &s->rate->nic[nic_id];
	struct rate_flow *f = &s->rate->flow[flow];
	const uint64_t left = f->p.bytes - f->next;
	struct sim_packet p = {
		.segments = 1,
		.seq = f->next, .sent_ns = s->now_ns, .flow = flow, .path = f->p.data_path,
		.payload = left < nic->p.payload_bytes ? left : nic->p.payload_bytes,
		.flags = PKT_ECT | PKT_RATE,
	};
	int r;

	p.bytes = p.payload + nic->p.header_bytes;
	f->next += p.payload;
	nic->busy = true;
	r = at(s, s->now_ns + sending_ns(nic, p.bytes), EV_NIC_FREE, nic_id);
	f->ready_ns = s->now_ns + (uint64_t)(p.bytes * 8e9 / f->rate_bps);
	return r ? r : stage_enter(s, &p);
}

/*
 * Nobody may send now. The timer looks at paces only: when a flow's time has come already and its
 * window keeps it back, no timer is set, and the next acknowledgement, whosever, wakes the NIC.
 */
static int wait(struct sim *s, uint32_t nic_id)
{
	struct rate_nic *nic = &s->rate->nic[nic_id];
	uint64_t first = NEVER;

	for (uint32_t i = 0; i < nic->n; i++) {
		const struct rate_flow *f = &s->rate->flow[nic->flow[i]];

		if (f->next < f->p.bytes && f->ready_ns < first)
			first = f->ready_ns;
	}
	if (nic->timer_ns != NEVER || first == NEVER || first <= s->now_ns)
		return 0;
	nic->timer_ns = first;
	return at(s, first, EV_NIC_TIMER, nic_id);
}

static int wake(struct sim *s, uint32_t nic_id)
{
	struct rate_nic *nic = &s->rate->nic[nic_id];
	int pick;

	if (nic->busy)
		return 0;
	pick = whose_turn(s, nic);
	if (pick < 0)
		return wait(s, nic_id);
	nic->last = (uint32_t)pick;
	return transmit(s, nic_id, nic->flow[pick]);
}

/* Acknowledgements go before data. When they have gone the NIC looks for data as after data. */
static int send_ack(struct sim *s, uint32_t nic_id, const struct sim_packet *p)
{
	struct rate_nic *nic = &s->rate->nic[nic_id];
	const uint64_t ns = sending_ns(nic, p->bytes);
	int r = 0;

	if (nic->busy) {
		nic->acks_ns += ns;
	} else {
		nic->busy = true;
		r = at(s, s->now_ns + ns, EV_NIC_FREE, nic_id);
	}
	return r ? r : stage_enter(s, p);
}

static int free_again(struct sim *s, uint32_t nic_id)
{
	struct rate_nic *nic = &s->rate->nic[nic_id];
	const uint64_t ns = nic->acks_ns;

	nic->acks_ns = 0;
	if (ns)
		return at(s, s->now_ns + ns, EV_NIC_FREE, nic_id);
	nic->busy = false;
	return wake(s, nic_id);
}

static int start(struct sim *s, uint32_t flow)
{
	struct rate_flow *f = &s->rate->flow[flow];
	struct rate_nic *nic = &s->rate->nic[f->p.nic];

	if (nic->n == nic->room) {
		const uint32_t room = nic->room ? nic->room * 2 : 16;
		uint32_t *more = realloc(nic->flow, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		nic->flow = more;
		nic->room = room;
	}
	nic->flow[nic->n++] = flow;
	f->ready_ns = s->now_ns;
	return wake(s, f->p.nic);
}

/* --- DCTCP ------------------------------------------------------------------------ */

/* Once a round trip alpha moves, and the rate grows; a mark reduces it once a round trip. */
static void dctcp_ack(const struct sim_rate_params *p, struct rate_flow *f, uint64_t seq,
		      bool marked)
{
	const bool round = seq > f->dctcp.round_end;

	f->dctcp.round_marks += marked;
	if (round && !f->dctcp.round_end) {
		f->dctcp.round_packets = f->next / p->payload_bytes + 1;
	} else if (round) {
		const double share = (double)f->dctcp.round_marks / f->dctcp.round_packets;

		f->alpha += p->gain * (fmin(share, 1) - f->alpha);
		f->dctcp.round_marks = 0;
		f->dctcp.round_packets = (f->next - seq) / p->payload_bytes + 1;
	}
	if (round)
		f->dctcp.round_end = f->next;
	if (seq > f->dctcp.reduced_end)
		f->dctcp.reduced = false;
	if (marked && !f->dctcp.reduced) {
		f->rate_bps = fmax(p->min_bps, f->rate_bps * (1 - f->alpha / 2));
		f->dctcp.reduced = true;
		f->dctcp.reduced_end = f->next;
	}
	if (round && !f->dctcp.reduced)
		f->rate_bps = fmin(p->max_bps, f->rate_bps + p->dctcp_ai_bps);
}

/* --- DCQCN ------------------------------------------------------------------------ */

static int dcqcn_notified(struct sim *s, const struct sim_rate_params *p, uint32_t flow)
{
	struct rate_flow *f = &s->rate->flow[flow];
	int r;

	f->dcqcn.marked_alpha = f->dcqcn.marked_rate = true;
	if (f->dcqcn.running)
		return 0;
	f->dcqcn.running = true;
	f->dcqcn.marked_alpha = false;
	f->dcqcn.target_bps = f->rate_bps;
	r = at(s, s->now_ns + p->alpha_ns, EV_ALPHA, flow);
	/* When both are due at once, alpha goes first. */
	return r ? r : at(s, s->now_ns + p->decrease_ns + 1, EV_DECREASE, flow);
}

static int dcqcn_alpha(struct sim *s, const struct sim_rate_params *p, uint32_t flow)
{
	struct rate_flow *f = &s->rate->flow[flow];

	f->alpha += p->gain * (f->dcqcn.marked_alpha - f->alpha);
	f->dcqcn.marked_alpha = false;
	return at(s, s->now_ns + p->alpha_ns, EV_ALPHA, flow);
}

static int dcqcn_decrease(struct sim *s, const struct sim_rate_params *p, uint32_t flow)
{
	struct rate_flow *f = &s->rate->flow[flow];
	int r = at(s, s->now_ns + p->decrease_ns, EV_DECREASE, flow);

	if (r || !f->dcqcn.marked_rate)
		return r;
	f->dcqcn.marked_rate = false;
	/* Reductions in a row keep the target where it was before the first. */
	if (f->dcqcn.stage)
		f->dcqcn.target_bps = f->rate_bps;
	f->rate_bps = fmax(p->min_bps, f->rate_bps * (1 - f->alpha / 2));
	f->dcqcn.stage = 0;
	f->dcqcn.increase_ns = s->now_ns + p->increase_ns;
	return at(s, f->dcqcn.increase_ns, EV_INCREASE, flow);
}

static int dcqcn_increase(struct sim *s, const struct rate_nic *nic, uint32_t flow)
{
	struct rate_flow *f = &s->rate->flow[flow];
	const struct sim_rate_params *p = &nic->p;

	if (s->now_ns != f->dcqcn.increase_ns)
		return 0;	/* a reduction came between */
	if (f->dcqcn.stage >= p->fast_recovery) {
		f->dcqcn.target_bps += f->dcqcn.stage == p->fast_recovery ? p->ai_bps : p->hai_bps;
		f->dcqcn.target_bps = fmin(f->dcqcn.target_bps, nic->rate_bps);
	}
	f->rate_bps = (f->rate_bps + f->dcqcn.target_bps) / 2;
	f->dcqcn.stage++;
	f->dcqcn.increase_ns = s->now_ns + p->increase_ns;
	return at(s, f->dcqcn.increase_ns, EV_INCREASE, flow);
}

/* --- both ends --------------------------------------------------------------------- */

static int acknowledged(struct sim *s, const struct sim_packet *p)
{
	struct rate_flow *f = &s->rate->flow[p->flow];
	const struct rate_nic *nic = &s->rate->nic[f->p.nic];
	const bool marked = p->flags & PKT_ECE;
	int r = 0;

	if (p->seq > f->una)
		f->una = p->seq;
	if (p->flags & PKT_NACK || f->next < f->una)
		f->next = f->una;
	if (nic->p.cc == SIM_RATE_DCTCP)
		dctcp_ack(&nic->p, f, p->seq, marked);
	else if (marked && !finished(f))
		r = dcqcn_notified(s, &nic->p, p->flow);
	return r ? r : wake(s, f->p.nic);
}

static int receive(struct sim *s, const struct sim_packet *p)
{
	struct rate_flow *f = &s->rate->flow[p->flow];
	struct sim_packet ack = {
		.segments = 1,
		.sent_ns = p->sent_ns, .flow = p->flow, .path = f->p.ack_path,
		.bytes = s->rate->nic[f->p.nic].p.ack_bytes,
		.flags = PKT_RATE | PKT_ACK | (p->flags & PKT_CE ? PKT_ECE : 0),
	};

	if (p->seq > f->expected) {
		if (f->nack_seq == f->expected && s->now_ns < f->nack_ns)
			return 0;
		f->nack_seq = f->expected;
		f->nack_ns = s->now_ns + NACK_GAP_NS;
		ack.flags |= PKT_NACK;
	} else if (p->seq < f->expected) {
		return 0;	/* it was acknowledged when it came first */
	} else {
		f->expected += p->payload;
		if (f->expected == f->p.bytes)
			f->fct_ns = s->now_ns - f->p.start_ns;
	}
	ack.seq = f->expected;
	return send_ack(s, f->p.ack_nic, &ack);
}

int rate_packet(struct sim *s, const struct sim_packet *p)
{
	return p->flags & PKT_ACK ? acknowledged(s, p) : receive(s, p);
}

int rate_event(struct sim *s, uint32_t index)
{
	const uint32_t what = index & ((1u << EV_BITS) - 1), whose = index >> EV_BITS;
	const struct rate_nic *nic;

	switch (what) {
	case EV_NIC_FREE:
		return free_again(s, whose);
	case EV_NIC_TIMER:
		s->rate->nic[whose].timer_ns = NEVER;
		return wake(s, whose);
	case EV_START:
		return start(s, whose);
	}
	if (finished(&s->rate->flow[whose]))
		return 0;
	nic = &s->rate->nic[s->rate->flow[whose].p.nic];
	switch (what) {
	case EV_ALPHA:
		return dcqcn_alpha(s, &nic->p, whose);
	case EV_DECREASE:
		return dcqcn_decrease(s, &nic->p, whose);
	case EV_INCREASE:
		return dcqcn_increase(s, nic, whose);
	}
	return -EINVAL;
}

/* --- building ------------------------------------------------------------------------ */

void rate_free(struct sim_rate *sr)
{
	if (!sr)
		return;
	for (uint32_t i = 0; i < sr->n_nics; i++)
		free(sr->nic[i].flow);
	free(sr->nic);
	free(sr->flow);
	free(sr);
}

static bool params_ok(const struct sim_rate_params *p)
{
	return p->max_bps > 0 && p->min_bps > 0 && p->min_bps <= p->max_bps &&
	       p->window_bytes >= 0 && p->payload_bytes && p->ack_bytes && p->gain >= 0 && p->gain <= 1 &&
	       p->dctcp_ai_bps >= 0 && p->ai_bps >= 0 && p->hai_bps >= 0 &&
	       (p->cc == SIM_RATE_DCTCP ||
		(p->cc == SIM_RATE_DCQCN && p->alpha_ns && p->decrease_ns && p->increase_ns));
}

int sim_add_nic(struct sim *s, double rate_bps, const struct sim_rate_params *p)
{
	struct rate_nic *more;

	if (!params_ok(p) || !(rate_bps >= 0))
		return -EINVAL;
	if (!s->rate)
		s->rate = calloc(1, sizeof(*s->rate));
	if (!s->rate)
		return -ENOMEM;
	more = realloc(s->rate->nic, (s->rate->n_nics + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->rate->nic = more;
	more[s->rate->n_nics] = (struct rate_nic){
		.p = *p, .timer_ns = NEVER, .ns_per_byte = rate_bps > 0 ? 8e9 / rate_bps : 0,
		.rate_bps = rate_bps > 0 ? rate_bps : HUGE_VAL,
	};
	return (int)s->rate->n_nics++;
}

int sim_add_rate_flow(struct sim *s, const struct sim_rate_flow_params *p)
{
	struct sim_rate *sr = s->rate;
	struct rate_flow *f;
	int r;

	if (!sr || p->nic >= sr->n_nics || p->ack_nic >= sr->n_nics || p->data_path >= s->n_paths ||
	    p->ack_path >= s->n_paths || !p->bytes || p->start_ns < s->now_ns ||
	    sr->n_flows >= INT32_MAX >> EV_BITS)
		return -EINVAL;
	if (sr->n_flows == sr->room_flows) {
		const uint32_t room = sr->room_flows ? sr->room_flows * 2 : 64;
		struct rate_flow *more = realloc(sr->flow, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		sr->flow = more;
		sr->room_flows = room;
	}
	f = &sr->flow[sr->n_flows];
	*f = (struct rate_flow){ .p = *p, .rate_bps = sr->nic[p->nic].p.max_bps, .alpha = 1 };
	r = at(s, p->start_ns, EV_START, sr->n_flows);
	return r ? r : (int)sr->n_flows++;
}

uint64_t sim_rate_fct_ns(const struct sim *s, uint32_t flow)
{
	return s->rate && flow < s->rate->n_flows ? s->rate->flow[flow].fct_ns : 0;
}
