// SPDX-License-Identifier: GPL-2.0
/* Rewards by cases computed by hand, both sides of each threshold, and extremes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/reward_ecn.h"
#include "daemon/steer_agent.h"
#include "lib/rng.h"

#define assert_near(a, b)	assert_true(fabs((a) - (b)) < 1e-9)

/* C = 25 MB/s, RTT = 2 ms: E(n) = 0.8 * 50 KB * 2^n = 40 KB * 2^n; half of C is sent. */
static struct ecn_interval interval(void)
{
	return (struct ecn_interval) {
		.seconds = 0.1, .capacity_bps = 25e6, .rtt_s = 2e-3, .mtu_bytes = 1500,
		.limit_bytes = 4000000, .tx_bytes = 1.25e6, .backlogged_s = 0.1,
		.avg_backlog_bytes = 10e3, .sojourn_p95_s = -1.0,
	};
}

static void ecn_acc(void **state)
{
	struct ecn_interval in = interval();

	(void)state;
	/* 0.7 * 0.5 + 0.3 * (1 - 0 / 10) */
	assert_near(ecn_reward_acc(&in), 0.65);
	/* E(0) is the smallest above 39,999 bytes, E(1) above 40,000. */
	in.avg_backlog_bytes = 39999.0;
	assert_int_equal(ecn_reward_acc_n(&in), 0);
	in.avg_backlog_bytes = 40000.0;
	assert_int_equal(ecn_reward_acc_n(&in), 1);
	assert_near(ecn_reward_acc(&in), 0.35 + 0.27);
	/* E(9) = 20.48 MB; beyond it n is 10 and the second term 0. */
	in.avg_backlog_bytes = 20479999.0;
	assert_int_equal(ecn_reward_acc_n(&in), 9);
	in.avg_backlog_bytes = 20480000.0;
	assert_int_equal(ecn_reward_acc_n(&in), 10);
	assert_near(ecn_reward_acc(&in), 0.35);
	/* More than C is C. */
	in.tx_bytes = 5e6;
	assert_near(ecn_reward_acc(&in), 0.7);
	in.capacity_bps = NAN;
	assert_int_equal(ecn_reward_acc_n(&in), -1);
}

static void ecn_fct(void **state)
{
	struct ecn_interval in = interval();
	struct ecn_agent_config c;

	(void)state;
	ecn_agent_config_default(&c);
	c.fct_weight_rate = 2.0;
	c.fct_weight_delay = 3.0;
	c.fct_ref_ns = 1e6;
	/* Half of C while backlogged, no sojourn. */
	assert_near(ecn_reward_fct(&c, &in), 2.0 * log(0.5));
	/* The same bytes in half the backlogged time are all of C; less time is not better still. */
	in.backlogged_s = 0.05;
	assert_near(ecn_reward_fct(&c, &in), 0.0);
	in.backlogged_s = 0.01;
	assert_near(ecn_reward_fct(&c, &in), 0.0);
	/* 1 ms is t_ref: log 2. 7 ms: log 8. */
	in.sojourn_p95_s = 1e-3;
	assert_near(ecn_reward_fct(&c, &in), -3.0 * log(2.0));
	in.sojourn_p95_s = 7e-3;
	assert_near(ecn_reward_fct(&c, &in), -3.0 * log(8.0));
	/* No backlog at all is no fault; a stalled queue is the worst but finite. */
	in.backlogged_s = 0.0;
	in.sojourn_p95_s = -1.0;
	assert_near(ecn_reward_fct(&c, &in), 0.0);
	in.backlogged_s = 0.1;
	in.tx_bytes = 0.0;
	assert_near(ecn_reward_fct(&c, &in), 2.0 * log(1e-3));
	c.fct_weight_rate = 1e9;
	assert_near(ecn_reward_fct(&c, &in), -ECN_REWARD_MAX);
}

static void ecn_balance(void **state)
{
	struct ecn_interval in = interval();
	struct ecn_agent_config c;

	(void)state;
	/* 10 KB at 25 MB/s wait 0.4 ms, a fifth of the RTT; backlogged all the time. */
	assert_near(ecn_reward_balance(&in), -log(1.2));
	/* 1.25 MB need 0.05 s of C: from there down, bytes passed an empty queue. */
	in.backlogged_s = 0.05;
	assert_near(ecn_reward_balance(&in), -log(1.2));
	in.backlogged_s = 0.025;
	assert_near(ecn_reward_balance(&in), 0.7 * log(0.5) - log(1.2));
	/* Flows count where they are counted. */
	in.active_flows = 3;
	assert_near(ecn_reward_balance(&in), 0.7 * log(0.5) - log(1.2) - log(4.0));
	in.active_flows = NAN;
	assert_near(ecn_reward_balance(&in), 0.7 * log(0.5) - log(1.2));
	in.active_flows = 0;
	/* Never a backlog is the worst but finite; nothing sent says nothing of that. */
	in.backlogged_s = in.avg_backlog_bytes = 0;
	assert_near(ecn_reward_balance(&in), 0.7 * log(1e-3));
	in.tx_bytes = 0;
	assert_near(ecn_reward_balance(&in), 0.0);
	in.avg_backlog_bytes = 1e300;
	assert_near(ecn_reward_balance(&in), -log1p(1e6));
	in.avg_backlog_bytes = INFINITY;
	assert_near(ecn_reward_balance(&in), 0.0);
	/* The configuration chooses it. */
	in = interval();
	ecn_agent_config_default(&c);
	c.reward = ECN_REWARD_BALANCE;
	assert_near(ecn_reward(&c, &in), -log(1.2));
	c.reward = ECN_REWARD_ACC;
	assert_near(ecn_reward(&c, &in), ecn_reward_acc(&in));
	c.reward = ECN_REWARD_FCT;
	assert_near(ecn_reward(&c, &in), ecn_reward_fct(&c, &in));
}

static void ecn_activity(void **state)
{
	struct ecn_interval in = interval();

	(void)state;
	assert_true(ecn_interval_active(&in));
	in.tx_bytes = in.avg_backlog_bytes = in.backlogged_s = 0.0;
	assert_false(ecn_interval_active(&in));
	in.backlogged_s = 0.1;
	assert_true(ecn_interval_active(&in));
	in.seconds = 0.0;
	assert_false(ecn_interval_active(&in));
}

static struct steer_reward_terms terms(struct steer_cpu_obs *cpus, size_t n, unsigned int moves)
{
	const struct steer_reward_weights w = { .latency_ref_s = 1e-3 };
	const struct steer_interval in = { .seconds = 1.0, .cpus = cpus, .n_cpus = n };
	struct steer_reward_terms t;

	steer_reward_terms(&in, moves, &w, &t);
	return t;
}

static void steer_throughput(void **state)
{
	struct steer_cpu_obs cpus[2] = { { .pps = 300.0, .drop_pps = 100.0 },
					 { .pps = 100.0 } };

	(void)state;
	assert_near(terms(cpus, 2, 0).throughput, 0.75);
	/* A CPU cannot lose more than it was sent. */
	cpus[0].drop_pps = 1000.0;
	assert_near(terms(cpus, 2, 0).throughput, 0.25);
	cpus[0].pps = cpus[1].pps = 0.0;
	assert_near(terms(cpus, 2, 0).throughput, 1.0);
}

static void steer_latency(void **state)
{
	struct steer_cpu_obs cpus[3] = { { .pps = 300.0, .wait_p95_s = 1e-3 },
					 { .pps = 100.0, .wait_p95_s = 3e-3 },
					 { .pps = 900.0, .wait_p95_s = -1.0 } };

	(void)state;
	/* (300 log 2 + 100 log 4) / 400; what is not measurable does not take part. */
	assert_near(terms(cpus, 3, 0).latency, 1.25 * log(2.0));
	cpus[0].wait_p95_s = cpus[1].wait_p95_s = -1.0;
	assert_near(terms(cpus, 3, 0).latency, 0.0);
}

static void steer_imbalance(void **state)
{
	struct steer_cpu_obs cpus[4] = { { .util = 0.70 }, { .util = 0.1 }, { .util = 0.1 },
					 { .util = 0.1 } };

	(void)state;
	assert_near(terms(cpus, 4, 0).imbalance, 0.0);
	cpus[0].util = 0.71;
	assert_near(terms(cpus, 4, 0).imbalance, 0.71 - 1.01 / 4);
	for (int i = 0; i < 4; i++)
		cpus[i].util = 0.9;
	assert_near(terms(cpus, 4, 0).imbalance, 0.0);
}

static void steer_sum(void **state)
{
	const struct steer_reward_terms t = { .throughput = 0.5, .latency = 2.0, .imbalance = 0.25,
					      .moves = 3.0 };
	const struct steer_reward_weights w = { .throughput = 1.0, .latency = 0.1,
						.imbalance = 2.0, .move = 0.01 };
	struct steer_cpu_obs cpu = { .util = 0.5 };

	(void)state;
	assert_near(terms(&cpu, 1, 3).moves, 3.0);
	assert_near(steer_reward(&t, &w), 0.5 - 0.2 - 0.5 - 0.03);
}

static void extremes_are_finite(void **state)
{
	static const double x[] = { 0.0, -1.0, 1.0, 1e300, -1e300, 1e-300, INFINITY, -INFINITY,
				    NAN };
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
#define ANY	x[rng_below(&rng, sizeof(x) / sizeof(x[0]))]
	for (int i = 0; i < 20000; i++) {
		const struct ecn_interval in = {
			.seconds = ANY, .capacity_bps = ANY, .rtt_s = ANY, .mtu_bytes = 1500,
			.tx_bytes = ANY, .backlogged_s = ANY, .avg_backlog_bytes = ANY,
			.sojourn_p95_s = ANY };
		const struct ecn_agent_config c = { .fct_weight_rate = ANY,
						    .fct_weight_delay = ANY, .fct_ref_ns = ANY };
		const struct steer_reward_weights w = { ANY, ANY, ANY, ANY, ANY };
		struct steer_cpu_obs cpus[2];
		const struct steer_interval si = { .cpus = cpus, .n_cpus = 2 };
		struct steer_reward_terms t;

		assert_true(fabs(ecn_reward_fct(&c, &in)) <= ECN_REWARD_MAX);
		assert_true(isfinite(ecn_reward_acc(&in)));
		for (int k = 0; k < 2; k++)
			cpus[k] = (struct steer_cpu_obs) { .util = ANY, .pps = ANY,
							   .drop_pps = ANY, .wait_p95_s = ANY };
		steer_reward_terms(&si, i, &w, &t);
		assert_true(t.throughput >= 0.0 && t.throughput <= 1.0);
		assert_true(t.latency >= 0.0 && isfinite(t.latency));
		assert_true(t.imbalance >= 0.0 && t.imbalance <= 1.0);
		assert_true(isfinite(steer_reward(&t, &w)));
	}
#undef ANY
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ecn_acc),
		cmocka_unit_test(ecn_fct),
		cmocka_unit_test(ecn_balance),
		cmocka_unit_test(ecn_activity),
		cmocka_unit_test(steer_throughput),
		cmocka_unit_test(steer_latency),
		cmocka_unit_test(steer_imbalance),
		cmocka_unit_test(steer_sum),
		cmocka_unit_test(extremes_are_finite),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
