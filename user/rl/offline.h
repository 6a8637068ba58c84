/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Learning from a data set alone, without acting.
 *
 *   behaviour cloning     a softmax over the feasible actions that imitates who made the data, by
 *                         the cross-entropy; it gives the probabilities of a behaviour policy
 *                         that did not log them, too
 *   CQL(H)                conservative Q-learning (Kumar, Zhou, Tucker, Levine, "Conservative
 *                         Q-learning for offline reinforcement learning", NeurIPS 2020,
 *                         equation 4), on double DQN: the loss is
 *
 *                             Huber(Q(s, a) - y) + alpha (log sum_b exp Q(s, b) - Q(s, a))
 *
 *                         over feasible b. What the data never did is not believed to be good.
 *
 * An offline double DQN (alpha 0) bootstraps on actions that nobody took and whose values nothing
 * corrects; it is there to compare with.
 */
#ifndef SLUICE_RL_OFFLINE_H
#define SLUICE_RL_OFFLINE_H

#include "rl/dataset.h"
#include "rl/ddqn.h"

struct bc_config {
	unsigned int features, outputs, max_rows;
	unsigned int hidden[2];
	unsigned int batch;
	float learning_rate;	/* Adam */
	float grad_clip;	/* largest 2-norm of a gradient, 0: none */
	uint64_t seed;
};

struct bc;

int bc_new(const struct bc_config *c, struct bc **ret);
void bc_free(struct bc *b);	/* accepts NULL */
/* One gradient step; the mean cross-entropy before it. -EINVAL: another shape, or no data. */
int bc_update(struct bc *b, const struct dataset *data, double *loss);
/* Probabilities of all actions into p[rows * outputs]; 0 for those not feasible. */
void bc_probabilities(struct bc *b, const struct ddqn_obs *o, float *p);
/* The likeliest feasible action, or -1. */
int bc_greedy(struct bc *b, const struct ddqn_obs *o);
int bc_save(const struct bc *b, void **blob, size_t *size);	/* as ddqn_save() */
int bc_load(struct bc *b, const void *blob, size_t size);

/*
 * A clone whose network is one for d, of its shape, batch and step size. What was cloned becomes
 * d's: acting greedily by it is doing what the data's makers most likely did. Its outputs are no
 * values, so nothing can be gone on with but cloning, to which bc_take() comes back. -EINVAL:
 * shapes differ.
 */
int bc_new_like(const struct ddqn *d, struct bc **ret);
int bc_give(const struct bc *b, struct ddqn *d);
int bc_take(struct bc *b, const struct ddqn *d);

struct cql;

/*
 * Trains d, which is borrowed, as is the data: use it, save it and go on with it (online, too) as
 * with any other. Its own replay is not used; batch, seed and step size are its own.
 * -EINVAL: shapes differ, there is no data, or alpha is negative.
 */
int cql_new(struct ddqn *d, const struct dataset *data, float alpha, struct cql **ret);
void cql_free(struct cql *c);	/* accepts NULL */

struct cql_loss {
	double td;		/* Huber's */
	double gap;		/* log sum exp Q - Q(a): falls as the data's actions stand out */
};
/* One gradient step. -EDOM: it diverges (ddqn_health()). */
int cql_update(struct cql *c, struct cql_loss *out);

#endif
