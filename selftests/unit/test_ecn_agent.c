// SPDX-License-Identifier: GPL-2.0
/*
 * The ECN agent on a model of one queue, small enough to know the best template of.
 *
 * Long-lived senders keep the backlog about halfway up the ramp (set by the noise), and the link is
 * used in full only when the threshold leaves them a queue to drain: u = k / (k + need). "need"
 * is the workload. Throughput thus falls when the threshold is low and delay grows with it.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/ecn_agent.h"
#include "daemon/ecn_grid.h"
#include "daemon/reward_ecn.h"
#include "lib/rng.h"

#define C_BPS	25e6	/* 200 Mbit/s in bytes */
#define RTT_S	2e-3
#define EPOCH_S	0.05

struct model {
	struct rng rng;
	double need_bytes;
	double noise;
	struct qdisc_triple setting;
};

static struct ecn_interval model_run(struct model *m)
{
	const struct qdisc_triple *t = &m->setting;
	double ramp = t->qth_max - t->qth_min;
	double wobble = m->noise > 0.0 ? exp(m->noise * rng_normal(&m->rng)) : 1.0;
	/* A gentler max_p lets the queue climb further up the ramp. */
	double k = t->qth_min + ramp * (0.3 + 0.4 * (1.0 - t->max_p / 1e6));
	double u = k / (k + m->need_bytes);

	return (struct ecn_interval) {
		.seconds = EPOCH_S,
		.capacity_bps = C_BPS,
		.rtt_s = RTT_S,
		.mtu_bytes = 1500,
		.limit_bytes = 4000000,
		.tx_bytes = fmin(u * sqrt(wobble), 1.0) * C_BPS * EPOCH_S,
		.ce_bytes = 0.1 * u * C_BPS * EPOCH_S,
		.backlogged_s = EPOCH_S,
		.avg_backlog_bytes = k * wobble,
		.sojourn_p95_s = 1.3 * k * wobble / C_BPS,
		.setting = *t,
	};
}

/* The reward of a setting, without noise. */
static double model_reward(const struct ecn_agent_config *c, double need, struct qdisc_triple t)
{
	struct model m = { .need_bytes = need, .setting = t };
	struct ecn_interval in = model_run(&m);

	return ecn_reward(c, &in);
}

/* The best template and its reward; triple becomes the whole grid. */
static int model_best(const struct ecn_agent_config *c, double need,
		      struct qdisc_triple triple[ECN_ACTIONS], double *reward)
{
	struct model m = { .need_bytes = need };
	struct ecn_interval in = model_run(&m);
	uint8_t feasible[ECN_ACTIONS];
	int best = -1;

	*reward = -INFINITY;
	ecn_grid(c, &in, triple, feasible);
	for (int i = 0; i < ECN_ACTIONS; i++) {
		double r = model_reward(c, need, triple[i]);

		if (feasible[i] && r > *reward) {
			best = i;
			*reward = r;
		}
	}
	return best;
}

static void model_loop(struct ecn_agent *a, struct model *m, unsigned int n, unsigned int train)
{
	for (unsigned int i = 0; i < n; i++) {
		struct ecn_interval in = model_run(m);
		struct ecn_decision d;

		assert_int_equal(ecn_agent_decide(a, 0, &in, &d), 0);
		assert_true(isfinite(d.reward) && isfinite(d.q_best) && isfinite(d.q_current));
		m->setting = d.triple;
		ecn_agent_applied(a, 0, true);
		if (train)
			ecn_agent_train(a, train);
	}
}


static struct ecn_agent *agent(const struct ecn_agent_config *c)
{
	struct ecn_agent *a;

	assert_int_equal(ecn_agent_new(c, &a), 0);
	return a;
}

/* Steps of qth_min between a setting and a template. */
static double steps_apart(const struct qdisc_triple *a, const struct qdisc_triple *b)
{
	return fabs(log2((double)a->qth_min / b->qth_min));
}

struct learning_case {
	enum ecn_reward reward;
	double need_bytes;
	int start;		/* template */
};

/* From a bad setting, with exploration, near the best template after a minute of decisions. */
static void learns_by_exploring(void **state)
{
	static const struct learning_case cases[] = {
		{ ECN_REWARD_ACC, 25e3, 0 },
		{ ECN_REWARD_ACC, 125e3, 0 },
		{ ECN_REWARD_FCT, 5e3, 8 * ECN_GRID_M * ECN_GRID_P },
		{ ECN_REWARD_FCT, 625e3, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qdisc_triple triple[ECN_ACTIONS];
		struct ecn_agent_config c;
		double best_reward;
		int best, good = 0;

		ecn_agent_config_default(&c);
		c.reward = cases[i].reward;
		c.explore = true;
		c.epsilon = 0.2;
		best = model_best(&c, cases[i].need_bytes, triple, &best_reward);
		for (c.seed = 1; c.seed <= 10; c.seed++) {
			struct model m = {
				.need_bytes = cases[i].need_bytes,
				.noise = 0.1,
				.setting = triple[cases[i].start],
			};
			struct ecn_agent *a = agent(&c);
			double start = model_reward(&c, m.need_bytes, m.setting);
			double end;

			rng_seed(&m.rng, c.seed);
			model_loop(a, &m, 1200, 2);
			end = model_reward(&c, m.need_bytes, m.setting);
			/* Two steps, or so flat a top that it makes no difference. */
			good += steps_apart(&m.setting, &triple[best]) < 2.5 ||
				best_reward - end < 0.15 * (best_reward - start);
			ecn_agent_free(a);
		}
		if (good < 8)
			fail_msg("case %zu: %d of 10 seeds ended near the optimum", i, good);
	}
}

/* Whether an agent with what this seed's teacher learned, acting only, gets there from any start. */
static bool taught(uint64_t seed)
{
	struct qdisc_triple triple[ECN_ACTIONS];
	struct ecn_agent_config c;
	struct ecn_agent *teacher, *a;
	struct model m = { .need_bytes = 125e3, .noise = 0.1 };
	double best_reward;
	bool good = true;
	void *blob;
	size_t size;
	int best;

	ecn_agent_config_default(&c);
	c.reward = ECN_REWARD_ACC;
	c.explore = true;
	c.epsilon = 0.3;
	c.regret_budget = 1e9;
	c.seed = seed;
	best = model_best(&c, m.need_bytes, triple, &best_reward);
	teacher = agent(&c);
	rng_seed(&m.rng, seed);
	for (int i = 0; i < 40; i++) {
		m.setting = triple[rng_below(&m.rng, ECN_GRID_N) * ECN_GRID_M * ECN_GRID_P];
		model_loop(teacher, &m, 100, 2);
	}
	assert_int_equal(ecn_agent_save(teacher, &blob, &size), 0);

	c.explore = c.learn = false;
	a = agent(&c);
	assert_int_equal(ecn_agent_load(a, blob, size), 0);
	for (int n = 0; n < ECN_GRID_N; n++) {
		struct ecn_agent_stats stats;

		m.setting = triple[n * ECN_GRID_M * ECN_GRID_P];
		model_loop(a, &m, 60, 0);
		good &= steps_apart(&m.setting, &triple[best]) < 2.5;
		ecn_agent_stats(a, &stats);
		assert_int_equal(stats.explored, 0);
	}
	ecn_agent_free(a);
	ecn_agent_free(teacher);
	free(blob);
	return good;
}

static void acts_from_a_checkpoint(void **state)
{
	int good = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		good += taught(seed);
	assert_true(good >= 3);
}

/* Four queues that always want to try something: of one link only one may at a time. */
static void queues_of_a_link_take_turns(void **state)
{
	(void)state;
	for (unsigned int link = 0; link < 2; link++) {
		struct ecn_agent_config c;
		unsigned int changes = 0, waited = 0;
		struct ecn_agent *a;
		struct model m[4];

		ecn_agent_config_default(&c);
		c.explore = true;
		c.epsilon = 1.0;
		c.regret_budget = 1e9;
		a = agent(&c);
		for (int i = 0; i < 4; i++) {
			m[i] = (struct model){ .need_bytes = 25e3,
					       .setting = { 60000, 60000, 10000 } };
			rng_seed(&m[i].rng, i);
		}
		for (int epoch = 0; epoch < 40; epoch++) {
			unsigned int now = 0;

			for (int i = 0; i < 4; i++) {
				struct ecn_interval in = model_run(&m[i]);
				struct ecn_decision d;

				in.link = 3 * link;
				assert_int_equal(ecn_agent_decide(a, i, &in, &d), 0);
				now += d.explored;
				waited += strstr(d.reason, "turn of another") != NULL;
				m[i].setting = d.triple;
				ecn_agent_applied(a, i, true);
			}
			assert_in_range(now, 0, link ? 1 : 4);
			changes += now;
		}
		/* An epoch of each round goes by while the last one measures. */
		assert_int_equal(changes, link ? 32 : 160);
		assert_int_equal(waited, link ? 128 : 0);
		ecn_agent_free(a);
	}
}

static void untrained_stays(void **state)
{
	struct ecn_agent_config c;
	struct model m = { .need_bytes = 25e3, .noise = 0.1, .setting = { 61234, 187654, 77777 } };
	const struct qdisc_triple start = m.setting;
	struct ecn_agent *a;

	(void)state;
	ecn_agent_config_default(&c);
	a = agent(&c);
	rng_seed(&m.rng, 3);
	model_loop(a, &m, 300, 0);
	assert_memory_equal(&m.setting, &start, sizeof(start));
	ecn_agent_free(a);
}

/* Without a budget nothing is tried; with one, only single grid steps, and not beyond it. */
static void exploration_is_bounded(void **state)
{
	struct qdisc_triple triple[ECN_ACTIONS];
	struct ecn_agent_config c;
	struct model m = { .need_bytes = 25e3, .noise = 0.3 };
	struct ecn_agent_stats stats;
	uint8_t feasible[ECN_ACTIONS];
	uint64_t explored;
	struct ecn_interval in;
	struct ecn_decision d;
	struct ecn_agent *a;
	bool reset = false;

	(void)state;
	rng_seed(&m.rng, 4);
	ecn_agent_config_default(&c);
	c.explore = true;
	c.epsilon = 1.0;
	c.regret_budget = 0.0;
	in = model_run(&(struct model){ .need_bytes = 1.0, .setting = { 50000, 100000, 100000 } });
	ecn_grid(&c, &in, triple, feasible);
	m.setting = triple[4 * ECN_GRID_M * ECN_GRID_P];
	a = agent(&c);
	model_loop(a, &m, 100, 0);
	ecn_agent_stats(a, &stats);
	assert_int_equal(stats.explored, 0);
	ecn_agent_free(a);

	c.regret_budget = 30.0;
	a = agent(&c);
	for (int i = 0; i < 2000; i++) {
		struct ecn_pos from, to;
		int steps;

		in = model_run(&m);
		assert_int_equal(ecn_agent_decide(a, 0, &in, &d), 0);
		ecn_agent_applied(a, 0, true);
		from = ecn_index_pos(ecn_grid_nearest(triple, feasible, &m.setting));
		to = ecn_index_pos(d.action);
		/* Leaving the ramp for a step (m = 1) also forgets max_p, which has no meaning there. */
		steps = abs(from.n - to.n) + abs(from.m - to.m) +
			(to.m ? abs(from.p - to.p) : 0);
		assert_int_equal(steps, d.explored);
		assert_true(feasible[d.action]);
		m.setting = d.triple;
	}
	ecn_agent_stats(a, &stats);
	explored = stats.explored;
	if (explored < 5 || explored > 1000)
		fail_msg("%llu exploring steps for a regret of %.1f", (unsigned long long)explored,
			 stats.regret_spent);
	assert_true(stats.regret_spent >= c.regret_budget);
	assert_true(stats.regret_spent < c.regret_budget + ECN_REWARD_MAX);
	/* 100 s have passed; a new hour brings a new budget. */
	for (int i = 0; i < 3600 / 0.05 && !reset; i++) {
		model_loop(a, &m, 1, 0);
		ecn_agent_stats(a, &stats);
		reset = stats.explored > explored;
	}
	assert_true(reset);
	ecn_agent_free(a);
}

/* Idle intervals, refused decisions and others' settings leave nothing to learn from. */
static void learns_only_from_its_own(void **state)
{
	static const char *const how[] = { "idle", "refused", "never reported", "overridden",
					   "applied" };
	struct ecn_agent_config c;

	(void)state;
	ecn_agent_config_default(&c);
	for (int k = 0; k < 5; k++) {
		struct model m = { .need_bytes = 25e3, .setting = { 50000, 100000, 100000 } };
		struct ecn_agent *a = agent(&c);
		bool learned;

		for (int i = 0; i < 300; i++) {
			struct ecn_interval in = model_run(&m);
			struct ecn_decision d;

			if (k == 0)
				in.tx_bytes = in.backlogged_s = in.avg_backlog_bytes = 0.0;
			assert_int_equal(ecn_agent_decide(a, 0, &in, &d), 0);
			assert_int_equal(d.reward_valid, k != 0);
			if (k != 2)
				ecn_agent_applied(a, 0, k != 1);
			m.setting.qth_min += k == 3;
		}
		learned = ecn_agent_train(a, 1) >= 0.0f;
		if (learned != (k == 4))
			fail_msg("%s: learned %d", how[k], learned);
		ecn_agent_free(a);
	}
}

static void grid_is_in_time(void **state)
{
	struct qdisc_triple triple[ECN_ACTIONS];
	uint8_t feasible[ECN_ACTIONS];
	struct ecn_agent_config c;
	struct ecn_interval in = model_run(&(struct model){ .need_bytes = 1.0 });
	int count = 0, at;

	(void)state;
	ecn_agent_config_default(&c);
	/* t0 = max(2 * 1500 / 25e6, 2 ms / 8) = 250 us, 6250 bytes. */
	ecn_grid(&c, &in, triple, feasible);
	assert_int_equal(triple[0].qth_min, 6250);
	assert_int_equal(triple[0].qth_max, 6250);
	at = ecn_pos_index((struct ecn_pos) { 3, 2, 1 });
	assert_int_equal(triple[at].qth_min, 50000);
	assert_int_equal(triple[at].qth_max, 200000);
	assert_int_equal(triple[at].max_p, 100000);
	assert_int_equal(ecn_grid_nearest(triple, feasible, &triple[at]), at);
	/* 2 * MTU rules where the link is slow. */
	in.capacity_bps = 1e6;
	ecn_grid(&c, &in, triple, feasible);
	assert_int_equal(triple[0].qth_min, 3000);
	in.capacity_bps = C_BPS;

	/* Both sides of the limit: 3.2 MB is n = 9, m = 1. */
	at = ecn_pos_index((struct ecn_pos) { 9, 0, 0 });
	in.limit_bytes = 3200000;
	ecn_grid(&c, &in, triple, feasible);
	assert_true(feasible[at]);
	in.limit_bytes = 3199999;
	ecn_grid(&c, &in, triple, feasible);
	assert_false(feasible[at]);
	in.limit_bytes = UINT32_MAX;
	ecn_grid(&c, &in, triple, feasible);
	for (int i = 0; i < ECN_ACTIONS; i++)
		count += feasible[i];
	assert_int_equal(count, ECN_GRID_N * (1 + 2 * ECN_GRID_P));
	in.limit_bytes = 1514;
	ecn_grid(&c, &in, triple, feasible);
	assert_int_equal(ecn_grid_nearest(triple, feasible, &triple[0]), -1);

	/* The paper's grid counts by qth_max; alpha = 0.8 * C * RTT = 40 KB. */
	c.grid = ECN_GRID_ACC;
	in.limit_bytes = UINT32_MAX;
	ecn_grid(&c, &in, triple, feasible);
	at = ecn_pos_index((struct ecn_pos) { 1, 2, 0 });
	assert_int_equal(triple[at].qth_max, 80000);
	assert_int_equal(triple[at].qth_min, 20000);
}

static void same_seed_same_decisions(void **state)
{
	struct qdisc_triple end[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct ecn_agent_config c;
		struct model m = { .need_bytes = 25e3, .noise = 0.1,
				   .setting = { 50000, 100000, 100000 } };
		struct ecn_agent *a;

		ecn_agent_config_default(&c);
		c.explore = true;
		a = agent(&c);
		rng_seed(&m.rng, 9);
		model_loop(a, &m, 400, 2);
		end[i] = m.setting;
		ecn_agent_free(a);
	}
	assert_memory_equal(&end[0], &end[1], sizeof(end[0]));
}

static double extreme(struct rng *rng)
{
	static const double x[] = { 0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, -1e300, 1e9, 1e-9, 0.05,
				    INFINITY, -INFINITY, NAN };

	return x[rng_below(rng, sizeof(x) / sizeof(x[0]))];
}

static void any_input_is_survived(void **state)
{
	struct ecn_agent_config c;
	struct ecn_agent *a = NULL;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	ecn_agent_config_default(&c);
	c.explore = true;
	for (int i = 0; i < 20000; i++) {
		bool sane = rng_below(&rng, 2);
		struct ecn_interval in = {
			.seconds = sane ? 0.05 : extreme(&rng),
			.capacity_bps = sane ? C_BPS : extreme(&rng),
			.rtt_s = sane ? RTT_S : extreme(&rng),
			.mtu_bytes = rng_below(&rng, 3) ? 1500 : rng_u64(&rng),
			.limit_bytes = rng_below(&rng, 3) ? 4000000 : rng_u64(&rng),
			.tx_bytes = extreme(&rng),
			.ce_bytes = extreme(&rng),
			.backlogged_s = extreme(&rng),
			.avg_backlog_bytes = extreme(&rng),
			.sojourn_p95_s = extreme(&rng),
			.setting = { rng_u64(&rng), rng_u64(&rng), rng_u64(&rng) },
		};
		struct ecn_decision d;
		float loss;

		if (i % 5000 == 0) {
			if (i)
				ecn_agent_free(a);
			c.grid = i / 5000 % 2;
			c.reward = i / 10000;
			a = agent(&c);
		}
		assert_int_equal(ecn_agent_decide(a, rng_below(&rng, 4), &in, &d), 0);
		assert_true(isfinite(d.reward) && fabs(d.reward) <= ECN_REWARD_MAX);
		assert_true(isfinite(d.q_best) && isfinite(d.q_current));
		assert_true(d.reason[0] && memchr(d.reason, 0, sizeof(d.reason)));
		ecn_agent_applied(a, rng_below(&rng, 4), rng_below(&rng, 2));
		loss = i % 10 ? -1.0f : ecn_agent_train(a, 1);
		assert_true(isfinite(loss));
	}
	assert_int_equal(ecn_agent_decide(a, UINT32_MAX, &(struct ecn_interval){ .seconds = 1 },
					  &(struct ecn_decision){ 0 }), -EINVAL);
	ecn_agent_forget(a, 1);
	ecn_agent_forget(a, UINT32_MAX);
	ecn_agent_applied(a, UINT32_MAX, true);
	ecn_agent_free(a);
	ecn_agent_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grid_is_in_time),
		cmocka_unit_test(queues_of_a_link_take_turns),
		cmocka_unit_test(untrained_stays),
		cmocka_unit_test(exploration_is_bounded),
		cmocka_unit_test(learns_only_from_its_own),
		cmocka_unit_test(same_seed_same_decisions),
		cmocka_unit_test(any_input_is_survived),
		cmocka_unit_test(learns_by_exploring),
		cmocka_unit_test(acts_from_a_checkpoint),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
