// SPDX-License-Identifier: GPL-2.0
/* The steering agent in training, its model, and the board it is judged on. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "policy/steer_board.h"
#include "policy/steer_learn.h"

static const struct par par = { .jobs = 2 };
static struct steer_lab lab;
static struct steer_learn_config config = { .lab = &lab, .seed = 1, .turn_s = 1 };

/* Slow packets, so that a run takes no time. */
static struct steer_lab_config small(void)
{
	struct steer_lab_config c;

	steer_lab_config_default(&c);
	c.loads[0] = 0.6;
	c.loads[1] = 0.8;
	c.n_loads = 2;
	c.families = "zipf,steep,elephants";
	c.stack_ns = 100000;
	return c;
}

static int make_lab(void **state)
{
	const struct steer_lab_config c = small();

	(void)state;
	config.reward = steer_reward_find("daemon");
	return steer_lab_init(&lab, &c, NULL) || steer_learn_still(&config, &par, NULL);
}

static void halves(void **state)
{
	struct steer_lab_config c = small();
	struct steer_lab all;
	struct sl_err e;

	(void)state;
	assert_true(lab.n == 6 && lab.tests == 3);
	c.families = NULL;
	assert_int_equal(steer_lab_init(&all, &c, NULL), 0);
	assert_int_equal(all.n, 24);		/* twelve families; no capture, none of that */
	assert_int_equal(all.tests, 12);
	/* Which half a workload is in does not depend on what else there is. */
	for (size_t i = 0; i < lab.n; i++)
		for (size_t k = 0; k < all.n; k++)
			if (!strcmp(lab.workload[i].family, all.workload[k].family) &&
			    lab.workload[i].load == all.workload[k].load)
				assert_true(lab.test[i] == all.test[k] &&
					    lab.family[i] == all.family[k]);
	c.families = "zip";
	assert_int_equal(steer_lab_init(&all, &c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "'zip'"));
	c.families = "zipf,";
	assert_int_equal(steer_lab_init(&all, &c, &e), -EINVAL);
	c.families = "capture";
	assert_int_equal(steer_lab_init(&all, &c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "needs a capture"));
	c.n_loads = 0;
	assert_int_equal(steer_lab_init(&all, &c, &e), -EINVAL);
}

/* What it learned is in its model, and goes on from there; what is none is refused. */
static void models(void **state)
{
	struct model m = { 0 }, again = { 0 }, bush = { 0 };
	char path[] = "/tmp/test_steer_learn.XXXXXX";
	double plotted, reward;
	struct sl_err e;
	void *one, *two;

	(void)state;
	assert_int_equal(steer_learn_ops.make(&config, &one), 0);
	for (uint64_t n = 0; n < 10; n++) {
		assert_int_equal(steer_learn_ops.episode(one, n, &plotted, &reward), 0);
		assert_true(fabs(plotted) < 5 && reward <= 1);
	}
	assert_int_equal(steer_learn_ops.model(one, &m), 0);
	assert_string_equal(m.kind, STEER_MODEL_KIND);
	for (size_t w = 0; w < lab.n; w++)
		assert_true(steer_model_trained_on(&m, &lab.workload[w]) == !lab.test[w]);

	assert_int_equal(steer_learn_ops.make(&config, &two), 0);
	assert_int_equal(steer_learn_ops.restore(two, &m), 0);
	assert_int_equal(steer_learn_ops.model(two, &again), 0);
	assert_true(again.size == m.size && !memcmp(again.data, m.data, m.size));
	/* A byte of the blob; of another kind; too short for anything. */
	((char *)again.data)[again.size / 2] ^= 1;
	assert_int_equal(steer_learn_ops.restore(two, &again), -EBADMSG);
	strcpy(again.kind, "ddqn");
	assert_int_equal(steer_learn_ops.restore(two, &again), -EBADMSG);
	model_set_numbers(&bush, STEER_MODEL_KIND, (double[]){ 1 }, 1);
	assert_int_equal(steer_learn_ops.restore(two, &bush), -EBADMSG);
	assert_false(steer_model_trained_on(&bush, &lab.workload[0]));
	/* One that says it has more workloads than it is long. */
	((uint32_t *)bush.data)[0] = 1;
	((uint32_t *)bush.data)[1] = 60;
	assert_int_equal(steer_learn_ops.restore(two, &bush), -EBADMSG);
	assert_false(steer_model_trained_on(&bush, &lab.workload[0]));
	close(mkstemp(path));
	assert_int_equal(model_write(&bush, path, NULL), 0);
	assert_int_equal(steer_model_read(path, &again, &e), -EBADMSG);
	assert_non_null(strstr(e.text, path));
	unlink(path);
	steer_learn_ops.free(one);
	steer_learn_ops.free(two);
	steer_learn_ops.free(NULL);
	model_free(&bush);
	model_free(&again);
	model_free(&m);
}

/* A checkpoint of one setting is not taken for another. */
static void settings(void **state)
{
	struct steer_lab_config lc = small();
	struct steer_learn_config c = config;
	struct steer_lab other;
	char text[2][512];

	(void)state;
	steer_learn_describe(&config, 10, text[0], sizeof(text[0]));
	for (int i = 0; i < 6; i++) {
		c = config;
		lc = small();
		lc.loads[0] = i == 0 ? 0.61 : 0.6;
		lc.stack_ns = i == 1 ? 90000 : 100000;
		lc.families = i == 2 ? "zipf,steep,churn" : lc.families;
		assert_int_equal(steer_lab_init(&other, &lc, NULL), 0);
		c.lab = &other;
		c.seed = i == 3 ? 2 : 1;
		c.turn_s = i == 4 ? 2 : 1;
		steer_learn_describe(&c, i == 5 ? 11 : 10, text[1], sizeof(text[1]));
		assert_string_not_equal(text[0], text[1]);
	}
}

static void board(void **state)
{
	struct steer_board b = { .lab = &lab, .seconds = 1, .seeds = 2 };
	const struct steer_row *oracle, *still;
	double low, high;
	void *learner;
	struct model m = { 0 };

	(void)state;
	assert_int_equal(steer_learn_ops.make(&config, &learner), 0);
	assert_int_equal(steer_learn_ops.model(learner, &m), 0);
	steer_learn_ops.free(learner);
	assert_int_equal(steer_board_baselines(&b, &par, 2, NULL), 0);
	assert_non_null(steer_board_add(&b, "m", steer_policy_find("agent", NULL), &m));
	assert_int_equal(steer_board_run(&b, &par, NULL), 0);
	oracle = steer_board_find(&b, "oracle");
	still = steer_board_find(&b, "static");
	assert_true(oracle && still && !steer_board_find(&b, "agent"));
	assert_true(fabs(steer_board_mean(&b, oracle, oracle)) < 1e-12);
	assert_true(steer_board_mean(&b, still, oracle) > 0.1);
	steer_board_interval(&b, still, oracle, &low, &high);
	assert_true(low <= steer_board_mean(&b, still, oracle) &&
		    high >= steer_board_mean(&b, still, oracle));
	/* An agent that has learned nothing moves nothing. */
	assert_true(fabs(steer_board_mean(&b, steer_board_find(&b, "m"), still)) < 1e-12);
	assert_true(steer_board_best(&b, oracle, true) == steer_board_find(&b, "m"));
	assert_true(steer_board_mean(&b, steer_board_best(&b, oracle, false), oracle) <
		    steer_board_mean(&b, still, oracle));
	assert_true(steer_board_hindsight(&b, oracle) <=
		    steer_board_mean(&b, steer_board_best(&b, oracle, false), oracle));
	for (size_t w = 0; w < lab.n; w++)
		if (!lab.test[w])
			assert_true(still->out[w][0].packets == 0);
	steer_board_free(&b);
	model_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(halves),
		cmocka_unit_test(models),
		cmocka_unit_test(settings),
		cmocka_unit_test(board),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_lab, NULL);
}
