// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rl/replay.h"

/* Entry i: features i, i + 0.5; i % 4 next rows, the last action of each masked. */
static void add(struct replay *p, unsigned int i)
{
	const float row[2] = { i, i + 0.5f };
	float next[3 * 2];
	uint8_t feasible[3 * 2] = { 1, 1, 1, 1, 1, 1 };
	const unsigned int rows = i % 4;

	for (int k = 0; k < 6; k++)
		next[k] = i + k;
	if (rows)
		feasible[rows * 2 - 1] = 0;
	assert_int_equal(replay_add(p, &(struct replay_item){
		.row_x = row, .output = i % 2, .reward = -1.0f * i, .discount = 0.5f, .policy = 2 * i,
		.next_x = next, .next_feasible = feasible, .next_rows = rows,
	}), 0);
}

static void check(const struct replay_entry *e)
{
	const unsigned int i = e->row_x[0];

	assert_true(e->row_x[1] == i + 0.5f);
	assert_int_equal(e->output, i % 2);
	assert_true(e->reward == -1.0f * i);
	assert_true(e->discount == 0.5f);
	assert_int_equal(e->policy, 2 * i);
	assert_int_equal(e->next_rows, i % 4);
	for (unsigned int k = 0; k < e->next_rows * 2; k++) {
		assert_true(e->next_x[k] == i + k);
		assert_int_equal(e->next_feasible[k], k + 1 != e->next_rows * 2);
	}
}

static void keeps_the_latest_and_samples_all(void **state)
{
	unsigned int seen[25] = { 0 };
	struct replay p;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	assert_int_equal(replay_init(&p, 2, 2, 10), 0);
	assert_null(replay_sample(&p, &rng));
	add(&p, 0);
	check(replay_sample(&p, &rng));
	for (unsigned int i = 1; i < 25; i++)
		add(&p, i);
	assert_int_equal(p.used, 10);
	for (int i = 0; i < 10000; i++) {
		const struct replay_entry *e = replay_sample(&p, &rng);

		check(e);
		seen[(unsigned int)e->row_x[0]]++;
	}
	for (int i = 0; i < 15; i++)
		assert_int_equal(seen[i], 0);
	for (int i = 15; i < 25; i++)
		assert_in_range(seen[i], 850, 1150);
	replay_fini(&p);
}

static void no_mask_means_all(void **state)
{
	const float x[2] = { 0 };
	struct replay p;
	struct rng rng = { .s = { 1 } };

	(void)state;
	assert_int_equal(replay_init(&p, 1, 2, 1), 0);
	assert_int_equal(replay_add(&p, &(struct replay_item){
		.row_x = x, .next_x = x, .next_rows = 2 }), 0);
	for (int k = 0; k < 4; k++)
		assert_int_equal(replay_sample(&p, &rng)->next_feasible[k], 1);
	replay_fini(&p);
	assert_int_equal(replay_init(&p, 0, 1, 1), -EINVAL);
	assert_int_equal(replay_init(&p, 1, 1, 0), -EINVAL);
}

/* Draws follow the priorities, in a ring whose size is no power of two and which wraps. */
static void draws_by_priority(void **state)
{
	unsigned int seen[10] = { 0 };
	double ratio, sum = 0.0, p_alpha[10];
	struct replay p;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	assert_int_equal(replay_init(&p, 2, 2, 10), 0);
	assert_int_equal(replay_prioritise(&p, 0.0f), -EINVAL);
	assert_int_equal(replay_prioritise(&p, NAN), -EINVAL);
	assert_int_equal(replay_prioritise(&p, 0.5f), 0);
	assert_int_equal(replay_prioritise(&p, 0.5f), -EINVAL);
	for (unsigned int i = 0; i < 3; i++)
		add(&p, i);
	/* Only what is there, and all of it alike at first. */
	for (int i = 0; i < 300; i++) {
		assert_in_range(replay_draw(&p, &rng, i, 300, &ratio), 0, 2);
		assert_true(fabs(ratio - 1.0) < 1e-12);
	}
	for (unsigned int i = 3; i < 15; i++)
		add(&p, i);
	for (unsigned int i = 0; i < 10; i++) {
		replay_set_priority(&p, i, i % 2 ? -1.0f * i * i : 1.0f * i * i);
		p_alpha[i] = sqrt(i * i + 1e-3);
		sum += p_alpha[i];
	}
	assert_true(fabs(p.tree[1] - sum) < 1e-6);
	for (int i = 0; i < 100000; i++) {
		unsigned int k = replay_draw(&p, &rng, i % 32, 32, &ratio);

		assert_in_range(k, 0, 9);
		assert_true(fabs(ratio - 10.0 * p_alpha[k] / sum) < 1e-6);
		seen[k]++;
	}
	for (int i = 0; i < 10; i++)
		assert_true(fabs(seen[i] / 1e5 - p_alpha[i] / sum) < 0.005);
	/* What arrives gets the highest priority there was; nonsense changes nothing. */
	replay_set_priority(&p, 3, NAN);
	replay_set_priority(&p, 3, INFINITY);
	assert_true(fabs(p.tree[1] - sum) < 1e-6);
	replay_set_priority(&p, 9, 0.0f);
	add(&p, 15);
	assert_true(fabs(p.tree[p.leaves + 5] - p_alpha[9]) < 1e-9);
	replay_fini(&p);
}

/* The strata of a batch each give one draw: with equal priorities every entry comes once. */
static void draws_are_spread(void **state)
{
	unsigned int seen[8] = { 0 };
	struct replay p;
	struct rng rng;
	double ratio;

	(void)state;
	rng_seed(&rng, 1);
	assert_int_equal(replay_init(&p, 2, 2, 8), 0);
	assert_int_equal(replay_prioritise(&p, 1.0f), 0);
	for (unsigned int i = 0; i < 8; i++)
		add(&p, i);
	for (unsigned int i = 0; i < 8; i++)
		seen[replay_draw(&p, &rng, i, 8, &ratio)]++;
	for (int i = 0; i < 8; i++)
		assert_int_equal(seen[i], 1);
	replay_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_latest_and_samples_all),
		cmocka_unit_test(no_mask_means_all),
		cmocka_unit_test(draws_by_priority),
		cmocka_unit_test(draws_are_spread),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
