// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
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
	assert_int_equal(replay_add(p, row, i % 2, -1.0f * i, next, feasible, rows), 0);
}

static void check(const struct replay_entry *e)
{
	const unsigned int i = e->row_x[0];

	assert_true(e->row_x[1] == i + 0.5f);
	assert_int_equal(e->output, i % 2);
	assert_true(e->reward == -1.0f * i);
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
	assert_int_equal(replay_add(&p, x, 0, 0.0f, x, NULL, 2), 0);
	for (int k = 0; k < 4; k++)
		assert_int_equal(replay_sample(&p, &rng)->next_feasible[k], 1);
	replay_fini(&p);
	assert_int_equal(replay_init(&p, 0, 1, 1), -EINVAL);
	assert_int_equal(replay_init(&p, 1, 1, 0), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_latest_and_samples_all),
		cmocka_unit_test(no_mask_means_all),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
