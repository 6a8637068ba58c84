/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steering policies of one type: the daemon's agent, and what it is to be compared with. A policy
 * sees what the agent sees (struct steer_interval) and answers with moves, as the agent does; who
 * calls it applies them within the guard.
 *
 * Some are no rivals but yardsticks: a clairvoyant one is told the future load of every object,
 * and one with a placer decides of every new flow by the backlogs of that very moment, which no
 * program on a host can see.
 *
 * To make one's own: a struct that begins with a struct steer_policy, and its ops in a row of
 * steer_policy.c.
 */
#ifndef SLUICE_POLICY_STEER_POLICY_H
#define SLUICE_POLICY_STEER_POLICY_H

#include "daemon/steer_agent.h"
#include "lib/err.h"
#include "sim/cpus.h"

/* What a policy decides on. */
struct steer_scene {
	struct steer_interval in;
	/* For a clairvoyant one, of the interval to come; else NULL. Shares of a CPU of speed 1. */
	const double *future;		/* [in.n_objects] */
	const double *future_base;	/* [in.n_cpus] what it does in any case, its own share */
	const double *slow;		/* [in.n_cpus] what work costs there, 1 at speed 1 */
};

/* X(name, default, minimum, maximum, text): what may be tuned. */
#define STEER_TUNABLES(X)						\
	X(max_moves, 4, 0, 1024, "moves in a decision")			\
	X(ewma, 0.5, 0.01, 1, "weight of the latest interval in a load")	\
	X(move_cost, 0.01, 0, 1, "share of a CPU that a move must win")	\
	X(imbalance, 0.05, 0, 1, "share of a CPU above the mean that is put up with")

struct steer_tuning {
#define X(name, def, min, max, text) double name;
	STEER_TUNABLES(X)
#undef X
};
void steer_tuning_default(struct steer_tuning *t);

struct steer_policy_config {
	uint64_t seed;
	struct steer_tuning tuning;
	struct steer_agent_config agent;	/* of the policy "agent" */
};
void steer_policy_config_default(struct steer_policy_config *c);

struct steer_policy;

struct steer_policy_ops {
	const char *name, *text;
	const char *tunables;		/* names out of STEER_TUNABLES that matter, or "" */
	bool no_program;		/* there is no XDP program: RSS and nothing else */
	bool clairvoyant;
	bool unguarded;			/* a yardstick: the guard does not limit it */
	int (*make)(const struct steer_policy_config *c, struct steer_policy **ret);
	/* At most max moves; their number or -errno. NULL: it never moves anything. */
	int (*decide)(struct steer_policy *p, const struct steer_scene *s, struct steer_move *moves,
		      size_t max);
	void (*applied)(struct steer_policy *p, const bool *applied, size_t n);	/* may be NULL */
	void (*train)(struct steer_policy *p, unsigned int steps);	/* may be NULL */
	cpus_placer *placer;		/* data is the policy; may be NULL */
	void (*free)(struct steer_policy *p);
};

struct steer_policy {
	const struct steer_policy_ops *ops;
};

extern const struct steer_policy_ops *const steer_policies[];
extern const size_t steer_policies_n;

/* -ENOENT: no policy of that name; e says which there are. */
const struct steer_policy_ops *steer_policy_find(const char *name, struct sl_err *e);
int steer_policy_new(const struct steer_policy_ops *ops, const struct steer_policy_config *c,
		     struct steer_policy **ret, struct sl_err *e);
void steer_policy_free(struct steer_policy *p);		/* accepts NULL */
/* The agent in a policy "agent", else NULL. */
struct steer_agent *steer_policy_agent(struct steer_policy *p);

/* --- what policies share: loads as moves would leave them ------------------------- */

struct steer_work {
	size_t n;				/* CPUs */
	int index_of[SLUICE_MAX_CPUS];		/* of a CPU number; -1: no target */
	double util[SLUICE_MAX_CPUS];		/* after the moves so far */
	double measured[SLUICE_MAX_CPUS], pps[SLUICE_MAX_CPUS];
	double mean;
};
void steer_work_init(struct steer_work *w, const struct steer_interval *in);
/*
 * The index of an object's CPU, or -1; and the share of a CPU that it costs there, as the agent
 * has it.
 */
int steer_work_at(const struct steer_work *w, const struct steer_object *o);
double steer_work_of(const struct steer_work *w, const struct steer_object *o, int at);

extern const struct steer_policy_ops steer_policy_ewma, steer_policy_rsspp, steer_policy_oracle;

#endif
