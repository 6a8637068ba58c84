// SPDX-License-Identifier: GPL-2.0
/* Confidence sequences and the change detector: what they promise, counted over many seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "guard/confseq.h"
#include "lib/rng.h"

#define ALPHA	0.05

/* Numbers in [-1, 1] whose mean, given the past, is m; the rest of their law depends on the past. */
typedef double source(struct rng *r, double m, unsigned int i, double last);

static double two_points(struct rng *r, double m, unsigned int i, double last)
{
	(void)i;
	(void)last;
	return rng_uniform(r) < (1.0 + m) / 2.0 ? 1.0 : -1.0;
}

/* A long tail on one side: the worst case for intervals of a normal law. */
static double skewed(struct rng *r, double m, unsigned int i, double last)
{
	double p = 0.02;

	(void)i;
	(void)last;
	return rng_uniform(r) < p ? -1.0 : (m + p) / (1.0 - p);
}

/* Calm and storm by turns, and calmer after a large one. */
static double heteroscedastic(struct rng *r, double m, unsigned int i, double last)
{
	double width = (i / 50) % 2 ? 0.9 : 0.05;

	if (fabs(last) > 0.5)
		width /= 4.0;
	return m + (1.0 - fabs(m)) * width * (2.0 * rng_uniform(r) - 1.0);
}

static double constant(struct rng *r, double m, unsigned int i, double last)
{
	(void)r;
	(void)i;
	(void)last;
	return m;
}

/* How often of "seeds" the interval ever misses the mean, on either side. */
static unsigned int misses(source *draw, double m, unsigned int seeds, unsigned int n)
{
	unsigned int missed = 0;

	for (unsigned int seed = 1; seed <= seeds; seed++) {
		double x = 0.0, from, to;
		struct confseq c;
		struct rng r;

		rng_seed(&r, seed);
		confseq_init(&c, -1.0, 1.0, ALPHA);
		for (unsigned int i = 0; i < n; i++) {
			x = draw(&r, m, i, x);
			confseq_add(&c, x);
		}
		/* The intersection: to have missed once is to miss for ever. */
		confseq_interval(&c, &from, &to);
		missed += m < from || m > to;
	}
	return missed;
}

static void test_coverage(void **state)
{
	static const double means[] = { -0.4, 0.0, 0.013, 0.5 };
	source *const sources[] = { two_points, skewed, heteroscedastic, constant };

	(void)state;
	for (size_t s = 0; s < 4; s++)
		for (size_t k = 0; k < 4; k++) {
			/* Of 200, 10 are allowed on average; over 21 is beyond chance (1e-3). */
			if (s == 1 && means[k] > 0.4)
				continue;	/* there the law has another mean */
			assert_in_range(misses(sources[s], means[k], 200, 300), 0, 21);
		}
}

/* Whatever the load does: slices of arms that are alike, in an order that was drawn. */
static void test_random_order(void **state)
{
	unsigned int wrong = 0;

	(void)state;
	for (unsigned int seed = 1; seed <= 400; seed++) {
		double load = 0.0, from, to;
		struct confseq c;
		struct rng r;

		rng_seed(&r, seed);
		confseq_init(&c, -1.0, 1.0, ALPHA);
		for (unsigned int i = 0; i < 300; i++) {
			double slice[2];
			unsigned int first = rng_below(&r, 2);

			for (int k = 0; k < 2; k++) {
				load = 0.95 * load + 0.2 * rng_normal(&r) - 0.02;
				slice[k] = load + 0.05 * (i % 20);
			}
			confseq_add(&c, slice[first] - slice[!first]);
		}
		confseq_interval(&c, &from, &to);
		wrong += from > 0.0 || to < 0.0;
	}
	assert_in_range(wrong, 0, 36);
}

static void test_narrows(void **state)
{
	double from, to, width = 2.0;
	struct confseq c;
	struct rng r;

	(void)state;
	rng_seed(&r, 1);
	confseq_init(&c, -1.0, 1.0, ALPHA);
	assert_true(isnan(confseq_mean(&c)));
	for (unsigned int i = 0; i < 20000; i++) {
		confseq_add(&c, 0.1 + 0.2 * rng_normal(&r));
		confseq_interval(&c, &from, &to);
		assert_true(to - from <= width);	/* at all times */
		width = to - from;
		if (i == 300)
			assert_true(from > 0.0 && to < 0.3);
	}
	/* 2 cells of the grid are 0.016; sqrt(2 log(2 / alpha) 0.04 / n) is 0.004 */
	assert_true(width < 0.05);
	assert_true(from <= 0.1 && 0.1 <= to);
	assert_true(fabs(confseq_mean(&c) - 0.1) < 0.01);
}

static void test_evidence(void **state)
{
	struct confseq c;

	(void)state;
	confseq_init(&c, -1.0, 1.0, ALPHA);
	assert_true(fabs(confseq_evidence_above(&c, 0.0)) < 1e-12);
	/* By hand: of x = 1 and m = 0.5 (scaled) a fraction f becomes 1 + f, of x = 0, 1 - f. */
	confseq_add(&c, 1.0);
	assert_true(fabs(confseq_evidence_above(&c, 0.0) - log(1.0 + 1.771875 / 6.0)) < 1e-9);
	assert_true(fabs(confseq_evidence_below(&c, 0.0) - log(1.0 - 1.771875 / 6.0)) < 1e-9);
	/* Between points of the grid the smaller evidence counts. */
	assert_true(confseq_evidence_above(&c, 0.001) < confseq_evidence_above(&c, 0.0));
	assert_true(confseq_evidence_above(&c, 0.001) == confseq_evidence_above(&c, 1.0 / 128));
	assert_true(isinf(confseq_evidence_above(&c, 1.1)));
	/* The interval moves when the evidence says so: each end has half of alpha. */
	while (confseq_evidence_above(&c, 0.0) < log(2.0 / ALPHA)) {
		assert_true(c.from < 0.0);
		confseq_add(&c, 1.0);
	}
	assert_true(c.from >= 0.0);
	assert_int_equal(c.n, 9);	/* sum of (1 + f)^9 is above 6 * 40, of (1 + f)^8 not */
}

static void test_bad_numbers(void **state)
{
	double from, to;
	struct confseq c;

	(void)state;
	confseq_init(&c, -1.0, 1.0, ALPHA);
	confseq_add(&c, NAN);
	assert_int_equal(c.n, 0);
	for (int i = 0; i < 100000; i++)	/* wealth neither overflows nor vanishes */
		confseq_add(&c, i % 2 ? INFINITY : 1e300);
	confseq_interval(&c, &from, &to);
	assert_true(from > 0.98 && to == 1.0 && isfinite(confseq_evidence_above(&c, 0.0)));
	for (int i = 0; i < 100000; i++)
		confseq_add(&c, -INFINITY);
	assert_true(isfinite(confseq_evidence_below(&c, 0.0)));
	assert_true(isfinite(confseq_evidence_above(&c, 0.0)));
}

/* Observations until the alarm; "n" without one. */
static unsigned int run_length(unsigned int seed, double before, double after, unsigned int change,
			       double sd, double alpha, unsigned int n)
{
	struct edetector e;
	struct rng r;

	rng_seed(&r, seed);
	edetector_init(&e, 0.5, 0.05, alpha);
	for (unsigned int i = 0; i < n; i++)
		if (edetector_add(&e, (i < change ? before : after) + sd * rng_normal(&r)))
			return i + 1;
	return n;
}

static void test_detector_run_length(void **state)
{
	double sum = 0.0, alike = 0.0;

	(void)state;
	/* At the very edge of what is tolerated, 1 / alpha on average at least; here they are cut at 5 / alpha. */
	for (unsigned int seed = 1; seed <= 200; seed++) {
		sum += run_length(seed, -0.05, -0.05, 0, 0.15, 0.01, 500);
		alike += run_length(seed, 0.0, 0.0, 0, 0.15, 0.01, 500);
	}
	assert_true(sum / 200 >= 400.0);	/* the promise is 100; without the tolerance it is 120 */
	assert_true(alike / 200 >= 450.0);
}

static void test_detector_delay(void **state)
{
	unsigned int late = 0, early = 0;

	(void)state;
	/* 1,000 good observations do not buy patience. */
	for (unsigned int seed = 1; seed <= 200; seed++) {
		unsigned int n = run_length(seed, 0.1, -0.3, 1000, 0.15, 0.001, 2000);

		early += n <= 1000;
		late += n > 1000 + 60;
	}
	assert_int_equal(early, 0);
	assert_in_range(late, 0, 4);
}

static void test_detector_latches(void **state)
{
	struct edetector e;

	(void)state;
	edetector_init(&e, 0.5, 0.05, 0.01);
	while (!edetector_add(&e, -0.5))
		assert_in_range(e.n, 1, 30);
	assert_true(edetector_evidence(&e) >= log(100.0));
	for (int i = 0; i < 100; i++)
		assert_true(edetector_add(&e, i % 2 ? 0.5 : NAN));
	edetector_init(&e, 0.5, 0.05, 0.01);
	assert_false(edetector_add(&e, 0.0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coverage),
		cmocka_unit_test(test_random_order),
		cmocka_unit_test(test_narrows),
		cmocka_unit_test(test_evidence),
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_detector_run_length),
		cmocka_unit_test(test_detector_delay),
		cmocka_unit_test(test_detector_latches),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
