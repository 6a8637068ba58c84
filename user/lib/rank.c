// SPDX-License-Identifier: GPL-2.0
#include "lib/rank.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double rank_quantile(double *values, size_t n, double q)
{
	const double place = q * (n - 1.0);
	const size_t i = n ? (size_t)place : 0;

	if (!n)
		return NAN;
	qsort(values, n, sizeof(*values), ascending);
	return i + 1 < n ? values[i] + (place - i) * (values[i + 1] - values[i]) : values[n - 1];
}

/* The lists are short: counting is enough. */
static double rank_of(const double *values, size_t n, size_t i)
{
	double rank = 0;

	for (size_t j = 0; j < n; j++)
		rank += (values[j] < values[i]) + 0.5 * (values[j] == values[i]);
	return rank;
}

double rank_spearman(const double *a, const double *b, size_t n)
{
	const double mean = n / 2.0;	/* of rank_of() */
	double ab = 0, aa = 0, bb = 0;

	for (size_t i = 0; i < n; i++) {
		const double x = rank_of(a, n, i) - mean, y = rank_of(b, n, i) - mean;

		ab += x * y;
		aa += x * x;
		bb += y * y;
	}
	return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}

double rank_kendall(const double *a, const double *b, size_t n)
{
	double ab = 0, aa = 0, bb = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			const int x = (a[i] > a[j]) - (a[i] < a[j]);
			const int y = (b[i] > b[j]) - (b[i] < b[j]);

			ab += x * y;
			aa += x * x;
			bb += y * y;
		}
	}
	return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}
