/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Proximal policy optimisation (Schulman, Wolski, Dhariwal, Radford, Klimov,
 * arXiv:1707.06347, 2017) with advantages by generalised advantage estimation
 * (Schulman et al., ICLR 2016): a policy and a value network, both with two tanh
 * layers.
 *
 *   discrete     the policy's outputs are logits of the feasible actions
 *   continuous   they are means of normals, whose deviations are learned and do not
 *                depend on the state; actions are not limited, the environment clamps
 *
 * The policy learns from what it has just done, and from nothing older. The caller
 * runs "lanes" trajectories side by side (environments, queues): for each lane in
 * turn ppo_act(), then ppo_result(). When ppo_full(), ppo_update() learns from
 * lanes * horizon steps and empties the store. An observation has one row.
 *
 * Where an episode is cut (truncated) and where the store ends, the value of the
 * last observation stands for what would have followed.
 */
#ifndef SLUICE_RL_PPO_H
#define SLUICE_RL_PPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ppo_config {
	unsigned int features;
	unsigned int actions;		/* number of choices, or numbers in an action */
	bool continuous;
	unsigned int hidden[2];		/* units */
	unsigned int lanes, horizon;
	unsigned int epochs;		/* passes over the store in an update */
	unsigned int minibatch;		/* divides lanes * horizon */
	float gamma, lambda;
	float clip;			/* of the probability ratio */
	float entropy;			/* weight of its bonus */
	float learning_rate;		/* Adam, both networks */
	float grad_clip;		/* largest 2-norm of a gradient, 0: none */
	uint64_t seed;
};

struct ppo;

int ppo_new(const struct ppo_config *c, struct ppo **ret);
void ppo_free(struct ppo *p);	/* accepts NULL */

/*
 * Draws an action: discrete, its index is returned; continuous, value (actions) is filled and 0
 * returned. feasible (actions) may be NULL. -ENOENT: none is feasible; -ENOSPC: update first.
 */
int ppo_act(struct ppo *p, unsigned int lane, const float *x, const uint8_t *feasible,
	    float *value);
/* What the action paid and led to. */
void ppo_result(struct ppo *p, unsigned int lane, float reward, const float *next_x,
		bool terminated, bool truncated);
bool ppo_full(const struct ppo *p);

struct ppo_stats {
	double entropy;
	double clipped;		/* share of samples whose ratio left the clip range */
	double value_loss;
};
/* -EAGAIN: not full. -EDOM: something was not finite; that minibatch was not applied. */
int ppo_update(struct ppo *p, struct ppo_stats *out);
/* For annealing. */
void ppo_set_learning_rate(struct ppo *p, float rate);

/* The likeliest action, or the mean into value. */
int ppo_greedy(struct ppo *p, const float *x, const uint8_t *feasible, float *value);
/* The logarithms of all choices' probabilities. -EINVAL: the actions are numbers. */
int ppo_log_probabilities(struct ppo *p, const float *x, float *log_p);

/*
 * Both networks, the deviations and the optimiser's state, not the store; as ddqn_save() and
 * ddqn_load(). Save when the store is empty: what a loaded learner has acted, it has forgotten.
 */
int ppo_save(const struct ppo *p, void **blob, size_t *size);
int ppo_load(struct ppo *p, const void *blob, size_t size);

/* The parts, for their tests. */

/*
 * One lane's advantages, from rewards, values of the states and values of what followed each
 * (0 where terminated); ends[t]: the trajectory does not go on from t to t + 1. All (n).
 */
void ppo_gae(unsigned int n, const float *reward, const float *value, const float *next_value,
	     const uint8_t *ends, float gamma, float lambda, float *advantage);

struct ppo_sample {
	float advantage;
	float old_logp;		/* log probability (density) when it was drawn */
	float clip, entropy;	/* as configured */
};
/* The loss to minimise for one sample, and its gradient by the logits. Adds to stats. */
double ppo_loss_discrete(const struct ppo_sample *s, unsigned int n, const float *logit,
			 const uint8_t *feasible, unsigned int action, float *grad,
			 struct ppo_stats *stats);
/* The same by the means and by the logarithms of the deviations. */
double ppo_loss_continuous(const struct ppo_sample *s, unsigned int n, const float *mean,
			   const float *log_std, const float *action, float *grad_mean,
			   float *grad_log_std, struct ppo_stats *stats);

#endif
