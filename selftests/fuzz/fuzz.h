/* SPDX-License-Identifier: GPL-2.0 */
/* What the bounded fuzzers share: random numbers from a fixed seed, and how they give up. */
#ifndef SLUICE_SELFTESTS_FUZZ_H
#define SLUICE_SELFTESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t rng = 1;

static inline uint32_t random32(void)
{
	rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return rng >> 32;
}

static inline uint32_t below(uint32_t n)
{
	return random32() % n;
}

#define check(condition) do {							\
	if (!(condition)) {							\
		fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
		abort();							\
	}									\
} while (0)

#endif
