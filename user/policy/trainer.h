/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A whole training of one learner, whatever it learns: episodes in blocks, a checkpoint every few
 * seconds, a curve.
 *
 *	OUT		the model, in the end
 *	OUT.checkpoint	what a training that was killed goes on from; gone in the end
 *	OUT.csv, .svg	the curve: a point for each block of episodes
 *
 * A checkpoint holds the settings that it was made under and is refused under others. Where
 * something is not finite any more, training stops, and the model is that of the last block which
 * ended well.
 */
#ifndef SLUICE_POLICY_TRAINER_H
#define SLUICE_POLICY_TRAINER_H

#include <stdbool.h>

#include "policy/curve.h"
#include "policy/model.h"

struct trainer_ops {
	int (*make)(const void *config, void **ret);
	void (*free)(void *learner);
	/*
	 * Episode number n, from 0, and two numbers for the curve. -EDOM: something was not finite,
	 * the learner is no longer any good.
	 */
	int (*episode)(void *learner, uint64_t n, double *plotted, double *beside);
	int (*model)(const void *learner, struct model *m);
	/* Of what model() made; -EBADMSG: not of this kind and shape, nothing was changed. */
	int (*restore)(void *learner, const struct model *m);
};

struct trainer_config {
	const struct trainer_ops *ops;
	const void *learner;		/* what make() is given */
	const char *settings;		/* in words, one line below MODEL_COMMAND_MAX */
	struct curve_names names;
	uint64_t episodes;
	unsigned int block;		/* episodes of one */
	const char *out;
	const char *command;		/* for the model, where a person wants to know */
	double checkpoint_s;		/* between two of them */
	/* May be NULL. Of this process alone; at the end of a block, of which plotted is the mean. */
	void (*progress)(void *arg, uint64_t done, uint64_t all, double plotted);
	void *arg;
};

struct train_report {
	uint64_t resumed_at;	/* episode */
	uint64_t episodes;	/* done in the end */
	bool diverged;
	double regret;		/* what is plotted, of the last fifth of the blocks */
};

int trainer_run(const struct trainer_config *c, struct train_report *out, struct sl_err *e);

#endif
