/* SPDX-License-Identifier: GPL-2.0 */
/* Cases whose outcome is known in closed form, and what the simulator makes of them. */
#ifndef SLUICE_SIM_CLOSED_H
#define SLUICE_SIM_CLOSED_H

#include <stddef.h>

struct sim_closed_form {
	char what[64];		/* with the unit */
	double theory, measured;
};

#define SIM_CLOSED_FORMS	6

/*
 * Runs them (about a second); 0 or -errno.
 *
 * M/D/1: packets of one size arrive at random; each waits rho / (2 (1 - rho)) service times and is
 * served for one. DCTCP: the backlog of n synchronised flows swings between K + n and
 * sqrt(2 n (C RTT + K)) / 2 below that, in packets, and its mean is in the middle (Alizadeh et al.,
 * "Data Center TCP (DCTCP)", SIGCOMM 2010, section 3.3).
 */
int sim_closed_forms(struct sim_closed_form ret[SIM_CLOSED_FORMS]);

#endif
