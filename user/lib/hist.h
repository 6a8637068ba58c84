/* SPDX-License-Identifier: GPL-2.0 */
/* Quantiles of the contract's log2 histograms (SLUICE_HIST_SLOTS). */
#ifndef SLUICE_LIB_HIST_H
#define SLUICE_LIB_HIST_H

#include <linux/sluice.h>

/*
 * The q-quantile (0 < q <= 1) in ns of the counts in now - before ("before"
 * may be NULL), interpolated linearly inside a slot; -1 when it is empty.
 */
double hist_quantile_ns(const __u64 now[SLUICE_HIST_SLOTS], const __u64 before[SLUICE_HIST_SLOTS],
			double q);

#endif
