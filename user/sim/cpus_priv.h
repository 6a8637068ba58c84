/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the multi-core simulator know of each other; see cpus.h. */
#ifndef SLUICE_SIM_CPUS_PRIV_H
#define SLUICE_SIM_CPUS_PRIV_H

#include <sluice/tree.h>

#include "sim/cpus.h"

#define HEAVY_MAX	1024	/* reports that wait to be read */
#define POLL_PKTS	64	/* NAPI_POLL_WEIGHT */
#define SOFTIRQ_LIMIT_NS 2000000	/* MAX_SOFTIRQ_TIME */

struct cpus_packet {
	uint64_t arrived_ns;
	uint64_t sent_ns;	/* sampled: when it was; else 0 */
	uint64_t seq;		/* of the hold, with meta */
	uint64_t hash;		/* of the flow's key */
	uint32_t flow, id;
	uint32_t order;		/* within its flow */
	uint32_t bytes;
	uint32_t bucket;
	float work;
	uint16_t rxq;
	bool meta;
};

struct cpus_ring {
	struct cpus_packet *packet;
	uint32_t head, n, limit, mask;
};

struct cpus_flow {
	uint32_t id;		/* 0: nobody yet */
	uint32_t sent, delivered;	/* order */
	bool seen;		/* its first packet was steered */
	bool entry;
	uint8_t cpu1;		/* that had its latest packet */
	struct sluice_flow f;	/* with an entry */
};

enum doing { IDLE, STARTING, POLLING, SERVING };

struct cpus_cpu {
	enum doing doing;
	uint16_t rxq;			/* POLLING: of this queue */
	uint32_t poll_left;
	struct cpus_packet at_hand;	/* POLLING */
	uint8_t target1;		/* ... goes there; 0: it passes */
	struct cpus_packet bulk[SLUICE_BATCH_PKTS];	/* SERVING */
	uint32_t bulk_n, bulk_i;
	int64_t softirq_lead_ns;	/* over the kthread, while that waits */
	double slow;			/* 1 / speed */
	struct cpus_ring ring;
	uint32_t sending;		/* bulks from here that are not empty */
	uint32_t coming;		/* packets in bulks to here */
};

/* Packets on their way from a CPU's poll to a ring. */
struct cpus_bulk {
	struct cpus_packet packet[SLUICE_BATCH_PKTS];
	uint32_t n;
};

struct cpus {
	struct cpus_params p;
	uint64_t now_ns, tick_ns;
	struct cpus_traffic *traffic;
	struct cpus_arrival next;
	cpus_placer *placer;
	void *placer_data;

	/* When each CPU is done with what it does, as a tournament: tree[1] is the first CPU. */
	uint64_t due_ns[SLUICE_MAX_CPUS];
	uint8_t tree[2 * SLUICE_MAX_CPUS];
	unsigned int leaves;

	struct cpus_cpu cpu[SLUICE_MAX_CPUS];
	struct cpus_ring *rx;			/* [n_rxqs] */
	struct cpus_bulk *bulks;		/* [n_cpus * n_cpus]: from, to */

	/* The maps, indexed as they are. */
	struct sluice_bucket bucket[SLUICE_BUCKETS];
	struct sluice_bucket_state *bucket_state;
	struct sluice_counter *sent;
	struct sluice_ack *acks;
	struct sluice_steer_stats *steer_stats;
	uint32_t *candidates;
	struct sluice_deliver deliver[SLUICE_MAX_CPUS];
	uint64_t lease_end_ns;
	bool flows_used;
	uint64_t ring_drops[SLUICE_MAX_CPUS];

	struct cpus_flow *flow;
	uint32_t n_flows, room_flows, n_entries, ageing;
	struct cpus_place *place;		/* NULL: there never was a tree */
	cpus_watcher *watcher;			/* of decisions */
	void *watcher_data;
	int forced;				/* choice + 1 of the next decision; 0: the tree's */
	struct cpus_heavy heavy[HEAVY_MAX];
	uint32_t n_heavy;

	uint64_t busy_ns[SLUICE_MAX_CPUS], softirq_ns[SLUICE_MAX_CPUS];	/* since the start */
	uint64_t reset_ns, inside;
	struct cpus_stats stats;
};

/* --- cpus_steer.c: the program's tables -------------------------------------- */

int steer_tables_new(struct cpus *c);
void steer_tables_free(struct cpus *c);
/*
 * The CPU + 1 the packet goes to, 0 for the stack; counts it, and adds to *ns what deciding
 * costs.
 */
uint8_t steer_packet(struct cpus *c, struct cpus_packet *p, double *ns);
/*
 * Parts of it, which a test compares with the program's: where a place, a bucket, an entry goes
 * now.
 */
void steer_settle(struct cpus *c, struct sluice_place *place, uint8_t want1, uint16_t rxq);
struct sluice_bucket_state *steer_bucket(struct cpus *c, uint32_t bucket, uint16_t rxq);
/* NULL: as its bucket. */
struct sluice_place *steer_entry(struct cpus *c, uint32_t bucket, uint16_t rxq,
				 struct sluice_flow *f);
/* What cpu_deliver does of a packet in a bulk, on the CPU. */
void steer_delivered(struct cpus *c, unsigned int cpu, const struct cpus_packet *p);

/* --- cpus_place.c: where a newly admitted flow goes ----------------------------- */

/* What bpf/place.bpf.h reads: a tree, the published loads, what came of it. */
struct cpus_place {
	struct sluice_tree tree;	/* generation 0: none */
	struct sluice_tree_control control;
	struct sluice_cpu_load load[SLUICE_MAX_CPUS];
	struct sluice_tree_stats stats[SLUICE_RXQS];	/* by RX queue */
};

/* The assignment that the tree gives to a flow whose entry is made at this packet. */
struct sluice_assign place_admitted(struct cpus *c, const struct cpus_packet *p);

#endif
