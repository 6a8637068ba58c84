// SPDX-License-Identifier: GPL-2.0
/* What policies are fitted and judged by: trees, Bayesian optimisation, mixes, worlds, training. */
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

#include "policy/bayes.h"
#include "policy/cart.h"
#include "policy/ecn_env.h"
#include "policy/fit.h"
#include "policy/fitted.h"
#include "policy/ladder.h"
#include "policy/train.h"

static double size_bytes[] = { 1000, 20000, 200000 }, size_share[] = { 0, 0.7, 1 };
static const struct dist sizes = { size_bytes, size_share, 3 };
static const char *const names[] = { "some/sizes" };
static const struct mix_files files = { .sizes = &sizes, .name = names, .n = 1, .epochs = 24 };

/* --- trees --------------------------------------------------------------------------- */

/* By labels two of three go left of 0.5; one dear mistake outweighs them. */
static void tree_of_costs(void **state)
{
	static const double x[] = { 0.1, 0.2, 0.3, 0.7, 0.8, 0.9 };
	static const double cost[] = { 0, 1, 0, 1, 9, 0, 1, 0, 1, 0, 1, 0 };
	const struct cart_samples s = {
		.x = x, .cost = cost, .n = 6, .features = 1, .classes = 2,
	};
	struct cart tree;

	(void)state;
	assert_int_equal(cart_fit(&s, 0, 1, &tree), 0);
	assert_int_equal(tree.n, 1);
	assert_int_equal(cart_class(&tree, x), 1);
	cart_free(&tree);
	assert_int_equal(cart_fit(&s, 3, 1, &tree), 0);
	assert_true(tree.n == 3 && fabs(tree.node[0].at - 0.25) < 1e-9);
	assert_int_equal(cart_class(&tree, &(double){ 0.25 }), 0);
	assert_int_equal(cart_class(&tree, &(double){ 0.26 }), 1);
	cart_free(&tree);
	/* No leaf of fewer than three: at 0.5, where nothing is gained. */
	assert_int_equal(cart_fit(&s, 3, 3, &tree), 0);
	assert_int_equal(tree.n, 1);
	cart_free(&tree);
	assert_int_equal(cart_fit(&(struct cart_samples){ 0 }, 3, 1, &tree), -EINVAL);
}

/* "And" needs two levels; equal values are never parted. */
static void tree_of_two_levels(void **state)
{
	static const double x[] = { 0, 0, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1 };
	static const double cost[] = { 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0 };
	const struct cart_samples s = {
		.x = x, .cost = cost, .n = 6, .features = 2, .classes = 2,
	};
	struct cart tree;

	(void)state;
	assert_int_equal(cart_fit(&s, 2, 1, &tree), 0);
	assert_int_equal(tree.n, 5);
	for (int i = 0; i < 6; i++)
		assert_int_equal(cart_class(&tree, x + 2 * i), cost[2 * i] > cost[2 * i + 1]);
	cart_free(&tree);
}

/* --- Bayesian optimisation ------------------------------------------------------------- */

static int valley(void *arg, unsigned int sample, double x, double *cost)
{
	unsigned int *samples = arg;

	assert_int_equal(sample, *samples);
	++*samples;
	assert_true(x >= 0 && x <= 1);
	*cost = 5 + (x - 0.7) * (x - 0.7);
	return 0;
}

static int broken(void *arg, unsigned int sample, double x, double *cost)
{
	(void)arg;
	(void)x;
	*cost = NAN;
	return sample == 1 ? -EIO : 0;
}

static void bayes(void **state)
{
	unsigned int samples = 0;
	double best = -1;

	(void)state;
	assert_int_equal(bayes_minimise(valley, &samples, 7, &best), 0);
	assert_int_equal(samples, 7);
	assert_true(fabs(best - 0.7) < 0.06);
	assert_int_equal(bayes_minimise(valley, &samples, 2, &best), -EINVAL);
	assert_int_equal(bayes_minimise(broken, NULL, 5, &best), -EDOM);
}

/* --- mixes and worlds -------------------------------------------------------------------- */

static void mixes(void **state)
{
	struct mix a, b;

	(void)state;
	for (unsigned int i = 0; i < 50; i++) {
		mix_draw(&files, 7, i, &a);
		mix_draw(&files, 7, i, &b);
		assert_memory_equal(&a, &b, sizeof(a));
		assert_int_equal(a.kind, i % MIX_KINDS);
		assert_true(a.epoch_s >= 0.05 && a.epoch_s >= 10 * a.rtt_s);
		assert_true(a.phases == 1 ||
			    ((a.kind == MIX_SWITCHING || a.kind == MIX_ON_OFF ||
			      a.kind == MIX_RATE) && a.phase_s < INFINITY));
		assert_true(a.phase[0].load > 0 && a.phase[0].load < 1 && a.phase[0].scale <= 1);
		mix_draw(&files, 8, i, &b);
		assert_true(a.seed != b.seed);
	}
}

static struct model fixed(double k)
{
	struct model m = { 0 };

	assert_int_equal(model_set_numbers(&m, "static", &k, 1), 0);
	return m;
}

static struct outcome run(unsigned int index, uint64_t seed, double k)
{
	struct model model = fixed(k);
	struct outcome out;
	struct policy *p;
	struct mix m;

	mix_draw(&files, 3, index, &m);
	assert_int_equal(policy_new(&model, &p, NULL), 0);
	assert_int_equal(lab_run(&files, &m, seed, p, NULL, NULL, &out), 0);
	policy_free(p);
	model_free(&model);
	return out;
}

/* A run can be repeated, arrivals are another's with another seed, and K matters. */
static void worlds(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < MIX_KINDS; i++) {
		const struct outcome a = run(i, 0, 20000), b = run(i, 0, 20000),
				     c = run(i, 1, 20000), high = run(i, 0, 1500000);

		assert_memory_equal(&a, &b, sizeof(a));
		assert_true(a.cost > 1 && a.cost < 1000 && a.goodput > 0 && a.goodput < 1);
		assert_true(c.packets != a.packets);
		/* Little queues where little arrives. */
		assert_true(high.mice > 0.99 * a.mice);
	}
}

static void environment(void **state)
{
	struct mix m[3];
	const struct ecn_env_config c = { files, m, 3, ECN_REWARD_BALANCE };
	float x[FITTED_CONTEXT], paid[2] = { 0 };
	uint8_t ok[POLICY_TEMPLATES];
	struct outcome out;
	struct env_step s;
	struct env *e;

	(void)state;
	for (int i = 0; i < 3; i++)
		mix_draw(&files, 3, i, &m[i]);
	assert_int_equal(ecn_env_new(&c, &e), 0);
	/* The lowest template and the highest, by the same arrivals. */
	for (int high = 0; high < 2; high++) {
		int steps = 0;

		assert_int_equal(env_reset(e, 5), 0);
		do {
			const struct env_action a = { .index = high ? POLICY_TEMPLATES - 1 : 2 };

			assert_int_equal(ecn_env_outcome(e, &out), -EBUSY);
			assert_int_equal(env_observe(e, x, ok), 1);
			assert_int_equal(env_step(e, &a, &s), 0);
			assert_true(isfinite(s.reward) && !s.terminated);
			paid[high] += s.reward;
			steps++;
		} while (!s.truncated);
		assert_int_equal(ecn_env_outcome(e, &out), 0);
		assert_true(steps >= 2 && steps <= 30 / POLICY_HOLD + 1);
	}
	assert_true(paid[0] > paid[1]);
	assert_int_equal(env_step(e, &(struct env_action){ .index = 0 }, &s), -EINVAL);
	env_free(e);
}

/* --- the grid, fits, the ladder, training ----------------------------------------------------- */

static struct lab *grid;

static int make_grid(void **state)
{
	const struct par par = { .jobs = 2 };

	(void)state;
	return lab_new(&files, &par, 3, 10, &grid);
}

static int free_grid(void **state)
{
	(void)state;
	lab_free(grid);
	return 0;
}

static void regrets(void **state)
{
	(void)state;
	for (size_t i = 0; i < grid->n; i++) {
		const unsigned int best = lab_best(grid, i);
		const double k = lab_step_bytes(best ? best - 1 : 0);
		const double two = lab_regret(grid, i, 2 * k);

		assert_true(fabs(lab_regret(grid, i, lab_step_bytes(best))) < 1e-9);
		/* Between two steps, on their line. */
		assert_true(fabs(lab_regret(grid, i, k * M_SQRT2) -
				 (lab_regret(grid, i, k) + two) / 2) < 1e-9);
		assert_true(lab_regret(grid, i, 1) == lab_regret(grid, i, lab_step_bytes(0)));
	}
	/* The same grid by one process. */
	{
		const struct par one = { .jobs = 1 };
		struct lab *again;

		assert_int_equal(lab_new(&files, &one, 3, 2, &again), 0);
		assert_memory_equal(again->cell[0], grid->cell[0], 2 * sizeof(*grid->cell));
		lab_free(again);
	}
}

static void fits(void **state)
{
	(void)state;
	for (int kind = 0; kind < FIT_MAX; kind++) {
		struct model m = { 0 };
		struct policy *p;
		double regret;

		if (kind == FIT_PI)
			continue;	/* as rules, and they take the longest */
		assert_int_equal(fit(grid, kind, 1, &m), 0);
		assert_int_equal(policy_new(&m, &p, NULL), 0);
		assert_int_equal(train_judge(grid, &m, &regret), 0);
		assert_true(regret > -0.1 && regret < 1.5);
		policy_free(p);
		model_free(&m);
	}
}

static void ladder(void **state)
{
	struct ladder_row row, oracle;
	struct ladder_score score;
	struct model m = fixed(lab_step_bytes(2));
	struct ladder *l;

	(void)state;
	assert_int_equal(ladder_new(grid, &m, &l), 0);
	assert_int_equal(ladder_row_model(l, &m, &row), 0);
	ladder_score(l, &row, &score);
	/* The row is the best static's own. */
	assert_true(fabs(score.loss.mean) < 1e-12 && fabs(score.captured.mean) < 1e-9);
	assert_true(score.over.mean >= 0 && score.over.low <= score.over.mean &&
		    score.over.high >= score.over.mean);
	/* What the grid says of it, too. */
	{
		struct ladder_row step;

		assert_int_equal(ladder_row_step(l, 2, &step), 0);
		assert_memory_equal(step.value, row.value, grid->n * sizeof(*row.value));
		ladder_row_free(&step);
	}
	assert_int_equal(ladder_row_oracle(l, true, &oracle), 0);
	ladder_score(l, &oracle, &score);
	assert_true(fabs(score.over.mean) < 1e-12 && score.captured.mean == 1);
	ladder_row_free(&oracle);
	ladder_row_free(&row);
	ladder_free(l);
	model_free(&m);
}

static struct train_config config(enum learn_kind kind, const char *out, uint64_t episodes)
{
	return (struct train_config){
		.learn = { kind, ECN_REWARD_BALANCE, 1 }, .episodes = episodes, .out = out,
		.command = "a test", .checkpoint_s = 0,
	};
}

static uint64_t stop_after;

/* As if it were killed: the process that trains goes away without another word. */
static void die(void *arg, uint64_t done, uint64_t all, double regret)
{
	(void)arg;
	(void)all;
	(void)regret;
	if (done > stop_after)
		_exit(3);
}

static int train_in_child(void *ctx, size_t i, void *result)
{
	struct train_report report;

	(void)i;
	(void)result;
	return train(grid, ctx, &report, NULL);
}

/* Killed, gone on with; refused under other settings, and when it is damaged. */
static void resumed(void **state)
{
	const struct par par = { .jobs = 1 };
	char dir[] = "/tmp/test_lab.XXXXXX", out[64], checkpoint[80], junk[80];
	struct train_report report;
	struct train_config c;
	struct model m;
	struct sl_err e;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(out, sizeof(out), "%s/model", dir);
	snprintf(checkpoint, sizeof(checkpoint), "%s.checkpoint", out);
	for (enum learn_kind kind = 0; kind < LEARN_MAX; kind++) {
		c = config(kind, out, 3 * TRAIN_BLOCK);
		stop_after = TRAIN_BLOCK;
		c.progress = die;
		assert_int_equal(par_run(&par, 1, train_in_child, &c, &report, 0), -ECHILD);
		assert_int_equal(access(out, F_OK), -1);
		assert_int_equal(access(checkpoint, F_OK), 0);

		c.progress = NULL;
		c.learn.seed = 2;
		assert_int_equal(train(grid, &c, &report, &e), -EINVAL);
		assert_non_null(strstr(e.text, "other settings"));
		c.learn.seed = 1;
		assert_int_equal(train(grid, &c, &report, &e), 0);
		assert_int_equal(report.resumed_at, TRAIN_BLOCK);
		assert_int_equal(report.episodes, 3 * TRAIN_BLOCK);
		assert_false(report.diverged);
		assert_int_equal(access(checkpoint, F_OK), -1);
		assert_int_equal(model_read(out, &m, &e), 0);
		assert_string_equal(m.kind, learn_name(kind));
		model_free(&m);
		unlink(out);
	}
	assert_int_equal(truncate(strcat(strcpy(junk, out), ".csv"), 0), 0);
	fclose(fopen(checkpoint, "w"));
	assert_int_equal(train(grid, &c, &report, &e), -EBADMSG);
	assert_non_null(strstr(e.text, checkpoint));
	unlink(checkpoint);
	unlink(junk);
	unlink(strcat(strcpy(junk, out), ".svg"));
	assert_int_equal(rmdir(dir), 0);
}

/*
 * What was taught at a fifth of the rates holds at all of them: it costs less there than the
 * threshold in bytes that was best where it was taught, and little more than what was taught there.
 */
static void transfer(void **state)
{
	static const enum fit_kind kinds[] = { FIT_STATIC, FIT_NETWORK };
	struct mix_files slow = files;
	const struct par par = { .jobs = 1 };
	struct lab *taught[2], *test;
	double regret[2][2];		/* by lab, by kind */

	(void)state;
	slow.rate_scale = 0.2;
	assert_int_equal(lab_new(&slow, &par, 21, 24, &taught[0]), 0);
	assert_int_equal(lab_new(&files, &par, 21, 24, &taught[1]), 0);
	assert_int_equal(lab_new(&files, &par, 22, 24, &test), 0);
	for (size_t i = 0; i < test->n; i++)
		assert_true(taught[0]->mix[i].rate_bps == 0.2 * taught[1]->mix[i].rate_bps);
	for (int l = 0; l < 2; l++)
		for (int k = 0; k < 2; k++) {
			struct model m = { 0 };

			assert_int_equal(fit(taught[l], kinds[k], 1, &m), 0);
			assert_int_equal(train_judge(test, &m, &regret[l][k]), 0);
			model_free(&m);
		}
	print_message("# regret, taught at a fifth of the rates: static %.3f, network %.3f; at all: "
		      "static %.3f, network %.3f\n", regret[0][0], regret[0][1], regret[1][0],
		      regret[1][1]);
	assert_true(regret[0][1] < 0.5 * regret[0][0]);
	assert_true(regret[0][1] < regret[1][1] + 0.03);
	lab_free(taught[0]);
	lab_free(taught[1]);
	lab_free(test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_of_costs),
		cmocka_unit_test(tree_of_two_levels),
		cmocka_unit_test(bayes),
		cmocka_unit_test(mixes),
		cmocka_unit_test(worlds),
		cmocka_unit_test(environment),
		cmocka_unit_test(regrets),
		cmocka_unit_test(fits),
		cmocka_unit_test(ladder),
		cmocka_unit_test(transfer),
		cmocka_unit_test(resumed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_grid, free_grid);
}
