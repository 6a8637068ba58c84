/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changing an RSS table without reordering: a slot goes to another queue only
 * while its traffic has a gap.
 *
 * The caller states the gap: longer than the slot's present queue takes to drain
 * (ring length times the time of a packet, or a measured wait, and a margin).
 * A slot that has been idle for longer has nothing left in the old queue. The
 * NIC does not tell when a slot had its last packet; the data plane does, by
 * flow. So the caller goes over its flows and struct rss_idle folds them to
 * slots by the NIC's own hash:
 *
 *	rss_idle_begin(&idle, &rss);
 *	for each flow:
 *		rss_idle_add(&idle, &rss, &key, now - last_packet);
 *	if flows may be missing (the flow table is full, or sampled):
 *		rss_idle_add(&idle, &rss, NULL, 0);
 *	moved = rss_moves_step(&moves, &idle, now - begun, RSS_MOVES_AT_GAPS, &e);
 *
 * What cannot be attributed to a slot holds every slot back. That is also what
 * a caller says (NULL) of flows whose key is not what the NIC hashes: those behind
 * MPLS or PPPoE. What remains is a race that no software can close, since nothing
 * stops the NIC: a packet that arrives between the look at its flow and the write
 * of the table may still be in the old queue when its successor is in the new one.
 * That is why an observation older than the gap is refused.
 *
 * These moves are counted here and are none of the cpumap's.
 */
#ifndef SLUICE_LIB_RSS_MOVES_H
#define SLUICE_LIB_RSS_MOVES_H

#include "lib/rss.h"

/* For how long each slot has seen no packet. */
struct rss_idle {
	uint32_t slots;
	uint64_t any_ns;		/* bound for all slots, by flows that have no known slot */
	uint64_t slot_ns[RSS_MAX_SLOTS];
};

/* Nothing seen yet: every slot idle for ever. */
void rss_idle_begin(struct rss_idle *idle, const struct rss *rss);
/* A flow (NULL: of unknown key) whose last packet came idle_ns ago. */
void rss_idle_add(struct rss_idle *idle, const struct rss *rss, const struct sluice_flow_key *flow,
		  uint64_t idle_ns);
uint64_t rss_idle_of(const struct rss_idle *idle, uint32_t slot);

struct rss_moves_stats {
	uint64_t moved_at_gap;	/* slots */
	uint64_t forced;	/* slots moved without a gap, because it was asked for */
	uint64_t overridden;	/* slots that somebody else set while they waited; theirs stays */
	uint64_t failed;	/* writes that the NIC did not take; nothing moved */
	uint32_t waiting;	/* slots, now */
};

struct rss_moves {
	uint64_t gap_ns;
	struct rss nic;				/* as last read or written */
	uint32_t wanted[RSS_MAX_SLOTS];
	struct rss_moves_stats stats;
};

/* -EINVAL for a gap of 0, as that would be none. The wanted table is the present one. */
int rss_moves_init(struct rss_moves *m, const struct rss *nic, uint64_t gap_ns, struct sl_err *e);

/* A new wanted table replaces the one before, with what still waited for it. */
int rss_moves_want(struct rss_moves *m, const uint32_t *table, uint32_t slots, struct sl_err *e);

enum rss_moves_when {
	RSS_MOVES_AT_GAPS,
	RSS_MOVES_NOW,		/* all that waits, at the price of reordering; counted as forced */
};

/*
 * Moves what may be moved, in one write of the table; the number of slots moved, or a negative
 * errno with nothing moved. age_ns is the time since rss_idle_begin(). A slot that somebody else
 * has set meanwhile is not wanted any more: the operator wins. -ESTALE: the observation is older
 * than the gap; or the table has another length, key or function, so that it says nothing any more,
 * and what was wanted is given up. idle may be NULL with RSS_MOVES_NOW.
 */
int rss_moves_step(struct rss_moves *m, const struct rss_idle *idle, uint64_t age_ns,
		   enum rss_moves_when when, struct sl_err *e);

#endif
