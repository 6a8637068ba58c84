/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the steering agent sees of the CPUs: their loads, and the features of a CPU as the place of
 * an object.
 *
 * Loads are virtual: they start as measured, and a move shifts an estimate of the object's work,
 * its share of its CPU's packets times that CPU's utilisation, from one CPU to the other. The
 * features of a candidate CPU tell how the loads would look after the move, so that the network
 * learns what a distribution of load is worth rather than which CPU is good.
 *
 * A CPU is named by its index among the interval's, which is also its row of features. Loads and
 * work are shares of a CPU's time, 1 being all of it.
 */
#ifndef SLUICE_DAEMON_STEER_LOADS_H
#define SLUICE_DAEMON_STEER_LOADS_H

#include <stddef.h>
#include <linux/sluice.h>

#include "daemon/steer_agent.h"
#include "rl/translog.h"

#define STEER_FEATURES	14	/* of one candidate; steer_features_name() says what and in what */

struct steer_loads {
	const struct steer_interval *in;
	size_t n;
	int index_of[SLUICE_MAX_CPUS];		/* of a CPU number; -1: no target */
	double util[SLUICE_MAX_CPUS];		/* virtual */
	double util_measured[SLUICE_MAX_CPUS];
	double pps[SLUICE_MAX_CPUS];		/* measured */
	double wait[SLUICE_MAX_CPUS];		/* as a feature */
	double pps_total;
	double mean;				/* moves do not change it */
};

/* As measured; the interval must last as long. -EINVAL: a CPU stands there twice, or cannot be. */
int steer_loads_init(struct steer_loads *l, const struct steer_interval *in);
/* The index of the CPU that the object is on; -1: it is no target. */
int steer_loads_cpu_of(const struct steer_loads *l, const struct steer_object *o);
void steer_loads_move(struct steer_loads *l, const struct steer_object *o, int from, int to);
/* Packets per second of an object, or of all of a CPU's, as they are counted with. */
double steer_loads_pps(double pps);

/* x: (CPUs, STEER_FEATURES), one row for each CPU that the object, now on "from", could be on. */
void steer_features(const struct steer_loads *l, const struct steer_object *o, int from, float *x);
void steer_features_name(struct translog_feature out[STEER_FEATURES]);

#endif
