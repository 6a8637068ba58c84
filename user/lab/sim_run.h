/* SPDX-License-Identifier: GPL-2.0 */
/* One run of a plan in the packet simulator. */
#ifndef SLUICE_LAB_SIM_RUN_H
#define SLUICE_LAB_SIM_RUN_H

#include "lab/plan.h"
#include "lab/record.h"
#include "lab/store.h"

#define DRAIN_LEAST	0.95	/* of the rate, while backlogged; less: the run is not valid */

/*
 * chosen_k: what an oracle chose before; NAN: it chooses now, by runs on arrivals of no trial.
 * fitted: of a policy that is made for a family. Never fails but by what the record says.
 */
void sim_run_measure(const struct plan *p, const struct store_run *run, double chosen_k,
		     const struct model *fitted, struct record *rec);

#endif
