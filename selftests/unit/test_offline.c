// SPDX-License-Identifier: GPL-2.0
/* Data sets, and learning from them alone: by hand, and on problems where the optimum is known. */
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
#include "rl/dataset.h"
#include "rl/envs.h"
#include "rl/offline.h"
#include "rl/run.h"

static void a_row_comes_back(void **state)
{
	const float x[4] = { 1, 2, 3, 4 }, next[2] = { 5, 6 };
	const uint8_t ok[4] = { 1, 0, 1, 1 };
	struct dataset_row row = {
		.obs = { x, ok, 2 }, .action = 2, .behaviour = 0.25f, .reward = -1.0f,
		.discount = 0.9f, .next = { next, NULL, 1 },
	}, got;
	struct dataset *d;

	(void)state;
	assert_int_equal(dataset_new(2, 2, 2, &d), 0);
	for (unsigned int i = 0; i < 1000; i++) {
		row.next.rows = i % 2;
		row.reward = i;
		assert_int_equal(dataset_add(d, &row), 0);
	}
	assert_int_equal(dataset_size(d), 1000);
	for (unsigned int i = 0; i < 1000; i++) {
		dataset_get(d, i, &got);
		assert_int_equal(got.obs.rows, 2);
		assert_memory_equal(got.obs.x, x, sizeof(x));
		assert_memory_equal(got.obs.feasible, ok, sizeof(ok));
		assert_true(got.action == 2 && got.behaviour == 0.25f && got.discount == 0.9f);
		assert_true(got.reward == (float)i && got.next.rows == i % 2);
		if (i % 2) {
			assert_memory_equal(got.next.x, next, sizeof(next));
			assert_true(got.next.feasible[0] && got.next.feasible[1]);
		}
	}
	dataset_free(d);
	dataset_free(NULL);
}

static void bad_rows_are_refused(void **state)
{
	const float x[2] = { 1, 2 }, nan[2] = { 1, NAN };
	const uint8_t ok[2] = { 1, 0 };
	const struct dataset_row good = {
		.obs = { x, ok, 1 }, .reward = 1.0f, .discount = 0.5f, .next = { x, NULL, 1 },
	};
	struct dataset_row bad[9];
	struct dataset *d;

	(void)state;
	for (int i = 0; i < 9; i++)
		bad[i] = good;
	bad[0].obs.rows = 0;
	bad[1].obs.rows = 2;
	bad[2].action = 1;	/* not feasible */
	bad[3].action = 2;
	bad[4].behaviour = 1.5f;
	bad[5].reward = NAN;
	bad[6].discount = 1.0f;
	bad[7].obs.x = nan;
	bad[8].next.x = nan;
	assert_int_equal(dataset_new(0, 1, 1, &d), -EINVAL);
	assert_int_equal(dataset_new(2, 2, 1, &d), 0);
	for (int i = 0; i < 9; i++)
		assert_int_equal(dataset_add(d, &bad[i]), -EINVAL);
	assert_int_equal(dataset_size(d), 0);
	assert_int_equal(dataset_add(d, &good), 0);
	dataset_free(d);
}

/* Candidates with one feature u, chosen with a probability that grows as exp(3 u). */
static void cloning_recovers_probabilities(void **state)
{
	struct bc_config c = {
		.features = 1, .outputs = 1, .max_rows = 4, .hidden = { 16, 0 }, .batch = 64,
		.learning_rate = 3e-3f, .grad_clip = 10.0f,
	};

	(void)state;
	for (c.seed = 1; c.seed <= 3; c.seed++) {
		struct dataset *data;
		struct rng rng;
		struct bc *bc, *copy;
		double loss, worst = 0.0;
		void *blob;
		size_t size;

		rng_seed(&rng, c.seed);
		assert_int_equal(dataset_new(1, 1, 4, &data), 0);
		assert_int_equal(bc_new(&c, &bc), 0);
		assert_int_equal(bc_update(bc, data, &loss), -EINVAL);	/* no data */
		for (int pass = 0; pass < 2; pass++) {
			for (int i = 0; i < (pass ? 300 : 6000); i++) {
				const unsigned int rows = 2 + rng_below(&rng, 3);
				float x[4], p[4], got[4], sum = 0.0f, at;
				const uint8_t ok[4] = { 1, 1, rng_below(&rng, 2), 1 };
				struct dataset_row row = { .obs = { x, ok, rows } };

				for (unsigned int k = 0; k < rows; k++) {
					x[k] = rng_uniform(&rng);
					p[k] = ok[k] ? exp(3.0 * x[k]) : 0.0;
					sum += p[k];
				}
				at = sum * rng_uniform(&rng);
				while (row.action + 1 < rows && (at -= p[row.action]) >= 0.0f)
					row.action++;
				if (!pass) {
					if (ok[row.action])
						assert_int_equal(dataset_add(data, &row), 0);
					continue;
				}
				bc_probabilities(bc, &row.obs, got);
				for (unsigned int k = 0; k < rows; k++)
					worst = fmax(worst, fabs(got[k] - p[k] / sum));
			}
			for (int i = 0; i < 1500 && !pass; i++)
				assert_int_equal(bc_update(bc, data, &loss), 0);
		}
		if (worst > 0.08)
			fail_msg("seed %d: a probability is off by %.3f", (int)c.seed, worst);

		/* It is saved and loaded as a whole, and as nothing else. */
		const float x[2] = { 0.1f, 0.9f };
		const struct ddqn_obs o = { x, NULL, 2 };
		float p[2], q[2];

		assert_int_equal(bc_greedy(bc, &o), 1);
		assert_int_equal(bc_save(bc, &blob, &size), 0);
		c.seed += 100;
		assert_int_equal(bc_new(&c, &copy), 0);
		c.seed -= 100;
		assert_int_equal(bc_load(copy, blob, size - 1), -EBADMSG);
		assert_int_equal(bc_load(copy, blob, size), 0);
		bc_probabilities(bc, &o, p);
		bc_probabilities(copy, &o, q);
		assert_memory_equal(p, q, sizeof(p));
		free(blob);
		bc_free(bc);
		bc_free(copy);
		dataset_free(data);
	}
}

static struct ddqn *learned(const struct ddqn_config *c, const struct dataset *data, float alpha,
			    unsigned int updates)
{
	struct cql_loss loss;
	struct ddqn *d;
	struct cql *cql;

	assert_int_equal(ddqn_new(c, &d), 0);
	assert_int_equal(cql_new(d, data, alpha, &cql), 0);
	for (unsigned int i = 0; i < updates; i++) {
		ddqn_set_learning_rate(d, c->learning_rate * (1.0f - (float)i / updates));
		assert_int_equal(cql_update(cql, &loss), 0);
	}
	cql_free(cql);
	return d;
}

/*
 * One state, two actions done equally often that end with 0 and 1. Where the gradient of
 * the loss is zero, Q(1) - Q(0) = delta with delta = 1 - 2 alpha tanh(delta / 2), and
 * Q(1) = 1 - alpha tanh(delta / 2), Q(0) = alpha tanh(delta / 2).
 */
static void conservative_values_by_hand(void **state)
{
	const struct ddqn_config c = {
		.features = 1, .outputs = 2, .max_rows = 1, .replay_size = 1, .batch = 32,
		.gamma = 0.5f, .tau = 0.1f, .learning_rate = 0.02f, .seed = 1,
	};
	const float one = 1.0f;
	struct dataset *data;

	(void)state;
	assert_int_equal(dataset_new(1, 2, 1, &data), 0);
	for (unsigned int a = 0; a < 2; a++)
		assert_int_equal(dataset_add(data, &(struct dataset_row){
			.obs = { &one, NULL, 1 }, .action = a, .reward = a, .discount = 0.5f }), 0);
	for (double alpha = 0.0; alpha < 1.5; alpha += 0.5) {
		struct ddqn *d = learned(&c, data, alpha, 4000);
		double delta = 0.5;
		float q[2];

		for (int i = 0; i < 200; i++)
			delta = 0.5 * delta + 0.5 * (1.0 - 2.0 * alpha * tanh(delta / 2.0));
		ddqn_q(d, &(struct ddqn_obs){ &one, NULL, 1 }, q);
		if (fabs(q[1] - 1.0 + alpha * tanh(delta / 2.0)) > 0.03 ||
		    fabs(q[0] - alpha * tanh(delta / 2.0)) > 0.03)
			fail_msg("alpha %.1f: %.3f and %.3f", alpha, q[0], q[1]);
		ddqn_free(d);
	}
	dataset_free(data);
}

/* --- admission, from the logs of two policies that are no good ----------------------- */

/* behaviour: the value of the better one. */
static struct dataset *admission_log(uint64_t seed, unsigned int n, double *behaviour)
{
	struct env *e = admission_new();
	float x[2][ADMISSION_MAX + 1];
	uint8_t ok[2][ADMISSION_ACTIONS];
	struct dataset *data;
	struct env_step s;
	struct rng rng;

	rng_seed(&rng, seed);
	assert_int_equal(dataset_new(ADMISSION_MAX + 1, ADMISSION_ACTIONS, 1, &data), 0);
	e->over = true;
	for (unsigned int i = 0; i < n; i++) {
		/* By turns: a coin, and whoever admits nearly always. */
		const double admit = (i / 1000) % 2 ? 0.5 : 0.95;
		struct env_action a;

		if (e->over)
			assert_int_equal(env_reset(e, rng_u64(&rng)), 0);
		env_observe(e, x[0], ok[0]);
		a.index = ok[0][ADMISSION_ADMIT] && rng_uniform(&rng) < admit ? ADMISSION_ADMIT :
										 ADMISSION_REJECT;
		assert_int_equal(env_step(e, &a, &s), 0);
		env_observe(e, x[1], ok[1]);
		assert_int_equal(dataset_add(data, &(struct dataset_row){
			.obs = { x[0], ok[0], 1 }, .action = a.index, .reward = s.reward,
			.discount = ADMISSION_GAMMA, .next = { x[1], ok[1], 1 } }), 0);
	}
	env_free(e);

	double coin[ADMISSION_MAX + 1], keen[ADMISSION_MAX + 1];

	for (unsigned int i = 0; i <= ADMISSION_MAX; i++) {
		coin[i] = 0.5;
		keen[i] = 0.95;
	}
	*behaviour = fmax(admission_value_of(coin), admission_value_of(keen));
	return data;
}

static void conservative_is_better_than_the_data(void **state)
{
	struct ddqn_config c = {
		.features = ADMISSION_MAX + 1, .outputs = ADMISSION_ACTIONS, .max_rows = 1,
		.hidden = { 16, 0 }, .replay_size = 1, .batch = 64, .gamma = ADMISSION_GAMMA,
		.tau = 0.02f, .learning_rate = 3e-3f, .grad_clip = 10.0f,
	};
	double q[ADMISSION_MAX + 1][ADMISSION_ACTIONS];

	(void)state;
	admission_optimum(q);
	for (c.seed = 1; c.seed <= 3; c.seed++) {
		int policy[ADMISSION_MAX + 1];
		double behaviour, value;
		struct dataset *data = admission_log(c.seed, 40000, &behaviour);
		struct ddqn *d = learned(&c, data, 0.05f, 8000);

		for (unsigned int n = 0; n <= ADMISSION_MAX; n++) {
			const uint8_t ok[ADMISSION_ACTIONS] = { 1, n < ADMISSION_MAX };
			float x[ADMISSION_MAX + 1];

			admission_features(n, x);
			policy[n] = ddqn_greedy(d, &(struct ddqn_obs){ x, ok, 1 });
		}
		value = admission_value(policy);
		if (value < 0.92 * q[0][ADMISSION_ADMIT] || value < behaviour + 0.3)
			fail_msg("seed %d: %.3f; the best behaviour %.3f, the optimum %.3f",
				 (int)c.seed, value, behaviour, q[0][ADMISSION_ADMIT]);
		ddqn_free(d);
		dataset_free(data);
	}
}

/* --- a cliff behind what the data shows ------------------------------------------------ */

/*
 * The state w is where the cliff is. Ten candidates k = 0.1 .. 1: k pays k up to w, and -1 beyond.
 * Who made the data stayed well below, between 0.2 w and 0.8 w: there more is always better.
 */
#define CANDIDATES	10

static void cliff_see(double w, float x[CANDIDATES][2])
{
	for (int k = 0; k < CANDIDATES; k++) {
		x[k][0] = w;
		x[k][1] = (k + 1) / 10.0f;
	}
}

static float cliff_pays(double w, int k)
{
	const float u = (k + 1) / 10.0f;

	return u <= w ? u : -1.0f;
}

static double cliff_w(struct rng *rng)
{
	return 0.5 + 0.4 * rng_uniform(rng);
}

/* Mean pay of the greedy policy. */
static double cliff_score(struct ddqn *d, uint64_t seed)
{
	float x[CANDIDATES][2];
	double sum = 0.0;
	struct rng rng;

	rng_seed(&rng, seed);
	for (int i = 0; i < 1000; i++) {
		const double w = cliff_w(&rng);

		cliff_see(w, x);
		sum += cliff_pays(w, ddqn_greedy(d, &(struct ddqn_obs){ x[0], NULL, CANDIDATES }));
	}
	return sum / 1000;
}

static void the_unsupported_is_not_believed(void **state)
{
	struct ddqn_config c = {
		.features = 2, .outputs = 1, .max_rows = CANDIDATES, .hidden = { 32, 32 },
		.replay_size = 1, .batch = 32, .gamma = 0.5f, .tau = 0.02f,
		.learning_rate = 2e-3f, .grad_clip = 10.0f,
	};

	(void)state;
	for (c.seed = 1; c.seed <= 3; c.seed++) {
		double behaviour = 0.0, plain, conservative;
		float x[2][CANDIDATES][2];
		struct dataset *data;
		struct ddqn *d;
		struct rng rng;
		double w;

		rng_seed(&rng, c.seed);
		w = cliff_w(&rng);
		assert_int_equal(dataset_new(2, 1, CANDIDATES, &data), 0);
		for (int i = 0; i < 4000; i++) {
			const int k = 10.0 * w * (0.2 + 0.6 * rng_uniform(&rng)) - 0.5;
			const float pays = cliff_pays(w, k);

			assert_true(k >= 0 && pays > 0.0f);
			cliff_see(w, x[0]);
			w = cliff_w(&rng);
			cliff_see(w, x[1]);
			behaviour += pays / 4000;
			assert_int_equal(dataset_add(data, &(struct dataset_row){
				.obs = { x[0][0], NULL, CANDIDATES }, .action = k, .reward = pays,
				.discount = c.gamma, .next = { x[1][0], NULL, CANDIDATES } }), 0);
		}
		d = learned(&c, data, 0.0f, 2000);
		plain = cliff_score(d, c.seed);
		ddqn_free(d);
		d = learned(&c, data, 0.5f, 2000);
		conservative = cliff_score(d, c.seed);
		ddqn_free(d);
		dataset_free(data);
		if (conservative < behaviour + 0.05 || plain > behaviour - 0.3)
			fail_msg("seed %d: %.3f conservative, %.3f plain, %.3f the data",
				 (int)c.seed, conservative, plain, behaviour);
	}
}

static void nonsense_is_refused(void **state)
{
	const struct bc_config bad = { .features = 1, .outputs = 1, .max_rows = 1, .batch = 0 };
	const struct ddqn_config c = {
		.features = 2, .outputs = 1, .max_rows = 1, .replay_size = 1, .batch = 4,
		.gamma = 0.5f, .tau = 0.02f, .learning_rate = 2e-3f,
	};
	const float x[2] = { 1, 2 };
	struct dataset *data, *other;
	struct ddqn *d;
	struct cql *cql;
	struct bc *bc;

	(void)state;
	assert_int_equal(bc_new(&bad, &bc), -EINVAL);
	assert_int_equal(ddqn_new(&c, &d), 0);
	assert_int_equal(dataset_new(2, 1, 1, &data), 0);
	assert_int_equal(dataset_new(1, 1, 1, &other), 0);
	assert_int_equal(cql_new(d, data, 1.0f, &cql), -EINVAL);
	assert_int_equal(dataset_add(data, &(struct dataset_row){ .obs = { x, NULL, 1 } }), 0);
	assert_int_equal(dataset_add(other, &(struct dataset_row){ .obs = { x, NULL, 1 } }), 0);
	assert_int_equal(cql_new(d, other, 1.0f, &cql), -EINVAL);
	assert_int_equal(cql_new(d, data, -1.0f, &cql), -EINVAL);
	assert_int_equal(cql_new(d, data, NAN, &cql), -EINVAL);
	bc_free(NULL);
	cql_free(NULL);
	ddqn_free(d);
	dataset_free(data);
	dataset_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_comes_back),
		cmocka_unit_test(bad_rows_are_refused),
		cmocka_unit_test(cloning_recovers_probabilities),
		cmocka_unit_test(conservative_values_by_hand),
		cmocka_unit_test(conservative_is_better_than_the_data),
		cmocka_unit_test(the_unsupported_is_not_believed),
		cmocka_unit_test(nonsense_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
