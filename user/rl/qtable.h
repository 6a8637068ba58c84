/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tabular Q-learning (Watkins and Dayan, Machine Learning 8, 1992) for problems of
 * few states, where it converges to the optimum: a measure for what a network
 * finds. The rate for a pair falls with its visits n as first / (1 + n / half),
 * which meets the theorem's condition.
 */
#ifndef SLUICE_RL_QTABLE_H
#define SLUICE_RL_QTABLE_H

#include <stdint.h>

struct qtable {
	unsigned int states, actions;
	double gamma, rate_first, rate_half;
	double *q;		/* (states, actions) */
	uint64_t *visits;	/* (states, actions) */
};

int qtable_init(struct qtable *t, unsigned int states, unsigned int actions, double gamma,
		double rate_first, double rate_half);
void qtable_fini(struct qtable *t);
/* Of the feasible actions (NULL: all), of equals the first; -ENOENT when there is none. */
int qtable_greedy(const struct qtable *t, unsigned int state, const uint8_t *feasible);
/*
 * next < 0: terminated. An episode that was cut has a next. -EINVAL: no such state or action, or
 * the reward is not finite; nothing was learned.
 */
int qtable_learn(struct qtable *t, unsigned int state, unsigned int action, double reward,
		 int next, const uint8_t *next_feasible);

#endif
