/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the CPUs do: /proc/stat and /proc/net/softnet_stat. Both parsers take
 * text, so that they can be tested without a machine that behaves.
 */
#ifndef SLUICE_LIB_PROCSTAT_H
#define SLUICE_LIB_PROCSTAT_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sluice.h>

#include "lib/err.h"

struct procstat_cpu {
	bool online;
	uint64_t busy, softirq, total;	/* clock ticks; busy includes softirq */
	uint64_t softnet_dropped;	/* packets the backlog queue refused */
	uint64_t softnet_squeezed;	/* polls that ended with work left */
};

struct procstat {
	unsigned int n_cpus;		/* 1 + the highest number that is online */
	struct procstat_cpu cpu[SLUICE_MAX_CPUS];
};

int procstat_read(struct procstat *out, struct sl_err *e);

/* The parts, on text. procstat_parse_stat clears out first. */
int procstat_parse_stat(const char *text, struct procstat *out);
int procstat_parse_softnet(const char *text, struct procstat *out);

/* Shares of the time between two readings, 0..1; 0 when no tick has passed. */
double procstat_util(const struct procstat_cpu *now, const struct procstat_cpu *before);
double procstat_softirq(const struct procstat_cpu *now, const struct procstat_cpu *before);

#endif
