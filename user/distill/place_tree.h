/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Trees that place newly admitted flows (sluice/place.h): from a learned tree to one that the XDP
 * program runs, the one that is built in, and those that a person would write, which a learned one
 * has to beat.
 *
 * What is learned are the integers that the program compares, so nothing is converted but a
 * threshold between two integers. Only what is known of the CPUs is learned by: what is known
 * of a flow (its port, its packet's length) is the same for all flows in the simulator.
 */
#ifndef SLUICE_DISTILL_PLACE_TREE_H
#define SLUICE_DISTILL_PLACE_TREE_H

#include <sluice/place.h>

#include "lib/err.h"
#include "policy/cart.h"
#include "policy/verify.h"

#define PLACE_LEARNED	(SLUICE_PLACE_F_mean_load + 1)	/* features, the first ones */
#define PLACE_LEAVES	(SLUICE_TREE_MAX_CELLS - SLUICE_PLACE_NR + 1)
#define PLACE_SHIPPED	"shipped"

const char *place_feature_name(unsigned int feature);
const char *place_feature_unit(unsigned int feature);

/* -EINVAL: not a tree of these features; -E2BIG: deeper or larger than the format allows. */
int place_compile(const struct cart *c, uint32_t generation, struct sluice_tree *ret,
		  struct sl_err *e);

/* A comparison of a person's: the next one's where it is not above, OTHER or HOME where it is. */
struct place_compare {
	uint32_t feature, threshold;
	bool right;		/* OTHER where the feature is above the threshold */
};
/* One after another, the last one's left side is "rest". */
void place_chain(const struct place_compare *c, size_t n, bool rest, uint32_t generation,
		 struct sluice_tree *ret);
/*
 * OTHER where the home's queue is above that of the other CPU by about "least" packets and a part:
 * one comparison of the home's queue for each power of two, and below it one of the other's.
 */
void place_ladder(uint32_t least, uint32_t generation, struct sluice_tree *ret);
/* The tree that is built in. */
void place_shipped(uint32_t generation, struct sluice_tree *ret);
/*
 * What such a tree has to keep: a CPU that is busier, or has more waiting, never keeps a flow that
 * it would have given away.
 */
struct verify_limits place_limits(void);
/* PLACE_SHIPPED, or a file's; verified, with these rules. Its generation is the file's. */
int place_read(const char *name, struct sluice_tree *ret, struct sl_err *e);

#endif
