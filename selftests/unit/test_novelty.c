// SPDX-License-Identifier: GPL-2.0
/* The test for states that a model does not know: its rate of false alarms, its power, its section. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/rng.h"
#include "policy/novelty.h"
#include "policy/qtree.h"

#define N	4000

static double gauss(struct rng *rng)
{
	return sqrt(-2 * log(1 - rng_uniform(rng))) * cos(2 * M_PI * rng_uniform(rng));
}

/* Two clusters of other widths, features of other units. */
static void draw(struct rng *rng, double *x, size_t n, double shift)
{
	for (size_t j = 0; j < n; j++, x += FEATURES) {
		const bool wide = rng_below(rng, 3) == 0;

		for (int i = 0; i < FEATURES; i++)
			x[i] = pow(10, i - 4) * ((wide ? 5 : 0) + (wide ? 1 : 0.3) * gauss(rng));
		x[2] += shift * 0.01;
	}
}

static struct model calibrated(struct rng *rng)
{
	double *x = malloc(2 * N * FEATURES * sizeof(*x));
	const double one = 1;
	struct model m = { 0 };

	draw(rng, x, 2 * N, 0);
	assert_int_equal(model_set_numbers(&m, "bdp", &one, 1), 0);
	assert_int_equal(novelty_calibrate(&m, x, N, x + N * FEATURES, N), 0);
	free(x);
	return m;
}

static double rate(const struct novelty *n, const double *x, double significance)
{
	size_t below = 0;

	for (size_t j = 0; j < N; j++)
		below += novelty_p(n, x + j * FEATURES) < significance;
	return below / (double)N;
}

static void false_alarms_and_power(void **state)
{
	static const double confidence[] = { 0.7, 0.75, 0.8, 0.85, 0.9, 0.95 };
	double *x = malloc(N * FEATURES * sizeof(*x)), odd[FEATURES];
	struct novelty *n;
	struct model m;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	m = calibrated(&rng);
	assert_int_equal(novelty_of(&m, &n), 0);
	assert_true(novelty_space(n) == NOVELTY_POLICY);
	/* 2,000 of the calibration are kept: a rate is within a standard error of 1.1 % at most. */
	draw(&rng, x, N, 0);
	for (int i = 0; i < 6; i++) {
		const double s = novelty_significance(confidence[i]);

		assert_true(fabs(rate(n, x, s) - s) < 4 * sqrt(s * (1 - s) * (1 / 2e3 + 1.0 / N)));
	}
	/* Further away, more alarms; far away, all of them, at the least p there is. */
	draw(&rng, x, N, 10);
	assert_true(rate(n, x, 0.05) > 0.3);
	draw(&rng, x, N, 20);
	assert_true(rate(n, x, 0.05) > 0.9);
	draw(&rng, x, N, 100);
	assert_true(rate(n, x, 0.05) == 1);
	assert_true(novelty_p(n, x) == 1.0 / (NOVELTY_CALIBRATION + 1));
	for (int i = 0; i < FEATURES; i++) {
		memcpy(odd, x, sizeof(odd));
		odd[i] = i % 2 ? NAN : INFINITY;
		assert_true(novelty_p(n, odd) == 1.0 / (NOVELTY_CALIBRATION + 1));
	}
	novelty_free(n);
	model_free(&m);
	free(x);
}

/* A leaf without states is unknown, however near it is. */
static void leaf_support(void **state)
{
	struct cart_node node[] = {
		{ .feature = DISTILL_F_backlog, .at = 0.5, .below = 1, .above = 2 },
		{ .feature = -1, .class = 4 }, { .feature = -1, .class = 10 },
	};
	const struct qtree tree = { .teacher = "t", .start = 0.5, .cart = { node, 3 } };
	double x[2000][DISTILL_F_NR], here[DISTILL_F_NR] = { 0.4999 }, there[DISTILL_F_NR];
	struct model m = { 0 };
	struct novelty *n;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 2);
	for (int j = 0; j < 2000; j++)
		for (int i = 0; i < DISTILL_F_NR; i++)
			x[j][i] = i ? 0 : 0.5 * rng_uniform(&rng);
	memcpy(there, here, sizeof(there));
	there[0] = 0.5001;
	assert_int_equal(qtree_set(&m, &tree), 0);
	assert_int_equal(novelty_calibrate(&m, x[0], 1000, x[1000], 1000), 0);
	assert_int_equal(novelty_of(&m, &n), 0);
	assert_true(novelty_space(n) == NOVELTY_QTREE);
	assert_true(novelty_p(n, here) > 0.05);
	assert_true(novelty_p(n, there) == 1.0 / 1001);
	novelty_free(n);
	/* Where the calibration comes there, too, it is as that has it: a half. */
	for (int j = 1000; j < 1500; j++)
		x[j][0] += 0.6;
	assert_int_equal(novelty_calibrate(&m, x[0], 1000, x[1000], 1000), 0);
	assert_int_equal(novelty_of(&m, &n), 0);
	assert_true(fabs(novelty_p(n, there) - 501 / 1001.0) < 1e-9);
	there[0] = 2;
	assert_true(novelty_p(n, there) == 1.0 / 1001);
	novelty_free(n);
	model_free(&m);
}

static void in_the_file(void **state)
{
	char path[] = "/tmp/test_novelty.XXXXXX";
	struct model m, back, none = { 0 };
	double x[FEATURES] = { 0 };
	struct novelty *a, *b;
	struct rng rng;
	struct sl_err e;

	(void)state;
	rng_seed(&rng, 3);
	m = calibrated(&rng);
	close(mkstemp(path));
	assert_int_equal(model_write(&m, path, &e), 0);
	assert_int_equal(model_read(path, &back, &e), 0);
	unlink(path);
	assert_int_equal(novelty_of(&m, &a), 0);
	assert_int_equal(novelty_of(&back, &b), 0);
	for (int j = 0; j < 1000; j++) {
		draw(&rng, x, 1, j % 7);
		assert_true(novelty_p(a, x) == novelty_p(b, x));
	}
	novelty_free(a);
	novelty_free(b);
	assert_int_equal(novelty_of(&none, &a), 0);
	assert_null(a);
	/* Of the features of another kind of model. */
	snprintf(back.kind, sizeof(back.kind), "qtree");
	assert_int_equal(novelty_of(&back, &a), -EBADMSG);
	assert_int_equal(novelty_calibrate(&m, x, 1, x, 1), -ENODATA);
	assert_int_equal(novelty_calibrate(&m, x, 1, x, 0), -ENODATA);
	model_free(&back);
	model_free(&m);
}

/* Whatever is in it: refused, or a test that gives a p. */
static void any_section(void **state)
{
	unsigned int refused = 0, taken = 0;
	double x[FEATURES];
	struct rng rng;
	struct model m;
	char *good;
	size_t size;

	(void)state;
	rng_seed(&rng, 4);
	m = calibrated(&rng);
	size = m.calibration_size;
	good = malloc(size);
	memcpy(good, m.calibration, size);
	for (int i = 0; i < 3000; i++) {
		struct novelty *n;
		int r;

		memcpy(m.calibration, good, size);
		m.calibration_size = rng_below(&rng, 8) ? size : rng_below(&rng, size);
		for (int k = rng_below(&rng, 3); k > 0 && m.calibration_size; k--) {
			const size_t most = rng_below(&rng, 2) ? 160 : size;

			((char *)m.calibration)[rng_below(&rng, most)] = rng_below(&rng, 256);
		}
		r = novelty_of(&m, &n);
		assert_true(r == 0 || r == -EBADMSG);
		refused += r != 0;
		if (r)
			continue;
		draw(&rng, x, 1, 0);
		assert_true(novelty_p(n, x) > 0 && novelty_p(n, x) <= 1);
		novelty_free(n);
		taken++;
	}
	assert_true(refused > 500 && taken > 500);
	free(good);
	model_free(&m);
}

/* A state whenever a policy decides: after 8 epochs with traffic, then after 9 each. */
static void in_step(void **state)
{
	struct ecn_interval in = {
		.seconds = 0.05, .capacity_bps = 125e6, .rtt_s = 1e-3, .mtu_bytes = 1514,
		.limit_bytes = 4000000, .tx_bytes = 5e6, .backlogged_s = 0.02,
		.avg_backlog_bytes = 62500, .sojourn_p95_s = 1e-4, .elephant_share = NAN,
		.ect_share = NAN, .setting = { 125000, 125000, 1000000 },
	};
	struct novelty_watch w[2] = { { .p = 0 } };
	double x[2][NOVELTY_FEATURES_MAX];
	unsigned int active = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		struct ecn_interval now = in;
		bool due;

		if (i % 5 == 4)
			now.tx_bytes = now.backlogged_s = now.avg_backlog_bytes = 0;
		else
			active++;
		due = i % 5 != 4 && active % 9 == 8;
		assert_int_equal(novelty_state(&w[0], NOVELTY_QTREE, &now, x[0]), due);
		assert_int_equal(novelty_state(&w[1], NOVELTY_POLICY, &now, x[1]), due);
		if (!due)
			continue;
		assert_true(x[0][DISTILL_F_setting] == 1);
		assert_true(fabs(x[1][FEATURE_used] - 0.8) < 1e-9);
		/* The kernel's interval has the idle time in it. */
		assert_true(x[0][DISTILL_F_backlog] < 0.5 && x[0][DISTILL_F_backlog] > 0.35);
	}
	assert_true(w[0].states == 3 && w[1].states == 3);
	in.rtt_s = NAN;
	assert_false(novelty_state(&w[0], NOVELTY_QTREE, &in, x[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(false_alarms_and_power),
		cmocka_unit_test(leaf_support),
		cmocka_unit_test(in_the_file),
		cmocka_unit_test(any_section),
		cmocka_unit_test(in_step),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
