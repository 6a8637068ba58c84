/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The hold: a place moves to another CPU when none of its packets can be
 * overtaken. The rules are in the contract at struct sluice_place.
 */
#ifndef SLUICE_HOLD_BPF_H
#define SLUICE_HOLD_BPF_H

#include "drain.bpf.h"

enum drained { DRAINED_NOT, DRAINED_BY_ACK, DRAINED_BY_GAP };

static __always_inline enum drained drained(const struct sluice_place *place,
					    const struct sluice_steer_config *c)
{
	const __u32 idle = (__u32)bpf_jiffies64() - place->ticks;
	__u32 cpu = place->cpu1 - 1, index = place->rxq * SLUICE_MAX_CPUS + cpu;
	struct sluice_deliver *d;
	struct sluice_ack *a;
	__u64 latest;
	__s16 since;

	a = bpf_map_lookup_elem(&acks, &index);
	d = bpf_map_lookup_elem(&deliver, &cpu);
	if (!a || !d)
		return DRAINED_NOT;
	if (idle > gap_ticks(c) * (a->latest ? SLUICE_GAP_ACKED : 1))
		return DRAINED_BY_GAP;
	if (cpumap_does_gro() && !(c->flags & SLUICE_STEER_F_SLOW_TICK) && idle < 2)
		return DRAINED_NOT;
	if (*(volatile __u64 *)&a->safe >= place->seq)
		return DRAINED_BY_ACK;
	/* In this order: a count that is too old makes "since" too small. */
	latest = *(volatile __u64 *)&a->latest;
	since = (__s16)((__u16)*(volatile __u64 *)&d->packets - (__u16)latest);
	if (latest >> SLUICE_ACK_SHIFT >= place->seq && since >= (__s16)settle_packets())
		return DRAINED_BY_ACK;
	return DRAINED_NOT;
}

/* Whether the place's old CPU has packets of others from this queue; exact while none is dropped. */
static __always_inline int is_busy(const struct sluice_place *place)
{
	__u32 cpu = place->cpu1 - 1, index = place->rxq * SLUICE_MAX_CPUS + cpu;
	struct sluice_counter *out = bpf_map_lookup_elem(&sent, &index);
	struct sluice_deliver *d = bpf_map_lookup_elem(&deliver, &cpu);
	struct sluice_ack *a = bpf_map_lookup_elem(&acks, &index);
	__u64 latest;

	if (!out || !d || !a)
		return 0;
	latest = *(volatile __u64 *)&a->latest;
	return out->packets - (latest >> SLUICE_ACK_SHIFT) > (__u16)(d->packets - latest);
}

/*
 * Called when the place is not where it is wanted, or has been pending. want1 is
 * a CPU + 1, or 0: the stack, here. Not inlined, since it is rare.
 */
static __noinline void move(struct sluice_place *place, __u32 want1,
			    struct sluice_steer_stats *stats, const struct sluice_steer_config *c)
{
	enum drained how;

	if (place->cpu1 == want1) {
		stats->moves_cancelled++;
		place->flags = 0;
		return;
	}
	if (!place->cpu1) {
		place->cpu1 = want1;
		place->flags = 0;
		return;
	}
	if (!(place->flags & SLUICE_PLACE_PENDING)) {
		stats->moves_begun++;
		place->flags |= SLUICE_PLACE_PENDING;
	}
	how = drained(place, c);
	if (how == DRAINED_NOT) {
		if (!(c->flags & SLUICE_STEER_F_NO_HOLD))
			return;
		stats->moves_cancelled++;
		stats->moves_forced++;
	} else {
		stats->moves_completed++;
		if (how == DRAINED_BY_GAP)
			stats->moves_by_gap++;
		else if (is_busy(place))
			stats->moves_busy++;
	}
	place->cpu1 = want1;
	place->flags = 0;
}

static __always_inline void settle(struct sluice_place *place, __u32 want1,
				   struct sluice_steer_stats *stats,
				   const struct sluice_steer_config *c)
{
	if (place->cpu1 != want1 || place->flags)
		move(place, want1, stats, c);
}

/* Its CPU has no cpumap entry any more: it begins anew, and what was there may be overtaken. */
static __noinline void lose(struct sluice_place *place, struct sluice_steer_stats *stats,
			    const struct sluice_steer_config *c)
{
	if (place->flags & SLUICE_PLACE_PENDING)
		stats->moves_cancelled++;
	if (place->seq && (__u32)bpf_jiffies64() - place->ticks <= gap_ticks(c))
		stats->moves_forced++;
	place->seq = 0;
	place->cpu1 = 0;
	place->flags = 0;
}

#endif
