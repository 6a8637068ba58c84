// SPDX-License-Identifier: GPL-2.0
/* Steering policies and their environment on simulated CPUs. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/rng.h"
#include "policy/steer_workloads.h"

#define CPUS	4

/* A small machine with slow packets, so that a run takes no time. */
static struct steer_env_params params(const char *family, double load)
{
	const struct steer_workload w = { family, "", load };
	struct steer_env_params p;

	steer_env_params_default(&p);
	p.cpus.costs.stack_ns = 20000;
	p.interval_s = 0.1;
	p.changes_per_s = 50;
	assert_int_equal(steer_workload_fill(&w, NULL, NULL, &p, NULL), 0);
	return p;
}

static struct steer_policy *make(const char *name)
{
	const struct steer_policy_ops *ops = steer_policy_find(name, NULL);
	struct steer_policy_config c;
	struct steer_policy *p;

	assert_non_null(ops);
	steer_policy_config_default(&c);
	assert_int_equal(steer_policy_new(ops, &c, &p, NULL), 0);
	return p;
}

static struct steer_outcome run(const struct steer_env_params *env, const char *name)
{
	struct steer_policy *p = make(name);
	struct steer_outcome o;

	assert_int_equal(steer_env_run(env, 3, p, 30, &o, NULL), 0);
	steer_policy_free(p);
	return o;
}

/* --- decisions by hand ---------------------------------------------------------------- */

/* CPU i has the load util[i]; object k has so many of its packets, of 1000 per CPU. */
struct hand {
	struct steer_cpu_obs cpu[CPUS];
	struct steer_object object[8];
	struct steer_scene s;
};

static void by_hand(struct hand *h, const double util[CPUS], const struct steer_object *o, size_t n)
{
	for (uint16_t i = 0; i < CPUS; i++)
		h->cpu[i] = (struct steer_cpu_obs){ .cpu = i, .util = util[i], .pps = 1000 };
	memcpy(h->object, o, n * sizeof(*o));
	h->s = (struct steer_scene){ .in = { 1, h->cpu, CPUS, h->object, n } };
}

static int decide(struct steer_policy *p, struct hand *h, struct steer_move *m, size_t max)
{
	return p->ops->decide(p, &h->s, m, max);
}

/* CPU 0 at 90 %, of which the objects make 45, 27 and 9 %; the others at 30, 40 and 50 %. */
static void test_solvers(void **state)
{
	const double util[] = { 0.9, 0.3, 0.4, 0.5 };
	const struct steer_object o[] = {
		{ .id = 1, .cpu = 0, .pps = 500 }, { .id = 2, .cpu = 0, .pps = 300 },
		{ .id = 2, .is_flow = true, .cpu = 0, .pps = 100 },
		{ .id = 3, .cpu = 3, .pps = 100 },
	};
	struct steer_move m[16];
	struct steer_policy *p;
	struct hand h;

	(void)state;
	by_hand(&h, util, o, 4);
	/* The greatest load afterwards is 0.63 with object 2; with object 1 it would be 0.75. */
	p = make("ewma");
	assert_true(decide(p, &h, m, 1) == 1 && m[0].id == 2 && !m[0].is_flow && m[0].to == 1);
	steer_policy_free(p);
	/* The heaviest that is lighter than the difference. */
	p = make("least");
	assert_true(decide(p, &h, m, 1) == 1 && m[0].id == 1 && m[0].from == 0 && m[0].to == 1);
	steer_policy_free(p);
	/* Above the mean by 0.375: 0.27 fills CPU 1 (it lacks 0.225), 0.09 CPU 2 (0.125). */
	p = make("rsspp");
	assert_int_equal(decide(p, &h, m, 16), 2);
	assert_true(m[0].id == 2 && m[0].to == 1 && m[1].is_flow && m[1].to == 2);
	steer_policy_free(p);
	p = make("p2c");
	for (int i = 0; i < 100; i++)
		for (int n = decide(p, &h, m, 1); n--;)
			assert_true(m[n].from == 0 && m[n].to != 0 && m[n].id != 3);
	steer_policy_free(p);
}

/* Nobody moves anything when all is even, nor makes the machine worse where one object is all. */
static void test_no_use(void **state)
{
	static const char *const names[] = { "p2c", "least", "ewma", "rsspp" };
	const double even[] = { 0.5, 0.5, 0.5, 0.5 }, one[] = { 0.8, 0.1, 0.1, 0.1 };
	const struct steer_object o[] = { { .id = 1, .cpu = 0, .pps = 1000 } };
	struct steer_move m[16];

	(void)state;
	for (size_t k = 0; k < 4; k++) {
		struct steer_policy *p = make(names[k]);
		struct hand h;

		by_hand(&h, even, o, 1);
		assert_int_equal(decide(p, &h, m, 16), 0);
		by_hand(&h, one, o, 1);
		assert_int_equal(decide(p, &h, m, 16), 0);
		/* Numbers that are none, and objects of CPUs that are no targets. */
		h.cpu[1].util = NAN;
		h.object[0] = (struct steer_object){ .cpu = 77, .pps = INFINITY };
		assert_int_equal(decide(p, &h, m, 16), 0);
		steer_policy_free(p);
	}
}

/*
 * n objects to n CPUs: at random the fullest gets about ln n / ln ln n (8 for a million, Gonnet
 * 1981), the less loaded of two about ln ln n / ln 2 + O(1) (4; Azar et al. 1994).
 */
static void test_fullest_bin(void **state)
{
	const uint32_t n = 1 << 20;
	uint8_t *bins = calloc(2, n);
	uint8_t fullest[2] = { 0 };
	struct rng r;

	(void)state;
	rng_seed(&r, 1);
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t a = rng_below(&r, n), b = rng_below(&r, n);
		uint8_t *two = &bins[n + (bins[n + b] < bins[n + a] ? b : a)];

		bins[a]++;
		++*two;
		fullest[0] = bins[a] > fullest[0] ? bins[a] : fullest[0];
		fullest[1] = *two > fullest[1] ? *two : fullest[1];
	}
	assert_in_range(fullest[0], 8, 10);
	assert_in_range(fullest[1], 3, 5);
	free(bins);
}

/* --- the environment -------------------------------------------------------------------- */

static void test_same_arrivals(void **state)
{
	const struct steer_env_params p = params("onoff", 0.9);
	uint64_t digest = 0;

	(void)state;
	for (size_t i = 0; i < steer_policies_n; i++) {
		const struct steer_outcome o = run(&p, steer_policies[i]->name);

		assert_true(!digest || o.digest == digest);
		assert_true(o.reordered == 0);
		assert_true(steer_policies[i]->no_program ? isnan(o.reward) : isfinite(o.reward));
		digest = o.digest;
	}
}

/* Who balances is better than who does not, and who knows the future is not worse than that. */
static void test_orderings(void **state)
{
	static const char *const better[] = { "p2c", "least", "ewma", "rsspp" };
	const struct steer_env_params p = params("zipf", 0.75);
	const double nothing = run(&p, "static").cost_us, best = run(&p, "oracle").cost_us;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const double cost = run(&p, better[i]).cost_us;

		assert_true(cost < 0.9 * nothing);
		assert_true(best < 1.1 * cost);
	}
	assert_true(run(&p, "flow_least").cost_us < nothing);
	assert_true(run(&p, "random").reward < run(&p, "rsspp").reward);
}

/* What the policy sees: loads that add up, at their places, within the bounds of a reading. */
static void test_observation(void **state)
{
	struct steer_env_params p = params("elephants", 0.6);
	struct steer_policy *policy = make("rsspp");
	struct steer_env *env;
	unsigned int flows = 0;

	(void)state;
	assert_int_equal(steer_env_new(&p, 1, policy, &env, NULL), 0);
	for (int i = 0; i < 30; i++) {
		const struct steer_interval *in = steer_env_seen(env);
		double cpus = 0, objects = 0;

		assert_int_equal(steer_env_step(env), 0);
		assert_int_equal(in->n_cpus, CPUS);
		for (size_t k = 0; k < in->n_cpus; k++) {
			cpus += in->cpus[k].pps;
			assert_true(in->cpus[k].util >= 0 && in->cpus[k].util <= 1);
			/* Of 10 ticks. */
			assert_true(fabs(remainder(in->cpus[k].util, 0.1)) < 1e-9);
		}
		for (size_t k = 0; k < in->n_objects; k++) {
			objects += in->objects[k].pps;
			flows += in->objects[k].is_flow;
		}
		/* A flow that was admitted counts what it had before, once. */
		assert_true(objects > 0.99 * cpus && objects < 1.5 * cpus);
	}
	assert_true(flows > 100);
	steer_env_free(env);
	steer_policy_free(policy);
}

static void test_guard(void **state)
{
	struct steer_env_params p = params("churn", 0.7);
	struct steer_outcome o;

	(void)state;
	p.refuse_losing = false;
	p.changes_per_s = 10;
	o = run(&p, "random");
	assert_true(o.moves_per_s > 5 && o.moves_per_s < 11 && o.refused_per_s > 10);
	p.moves_per_epoch = 0;
	assert_true(run(&p, "random").moves_per_s == 0);
}

/* Loads that are intervals old make a policy that trusts them worse; placements it knows. */
static void test_stale(void **state)
{
	struct steer_env_params p = params("zipf", 0.7);
	double fresh, old;

	(void)state;
	fresh = run(&p, "least").cost_us;
	p.stale = 4;
	old = run(&p, "least").cost_us;
	assert_true(old > fresh * 1.02);
}

static void test_agent_learns(void **state)
{
	struct steer_env_params p = params("zipf", 0.6);
	struct steer_policy_config c;
	struct steer_agent_stats st;
	struct steer_policy *policy;
	struct steer_outcome o;

	(void)state;
	steer_policy_config_default(&c);
	c.agent.explore = true;
	c.agent.epsilon = 1;
	assert_int_equal(steer_policy_new(steer_policy_find("agent", NULL), &c, &policy, NULL), 0);
	for (uint64_t seed = 0; seed < 2; seed++) {
		steer_agent_restart(steer_policy_agent(policy));
		assert_int_equal(steer_env_run(&p, seed, policy, 60, &o, NULL), 0);
	}
	steer_agent_stats(steer_policy_agent(policy), &st);
	assert_true(st.decisions >= 118 && st.updates > 300 && st.explored > 50);
	steer_policy_free(policy);
	policy = make("static");
	assert_null(steer_policy_agent(policy));
	steer_policy_free(policy);
}

static void test_refused(void **state)
{
	struct steer_workload w[64], none = { "none", "", 1 }, capture = { "capture", "", 1 };
	const double loads[] = { 0.5, 0.8 };
	struct steer_env_params p;
	struct steer_env *env = NULL;
	struct steer_policy *policy = make("static");
	struct sl_err e;

	(void)state;
	assert_null(steer_policy_find("none", &e));
	assert_non_null(strstr(e.text, "rsspp"));
	assert_int_equal(steer_workloads(loads, 2, true, w, 64),
			 steer_workloads(loads, 2, false, w, 64) + 2);
	assert_true(steer_workloads(loads, 2, true, w, 64) >= 24);
	steer_env_params_default(&p);
	assert_int_equal(steer_workload_fill(&none, NULL, NULL, &p, &e), -ENOENT);
	assert_int_equal(steer_workload_fill(&capture, NULL, NULL, &p, &e), -EINVAL);
	p.stale = 1000;
	assert_int_equal(steer_env_new(&p, 1, policy, &env, &e), -EINVAL);
	p.stale = 0;
	p.interval_s = 0;
	assert_int_equal(steer_env_new(&p, 1, policy, &env, &e), -EINVAL);
	p.interval_s = 1;
	p.traffic.rate_pps = NAN;
	assert_int_equal(steer_env_new(&p, 1, policy, &env, &e), -EINVAL);
	assert_null(env);
	steer_policy_free(policy);
	steer_policy_free(NULL);
	steer_env_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_solvers),
		cmocka_unit_test(test_no_use),
		cmocka_unit_test(test_fullest_bin),
		cmocka_unit_test(test_same_arrivals),
		cmocka_unit_test(test_orderings),
		cmocka_unit_test(test_observation),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_agent_learns),
		cmocka_unit_test(test_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
