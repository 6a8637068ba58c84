/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Returns over n steps: a transition reaches the learner when n rewards have
 * followed its action, as the pair (state, state n steps later) with reward
 * r1 + gamma r2 + ... + gamma^(n-1) rn and discount gamma^n. What an action led to
 * is then known n times sooner than when values trickle back step by step, at the
 * price of crediting it with what a policy since changed did next: keep n small.
 *
 * One nstep follows one trajectory; several (queues, parallel environments) may
 * feed one learner. When an episode ends, what is waiting is passed on with the
 * steps it has: without a next value if it terminated, with the value of the last
 * observation if it was cut short.
 */
#ifndef SLUICE_RL_NSTEP_H
#define SLUICE_RL_NSTEP_H

#include <stdbool.h>

#include "rl/ddqn.h"

struct nstep_wait {
	unsigned int output;
	double sum;		/* of rewards so far, discounted */
	double discount;	/* gamma^(rewards so far) */
};

struct nstep {
	unsigned int n, features;
	float gamma;
	unsigned int head, used;	/* oldest, number waiting */
	struct nstep_wait *wait;	/* (n) a ring */
	float *row_x;			/* (n, features) */
};

int nstep_init(struct nstep *s, unsigned int n, unsigned int features, float gamma);
void nstep_fini(struct nstep *s);
/* next->rows == 0: terminated. truncated: next is real, but the trajectory goes no further. */
void nstep_add(struct nstep *s, struct ddqn *d, const float *row_x, unsigned int output,
	       float reward, const struct ddqn_obs *next, bool truncated);
/* Forgets what waits: the trajectory was lost sight of. */
void nstep_clear(struct nstep *s);

#endif
