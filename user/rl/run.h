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
#include "rl/ppo.h"

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
	unsigned int anneal_steps;		/* in which the step size falls to 0; 0: constant */
	uint64_t seed;
};

/*
 * Training that can be stopped after any step and gone on with.
 *
 * When learning diverges (ddqn_health(), a value beyond all reason, a number that is not finite)
 * the run ends with -EDOM and the learner is again as it was at the last checkpoint that was good.
 * Checkpoints are kept in memory all along; the one before the latest is gone back to, since the
 * latest may be from when it had begun.
 */
struct run_ddqn;

/* Borrows the environment and the learner, whose shapes must agree: else -EINVAL. */
int run_ddqn_new(const struct run_ddqn_config *c, struct env *e, struct ddqn *d,
		 const struct ddqn_config *dc, struct run_ddqn **ret);
void run_ddqn_free(struct run_ddqn *r);	/* accepts NULL */
int run_ddqn_steps(struct run_ddqn *r, unsigned int steps);
/* The steps after which the learner was as it would be now, had learning diverged. */
uint64_t run_ddqn_good_steps(const struct run_ddqn *r);

/*
 * PPO in several environments side by side, one for each lane. It sees all rows of an observation
 * as one (rows that are not there are zeros), and chooses among rows * outputs actions or gives
 * the numbers of a continuous one.
 */
#define RUN_MAX_DIMS	16

struct run_ppo_config {
	unsigned int anneal_steps;	/* over which the step size falls to 0; 0: constant */
	uint64_t seed;
};

struct run_ppo;

/* Borrows pc->lanes environments of one shape and the learner. */
int run_ppo_new(const struct run_ppo_config *c, struct env *const *e, struct ppo *p,
		const struct ppo_config *pc, struct run_ppo **ret);
void run_ppo_free(struct run_ppo *r);	/* accepts NULL */
/* Fills the store and learns from it: lanes * horizon steps. -EDOM as above. */
int run_ppo_round(struct run_ppo *r, struct ppo_stats *out);
uint64_t run_ppo_steps(const struct run_ppo *r);	/* taken */
uint64_t run_ppo_good_steps(const struct run_ppo *r);

/* For run_evaluate(): ctx of the greedy policy of PPO. */
struct run_ppo_policy {
	struct ppo *ppo;
	float value[RUN_MAX_DIMS];
};
int run_greedy_ppo(void *ctx, const float *x, const uint8_t *feasible, unsigned int rows,
		   struct env_action *a);

#endif
