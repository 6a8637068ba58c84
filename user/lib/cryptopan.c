// SPDX-License-Identifier: GPL-2.0
#include "lib/cryptopan.h"

#include <string.h>

void cryptopan_init(struct cryptopan *c, const uint8_t key[CRYPTOPAN_KEY_BYTES])
{
	aes128_set_encrypt_key(&c->aes, key);
	aes128_encrypt(&c->aes, sizeof(c->pad), c->pad, key + AES128_KEY_SIZE);
}

/* The first n bits of the address, and the padding for the rest of a block. */
static void make_block(const struct cryptopan *c, const uint8_t *address, unsigned int n,
		       uint8_t block[AES_BLOCK_SIZE])
{
	const unsigned int whole = n / 8;
	const uint8_t ours = ~(0xff >> n % 8);

	memcpy(block, address, whole);
	memcpy(block + whole, c->pad + whole, AES_BLOCK_SIZE - whole);
	if (ours)
		block[whole] = (address[whole] & ours) | (c->pad[whole] & (uint8_t)~ours);
}

void cryptopan_map(const struct cryptopan *c, uint8_t *address, unsigned int bits,
		   unsigned int keep)
{
	uint8_t block[CRYPTOPAN_MAX_BITS][AES_BLOCK_SIZE];
	unsigned int i;

	if (keep >= bits || bits > CRYPTOPAN_MAX_BITS)
		return;
	for (i = keep; i < bits; i++)
		make_block(c, address, i, block[i]);
	/* One call for all: the library then has several blocks under way at a time. */
	aes128_encrypt(&c->aes, (bits - keep) * AES_BLOCK_SIZE, block[keep], block[keep]);
	for (i = keep; i < bits; i++)
		address[i / 8] ^= (block[i][0] >> 7) << (7 - i % 8);
}
