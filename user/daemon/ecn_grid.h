/* SPDX-License-Identifier: GPL-2.0 */
/* Positions in the template grid that ecn_agent.h describes. */
#ifndef SLUICE_DAEMON_ECN_GRID_H
#define SLUICE_DAEMON_ECN_GRID_H

#include "daemon/ecn_agent.h"

struct ecn_pos {
	int n, m, p;	/* indices: time step, qth_max / qth_min, max_p */
};

static inline int ecn_pos_index(struct ecn_pos p)
{
	return (p.n * ECN_GRID_M + p.m) * ECN_GRID_P + p.p;
}

static inline struct ecn_pos ecn_index_pos(int i)
{
	return (struct ecn_pos) { i / (ECN_GRID_M * ECN_GRID_P), i / ECN_GRID_P % ECN_GRID_M,
				  i % ECN_GRID_P };
}

/* Seconds, C and RTT are positive and finite, and nothing else is infinite or not a number. */
bool ecn_interval_ok(const struct ecn_interval *in);
/* E(n) = alpha * 2^n of the paper in bytes, alpha scaled with C * RTT. */
double ecn_grid_acc_bytes(const struct ecn_interval *in, int n);

/*
 * A setting in continuous coordinates of the grid, each near [0, 1] on it: steps of qth_min over
 * the smallest template, log2(qth_max / qth_min) and the decades of max_p.
 */
void ecn_grid_coordinates(const struct ecn_agent_config *c, const struct ecn_interval *in,
			  const struct qdisc_triple *t, float x[3]);

/* A feasible template and those one step away from it: at most 1 + 2 * 3. Returns how many. */
#define ECN_NEIGHBOURS	7
int ecn_grid_neighbours(int at, const uint8_t feasible[ECN_ACTIONS], int out[ECN_NEIGHBOURS]);

#endif
