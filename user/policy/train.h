/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A whole training of one learner: episodes in blocks, a checkpoint every few seconds, a curve.
 *
 *	OUT		the model, in the end
 *	OUT.checkpoint	what a training that was killed goes on from; gone in the end
 *	OUT.csv, .svg	by block of TRAIN_BLOCK episodes: mean reward and mean regret
 *
 * A checkpoint holds the settings that it was made under (files and mixes among them) and is
 * refused under others. Where something is not finite any more, training stops, and the model is that
 * of the last checkpoint.
 */
#ifndef SLUICE_POLICY_TRAIN_H
#define SLUICE_POLICY_TRAIN_H

#include "policy/learn.h"

#define TRAIN_BLOCK	20

struct train_config {
	struct learn_config learn;
	uint64_t episodes;
	const char *out;
	const char *command;	/* for the model, where a person wants to know */
	double checkpoint_s;	/* between two of them */
	/* May be NULL. Of this process alone. */
	void (*progress)(void *arg, uint64_t done, uint64_t all, double regret);
	void *arg;
};

struct train_report {
	uint64_t resumed_at;	/* episode */
	uint64_t episodes;	/* done in the end */
	bool diverged;
	double regret;		/* of the last fifth of the blocks */
};

int train(const struct lab *l, const struct train_config *c, struct train_report *out,
	  struct sl_err *e);
/* Mean regret on the lab's mixes of a model that acts and does not learn. */
int train_judge(struct lab *l, const struct model *m, double *regret);

#endif
