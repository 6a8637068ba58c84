/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sch_sluice internals. Parts and their locks:
 *
 *   settings (params.c)  immutable sets published by RCU. Writers hold the
 *                        mutex of the qdisc's directory slot, the packet path
 *                        only dereferences.
 *   counters (stats.c)   written by the packet path under the lock of the root
 *                        qdisc, read by anybody under a sequence count.
 *   tree (tree.c)        the block is part of the settings; what it decided is
 *                        written and read like a counter.
 *   directory (sysfs.c)  a global mutex for creation and removal; it nests
 *                        inside RTNL, the slot mutex nests inside it. Stores
 *                        take the slot mutex only.
 */
#ifndef _SLUICE_KMOD_H
#define _SLUICE_KMOD_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/seqlock.h>
#include <net/sch_generic.h>

#include <linux/sluice.h>
#include <sluice/aqm.h>
#include <sluice/tree.h>

enum sluice_knob {
#define X(name, min, max, def, unit, text) SLUICE_KNOB_##name,
	SLUICE_KNOBS(X)
#undef X
	SLUICE_KNOB_NR,
};
#define SLUICE_KNOB_ATTR(knob)	((knob) + 1)	/* TCA_SLUICE_ATTR_* follow the same table */

struct sluice_knob_info {
	const char *name;
	u32 min, max, def;
};
extern const struct sluice_knob_info sluice_knobs[SLUICE_KNOB_NR];

enum sluice_lease_state {
	SLUICE_LEASE_NONE,	/* nothing is leased */
	SLUICE_LEASE_RUNNING,
	SLUICE_LEASE_LAPSED,	/* ran out, and was counted */
	SLUICE_LEASE_SUPERSEDED, /* replaced in time; must not be counted any more */
	SLUICE_LEASE_INHERITED,	/* in a set not yet published: what the old set's is then */
};

/* Only state changes after publication. */
struct sluice_lease {
	u64 expires;				/* jiffies64 */
	u32 ms;					/* as granted */
	u32 generation;
	atomic_t state;				/* enum sluice_lease_state */
};

struct sluice_loaded_tree {
	struct rcu_head rcu;
	struct sluice_tree block;		/* only block.h.size bytes are allocated */
};

/* A triple as the packet path wants it. */
struct sluice_force {
	struct sluice_aqm_config aqm;
	u64 key;				/* enum sluice_source and generation */
};
#define SLUICE_FORCE_KEY(source, generation)	((u64)(source) << 32 | (generation))

/* Everything a writer can change. Only the leases' states change after publication. */
struct sluice_set {
	u32 knob[SLUICE_KNOB_NR];		/* the operator's baseline */
	struct sluice_force base;
	struct sluice_force learned;
	struct sluice_aqm_params learned_params;
	struct sluice_lease learned_lease;
	struct sluice_loaded_tree *tree;	/* of the latest set only; NULL: none */
	u32 tree_epoch;				/* counts loads that replaced no tree */
	struct sluice_lease tree_lease;
	struct rcu_head rcu;
};

/* Counters when a triple came into force. */
struct sluice_epoch {
	u64 key;
	u64 since_ns;			/* 0: there was none */
	u64 packets;
	u64 bytes;
	u64 ce_packets;
	u64 ce_bytes;
	u64 drops;
	u64 byte_us;
	u64 backlogged_ns;
	u32 backlog_max;		/* not a start: the most since then */
};

struct sluice_counters {
	seqcount_t seq;
	u32 qlen;			/* as of last_ns */
	u32 segs;			/* queued packets, a GSO packet by its segments */
	u32 backlog;
	u32 backlog_max;
	u64 last_ns;
	u64 byte_ns;			/* the integral's part below one carry */
	u64 byte_us;			/* the carried part */
	u64 backlogged_ns;

	u64 packets;
	u64 bytes;
	u64 ce_packets;
	u64 ce_bytes;
	u64 ce_sojourn_packets;
	u64 ce_sojourn_bytes;
	u64 early_drops;
	u64 limit_drops;

	u64 sojourn_samples;
	u64 sojourn_sum_ns;
	u64 sojourn_hist[SLUICE_HIST_SLOTS];

	struct sluice_epoch epoch;	/* begun by the packet that found a new triple */
	struct sluice_epoch epoch_before;
};

/* What the tree chose. It is in force while its epoch is that of the set. */
struct sluice_tree_choice {
	u32 epoch;
	bool decided;
	u32 cell;
	u32 generation;
	struct sluice_aqm_params params;
	u64 evaluations;
};

/* Written by the packet path inside sluice_stats_begin() and _end(). */
struct sluice_tree_state {
	u64 next_ns;
	struct sluice_force force;
	struct sluice_tree_choice choice;
	struct {			/* counters at the previous evaluation */
		u64 time_ns;
		u64 bytes;
		u64 ce_bytes;
		u64 limit_drops;
		u64 backlog_byte_us;
		u64 backlogged_ns;
		u64 sojourn_samples;
		u64 sojourn_sum_ns;
	} then;
};

struct sluice_slot;

struct sluice_sched {
	struct sluice_set __rcu *set;
	atomic_t lease_expired;
	atomic_t tree_lease_expired;
	struct sluice_aqm_lot lot;	/* under the root's lock, as the counters are */
	struct sluice_counters stats;
	struct sluice_tree_state tree;

	/* Configuration time only. */
	u32 manual_gen;			/* written under the slot mutex */
	u32 lapses_notified;		/* the same */
	struct Qdisc *sch;
	struct sluice_slot *slot;
	struct list_head slot_node;
};

/* params.c: the caller holds the slot mutex, or nobody else knows q yet. */
int sluice_params_init(struct sluice_sched *q);
void sluice_params_destroy(struct sluice_sched *q);
int sluice_set_knobs(struct sluice_sched *q, const u32 value[SLUICE_KNOB_NR], unsigned long which,
		     struct netlink_ext_ack *extack);
int sluice_set_learned(struct sluice_sched *q, const struct sluice_aqm_params *p, u32 lease_ms,
		       u32 generation);
int sluice_set_tree(struct sluice_sched *q, const struct sluice_tree *block, u32 size);
struct sluice_set *sluice_params_writer(struct sluice_sched *q);
/* Whether the learned triple of set is in force; notices and counts a lapse. */
bool sluice_learned_in_force(struct sluice_sched *q, struct sluice_set *set);
/* The same of the tree; it need not have decided yet. */
bool sluice_tree_loaded(struct sluice_sched *q, struct sluice_set *set);
u32 sluice_lease_remaining_ms(const struct sluice_lease *lease);
/* Counts what has lapsed; the milliseconds until the next lease runs out, 0: none runs. */
u32 sluice_leases_check(struct sluice_sched *q);

/* tree.c */
void sluice_tree_run(struct sluice_sched *q, struct sluice_set *set, u64 now_ns);

/* In the packet path, under the root's lock: evaluates the tree when it is due. */
static inline void sluice_tree_poll(struct sluice_sched *q, struct sluice_set *set, u64 now_ns)
{
	if (unlikely(set->tree))
		sluice_tree_run(q, set, now_ns);
}

static inline bool sluice_tree_decides(struct sluice_sched *q, struct sluice_set *set,
				       const struct sluice_tree_choice *choice)
{
	return set->tree && choice->decided && choice->epoch == set->tree_epoch &&
	       sluice_tree_loaded(q, set);
}

static inline const struct sluice_force *sluice_in_force(struct sluice_sched *q,
							 struct sluice_set *set)
{
	if (unlikely(set->tree) && sluice_tree_decides(q, set, &q->tree.choice))
		return &q->tree.force;
	return sluice_learned_in_force(q, set) ? &set->learned : &set->base;
}

/* stats.c */
void sluice_stats_init(struct sluice_counters *c);
void sluice_stats_begin(struct sluice_counters *c, u64 now_ns);
void sluice_stats_end(struct sluice_counters *c, const struct Qdisc *sch);
/* Begins a new epoch when another triple is in force; between begin and end. */
void sluice_stats_epoch(struct sluice_counters *c, u64 key);
u64 sluice_stats_byte_us(const struct sluice_counters *c);
void sluice_stats_sojourn(struct sluice_counters *c, u64 sojourn_ns);
void sluice_snapshot(struct sluice_sched *q, struct sluice_qdisc_stats *st);

/* sysfs.c */
int sluice_dir_add(struct sluice_sched *q);	/* in ->init, as its last step */
void sluice_dir_remove(struct sluice_sched *q);	/* in ->destroy, also after a failed add */
/* Tells who polls that something else is in force, and looks again when a lease may be over. */
void sluice_dir_notify(struct sluice_sched *q);
void sluice_lock(struct sluice_sched *q);	/* the slot mutex */
void sluice_unlock(struct sluice_sched *q);

#endif /* _SLUICE_KMOD_H */
