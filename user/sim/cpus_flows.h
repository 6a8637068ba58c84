/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The flows of the simulated traffic (cpus_traffic.h): slots, their keys and hashes, and a heap of
 * slots by the time of their next packet. Times are nanoseconds, work is in units of what the costs
 * say.
 *
 * The slot of a flow that ended goes to the end of a queue of free ones, so that it is taken again
 * as late as can be: packets of the old flow have left the machine by then, and if not, are told
 * by the flow's number.
 */
#ifndef SLUICE_SIM_CPUS_FLOWS_H
#define SLUICE_SIM_CPUS_FLOWS_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/sluice.h>

/* What is known of a flow for as long as it has its slot. */
struct cpus_slot {
	uint32_t id;		/* 0: has no flow yet */
	uint32_t rss_hash;
	uint64_t hash;		/* sluice_flow_hash() of its key */
	bool elephant;
	float work;		/* of a packet */
	double gap_ns;		/* between packets while it is on */
	uint64_t left;		/* packets */
	uint64_t on_until_ns;
};

struct cpus_due {
	uint64_t time_ns;
	uint32_t slot;
};

struct cpus_flows {
	uint64_t seed;			/* of keys and work */
	double work_sigma;		/* of the logarithm of a flow's work; its mean is 1 */
	uint32_t ids;			/* the latest flow's number */

	struct cpus_slot *slot;
	uint32_t n_slots, room_slots;
	uint32_t *freed;		/* a ring */
	uint32_t freed_head, n_freed, room_freed;

	struct cpus_due *heap;		/* the earliest first */
	uint32_t n_heap, room_heap;
};

/* A slot without a flow; -ENOMEM. */
int64_t cpus_flows_slot(struct cpus_flows *f);
int cpus_flows_free_slot(struct cpus_flows *f, uint32_t slot);
/* A new flow in the slot, with this key; NULL: one made up, of the flow's number. */
void cpus_flows_begin(struct cpus_flows *f, struct cpus_slot *s, const struct sluice_flow_key *key);

int cpus_flows_add_due(struct cpus_flows *f, struct cpus_due d);
/* In place of the earliest. */
void cpus_flows_replace_due(struct cpus_flows *f, struct cpus_due d);
void cpus_flows_drop_due(struct cpus_flows *f);

/* Into memory of its own; false: out of memory, and *to is to be freed as it is. */
bool cpus_flows_copy(struct cpus_flows *to, const struct cpus_flows *from);
void cpus_flows_fini(struct cpus_flows *f);

#endif
