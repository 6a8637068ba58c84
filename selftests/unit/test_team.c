// SPDX-License-Identifier: GPL-2.0
/* Agents that share a network: whose turn it is, and what comes of changing one at a time. */
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
#include "rl/team.h"

static const struct ddqn_config small = {
	.features = 1, .outputs = 3, .max_rows = 1, .replay_size = 64, .batch = 1, .warmup = 1,
	.gamma = 0.5f, .tau = 0.1f, .learning_rate = 1e-3f, .seed = 1,
};
static const float x0 = 0.5f;
static const struct ddqn_obs seen = { &x0, NULL, 1 };

static void team_make(const struct ddqn_config *c, unsigned int agents, unsigned int group,
		      struct ddqn **d, struct team **t)
{
	assert_int_equal(ddqn_new(c, d), 0);
	assert_int_equal(team_new(*d, c->features, t), 0);
	for (unsigned int i = 0; i < agents; i++)
		assert_int_equal(team_couple(*t, i, group), 0);
}

/* An agent's interval in which it changes if it may. */
static bool turn(struct team *t, unsigned int agent)
{
	bool may;

	team_settle(t, agent, 0.0f, &seen, false);
	may = team_may_change(t, agent);
	team_decided(t, agent, &x0, may ? 2 : 1, may);
	team_applied(t, agent, true);
	return may;
}

/*
 * Of n coupled agents one changes in an epoch, each as often as any other. The first is asked
 * before the last has measured what it did, which costs an epoch in every round.
 */
static void the_turn_goes_round(void **state)
{
	static const unsigned int sizes[] = { 1, 8, 64 };

	(void)state;
	for (int k = 0; k < 3; k++) {
		const unsigned int n = sizes[k];
		unsigned int changed[64] = { 0 };
		struct ddqn *d;
		struct team *t;

		team_make(&small, n, 7, &d, &t);
		for (unsigned int epoch = 0; epoch < 5 * (n + (n > 1)); epoch++) {
			unsigned int changes = 0;

			for (unsigned int i = 0; i < n; i++)
				if (turn(t, i)) {
					changed[i]++;
					changes++;
				}
			assert_int_equal(changes, n == 1 || epoch % (n + 1) < n);
		}
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(changed[i], 5);
		team_free(t);
		ddqn_free(d);
	}
	team_free(NULL);
}

static void who_is_alone_may_always(void **state)
{
	struct ddqn *d;
	struct team *t;

	(void)state;
	team_make(&small, 4, 0, &d, &t);
	assert_int_equal(team_couple(t, 2, 1), 0);
	assert_int_equal(team_couple(t, 3, 2), 0);	/* groups of one */
	for (int epoch = 0; epoch < 3; epoch++)
		for (unsigned int i = 0; i < 4; i++)
			assert_true(turn(t, i));
	assert_int_equal(team_add(t, TEAM_MAX), -EINVAL);
	assert_int_equal(team_couple(t, TEAM_MAX, 1), -EINVAL);
	team_free(t);
	ddqn_free(d);
}

/* Who stays hands the turn on at once; who is refused by the guard, too. */
static void staying_costs_no_time(void **state)
{
	struct ddqn *d;
	struct team *t;

	(void)state;
	team_make(&small, 3, 1, &d, &t);
	assert_true(team_may_change(t, 0));
	assert_false(team_may_change(t, 1));
	team_decided(t, 0, &x0, 1, false);
	assert_true(team_may_change(t, 1));
	team_decided(t, 1, &x0, 2, true);
	assert_false(team_may_change(t, 2));
	team_applied(t, 1, false);
	assert_true(team_may_change(t, 2));
	team_free(t);
	ddqn_free(d);
}

/* A holder that is gone, one that went to sleep and one that was forgotten stop nobody. */
static void the_absent_stop_nobody(void **state)
{
	for (int how = 0; how < 3; how++) {
		unsigned int others = 0;
		struct ddqn *d;
		struct team *t;

		(void)state;
		team_make(&small, 4, 1, &d, &t);
		assert_true(turn(t, 0));
		if (how == 1)
			team_rest(t, 0);
		if (how == 2)
			team_forget(t, 0);
		for (int epoch = 0; epoch < TEAM_PATIENCE + 1 + 3; epoch++)
			for (unsigned int i = 1; i < 4; i++)
				others += turn(t, i);
		assert_true(others >= 3);
		/* Back again, it has its turn like any other. */
		if (how == 2)
			assert_int_equal(team_couple(t, 0, 1), 0);
		for (int epoch = 0; epoch < 8; epoch++)
			for (unsigned int i = 0; i < 4; i++)
				if (turn(t, i) && !i)
					others = 0;
		assert_int_equal(others, 0);
		team_free(t);
		ddqn_free(d);
	}
}

/* An interval in which a coupled agent changed says nothing of staying, but of that change. */
static void the_disturbed_is_not_learned(void **state)
{
	struct ddqn *d;
	struct team *t;

	(void)state;
	team_make(&small, 3, 1, &d, &t);
	assert_int_equal(team_couple(t, 2, 2), 0);	/* not coupled with these */
	for (unsigned int i = 1; i < 3; i++) {
		team_decided(t, i, &x0, 1, false);
		team_applied(t, i, true);
	}
	assert_true(team_may_change(t, 0));
	team_decided(t, 0, &x0, 2, true);
	team_applied(t, 0, true);
	assert_true(team_settle(t, 0, 1.0f, &seen, true));
	assert_false(team_settle(t, 1, 1.0f, &seen, true));
	assert_true(team_settle(t, 2, 1.0f, &seen, true));
	/* What was not applied is nobody's. */
	team_decided(t, 0, &x0, 1, false);
	team_applied(t, 0, false);
	assert_false(team_settle(t, 0, 1.0f, &seen, true));
	team_free(t);
	ddqn_free(d);
}

/*
 * Queues that share a link: each has a level from 0 to 9, and all are paid by how much nearer the
 * sum has come to what the link can bear. One may go down, stay or go up; it sees how far the sum
 * is off and its own level. Who changes when all change cannot tell what it did.
 */
#define LEVELS	10
#define PARTS	80	/* of training, 50 epochs each */

struct link {
	unsigned int n;
	int level[64], want;
	struct rng rng;
};

static int off_by(const struct link *l)
{
	int sum = -l->want;

	for (unsigned int i = 0; i < l->n; i++)
		sum += l->level[i];
	return sum;
}

static void link_reset(struct link *l)
{
	l->want = l->n * (3 + rng_uniform(&l->rng) * 3);
	for (unsigned int i = 0; i < l->n; i++)
		l->level[i] = rng_below(&l->rng, LEVELS);
}

static void look(const struct link *l, unsigned int agent, float x[3], uint8_t ok[3])
{
	const int off = off_by(l);

	x[0] = (off > 0 ? 1 : -1) * log1p(abs(off)) / 3.0;
	x[1] = off == 0;
	x[2] = l->level[agent] / 9.0f;
	ok[0] = l->level[agent] > 0;
	ok[1] = 1;
	ok[2] = l->level[agent] < LEVELS - 1;
}

/* How much better it is than it was. */
static float pays(const struct link *l, int was)
{
	return fmax(-1.0, fmin(1.0, (abs(was) - abs(off_by(l))) / 4.0));
}

/* Epochs in which each agent decides once. Returns how far off the sum was, on average. */
static double live(struct link *l, struct ddqn *d, struct team *t, unsigned int epochs,
		   double epsilon, bool learn)
{
	int was = off_by(l);
	double sum = 0.0;

	for (unsigned int epoch = 0; epoch < epochs; epoch++) {
		const float paid = pays(l, was);
		int change[64];

		for (unsigned int i = 0; i < l->n; i++) {
			float x[3];
			uint8_t ok[3];
			const struct ddqn_obs o = { x, ok, 1 };
			int action = 1;

			look(l, i, x, ok);
			team_settle(t, i, paid, &o, learn);
			if (team_may_change(t, i)) {
				action = ddqn_greedy(d, &o);
				if (rng_uniform(&l->rng) < epsilon)
					do
						action = rng_below(&l->rng, 3);
					while (!ok[action]);
			}
			team_decided(t, i, x, action, action != 1 || learn);
			team_applied(t, i, true);
			change[i] = action - 1;
		}
		was = off_by(l);
		for (unsigned int i = 0; i < l->n; i++)
			l->level[i] += change[i];
		sum += abs(off_by(l));
		for (int k = 0; k < 2 && learn; k++)
			ddqn_update(d);
	}
	return sum / epochs;
}

/* How far off a team is after as many epochs of learning for any number of agents. */
static double team_error(unsigned int n, bool coupled, uint64_t seed)
{
	struct ddqn_config c = {
		.features = 3, .outputs = 3, .max_rows = 1, .hidden = { 16, 16 },
		.replay_size = 20000, .batch = 32, .warmup = 100, .gamma = 0.3f, .tau = 0.02f,
		.learning_rate = 3e-3f, .grad_clip = 10.0f, .seed = seed,
	};
	struct link l = { .n = n };
	double error = 0.0;
	struct ddqn *d;
	struct team *t;

	rng_seed(&l.rng, seed);
	team_make(&c, n, coupled ? 1 : 0, &d, &t);
	for (int part = 0; part < PARTS; part++) {
		ddqn_set_learning_rate(d, c.learning_rate * (PARTS - part) / PARTS);
		link_reset(&l);
		live(&l, d, t, 50, 0.3, true);
	}
	/* From the settled state on: not what the way there costs. */
	for (int part = 0; part < 10; part++) {
		link_reset(&l);
		live(&l, d, t, 5 * n, 0.0, false);
		error += live(&l, d, t, 20, 0.0, false) / 10.0;
	}
	team_free(t);
	ddqn_free(d);
	return error;
}

static void one_at_a_time_learns_what_all_at_once_cannot(void **state)
{
	static const unsigned int sizes[] = { 1, 8, 64 };

	(void)state;
	for (int k = 0; k < 3; k++)
		for (uint64_t seed = 1; seed <= 2; seed++) {
			const unsigned int n = sizes[k];
			const double turns = team_error(n, true, seed);
			const double at_once = n > 1 ? team_error(n, false, seed) : 0.0;

			if (turns > 0.5 || (n > 1 && at_once < turns + 0.5))
				fail_msg("%u agents, seed %d: off by %.2f in turns, %.2f at once",
					 n, (int)seed, turns, at_once);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_turn_goes_round),
		cmocka_unit_test(who_is_alone_may_always),
		cmocka_unit_test(staying_costs_no_time),
		cmocka_unit_test(the_absent_stop_nobody),
		cmocka_unit_test(the_disturbed_is_not_learned),
		cmocka_unit_test(one_at_a_time_learns_what_all_at_once_cannot),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
