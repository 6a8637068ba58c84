/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The capacity C of a queue: its peak drain rate while backlogged, a maximum
 * over a sliding window. Only an interval that was backlogged nearly
 * throughout tells C exactly; of any other the plain rate is a lower bound.
 */
#ifndef SLUICE_DAEMON_CAPACITY_H
#define SLUICE_DAEMON_CAPACITY_H

#include <stdint.h>

#define CAPACITY_BACKLOGGED	0.9	/* share of an interval that counts as "throughout" */
#define CAPACITY_HALF_NS	30000000000ULL	/* the window is two such halves */

struct capacity {
	double half[2];		/* bytes per second: present half, the one before */
	uint64_t half_start_ns;
};

/* An interval of the queue: bytes sent in ns, of which backlogged_ns with a backlog. */
void capacity_update(struct capacity *c, uint64_t now_ns, double bytes, double ns,
		     double backlogged_ns);
/* Bytes per second, 0 while unknown. */
double capacity_get(const struct capacity *c);

#endif
