// SPDX-License-Identifier: GPL-2.0
#include "lib/rank.h"

#include <math.h>

static double rank_at(const double *v, size_t n, size_t i)
{
	double below = 0, same = 0;

	for (size_t j = 0; j < n; j++) {
		below += v[j] < v[i];
		same += v[j] == v[i];
	}
	return below + (same - 1) / 2;
}

void rank_of(const double *v, size_t n, double *rank)
{
	for (size_t i = 0; i < n; i++)
		rank[i] = rank_at(v, n, i);
}

double rank_spearman(const double *a, const double *b, size_t n)
{
	const double mean = ((double)n - 1) / 2;
	double xy = 0, xx = 0, yy = 0;

	for (size_t i = 0; i < n; i++) {
		const double x = rank_at(a, n, i) - mean, y = rank_at(b, n, i) - mean;

		xy += x * y;
		xx += x * x;
		yy += y * y;
	}
	return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}
