/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A steering policy on simulated CPUs, as the daemon has it on real ones: at the end of each
 * interval the program's counters and CPU time become an observation (daemon/steer_view.h), the
 * policy decides, moves that lose are refused (steer_view_loses()), the guard allows the others
 * or does not (daemon/guard.h), buckets and flows are written and leases renewed. Heavy flows
 * that the program reports get entries, idle ones lose them. The reward is the agent's
 * (daemon/reward_steer.c).
 *
 * Unlike the daemon, heavy flows are admitted once in an interval only, and nothing takes time
 * between reading and writing; "stale" makes what the policy sees older.
 */
#ifndef SLUICE_POLICY_STEER_ENV_H
#define SLUICE_POLICY_STEER_ENV_H

#include "policy/steer_policy.h"

struct steer_env_params {
	struct cpus_params cpus;
	struct cpus_traffic_params traffic;
	double interval_s;
	unsigned int stale;		/* intervals that loads are older than they must be */
	unsigned int warmup;		/* intervals that do not count */
	unsigned int changes_per_s, moves_per_epoch;	/* [guard] */
	bool refuse_losing;		/* [steer] */
	unsigned int max_flows;		/* [steer] with an assignment of their own */
	double flow_idle_s;		/* [steer] */
	const struct sluice_tree *tree;	/* that places newly admitted flows; the caller's, or NULL */
	unsigned int learn_steps;	/* gradient steps of an agent after a decision */
	struct steer_reward_weights weights;
	/* What a drop and an overtaken packet count as, in outcomes. */
	double dropped_s, reordered_s;
};
/* The daemon's defaults. */
void steer_env_params_default(struct steer_env_params *p);

/*
 * cost_us, the objective: the geometric mean of the mean and the 99th percentile of sojourn, in
 * which a packet that was dropped took dropped_s, and one that was overtaken reordered_s longer
 * (in the mean).
 */
struct steer_outcome {
	double seconds, packets;
	double mean_us, p50_us, p99_us, p999_us;	/* of sojourn; of packets not dropped */
	double dropped, reordered, cold;		/* shares of packets */
	double moves_per_s, refused_per_s;
	double reward;			/* mean over intervals; NaN without a program */
	struct steer_reward_terms terms;	/* its terms' means ... */
	double latency_fine;		/* ... and of the latency, by a tenth of its reference */
	double cost_us;
	double util[SLUICE_MAX_CPUS], util_max, util_mean;
	uint64_t digest, moves_forced;
};

struct steer_env;

/* The policy stays the caller's, and must live as long. */
int steer_env_new(const struct steer_env_params *p, uint64_t seed, struct steer_policy *policy,
		  struct steer_env **ret, struct sl_err *e);
void steer_env_free(struct steer_env *env);	/* accepts NULL */
/* One interval and the decision at its end; 0 or -errno. */
int steer_env_step(struct steer_env *env);
/* Of the intervals since the warm-up. */
void steer_env_outcome(const struct steer_env *env, struct steer_outcome *out);
/* The observation of the latest step, for tests; valid until the next one. */
const struct steer_interval *steer_env_seen(const struct steer_env *env);
struct cpus *steer_env_cpus(struct steer_env *env);

/* All of it: so many intervals, the warm-up included. */
int steer_env_run(const struct steer_env_params *p, uint64_t seed, struct steer_policy *policy,
		  unsigned int intervals, struct steer_outcome *out, struct sl_err *e);

#endif
