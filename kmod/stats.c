// SPDX-License-Identifier: GPL-2.0
/*
 * Counters of a sluice qdisc.
 *
 * The packet path writes them between sluice_stats_begin() and _end(), under
 * the lock of the root qdisc above us. Readers (dumps, sysfs) do not take that
 * lock: they copy under a sequence count and retry. It is a bare seqcount_t
 * because the lock that serialises writers is the root's and changes when we
 * are grafted elsewhere, so it cannot be named when the count is initialised;
 * preemption is disabled explicitly, since neither PREEMPT_RT's locks nor a
 * reset during destruction do that.
 *
 * The backlog-time integral. Between two events the backlog is constant, so
 * backlog * elapsed ns is added at each event: exact, no sampling. byte * ns
 * would overflow 64 bits within seconds for a deep queue, so whole byte * us are
 * carried to a second word. The carry divides, and is rare: once per 2^62 byte * ns
 * (13 minutes at 6 MB). The published value is the sum's quotient by
 * 1000, the remainder stays, hence differences over any interval are exact.
 * It wraps at 2^64 byte * us like any counter: after 53 days at 4 MB.
 *
 * The backlog is that of struct Qdisc as of our latest event. It differs from
 * what tc shows only while the core holds a packet back that a driver refused.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/preempt.h>

#include "sluice.h"

#define BYTE_NS_CARRY	(1ULL << 62)
#define SHORT_NS	(1ULL << 31)	/* times a 32-bit backlog this is below 2^63 */

static void integrate(u64 *byte_us, u64 *byte_ns, u32 backlog, u64 ns)
{
	if (unlikely(ns >= SHORT_NS)) {
		u64 rest_ns;
		u64 us = div64_u64_rem(ns, NSEC_PER_USEC, &rest_ns);

		*byte_us += backlog * us;
		ns = rest_ns;
	}
	*byte_ns += backlog * ns;
	if (unlikely(*byte_ns >= BYTE_NS_CARRY)) {
		u64 rest;

		*byte_us += div64_u64_rem(*byte_ns, NSEC_PER_USEC, &rest);
		*byte_ns = rest;
	}
}

void sluice_stats_init(struct sluice_counters *c)
{
	seqcount_init(&c->seq);
	c->last_ns = ktime_get_ns();
}

void sluice_stats_begin(struct sluice_counters *c, u64 now_ns)
{
	preempt_disable();
	write_seqcount_begin(&c->seq);
	if (c->backlog) {
		u64 elapsed_ns = now_ns - c->last_ns;

		integrate(&c->byte_us, &c->byte_ns, c->backlog, elapsed_ns);
		c->backlogged_ns += elapsed_ns;
	}
	c->last_ns = now_ns;
}

void sluice_stats_end(struct sluice_counters *c, const struct Qdisc *sch)
{
	c->qlen = sch->q.qlen;
	c->backlog = sch->qstats.backlog;
	c->backlog_max = max(c->backlog_max, c->backlog);
	c->epoch.backlog_max = max(c->epoch.backlog_max, c->backlog);
	write_seqcount_end(&c->seq);
	preempt_enable();
}

/* The integral up to the latest event; only for who writes it. */
u64 sluice_stats_byte_us(const struct sluice_counters *c)
{
	return c->byte_us + div_u64(c->byte_ns, NSEC_PER_USEC);
}

static void epoch_start(const struct sluice_counters *c, u64 key, struct sluice_epoch *e)
{
	e->key = key;
	e->since_ns = c->last_ns;
	e->packets = c->packets;
	e->bytes = c->bytes;
	e->ce_packets = c->ce_packets;
	e->ce_bytes = c->ce_bytes;
	e->drops = c->early_drops + c->limit_drops;
	e->byte_us = sluice_stats_byte_us(c);
	e->backlogged_ns = c->backlogged_ns;
	e->backlog_max = c->backlog;
}

void sluice_stats_epoch(struct sluice_counters *c, u64 key)
{
	if (likely(c->epoch.key == key && c->epoch.since_ns))
		return;
	c->epoch_before = c->epoch;
	epoch_start(c, key, &c->epoch);
}

/* What was counted from one start to the other. */
static void epoch_report(const struct sluice_epoch *from, const struct sluice_epoch *to,
			 struct sluice_qdisc_epoch *out)
{
	if (!from->since_ns)
		return;
	out->source = from->key >> 32;
	out->generation = from->key;
	out->since_ns = from->since_ns;
	out->elapsed_ns = to->since_ns - from->since_ns;
	out->packets = to->packets - from->packets;
	out->bytes = to->bytes - from->bytes;
	out->ce_packets = to->ce_packets - from->ce_packets;
	out->ce_bytes = to->ce_bytes - from->ce_bytes;
	out->drops = to->drops - from->drops;
	out->backlog_byte_us = to->byte_us - from->byte_us;
	out->backlogged_ns = to->backlogged_ns - from->backlogged_ns;
	out->backlog_max_bytes = from->backlog_max;
}

void sluice_stats_sojourn(struct sluice_counters *c, u64 sojourn_ns)
{
	unsigned int slot = sojourn_ns ? fls64(sojourn_ns) - 1 : 0;

	c->sojourn_samples++;
	c->sojourn_sum_ns += sojourn_ns;
	c->sojourn_hist[min_t(unsigned int, slot, SLUICE_HIST_SLOTS - 1)]++;
}

static void snapshot_settings(struct sluice_sched *q, const struct sluice_tree_choice *choice,
			      struct sluice_qdisc_stats *st)
{
	struct sluice_set *set;

	rcu_read_lock();
	set = rcu_dereference(q->set);
	st->base_qth_min = set->knob[SLUICE_KNOB_qth_min];
	st->base_qth_max = set->knob[SLUICE_KNOB_qth_max];
	st->base_max_p = set->knob[SLUICE_KNOB_max_p];
	st->limit_bytes = set->knob[SLUICE_KNOB_limit_bytes];
	st->limit_pkts = set->knob[SLUICE_KNOB_limit_pkts];
	if (set->tree && sluice_tree_loaded(q, set)) {
		st->tree_generation = set->tree_lease.generation;
		st->tree_lease_ms = sluice_lease_remaining_ms(&set->tree_lease);
	}
	if (sluice_learned_in_force(q, set))
		st->lease_ms = sluice_lease_remaining_ms(&set->learned_lease);
	if (st->tree_lease_ms && sluice_tree_decides(q, set, choice)) {
		st->source = SLUICE_SRC_TREE;
		st->qth_min = choice->params.qth_min;
		st->qth_max = choice->params.qth_max;
		st->max_p = choice->params.max_p;
		st->generation = choice->generation;
		st->tree_cell = choice->cell;
	} else if (st->lease_ms) {
		st->source = SLUICE_SRC_LEARNED;
		st->qth_min = set->learned_params.qth_min;
		st->qth_max = set->learned_params.qth_max;
		st->max_p = set->learned_params.max_p;
		st->generation = set->learned_lease.generation;
	} else {
		st->source = set->knob[SLUICE_KNOB_hold] ? SLUICE_SRC_HOLD : SLUICE_SRC_BASELINE;
		st->qth_min = st->base_qth_min;
		st->qth_max = st->base_qth_max;
		st->max_p = st->base_max_p;
	}
	rcu_read_unlock();
	st->manual_gen = READ_ONCE(q->manual_gen);
	st->lease_expired = atomic_read(&q->lease_expired);
	st->tree_lease_expired = atomic_read(&q->tree_lease_expired);
}

void sluice_snapshot(struct sluice_sched *q, struct sluice_qdisc_stats *st)
{
	const struct sluice_counters *c = &q->stats;
	struct sluice_epoch epoch, epoch_before, now;
	struct sluice_tree_choice choice;
	u64 byte_us, byte_ns, elapsed_ns;
	unsigned int seq;

	memset(st, 0, sizeof(*st));
	st->abi_version = SLUICE_ABI_VERSION;
	do {
		seq = read_seqcount_begin(&c->seq);
		st->time_ns = ktime_get_ns();
		st->packets = c->packets;
		st->bytes = c->bytes;
		st->ce_packets = c->ce_packets;
		st->ce_bytes = c->ce_bytes;
		st->ce_sojourn_packets = c->ce_sojourn_packets;
		st->ce_sojourn_bytes = c->ce_sojourn_bytes;
		st->early_drops = c->early_drops;
		st->limit_drops = c->limit_drops;
		st->backlog_bytes = c->backlog;
		st->backlog_packets = c->qlen;
		st->backlog_max_bytes = c->backlog_max;
		st->backlogged_ns = c->backlogged_ns;
		st->sojourn_samples = c->sojourn_samples;
		st->sojourn_sum_ns = c->sojourn_sum_ns;
		memcpy(st->sojourn_hist, c->sojourn_hist, sizeof(st->sojourn_hist));
		byte_us = c->byte_us;
		byte_ns = c->byte_ns;
		epoch = c->epoch;
		epoch_before = c->epoch_before;
		choice = q->tree.choice;
		elapsed_ns = st->time_ns - c->last_ns;
	} while (read_seqcount_retry(&c->seq, seq));

	st->tree_evaluations = choice.evaluations;
	snapshot_settings(q, &choice, st);

	/* The time since the last event belongs to the snapshot, too. */
	if (st->backlog_bytes) {
		integrate(&byte_us, &byte_ns, st->backlog_bytes, elapsed_ns);
		st->backlogged_ns += elapsed_ns;
	}
	st->backlog_byte_us = byte_us + div_u64(byte_ns, NSEC_PER_USEC);

	now = (struct sluice_epoch) {
		.since_ns = st->time_ns,
		.packets = st->packets,
		.bytes = st->bytes,
		.ce_packets = st->ce_packets,
		.ce_bytes = st->ce_bytes,
		.drops = st->early_drops + st->limit_drops,
		.byte_us = st->backlog_byte_us,
		.backlogged_ns = st->backlogged_ns,
	};
	epoch_report(&epoch, &now, &st->epoch);
	epoch_report(&epoch_before, &epoch, &st->epoch_before);
}
