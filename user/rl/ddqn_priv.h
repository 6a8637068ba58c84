/* SPDX-License-Identifier: GPL-2.0 */
/* What ddqn.c shares with the learner from data, offline.c, and with nobody else. */
#ifndef SLUICE_RL_DDQN_PRIV_H
#define SLUICE_RL_DDQN_PRIV_H

#include "lib/rng.h"
#include "nn/mlp.h"
#include "rl/ddqn.h"
#include "rl/replay.h"

struct ddqn {
	struct ddqn_config config;
	struct mlp online, target;
	struct mlp_pass pass;		/* one observation: (max_rows, ...) */
	struct mlp_pass batch_pass;	/* chosen rows: (batch, ...) */
	struct adam adam;
	struct replay replay;
	struct rng rng;			/* of sampling */
	uint64_t updates;

	float *batch_x;			/* (batch, features) */
	float *grad_out;		/* (batch, outputs) */
	float *grad;			/* (n_params) */
	float *q;			/* (max_rows * outputs) */
	float *y;			/* (batch) targets */
	float *weight;			/* (batch) against the bias of drawing by priority */
	unsigned int *index;		/* (batch) in the ring */
	double policy_age;

	float bound[2];			/* least and largest value that rewards like those stored
					 * can add up to; 0 is always among them */
	bool sick;			/* the latest update, see ddqn_health() */
};

/* The feasible action of the largest value, of equals the first; -1 when there is none. */
int ddqn_argmax(const float *q, const uint8_t *feasible, unsigned int n);
/* Notes what a transition says about how large values can be. */
void ddqn_bound(struct ddqn *d, float reward, float discount);
/* r + discount * Q_target(s', argmax Q_online(s', .)), Q bounded; r when no action follows. */
float ddqn_target(struct ddqn *d, float reward, float discount, const struct ddqn_obs *next);
/* Huber's loss: squared near zero, linear beyond 1, so that outliers stay tame. */
float ddqn_huber(float error, float *derivative);
/*
 * Applies d->grad; the target network follows. size: the mean |Q| of what was taken. -EDOM:
 * something was not finite, and nothing was applied.
 */
int ddqn_descend(struct ddqn *d, double loss, double size);

#endif
