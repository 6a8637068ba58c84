/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The statistics of a campaign, by GSL. All are of lists in which every value is finite, and NAN
 * where a list is too short for what is asked. Whatever draws at random takes a seed: the same
 * data and seed give the same numbers on every machine.
 *
 *	interval	Student's t, and Fieller's for a ratio. A bootstrap would assume less, but of the
 *			handful of families that a campaign has it is far too narrow: of four normal values
 *			its 95 % interval held the mean 81 times of 100, of two 47 times
 *	permutation	of paired runs, by random signs within a unit; p counts the sample itself, so it
 *			is never 0
 *	Holm		the step-down procedure; adjusted p-values
 *	Kaplan-Meier	quantiles where some values are only known to be at least what they say
 */
#ifndef SLUICE_LAB_STATS_H
#define SLUICE_LAB_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATS_PERMUTATIONS	9999

struct stats_interval {
	double mean, low, high;	/* 95 %, two-sided */
	double upper;		/* 95 %, one-sided */
	double lower;
};

double stats_mean(const double *x, size_t n);
double stats_sd(const double *x, size_t n);	/* n - 1 */
double stats_cv(const double *x, size_t n);	/* that over the mean */
/* Between two places, linearly; x stays as it is. */
double stats_quantile(const double *x, size_t n, double q);
/* The least value that a share q stays below or at; NAN: censored before that. */
double stats_km_quantile(const double *x, const bool *censored, size_t n, double q);

/* Of one value there are no bounds. */
void stats_interval_mean(const double *x, size_t n, struct stats_interval *ret);
/* Mean of a over mean of b, of pairs; no bounds where b may as well be 0, and no ratio below it. */
void stats_interval_ratio(const double *a, const double *b, size_t n, struct stats_interval *ret);

/*
 * Two-sided p of "the weighted sum of x is 0" where each value's sign could as well be the other:
 * all sign patterns for n <= 13, else STATS_PERMUTATIONS at random. NAN for n = 0.
 */
double stats_sign_test(const double *x, const double *weight, size_t n, uint64_t seed);
/* In place. NAN is no test, and stays. -ENOMEM. */
int stats_holm(double *p, size_t n);

double stats_pearson(const double *x, const double *y, size_t n);	/* NAN: one has no spread */
double stats_spearman(const double *x, const double *y, size_t n);
/* Of x's variance over y's being that large or larger when both are alike (F, one-sided). */
double stats_variance_test(const double *x, size_t nx, const double *y, size_t ny);

/*
 * How many units it takes until the one-sided 95 % bound of the mean is at margin or below, if
 * mean and spread stay as they are (Student's t); 0: no number does, as the mean is not below it.
 */
size_t stats_units_needed(const double *x, size_t n, double margin);

/*
 * Puts n things into clusters such that no two in one are further apart than limit: hierarchical,
 * complete linkage. distance is n * n, symmetric. cluster[i] are 0, 1, ... by first member.
 * Their number, or -ENOMEM.
 */
int stats_cluster(const double *distance, size_t n, double limit, unsigned int *cluster);

#endif
