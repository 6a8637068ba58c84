/* SPDX-License-Identifier: GPL-2.0 */
/* ECN learners (learn.h) in training, as trainer.h has it, and what their models are worth. */
#ifndef SLUICE_POLICY_TRAIN_H
#define SLUICE_POLICY_TRAIN_H

#include "policy/learn.h"
#include "policy/trainer.h"

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

/* Files and mixes are among the settings that a checkpoint must have been made under. */
int train(const struct lab *l, const struct train_config *c, struct train_report *out,
	  struct sl_err *e);
/* Mean regret on the lab's mixes of a model that acts and does not learn. */
int train_judge(struct lab *l, const struct model *m, double *regret);

#endif
