/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Agents in environments: training, and apart from it the evaluation of a
 * policy, which learns nothing and whose episodes are seeded by themselves.
 */
#ifndef SLUICE_RL_RUN_H
#define SLUICE_RL_RUN_H

#include "rl/ddqn.h"
#include "rl/env.h"
#include "rl/nstep.h"

/* A policy; x (rows, features). Fills a; a negative return ends the evaluation with it. */
typedef int (*run_policy)(void *ctx, const float *x, const uint8_t *feasible, unsigned int rows,
			  struct env_action *a);

/* Means over whole episodes. */
struct run_score {
	double reward;		/* sum over an episode */
	double steps;
};

/* Episodes are reset with seed, seed + 1, ...; the environment is left at the end of the last. */
int run_evaluate(struct env *e, run_policy policy, void *ctx, unsigned int episodes, uint64_t seed,
		 struct run_score *out);
/* For run_evaluate(): the greedy policy of the struct ddqn that ctx is. */
int run_greedy_ddqn(void *ctx, const float *x, const uint8_t *feasible, unsigned int rows,
		    struct env_action *a);

struct run_ddqn_config {
	unsigned int n_step;
	double epsilon_first, epsilon_last;	/* falls linearly over ... */
	unsigned int epsilon_steps;		/* ... so many steps */
	unsigned int update_every;		/* steps per gradient step */
	uint64_t seed;
};

/* Training that can be stopped after any step and gone on with. */
struct run_ddqn;

/* Borrows the environment and the learner, whose shapes must agree: else -EINVAL. */
int run_ddqn_new(const struct run_ddqn_config *c, struct env *e, struct ddqn *d,
		 const struct ddqn_config *dc, struct run_ddqn **ret);
void run_ddqn_free(struct run_ddqn *r);	/* accepts NULL */
int run_ddqn_steps(struct run_ddqn *r, unsigned int steps);

#endif
