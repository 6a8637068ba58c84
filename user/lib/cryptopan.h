/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Crypto-PAn (Xu, Fan, Ammar, Moon, "Prefix-Preserving IP Address Anonymization:
 * Measurement-based Security Evaluation and a New Cryptography-based Scheme", ICNP 2002): a
 * keyed one-to-one mapping of addresses by which two addresses with n leading bits in common
 * keep exactly n in common. Bit i is flipped or not by a pseudo-random function, AES-128, of the
 * bits before it.
 *
 * What is known of it: who knows the true addresses behind a few anonymised ones knows as many
 * leading bits of their neighbours'. And the padding that the reference implementation fills a
 * prefix up with does not say where the prefix ends: where a bit equals the padding's, the next one
 * is flipped as it was, so that one IPv4 address in some 5000 maps to itself. With
 * cryptopan_separate() the function is another one for every length, as the paper has it.
 */
#ifndef SLUICE_LIB_CRYPTOPAN_H
#define SLUICE_LIB_CRYPTOPAN_H

#include <nettle/aes.h>
#include <stdint.h>

#define CRYPTOPAN_KEY_BYTES	32	/* of the cipher and of the padding, 16 each */
#define CRYPTOPAN_MAX_BITS	128

struct cryptopan {
	struct aes128_ctx aes;
	uint8_t pad[AES_BLOCK_SIZE];
	uint8_t length[CRYPTOPAN_MAX_BITS][AES_BLOCK_SIZE];	/* added to a prefix of so many bits */
};

/* As the reference implementation. */
void cryptopan_init(struct cryptopan *c, const uint8_t key[CRYPTOPAN_KEY_BYTES]);
void cryptopan_separate(struct cryptopan *c);
/*
 * Maps the address of "bits" bits (a multiple of 8) in place. The first "keep" bits stay as they
 * are; the scheme as published is keep = 0.
 */
void cryptopan_map(const struct cryptopan *c, uint8_t *address, unsigned int bits,
		   unsigned int keep);

#endif
