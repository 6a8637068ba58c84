/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The reward gate: how what a host can see orders the ten thresholds, against how their cost does,
 * by Spearman's rank correlation for each mix. A reward that orders them otherwise cannot teach
 * what the cost asks for: below GATE_PASS it may not drive promotion.
 *
 * Beside the agent's rewards stand the parts of "balance", to see what each of them sees; "flows"
 * is balance with the number of active flows, "balance" without, as where nobody counts them.
 */
#ifndef SLUICE_POLICY_GATE_H
#define SLUICE_POLICY_GATE_H

#include "daemon/ecn_agent.h"

#define GATE_PASS	0.8

/* X(name, expression of the interval "in" and the default configuration "c") */
#define GATE_CANDIDATES(X)							\
	X(fct, ecn_reward_fct(c, in))						\
	X(acc, ecn_reward_acc(in))						\
	X(balance, ecn_reward_balance(&without_flows))				\
	X(flows, ecn_reward_balance(in))					\
	X(wait, -log1p(in->avg_backlog_bytes / in->capacity_bps / in->rtt_s))	\
	X(queued, in->tx_bytes > 0 ? in->capacity_bps * in->backlogged_s / in->tx_bytes : 0) \
	X(active, -log1p(in->active_flows))

enum {
#define X(name, value) GATE_##name,
	GATE_CANDIDATES(X)
#undef X
	GATE_REWARDS
};

struct lab;

struct gate_report {
	double passed;		/* share of mixes with GATE_PASS or more */
	double mean, least;	/* correlation */
};

const char *gate_name(int reward);
double gate_reward(int reward, const struct ecn_interval *in);
/* The correlation of a reward with -J on one mix. */
double gate_mix(const struct lab *l, size_t mix, int reward);
void gate_judge(const struct lab *l, int reward, struct gate_report *out);

#endif
