/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a run's flows say: completion times and slowdowns by class of size, and the objective J. One
 * code for all executors, from a list of flows.
 *
 * A slowdown is a flow's time over what it would take alone. Flows that have not finished when a run
 * ends are censored: in means and in J they count with the time that they have had, a lower bound; in
 * quantiles they are longer than all others, and a quantile that reaches into them is not told.
 */
#ifndef SLUICE_LAB_OBJECTIVE_H
#define SLUICE_LAB_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lab/record.h"

#define FLOW_CLASSES	4
#define FLOW_CLASS_ALL	FLOW_CLASSES
#define P99_FLOWS	1000	/* fewer tell no such quantile */
#define P999_FLOWS	10000
#define P50_FLOWS	20

struct objective {
	double class[FLOW_CLASSES];	/* weights, by class of size */
	double goodput;
};

struct measured_flow {
	double bytes;
	double start_s;			/* into the run */
	double fct_us;			/* unfinished: that it has had */
	double slowdown;
	bool unfinished;
};

struct flow_list {
	struct measured_flow *flow;
	size_t n, room;
	bool no_memory;
};
void flow_list_add(struct flow_list *l, const struct measured_flow *f);
void flow_list_free(struct flow_list *l);

unsigned int flow_class(double bytes);
const char *flow_class_name(unsigned int class);	/* up to FLOW_CLASS_ALL */

/*
 * Adds flows' metrics and J to r, as values of a run of t1_s. goodput_share: of what the link could
 * have sent. -ENOMEM; -ENODATA: no class with a weight has flows, so there is no J.
 */
int objective_measure(const struct objective *o, const struct flow_list *l, double goodput_share,
		      double t1_s, struct record *r);

#endif
