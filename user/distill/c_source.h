/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A kernel's tree as C source, to read or to compile where no loader is wanted:
 *
 *	unsigned int NAME(const unsigned int *f)	the cell that sluice_tree_walk() finds
 *	const unsigned int NAME_action[][3]		qth_min, qth_max, max_p from cell n_nodes up
 */
#ifndef SLUICE_DISTILL_C_SOURCE_H
#define SLUICE_DISTILL_C_SOURCE_H

#include <stdio.h>
#include <sluice/tree.h>

/* Of a valid tree. -EIO. */
int c_source_write(const struct sluice_tree *t, const char *name, FILE *to);

#endif
