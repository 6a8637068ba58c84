/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transitions that somebody else made: the daemon's log, a simulator's run. A data set owns copies
 * of what it was given and never forgets; observations and actions are as in ddqn.h, and a row has
 * the whole observation, since learning from data compares what was done with what was not.
 */
#ifndef SLUICE_RL_DATASET_H
#define SLUICE_RL_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "rl/ddqn.h"

/* Views; memory is the caller's in dataset_add(), the data set's in dataset_get(). */
struct dataset_row {
	struct ddqn_obs obs;		/* what was seen; feasible NULL: all are */
	unsigned int action;		/* what was done: row * outputs + output */
	float behaviour;		/* with which probability it was chosen; 0: not known */
	float reward;			/* over one step or several, discounted */
	float discount;			/* of the value of next, in [0, 1) */
	struct ddqn_obs next;		/* rows == 0: terminal */
};

struct dataset;

int dataset_new(unsigned int features, unsigned int outputs, unsigned int max_rows,
		struct dataset **ret);
void dataset_free(struct dataset *d);	/* accepts NULL */
/*
 * -EINVAL: too many rows, an action that does not exist or was not feasible, a probability or
 * discount out of range, a number that is not finite. Then, and on -ENOMEM, nothing was added.
 */
int dataset_add(struct dataset *d, const struct dataset_row *row);
size_t dataset_size(const struct dataset *d);
/* Valid until the next dataset_add(). */
void dataset_get(const struct dataset *d, size_t i, struct dataset_row *out);
/* Shape, for who learns from it. */
unsigned int dataset_features(const struct dataset *d);
unsigned int dataset_outputs(const struct dataset *d);
unsigned int dataset_max_rows(const struct dataset *d);

#endif
