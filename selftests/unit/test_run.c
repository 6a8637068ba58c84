// SPDX-License-Identifier: GPL-2.0
/* Returns over n steps, how episodes end, and problems whose optimum is computed. */
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
#include "rl/envs.h"
#include "rl/run.h"

#define STATES	6
#define GAMMA	0.9f

/* A table in effect: one weight for each of STATES states, and one action. */
static struct ddqn_config table_config(void)
{
	return (struct ddqn_config) {
		.features = STATES, .outputs = 1, .max_rows = 1, .replay_size = 512, .batch = 32,
		.warmup = 1, .gamma = GAMMA, .tau = 0.05f, .learning_rate = 0.02f, .seed = 1,
	};
}

static const float *state_x(unsigned int s)
{
	static float x[STATES][STATES];

	x[s][s] = 1.0f;
	return x[s];
}

static float value(struct ddqn *d, unsigned int s)
{
	float q;

	ddqn_q(d, &(struct ddqn_obs){ state_x(s), NULL, 1 }, &q);
	return q;
}

/* 0 -> 1 -> ... -> 5 -> out, which pays 1: state s is worth gamma^(5 - s), however many steps. */
static void returns_of_n_steps(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= 8; n++) {
		const struct ddqn_config c = table_config();
		struct nstep ns;
		struct ddqn *d;

		assert_int_equal(ddqn_new(&c, &d), 0);
		assert_int_equal(nstep_init(&ns, n, STATES, GAMMA), 0);
		for (int k = 0; k < 80; k++)
			for (unsigned int s = 0; s < STATES; s++) {
				struct ddqn_obs next = { NULL, NULL, 0 };

				if (s + 1 < STATES)
					next = (struct ddqn_obs){ state_x(s + 1), NULL, 1 };
				nstep_add(&ns, d, state_x(s), 0, s + 1 == STATES, &next, false);
				assert_int_equal(ns.used, s + 1 == STATES ? 0 :
						 s + 1 < n ? s + 1 : n - 1);
			}
		for (int k = 0; k < 1500; k++)
			ddqn_update(d);
		for (unsigned int s = 0; s < STATES; s++)
			if (fabs(value(d, s) - pow(GAMMA, STATES - 1 - s)) > 0.02)
				fail_msg("n %u state %u: %.3f, not %.3f", n, s, value(d, s),
					 pow(GAMMA, STATES - 1 - s));
		nstep_fini(&ns);
		ddqn_free(d);
	}
}

/*
 * 0 -> 1 -> ... -> 5 -> 0 for ever, each step paying 1: worth 10 everywhere, though it is watched
 * for six steps at a time. Taken for an end the cut would make state 5 worth 1.
 */
static void a_cut_is_not_an_end(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= 4; n++) {
		struct ddqn_config c = table_config();
		struct nstep ns;
		struct ddqn *d;

		c.target_period = n % 2 ? 0 : 100;
		c.learning_rate = 0.05f;
		assert_int_equal(ddqn_new(&c, &d), 0);
		assert_int_equal(nstep_init(&ns, n, STATES, GAMMA), 0);
		for (int k = 0; k < 80; k++)
			for (unsigned int s = 0; s < STATES; s++)
				nstep_add(&ns, d, state_x(s), 0, 1.0f,
					  &(struct ddqn_obs){ state_x((s + 1) % STATES), NULL, 1 },
					  s + 1 == STATES);
		assert_int_equal(ns.used, 0);
		for (int k = 0; k < 10000; k++)
			ddqn_update(d);
		for (unsigned int s = 0; s < STATES; s++)
			if (fabs(value(d, s) - 10.0) > 0.3)
				fail_msg("n %u state %u: %.3f, not 10", n, s, value(d, s));
		nstep_fini(&ns);
		ddqn_free(d);
	}
}

static void policy_age(void **state)
{
	const struct ddqn_config c = table_config();
	const struct ddqn_obs end = { NULL, NULL, 0 };
	struct ddqn *d;

	(void)state;
	assert_int_equal(ddqn_new(&c, &d), 0);
	ddqn_remember(d, state_x(0), 0, 1.0f, &end);
	for (int k = 0; k < 7; k++) {
		assert_true(ddqn_update(d) >= 0.0f);
		assert_true(fabs(ddqn_policy_age(d) - k) < 1e-9);
	}
	ddqn_free(d);
}

/* One transition in 512 is a surprise: by priority it is learned in fewer updates. */
static double error_after(float alpha, unsigned int updates)
{
	struct ddqn_config c = table_config();
	const struct ddqn_obs end = { NULL, NULL, 0 };
	struct ddqn *d;
	double error;

	c.priority_alpha = alpha;
	c.priority_beta = alpha > 0.0f ? 0.4f : 0.0f;
	c.beta_updates = updates;
	c.batch = 4;
	assert_int_equal(ddqn_new(&c, &d), 0);
	for (int i = 0; i < 512; i++)
		ddqn_remember(d, state_x(i == 0), 0, i == 0, &end);
	for (unsigned int k = 0; k < updates; k++)
		ddqn_update(d);
	error = fabs(value(d, 1) - 1.0) + fabs(value(d, 0));
	ddqn_free(d);
	return error;
}

static void priority_finds_the_rare(void **state)
{
	struct ddqn_config c = table_config();
	struct ddqn *d;

	(void)state;
	assert_true(error_after(0.7f, 800) < 0.25 * error_after(0.0f, 800));
	assert_true(error_after(0.7f, 3000) < 0.02);
	c.priority_alpha = 1.5f;
	assert_int_equal(ddqn_new(&c, &d), -EINVAL);
	c.priority_alpha = 0.5f;
	c.priority_beta = -1.0f;
	assert_int_equal(ddqn_new(&c, &d), -EINVAL);
}

static struct run_ddqn *runner(struct env *e, const struct ddqn_config *dc,
			       unsigned int anneal_steps, struct ddqn **d)
{
	const struct run_ddqn_config rc = {
		.n_step = 1, .epsilon_first = 1.0, .epsilon_last = 0.1,
		.epsilon_steps = 4000, .update_every = 1,
		.anneal_steps = anneal_steps, .seed = dc->seed,
	};
	struct run_ddqn *run;

	assert_int_equal(ddqn_new(dc, d), 0);
	assert_int_equal(run_ddqn_new(&rc, e, *d, dc, &run), 0);
	return run;
}

/* Within two per cent of what value iteration finds, from episodes of ten steps. */
static void admission_is_optimal(void **state)
{
	struct ddqn_config dc = {
		.features = ADMISSION_MAX + 1, .outputs = ADMISSION_ACTIONS, .max_rows = 1,
		.replay_size = 60000, .batch = 64, .warmup = 500, .gamma = ADMISSION_GAMMA,
		.tau = 0.02f, .learning_rate = 3e-3f, .grad_clip = 10.0f,
	};
	double q[ADMISSION_MAX + 1][ADMISSION_ACTIONS], best;

	(void)state;
	admission_optimum(q);
	best = fmax(q[0][0], q[0][1]);
	for (dc.seed = 1; dc.seed <= 3; dc.seed++) {
		struct env *e = admission_new();
		int policy[ADMISSION_MAX + 1];
		struct ddqn *d;
		struct run_ddqn *run = runner(e, &dc, 60000, &d);

		assert_int_equal(run_ddqn_steps(run, 60000), 0);
		for (unsigned int n = 0; n <= ADMISSION_MAX; n++) {
			float x[ADMISSION_MAX + 1];

			admission_features(n, x);
			policy[n] = ddqn_greedy(d, &(struct ddqn_obs){ x, NULL, 1 });
		}
		if (admission_value(policy) < 0.98 * best)
			fail_msg("seed %d: %.4f, the optimum is %.4f", (int)dc.seed,
				 admission_value(policy), best);
		run_ddqn_free(run);
		ddqn_free(d);
		env_free(e);
	}
}

static int shortest(void *ctx, const float *x, const uint8_t *ok, unsigned int rows,
		    struct env_action *a)
{
	(void)ctx;
	(void)ok;
	a->index = 0;
	for (unsigned int i = 1; i < rows; i++)
		if (x[3 * i] < x[3 * a->index])
			a->index = i;
	return 0;
}

/* Counts how often a policy, learned or (d == NULL) blind, joins a shortest queue. */
struct agreement {
	struct ddqn *d;
	struct rng rng;
	unsigned int same, all;
};

static int compared(void *ctx, const float *x, const uint8_t *ok, unsigned int rows,
		    struct env_action *a)
{
	struct agreement *g = ctx;
	struct env_action best;
	int r = 0;

	if (g->d)
		r = run_greedy_ddqn(g->d, x, ok, rows, a);
	else
		a->index = rng_below(&g->rng, rows);
	shortest(NULL, x, ok, rows, &best);
	g->same += x[3 * a->index] == x[3 * best.index];
	g->all++;
	return r;
}

static void shortest_queue_is_found(void **state)
{
	struct ddqn_config dc = {
		.features = 3, .outputs = 1, .max_rows = JSQ_CPUS, .hidden = { 32, 32 },
		.replay_size = 30000, .batch = 64, .warmup = 500, .gamma = 0.8f,
		.tau = 0.01f, .learning_rate = 1e-3f, .grad_clip = 10.0f,
	};
	struct agreement blind = { 0 };
	struct run_score best, found, lost;
	struct env *e = jsq_new();

	(void)state;
	rng_seed(&blind.rng, 1);
	assert_int_equal(run_evaluate(e, shortest, NULL, 100, 1, &best), 0);
	assert_int_equal(run_evaluate(e, compared, &blind, 100, 1, &lost), 0);
	assert_true(blind.same < 0.7 * blind.all && lost.reward < 1.05 * best.reward);
	for (dc.seed = 1; dc.seed <= 3; dc.seed++) {
		struct agreement g = { 0 };
		struct run_ddqn *run = runner(e, &dc, 30000, &g.d);

		assert_int_equal(run_ddqn_steps(run, 30000), 0);
		assert_int_equal(run_evaluate(e, compared, &g, 100, 1, &found), 0);
		if (found.reward < 1.01 * best.reward || g.same < 0.85 * g.all)
			fail_msg("seed %d: %.2f, %.2f is optimal, %.2f blind; %u of %u same",
				 (int)dc.seed, found.reward, best.reward, lost.reward, g.same,
				 g.all);
		run_ddqn_free(run);
		ddqn_free(g.d);
	}
	env_free(e);
}

/* Steps of size 3 and a target that is the network itself: values run away within some thousand. */
static void divergence_ends_a_run(void **state)
{
	struct ddqn_config dc = {
		.features = 4, .outputs = 2, .max_rows = 1, .hidden = { 16, 16 },
		.replay_size = 5000, .batch = 32, .warmup = 100, .gamma = 0.99f, .tau = 1.0f,
		.learning_rate = 3.0f, .seed = 1,
	};
	const float x[4] = { 0.1f, -0.2f, 0.05f, 0.3f };
	struct env *e = cartpole_new();
	struct run_ddqn *run;
	struct ddqn *d;
	float q[2];

	(void)state;
	run = runner(e, &dc, 0, &d);
	assert_int_equal(run_ddqn_steps(run, 100000), -EDOM);
	assert_int_equal(ddqn_health(d), 0);
	ddqn_q(d, &(struct ddqn_obs){ x, NULL, 1 }, q);
	assert_true(fabsf(q[0]) < 2000.0f && fabsf(q[1]) < 2000.0f);
	assert_true(run_ddqn_good_steps(run) < 100000);
	run_ddqn_free(run);
	ddqn_free(d);

	/* The same with steps as they should be ends well. */
	dc.learning_rate = 1e-3f;
	dc.tau = 0.01f;
	run = runner(e, &dc, 0, &d);
	assert_int_equal(run_ddqn_steps(run, 8500), 0);
	assert_int_equal(run_ddqn_good_steps(run), 7000);
	run_ddqn_free(run);
	ddqn_free(d);
	env_free(e);
}

/* A world that after some steps pays what is not a number. */
static unsigned int good_steps;

static int sour_step(struct env *e, const struct env_action *a, struct env_step *out)
{
	(void)e;
	(void)a;
	out->reward = good_steps && good_steps-- ? 1.0f : NAN;
	return 0;
}

static int sour_reset(struct env *e, uint64_t seed)
{
	(void)e;
	(void)seed;
	return 0;
}

static int sour_observe(const struct env *e, float *x, uint8_t *feasible)
{
	(void)feasible;
	x[0] = e->steps % 3;
	return 1;
}

static void ppo_goes_back_too(void **state)
{
	static const struct env_ops ops = { "sour", sour_reset, sour_observe, sour_step, NULL };
	const struct ppo_config c = {
		.features = 1, .actions = 2, .hidden = { 8, 8 }, .lanes = 2, .horizon = 16,
		.epochs = 2, .minibatch = 16, .gamma = 0.9f, .lambda = 0.9f, .clip = 0.2f,
		.learning_rate = 1e-2f, .seed = 1,
	};
	struct env env[2] = {
		{ .ops = &ops, .shape = { .features = 1, .outputs = 2, .max_rows = 1 } },
		{ .ops = &ops, .shape = { .features = 1, .outputs = 2, .max_rows = 1 } },
	};
	const struct run_ppo_config rc = { .seed = 1 };
	void *before = NULL, *after;
	size_t size, size_after;
	struct ppo_stats st;
	struct run_ppo *run;
	struct ppo *p;

	(void)state;
	assert_int_equal(ppo_new(&c, &p), 0);
	assert_int_equal(run_ppo_new(&rc, (struct env *[]){ &env[0], &env[1] }, p, &c, &run), 0);
	good_steps = 5 * 32;
	for (int round = 1; round <= 5; round++) {
		assert_int_equal(run_ppo_round(run, &st), 0);
		if (round == 4)
			assert_int_equal(ppo_save(p, &before, &size), 0);
	}
	assert_int_equal(run_ppo_good_steps(run), 4 * 32);
	assert_int_equal(run_ppo_round(run, &st), -EDOM);
	assert_int_equal(ppo_save(p, &after, &size_after), 0);
	assert_int_equal(size, size_after);
	assert_memory_equal(before, after, size);
	free(before);
	free(after);
	run_ppo_free(run);
	env[1].shape.features = 2;
	assert_int_equal(run_ppo_new(&rc, (struct env *[]){ &env[0], &env[1] }, p, &c, &run),
			 -EINVAL);
	ppo_free(p);
}

static void shapes_must_agree(void **state)
{
	struct ddqn_config dc = table_config();
	const struct run_ddqn_config rc = { .n_step = 1, .update_every = 1 };
	struct env *e = cartpole_new();
	struct run_ddqn *run;
	struct run_score s;
	struct ddqn *d;
	struct nstep ns;

	(void)state;
	assert_int_equal(ddqn_new(&dc, &d), 0);
	assert_int_equal(run_ddqn_new(&rc, e, d, &dc, &run), -EINVAL);
	assert_int_equal(run_evaluate(e, shortest, NULL, 0, 1, &s), -EINVAL);
	assert_int_equal(nstep_init(&ns, 0, 1, 0.5f), -EINVAL);
	assert_int_equal(nstep_init(&ns, 1, 1, 1.0f), -EINVAL);
	ddqn_free(d);
	env_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(returns_of_n_steps),
		cmocka_unit_test(a_cut_is_not_an_end),
		cmocka_unit_test(policy_age),
		cmocka_unit_test(priority_finds_the_rare),
		cmocka_unit_test(admission_is_optimal),
		cmocka_unit_test(shortest_queue_is_found),
		cmocka_unit_test(divergence_ends_a_run),
		cmocka_unit_test(ppo_goes_back_too),
		cmocka_unit_test(shapes_must_agree),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
