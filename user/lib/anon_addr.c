// SPDX-License-Identifier: GPL-2.0
#include "lib/anon_addr.h"

#include <string.h>

struct special {
	uint8_t prefix[16];
	unsigned int bits;	/* of the prefix */
	unsigned int keep;	/* bits that stay where it matches; >= bits */
};

static const struct special special4[] = {
	{ { 0 }, 8, 32 },
	{ { 127 }, 8, 32 },
	{ { 224 }, 4, 32 },
	{ { 233 }, 8, 8 },
	{ { 234 }, 8, 8 },
	{ { 255, 255, 255, 255 }, 32, 32 },
};

static const struct special special6[] = {
	{ { 0 }, 127, 128 },
	{ { [10] = 0xff, [11] = 0xff }, 96, 96 },
	{ { 0xfe, 0x80 }, 64, 64 },
	{ { 0xff }, 8, 128 },
	/* The flag P, whatever the other three are. */
	{ { 0xff, 0x20 }, 11, 16 },
	{ { 0xff, 0x60 }, 11, 16 },
	{ { 0xff, 0xa0 }, 11, 16 },
	{ { 0xff, 0xe0 }, 11, 16 },
	{ { 0xff, 0x02, [11] = 0x01, [12] = 0xff }, 104, 104 },
};

#define N(rows) (sizeof(rows) / sizeof(rows[0]))

static unsigned int common_bits(const uint8_t *a, const uint8_t *b, unsigned int max)
{
	unsigned int n = 0;

	while (n < max && !((a[n / 8] ^ b[n / 8]) & 0x80 >> n % 8))
		n++;
	return n;
}

/* How many leading bits of the address are not flipped. */
static unsigned int kept_bits(const uint8_t *address, const struct special *row, size_t n)
{
	unsigned int way = 0, longest = 0, keep = 0;

	for (size_t i = 0; i < n; i++) {
		const unsigned int common = common_bits(address, row[i].prefix, row[i].bits);
		const unsigned int shared = common < row[i].bits ? common + 1 : common;

		if (shared > way)
			way = shared;
		if (common == row[i].bits && row[i].bits >= longest) {
			longest = row[i].bits;
			keep = row[i].keep;
		}
	}
	return way > keep ? way : keep;
}

/* A key of its own for each kind of address: what is known of one says nothing about another. */
static void derive(const struct cryptopan *from, uint8_t kind, struct cryptopan *to)
{
	uint8_t key[CRYPTOPAN_KEY_BYTES] = "addresses, key 1addresses, key ";

	key[CRYPTOPAN_KEY_BYTES - 1] = '2';
	key[0] = key[AES_BLOCK_SIZE] = kind;
	aes128_encrypt(&from->aes, sizeof(key), key, key);
	cryptopan_init(to, key);
	cryptopan_separate(to);
}

void anon_init(struct anon *a, const uint8_t key[CRYPTOPAN_KEY_BYTES])
{
	struct cryptopan root;

	cryptopan_init(&root, key);
	derive(&root, '4', &a->ip4);
	derive(&root, '6', &a->ip6);
	derive(&root, 'm', &a->mac);
}

void anon_ip4(const struct anon *a, uint8_t address[4])
{
	cryptopan_map(&a->ip4, address, 32, kept_bits(address, special4, N(special4)));
}

void anon_ip6(const struct anon *a, uint8_t address[16])
{
	cryptopan_map(&a->ip6, address, 128, kept_bits(address, special6, N(special6)));
}

static uint8_t reversed(uint8_t byte)
{
	byte = byte >> 4 | byte << 4;
	byte = (byte & 0xcc) >> 2 | (byte & 0x33) << 2;
	return (byte & 0xaa) >> 1 | (byte & 0x55) << 1;
}

/* Bits in the order in which Ethernet sends them: its two flags come first then. */
static void mac_map(const struct anon *a, uint8_t address[6])
{
	for (int i = 0; i < 6; i++)
		address[i] = reversed(address[i]);
	cryptopan_map(&a->mac, address, 48, 2);
	for (int i = 0; i < 6; i++)
		address[i] = reversed(address[i]);
}

void anon_mac(const struct anon *a, uint8_t address[6])
{
	if (anon_mac_of_group(address))
		anon_mac_from_group(address, NULL, 0);
	else if (!(address[0] & 1))
		mac_map(a, address);
}

void anon_mac_source(const struct anon *a, uint8_t address[6])
{
	mac_map(a, address);
}

static bool is_group6(const uint8_t address[6])
{
	return address[0] == 0x33 && address[1] == 0x33;
}

bool anon_mac_of_group(const uint8_t address[6])
{
	return is_group6(address) || (address[0] == 0x01 && !address[1] && address[2] == 0x5e);
}

void anon_mac_from_group(uint8_t address[6], const uint8_t *group, unsigned int group_bytes)
{
	const unsigned int bytes = is_group6(address) ? 4 : 3;

	if (!group || group_bytes != (bytes == 4 ? 16 : 4)) {
		memset(address + 6 - bytes, 0, bytes);
		return;
	}
	memcpy(address + 6 - bytes, group + group_bytes - bytes, bytes);
	if (bytes == 3)
		address[3] &= 0x7f;
}
