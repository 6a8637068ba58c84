// SPDX-License-Identifier: GPL-2.0
/*
 * The reward of the steering agent, of one interval over all CPUs. The terms, before their weights:
 *
 *   throughput   share of the steered packets that was delivered, 0..1; 1 without traffic
 *   latency      mean over CPUs, weighted by packets, of log(1 + wait p95 / latency_ref);
 *                CPUs whose wait cannot be measured do not take part; 0 when none can
 *   imbalance    greatest utilisation minus the mean, 0..1; 0 while no CPU is above 70 %, where
 *                spreading work buys nothing (RSS++, CoNEXT 2019, section 5)
 *   moves        number of moves
 *
 * Every number is saturated, so that no input makes a reward that is not finite.
 */
#include <math.h>

#include "daemon/steer_agent.h"
#include "lib/clamp.h"

#define UTIL_THRESHOLD	0.7
#define PPS_MAX		1e12
#define LATENCY_MAX	1e6	/* wait p95 / latency_ref */
#define WEIGHT_MAX	1e3

void steer_reward_terms(const struct steer_interval *in, unsigned int moves,
			const struct steer_reward_weights *w, struct steer_reward_terms *out)
{
	const double ref = clamp(w->latency_ref_s, 1e-9, 1e3);
	double sent = 0.0, dropped = 0.0, timed = 0.0, latency = 0.0, util_max = 0.0, util_sum = 0.0;

	for (size_t i = 0; i < in->n_cpus; i++) {
		const struct steer_cpu_obs *c = &in->cpus[i];
		const double pps = clamp(c->pps, 0.0, PPS_MAX);
		const double util = clamp(c->util, 0.0, 1.0);

		sent += pps;
		dropped += clamp(c->drop_pps, 0.0, pps);
		util_sum += util;
		util_max = fmax(util_max, util);
		if (c->wait_p95_s >= 0.0) {
			timed += pps;
			latency += pps * log1p(clamp(c->wait_p95_s / ref, 0.0, LATENCY_MAX));
		}
	}
	*out = (struct steer_reward_terms) {
		.throughput = sent > 0.0 ? 1.0 - dropped / sent : 1.0,
		.latency = timed > 0.0 ? latency / timed : 0.0,
		.imbalance = util_max > UTIL_THRESHOLD ? util_max - util_sum / in->n_cpus : 0.0,
		.moves = moves,
	};
}

double steer_reward(const struct steer_reward_terms *t, const struct steer_reward_weights *w)
{
	return clamp(w->throughput, 0.0, WEIGHT_MAX) * t->throughput -
	       clamp(w->latency, 0.0, WEIGHT_MAX) * t->latency -
	       clamp(w->imbalance, 0.0, WEIGHT_MAX) * t->imbalance -
	       clamp(w->move, 0.0, WEIGHT_MAX) * t->moves;
}
