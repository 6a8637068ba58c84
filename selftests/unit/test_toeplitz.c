// SPDX-License-Identifier: GPL-2.0
/*
 * user/lib/toeplitz.c against published values: those of "Verifying the RSS Hash Calculation" in
 * Microsoft's network driver documentation, some here and all in ../shared/data/rss.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/toeplitz.h"

#define VECTORS "../shared/data/rss/toeplitz_vectors.tsv"

static const uint8_t ms_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static struct sluice_flow_key flow(const char *src, unsigned int sport, const char *dst,
				   unsigned int dport)
{
	struct sluice_flow_key k = { .sport = htons(sport), .dport = htons(dport), .proto = 6 };
	const int family = strchr(src, ':') ? AF_INET6 : AF_INET;

	k.family = family == AF_INET6 ? 6 : 4;
	assert_int_equal(inet_pton(family, src, k.saddr), 1);
	assert_int_equal(inet_pton(family, dst, k.daddr), 1);
	return k;
}

static uint32_t hash_of(const struct sluice_flow_key *k, enum toeplitz_xfrm xfrm, bool ports)
{
	uint32_t hash;

	assert_int_equal(toeplitz_flow(ms_key, sizeof(ms_key), xfrm, k, ports, &hash), 0);
	return hash;
}

static void check(const char *src, unsigned int sport, const char *dst, unsigned int dport,
		  uint32_t l3, uint32_t l3l4)
{
	const struct sluice_flow_key k = flow(src, sport, dst, dport);

	assert_int_equal(hash_of(&k, TOEPLITZ_AS_IS, false), l3);
	assert_int_equal(hash_of(&k, TOEPLITZ_AS_IS, true), l3l4);
}

static void test_published(void **state)
{
	(void)state;
	check("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323e8fc2, 0x51ccc178);
	check("199.92.111.2", 14230, "65.69.140.83", 4739, 0xd718262a, 0xc626b0ea);
	check("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2cc18cd5, 0x40207d3d);
}

static void test_vector_file(void **state)
{
	unsigned int sport, dport, l3, l3l4, n = 0;
	char src[64], dst[64], line[256];
	FILE *f = fopen(VECTORS, "r");

	(void)state;
	if (!f) {
		print_message("# SKIP there is no %s\n", VECTORS);
		skip();
	}
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %63s %u %u %x %x", dst, src, &dport, &sport, &l3,
			   &l3l4) != 6)
			continue;
		check(src, sport, dst, dport, l3, l3l4);
		n++;
	}
	fclose(f);
	assert_int_equal(n, 8);
}

static void test_short_key(void **state)
{
	const struct sluice_flow_key four = flow("10.0.0.1", 1, "10.0.0.2", 2);
	const struct sluice_flow_key six = flow("fd00::1", 1, "fd00::2", 2);
	uint32_t hash = 7;

	(void)state;
	assert_int_equal(toeplitz_flow(ms_key, 15, 0, &four, true, &hash), -EINVAL);
	assert_int_equal(toeplitz_flow(ms_key, 39, 0, &six, true, &hash), -EINVAL);
	assert_int_equal(hash, 7);
	assert_int_equal(toeplitz_flow(ms_key, 16, 0, &four, true, &hash), 0);
	assert_int_equal(toeplitz_flow(ms_key, 40, 0, &six, true, &hash), 0);
}

/* The transformations are defined by what goes into the plain hash. */
static void test_symmetric(void **state)
{
	const struct sluice_flow_key there = flow("10.1.2.3", 1000, "192.168.9.8", 443);
	const struct sluice_flow_key back = flow("192.168.9.8", 443, "10.1.2.3", 1000);
	const uint8_t x[4] = { 10 ^ 192, 1 ^ 168, 2 ^ 9, 3 ^ 8 };
	const uint8_t o[4] = { 10 | 192, 1 | 168, 2 | 9, 3 | 8 };
	const uint16_t px = htons(1000 ^ 443), po = htons(1000 | 443);
	uint8_t in[12];
	uint32_t expected;

	(void)state;
	memcpy(in, x, 4);
	memcpy(in + 4, x, 4);
	memcpy(in + 8, &px, 2);
	memcpy(in + 10, &px, 2);
	assert_int_equal(toeplitz_hash(ms_key, sizeof(ms_key), in, 12, &expected), 0);
	assert_int_equal(hash_of(&there, TOEPLITZ_SYM_XOR, true), expected);
	assert_int_equal(hash_of(&back, TOEPLITZ_SYM_XOR, true), expected);

	memcpy(in, o, 4);
	memcpy(in + 8, &po, 2);
	assert_int_equal(toeplitz_hash(ms_key, sizeof(ms_key), in, 12, &expected), 0);
	assert_int_equal(hash_of(&there, TOEPLITZ_SYM_OR_XOR, true), expected);
	assert_int_equal(hash_of(&back, TOEPLITZ_SYM_OR_XOR, true), expected);

	assert_int_not_equal(hash_of(&there, TOEPLITZ_AS_IS, true),
			     hash_of(&back, TOEPLITZ_AS_IS, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published),
		cmocka_unit_test(test_vector_file),
		cmocka_unit_test(test_short_key),
		cmocka_unit_test(test_symmetric),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
