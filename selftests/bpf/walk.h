/* SPDX-License-Identifier: GPL-2.0 */
/* What test_place_walk.c and its program share. */
#ifndef SLUICE_SELFTEST_WALK_H
#define SLUICE_SELFTEST_WALK_H

#include <sluice/place.h>

#define WALK_BATCH	1000

struct walk_state {
	__u32 feature[SLUICE_PLACE_F_NR];
};

#endif
