/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What both agents' networks have in common: each values the candidates of a decision, one row of
 * features each, by one output (rl/ddqn.h), and was made with the same settings but for these.
 */
#ifndef SLUICE_DAEMON_AGENT_NET_H
#define SLUICE_DAEMON_AGENT_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "rl/ddqn.h"

#define AGENT_MIN_UPDATES	200	/* gradient steps before a network is heard */

struct agent_net_params {
	unsigned int features;		/* of a candidate */
	unsigned int max_rows;		/* candidates */
	unsigned int warmup;		/* transitions before the first gradient step */
	float gamma, learning_rate;
	uint64_t seed;			/* the network takes its streams 0 and 1 */
};

int agent_net_new(const struct agent_net_params *p, struct ddqn **ret);
/* Up to n gradient steps; their mean loss, which *loss follows, or -1: there was none. */
float agent_net_train(struct ddqn *d, unsigned int n, double *loss);
/* A running mean of the last twenty values or so; *has: it had one before. */
void agent_mean_add(double *mean, bool *has, double x);

#endif
