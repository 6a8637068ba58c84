/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sch_sluice internals. Three parts, three locks:
 *
 *   settings (params.c)  immutable sets published by RCU. Writers hold the
 *                        mutex of the qdisc's directory slot, the packet path
 *                        only dereferences.
 *   counters (stats.c)   written by the packet path under the lock of the root
 *                        qdisc, read by anybody under a sequence count.
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
	SLUICE_LEASE_NONE,	/* no learned triple */
	SLUICE_LEASE_RUNNING,
	SLUICE_LEASE_LAPSED,	/* ran out, and was counted */
	SLUICE_LEASE_SUPERSEDED, /* replaced in time; must not be counted any more */
};

/* Everything a writer can change. Only lease_state changes after publication. */
struct sluice_set {
	u32 knob[SLUICE_KNOB_NR];		/* the operator's baseline */
	struct sluice_aqm_config base;
	struct sluice_aqm_config learned;
	struct sluice_aqm_params learned_params;
	u64 expires;				/* jiffies64 */
	u32 lease_ms;				/* as granted */
	u32 generation;
	atomic_t lease_state;			/* enum sluice_lease_state */
	struct rcu_head rcu;
};

struct sluice_counters {
	seqcount_t seq;
	u32 qlen;			/* as of last_ns */
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
	u64 early_drops;
	u64 limit_drops;

	u64 sojourn_samples;
	u64 sojourn_sum_ns;
	u64 sojourn_hist[SLUICE_HIST_SLOTS];
};

struct sluice_slot;

struct sluice_sched {
	struct sluice_set __rcu *set;
	atomic_t lease_expired;
	struct sluice_counters stats;

	/* Configuration time only. */
	u32 manual_gen;			/* written under the slot mutex */
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
struct sluice_set *sluice_params_writer(struct sluice_sched *q);
/* Whether the learned triple of set is in force; notices and counts a lapse. */
bool sluice_learned_in_force(struct sluice_sched *q, struct sluice_set *set);
u32 sluice_lease_remaining_ms(const struct sluice_set *set);

static inline const struct sluice_aqm_config *sluice_in_force(struct sluice_sched *q,
							      struct sluice_set *set)
{
	return sluice_learned_in_force(q, set) ? &set->learned : &set->base;
}

/* stats.c */
void sluice_stats_init(struct sluice_counters *c);
void sluice_stats_begin(struct sluice_counters *c, u64 now_ns);
void sluice_stats_end(struct sluice_counters *c, const struct Qdisc *sch);
void sluice_stats_sojourn(struct sluice_counters *c, u64 sojourn_ns);
void sluice_snapshot(struct sluice_sched *q, struct sluice_qdisc_stats *st);

/* sysfs.c */
int sluice_dir_add(struct sluice_sched *q);	/* in ->init, as its last step */
void sluice_dir_remove(struct sluice_sched *q);	/* in ->destroy, also after a failed add */
void sluice_lock(struct sluice_sched *q);	/* the slot mutex */
void sluice_unlock(struct sluice_sched *q);

#endif /* _SLUICE_KMOD_H */
