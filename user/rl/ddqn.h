/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Double deep Q-learning (van Hasselt, Guez, Silver, "Deep Reinforcement
 * Learning with Double Q-learning", AAAI 2016) on a small float32 multilayer
 * perceptron, with replay uniform or by priority, a target network that follows
 * softly or by copies, and returns over one step or several (nstep.h).
 *
 * One form serves both kinds of action. An observation is a matrix of "rows"
 * feature vectors; the network maps each row to "outputs" values, and action
 * row * outputs + output names one of them.
 *
 *   fixed actions        rows = 1, outputs = number of actions
 *   candidate actions    rows = number of candidates, outputs = 1 (both agents: templates
 *                        near the one in force, target CPUs)
 *
 * The target of a transition is r + gamma * Q_target(s', argmax_a Q_online(s', a))
 * over the feasible a only, and r alone when s' is terminal (rows == 0). An episode
 * that was only cut short (truncated) is not terminal: give the s' it was cut at.
 *
 * Q_target there is kept within what rewards can add up to, max |r| / (1 - gamma) of those seen
 * and the like below: bootstrapping on a network's extrapolations may otherwise drive values
 * up for long while the policy is lost (on CartPole to 1100, where 100 is the most
 * there can be). Everything is deterministic for a seed.
 */
#ifndef SLUICE_RL_DDQN_H
#define SLUICE_RL_DDQN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct ddqn_config {
	unsigned int features;		/* columns of an observation */
	unsigned int outputs;		/* values per row */
	unsigned int max_rows;		/* most rows of an observation */
	unsigned int hidden[2];		/* units of the hidden ReLU layers, 0 leaves a layer out */
	unsigned int replay_size;	/* transitions */
	unsigned int batch;
	unsigned int warmup;		/* transitions before the first update */
	float gamma;			/* discount */
	float tau;			/* target <- (1 - tau) target + tau online, each update */
	unsigned int target_period;	/* not 0: no tau, but a copy every so many updates */
	float priority_alpha;		/* replay by priority (replay.h); 0: uniform */
	float priority_beta;		/* at first; 1, no bias left, after ... */
	unsigned int beta_updates;	/* ... so many updates */
	float learning_rate;		/* Adam */
	float grad_clip;		/* largest 2-norm of a gradient, 0: none */
	uint64_t seed;
};

/* A view; feasible may be NULL (all are). Memory is the caller's. */
struct ddqn_obs {
	const float *x;			/* (rows, features) */
	const uint8_t *feasible;	/* (rows * outputs) */
	unsigned int rows;
};

struct ddqn;

int ddqn_new(const struct ddqn_config *c, struct ddqn **ret);
void ddqn_free(struct ddqn *d);	/* accepts NULL */

/* Q values of all actions into q[rows * outputs]. */
void ddqn_q(struct ddqn *d, const struct ddqn_obs *o, float *q);
/* The feasible action with the largest Q; -1 when none is feasible. */
int ddqn_greedy(struct ddqn *d, const struct ddqn_obs *o);
/* Copies the transition into the replay buffer. row_x: the chosen row's features. */
void ddqn_remember(struct ddqn *d, const float *row_x, unsigned int output, float reward,
		   const struct ddqn_obs *next);

/* A transition over one or several steps: reward is the discounted sum of theirs. */
struct ddqn_transition {
	const float *row_x;
	unsigned int output;
	float reward;
	float discount;			/* of the value of next, in [0, 1) */
	struct ddqn_obs next;		/* rows == 0: terminal */
};
void ddqn_store(struct ddqn *d, const struct ddqn_transition *t);

/* One gradient step; the loss (Huber) before it, or -1 while warming up. */
float ddqn_update(struct ddqn *d);
uint64_t ddqn_updates(const struct ddqn *d);
/*
 * -EDOM: the latest update met a number that is not finite, and was not applied, or its values
 * were ten times beyond what rewards like those seen can add up to: it diverges.
 */
int ddqn_health(const struct ddqn *d);
/* For annealing. */
void ddqn_set_learning_rate(struct ddqn *d, float rate);
/*
 * How old the policies were that acted in the transitions of the latest update, on average, in
 * updates since. Large: learning is from what a policy long gone did.
 */
double ddqn_policy_age(const struct ddqn *d);

/*
 * Weights, optimiser state and counters (not the replay buffer) in a versioned,
 * checksummed form. Loading into a ddqn of another shape is -EINVAL, a damaged
 * blob -EBADMSG; either leaves d as it was. *blob is malloc()ed.
 */
int ddqn_save(const struct ddqn *d, void **blob, size_t *size);
int ddqn_load(struct ddqn *d, const void *blob, size_t size);

#endif
