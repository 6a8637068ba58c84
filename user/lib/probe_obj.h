/* SPDX-License-Identifier: GPL-2.0 */
/* Loading the probe's BPF object, for user/lib/probe_*.c. */
#ifndef SLUICE_LIB_PROBE_OBJ_H
#define SLUICE_LIB_PROBE_OBJ_H

#include "lib/err.h"

struct probe;		/* the skeleton */
struct probe_run;

enum probe_obj_part { PROBE_OBJ_HOP, PROBE_OBJ_TRY };

/* Loads the programs of one part; *run is the mapped value they share with us. */
int probe_obj_load(enum probe_obj_part part, struct probe **skel,
		   volatile struct probe_run **run, struct sl_err *e);
void probe_obj_unload(struct probe *skel, volatile struct probe_run *run);

#endif
