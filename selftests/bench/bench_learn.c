// SPDX-License-Identifier: GPL-2.0
/*
 * What a decision and a gradient step of the learning core cost. One line per figure. The rows
 * decide_* are whole decisions of the daemon's agents, features and all, as the median of many:
 * one queue, and 64 queues that may each go to one of 16 CPUs; "_moving" is by an agent that was
 * trained a little, explores, moves what it likes and learns from what it did. decide_KIND are those
 * of a model, in the interval in which it does decide: of a table it is so many rows long.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/ecn_agent.h"
#include "daemon/steer_agent.h"
#include "lib/rng.h"
#include "policy/fitted.h"
#include "policy/network.h"
#include "policy/novelty.h"
#include "policy/steer_learn.h"
#include "rl/offline.h"

#define MAX_ROWS	64
#define MAX_FEATURES	32

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* For means over many: others on the machine do not count. */
static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int bench(const char *name, unsigned int features, unsigned int rows, unsigned int outputs,
		 unsigned int hidden)
{
	const struct ddqn_config c = {
		.features = features, .outputs = outputs, .max_rows = rows,
		.hidden = { hidden, hidden }, .replay_size = 1024, .batch = 32, .warmup = 32,
		.gamma = 0.8f, .tau = 0.02f, .learning_rate = 1e-3f, .grad_clip = 1.0f, .seed = 1,
	};
	const unsigned int n_q = 2000, n_update = 300;
	float x[MAX_ROWS * MAX_FEATURES], *q;
	struct ddqn_obs o = { .x = x, .rows = rows };
	struct ddqn *d = NULL;
	struct rng rng;
	double t0, t1, t2;

	q = malloc((size_t)rows * outputs * sizeof(*q));
	if (!q || ddqn_new(&c, &d) < 0) {
		free(q);
		return 1;
	}
	rng_seed(&rng, 1);
	for (unsigned int i = 0; i < c.replay_size; i++) {
		for (unsigned int j = 0; j < rows * features; j++)
			x[j] = rng_uniform(&rng);
		ddqn_remember(d, x, rng_below(&rng, outputs), -x[0], &o);
	}
	t0 = cpu_ns();
	for (unsigned int i = 0; i < n_q; i++)
		ddqn_q(d, &o, q);
	t1 = cpu_ns();
	for (unsigned int i = 0; i < n_update; i++)
		ddqn_update(d);
	t2 = cpu_ns();
	printf("learn/%s/q_ns %.0f\n", name, (t1 - t0) / n_q);
	printf("learn/%s/update_batch32_ns %.0f\n", name, (t2 - t1) / n_update);
	ddqn_free(d);
	free(q);
	return 0;
}

#define LOOKUP_ROWS	1000

#define DECISIONS	2001
#define QUEUES		64
#define CPUS		16

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_median(const char *name, double ns[DECISIONS])
{
	qsort(ns, DECISIONS, sizeof(*ns), ascending);
	printf("learn/%s_ns %.0f\n", name, ns[DECISIONS / 2]);
}

static struct ecn_interval interval(void)
{
	return (struct ecn_interval){
		.seconds = 0.05, .capacity_bps = 1.25e9, .rtt_s = 1e-3, .mtu_bytes = 1514,
		.limit_bytes = 4000000, .tx_bytes = 5e7, .ce_bytes = 5e6, .backlogged_s = 0.04,
		.sojourn_p95_s = 1e-4, .setting = { 60000, 180000, 100000 },
	};
}

/* Untrained weights cost what trained ones do. */
static int bench_decide_queue(void)
{
	struct ecn_interval in = interval();
	static double ns[DECISIONS];
	struct ecn_agent_config c;
	struct ecn_decision d;
	struct ecn_agent *a;
	struct rng rng;

	ecn_agent_config_default(&c);
	if (ecn_agent_new(&c, &a) < 0)
		return 1;
	rng_seed(&rng, 1);
	for (int i = 0; i < DECISIONS; i++) {
		const double start = now_ns();

		in.avg_backlog_bytes = 2e5 * rng_uniform(&rng);
		if (ecn_agent_decide(a, 0, &in, &d) < 0)
			return 1;
		ecn_agent_applied(a, 0, true);
		ns[i] = now_ns() - start;
	}
	print_median("decide_queue", ns);
	ecn_agent_free(a);
	return 0;
}

static int bench_decide_steer(const char *name, bool moving)
{
	struct steer_cpu_obs cpu[CPUS];
	struct steer_object object[QUEUES];
	const struct steer_interval in = {
		.seconds = 0.05, .cpus = cpu, .n_cpus = CPUS, .objects = object,
		.n_objects = QUEUES,
	};
	const bool applied[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	static double ns[DECISIONS];
	struct steer_agent_config c;
	struct steer_move moves[16];
	struct steer_agent *a;
	double reward;
	struct rng rng;
	int n;

	steer_agent_config_default(&c);
	c.explore = moving;
	c.max_moves = 16;
	if (steer_agent_new(&c, &a) < 0)
		return 1;
	rng_seed(&rng, 1);
	for (int i = 0; i < DECISIONS; i++) {
		double start;

		for (int k = 0; k < CPUS; k++)
			cpu[k] = (struct steer_cpu_obs){
				.cpu = k, .util = rng_uniform(&rng), .softirq = 0.3, .pps = 1e5,
				.wait_p95_s = 1e-4 * rng_uniform(&rng),
			};
		for (int k = 0; k < QUEUES; k++)
			object[k] = (struct steer_object){
				.id = k, .cpu = k % CPUS, .pps = 1e4 * (1.0 + rng_uniform(&rng)),
				.bps = 1e7,
			};
		start = now_ns();
		n = steer_agent_decide(a, &in, moves, 16, &reward);
		if (n < 0)
			return 1;
		ns[i] = now_ns() - start;
		steer_agent_applied(a, applied, (size_t)n);
		if (moving && i < 500)
			steer_agent_train(a, 1);
	}
	print_median(name, ns);
	steer_agent_free(a);
	return 0;
}

static int decide_ns(struct policy *p, struct rng *rng, double *ns)
{
	struct ecn_interval in = interval();
	double start = 0;

	for (int i = 0; i <= POLICY_HOLD; i++) {
		struct qdisc_triple t = in.setting;

		in.avg_backlog_bytes = 2e5 * rng_uniform(rng);
		start = cpu_ns();
		if (policy_decide(p, &in, &t) < 0)
			return 1;
	}
	*ns = cpu_ns() - start;
	return 0;
}

static int bench_decide_model(const struct model *m)
{
	static double ns[DECISIONS];
	struct ecn_interval in = interval();
	struct qdisc_triple t = in.setting;
	struct policy *p;
	struct rng rng;
	char name[32];
	int r = 0;

	rng_seed(&rng, 1);
	if (policy_new(m, &p, NULL))
		return 1;
	for (int i = 0; i < POLICY_HOLD; i++)	/* so that all later rounds end with a decision */
		policy_decide(p, &in, &t);
	for (int i = 0; !r && i < DECISIONS; i++)
		r = decide_ns(p, &rng, &ns[i]);
	snprintf(name, sizeof(name), "decide_%s", m->kind);
	if (!r)
		print_median(name, ns);
	policy_free(p);
	return r;
}

static int bench_decide_fitted(void)
{
	const size_t table = 1 + FEATURES + LOOKUP_ROWS * FITTED_ROW;
	double *number = malloc(table * sizeof(*number)),
	       regret[2 * POLICY_TEMPLATES] = { 0 };
	struct model m = { 0 };
	struct rng rng;
	int r = !number;

	rng_seed(&rng, 1);
	for (size_t i = 0; number && i < table; i++)
		number[i] = 0.1 + rng_uniform(&rng);
	r = r || model_set_numbers(&m, "lookup", number, table) || bench_decide_model(&m);
	model_free(&m);
	m = (struct model){ 0 };
	r = r || network_fit(number, regret, 2, 0.3, 1, &m) || bench_decide_model(&m);
	model_free(&m);
	free(number);
	return r;
}

/* Is this state new? Against as many as a model can have, of a kind with the most features. */
static int bench_novelty(void)
{
	const size_t n = NOVELTY_REFERENCE + NOVELTY_CALIBRATION;
	double *x = malloc(n * FEATURES * sizeof(*x)), sum = 0, one = 1;
	static double ns[DECISIONS];
	struct novelty *test = NULL;
	struct model m = { 0 };
	struct rng rng;
	int r = !x;

	rng_seed(&rng, 1);
	for (size_t i = 0; x && i < n * FEATURES; i++)
		x[i] = rng_uniform(&rng);
	r = r || model_set_numbers(&m, "bdp", &one, 1) ||
	    novelty_calibrate(&m, x, NOVELTY_REFERENCE, x + NOVELTY_REFERENCE * FEATURES,
			      NOVELTY_CALIBRATION) || novelty_of(&m, &test);
	for (int i = 0; !r && i < DECISIONS; i++) {
		const double *state = x + (NOVELTY_REFERENCE + i % NOVELTY_CALIBRATION) * FEATURES;
		const double start = cpu_ns();

		sum += novelty_p(test, state);
		ns[i] = cpu_ns() - start;
	}
	if (!r && sum > 0)
		print_median("novelty_test", ns);
	novelty_free(test);
	model_free(&m);
	free(x);
	return r;
}

/* A gradient step from a data set, in the shape of the ECN agent. */
static int bench_cql(void)
{
	const unsigned int features = 22, rows = 7, n = 1000;
	const struct ddqn_config c = {
		.features = features, .outputs = 1, .max_rows = rows, .hidden = { 32, 32 },
		.replay_size = 1, .batch = 32, .gamma = 0.8f, .tau = 0.02f, .learning_rate = 1e-3f,
		.grad_clip = 1.0f, .seed = 1,
	};
	float x[7 * 22];
	struct dataset_row row = {
		.obs = { x, NULL, rows }, .behaviour = 0.1f, .discount = 0.8f,
		.next = { x, NULL, rows },
	};
	struct cql_loss loss;
	struct dataset *data;
	struct ddqn *d;
	struct cql *cql;
	struct rng rng;
	double t0;

	rng_seed(&rng, 1);
	if (ddqn_new(&c, &d) || dataset_new(features, 1, rows, &data))
		return 1;
	for (int i = 0; i < 1000; i++) {
		for (unsigned int j = 0; j < rows * features; j++)
			x[j] = rng_uniform(&rng);
		row.action = rng_below(&rng, rows);
		row.reward = -x[0];
		if (dataset_add(data, &row))
			return 1;
	}
	if (cql_new(d, data, 0.1f, &cql))
		return 1;
	t0 = cpu_ns();
	for (unsigned int i = 0; i < n; i++)
		if (cql_update(cql, &loss))
			return 1;
	printf("learn/cql_7x1_32x32/update_batch32_ns %.0f\n", (cpu_ns() - t0) / n);
	cql_free(cql);
	dataset_free(data);
	ddqn_free(d);
	return 0;
}

/* What "sluice train steer" does in a second of one CPU: to simulate, decide, learn in eight steps. */
static int bench_train_steer(void)
{
	const int episodes = 3;
	struct steer_learn_config c = { .seed = 1, .turn_s = 4 };
	struct steer_lab_config lc;
	static struct steer_lab lab;
	double plotted, reward, t0;
	void *learner;

	steer_lab_config_default(&lc);
	if (steer_lab_init(&lab, &lc, NULL))
		return 1;
	c.lab = &lab;
	c.reward = &steer_rewards[0];
	for (size_t w = 0; w < lab.n; w++)
		c.still_us[w] = 1;
	if (steer_learn_ops.make(&c, &learner))
		return 1;
	t0 = cpu_ns();
	for (int n = 0; n < episodes; n++)
		if (steer_learn_ops.episode(learner, (uint64_t)n, &plotted, &reward))
			return 1;
	printf("learn/train_steer_decisions_per_cpu_s %.0f\n",
	       episodes * steer_learn_steps(&c) / ((cpu_ns() - t0) / 1e9));
	steer_learn_ops.free(learner);
	return 0;
}

int main(void)
{
	return bench("fixed_1x90_64x64", 22, 1, 90, 64) | bench("ecn_7x1_32x32", 22, 7, 1, 32) |
	       bench("steer_4x1_32x32", 16, 4, 1, 32) | bench("steer_64x1_32x32", 16, 64, 1, 32) |
	       bench_cql() | bench_decide_queue() | bench_decide_fitted() |
	       bench_novelty() |
	       bench_decide_steer("decide_64_queues_16_cpus", false) |
	       bench_decide_steer("decide_64_queues_16_cpus_moving", true) | bench_train_steer();
}
