// SPDX-License-Identifier: GPL-2.0
#include "lib/rng.h"

#include <math.h>

#define GOLDEN_GAMMA	0x9e3779b97f4a7c15ull

uint64_t rng_mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

void rng_seed(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		seed += GOLDEN_GAMMA;
		r->s[i] = rng_mix64(seed);
	}
}

void rng_split(const struct rng *parent, uint64_t stream, struct rng *child)
{
	uint64_t seed = rng_mix64(stream + GOLDEN_GAMMA);

	for (int i = 0; i < 4; i++)
		seed = rng_mix64(seed ^ parent->s[i]) + GOLDEN_GAMMA;
	rng_seed(child, seed);
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t *s = r->s, result = rotl(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

/* Lemire's multiply-and-reject ("Fast random integer generation in an interval", 2019). */
uint32_t rng_below(struct rng *r, uint32_t n)
{
	uint64_t m;
	uint32_t floor;

	if (!n)
		return 0;
	floor = -n % n;
	do {
		m = (rng_u64(r) >> 32) * n;
	} while ((uint32_t)m < floor);
	return m >> 32;
}

double rng_uniform(struct rng *r)
{
	return (rng_u64(r) >> 11) * 0x1p-53;
}

double rng_normal(struct rng *r)
{
	double u, v, s;

	/* Marsaglia's polar method; the second value is not kept, so that a state is all there is. */
	do {
		u = 2.0 * rng_uniform(r) - 1.0;
		v = 2.0 * rng_uniform(r) - 1.0;
		s = u * u + v * v;
	} while (s >= 1.0 || s == 0.0);
	return u * sqrt(-2.0 * log(s) / s);
}
