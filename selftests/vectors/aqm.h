/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The marking ramp (sluice/aqm.h) against a reference. The cases run in user space
 * (selftests/unit/test_aqm.c) and in a kernel (selftests/kunit); who includes this defines what
 * vectors/unit.h does.
 */
#ifndef VECTORS_AQM_H
#define VECTORS_AQM_H

#include <linux/sluice.h>
#include <sluice/aqm.h>

#define AQM_CASES(X)	\
	X(aqm_table) X(aqm_slope) X(aqm_step) X(aqm_precision) X(aqm_random_settings)	\
	X(aqm_monotonic) X(aqm_fraction) X(aqm_certain)

#define AQM_KNOB_MAX 0x7fffffffu

static struct sluice_aqm_config aqm_config(__u32 qth_min, __u32 qth_max, __u32 max_p)
{
	const struct sluice_aqm_params p = { .qth_min = qth_min, .qth_max = qth_max,
					     .max_p = max_p };
	struct sluice_aqm_config c;

	sluice_aqm_configure(&c, &p);
	return c;
}

/* The contract's formula, in units of 2^-32. */
static __u64 aqm_reference(__u32 qth_min, __u32 qth_max, __u32 max_p, __u32 q)
{
	if (q >= qth_max)
		return 1ULL << 32;
	if (q < qth_min)
		return 0;
	return vec_mul_div((__u64)max_p * (q - qth_min), 1ULL << 32,
			   (__u64)1000000 * (qth_max - qth_min));
}

static void aqm_assert_close(vec_t vec, __u32 qth_min, __u32 qth_max, __u32 max_p, __u32 q)
{
	struct sluice_aqm_config c = aqm_config(qth_min, qth_max, max_p);
	__u64 want = aqm_reference(qth_min, qth_max, max_p, q);
	__u64 got = sluice_aqm_probability(&c, q);

	VEC_ASSERT(got <= want && want - got <= 1,
		   "qth_min %u qth_max %u max_p %u q %u: %llu, expected %llu", qth_min, qth_max,
		   max_p, q, (unsigned long long)got, (unsigned long long)want);
}

/* What a new lot decides that was drawn with that random number. */
static bool aqm_first(const struct sluice_aqm_config *c, __u32 q, __u32 random)
{
	struct sluice_aqm_lot lot;

	sluice_aqm_draw(&lot, random);
	return sluice_aqm_decide(c, &lot, q);
}

/* The larger the random number, the sooner it marks. */
static const struct {
	__u32 qth_min, qth_max, max_p;
	__u32 backlog;
	__u64 p_lo, p_hi;	/* the probability's range */
	bool lowest, highest;	/* whether a lot of 0 and one of U32_MAX mark at once */
} aqm_vector[] = {
	/* Both sides of both thresholds. */
	{ 60000, 180000, 100000, 0, 0, 0, false, false },
	{ 60000, 180000, 100000, 59999, 0, 0, false, false },
	{ 60000, 180000, 100000, 60000, 0, 0, false, false },
	{ 60000, 180000, 100000, 60001, 1, 3580, false, true },
	/* Just below qth_max at most max_p, from qth_max on certainly. */
	{ 60000, 180000, 100000, 179999, 429490000, 429496729, false, true },
	{ 60000, 180000, 100000, 180000, 1ULL << 32, 1ULL << 32, true, true },
	{ 60000, 180000, 100000, 0xffffffffu, 1ULL << 32, 1ULL << 32, true, true },
	{ 0, 1000, 0, 999, 0, 0, false, false },
	{ 0, 1000, 0, 1000, 1ULL << 32, 1ULL << 32, true, true },
	{ 0, 1000, 1000000, 500, (1ULL << 31) - 1, 1ULL << 31, false, true },
	{ 7, 8, 1000000, 6, 0, 0, false, false },
	{ 7, 8, 1000000, 7, 0, 0, false, false },
	{ 7, 8, 1000000, 8, 1ULL << 32, 1ULL << 32, true, true },
};

static void aqm_table(vec_t vec)
{
	__u32 i;

	for (i = 0; i < ARRAY_SIZE(aqm_vector); i++) {
		struct sluice_aqm_config c = aqm_config(aqm_vector[i].qth_min, aqm_vector[i].qth_max,
							aqm_vector[i].max_p);
		__u32 q = aqm_vector[i].backlog;
		__u64 p = sluice_aqm_probability(&c, q);

		VEC_ASSERT(p >= aqm_vector[i].p_lo && p <= aqm_vector[i].p_hi,
			   "vector %u: probability %llu", i, (unsigned long long)p);
		VEC_ASSERT(aqm_first(&c, q, 0) == aqm_vector[i].lowest,
			   "vector %u: the random number 0", i);
		VEC_ASSERT(aqm_first(&c, q, U32_MAX) == aqm_vector[i].highest,
			   "vector %u: the largest random number", i);
	}
}

/* In units of 2^-64, rounded down; a full rise within one byte does not fit. */
static void aqm_slope(vec_t vec)
{
	static const struct { __u32 qth_min, qth_max, max_p; __u64 slope; } row[] = {
		{ 5, 5, 1000000, 0 },
		{ 5, 6, 0, 0 },
		{ 7, 8, 1000000, 0xffffffffffffffffULL },
		{ 0, 2, 1000000, 1ULL << 63 },
		{ 0, 1024, 500000, 1ULL << 53 },
		{ 0, 1, 1, 18446744073709ULL },
		{ 0, AQM_KNOB_MAX, 1000000, 8589934596ULL },
	};
	__u32 i;

	for (i = 0; i < ARRAY_SIZE(row); i++) {
		__u64 slope = aqm_config(row[i].qth_min, row[i].qth_max, row[i].max_p).slope;

		VEC_ASSERT(slope == row[i].slope, "row %u: %llu", i, (unsigned long long)slope);
	}
}

static void aqm_step(vec_t vec)
{
	static const __u32 threshold[] = { 0, 1, 1514, 90000, AQM_KNOB_MAX };
	static const __u32 max_p[] = { 0, 1, 500000, 1000000 };
	__u32 i, j;

	for (i = 0; i < ARRAY_SIZE(threshold); i++) {
		for (j = 0; j < ARRAY_SIZE(max_p); j++) {
			__u32 k = threshold[i];
			struct sluice_aqm_config c = aqm_config(k, k, max_p[j]);

			VEC_ASSERT(!k || !aqm_first(&c, k - 1, U32_MAX), "below %u", k);
			VEC_ASSERT(aqm_first(&c, k, 0), "at %u", k);
		}
	}
}

/* The ramp keeps its precision over the whole range of the knobs. */
static void aqm_precision(vec_t vec)
{
	static const __u32 edge[] = { 0, 1, 2, 3, 1513, 1514, 60000, 1 << 20, (1 << 30) - 1,
				      1 << 30, AQM_KNOB_MAX - 1, AQM_KNOB_MAX };
	static const __u32 max_p[] = { 0, 1, 3, 10000, 333333, 999999, 1000000 };
	const __u32 n = ARRAY_SIZE(edge);
	__u32 a, b, p, q;

	for (a = 0; a < n; a++)
		for (b = a; b < n; b++)
			for (p = 0; p < ARRAY_SIZE(max_p); p++)
				for (q = 0; q < n; q++)
					aqm_assert_close(vec, edge[a], edge[b], max_p[p], edge[q]);
}

static __u32 aqm_random(__u64 *x)
{
	*x = *x * 6364136223846793005ULL + 1442695040888963407ULL;
	return *x >> 32;
}

static void aqm_random_settings(vec_t vec)
{
	__u64 x = 1;
	int i;

	for (i = 0; i < 200000; i++) {
		__u32 a = aqm_random(&x) >> (1 + aqm_random(&x) % 31);
		__u32 b = aqm_random(&x) >> (1 + aqm_random(&x) % 31);
		__u32 lo = a < b ? a : b, hi = a < b ? b : a;
		__u32 q = lo + (hi > lo ? aqm_random(&x) % (hi - lo) : 0);

		aqm_assert_close(vec, lo, hi, aqm_random(&x) % 1000001, q);
	}
}

static void aqm_monotonic(vec_t vec)
{
	struct sluice_aqm_config c = aqm_config(10, 100010, 700000);
	__u64 last = 0;
	__u32 q;

	for (q = 0; q < 100100; q++) {
		__u64 p = sluice_aqm_probability(&c, q);

		VEC_ASSERT(p >= last, "falls at %u", q);
		last = p;
	}
	VEC_ASSERT(last == SLUICE_AQM_ALWAYS, "does not reach 1");
}

/* One that decides, with a lot that is replaced when it is spent. */
static bool aqm_next(const struct sluice_aqm_config *c, struct sluice_aqm_lot *lot, __u32 q,
		     __u64 *x)
{
	bool mark = sluice_aqm_decide(c, lot, q);

	if (sluice_aqm_spent(lot))
		sluice_aqm_draw(lot, aqm_random(x));
	return mark;
}

/* Uniform random numbers mark the fraction that the ramp promises. */
static void aqm_fraction(vec_t vec)
{
	struct sluice_aqm_config c = aqm_config(0, 1000, 200000);
	struct sluice_aqm_lot lot;
	const int n = 1 << 20;
	int marks = 0, i;
	__u64 x = 42;

	sluice_aqm_draw(&lot, aqm_random(&x));
	for (i = 0; i < n; i++)
		marks += aqm_next(&c, &lot, 500, &x);
	/* 10 %; five standard deviations are 0.15 %. */
	VEC_ASSERT(marks >= n / 1000 * 98 && marks <= n / 1000 * 102, "%d of %d", marks, n);
}

/* What is certain either way is not the lot's business, and leaves it as it is. */
static void aqm_certain(vec_t vec)
{
	struct sluice_aqm_config c = aqm_config(1000, 2000, 500000);
	struct sluice_aqm_lot lot;
	__u64 survival;
	int i;

	sluice_aqm_draw(&lot, 1U << 31);
	VEC_ASSERT(!sluice_aqm_decide(&c, &lot, 1500), "a quarter is more than a half");
	survival = lot.survival;
	/* Probabilities are rounded down. */
	VEC_ASSERT(survival >> 32 >= 3ULL << 30 && survival >> 32 <= (3ULL << 30) + 1,
		   "%llu is not three quarters", (unsigned long long)survival);
	for (i = 0; i < 1000; i++) {
		VEC_ASSERT(!sluice_aqm_decide(&c, &lot, 999), "below");
		VEC_ASSERT(!sluice_aqm_decide(&c, &lot, 1000), "at the foot");
		VEC_ASSERT(sluice_aqm_decide(&c, &lot, 2000), "above");
	}
	VEC_ASSERT(lot.survival == survival && !sluice_aqm_spent(&lot), "the lot has changed");
	VEC_ASSERT(!sluice_aqm_decide(&c, &lot, 1500), "9/16 is not below a half");
	VEC_ASSERT(sluice_aqm_decide(&c, &lot, 1500) && sluice_aqm_spent(&lot), "27/64 is");
}

#endif /* VECTORS_AQM_H */
