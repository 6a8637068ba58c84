/* SPDX-License-Identifier: GPL-2.0 */
/* A workload of a plan as a mix of user/policy, which the simulator runs. */
#ifndef SLUICE_LAB_SIM_MIX_H
#define SLUICE_LAB_SIM_MIX_H

#include "lab/plan.h"
#include "policy/mix.h"

/*
 * sizes: of its phases, phase by phase as mix.phase[].sizes says; the caller's to free, after a failure,
 * too. In a plan of the kernel lab the load is the one that it has there.
 */
int sim_mix(const struct plan *p, unsigned int workload, unsigned int configuration, uint64_t seed,
	    struct mix *ret, struct dist sizes[2], struct sl_err *e);

#endif
