/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is published for a tree that places flows (struct sluice_cpu_load): how loaded each target
 * is, what a new flow may add, and how many packets never left a CPU's ring. Pure: the daemon
 * gives readings of the kernel, the simulator its own.
 *
 * A full ring drops where no program sees it, so that of sent - delivered a part never arrives.
 * That part never shrinks; it is at most sent - delivered at any time, and at least what is more
 * than a ring can hold; and on a CPU that had time to spare the least of some readings is
 * taken for it, since its ring was empty then or nearly so. (The simulator's account; of the kernel's counters user/lib/steer_tree.c
 * keeps it, which looks more often.)
 */
#ifndef SLUICE_DAEMON_STEER_PUBLISH_H
#define SLUICE_DAEMON_STEER_PUBLISH_H

#include "daemon/steer_agent.h"
#include "lib/place_loads.h"
#include "lib/steer.h"

#define STEER_PUBLISH_READINGS	4
#define STEER_PUBLISH_FLOW_PPM	20000u	/* no new flow is taken to add more */

/* Of one interface; all zero at first. */
struct steer_publish {
	struct {
		uint64_t gone[STEER_PUBLISH_READINGS];	/* sent - delivered */
		unsigned int n;		/* readings in a row with time to spare */
		uint64_t lost;
	} cpu[SLUICE_MAX_CPUS];
};

uint32_t steer_publish_ppm(double util);
/* What a new flow may add: at most what those of the interval before have, all work being theirs. */
uint32_t steer_publish_flow_ppm(const struct steer_snapshot *before,
				const struct steer_snapshot *now, uint64_t sum_ppm);
/* cpus: the interface's targets, with their load. ring_pkts: what a ring holds. */
void steer_publish(struct steer_publish *p, const struct steer_snapshot *before,
		   const struct steer_snapshot *now, const struct steer_cpu_obs *cpus, size_t n,
		   uint32_t ring_pkts, struct place_loads *out);

#endif
