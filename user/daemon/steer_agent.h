/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The steering agent: moves buckets (and admitted flows) between CPUs. Pure
 * logic, like ecn_agent.h.
 *
 * For an object it values every CPU with Q(features of the object, features
 * of the CPU), its present CPU ("stay") included, and moves it when the best
 * beats staying by the hysteresis. Objects are decided one after the other,
 * heaviest first, each seeing the virtual loads that the moves before it leave
 * behind: decided at once on the same stale loads they would herd onto one CPU.
 *
 * reward = w_throughput * throughput - w_latency * latency
 *          - w_imbalance * imbalance (counted above 70 % utilisation only)
 *          - w_move * moves
 */
#ifndef SLUICE_DAEMON_STEER_AGENT_H
#define SLUICE_DAEMON_STEER_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/sluice.h>

struct steer_reward_weights {
	double throughput, latency, imbalance, move;
	double latency_ref_s;
};

struct steer_agent_config {
	bool explore, learn;
	double epsilon;
	double hysteresis;	/* Q gain a move must promise */
	unsigned int max_moves;	/* per decision */
	struct steer_reward_weights weights;
	uint64_t seed;
};
void steer_agent_config_default(struct steer_agent_config *c);

struct steer_cpu_obs {
	uint16_t cpu;
	double util;		/* 0..1, of all work */
	double softirq;		/* 0..1, in soft interrupts */
	double pps;		/* steered to it */
	double drop_pps;	/* sent - delivered, and softnet drops */
	double wait_p95_s;	/* in the cpumap ring; negative: not measurable */
};

struct steer_object {
	uint32_t id;		/* bucket number, or index of a flow */
	bool is_flow;
	uint16_t cpu;		/* its target now */
	double pps, bps;	/* packets, bytes per second over the interval */
};

struct steer_interval {
	double seconds;
	const struct steer_cpu_obs *cpus;	/* the possible targets */
	size_t n_cpus;
	const struct steer_object *objects;	/* any order; idle ones may be left out */
	size_t n_objects;
};

struct steer_move {
	uint32_t id;
	bool is_flow;
	uint16_t from, to;
	bool explored;
	float gain;		/* Q(to) - Q(stay) */
};

struct steer_agent;

int steer_agent_new(const struct steer_agent_config *c, struct steer_agent **ret);
void steer_agent_free(struct steer_agent *a);
/* Writes at most max_moves moves; returns their number or -errno. *reward: of the interval ended. */
int steer_agent_decide(struct steer_agent *a, const struct steer_interval *in,
		       struct steer_move *moves, size_t max, double *reward);
/* Which of the moves just returned were applied; the others are not learned from. */
void steer_agent_applied(struct steer_agent *a, const bool *applied, size_t n);
/* What was decided last, and what rests, is forgotten: the next interval is of another world. */
void steer_agent_restart(struct steer_agent *a);
float steer_agent_train(struct steer_agent *a, unsigned int n);

/*
 * Has each called with every transition that could be learned from. The row, without a time, is the
 * agent's until each returns; object is the id, with the top bit set for a flow. -ENOMEM: it
 * needs memory for what the candidates of an interval's decisions were. each NULL: no more.
 */
struct translog_row;
struct translog_shape;
int steer_agent_watch(struct steer_agent *a,
		      void (*each)(void *data, const struct translog_row *row), void *data);
void steer_agent_shape(struct translog_shape *out);

struct steer_reward_terms {
	double throughput, latency, imbalance, moves;	/* unweighted, each >= 0 */
};
void steer_reward_terms(const struct steer_interval *in, unsigned int moves,
			const struct steer_reward_weights *w, struct steer_reward_terms *out);
double steer_reward(const struct steer_reward_terms *t, const struct steer_reward_weights *w);

struct steer_agent_stats {
	uint64_t decisions, moves, explored, updates;
	double loss, reward_mean;
};
void steer_agent_stats(const struct steer_agent *a, struct steer_agent_stats *out);
/* -EDOM: the latest gradient step was not finite, or values run away (ddqn_health()). */
int steer_agent_health(const struct steer_agent *a);
/* What values the candidates, for learning from data; it stays the agent's. */
struct ddqn;
struct ddqn *steer_agent_network(struct steer_agent *a);
int steer_agent_save(const struct steer_agent *a, void **blob, size_t *size);
int steer_agent_load(struct steer_agent *a, const void *blob, size_t size);

#endif
