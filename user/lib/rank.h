/* SPDX-License-Identifier: GPL-2.0 */
/* How alike two orders are. */
#ifndef SLUICE_LIB_RANK_H
#define SLUICE_LIB_RANK_H

#include <stddef.h>

/* From 0; equal values share the mean of their ranks. */
void rank_of(const double *v, size_t n, double *rank);
/* Spearman's correlation of a and b, each [n]; 0 when one of them has only one value. */
double rank_spearman(const double *a, const double *b, size_t n);

#endif
