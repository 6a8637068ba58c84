/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ECN agent: per queue, chooses (qth_min, qth_max, max_p) from a grid of
 * templates. Pure logic: no clock, no file, no log, so that the live daemon,
 * a simulator and a unit test run the same code. One network serves all
 * queues (parameter sharing, as ACC, SIGCOMM 2021, section 4), and of the queues of
 * one link one changes at a time (rl/team.h).
 *
 * Templates are thought of in time: t(n) = t0 * 2^n for n = 0..9, with
 * t0 = max(2 * MTU / C, RTT / 8); qth_min = C * t(n), qth_max = m * qth_min for
 * m in {1, 2, 4}, max_p in {1 %, 10 %, 50 %}. Infeasible ones (qth_max beyond
 * limit_bytes) and duplicates (m = 1 never uses max_p) are masked. grid "acc" is the
 * byte grid E(n) = alpha * 2^n of the paper with alpha scaled with C * RTT.
 *
 * A decision stays or goes one grid step (n, m or max_p) from the setting in
 * force, so an optimum far away is reached in as many decisions as it is steps
 * away; ecn_agent.c says why.
 *
 * An observation is the last three decision intervals, oldest first, of
 * {average queue / (C * RTT), tx rate / C, marked tx rate / C, setting}.
 */
#ifndef SLUICE_DAEMON_ECN_AGENT_H
#define SLUICE_DAEMON_ECN_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/qdisc.h"

#define ECN_GRID_N	10	/* time steps */
#define ECN_GRID_M	3	/* qth_max / qth_min */
#define ECN_GRID_P	3	/* max_p */
#define ECN_ACTIONS	(ECN_GRID_N * ECN_GRID_M * ECN_GRID_P)

enum ecn_grid { ECN_GRID_TIME, ECN_GRID_ACC };
enum ecn_reward { ECN_REWARD_FCT, ECN_REWARD_ACC, ECN_REWARD_BALANCE };
#define ECN_REWARD_NAMES { "fct", "acc", "balance", NULL }

struct ecn_agent_config {
	enum ecn_grid grid;
	enum ecn_reward reward;
	bool explore;		/* act off-policy on live traffic: +-1 grid step */
	bool learn;		/* update the network */
	double epsilon;		/* probability of an exploring step */
	double regret_budget;	/* estimated reward given up to exploration, per hour; then stop */
	double fct_weight_rate;	/* weights of the two terms of ECN_REWARD_FCT */
	double fct_weight_delay;
	double fct_ref_ns;	/* t_ref */
	uint64_t seed;
};
void ecn_agent_config_default(struct ecn_agent_config *c);

/* What one queue did during one decision interval: differences of two snapshots. */
struct ecn_interval {
	double seconds;
	double capacity_bps;	/* C: bytes (not bits) per second */
	double rtt_s;
	uint32_t mtu_bytes;
	uint32_t limit_bytes;
	double tx_bytes;
	double ce_bytes;
	double backlogged_s;	/* time with a backlog */
	double avg_backlog_bytes;
	double sojourn_p95_s;	/* negative: no packet */
	double active_flows;	/* 0: not known */
	/* Of tx_bytes; NAN: not measured. */
	double elephant_share;	/* by flows that have had more than 100 KB */
	double ect_share;	/* in ECN-capable packets */
	struct qdisc_triple setting;	/* in force during the interval */
	unsigned int link;	/* queues of one link change one at a time; 0: alone */
};

struct ecn_decision {
	struct qdisc_triple triple;
	int action;		/* index into the grid */
	bool explored;
	float probability;	/* of what was chosen, at the time; 0: nothing was */
	float q_best, q_current, q_least;	/* of the candidates */
	double reward;		/* of the interval just ended */
	bool reward_valid;	/* false: idle interval, not learned from */
	char reason[96];
};

struct ecn_agent;

int ecn_agent_new(const struct ecn_agent_config *c, struct ecn_agent **ret);
void ecn_agent_free(struct ecn_agent *a);
/* The queue is an index the caller keeps stable; memory grows as needed. */
int ecn_agent_decide(struct ecn_agent *a, unsigned int queue, const struct ecn_interval *in,
		     struct ecn_decision *out);
/*
 * What the guard made of the decision: the triple that is really in force from now on. A
 * transition is learned from with the action that was applied, or not at all (applied false).
 */
void ecn_agent_applied(struct ecn_agent *a, unsigned int queue, bool applied);
void ecn_agent_forget(struct ecn_agent *a, unsigned int queue);	/* the queue is gone */
/* Up to n gradient steps; the mean loss, or -1. */
float ecn_agent_train(struct ecn_agent *a, unsigned int n);

/* The template grid of an interval: triples and feasibility by action index. */
void ecn_grid(const struct ecn_agent_config *c, const struct ecn_interval *in,
	      struct qdisc_triple triple[ECN_ACTIONS], uint8_t feasible[ECN_ACTIONS]);
/* The nearest feasible template to a setting (in log distance). */
int ecn_grid_nearest(const struct qdisc_triple triple[ECN_ACTIONS],
		     const uint8_t feasible[ECN_ACTIONS], const struct qdisc_triple *t);

/*
 * Has each called with every transition that could be learned from: decided, applied, and its
 * interval ended under its setting. The row, without a time, is the agent's until each
 * returns; object is the queue. shape: what the features are.
 */
struct translog_row;
struct translog_shape;
void ecn_agent_watch(struct ecn_agent *a,
		     void (*each)(void *data, const struct translog_row *row), void *data);
void ecn_agent_shape(struct translog_shape *out);

/* The row of such a transition that it would choose without exploring; -1: values are not finite. */
int ecn_agent_prefers(struct ecn_agent *a, const float *x, int rows);

/*
 * Somebody else decides: makes transitions of what they did, for the watcher, and neither acts nor
 * learns. in: the interval that has ended; next: the setting that is in force from now on, which
 * was chosen with that probability (0: not known). Of a setting that is no neighbour in the grid,
 * the nearest template takes the place of the candidate nearest to that. Not on a queue that
 * the agent decides on. -ENOMEM.
 */
struct ecn_followed {
	struct qdisc_triple next;
	float probability;
	bool explored;
};
int ecn_agent_follow(struct ecn_agent *a, unsigned int queue, const struct ecn_interval *in,
		     const struct ecn_followed *what);

struct ecn_agent_stats {
	uint64_t decisions, explored, updates;
	double loss, reward_mean;	/* exponential means */
	double regret_spent;		/* of the budget, this hour */
};
void ecn_agent_stats(const struct ecn_agent *a, struct ecn_agent_stats *out);
/* -EDOM: the latest gradient step was not finite, or values run away (ddqn_health()). */
int ecn_agent_health(const struct ecn_agent *a);
/* What values the candidates, for learning from data; it stays the agent's. */
struct ddqn;
struct ddqn *ecn_agent_network(struct ecn_agent *a);
int ecn_agent_save(const struct ecn_agent *a, void **blob, size_t *size);
int ecn_agent_load(struct ecn_agent *a, const void *blob, size_t size);

#endif
