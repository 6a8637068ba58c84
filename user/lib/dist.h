/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Distributions of flow sizes, as the research community passes them round: a text file with
 * "bytes cumulative" per line, the cumulative share as a fraction or in percent, linear between
 * two lines. Lines that begin with # and empty ones do not count.
 */
#ifndef SLUICE_LIB_DIST_H
#define SLUICE_LIB_DIST_H

#include <stddef.h>

#include "lib/err.h"

struct dist {
	double *bytes, *share;	/* n points; neither decreases, the last share is 1 */
	size_t n;
};

/* An error names the file, the line and what is wrong. */
int dist_read(const char *path, struct dist *ret, struct sl_err *e);
void dist_free(struct dist *d);
double dist_mean(const struct dist *d);
/* The quantile u of 0..1: the inverse of the cumulative share. */
double dist_quantile(const struct dist *d, double u);

#endif
