/* SPDX-License-Identifier: GPL-2.0 */
/* Orders: quantiles of a list of numbers, and how alike two lists are ordered. */
#ifndef SLUICE_LIB_RANK_H
#define SLUICE_LIB_RANK_H

#include <stddef.h>

/*
 * What stands at place q (n - 1) of the n values in ascending order, counted from 0; between two
 * places, linearly between their values. NaN for n = 0; sorts the values.
 */
double rank_quantile(double *values, size_t n, double q);

/*
 * Spearman's rank correlation, where equal values share the mean of their ranks, and Kendall's
 * tau-b. NaN when n < 2, when one list has no two different values.
 */
double rank_spearman(const double *a, const double *b, size_t n);
double rank_kendall(const double *a, const double *b, size_t n);

#endif
