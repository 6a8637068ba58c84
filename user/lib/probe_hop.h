/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a cpumap hop costs on this machine, measured, and whether one pays.
 *
 * The measurement feeds frames of its own to programs of its own (BPF_PROG_RUN
 * with live frames): no interface is touched. The CPU that sends pays for the
 * program, the ring and waking the other side; what it pays for the same frames
 * when they are dropped at once is subtracted. A driver may be cheaper or dearer
 * by what its page recycling across CPUs costs.
 */
#ifndef SLUICE_LIB_PROBE_HOP_H
#define SLUICE_LIB_PROBE_HOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

/* X(name, text): from the sending CPU's point of view. */
#define PROBE_DISTANCES(X)				\
	X(same, "same CPU")				\
	X(sibling, "sibling (same core)")		\
	X(core, "another core")				\
	X(node, "another NUMA node")

enum probe_distance {
#define X(name, text) PROBE_##name,
	PROBE_DISTANCES(X)
#undef X
	PROBE_DISTANCE_MAX,
};

extern const char *const probe_distance_name[PROBE_DISTANCE_MAX];
extern const char *const probe_distance_text[PROBE_DISTANCE_MAX];

struct probe_hop {
	enum probe_distance distance;
	unsigned int from_cpu, to_cpu;
	unsigned int rounds;
	/* Medians over the rounds; negative: could not be measured in the time given. */
	double drop_ns;		/* per packet: the sending CPU, packets dropped at once */
	double send_ns;		/* per packet: the sending CPU, beyond drop_ns */
	double mpps;		/* end to end, from the first packet sent to the last arrived */
	double wakeup_ns;	/* one packet to an idle CPU: sent until received */
	double wakeup_max_ns;
};

/* A CPU of each distance from from_cpu; -1 where there is none. */
struct probe_targets {
	int cpu[PROBE_DISTANCE_MAX];
};

/*
 * Measures for at most budget_ms (at least one round each, so a very slow machine takes longer).
 * Pins the calling thread meanwhile. The number of results, or -errno: -EPERM without
 * privileges, -EOPNOTSUPP before Linux 5.18.
 */
int probe_hop_measure(unsigned int from_cpu, const struct probe_targets *to,
		      unsigned int budget_ms, struct probe_hop out[PROBE_DISTANCE_MAX],
		      struct sl_err *e);

/*
 * May it pay to send an object (a bucket, a flow) from the CPU its packets arrive on to another
 * one? With w = source_busy / source_pps, what a packet costs on the source now:
 *
 *   - the source must be short of time: below PROBE_BUSY_MIN a hop only adds delay;
 *   - a packet must cost clearly more than sending it away: w >= PROBE_GAIN_MIN * send_ns. Else
 *     the source stays as busy, and the target has work on top;
 *   - the target must have room for it: target_busy + rate * (w + send_ns) <= PROBE_TARGET_MAX,
 *     where receiving is taken to cost as much as sending.
 *
 * An object that is redirected already (remote) has paid for its hop. Then, with source the CPU
 * that processes it now, the target must only end less busy than the source is; and where both are
 * above PROBE_TARGET_MAX, how busy they are says nothing of who is worse off: unknown.
 *
 * Unknowns (source_pps 0, send_ns < 0) never forbid: without a measurement nothing is claimed.
 */
#define PROBE_BUSY_MIN		0.7
#define PROBE_GAIN_MIN		1.5
#define PROBE_TARGET_MAX	0.9

struct probe_move {
	double send_ns;		/* struct probe_hop, for that distance */
	double rate_pps;	/* of the object */
	double source_pps;	/* of all packets the source processes */
	double source_busy;	/* 0..1 */
	double target_busy;
	bool remote;		/* its packets take a hop already */
};

/* X(name, text): why. */
#define PROBE_VERDICTS(X)						\
	X(pays, "it frees more time than the hop costs")		\
	X(source_idle, "the source CPU has time left, a hop only adds delay")	\
	X(too_cheap, "a packet costs little more than sending it away")	\
	X(target_full, "the target CPU has no room for it")		\
	X(unknown, "not measured, so nothing forbids it")

enum probe_verdict {
#define X(name, text) PROBE_##name,
	PROBE_VERDICTS(X)
#undef X
	PROBE_VERDICT_MAX,
};

extern const char *const probe_verdict_text[PROBE_VERDICT_MAX];

/* why may be NULL. */
bool probe_hop_pays(const struct probe_move *m, enum probe_verdict *why);

#endif
