/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an agent acts on: a simulator, the kernel lab, a live host or a textbook
 * problem, all behind three functions, so that an agent cannot tell them apart.
 *
 * An observation is a matrix of "rows" feature vectors, and action
 * row * outputs + output names one of rows * outputs choices, as in ddqn.h:
 * fixed actions have one row, candidate actions (templates, CPUs) a row each and
 * one output. A feasibility mask says which may be chosen now.
 *
 *   env_reset(e, seed)         an episode is a function of its seed and the actions: two
 *                              policies given one seed meet the same randomness
 *   env_observe(e, x, ok)      what can be seen now; changes nothing
 *   env_step(e, action, &s)    one decision; s says what it paid and whether the episode is over
 *
 * An episode ends in two ways that an agent must not mix up. Terminated: nothing
 * follows, the value of what comes next is zero. Truncated: the watching stopped
 * (a time limit), the world went on, and the value of the last observation still
 * counts; env_observe() gives that observation until the next reset.
 */
#ifndef SLUICE_RL_ENV_H
#define SLUICE_RL_ENV_H

#include <stdbool.h>
#include <stdint.h>

struct env_shape {
	unsigned int features;		/* columns of an observation */
	unsigned int outputs;		/* choices per row; 0: actions are continuous */
	unsigned int max_rows;
	unsigned int dims;		/* numbers in a continuous action */
};

struct env_action {
	int index;			/* row * outputs + output */
	const float *value;		/* (dims), when actions are continuous */
};

struct env_step {
	float reward;
	bool terminated;
	bool truncated;			/* never together with terminated */
};

struct env;

/* Each returns a negative errno when the world behind it fails; a simulator does not. */
struct env_ops {
	const char *name;
	int (*reset)(struct env *e, uint64_t seed);
	/* Fills x (max_rows, features) and feasible (max_rows * outputs); returns the rows. */
	int (*observe)(const struct env *e, float *x, uint8_t *feasible);
	/* Need not set truncated for time_limit: env_step() does. */
	int (*step)(struct env *e, const struct env_action *a, struct env_step *out);
	void (*free)(struct env *e);
};

/* Embedded as the first member of every environment. */
struct env {
	const struct env_ops *ops;
	struct env_shape shape;
	unsigned int time_limit;	/* steps after which an episode is truncated, 0: none */
	unsigned int steps;		/* taken in this episode */
	bool over;			/* a reset is due */
};

int env_reset(struct env *e, uint64_t seed);
/* Rows beyond those that are returned become zeros, and not feasible. */
int env_observe(const struct env *e, float *x, uint8_t *feasible);
/* -EINVAL: no such action, or the episode is over. */
int env_step(struct env *e, const struct env_action *a, struct env_step *out);
void env_free(struct env *e);	/* accepts NULL */

#endif
