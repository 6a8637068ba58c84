/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The workloads that a plan can name, in one table. Each is described once; the simulator gets it as
 * a mix (mix.h), the kernel lab as lists of arrivals that loadgen replays over real TCP connections.
 */
#ifndef SLUICE_LAB_WORKLOADS_H
#define SLUICE_LAB_WORKLOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>

#include "lib/dist.h"
#include "lib/err.h"

#define WORKLOAD_RTTS	3

struct workload_phase {
	char sizes[256];	/* a built-in distribution, or a file */
	bool by_rate;		/* sizes are multiplied by C / 10 Gbit/s, so that a run has enough flows */
	double load;		/* share of the rate that arrives */
	double kernel_load;	/* in the kernel lab, where an emulated machine opens the connections */
	double rate;		/* share of the configured rate that the link has */
	unsigned int incast;	/* senders of a block of 20 KB at once; together a tenth of the rate */
};

struct workload {
	char name[64], family[32];
	char text[128];			/* for people */
	unsigned int phases;
	double phase_s;			/* of each, in turn */
	struct workload_phase phase[2];
	unsigned int endless;		/* flows that never end */
	unsigned int rtts;		/* paths */
	double rtt_of[WORKLOAD_RTTS];	/* relative to the configured time */
	double cubic, ecn_cubic;	/* shares of flows that are CUBIC without and with ECN */
};

/*
 * A name of the table, or "sizes:FILE": flows of these sizes, of a family of its own. dir: of files of
 * sizes, "" if there is none. Reads the files once, to see that it can.
 */
int workload_find(const char *name, const char *dir, struct workload *ret, struct sl_err *e);
/* The name of number i of the table, or NULL; *family its family. */
const char *workload_name(size_t i, const char **family);
/* Flows over a link that nothing slows down, which end. */
bool workload_is_native(const struct workload *w);
void workloads_print(FILE *f);
json_t *workload_json(const struct workload *w);	/* NULL: out of memory */

/* The sizes of a phase at this rate: read or built, and scaled. */
int workload_sizes(const struct workload *w, unsigned int phase, double rate_bps, struct dist *ret,
		   struct sl_err *e);

#endif
