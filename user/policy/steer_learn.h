/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The daemon's steering agent in training on simulated CPUs: an episode is a turn on one of the
 * lab's training workloads, all of them one after the other, so that the replay buffer does not
 * hold one workload only. The curve has ln(cost / cost of never moving anything), of the same
 * workload under the arrivals of one seed.
 */
#ifndef SLUICE_POLICY_STEER_LEARN_H
#define SLUICE_POLICY_STEER_LEARN_H

#include "policy/par.h"
#include "policy/steer_model.h"
#include "policy/trainer.h"

#define STEER_LEARN_BLOCK	6	/* episodes of a point of the curve */

struct steer_learn_config {
	const struct steer_lab *lab;
	const struct steer_reward_kind *reward;
	uint64_t seed;
	double turn_s;			/* of an episode, after its warm-up */
	double still_us[STEER_LAB_WORKLOADS];	/* steer_learn_still(), or 1 */
};

/* By these an agent is trained with trainer_run(); learner is a struct steer_learn_config. */
extern const struct trainer_ops steer_learn_ops;
extern const struct curve_names steer_learn_names;

/* Fills still_us: what each training workload costs without a move. */
int steer_learn_still(struct steer_learn_config *c, const struct par *par, struct sl_err *e);
/* What must be the same for a checkpoint to be gone on from. */
void steer_learn_describe(const struct steer_learn_config *c, uint64_t episodes, char *text,
			  size_t size);
unsigned int steer_learn_steps(const struct steer_learn_config *c);	/* decisions of an episode */
/* Mean ln(cost / still_us) of a model that acts and does not learn, on the training workloads. */
int steer_learn_judge(const struct steer_learn_config *c, const struct par *par,
		      const struct model *m, double *over, struct sl_err *e);

#endif
