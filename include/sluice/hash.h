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

static inline __attribute__((always_inline)) __u64 sluice_mix_end(__u64 lo, __u64 hi, __be16 port)
{
	return sluice_mix64(lo * 0x243f6a8885a308d3ULL + hi * 0x13198a2e03707345ULL +
			    (__u64)port * 0xa4093822299f31d1ULL);
}

static inline __attribute__((always_inline)) __u64 sluice_hash_end(const __u8 addr[16],
								    __be16 port)
{
	__u64 lo, hi;

	__builtin_memcpy(&lo, addr, 8);
	__builtin_memcpy(&hi, addr + 8, 8);
	return sluice_mix_end(lo, hi, port);
}

static inline __attribute__((always_inline)) __u64 sluice_hash_ends(__u64 a, __u64 b, __u8 proto)
{
	return (a + b + proto) * 0x9e3779b97f4a7c15ULL;
}

/* A word from its halves in the order of memory, and the first and second half of one. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SLUICE_HALVES(first, second)	((__u64)(first) | (__u64)(second) << 32)
#define SLUICE_FIRST_HALF(word)		((__u32)(word))
#define SLUICE_SECOND_HALF(word)	((__u32)((word) >> 32))
#define SLUICE_FIRST_QUARTER(half)	((__u16)(half))
#define SLUICE_SECOND_QUARTER(half)	((__u16)((half) >> 16))
#define SLUICE_BYTES(first, second)	((__u32)(first) | (__u32)(second) << 8)
#define SLUICE_FIRST_BYTE(half)		((__u8)(half))
#else
#define SLUICE_HALVES(first, second)	((__u64)(first) << 32 | (second))
#define SLUICE_FIRST_HALF(word)		((__u32)((word) >> 32))
#define SLUICE_SECOND_HALF(word)	((__u32)(word))
#define SLUICE_FIRST_QUARTER(half)	((__u16)((half) >> 16))
#define SLUICE_SECOND_QUARTER(half)	((__u16)(half))
#define SLUICE_BYTES(first, second)	((__u32)(first) << 24 | (__u32)(second) << 16)
#define SLUICE_FIRST_BYTE(half)		((__u8)((half) >> 24))
#endif

/* The same of a key in registers: the two words of a struct sluice_flow4_key ... */
static inline __attribute__((always_inline)) __u64 sluice_words4_hash(const __u64 w[2])
{
	const __u32 ports = SLUICE_FIRST_HALF(w[1]);
	const __u64 src = SLUICE_HALVES(SLUICE_FIRST_HALF(w[0]), 0);
	const __u64 dst = SLUICE_HALVES(SLUICE_SECOND_HALF(w[0]), 0);

	return sluice_hash_ends(sluice_mix_end(src, 0, SLUICE_FIRST_QUARTER(ports)),
				sluice_mix_end(dst, 0, SLUICE_SECOND_QUARTER(ports)),
				SLUICE_FIRST_BYTE(SLUICE_SECOND_HALF(w[1])));
}

/* ... and the five of a struct sluice_flow_key. */
static inline __attribute__((always_inline)) __u64 sluice_words6_hash(const __u64 w[5])
{
	const __u32 ports = SLUICE_FIRST_HALF(w[4]);

	return sluice_hash_ends(sluice_mix_end(w[0], w[1], SLUICE_FIRST_QUARTER(ports)),
				sluice_mix_end(w[2], w[3], SLUICE_SECOND_QUARTER(ports)),
				SLUICE_FIRST_BYTE(SLUICE_SECOND_HALF(w[4])));
}

/* All 64 bits; every table that is looked up by flow takes other bits of it. */
static inline __attribute__((always_inline)) __u64 sluice_flow_hash(const struct sluice_flow_key *k)
{
	return sluice_hash_ends(sluice_hash_end(k->saddr, k->sport),
				sluice_hash_end(k->daddr, k->dport), k->proto);
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
