/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the simulator know of each other; see sim.h. */
#ifndef SLUICE_SIM_PRIV_H
#define SLUICE_SIM_PRIV_H

#include "lib/rng.h"
#include "sim/sim.h"

/* --- events (events.c) ------------------------------------------------------- */

/*
 * A 4-ary heap, ordered by time and then by when an event was scheduled, so that a run
 * does not depend on the heap's shape. A link has at most two events, one for the packet that
 * is being sent and one for the first that is under way: those behind it arrive later.
 */
enum sim_kind { SIM_EV_SENT, SIM_EV_ARRIVES, SIM_EV_TIMEOUT, SIM_EV_SOURCE, SIM_EV_INCAST,
		SIM_EV_BLAST, SIM_EV_RATE };

struct sim_event {
	uint64_t time_ns;
	uint64_t order;
	uint32_t index;		/* of the stage, flow, source, incast or blast */
	uint32_t kind;		/* enum sim_kind */
};

struct sim_heap {
	struct sim_event *event;
	size_t n, room;
	uint64_t order;
	bool no_root;		/* event[0] is taken, and counts in n */
};

int heap_push(struct sim_heap *h, uint64_t time_ns, enum sim_kind kind, uint32_t index);
/* The first event, if it is not later than until_ns. */
bool heap_pop(struct sim_heap *h, uint64_t until_ns, struct sim_event *out);

/* --- packets and stages (stage.c) -------------------------------------------- */

#define PKT_ECT		(1u << 0)
#define PKT_CE		(1u << 1)
#define PKT_ACK		(1u << 2)
#define PKT_ECE		(1u << 3)	/* of an acknowledgement: the packet had CE */
#define PKT_AGAIN	(1u << 4)	/* sent again: says nothing of the round trip */
#define PKT_NOBODY	(1u << 5)	/* of no flow */
#define PKT_SYN		(1u << 6)
#define PKT_RATE	(1u << 7)	/* of a rate-based flow, or for one */

struct sim_packet {
	uint64_t seq;		/* of an acknowledgement: the next byte that is missing */
	uint64_t sent_ns;	/* when the data left the sender */
	uint64_t at_ns;		/* into the queue, or out of the link */
	uint32_t flow, generation;
	uint32_t bytes;		/* on the wire */
	uint16_t payload;
	uint16_t path;
	uint8_t hop;
	uint8_t flags;		/* PKT_* */
	uint8_t segments;	/* 1, more for a GSO packet */
	uint8_t told_segments;	/* of an acknowledgement: of the packet that it is for */
	uint32_t early;		/* of an acknowledgement: bytes from seq to that packet's end, 0 in order */
};

/* A ring of packets; grows. */
struct sim_fifo {
	struct sim_packet *packet;
	uint32_t head, n, room;		/* room is a power of two */
};

struct sim_stage {
	double ns_per_byte;	/* 0: no queue; of a trace its mean */
	const struct link_trace *trace;
	size_t cursor;		/* in the trace */
	uint64_t delay_ns;
	uint32_t limit_bytes;
	bool drop_non_ect, mark_departing, sending;
	uint32_t select_every, unselected;
	uint32_t burst_bytes;
	double saved_bytes;		/* of burst_bytes, when the link fell idle */
	uint64_t idle_ns;		/* when that was */
	struct sluice_aqm_config aqm;
	struct sluice_aqm_lot lot;
	struct sim_packet in_hand;	/* being sent */
	struct sim_fifo queue, under_way;
	uint64_t changed_ns;		/* the backlog, last */
	uint64_t rate_set_ns;		/* stats.capacity_bytes is up to here */
	struct rng rng;
	struct sim_stage_stats stats;
};

int stage_enter(struct sim *s, const struct sim_packet *p);	/* that of p's hop; copies it */
int stage_sent(struct sim *s, uint32_t stage);
int stage_arrives(struct sim *s, uint32_t stage);

struct sim_path {
	uint16_t *stage;
	size_t n;
	double ns_per_byte;	/* of its slowest stage */
	double ns_per_byte_all;	/* sum over its stages */
	double ns_per_byte_last;	/* of the last stage with a rate */
	uint64_t delay_ns;
};

/* --- flows (flow.c) ----------------------------------------------------------- */

struct sim_range {
	uint64_t from, to;
};

/* In segments, as RFC 9438 has it. */
struct sim_cubic {
	double w_max, w_est, cwnd_prior, k_s;
	uint64_t epoch_ns;	/* when this stage of congestion avoidance began */
	bool begun;
};

struct sim_flow {
	uint32_t generation;	/* of the slot */
	bool used, ecn;
	bool connecting;
	enum sim_cc cc;
	uint16_t data_path, ack_path;
	uint64_t bytes, started_ns;
	uint32_t packet_bytes;	/* at most, of payload: whole segments */
	uint32_t query;		/* that it answers, plus 1; 0: none */

	/* The sender. */
	uint64_t una, next;
	uint64_t heard;		/* the highest byte that is known to have arrived, plus 1 */
	uint64_t repaired;	/* holes up to here were sent again in this recovery */
	double again;		/* bytes sent again that are under way */
	uint64_t una_again_ns;	/* when the hole at una was filled, or became the first one */
	double cwnd, ssthresh;	/* bytes of payload */
	uint32_t dupacks;
	bool recovering;
	uint64_t recover;	/* until this was acknowledged */
	uint64_t reduced;	/* no second reduction for ECN before this was acknowledged */
	double alpha;		/* DCTCP */
	uint64_t window_end;
	double window_acked, window_marked;
	struct sim_cubic cubic;
	double srtt_ns, rttvar_ns;	/* 0: no sample yet */
	uint64_t rto_ns, deadline_ns;
	uint64_t timer_ns;	/* when the first event comes that is not stale */
	uint32_t timers;	/* scheduled, stale ones, too */

	/* The receiver. */
	uint64_t received;	/* up to here */
	struct sim_range *beyond;	/* what came early, ascending */
	uint32_t n_beyond, room_beyond;
};

int flow_start(struct sim *s, const struct sim_flow_params *p);
int flow_packet(struct sim *s, const struct sim_packet *p);	/* at the end of its path */
int flow_timeout(struct sim *s, uint32_t flow);

/* --- rate-based flows (rate.c) ------------------------------------------------- */

struct sim_rate;

int rate_packet(struct sim *s, const struct sim_packet *p);	/* at the end of its path */
int rate_event(struct sim *s, uint32_t index);
void rate_free(struct sim_rate *sr);	/* accepts NULL */

/* --- what is counted (stats.c) ------------------------------------------------- */

/* A question that has not all of its answers. */
struct sim_query {
	uint64_t started_ns;
	uint32_t left;		/* 0: the slot is free */
	/* Of its answers: at the last link together, and the longest path and time alone. */
	double last_link_ns, delay_ns, alone_ns;
};

int query_begin(struct sim *s, uint32_t answers, uint32_t *ret);
double wire_bytes(double payload);
double alone_ns(const struct sim_path *path, double bytes, double packet_bytes);
void class_finished(struct sim_class_stats *c, double fct_ns, double slowdown);
void class_unfinished(struct sim_class_stats *c, double age_ns, double slowdown);
void count_started(struct sim *s, const struct sim_flow *f);
void count_finished(struct sim *s, const struct sim_flow *f);
void count_acked(struct sim *s, const struct sim_flow *f, double bytes);

/* --- congestion control (cc.c) ------------------------------------------------- */

enum sim_signal { SIM_MARK, SIM_LOSS, SIM_TIMEOUT };

struct sim_cc_ops {
	const char *name;
	/* Of every acknowledgement, first; may be NULL. */
	void (*heard)(struct sim_flow *f, double acked, bool marked);
	/* Lets the window grow, in congestion avoidance. */
	void (*avoid)(struct sim_flow *f, double acked, uint64_t now_ns);
	/* The new slow-start threshold; the sender sees to its minimum. */
	double (*reduce)(struct sim_flow *f, enum sim_signal signal);
};

extern const struct sim_cc_ops sim_cc_ops[SIM_CC_MAX];

/* --- sources (source.c) --------------------------------------------------------- */

struct sim_gaps {
	double per_s;
	bool periodic;
	uint64_t on_ns, off_ns, on_until_ns;
	struct sim_window window;
	struct rng rng;
};

struct sim_source {
	struct sim_source_params p;
	struct sim_gaps gaps;
	struct rng sizes, places;
};

struct sim_incast {
	struct sim_incast_params p;
	struct sim_gaps gaps;
	struct rng sizes, places;
	uint16_t *order;	/* scratch: hosts that may be asked */
};

struct sim_blast {
	struct sim_blast_params p;
	struct sim_gaps gaps;
};

int source_arrives(struct sim *s, uint32_t source);
int incast_arrives(struct sim *s, uint32_t incast);
int blast_arrives(struct sim *s, uint32_t blast);

/* --- the rest (sim.c) --------------------------------------------------------- */

struct sim {
	uint64_t now_ns, events;
	struct sim_heap heap;
	struct rng rng;
	struct sim_stage *stage;
	struct sim_path *path;
	struct sim_flow *flow;
	struct sim_source *source;
	struct sim_incast *incast;
	struct sim_blast *blast;
	struct sim_query *query;
	uint32_t n_stages, n_paths, n_flows, n_sources, n_incasts, n_blasts, n_queries;
	uint32_t *idle_flow, *idle_query;	/* slots that are free */
	uint32_t n_idle, n_idle_queries;
	struct sim_rate *rate;		/* NULL: none */
	struct sim_flow_stats stats;
	sim_watch *watch;
	void *watch_arg;
};

/* One more element of an array, zeroed, or NULL. */
void *sim_grow(void **array, uint32_t *n, size_t size);

#endif
