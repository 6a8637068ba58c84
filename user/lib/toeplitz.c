// SPDX-License-Identifier: GPL-2.0
#include "lib/toeplitz.h"

#include <errno.h>
#include <string.h>

int toeplitz_hash(const uint8_t *key, size_t key_len, const uint8_t *input, size_t len,
		  uint32_t *hash)
{
	uint32_t window, result = 0;

	if (key_len < len + 4)
		return -EINVAL;
	window = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
	for (size_t i = 0; i < len; i++)
		for (int bit = 7; bit >= 0; bit--) {
			if (input[i] >> bit & 1)
				result ^= window;
			window = window << 1 | (key[i + 4] >> bit & 1);
		}
	*hash = result;
	return 0;
}

/* Appends the fields a and b to the input, transformed. */
static size_t put_pair(uint8_t *to, const void *a, const void *b, size_t len,
		       enum toeplitz_xfrm xfrm)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < len; i++) {
		to[i] = xfrm == TOEPLITZ_AS_IS ? x[i] :
			xfrm == TOEPLITZ_SYM_XOR ? x[i] ^ y[i] : x[i] | y[i];
		to[len + i] = xfrm == TOEPLITZ_AS_IS ? y[i] : x[i] ^ y[i];
	}
	return 2 * len;
}

int toeplitz_flow(const uint8_t *key, size_t key_len, enum toeplitz_xfrm xfrm,
		  const struct sluice_flow_key *flow, bool with_ports, uint32_t *hash)
{
	uint8_t input[TOEPLITZ_INPUT_MAX];
	size_t len;

	len = put_pair(input, flow->saddr, flow->daddr, flow->family == 6 ? 16 : 4, xfrm);
	if (with_ports)
		len += put_pair(input + len, &flow->sport, &flow->dport, 2, xfrm);
	return toeplitz_hash(key, key_len, input, len, hash);
}
