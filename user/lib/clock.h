/* SPDX-License-Identifier: GPL-2.0 */
/* CLOCK_MONOTONIC, as one number. */
#ifndef SLUICE_LIB_CLOCK_H
#define SLUICE_LIB_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline double monotonic_s(void)
{
	return monotonic_ns() / 1e9;
}

#endif
