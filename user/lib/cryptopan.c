// SPDX-License-Identifier: GPL-2.0
#include "lib/cryptopan.h"

#include <string.h>

void cryptopan_init(struct cryptopan *c, const uint8_t key[CRYPTOPAN_KEY_BYTES])
{
	aes128_set_encrypt_key(&c->aes, key);
	aes128_encrypt(&c->aes, sizeof(c->pad), c->pad, key + AES128_KEY_SIZE);
	memset(c->length, 0, sizeof(c->length));
}

/* Unknown without the key, and never the same for two lengths, so that blocks are not, either. */
void cryptopan_separate(struct cryptopan *c)
{
	struct aes128_ctx other;

	aes128_set_encrypt_key(&other, c->pad);
	memset(c->length, 0, sizeof(c->length));
	for (unsigned int i = 0; i < CRYPTOPAN_MAX_BITS; i++)
		c->length[i][0] = i;
	aes128_encrypt(&other, sizeof(c->length), c->length[0], c->length[0]);
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
	for (unsigned int i = 0; i < AES_BLOCK_SIZE; i++)
		block[i] ^= c->length[n][i];
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
