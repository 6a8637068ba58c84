/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a plan's [configurations] can set, and the grid that it makes of lists. A row of the table is
 * a key, and says which executor knows it.
 */
#ifndef SLUICE_LAB_CONFIGURATION_H
#define SLUICE_LAB_CONFIGURATION_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

enum plan_executor { PLAN_SIMULATOR, PLAN_KERNEL, PLAN_NATIVE, PLAN_EXECUTORS };

enum lab_key {
	LAB_RATE,		/* of the bottleneck */
	LAB_RTT,
	LAB_SECONDS,		/* of a run */
	LAB_LIMIT,		/* of the queue */
	LAB_STEER,		/* the router's receiving side; kernel lab */
	LAB_CPUS,		/* that steering may use */
	LAB_QSIZE,		/* of a cpumap entry */
	LAB_NAPI,		/* net.core.netdev_budget */
	LAB_RING,		/* of the receiving device; native lab */
	LAB_KEYS
};

enum lab_steer { LAB_STEER_NONE, LAB_STEER_RPS, LAB_STEER_RFS, LAB_STEER_XDP, LAB_STEERS };

struct lab_key_row {
	const char *name, *unit, *help;
	double min, max;
	double def[PLAN_EXECUTORS];			/* by executor */
	bool in[PLAN_EXECUTORS];	/* which executors have it */
	const char *const *words;	/* values are indices into them; NULL: numbers */
};
extern const struct lab_key_row lab_key_rows[LAB_KEYS];

struct lab_configuration {
	char name[128];			/* "rate_mbps=100 rtt_us=2000": the keys that the plan names */
	double value[LAB_KEYS];
};

#define LAB_VALUES_MAX	32		/* of a key */
struct lab_grid {
	double value[LAB_KEYS][LAB_VALUES_MAX];
	size_t n[LAB_KEYS];		/* 0: the default */
};

/* A list of values of a key, by blanks. Refuses what is out of range or there twice. */
int lab_grid_set(struct lab_grid *g, enum lab_key key, const char *text, struct sl_err *e);
/* The product of all lists, with defaults of that executor; *ret is the caller's to free. */
int lab_grid_expand(const struct lab_grid *g, int executor, size_t max,
		    struct lab_configuration **ret, size_t *n, struct sl_err *e);

#endif
