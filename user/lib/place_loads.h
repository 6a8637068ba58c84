/* SPDX-License-Identifier: GPL-2.0 */
/* What a tree that places flows is told of the CPUs; see struct sluice_cpu_load. */
#ifndef SLUICE_LIB_PLACE_LOADS_H
#define SLUICE_LIB_PLACE_LOADS_H

#include <linux/sluice.h>

struct place_loads {
	__u32 n;
	__u8 cpu[SLUICE_MAX_CPUS];	/* targets: the first n of these and of the others */
	__u32 ppm[SLUICE_MAX_CPUS];
	__u64 lost[SLUICE_MAX_CPUS];
	__u32 mean_ppm, flow_ppm;
};

#endif
