/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steering workloads in two halves: families of traffic and machines (steer_workloads.h) at
 * several loads, of which every other one is for training and tuning, the others for the test,
 * like the squares of a chessboard: no workload is in both, every family and every load is.
 */
#ifndef SLUICE_POLICY_STEER_LAB_H
#define SLUICE_POLICY_STEER_LAB_H

#include "policy/steer_workloads.h"

#define STEER_LAB_WORKLOADS	64
#define STEER_LAB_LOADS		8
#define STEER_LAB_SETTINGS	6	/* of a baseline, that are tried */
#define STEER_LAB_TUNE_SEED	5000
#define STEER_LAB_TEST_SEED	1000
#define STEER_LAB_TURN_S	10.0	/* that an agent learns on one workload before the next */

/*
 * X(name, throughput, latency, imbalance, moves, fine): rewards, their weights, and whether the
 * latency's reference is a tenth.
 */
#define STEER_REWARDS(X)				\
	X(daemon, 1, 0.1, 1, 0.02, 0)			\
	X(no_moves, 1, 0.1, 1, 0, 0)			\
	X(latency, 1, 0.3, 0, 0.002, 0)			\
	X(fine, 1, 0.3, 0, 0.002, 1)			\
	X(throughput, 1, 0, 0, 0, 0)

struct steer_reward_kind {
	const char *name;
	struct steer_reward_weights weights;	/* the reference not yet divided */
	bool fine;
};
extern const struct steer_reward_kind steer_rewards[];
extern const size_t steer_rewards_n;
const struct steer_reward_kind *steer_reward_find(const char *name);	/* NULL: there is none */

struct steer_lab_config {
	double loads[STEER_LAB_LOADS];
	size_t n_loads;
	const char *families;		/* "zipf,steep"; NULL: all that there is data for */
	double interval_s, stack_ns;
	unsigned int stale;
	bool no_hold;
	const struct dist *sizes;	/* NULL: of web search */
	const struct cpus_capture *capture;	/* may be NULL */
};
void steer_lab_config_default(struct steer_lab_config *c);

struct steer_lab {
	struct steer_lab_config config;
	struct steer_workload workload[STEER_LAB_WORKLOADS];
	bool test[STEER_LAB_WORKLOADS];
	size_t family[STEER_LAB_WORKLOADS];	/* its number in the list of all */
	size_t n, tests;
};

/* What the configuration points to stays the caller's. -EINVAL: no such family, too many loads. */
int steer_lab_init(struct steer_lab *l, const struct steer_lab_config *c, struct sl_err *e);
/* The environment of a workload, of so many seconds; how many intervals that is. */
int steer_lab_env(const struct steer_lab *l, size_t w, double seconds, struct steer_env_params *p,
		  unsigned int *intervals, struct sl_err *e);
/* Seconds after a warm-up of two, or as many if they are fewer. */
int steer_lab_run(const struct steer_lab *l, size_t w, uint64_t seed, struct steer_policy *p,
		  double seconds, struct steer_outcome *out, struct sl_err *e);
/* The same with a tree that places flows (or NULL), and misses sampled once in "announce" (or 0). */
struct steer_place {
	const struct sluice_tree *tree;
	uint32_t announce;
};
int steer_lab_run_placed(const struct steer_lab *l, size_t w, uint64_t seed, struct steer_policy *p,
			 const struct steer_place *place, double seconds,
			 struct steer_outcome *out, struct sl_err *e);
/* The same of a new policy. */
int steer_lab_run_new(const struct steer_lab *l, size_t w, uint64_t seed,
		      const struct steer_policy_ops *ops, const struct steer_policy_config *c,
		      double seconds, struct steer_outcome *out, struct sl_err *e);
double steer_lab_run_s(double seconds);	/* that such a run simulates, the warm-up included */

/* What is tried for every tunable baseline; what does not matter to one is the same to it. */
extern const struct steer_tuning steer_lab_settings[STEER_LAB_SETTINGS];
/*
 * The one of the first "settings" that costs least on the training workloads, by the mean of
 * logarithms. Returns 0 and leaves *best where there is nothing to tune.
 */
int steer_lab_tune(const struct steer_lab *l, const struct steer_policy_ops *ops,
		   size_t settings, double seconds, struct steer_tuning *best, struct sl_err *e);

#endif
