// SPDX-License-Identifier: GPL-2.0
/* The learner on problems whose solution the test computes itself. */
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
#include "rl/ddqn.h"

/*
 * A chain of five states. Left (0) pays 0.2 in state 0, where it stays; right (1) pays 1 in state 4
 * and ends there; "poison" (2) would pay 5 anywhere and is never feasible.
 */
#define STATES	5
#define ACTIONS	3
#define GAMMA	0.9

static const uint8_t feasible[ACTIONS] = { 1, 1, 0 };

static void one_hot(unsigned int s, float x[STATES])
{
	for (unsigned int i = 0; i < STATES; i++)
		x[i] = i == s;
}

/* False: the episode is over. */
static bool chain_step(unsigned int s, unsigned int a, unsigned int *next, float *reward)
{
	*reward = a == 0 && s == 0 ? 0.2f : a == 1 && s == STATES - 1 ? 1.0f : 0.0f;
	*next = a == 0 ? (s ? s - 1 : 0) : s + 1;
	return *next < STATES;
}

static void value_iteration(double q[STATES][2])
{
	memset(q, 0, STATES * sizeof(q[0]));
	for (int k = 0; k < 500; k++)
		for (unsigned int s = 0; s < STATES; s++)
			for (unsigned int a = 0; a < 2; a++) {
				unsigned int next;
				float r;
				bool more = chain_step(s, a, &next, &r);

				q[s][a] = r + (more ? GAMMA * fmax(q[next][0], q[next][1]) : 0.0);
			}
}

static struct ddqn_config chain_config(uint64_t seed)
{
	return (struct ddqn_config) {
		.features = STATES, .outputs = ACTIONS, .max_rows = 1, .hidden = { 24, 24 },
		.replay_size = 1000, .batch = 32, .warmup = 100, .gamma = GAMMA, .tau = 0.02f,
		.learning_rate = 3e-3f, .grad_clip = 10.0f, .seed = seed,
	};
}

static struct ddqn *learner(struct ddqn_config c)
{
	struct ddqn *d;

	assert_int_equal(ddqn_new(&c, &d), 0);
	return d;
}

static void chain_learn(struct ddqn *d, uint64_t seed, unsigned int steps)
{
	struct rng rng;

	rng_seed(&rng, seed);
	for (unsigned int i = 0; i < steps; i++) {
		unsigned int s = rng_below(&rng, STATES), a = rng_below(&rng, 2), next;
		float x[STATES], nx[STATES], r;
		bool more = chain_step(s, a, &next, &r);

		one_hot(s, x);
		one_hot(next, nx);
		ddqn_remember(d, x, a, r, &(struct ddqn_obs){ nx, feasible, more });
		ddqn_update(d);
	}
}

static void solves_a_chain(void **state)
{
	double want[STATES][2];

	(void)state;
	value_iteration(want);
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct ddqn *d = learner(chain_config(seed));

		chain_learn(d, seed, 4000);
		for (unsigned int s = 0; s < STATES; s++) {
			float x[STATES], q[ACTIONS];
			struct ddqn_obs o = { x, feasible, 1 };

			one_hot(s, x);
			ddqn_q(d, &o, q);
			assert_int_equal(ddqn_greedy(d, &o), want[s][1] > want[s][0]);
			for (int a = 0; a < 2; a++)
				if (fabs(q[a] - want[s][a]) > 0.08)
					fail_msg("seed %d state %u action %d: %.3f, not %.3f",
						 (int)seed, s, a, q[a], want[s][a]);
		}
		ddqn_free(d);
	}
}

/* Candidates with two features, the pay is their product; the number of candidates varies. */
static void chooses_among_candidates(void **state)
{
	struct ddqn_config c = {
		.features = 2, .outputs = 1, .max_rows = 6, .hidden = { 32, 32 },
		.replay_size = 2000, .batch = 32, .warmup = 100, .gamma = 0.5f, .tau = 0.05f,
		.learning_rate = 3e-3f, .grad_clip = 10.0f,
	};

	(void)state;
	for (c.seed = 1; c.seed <= 3; c.seed++) {
		struct ddqn *d = learner(c);
		double regret = 0.0;
		struct rng rng;
		float x[6][2];

		rng_seed(&rng, c.seed);
		for (int i = 0; i < 4000; i++) {
			unsigned int rows = 1 + rng_below(&rng, 6), pick = rng_below(&rng, rows);
			struct ddqn_obs o = { x[0], NULL, rows };
			float best = -1.0f;
			int greedy;

			for (unsigned int k = 0; k < rows; k++) {
				x[k][0] = rng_uniform(&rng);
				x[k][1] = rng_uniform(&rng);
				best = fmaxf(best, x[k][0] * x[k][1]);
			}
			if (i >= 3000) {
				greedy = ddqn_greedy(d, &o);
				assert_in_range(greedy, 0, rows - 1);
				regret += best - x[greedy][0] * x[greedy][1];
				continue;
			}
			ddqn_remember(d, x[pick], 0, x[pick][0] * x[pick][1],
				      &(struct ddqn_obs){ NULL, NULL, 0 });
			ddqn_update(d);
		}
		assert_true(regret / 1000.0 < 0.02);
		ddqn_free(d);
	}
}

static void mask_is_obeyed(void **state)
{
	struct ddqn *d = learner(chain_config(1));
	float x[STATES];
	uint8_t mask[ACTIONS] = { 0 };

	(void)state;
	one_hot(2, x);
	assert_int_equal(ddqn_greedy(d, &(struct ddqn_obs){ x, mask, 1 }), -1);
	for (int a = 0; a < ACTIONS; a++) {
		memset(mask, 0, sizeof(mask));
		mask[a] = 1;
		assert_int_equal(ddqn_greedy(d, &(struct ddqn_obs){ x, mask, 1 }), a);
	}
	ddqn_free(d);
	ddqn_free(NULL);
}

static void warms_up_and_refuses_nonsense(void **state)
{
	struct ddqn_config c = chain_config(1);
	struct ddqn *d = learner(c);
	float x[STATES], bad[STATES];
	struct ddqn_obs end = { NULL, NULL, 0 }, nan_next = { bad, NULL, 1 };

	(void)state;
	one_hot(0, x);
	one_hot(0, bad);
	bad[3] = NAN;
	for (int i = 0; i < 99; i++)
		ddqn_remember(d, x, 0, 1.0f, &end);
	/* None of these counts as the hundredth. */
	ddqn_remember(d, x, 0, NAN, &end);
	ddqn_remember(d, x, 0, INFINITY, &end);
	ddqn_remember(d, bad, 0, 1.0f, &end);
	ddqn_remember(d, x, 0, 1.0f, &nan_next);
	ddqn_remember(d, x, ACTIONS, 1.0f, &end);
	ddqn_remember(d, x, 0, 1.0f, &(struct ddqn_obs){ x, NULL, 2 });
	assert_true(ddqn_update(d) == -1.0f);
	assert_int_equal(ddqn_updates(d), 0);
	ddqn_remember(d, x, 0, 1.0f, &end);
	assert_true(ddqn_update(d) >= 0.0f);
	assert_int_equal(ddqn_updates(d), 1);
	ddqn_free(d);

	c.gamma = 1.0f;
	assert_int_equal(ddqn_new(&c, &d), -EINVAL);
	c.gamma = NAN;
	assert_int_equal(ddqn_new(&c, &d), -EINVAL);
	c = chain_config(1);
	c.batch = 0;
	assert_int_equal(ddqn_new(&c, &d), -EINVAL);
}

static void all_q(struct ddqn *d, float q[STATES][ACTIONS])
{
	for (unsigned int s = 0; s < STATES; s++) {
		float x[STATES];

		one_hot(s, x);
		ddqn_q(d, &(struct ddqn_obs){ x, NULL, 1 }, q[s]);
	}
}

static void same_seed_same_weights(void **state)
{
	float q[3][STATES][ACTIONS];

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct ddqn *d = learner(chain_config(i < 2 ? 7 : 8));

		chain_learn(d, 1, 500);
		all_q(d, q[i]);
		ddqn_free(d);
	}
	assert_memory_equal(q[0], q[1], sizeof(q[0]));
	assert_memory_not_equal(q[0], q[2], sizeof(q[0]));
}

/* A loaded learner gives the same values and takes the same next steps. */
static void round_trip_is_exact(void **state)
{
	struct ddqn *a = learner(chain_config(1)), *b = learner(chain_config(2));
	float qa[STATES][ACTIONS], qb[STATES][ACTIONS];
	void *blob, *again;
	size_t size, size_again;

	(void)state;
	chain_learn(a, 1, 600);
	assert_int_equal(ddqn_save(a, &blob, &size), 0);
	assert_int_equal(ddqn_load(b, blob, size), 0);
	all_q(a, qa);
	all_q(b, qb);
	assert_memory_equal(qa, qb, sizeof(qa));
	assert_int_equal(ddqn_updates(a), ddqn_updates(b));
	assert_int_equal(ddqn_save(b, &again, &size_again), 0);
	assert_int_equal(size, size_again);
	assert_memory_equal(blob, again, size);
	free(blob);
	free(again);
	ddqn_free(a);
	ddqn_free(b);
}

static void damaged_blobs_change_nothing(void **state)
{
	struct ddqn_config other = chain_config(1);
	struct ddqn *a = learner(chain_config(1)), *b = learner(chain_config(2)), *c;
	float before[STATES][ACTIONS], after[STATES][ACTIONS];
	uint8_t *blob;
	size_t size;

	(void)state;
	chain_learn(a, 1, 200);
	chain_learn(b, 2, 200);
	all_q(b, before);
	assert_int_equal(ddqn_save(a, (void **)&blob, &size), 0);
	for (size_t cut = 0; cut < size; cut += 101)
		assert_int_equal(ddqn_load(b, blob, cut), -EBADMSG);
	for (size_t i = 0; i < size; i += i < 64 ? 1 : 101) {
		blob[i] ^= 1;
		/* The last four bytes of the header are padding, under the checksum as well. */
		assert_int_equal(ddqn_load(b, blob, size), -EBADMSG);
		blob[i] ^= 1;
	}
	other.hidden[1] = 16;
	c = learner(other);
	assert_int_equal(ddqn_load(c, blob, size), -EINVAL);
	all_q(b, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(ddqn_load(b, blob, size), 0);
	free(blob);
	ddqn_free(a);
	ddqn_free(b);
	ddqn_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mask_is_obeyed),
		cmocka_unit_test(warms_up_and_refuses_nonsense),
		cmocka_unit_test(solves_a_chain),
		cmocka_unit_test(chooses_among_candidates),
		cmocka_unit_test(same_seed_same_weights),
		cmocka_unit_test(round_trip_is_exact),
		cmocka_unit_test(damaged_blobs_change_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
