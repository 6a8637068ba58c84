// SPDX-License-Identifier: GPL-2.0
#include "lib/hist.h"

static __u64 slot_count(const __u64 *now, const __u64 *before, unsigned int i)
{
	__u64 b = before ? before[i] : 0;

	/* A slot that went back belongs to a histogram that was made anew. */
	return now[i] >= b ? now[i] - b : now[i];
}

double hist_quantile_ns(const __u64 now[SLUICE_HIST_SLOTS], const __u64 before[SLUICE_HIST_SLOTS],
			double q)
{
	double total = 0, rank, seen = 0;
	unsigned int i;

	for (i = 0; i < SLUICE_HIST_SLOTS; i++)
		total += slot_count(now, before, i);
	if (total == 0)
		return -1;

	rank = q * total;
	for (i = 0; i < SLUICE_HIST_SLOTS; i++) {
		double n = slot_count(now, before, i);
		double low = i ? (double)(1ULL << i) : 0;
		double high = (double)(2ULL << i);

		if (n > 0 && seen + n >= rank)
			return low + (high - low) * (rank - seen) / n;
		seen += n;
	}
	return (double)(2ULL << (SLUICE_HIST_SLOTS - 1));
}
