/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The hold: a place moves to another CPU when none of its packets can be
 * overtaken. The rules are in the contract at struct sluice_place.
 */
#ifndef SLUICE_HOLD_BPF_H
#define SLUICE_HOLD_BPF_H

#include "drain.bpf.h"

enum drained { DRAINED_NOT, DRAINED_BY_ACK, DRAINED_BY_GAP };

/* What is known of the old CPU and the queue through which the place's latest packet came. */
struct old_cpu {
	struct sluice_counter *sent;
	struct sluice_deliver *deliver;
	struct sluice_ack *ack;
	__u64 latest;		/* of ack, read once */
	__u16 since;		/* packets delivered after it; too few rather than too many */
};

static __always_inline int look_at(const struct sluice_place *place, struct old_cpu *old)
{
	__u32 cpu = place->cpu1 - 1, index = place->rxq * SLUICE_MAX_CPUS + cpu;

	old->sent = bpf_map_lookup_elem(&sent, &index);
	old->deliver = bpf_map_lookup_elem(&deliver, &cpu);
	old->ack = bpf_map_lookup_elem(&acks, &index);
	if (!old->sent || !old->deliver || !old->ack)
		return 0;
	/* In this order: a count that is too old makes "since" too small, or negative. */
	old->latest = *(volatile __u64 *)&old->ack->latest;
	old->since = (__u16)*(volatile __u64 *)&old->deliver->packets - (__u16)old->latest;
	if ((__s16)old->since < 0)
		old->since = 0;
	return 1;
}

/* Whether the old CPU still has packets of this queue; exact while none is dropped. */
static __always_inline int is_busy(const struct old_cpu *old)
{
	return old->sent->packets - (old->latest >> SLUICE_ACK_SHIFT) > old->since;
}

static __always_inline enum drained drained(const struct sluice_place *place,
					    const struct old_cpu *old,
					    const struct sluice_steer_config *c)
{
	const __u32 idle = (__u32)bpf_jiffies64() - place->ticks;
	__s64 seen;

	if (idle > gap_ticks(c) * (old->latest ? SLUICE_GAP_ACKED : 1))
		return DRAINED_BY_GAP;
	if (old->latest >> SLUICE_ACK_SHIFT < place->seq)
		return DRAINED_NOT;
	/* Signed, as CPUs' clocks may be a little apart. */
	seen = bpf_ktime_get_ns() - *(volatile __u64 *)&old->ack->seen_ns;
	if (!is_busy(old) && seen >= SLUICE_SETTLE_NS)
		return DRAINED_BY_ACK;
	if (cpumap_does_gro() && !(c->flags & SLUICE_STEER_F_SLOW_TICK) && idle < 2)
		return DRAINED_NOT;
	if (*(volatile __u64 *)&old->ack->safe >= place->seq || old->since >= settle_packets())
		return DRAINED_BY_ACK;
	return DRAINED_NOT;
}

/*
 * Called when the place is not where it is wanted, or has been pending. want1 is
 * a CPU + 1, or 0: the stack, here. rxq is the queue of the packet at hand. Not
 * inlined, since it is rare.
 */
static __noinline void move(struct sluice_place *place, __u32 want1, __u32 rxq,
			    const struct sluice_steer_config *c)
{
	struct sluice_steer_stats *stats = bpf_map_lookup_elem(&steer_stats, &rxq);
	struct old_cpu old;
	enum drained how;

	if (!stats)
		return;
	if (place->cpu1 == want1) {
		stats->moves_cancelled++;
		place->flags = 0;
		return;
	}
	if (!place->cpu1) {
		place->cpu1 = want1;
		place->rxq = rxq;
		place->flags = 0;
		return;
	}
	if (!(place->flags & SLUICE_PLACE_PENDING)) {
		stats->moves_begun++;
		place->flags |= SLUICE_PLACE_PENDING;
	}
	if (!look_at(place, &old))
		return;
	how = drained(place, &old, c);
	if (how == DRAINED_NOT) {
		if (!(c->flags & SLUICE_STEER_F_NO_HOLD))
			return;
		stats->moves_cancelled++;
		stats->moves_forced++;
	} else {
		stats->moves_completed++;
		if (how == DRAINED_BY_GAP)
			stats->moves_by_gap++;
		else if (is_busy(&old))
			stats->moves_busy++;
	}
	place->cpu1 = want1;
	place->flags = 0;
}

static __always_inline void settle(struct sluice_place *place, __u32 want1, __u32 rxq,
				   const struct sluice_steer_config *c)
{
	if (place->cpu1 != want1 || place->flags)
		move(place, want1, rxq, c);
}

/* Its CPU has no cpumap entry any more: it begins anew, and what was there may be overtaken. */
static __noinline void lose(struct sluice_place *place, __u32 rxq,
			    const struct sluice_steer_config *c)
{
	struct sluice_steer_stats *stats = bpf_map_lookup_elem(&steer_stats, &rxq);

	if (!stats)
		return;
	if (place->flags & SLUICE_PLACE_PENDING)
		stats->moves_cancelled++;
	if (place->seq && (__u32)bpf_jiffies64() - place->ticks <= gap_ticks(c))
		stats->moves_forced++;
	place->seq = 0;
	place->cpu1 = 0;
	place->flags = 0;
}

#endif
