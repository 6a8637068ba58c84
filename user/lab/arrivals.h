/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A workload's flows for the kernel lab, drawn before the run from its seed, as the lists that
 * selftests/lab/loadgen replays: "time_us bytes sender" by line. One list for each kind of sender.
 */
#ifndef SLUICE_LAB_ARRIVALS_H
#define SLUICE_LAB_ARRIVALS_H

#include "lab/workloads.h"

enum arrivals_list { ARRIVALS_DCTCP, ARRIVALS_CUBIC, ARRIVALS_PLAIN, ARRIVALS_LISTS };
/* dctcp; cubic with ECN, of sender 0; plain: CUBIC without ECN, of sender 1. */
const char *arrivals_list_name(enum arrivals_list l);

/* Writes BASE.dctcp and, where the workload has such flows, BASE.cubic and BASE.plain. */
int arrivals_write(const struct workload *w, double rate_bps, double seconds, uint64_t seed,
		   const char *base, struct sl_err *e);

#endif
