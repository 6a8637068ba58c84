/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VIPER (Bastani, Pu, Solar-Lezama, "Verifiable Reinforcement Learning via Policy Extraction", NeurIPS
 * 2018): a tree that imitates a teacher where the tree itself goes. It begins with the states that the
 * teacher visits. Then, round by round, the tree so far acts, the teacher says of every state that was
 * visited what each class would cost there, and a tree is fitted to all states so far. The paper draws
 * states by how much is lost by the worst class; here the costs themselves are fitted (cart.h), which
 * is what the drawing approximates. What is kept is the tree that costs least when it acts in tasks
 * that no state came from: later rounds are not always better.
 */
#ifndef SLUICE_DISTILL_VIPER_H
#define SLUICE_DISTILL_VIPER_H

#include "policy/cart.h"

struct viper_rows {
	double *x, *cost;	/* (n, features), (n, classes) */
	size_t n, room;
};

struct viper_task {
	size_t features, classes;
	void *ctx;
	/* Adds what the tree visits when it acts (NULL: the teacher). */
	int (*visit)(void *ctx, unsigned int round, const struct cart *tree,
		     struct viper_rows *rows);
	/* What it costs to act by the tree, where nothing was learned from. */
	int (*judge)(void *ctx, const struct cart *tree, double *cost);
};

struct viper_config {
	unsigned int depth, rounds;	/* at least 1 round: of the teacher's states */
	size_t min_leaf, leaves;	/* samples in a leaf, leaves of the tree; 0: no limit */
	unsigned int top;		/* features that lower the cost most; 0: all */
	enum cart_split split;
};

struct viper_report {
	double cost;		/* as judged */
	unsigned int round;	/* that the tree is of, from 0 */
	size_t states;		/* by then */
};

int viper_rows_add(const struct viper_task *t, struct viper_rows *rows, const double *x,
		   const double *cost);
void viper_rows_free(struct viper_rows *rows);	/* leaves it empty */
/* One fit, with pruning, and with a second one if only the best features are wanted. */
int viper_fit(const struct viper_task *t, const struct viper_config *c,
	      const struct viper_rows *rows, struct cart *ret);
int viper(const struct viper_task *t, const struct viper_config *c, struct cart *ret,
	  struct viper_report *report);

#endif
