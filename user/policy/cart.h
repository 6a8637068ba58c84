/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Decision trees by greedy splits (Breiman et al., "Classification and Regression Trees", 1984)
 * that are sensitive to cost: a sample says what each class would cost it, a leaf takes the class
 * that costs its samples least, and a split is chosen for how much it lowers that. With costs of 0
 * for one class and 1 for the others it is the usual tree on labels.
 *
 * That greed is short-sighted: a split after which both sides still take the same class gains
 * nothing, whatever it would make possible below it. CART_SPREAD splits for how much less the costs
 * vary within the sides, summed over the classes; on labels that is the impurity of Gini.
 */
#ifndef SLUICE_POLICY_CART_H
#define SLUICE_POLICY_CART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cart_node {
	int32_t feature;	/* -1: a leaf */
	uint32_t below, above;	/* nodes for x[feature] <= at and beyond, which come later */
	uint32_t class;		/* of a leaf, or if it were one */
	double at;
	double cost;		/* of its samples, as a leaf */
};

enum cart_split { CART_COST, CART_SPREAD };

struct cart_samples {
	const double *x;	/* (n, features) */
	const double *cost;	/* (n, classes) */
	size_t n, features, classes;
	const double *weight;	/* (n), finite and above 0; NULL: all 1 */
	const bool *unused;	/* (features) not to split by; NULL: none */
	enum cart_split split;
};

struct cart {
	struct cart_node *node;
	size_t n;
};

/* min_leaf: samples in a leaf, at least, however heavy. -ENOMEM, -EINVAL: no samples or classes. */
int cart_fit(const struct cart_samples *s, unsigned int depth, size_t min_leaf, struct cart *ret);
/*
 * Cuts back to at most so many leaves, each time the branch that costs least per leaf that goes
 * (the weakest link of cost-complexity pruning). -ENOMEM, and the tree is as before.
 */
int cart_prune(struct cart *c, size_t leaves);
size_t cart_leaves(const struct cart *c);
/* What the splits by each feature lower the cost by. */
void cart_gain(const struct cart *c, double *gain, size_t features);
void cart_free(struct cart *c);	/* leaves it empty */
unsigned int cart_class(const struct cart *c, const double *x);

#endif
