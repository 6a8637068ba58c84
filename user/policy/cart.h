/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Decision trees by greedy splits (Breiman et al., "Classification and Regression Trees", 1984)
 * that are sensitive to cost: a sample says what each class would cost it, a leaf takes the class
 * that costs its samples least, and a split is chosen for how much it lowers that. With costs of 0
 * for one class and 1 for the others it is the usual tree on labels.
 */
#ifndef SLUICE_POLICY_CART_H
#define SLUICE_POLICY_CART_H

#include <stddef.h>
#include <stdint.h>

struct cart_node {
	int32_t feature;	/* -1: a leaf */
	uint32_t below, above;	/* nodes for x[feature] <= at and beyond, which come later */
	uint32_t class;		/* of a leaf */
	double at;
};

struct cart_samples {
	const double *x;	/* (n, features) */
	const double *cost;	/* (n, classes) */
	size_t n, features, classes;
};

struct cart {
	struct cart_node *node;
	size_t n;
};

/* min_leaf: samples in a leaf, at least. -ENOMEM, -EINVAL: no samples or classes. */
int cart_fit(const struct cart_samples *s, unsigned int depth, size_t min_leaf, struct cart *ret);
void cart_free(struct cart *c);
unsigned int cart_class(const struct cart *c, const double *x);

#endif
