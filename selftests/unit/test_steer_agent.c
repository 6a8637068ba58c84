// SPDX-License-Identifier: GPL-2.0
/*
 * The steering agent in a closed loop with four modelled CPUs. A bucket has a rate; a CPU handles
 * CPU_PPS packets a second, drops what is beyond, and lets packets wait longer as it fills up.
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

#include "daemon/steer_agent.h"
#include "lib/rng.h"

#define CPUS	4
#define BUCKETS	64
#define CPU_PPS	100e3
#define MOVES	64

struct host {
	struct rng rng;
	struct steer_object objects[BUCKETS];
	size_t n_objects;
	struct steer_cpu_obs cpus[CPUS];
};

/* Skewed rates with the given mean utilisation, more than half of the buckets on one CPU. */
static void host_skewed(struct host *h, double mean_util)
{
	uint32_t hot = rng_below(&h->rng, CPUS);
	double sum = 0.0;

	h->n_objects = BUCKETS;
	for (unsigned int i = 0; i < BUCKETS; i++) {
		h->objects[i] = (struct steer_object) {
			.id = i,
			.cpu = rng_uniform(&h->rng) < 0.5 ? hot : rng_below(&h->rng, CPUS),
			.pps = 1.0 / (1.0 + rng_below(&h->rng, BUCKETS)),
		};
		sum += h->objects[i].pps;
	}
	for (unsigned int i = 0; i < BUCKETS; i++) {
		h->objects[i].pps *= mean_util * CPUS * CPU_PPS / sum;
		h->objects[i].bps = 800.0 * h->objects[i].pps;
	}
}

/* Runs one interval with the buckets where they are. */
static struct steer_interval host_run(struct host *h)
{
	for (unsigned int i = 0; i < CPUS; i++)
		h->cpus[i] = (struct steer_cpu_obs) { .cpu = i };
	for (size_t i = 0; i < h->n_objects; i++)
		h->cpus[h->objects[i].cpu].pps += h->objects[i].pps;
	for (unsigned int i = 0; i < CPUS; i++) {
		struct steer_cpu_obs *c = &h->cpus[i];

		c->util = fmin(c->pps / CPU_PPS, 1.0);
		c->softirq = c->util;
		c->drop_pps = fmax(c->pps - CPU_PPS, 0.0);
		c->wait_p95_s = 20e-6 / fmax(1.0 - c->util, 0.01);
	}
	return (struct steer_interval) {
		.seconds = 0.05,
		.cpus = h->cpus,
		.n_cpus = CPUS,
		.objects = h->objects,
		.n_objects = h->n_objects,
	};
}

/* Offered load of the busiest CPU, which may be above 1. */
static double host_max_load(const struct host *h)
{
	double load[CPUS] = { 0 }, max = 0.0;

	for (size_t i = 0; i < h->n_objects; i++)
		load[h->objects[i].cpu] += h->objects[i].pps / CPU_PPS;
	for (unsigned int i = 0; i < CPUS; i++)
		max = fmax(max, load[i]);
	return max;
}

static int host_step(struct host *h, struct steer_agent *a, unsigned int train)
{
	struct steer_interval in = host_run(h);
	struct steer_move moves[MOVES];
	bool applied[MOVES];
	double reward;
	int n;

	n = steer_agent_decide(a, &in, moves, MOVES, &reward);
	assert_true(n >= 0);
	assert_true(isfinite(reward));
	for (int i = 0; i < n; i++) {
		assert_int_equal(h->objects[moves[i].id].cpu, moves[i].from);
		assert_int_not_equal(moves[i].from, moves[i].to);
		assert_true(isfinite(moves[i].gain));
		h->objects[moves[i].id].cpu = moves[i].to;
		applied[i] = true;
	}
	steer_agent_applied(a, applied, n);
	if (train)
		steer_agent_train(a, train);
	return n;
}

static struct steer_agent *agent(const struct steer_agent_config *c)
{
	struct steer_agent *a;

	assert_int_equal(steer_agent_new(c, &a), 0);
	return a;
}

/* Explores 30 skewed loads for 2 s each, then hands its checkpoint to an agent that only acts. */
static struct steer_agent *trained(uint64_t seed, unsigned int max_moves, double hysteresis)
{
	struct steer_agent_config c;
	struct steer_agent *teacher, *a;
	struct host h;
	void *blob;
	size_t size;

	steer_agent_config_default(&c);
	c.explore = true;
	c.epsilon = 0.5;
	c.seed = seed;
	teacher = agent(&c);
	rng_seed(&h.rng, seed);
	for (int episode = 0; episode < 30; episode++) {
		host_skewed(&h, 0.3 + 0.5 * rng_uniform(&h.rng));
		for (int i = 0; i < 40; i++)
			host_step(&h, teacher, 2);
	}
	c.explore = c.learn = false;
	c.max_moves = max_moves;
	c.hysteresis = hysteresis;
	a = agent(&c);
	assert_int_equal(steer_agent_save(teacher, &blob, &size), 0);
	assert_int_equal(steer_agent_load(a, blob, size), 0);
	free(blob);
	steer_agent_free(teacher);
	return a;
}

/* An overloaded CPU is relieved; loads that are even and low are left alone. */
static void balances_what_is_skewed(void **state)
{
	int relieved = 0, left_alone = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct steer_agent *a = trained(seed, 4, 0.03);
		struct host h;
		double before;
		int moves = 0;

		rng_seed(&h.rng, 100 + seed);
		host_skewed(&h, 0.55);
		before = host_max_load(&h);
		assert_true(before > 0.85);
		for (int i = 0; i < 60; i++)
			host_step(&h, a, 0);
		relieved += host_max_load(&h) < 0.55 + 0.6 * (before - 0.55);

		for (unsigned int i = 0; i < BUCKETS; i++)
			h.objects[i] = (struct steer_object) { .id = i, .cpu = i % CPUS,
							       .pps = 0.4 * CPUS * CPU_PPS / BUCKETS };
		for (int i = 0; i < 40; i++)
			moves += host_step(&h, a, 0);
		left_alone += moves == 0;
		steer_agent_free(a);
	}
	assert_in_range(relieved, 4, 5);
	assert_in_range(left_alone, 4, 5);
}

/*
 * Sixteen equal objects on one CPU, decided in one call: no other CPU becomes the new
 * hot one. Without hysteresis, so that nothing but the virtual loads ends the moving.
 */
static void does_not_herd(void **state)
{
	int moved = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct steer_agent *a = trained(seed, 16, 0.0);
		struct host h = { .n_objects = 16 };
		unsigned int on[CPUS] = { 0 }, most = 0;
		int n;

		for (unsigned int i = 0; i < 16; i++)
			h.objects[i] = (struct steer_object) { .id = i, .pps = 0.98 * CPU_PPS / 16,
							       .bps = 800.0 * CPU_PPS / 16 };
		n = host_step(&h, a, 0);
		for (unsigned int i = 0; i < 16; i++)
			on[h.objects[i].cpu]++;
		for (unsigned int i = 1; i < CPUS; i++)
			most = on[i] > most ? on[i] : most;
		moved += n >= 4;
		assert_in_range(most, 0, 8);
		steer_agent_free(a);
	}
	/* Two teachers in five find out that so much is worth moving; without any it shows nothing. */
	assert_in_range(moved, 1, 5);
}

static void untrained_moves_nothing(void **state)
{
	struct steer_agent_config c;
	struct steer_agent *a;
	struct host h;

	(void)state;
	steer_agent_config_default(&c);
	a = agent(&c);
	rng_seed(&h.rng, 7);
	host_skewed(&h, 0.6);
	for (int i = 0; i < 100; i++)
		assert_int_equal(host_step(&h, a, 0), 0);
	steer_agent_free(a);
}

/* At most one exploring move per call, from the busiest CPU to a less busy one. */
static void exploration_is_bounded(void **state)
{
	struct steer_agent_config c;
	struct steer_agent_stats stats;
	struct steer_agent *a;
	struct host h;

	(void)state;
	steer_agent_config_default(&c);
	c.explore = true;
	c.epsilon = 1.0;
	a = agent(&c);
	rng_seed(&h.rng, 7);
	host_skewed(&h, 0.5);
	for (int i = 0; i < 200; i++) {
		struct steer_interval in = host_run(&h);
		struct steer_move move;
		double reward, max = 0.0;

		for (unsigned int k = 0; k < CPUS; k++)
			max = fmax(max, h.cpus[k].util);
		assert_int_equal(steer_agent_decide(a, &in, &move, 1, &reward), 1);
		assert_true(move.explored);
		assert_true(h.cpus[move.from].util == max);
		assert_true(h.cpus[move.to].util < max);
		h.objects[move.id].cpu = move.to;
		steer_agent_applied(a, &(bool){ true }, 1);
	}
	steer_agent_stats(a, &stats);
	assert_int_equal(stats.explored, 200);
	steer_agent_free(a);

	c.max_moves = 0;
	a = agent(&c);
	for (int i = 0; i < 20; i++)
		assert_int_equal(host_step(&h, a, 0), 0);
	steer_agent_free(a);
}

static void same_seed_same_moves(void **state)
{
	uint16_t cpu[2][BUCKETS];

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct steer_agent_config c;
		struct steer_agent *a;
		struct host h;

		steer_agent_config_default(&c);
		c.explore = true;
		a = agent(&c);
		rng_seed(&h.rng, 11);
		host_skewed(&h, 0.6);
		for (int i = 0; i < 200; i++)
			host_step(&h, a, 2);
		for (unsigned int i = 0; i < BUCKETS; i++)
			cpu[k][i] = h.objects[i].cpu;
		steer_agent_free(a);
	}
	assert_memory_equal(cpu[0], cpu[1], sizeof(cpu[0]));
}

static double extreme(struct rng *rng)
{
	static const double x[] = { 0.0, -1.0, 1.0, 0.5, 1e5, 1e300, -1e300, 1e-300, INFINITY,
				    -INFINITY, NAN };

	return x[rng_below(rng, sizeof(x) / sizeof(x[0]))];
}

static void any_input_is_survived(void **state)
{
	struct steer_agent_config c;
	struct steer_agent *a;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	steer_agent_config_default(&c);
	c.explore = true;
	a = agent(&c);
	for (int i = 0; i < 5000; i++) {
		struct steer_cpu_obs cpus[CPUS];
		struct steer_object objects[BUCKETS];
		struct steer_move moves[MOVES];
		struct steer_interval in = { .seconds = extreme(&rng), .cpus = cpus,
					     .n_cpus = 1 + rng_below(&rng, CPUS),
					     .objects = objects,
					     .n_objects = rng_below(&rng, BUCKETS + 1) };
		bool applied[MOVES];
		double reward;
		int n;

		for (unsigned int k = 0; k < CPUS; k++)
			cpus[k] = (struct steer_cpu_obs) {
				.cpu = k, .util = extreme(&rng), .softirq = extreme(&rng),
				.pps = extreme(&rng), .drop_pps = extreme(&rng),
				.wait_p95_s = extreme(&rng) };
		for (unsigned int k = 0; k < BUCKETS; k++)
			objects[k] = (struct steer_object) {
				.id = k, .cpu = rng_below(&rng, CPUS + 1), .pps = extreme(&rng),
				.bps = extreme(&rng) };
		n = steer_agent_decide(a, &in, moves, MOVES, &reward);
		assert_in_range(n, 0, c.max_moves);
		assert_true(isfinite(reward));
		for (int k = 0; k < n; k++) {
			assert_true(isfinite(moves[k].gain));
			applied[k] = rng_below(&rng, 2);
		}
		steer_agent_applied(a, applied, n);
		assert_true(isfinite(i % 4 ? 0.0f : steer_agent_train(a, 1)));
	}
	/* What cannot be meant is refused. */
	struct steer_cpu_obs twice[2] = { { .cpu = 1 }, { .cpu = 1 } };
	struct steer_interval in = { .cpus = twice, .n_cpus = 2 };
	double reward = 42.0;

	assert_int_equal(steer_agent_decide(a, &in, NULL, 0, &reward), -EINVAL);
	in.n_cpus = 0;
	assert_int_equal(steer_agent_decide(a, &in, NULL, 0, &reward), -EINVAL);
	in.n_cpus = SLUICE_MAX_CPUS + 1;
	assert_int_equal(steer_agent_decide(a, &in, NULL, 0, &reward), -EINVAL);
	assert_true(reward == 42.0);
	steer_agent_free(a);
	steer_agent_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(untrained_moves_nothing),
		cmocka_unit_test(exploration_is_bounded),
		cmocka_unit_test(same_seed_same_moves),
		cmocka_unit_test(any_input_is_survived),
		cmocka_unit_test(balances_what_is_skewed),
		cmocka_unit_test(does_not_herd),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
