/* SPDX-License-Identifier: GPL-2.0 */
/* Workloads for steering policies: families of traffic and machines, each at several loads. */
#ifndef SLUICE_POLICY_STEER_WORKLOADS_H
#define SLUICE_POLICY_STEER_WORKLOADS_H

#include "policy/steer_env.h"

/* X(name, text): fill_NAME() in steer_workloads.c makes it. */
#define STEER_FAMILIES(X)							\
	X(uniform, "20,000 flows, all alike")					\
	X(zipf, "10,000 flows by Zipf's law, exponent 1")			\
	X(steep, "2,000 flows by Zipf's law, exponent 1.2")			\
	X(churn, "as zipf, with other flows in front every second")		\
	X(elephants, "a dozen that share half of the traffic, beside zipf")	\
	X(onoff, "the same, on and off for half a second")			\
	X(websearch, "flows that come and end, sizes of web search")		\
	X(heavy, "flows whose packets cost differently")			\
	X(swing, "zipf, whose rate swings by 40 % in two seconds")		\
	X(one_queue, "zipf, through one RX queue")				\
	X(slow_cpu, "zipf, one CPU of half the speed")				\
	X(eight, "zipf and websearch, eight CPUs")				\
	X(capture, "a capture, sped up")

struct steer_workload {
	const char *family, *text;
	double load;		/* of what all CPUs can do, steering included */
};

/* All families at all of n loads; 0 capture: without that family. Returns how many, at most max. */
size_t steer_workloads(const double *loads, size_t n, bool capture, struct steer_workload *out,
		       size_t max);
/*
 * p as it is, with the workload's machine and traffic. sizes and capture stay the caller's; sizes
 * NULL: those of web search. -ENOENT: no such family; -EINVAL: it needs the capture.
 */
int steer_workload_fill(const struct steer_workload *w, const struct dist *sizes,
			const struct cpus_capture *capture, struct steer_env_params *p,
			struct sl_err *e);

#endif
