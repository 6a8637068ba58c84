/* SPDX-License-Identifier: GPL-2.0 */
/* Trees that place flows, for tests. */
#ifndef SLUICE_SELFTEST_TREES_H
#define SLUICE_SELFTEST_TREES_H

#include <stdint.h>
#include <string.h>

#include <sluice/place.h>

#include "lib/rng.h"

static const __u32 tree_feature_max[SLUICE_PLACE_F_NR] = {
#define X(name, unit, max, text) max,
	SLUICE_PLACE_FEATURES(X)
#undef X
};

/* One answer to everything. */
static inline void tree_constant(struct sluice_tree *t, __u32 choice, __u32 generation)
{
	memset(t, 0, sizeof(*t));
	t->h.kind = SLUICE_TREE_PLACE;
	t->h.n_actions = 1;
	t->h.generation = generation;
	t->cell[0].place.choice = choice;
	sluice_tree_seal(t);
}

/* Nodes in the order of a heap, as flat as a tree can be; thresholds anywhere in their features. */
static inline void tree_random(struct sluice_tree *t, __u32 n_nodes, __u32 generation,
			       struct rng *rng)
{
	memset(t, 0, sizeof(*t));
	t->h.kind = SLUICE_TREE_PLACE;
	t->h.n_nodes = n_nodes;
	t->h.n_actions = n_nodes + 1;
	t->h.generation = generation;
	for (__u32 i = 0; i < n_nodes; i++) {
		struct sluice_tree_node *n = &t->cell[i].node;

		n->feature = rng_below(rng, SLUICE_PLACE_F_NR);
		n->threshold = rng_uniform(rng) * tree_feature_max[n->feature];
		n->left = 2 * i + 1;
		n->right = 2 * i + 2;
	}
	for (__u32 i = n_nodes; i <= 2 * n_nodes; i++)
		t->cell[i].place.choice = rng_below(rng, SLUICE_PLACE_NR);
	sluice_tree_seal(t);
}

#endif
