// SPDX-License-Identifier: GPL-2.0
#include "lab/stats.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>

#define SIGNS_EXACT	13	/* 8,192 patterns: fewer than would be drawn */
#define UNITS_MAX	100000

double stats_mean(const double *x, size_t n)
{
	return n ? gsl_stats_mean(x, 1, n) : NAN;
}

double stats_sd(const double *x, size_t n)
{
	return n > 1 ? gsl_stats_sd(x, 1, n) : NAN;
}

double stats_cv(const double *x, size_t n)
{
	return n > 1 ? stats_sd(x, n) / gsl_stats_mean(x, 1, n) : NAN;
}

double stats_quantile(const double *x, size_t n, double q)
{
	double *sorted, v;

	if (!n)
		return NAN;
	sorted = malloc(n * sizeof(*sorted));
	if (!sorted)
		return NAN;
	memcpy(sorted, x, n * sizeof(*sorted));
	gsl_sort(sorted, 1, n);
	v = gsl_stats_quantile_from_sorted_data(sorted, 1, n, q);
	free(sorted);
	return v;
}

double stats_km_quantile(const double *x, const bool *censored, size_t n, double q)
{
	size_t *order = malloc((n ? n : 1) * sizeof(*order));
	double survive = 1, v = NAN;

	if (!order)
		return NAN;
	gsl_sort_index(order, x, 1, n);
	for (size_t i = 0; i < n && isnan(v);) {
		const double at = x[order[i]];
		size_t ended = 0, j = i;

		for (; j < n && x[order[j]] == at; j++)
			ended += !censored[order[j]];
		survive *= 1 - ended / (double)(n - i);
		if (ended && 1 - survive >= q - 1e-12)
			v = at;
		i = j;
	}
	free(order);
	return v;
}

static gsl_rng *generator(uint64_t seed)
{
	gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);

	if (rng)
		gsl_rng_set(rng, (unsigned long)(seed & 0xffffffff) + 1);
	return rng;
}

void stats_interval_mean(const double *x, size_t n, struct stats_interval *ret)
{
	double mean, error;

	*ret = (struct stats_interval){ stats_mean(x, n), NAN, NAN, NAN, NAN };
	if (n < 2)
		return;
	mean = ret->mean;
	error = gsl_stats_sd(x, 1, n) / sqrt(n);
	ret->low = mean - gsl_cdf_tdist_Pinv(0.975, n - 1) * error;
	ret->high = mean + gsl_cdf_tdist_Pinv(0.975, n - 1) * error;
	ret->lower = mean - gsl_cdf_tdist_Pinv(0.95, n - 1) * error;
	ret->upper = mean + gsl_cdf_tdist_Pinv(0.95, n - 1) * error;
}

/* All r for which the mean of a - r b may be 0: of a parabola's roots, where they bound a range. */
static bool fieller(const double *a, const double *b, size_t n, double level, double *low,
		    double *high)
{
	const double t = gsl_cdf_tdist_Pinv(level, n - 1), k = t * t / n;
	const double ma = gsl_stats_mean(a, 1, n), mb = gsl_stats_mean(b, 1, n);
	const double square = mb * mb - k * gsl_stats_variance(b, 1, n);
	const double middle = ma * mb - k * gsl_stats_covariance(a, 1, b, 1, n);
	const double rest = ma * ma - k * gsl_stats_variance(a, 1, n);
	double root;

	if (!(square > 0))
		return false;
	root = sqrt(fmax(0, middle * middle - square * rest));
	*low = (middle - root) / square;
	*high = (middle + root) / square;
	return true;
}

void stats_interval_ratio(const double *a, const double *b, size_t n, struct stats_interval *ret)
{
	const double below = stats_mean(b, n);

	*ret = (struct stats_interval){ NAN, NAN, NAN, NAN, NAN };
	/* Nothing is to be had there: the share of it means nothing. */
	if (!n || !(below > 0))
		return;
	ret->mean = stats_mean(a, n) / below;
	if (n < 2 || !fieller(a, b, n, 0.975, &ret->low, &ret->high))
		return;
	fieller(a, b, n, 0.95, &ret->lower, &ret->upper);
}

double stats_sign_test(const double *x, const double *weight, size_t n, uint64_t seed)
{
	const bool exact = n <= SIGNS_EXACT;
	const unsigned long patterns = exact ? 1UL << n : STATS_PERMUTATIONS;
	unsigned long as_far = exact ? 0 : 1;
	double sample = 0, scale = 0;
	gsl_rng *rng;

	if (!n)
		return NAN;
	rng = generator(seed);
	if (!rng)
		return NAN;
	for (size_t i = 0; i < n; i++) {
		sample += weight[i] * x[i];
		scale += fabs(weight[i] * x[i]);
	}
	for (unsigned long k = 0; k < patterns; k++) {
		unsigned long bits = exact ? k : 0;
		double sum = 0;

		for (size_t i = 0; i < n; i++) {
			if (!exact && i % 32 == 0)
				bits = gsl_rng_get(rng);
			sum += bits & 1 ? weight[i] * x[i] : -weight[i] * x[i];
			bits >>= 1;
		}
		/* Sums of the same terms in the same order may still differ by rounding. */
		as_far += fabs(sum) >= fabs(sample) - 1e-12 * scale;
	}
	gsl_rng_free(rng);
	return as_far / (double)(exact ? patterns : patterns + 1);
}

int stats_holm(double *p, size_t n)
{
	size_t *order = malloc((n ? n : 1) * sizeof(*order)), tests = 0;
	double least = 0;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		tests += !isnan(p[i]);
	/* NAN has no place in an order: it goes last, as more than any p. */
	for (size_t i = 0; i < n; i++)
		p[i] = isnan(p[i]) ? 2 : p[i];
	gsl_sort_index(order, p, 1, n);
	for (size_t i = 0; i < n; i++) {
		double *v = &p[order[i]];

		if (i < tests) {
			least = fmax(least, fmin(1, *v * (tests - i)));
			*v = least;
		} else {
			*v = NAN;
		}
	}
	free(order);
	return 0;
}

static bool spread(const double *x, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (x[i] != x[0])
			return true;
	return false;
}

double stats_pearson(const double *x, const double *y, size_t n)
{
	return spread(x, n) && spread(y, n) ? gsl_stats_correlation(x, 1, y, 1, n) : NAN;
}

double stats_spearman(const double *x, const double *y, size_t n)
{
	double *work, v;

	if (!spread(x, n) || !spread(y, n))
		return NAN;
	work = malloc(2 * n * sizeof(*work));
	if (!work)
		return NAN;
	v = gsl_stats_spearman(x, 1, y, 1, n, work);
	free(work);
	return v;
}

double stats_variance_test(const double *x, size_t nx, const double *y, size_t ny)
{
	if (nx < 2 || ny < 2 || !spread(x, nx) || !spread(y, ny))
		return NAN;
	return gsl_cdf_fdist_Q(gsl_stats_variance(x, 1, nx) / gsl_stats_variance(y, 1, ny), nx - 1,
			       ny - 1);
}

size_t stats_units_needed(const double *x, size_t n, double margin)
{
	double mean, sd;

	if (n < 2)
		return 0;
	mean = gsl_stats_mean(x, 1, n);
	sd = gsl_stats_sd(x, 1, n);
	if (mean >= margin)
		return 0;
	for (size_t units = 2; units < UNITS_MAX; units += units < 1000 ? 1 : units / 1000)
		if (mean + gsl_cdf_tdist_Pinv(0.95, units - 1) * sd / sqrt(units) <= margin)
			return units;
	return 0;
}

/* The furthest two of two clusters. */
static double linkage(const double *distance, size_t n, const unsigned int *cluster,
		      unsigned int a, unsigned int b)
{
	double far = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; cluster[i] == a && j < n; j++)
			if (cluster[j] == b)
				far = fmax(far, distance[i * n + j]);
	return far;
}

int stats_cluster(const double *distance, size_t n, double limit, unsigned int *cluster)
{
	unsigned int *name = malloc((n ? n : 1) * sizeof(*name)), names = 0;

	if (!name)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		cluster[i] = i;
	for (;;) {
		double best = limit;
		size_t a = n, b = n;

		for (size_t i = 0; i < n; i++) {
			for (size_t j = 0; cluster[i] == i && j < i; j++) {
				const double d = cluster[j] == j ?
					linkage(distance, n, cluster, i, j) : INFINITY;

				if (d <= best && (d < best || a == n)) {
					best = d;
					a = j;
					b = i;
				}
			}
		}
		if (a == n)
			break;
		for (size_t i = 0; i < n; i++)
			if (cluster[i] == b)
				cluster[i] = a;
	}
	/* A cluster's number was its first member's, which comes before the others. */
	for (size_t i = 0; i < n; i++) {
		if (cluster[i] == i)
			name[i] = names++;
		cluster[i] = name[cluster[i]];
	}
	free(name);
	return names;
}
