/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An event-driven packet simulator.
 *
 * It is made of *stages*: a queue in front of a link with a rate and a delay, or, without a rate, a
 * delay alone. A queue decides with the kernel module's own code (include/sluice/aqm.h). A *path* is
 * a list of stages; a flow has one for its data and one for its acknowledgements, so that every
 * topology with fixed routes can be built: a bottleneck, a parking lot, a leaf and its spine.
 *
 * Senders are window-based: Reno with ECN (RFC 5681, 6582, 3168), DCTCP (RFC 8257) and CUBIC
 * (RFC 9438); see cc.c. Receivers acknowledge every packet, and echo its CE mark with that
 * acknowledgement. Acknowledgements tell of holes as with SACK (see flow.c); there is no tail-loss
 * probe. The handshake takes no time, but has measured the empty path's round trip; or it is made of
 * packets that queue as others. Rate-based senders are in rate.h.
 *
 * With GSO a sender makes packets of up to 64 KB, which stay whole along their path, as on a host
 * and on routers with GRO. A queue decides once for all segments and counts each, and their headers,
 * as the qdisc does; the receiver has GRO and acknowledges the packet once. A sender waits with less
 * than a full packet until it may send a third of its window (as Linux), while something is under
 * way whose acknowledgement will let it go on.
 *
 * Times are nanoseconds, sizes bytes on the wire with the Ethernet header (as a qdisc counts them),
 * rates bits per second. The same seed gives the same run on every machine. Nothing here keeps
 * anything of a flow that has finished but its part of the statistics.
 *
 * Functions that return int return 0 or a number, or -errno.
 */
#ifndef SLUICE_SIM_H
#define SLUICE_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/sluice.h>
#include <sluice/aqm.h>

#include "lib/dist.h"
#include "lib/link_trace.h"

#define SIM_MSS		1448	/* payload of a full segment */
#define SIM_HEADERS	66	/* Ethernet, IPv4, TCP with time stamps */
#define SIM_ELEPHANT	100000	/* bytes of payload that a large flow has had */

struct sim;
struct sim_topology;	/* sim/topology.h */

/* --- stages ----------------------------------------------------------------- */

struct sim_stage_params {
	double rate_bps;	/* 0: no queue and no rate */
	/* Or a rate that varies; the caller's, and stays there. A run begins at its beginning. */
	const struct link_trace *trace;
	uint64_t delay_ns;	/* of propagation */
	uint32_t limit_bytes;	/* a packet that would exceed it is dropped; 0: none is */
	/*
	 * The link is a token bucket: what it could have sent while it was idle, up to this, it sends at
	 * once, and a packet waits for its tokens in the queue. 0: an ordinary link.
	 */
	uint32_t burst_bytes;
	struct sluice_aqm_params aqm;
	bool drop_non_ect;
	/* Every so many-th packet is marked, or lost if it is not ECT, as if by chance; 0: none. */
	uint32_t select_every;
	bool mark_departing;	/* when a packet leaves, by what it leaves; without the two above */
};

struct sim_stage_stats {
	uint64_t packets, bytes;	/* sent; a GSO packet counts by its segments, here and below */
	uint64_t ce_packets, ce_bytes;	/* when they came; the two below when they were sent */
	uint64_t ect_bytes;		/* of ECN-capable packets, marked or not */
	uint64_t elephant_bytes;	/* of packets SIM_ELEPHANT or more into their flow */
	uint64_t early_drops, limit_drops;
	uint64_t backlog_bytes, backlog_max_bytes;
	double capacity_bytes;		/* what the link could have sent, until now */
	double backlog_byte_ns;		/* integral over time, until now */
	uint64_t backlogged_ns;
	double wait_sum_ns;		/* from arrival until the last bit has left */
	uint64_t sojourn_hist[SLUICE_HIST_SLOTS];	/* until the first bit does, as the qdisc's */
};

/* --- flows ------------------------------------------------------------------ */

/* Most payload of a GSO packet: 45 segments of SIM_MSS. */
#define SIM_GSO_MAX	65160

enum sim_cc { SIM_RENO, SIM_DCTCP, SIM_CUBIC, SIM_CC_MAX };

struct sim_flow_params {
	uint16_t data_path, ack_path;
	uint64_t bytes;		/* of payload; UINT64_MAX never ends */
	enum sim_cc cc;
	bool ecn;		/* packets are ECT(0) */
	uint32_t gso_bytes;	/* most payload of one packet, to SIM_GSO_MAX; 0: a segment */
	bool handshake;		/* a SYN and its answer, both not ECT, come first */
};

const char *sim_cc_name(enum sim_cc cc);

/* Where and of what kind the flows of a source are. */
#define SIM_MIX_MAX	4
struct sim_hosts {
	uint16_t first, n;
};
struct sim_mix {
	double share;			/* of flows, relative to the other shares */
	enum sim_cc cc;
	bool ecn;
	uint32_t gso_bytes;
};
struct sim_between {
	/* Two hosts at random, never one and the same; NULL: the flow's own paths. */
	const struct sim_topology *topology;	/* the caller's, and stays there */
	struct sim_hosts from, to;
	struct sim_mix mix[SIM_MIX_MAX];	/* without shares: the flow's own kind */
};

/*
 * When a source is active: for length_ns from from_ns on, and again after each period. All 0: always.
 * Sources with windows side by side are a workload that switches.
 */
struct sim_window {
	uint64_t from_ns, length_ns, period_ns;
};

/* Poisson arrivals of flows. */
struct sim_source_params {
	struct sim_flow_params flow;	/* bytes are drawn from sizes */
	const struct dist *sizes;	/* the caller's, and stays there */
	double flows_per_s;		/* while it is on */
	uint64_t until_ns;		/* no arrival after that */
	struct sim_between between;
	struct sim_window window;
	uint64_t on_ns, off_ns;		/* means of exponential periods; off 0: always on */
};

/* Queries, as Poisson arrivals or at equal distances, that hosts answer with a flow each at once. */
struct sim_incast_params {
	struct sim_flow_params flow;	/* an answer; its paths do not matter */
	const struct dist *sizes;	/* of answers; NULL: flow.bytes */
	struct sim_between between;	/* from those that answer, to those that ask */
	unsigned int degree;		/* answers; more than there are hosts: several each */
	double queries_per_s;
	bool periodic;
	uint64_t until_ns;
	struct sim_window window;
};

/* Poisson arrivals of packets that nobody answers. */
struct sim_blast_params {
	uint16_t path;
	uint32_t bytes;			/* on the wire */
	double packets_per_s;
	uint64_t until_ns;
};

/*
 * Slowdown: a flow's time from its first byte sent until its last one arrived, over what it would take
 * alone on its path. By size: up to 10 KB, 100 KB, 1 MB, and above.
 */
#define SIM_CLASSES	4
#define SIM_SLOTS	128	/* slot i: 2^(i/8) <= slowdown < 2^((i+1)/8) */
struct sim_class_stats {
	uint64_t flows;			/* finished */
	double fct_sum_ns, slowdown_sum;
	uint64_t slowdown_hist[SIM_SLOTS];
	/* When this was read, and how they stood then; without flows that never end. */
	uint64_t unfinished;
	double unfinished_age_sum_ns;
	uint64_t unfinished_hist[SIM_SLOTS];
};

struct sim_traffic_stats {
	uint64_t flows;			/* finished */
	double fct_sum_ns, slowdown_sum;
	double acked_bytes;		/* payload, of all flows: goodput */
};

struct sim_flow_stats {
	uint64_t started, finished, unfinished;
	uint64_t retransmits, timeouts;
	double acked_bytes;			/* payload, over all flows, finished or not */
	struct sim_class_stats class[SIM_CLASSES];
	struct sim_class_stats query;		/* from the question to the last answer's last byte */
	struct sim_traffic_stats traffic[2][SIM_CLASSES];	/* without and with ECN */
};

/* A flow that has started (ended_ns is 0), or whose last byte has arrived. */
struct sim_flow_record {
	uint64_t started_ns, ended_ns, bytes;
	uint16_t data_path, ack_path;
	enum sim_cc cc;
	bool ecn;
	double slowdown;
};
typedef void sim_watch(void *arg, const struct sim_flow_record *r);

/* --- a run ------------------------------------------------------------------ */

struct sim *sim_new(uint64_t seed);	/* NULL: out of memory */
void sim_free(struct sim *s);		/* accepts NULL */
/* Numbers of what was added, from 0. */
int sim_add_stage(struct sim *s, const struct sim_stage_params *p);
int sim_add_path(struct sim *s, const uint16_t *stages, size_t n);
int sim_add_flow(struct sim *s, const struct sim_flow_params *p);	/* starts now */
int sim_add_source(struct sim *s, const struct sim_source_params *p);
int sim_add_incast(struct sim *s, const struct sim_incast_params *p);
int sim_add_blast(struct sim *s, const struct sim_blast_params *p);
/* -ENOMEM leaves the run where it is. */
int sim_run(struct sim *s, uint64_t until_ns);

/* Of packets that arrive from now on. */
void sim_set_aqm(struct sim *s, unsigned int stage, const struct sluice_aqm_params *p);
/*
 * Of packets that begin to be sent from now on; not of a stage without a rate or with a trace
 * (-EINVAL). Slowdowns stay relative to the rate at the beginning.
 */
int sim_set_rate(struct sim *s, unsigned int stage, double rate_bps);

uint64_t sim_now_ns(const struct sim *s);
uint64_t sim_events(const struct sim *s);	/* packets put into a stage or taken out */
void sim_stage_read(const struct sim *s, unsigned int stage, struct sim_stage_stats *out);
void sim_flow_read(const struct sim *s, struct sim_flow_stats *out);
/* Calls fn for every flow from now on; NULL ends that. */
void sim_watch_flows(struct sim *s, sim_watch *fn, void *arg);
/*
 * A quantile of a class's slowdowns, by the middle of its slot, unfinished flows taken for censored.
 * Negative without flows, and where so many have not finished that it cannot be told.
 */
double sim_slowdown_quantile(const struct sim_class_stats *c, double q);
unsigned int sim_class_of(uint64_t bytes);

#endif
