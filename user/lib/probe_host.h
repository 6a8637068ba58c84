/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What sysfs says of the CPUs and of an interface, as far as steering should
 * know it. "root" stands before /sys and /proc: "" for this machine, a
 * directory of files for tests.
 */
#ifndef SLUICE_LIB_PROBE_HOST_H
#define SLUICE_LIB_PROBE_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sluice.h>

#include "lib/err.h"
#include "lib/probe_hop.h"

#define PROBE_IRQS_MAX	64

struct probe_cpu {
	bool online;
	bool isolated;		/* isolcpus= or nohz_full= */
	int core;		/* the lowest CPU that shares its core */
	int node;		/* NUMA; 0 on machines without */
	uint32_t capacity;	/* cpu_capacity, else kHz at most; 0 unknown; for comparison only */
	char class;		/* 'P' or 'E' of a hybrid processor, else '-' */
};

struct probe_host {
	unsigned int n_cpus;	/* 1 + the highest online, of those we can steer to */
	unsigned int n_online, n_isolated, n_cores, n_nodes, n_classes;
	struct probe_cpu cpu[SLUICE_MAX_CPUS];
};

struct probe_irq {
	unsigned int irq;
	char cpus[64];		/* a list; "" when it cannot be read */
};

struct probe_queues {
	int node;		/* of the device; -1 unknown or none */
	unsigned int n_rx, n_tx;
	uint32_t carrier_changes;
	unsigned int n_irqs;
	struct probe_irq irq[PROBE_IRQS_MAX];
};

int probe_host_read(const char *root, struct probe_host *out, struct sl_err *e);
int probe_queues_read(const char *root, const char *ifname, struct probe_queues *out,
		      struct sl_err *e);
/* The CPU to measure hops from (where its interrupts go), and one of each distance. */
unsigned int probe_host_targets(const struct probe_host *h, const struct probe_queues *q,
				struct probe_targets *out);

#endif
