/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Contextual bandits with linear arms, for choices whose worth shows at once: a
 * policy template each second needs no more. The expected reward of arm a in
 * context x is taken to be theta_a . x; each arm keeps a ridge regression of its
 * own ("disjoint"), A = I + sum x x', b = sum r x, theta = A^-1 b.
 *
 *   LinUCB     the largest theta_a . x + alpha sqrt(x' A^-1 x) (Li, Chu, Langford,
 *              Schapire, "A contextual-bandit approach to personalized news article
 *              recommendation", WWW 2010, algorithm 1)
 *   Thompson   the largest theta~_a . x, theta~_a drawn from the normal with mean
 *              theta_a and covariance alpha^2 A^-1 (Agrawal, Goyal, "Thompson sampling
 *              for contextual bandits with linear payoffs", ICML 2013)
 *
 * A^-1 is kept by Sherman and Morrison's update, so that both cost O(d^2) per arm
 * (Thompson draws theta~ . x, which is normal, rather than theta~). Doubles: A^-1
 * is updated for as long as the process lives.
 */
#ifndef SLUICE_RL_BANDIT_H
#define SLUICE_RL_BANDIT_H

#include <stdint.h>

#include "lib/rng.h"

enum bandit_kind { BANDIT_LINUCB, BANDIT_THOMPSON };

struct bandit_config {
	enum bandit_kind kind;
	unsigned int arms, features;
	double alpha;		/* width of what is believed possible; 0: greedy */
	uint64_t seed;
};

struct bandit {
	struct bandit_config config;
	struct rng rng;
	double *inverse;	/* (arms, features, features) A^-1 */
	double *b;		/* (arms, features) */
	double *theta;		/* (arms, features) */
	double *scratch;	/* (features) */
	uint64_t *pulls;	/* (arms) */
};

int bandit_init(struct bandit *p, const struct bandit_config *c);
void bandit_fini(struct bandit *p);
/* Of the feasible arms (NULL: all), of equals the first; -ENOENT when there is none. */
int bandit_choose(struct bandit *p, const double *x, const uint8_t *feasible);
/* The same without exploring. */
int bandit_greedy(const struct bandit *p, const double *x, const uint8_t *feasible);
/* -EINVAL: no such arm, or a number that is not finite; nothing was learned. */
int bandit_learn(struct bandit *p, unsigned int arm, const double *x, double reward);
/* theta . x, and the square root of x' A^-1 x. */
void bandit_belief(const struct bandit *p, unsigned int arm, const double *x, double *mean,
		   double *width);

#endif
