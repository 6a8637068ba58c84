/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The Toeplitz hash by which NICs choose a receive queue (RSS). As Microsoft's
 * specification has it ("RSS Hashing Functions" and "RSS Hashing Types" in the
 * network driver documentation): for every bit of the input that is 1, counted
 * from the most significant one, the 32 bits of the key that begin at the same
 * bit are XORed into the result. The input is the source address, the
 * destination address and, where ports are hashed, source and destination
 * port, all in network order and without gaps.
 *
 * Linux drivers may transform the input so that both directions of a flow have
 * one hash; ethtool calls that symmetric-xor (6.8) and symmetric-or-xor (6.16)
 * and reports it as input_xfrm. Each pair of fields (a, b) is then replaced by
 * (a ^ b, a ^ b) or by (a | b, a ^ b).
 */
#ifndef SLUICE_LIB_TOEPLITZ_H
#define SLUICE_LIB_TOEPLITZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/sluice.h>

#define TOEPLITZ_INPUT_MAX	36	/* two IPv6 addresses and two ports */

enum toeplitz_xfrm {
	TOEPLITZ_AS_IS,
	TOEPLITZ_SYM_XOR,	/* the values are ethtool's RXH_XFRM_* */
	TOEPLITZ_SYM_OR_XOR,
};

/* -EINVAL when the key is too short: it takes the input's length and four bytes. */
int toeplitz_hash(const uint8_t *key, size_t key_len, const uint8_t *input, size_t len,
		  uint32_t *hash);

/* The hash of a flow: of its addresses, with_ports of its ports as well. */
int toeplitz_flow(const uint8_t *key, size_t key_len, enum toeplitz_xfrm xfrm,
		  const struct sluice_flow_key *flow, bool with_ports, uint32_t *hash);

#endif
