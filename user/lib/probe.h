/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What this host and an interface can do for steering, as findings: a stable
 * name, a value, and advice where it matters. The facts behind them are in
 * probe_host.h, probe_dev.h, probe_hop.h and coexist.h.
 */
#ifndef SLUICE_LIB_PROBE_H
#define SLUICE_LIB_PROBE_H

#include "lib/coexist.h"
#include "lib/probe_dev.h"
#include "lib/probe_host.h"
#include "lib/probe_hop.h"

enum probe_level { PROBE_OK, PROBE_NOTE, PROBE_WARN };

struct probe_finding {
	const char *name;	/* for programs: does not change */
	enum probe_level level;
	char value[160];
	char advice[480];	/* "" when there is nothing to do */
};

#define PROBE_FINDINGS_MAX	40
#define PROBE_HOP_MS		1500	/* leaves room below two seconds for loading */
#define PROBE_WATCH_MS		500

struct probe_facts {
	struct netdev dev;
	struct probe_host host;
	struct probe_queues queues;
	struct probe_dev caps;
	enum probe_answer cpumap_gro;
	struct coexist coexist;
	struct coexist_xdp xdp;
	struct sl_err xdp_error;	/* why xdp is not known, or "" */
	struct sl_err redirect;		/* why packets do not survive a redirect, or "" */
	bool tried;
	struct probe_try try;
	struct sl_err try_error;
	int n_hops;			/* negative: not measured, see hop_error */
	struct probe_hop hop[PROBE_DISTANCE_MAX];
	struct sl_err hop_error;
};

struct probe_options {
	bool try;		/* attach a program for a moment */
	bool no_hop;		/* do not measure hops */
};

/* Collects everything. What cannot be found out is marked so and is no error. */
int probe_read(const char *ifname, const struct probe_options *o, struct probe_facts *out,
	       struct sl_err *e);
/* The findings; how many. */
size_t probe_findings(const struct probe_facts *f, struct probe_finding out[PROBE_FINDINGS_MAX]);

#endif
