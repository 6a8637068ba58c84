/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From readings to the steering agent's observation, and the last question before a move. Pure: the
 * daemon gives readings of the kernel, the simulator (user/policy/steer_env.h) its own.
 */
#ifndef SLUICE_DAEMON_STEER_VIEW_H
#define SLUICE_DAEMON_STEER_VIEW_H

#include "daemon/steer_agent.h"
#include "lib/procstat.h"
#include "lib/steer.h"

/* Between two readings of one interface. */
double steer_view_seconds(const struct steer_snapshot *before, const struct steer_snapshot *now);
/* A CPU's time between two readings; nothing sent to it yet, waits not measurable. */
struct steer_cpu_obs steer_view_cpu(unsigned int cpu, const struct procstat_cpu *before,
				    const struct procstat_cpu *now, double seconds);
/* Adds what one interface sent to the CPU. */
void steer_view_sent(const struct steer_snapshot *before, const struct steer_snapshot *now,
		     struct steer_cpu_obs *out);
/* The CPU that a bucket's packets go to, or -1. */
int steer_view_bucket_cpu(const struct steer_snapshot *now, unsigned int bucket);
/*
 * Buckets that had packets: their number. pps and bps are those of the whole interval, not rates.
 */
size_t steer_view_buckets(const struct steer_snapshot *before, const struct steer_snapshot *now,
			  struct steer_object *objects, size_t max);
/*
 * A move that would overload its target, or leave it busier than the CPU that is
 * relieved. What is steered has taken its hop in any case; "from" is where it is
 * processed now. A CPU that is no target (any more) may always be left.
 */
bool steer_view_loses(const struct steer_interval *in, const struct steer_move *m);

#endif
