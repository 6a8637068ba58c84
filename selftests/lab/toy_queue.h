/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A queue by a formula, for tests that need an ECN agent's transitions within milliseconds: the
 * backlog is what the thresholds allow, and below C * RTT the link is not full. It has a best
 * setting, below C * RTT.
 */
#ifndef SELFTESTS_TOY_QUEUE_H
#define SELFTESTS_TOY_QUEUE_H

#include <math.h>

#include "daemon/ecn_agent.h"
#include "lib/rng.h"

static inline struct ecn_interval toy_queue(const struct qdisc_triple *t, struct rng *rng)
{
	const double c = 25e6, rtt = 2e-3, k = (t->qth_min + t->qth_max) / 2.0;
	const double used = fmin(0.5 + 0.5 * k / (c * rtt), 1) * (0.95 + 0.05 * rng_uniform(rng));
	const double backlog = k * (0.7 + 0.2 * rng_uniform(rng));

	return (struct ecn_interval){
		.seconds = 0.05, .capacity_bps = c, .rtt_s = rtt, .mtu_bytes = 1514,
		.limit_bytes = 4000000, .tx_bytes = used * c * 0.05,
		.ce_bytes = 0.05 * used * c * 0.05,
		.backlogged_s = 0.04, .avg_backlog_bytes = backlog, .sojourn_p95_s = backlog / c,
		.setting = *t,
	};
}

/* So many decisions of an agent on the queue, from anywhere; the mean reward. */
static inline double toy_queue_run(struct ecn_agent *a, unsigned int decisions, uint64_t seed)
{
	struct qdisc_triple t = { 0 };
	struct ecn_decision d;
	double sum = 0;
	struct rng rng;

	rng_seed(&rng, seed);
	for (unsigned int i = 0; i < decisions; i++) {
		struct ecn_interval in;

		if (i % 50 == 0) {
			ecn_agent_forget(a, 0);
			t.qth_min = 4000u << rng_below(&rng, 8);
			t.qth_max = t.qth_min;
			t.max_p = 1000000;
		}
		in = toy_queue(&t, &rng);
		if (ecn_agent_decide(a, 0, &in, &d))
			return NAN;
		ecn_agent_applied(a, 0, true);
		t = d.triple;
		sum += d.reward;
	}
	return sum / decisions;
}

#endif
