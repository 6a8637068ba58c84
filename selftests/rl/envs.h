/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Environments whose solution is known from elsewhere: an agent that is to be
 * believed on a network must first find these.
 *
 *   cartpole   a pole on a cart; solved by a mean of 475 of at most 500 steps
 *   acrobot    swing up a two-link pendulum; a good policy needs fewer than 100 steps
 *   admission  admit or turn away at one queue; value iteration gives the optimum
 *   jsq        choose one of several equal CPUs; joining the shortest queue is optimal
 *   lqr        push a mass to the middle; Riccati's equation gives the optimum (continuous)
 *   linear     a contextual bandit whose arms pay linearly; the best arm is known
 */
#ifndef SLUICE_SELFTESTS_RL_ENVS_H
#define SLUICE_SELFTESTS_RL_ENVS_H

#include "rl/env.h"

/* Each returns NULL when memory is out. */
struct env *cartpole_new(void);
struct env *acrobot_new(void);
struct env *admission_new(void);
struct env *jsq_new(void);
struct env *lqr_new(void);
struct env *linear_new(void);

/* The state as in the papers: x, x', theta, theta' and theta1, theta2, theta1', theta2'. */
void cartpole_set(struct env *e, const double s[4]);
void cartpole_get(const struct env *e, double s[4]);
void acrobot_set(struct env *e, const double s[4]);
void acrobot_get(const struct env *e, double s[4]);

/*
 * Admission control of an M/M/1 queue (Naor, "The regulation of queue size by
 * levying tolls", Econometrica 1969), discounted and sampled at the events of the
 * uniformised chain: with probability ARRIVAL a customer comes, who pays PAY if
 * let in, else a service ends. Every step each customer present costs HOLD. It is best to let in up
 * to two; one more costs 6 % of the value, one less 11 %, to let all in 81 %.
 */
#define ADMISSION_MAX		12	/* customers; more are never let in */
#define ADMISSION_ARRIVAL	0.6
#define ADMISSION_PAY		1.0
#define ADMISSION_HOLD		0.12
#define ADMISSION_GAMMA		0.95
enum { ADMISSION_REJECT, ADMISSION_ADMIT, ADMISSION_ACTIONS };

/* Q of the optimum, by value iteration. */
void admission_optimum(double q[ADMISSION_MAX + 1][ADMISSION_ACTIONS]);
/* The discounted value of a policy from the empty queue, by solving its equations. */
double admission_value(const int policy[ADMISSION_MAX + 1]);
/* The same of one that admits by chance. */
double admission_value_of(const double admit[ADMISSION_MAX + 1]);
/* The observation of n customers: (ADMISSION_MAX + 1), one of them 1. */
void admission_features(unsigned int n, float *x);

/*
 * Packets arrive at JSQ_CPUS equal CPUs and are served in exponential time; each
 * goes to one CPU when it comes. Joining the shortest queue maximises the discounted
 * number served (Winston, "Optimality of the shortest line discipline", Journal of
 * Applied Probability 1977). Rows are CPUs. The reward is minus the CPUs found idle,
 * summed over the instants at which a service could end: work not done.
 */
#define JSQ_CPUS	3
#define JSQ_ROOM	20	/* a full CPU drops what comes */
#define JSQ_LOAD	0.8
unsigned int jsq_backlog(const struct env *e, unsigned int cpu);

/*
 * A mass on a line with noise on its speed, pushed with any force; quadratic costs of place, speed
 * and force, discounted. The optimal force is -k (x, v).
 */
#define LQR_GAMMA	0.97
void lqr_gain(double k[2]);
/* For run_evaluate(): the policy with the gain that ctx is, a double [2]. */
int lqr_optimal(void *ctx, const float *x, const uint8_t *feasible, unsigned int rows,
		struct env_action *a);

/* Arm a pays theta_a . x and noise; theta is drawn at the reset, x before every step. */
#define LINEAR_ARMS	5
#define LINEAR_FEATURES	4
#define LINEAR_NOISE	0.5
/* What the latest choice lost against the best arm, and what a blind one loses on average. */
void linear_regret(const struct env *e, double *regret, double *blind);

#endif
