/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which bucket a flow belongs to. One source for the XDP program, the library
 * and the tests.
 *
 * The hash is symmetric: both directions of a connection have the same bucket
 * and so the same CPU, where the connection's state is then in one cache. A
 * forwarding host, a firewall or a DPI box sees both directions and profits; a
 * NIC's Toeplitz hash usually is not symmetric.
 *
 * Symmetry comes from a sum. Each end (address, port) is mixed alone to 64
 * bits, the two results are added, and the sum is multiplied once more. XOR
 * of the raw ends would be symmetric too, but it maps 10.0.0.1 -> 10.0.0.2 and
 * 10.0.0.5 -> 10.0.0.6 to the same value, and neighbours are what a rack
 * consists of; sorting the ends costs a branch that no predictor guesses.
 *
 * An end is folded to one word by a multilinear hash with odd constants (from
 * the digits of pi), then goes through two rounds of xorshift and multiply, as
 * the finaliser of MurmurHash3 does, so that every bit of an address reaches
 * every bit of the word. The bucket is the top bits of the last product, which
 * are the ones that depend on all bits below them.
 *
 * There is no secret: who can choose ports can fill one bucket. That costs one
 * CPU, as with any RSS key that is the driver's default.
 *
 * Addresses are read in host order, so bucket numbers differ between big- and
 * little-endian hosts. They are never sent anywhere.
 */
#ifndef SLUICE_HASH_H
#define SLUICE_HASH_H

#include <linux/sluice.h>

static inline __attribute__((always_inline)) __u64 sluice_mix64(__u64 x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x ^ (x >> 33);
}

static inline __attribute__((always_inline)) __u64 sluice_hash_end(const __u8 addr[16],
								    __be16 port)
{
	__u64 lo, hi;

	__builtin_memcpy(&lo, addr, 8);
	__builtin_memcpy(&hi, addr + 8, 8);
	return sluice_mix64(lo * 0x243f6a8885a308d3ULL + hi * 0x13198a2e03707345ULL +
			    (__u64)port * 0xa4093822299f31d1ULL);
}

/* All 64 bits; every table that is looked up by flow takes other bits of it. */
static inline __attribute__((always_inline)) __u64 sluice_flow_hash(const struct sluice_flow_key *k)
{
	__u64 sum = sluice_hash_end(k->saddr, k->sport) + sluice_hash_end(k->daddr, k->dport) +
		    k->proto;

	return sum * 0x9e3779b97f4a7c15ULL;
}

static inline __attribute__((always_inline)) __u32 sluice_hash_bucket(__u64 hash)
{
	_Static_assert(SLUICE_BUCKETS == 1 << 10, "the shift below takes 10 bits");
	return (__u32)(hash >> (64 - 10));
}

/* Of the caches before the flow tables, within a block. */
static inline __attribute__((always_inline)) __u32 sluice_cache_slot(__u64 hash)
{
	return (__u32)(hash >> 40) % SLUICE_CACHE_SLOTS;
}

static inline __attribute__((always_inline)) __u32 sluice_bucket_of(const struct sluice_flow_key *k)
{
	return sluice_hash_bucket(sluice_flow_hash(k));
}

#endif
