/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Seeded random numbers: xoshiro256++ (Blackman and Vigna, "Scrambled linear
 * pseudorandom number generators", 2019), its state filled by SplitMix64. The
 * same seed gives the same numbers on every machine. Not for secrets.
 */
#ifndef SLUICE_LIB_RNG_H
#define SLUICE_LIB_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
/* A stream of its own for a part of the program: draws elsewhere do not shift it. */
void rng_split(const struct rng *parent, uint64_t stream, struct rng *child);
uint64_t rng_u64(struct rng *r);
/* Uniform in [0, n) without bias; 0 for n = 0. */
uint32_t rng_below(struct rng *r, uint32_t n);
double rng_uniform(struct rng *r);	/* [0, 1) */
double rng_normal(struct rng *r);	/* mean 0, variance 1 */

/* SplitMix64's finaliser: a good 64-bit hash of x. */
uint64_t rng_mix64(uint64_t x);

#endif
