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
/*
 * The same of a queue whose backlog is looked at once an interval only. There an interval does not
 * do: a packet of TSO more or less is a quarter of what 10 Mbit/s send in 50 ms. So intervals that
 * begin and end with a backlog are put together until they are CAPACITY_SPAN_NS. What came to rest in
 * between makes the rate a lower bound; an error of the clock is taken for time that passed.
 */
#define CAPACITY_SPAN_NS	300000000ULL
struct capacity_span {
	double bytes, ns, error_ns;
};
void capacity_span_add(struct capacity *c, struct capacity_span *s, uint64_t now_ns, double bytes,
		       double ns, double backlogged_ns, double error_ns);
/* Bytes per second, 0 while unknown. */
double capacity_get(const struct capacity *c);

#endif
