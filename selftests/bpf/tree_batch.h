/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What tree_batch.bpf.c is asked and answers. */
#ifndef TREE_BATCH_H
#define TREE_BATCH_H

#include <sluice/tree.h>

#define TREE_BATCH	65536	/* states in a run, at most */

struct tree_batch_ctx {
	__u32 n;
};

struct tree_batch_state {
	__u32 feature[SLUICE_TREE_F_NR];
	__u32 cell;
	__u32 pad;	/* an element of an array is a multiple of 8 bytes */
};

#endif
