/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A simulator of receive processing on several CPUs.
 *
 *	NIC: RSS table --> RX rings --> softirq of the queue's CPU: driver and xdp_steer
 *	     --> bulks of 8 --> ring of the target CPU (cpumap) --> its kthread: cpu_deliver, stack
 *
 * What is steered by is the contract's: buckets by include/sluice/hash.h, flow entries and their
 * admission, precedence, places and the hold (cpus_steer.c has the rules of bpf/hold.bpf.h and
 * bpf/flow.bpf.h, on arrays). Packets whose bucket is empty pass: they go up the stack in softirq,
 * where they arrived. A CPU does one thing at a time: polls of a queue go before bulks of the
 * kthread, until softirq has had SOFTIRQ_LIMIT_NS more than the kthread that waits; from then on
 * both get the same (ksoftirqd against the kthread). A full ring drops, RX rings as well.
 *
 * Not there: GRO, RFS, caches shared between CPUs, other work on the CPUs (but a CPU can be slow).
 * TCP does not answer to drops or delay: load is what the traffic says.
 *
 * Times are nanoseconds. The same seed and calls give the same run.
 */
#ifndef SLUICE_SIM_CPUS_H
#define SLUICE_SIM_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/sluice.h>
#include <sluice/tree.h>

#include "lib/err.h"
#include "lib/place_loads.h"
#include "lib/procstat.h"
#include "lib/steer.h"
#include "sim/cpus_traffic.h"

#define CPUS_RSS_SLOTS	128

/*
 * X(name, default, text): what things cost, in ns. steer, flow and miss are rounded from "make
 * bench", send, take and wake from "sluice probe", on a virtual machine of two cores; a driver's
 * rx and the stack's own cost are assumptions: no conclusion should hang on them.
 */
#define CPUS_COSTS(X)								\
	X(rx, 150, "softirq, a packet: the driver, until the program runs")	\
	X(steer, 50, "softirq, a packet: the program, where the bucket decides")	\
	X(flow, 10, "softirq, more for a packet whose flow has an entry")	\
	X(miss, 35, "softirq, more for one that has none while others have")	\
	X(send, 290, "softirq, a packet sent to a ring")			\
	X(take, 400, "kthread, a packet: out of the ring, an skb made")		\
	X(stack, 2000, "a packet through the stack")				\
	X(moved, 300, "more for a flow's first packet on another CPU: cold caches")	\
	X(irq, 1000, "delay until an idle CPU polls")				\
	X(wake, 17000, "delay until a kthread that slept runs")

struct cpus_costs {
#define X(name, value, text) double name##_ns;
	CPUS_COSTS(X)
#undef X
	double stack_ns_per_byte;
};

struct cpus_params {
	unsigned int n_cpus, n_rxqs;	/* queue q is served by CPU q % n_cpus */
	uint32_t rx_ring_pkts;		/* of each queue */
	uint32_t ring_pkts;		/* of a cpumap entry */
	struct cpus_costs costs;
	double speed[SLUICE_MAX_CPUS];	/* 1: things cost what they cost; 0.5: twice that */
	uint8_t rss_table[CPUS_RSS_SLOTS];	/* queue of a hash value */
	bool steer;			/* false: there is no program, RSS decides all */
	/* As of the program; F_SAMPLE, F_ADMIT, F_NO_HOLD and what belongs to them matter. */
	struct sluice_steer_config config;
	unsigned int hz;		/* ticks of the kernel in a second */
	uint32_t settle_pkts;		/* SLUICE_BATCH_PKTS, more where cpumap does GRO */
	uint32_t entries;		/* of flows, at most */
};
/* Four CPUs and queues, the daemon's defaults; speed and RSS table for any number of them. */
void cpus_params_default(struct cpus_params *p);
/* CPU time that a packet takes that is steered to another CPU, or passes, on average. */
double cpus_packet_ns(const struct cpus_params *p, double bytes);

/* Sojourns: a slot for each ns below 16, then 16 equal ones up to the next power of two. */
#define CPUS_HIST	1024
struct cpus_stats {
	uint64_t time_ns;		/* since the start or cpus_reset() */
	uint64_t arrived, delivered, rx_drops, ring_drops;
	uint64_t inside;		/* not delivered yet, those from before a reset included */
	uint64_t passed;		/* of the delivered: in softirq where they arrived */
	uint64_t reordered;		/* overtaken by a later packet of their flow */
	uint64_t cold;			/* came to another CPU than their flow's packet before */
	double sojourn_sum_ns;		/* arrival at the NIC until through the stack */
	uint64_t sojourn_hist[CPUS_HIST];
	uint64_t busy_ns[SLUICE_MAX_CPUS], softirq_ns[SLUICE_MAX_CPUS];
	uint64_t events;		/* arrivals, packets polled, packets through the stack */
	/* Since the start: a sum over all arrivals that tells other ones apart. */
	uint64_t digest;
};

struct cpus;

/* The traffic becomes the simulator's, also when this fails. */
int cpus_new(const struct cpus_params *p, struct cpus_traffic *t, struct cpus **ret,
	     struct sl_err *e);
void cpus_free(struct cpus *c);		/* accepts NULL */
int cpus_run(struct cpus *c, uint64_t until_ns);	/* 0 or -ENOMEM */
uint64_t cpus_now_ns(const struct cpus *c);
const struct cpus_traffic *cpus_arrivals(const struct cpus *c);	/* to come; for an oracle */

void cpus_read(const struct cpus *c, struct cpus_stats *out);
void cpus_reset(struct cpus *c);	/* statistics begin anew; the program's counters do not */
/* Packets dropped count as having taken dropped_ns. Negative without packets. */
double cpus_sojourn_quantile(const struct cpus_stats *s, double q, double dropped_ns);

/* What the daemon would read. */
void cpus_snapshot(const struct cpus *c, struct steer_snapshot *out);
void cpus_procstat(const struct cpus *c, struct procstat *out);

/* What the daemon would write. A lease of what is learned, from now on; 0 ends it. */
void cpus_lease(struct cpus *c, uint64_t ns);
/* cpu < 0 clears it. */
void cpus_bucket_baseline(struct cpus *c, unsigned int bucket, int cpu);
void cpus_bucket_learned(struct cpus *c, unsigned int bucket, int cpu);
void cpus_bucket_hold(struct cpus *c, unsigned int bucket, bool hold);
/* flags as of struct sluice_assign. -ENOSPC: the table is full; -ESTALE: the flow has ended. */
int cpus_flow_assign(struct cpus *c, uint32_t flow, uint32_t id, unsigned int cpu, uint16_t flags);
void cpus_flow_delete(struct cpus *c, uint32_t flow, uint32_t id);
/* Counters of the flow's entry, and its assignment; -ENOENT. */
int cpus_flow_get(const struct cpus *c, uint32_t flow, uint32_t id, struct sluice_flow *out);
/*
 * Removes entries without an assignment that have been idle; looks at max of them, and then goes
 * on.
 */
void cpus_flow_age(struct cpus *c, uint64_t idle_ns, uint32_t max);

struct cpus_heavy {
	uint32_t flow, id, bucket;
};
/* Calls back for flows reported as heavy since the last time. */
void cpus_heavy_drain(struct cpus *c, void (*each)(const struct cpus_heavy *, void *), void *data);

/*
 * A tree of kind PLACE (sluice/place.h) for flows that get their entry from now on; NULL: none.
 * -EINVAL: not a valid one.
 */
int cpus_set_tree(struct cpus *c, const struct sluice_tree *t);
/* What the daemon publishes for it. */
int cpus_set_loads(struct cpus *c, const struct place_loads *l);
void cpus_tree_stats(const struct cpus *c, struct sluice_tree_stats *out);	/* no generations */
/* Called at each decision, with what is chosen (enum sluice_place_choice). */
typedef void cpus_watcher(void *data, struct cpus *c, const uint32_t *feature, uint32_t choice);
void cpus_watch(struct cpus *c, cpus_watcher *watcher, void *data);	/* NULL: nobody */
void cpus_force(struct cpus *c, int choice);	/* of the next decision, whatever the tree says */

/* A machine in the same state, to go on in another way; without placer. NULL: out of memory. */
struct cpus *cpus_copy(const struct cpus *c);
/* What the packets that are inside have waited for so far, in sum. */
double cpus_waiting_ns(const struct cpus *c);

/*
 * Decides of a flow's very first packet, as no program here can: it sees the backlogs of this
 * moment (cpus_backlog()). Returns a CPU, or -1 for the bucket's. NULL: nobody does.
 */
typedef int cpus_placer(void *data, const struct cpus *c, uint32_t bucket);
void cpus_set_placer(struct cpus *c, cpus_placer *placer, void *data);
/* Packets, the one at hand included. */
uint32_t cpus_backlog(const struct cpus *c, unsigned int cpu);
unsigned int cpus_count(const struct cpus *c);

#endif
