// SPDX-License-Identifier: GPL-2.0
/*
 * user/lib/cryptopan.c against published values (the sample trace of the reference implementation,
 * and for IPv6 those that other implementations share), anon_addr.c and anon_frame.c.
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
#include <sys/stat.h>
#include <unistd.h>

#include "lib/anon_frame.h"
#include "lib/anonymise.h"
#include "lib/rng.h"

/* Of the reference implementation's sample. */
static const uint8_t sample_key[CRYPTOPAN_KEY_BYTES] = {
	21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16,
	216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2,
};

static const char *const vectors4[][2] = {
	{ "128.11.68.132", "135.242.180.132" }, { "129.118.74.4", "134.136.186.123" },
	{ "130.132.252.244", "133.68.164.234" }, { "141.223.7.43", "141.167.8.160" },
	{ "152.163.225.39", "151.140.114.167" }, { "166.107.77.190", "160.132.178.185" },
	{ "192.102.249.13", "252.138.62.131" }, { "195.205.63.100", "255.186.223.5" },
	{ "202.49.198.20", "245.206.7.234" }, { "208.52.56.122", "227.8.63.165" },
	{ "216.254.18.172", "235.7.16.162" }, { "24.5.0.80", "100.9.15.210" },
	{ "38.15.67.68", "64.3.66.187" }, { "4.3.88.225", "124.60.155.63" },
	{ "63.97.7.140", "95.97.9.123" }, { "64.39.15.238", "0.219.7.41" },
	{ "10.185.25.118", "117.161.29.118" },
};

static const char *const vectors6[][2] = {
	{ "::1", "78ff:f001:9fc0:20df:8380:b1f1:704:ed" },
	{ "::2", "78ff:f001:9fc0:20df:8380:b1f1:704:ef" },
	{ "::ffff", "78ff:f001:9fc0:20df:8380:b1f1:704:f838" },
	{ "2001:db8::1", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e" },
	{ "2001:db8::2", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c" },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void test_vectors(void **state)
{
	uint8_t in[16], out[16];
	struct cryptopan c;

	(void)state;
	cryptopan_init(&c, sample_key);
	for (size_t i = 0; i < N(vectors4); i++) {
		assert_int_equal(inet_pton(AF_INET, vectors4[i][0], in), 1);
		assert_int_equal(inet_pton(AF_INET, vectors4[i][1], out), 1);
		cryptopan_map(&c, in, 32, 0);
		assert_memory_equal(in, out, 4);
	}
	for (size_t i = 0; i < N(vectors6); i++) {
		assert_int_equal(inet_pton(AF_INET6, vectors6[i][0], in), 1);
		assert_int_equal(inet_pton(AF_INET6, vectors6[i][1], out), 1);
		cryptopan_map(&c, in, 128, 0);
		assert_memory_equal(in, out, 16);
	}
}

static int common(const uint8_t *a, const uint8_t *b, int bits)
{
	int n = 0;

	while (n < bits && !((a[n / 8] ^ b[n / 8]) & 0x80 >> n % 8))
		n++;
	return n;
}

#define ADDRESSES 400

/* Random ones, each then changed behind a random bit, and the edges of the special prefixes. */
static void make_addresses(struct rng *r, uint8_t a[ADDRESSES][16], int bytes,
			   const uint8_t first[][16], int n_first)
{
	for (int i = 0; i < ADDRESSES; i++) {
		const int from = i ? (int)rng_below(r, i) : 0;
		const int bit = rng_below(r, bytes * 8);

		if (i < n_first) {
			memcpy(a[i], first[i], 16);
			continue;
		}
		memcpy(a[i], a[from], 16);
		if (i % 3 == 0)
			for (int j = 0; j < bytes; j++)
				a[i][j] = rng_u64(r);
		a[i][bit / 8] ^= 0x80 >> bit % 8;
	}
}

static void check_prefixes(void (*map)(const struct anon *a, uint8_t *address), int bytes,
			   const uint8_t first[][16], int n_first)
{
	static uint8_t in[ADDRESSES][16], out[ADDRESSES][16];
	struct anon anon, other;
	struct rng r;
	uint8_t again[16];
	int differ = 0;

	rng_seed(&r, 5);
	anon_init(&anon, sample_key);
	anon_init(&other, (const uint8_t *)"another key, of thirty-two bytes");
	make_addresses(&r, in, bytes, first, n_first);
	memcpy(out, in, sizeof(out));
	for (int i = 0; i < ADDRESSES; i++) {
		map(&anon, out[i]);
		memcpy(again, in[i], 16);
		map(&anon, again);
		assert_memory_equal(out[i], again, 16);
		memcpy(again, in[i], 16);
		map(&other, again);
		differ += !!memcmp(out[i], again, 16);
	}
	assert_true(differ > ADDRESSES / 2);	/* special ones stay by every key */
	for (int i = 0; i < ADDRESSES; i++)
		for (int j = 0; j < i; j++)
			assert_int_equal(common(out[i], out[j], bytes * 8),
					 common(in[i], in[j], bytes * 8));
}

static void map4(const struct anon *a, uint8_t *address)
{
	anon_ip4(a, address);
}

static void map6(const struct anon *a, uint8_t *address)
{
	anon_ip6(a, address);
}

static void test_prefixes(void **state)
{
	static const uint8_t first4[][16] = {
		{ 0 }, { 1 }, { 126, 255 }, { 127, 0, 0, 1 }, { 128 }, { 223, 255, 255, 255 },
		{ 224, 0, 0, 251 }, { 232, 1 }, { 233, 4, 5, 6 }, { 234, 4, 5, 6 }, { 235, 1 },
		{ 240 }, { 255, 255, 255, 254 }, { 255, 255, 255, 255 }, { 10, 0, 0, 1 },
		{ 192, 168, 1, 1 }, { 169, 254, 1, 1 },
	};
	static const uint8_t first6[][16] = {
		{ 0 }, { [15] = 1 }, { [15] = 2 }, { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 },
		{ 0x20, 0x01, 0x0d, 0xb8 }, { 0xfe, 0x80, [15] = 9 }, { 0xfe, 0x80, 1, [15] = 9 },
		{ 0xfd, 1 }, { 0xff, 0x02, [15] = 1 }, { 0xff, 0x3e, 0, 0x40, 0x20, 0x01 },
		{ 0xff, 0x02, [11] = 1, [12] = 0xff, 1, 2, 3 }, { 0xff, 0xff, 0xff },
	};

	(void)state;
	check_prefixes(map4, 4, first4, N(first4));
	check_prefixes(map6, 16, first6, N(first6));
}

/* Neighbouring bits are flipped independently, so that hardly an address maps to itself. */
static void test_independence(void **state)
{
	unsigned int same = 0, alike = 0, pairs = 0;
	uint8_t in[4], out[4], flips[4];
	struct anon anon;
	struct rng r;

	(void)state;
	rng_seed(&r, 11);
	anon_init(&anon, sample_key);
	for (int i = 0; i < 50000; i++) {
		for (int j = 0; j < 4; j++)
			in[j] = rng_u64(&r);
		in[0] = 150;	/* two bits of it stay */
		memcpy(out, in, 4);
		anon_ip4(&anon, out);
		same += !memcmp(in, out, 4);
		for (int j = 0; j < 4; j++)
			flips[j] = in[j] ^ out[j];
		for (int bit = 9; bit < 32; bit++, pairs++)
			alike += !(flips[bit / 8] & 0x80 >> bit % 8) ==
				 !(flips[(bit - 1) / 8] & 0x80 >> (bit - 1) % 8);
	}
	assert_int_equal(same, 0);
	assert_true(alike > pairs * 0.47 && alike < pairs * 0.53);
}

static void check_kept(const char *text, int bits, bool all)
{
	const int family = strchr(text, ':') ? AF_INET6 : AF_INET, bytes = family == AF_INET ? 4 : 16;
	uint8_t before[16], after[16];
	struct anon anon;

	anon_init(&anon, sample_key);
	assert_int_equal(inet_pton(family, text, before), 1);
	memcpy(after, before, sizeof(after));
	if (bytes == 4)
		anon_ip4(&anon, after);
	else
		anon_ip6(&anon, after);
	if (common(before, after, bytes * 8) < bits || (!all && !memcmp(before, after, bytes)))
		fail_msg("%s", text);
}

static void test_special(void **state)
{
	static const char *const stay[] = { "0.0.0.0", "127.0.0.1", "127.1.2.3", "224.0.0.251",
					    "239.255.255.250", "255.255.255.255" };
	static const char *const stay6[] = { "::", "::1", "ff02::1", "ff02::fb", "ff05::1:3" };

	(void)state;
	for (size_t i = 0; i < N(stay); i++)
		check_kept(stay[i], 32, true);
	for (size_t i = 0; i < N(stay6); i++)
		check_kept(stay6[i], 128, true);
	check_kept("233.252.17.9", 8, false);
	check_kept("10.1.2.3", 5, false);
	check_kept("192.168.1.255", 3, false);
	check_kept("fe80::1234:5678:9abc:def0", 64, false);
	check_kept("ff02::1:ff12:3456", 104, false);
	check_kept("ff3e:40:2001:db8:1:2:3:4", 16, false);
	check_kept("::ffff:10.1.2.3", 96, false);
}

static void test_mac(void **state)
{
	static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
	static const uint8_t stp[6] = { 0x01, 0x80, 0xc2 }, host[6] = { 2, 3, 4, 5, 6, 7 };
	static const uint8_t mdns[6] = { 0x01, 0, 0x5e, 0, 0, 0xfb };
	uint8_t m[6], k[6];
	struct anon anon;

	(void)state;
	anon_init(&anon, sample_key);
	memcpy(m, broadcast, 6);
	anon_mac(&anon, m);
	assert_memory_equal(m, broadcast, 6);
	memcpy(m, stp, 6);
	anon_mac(&anon, m);
	assert_memory_equal(m, stp, 6);
	memcpy(m, host, 6);
	anon_mac(&anon, m);
	assert_int_equal(m[0] & 3, 2);
	assert_memory_not_equal(m, host, 6);
	memcpy(k, host, 6);
	k[5] ^= 0x80;		/* the same vendor, as far as the last byte */
	anon_mac(&anon, k);
	assert_memory_equal(m, k, 5);
	memcpy(m, mdns, 6);
	anon_mac(&anon, m);
	assert_int_equal(m[5], 0);
	anon_mac_from_group(m, (const uint8_t[]){ 224, 128, 1, 2 }, 4);
	assert_memory_equal(m, ((uint8_t[]){ 0x01, 0, 0x5e, 0, 1, 2 }), 6);
}

/* --- frames ----------------------------------------------------------------------- */

static uint32_t sum(const uint8_t *p, size_t n, uint32_t start)
{
	for (size_t i = 0; i < n; i++)
		start += i % 2 ? p[i] : p[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static void seal(uint8_t *at, uint32_t total)
{
	total = ~total & 0xffff;
	at[0] = total >> 8;
	at[1] = total;
}

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned int byte;

	for (; *hex; hex += 2) {
		hex += strspn(hex, " ");
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		out[n++] = byte;
	}
	return n;
}

#define ETHER	"0200000000aa 0200000000bb "
#define SECRET	"5345435245542153454352455421"	/* 14 bytes of payload */

static uint8_t in[256], out[256];
static struct anon anon;

static uint32_t run(const char *hex, size_t *n)
{
	anon_init(&anon, sample_key);
	*n = from_hex(hex, in);
	return anon_frame(&anon, in, *n, out);
}

/* Both checksums of a TCP or UDP packet are right before, and right with the payload of before. */
static void test_checksums(void **state)
{
	static const struct {
		const char *hex;
		unsigned int check, kept;
	} row[] = {
		{ ETHER "0800 46000046 12344000 4006 0000 0a010203 c0a80117 94040000"
		  "1234 0050 00000001 00000002 7018 ffff 0000 0000 020405b4 1e040102" SECRET, 16,
		  14 + 24 + 28 },
		{ ETHER "0800 4500002a 12344000 4011 0000 0a010203 c0a80117 "
		  "1234 0035 0016 0000" SECRET, 6, 14 + 20 + 8 },
	};

	(void)state;
	for (size_t i = 0; i < N(row); i++) {
		size_t n = from_hex(row[i].hex, in), l3 = 14, l4 = l3 + (in[14] & 15) * 4;
		const uint32_t proto = in[l3 + 9];

		in[l3 + 3] = n - l3;
		if (proto == 17)
			in[l4 + 5] = n - l4;
		seal(in + l3 + 10, sum(in + l3, l4 - l3, 0));
		seal(in + l4 + row[i].check,
		     sum(in + l4, n - l4, sum(in + l3 + 12, 8, proto + (n - l4))));
		anon_init(&anon, sample_key);
		memset(out, 0, sizeof(out));
		assert_int_equal(anon_frame(&anon, in, n, out), row[i].kept);
		memcpy(out + row[i].kept, in + row[i].kept, n - row[i].kept);
		assert_memory_not_equal(out + l3 + 12, in + l3 + 12, 4);
		assert_int_equal(sum(out + l3, l4 - l3, 0), 0xffff);
		assert_int_equal(sum(out + l4, n - l4, sum(out + l3 + 12, 8, proto + (n - l4))), 0xffff);
		/* Options that could say something are gone, the others there. */
		if (proto == 6) {
			assert_memory_equal(out + l4 + 20, "\x02\x04\x05\xb4\x01\x01\x01\x01", 8);
			assert_memory_equal(out + l3 + 20, "\x01\x01\x01\x01", 4);
		}
	}
}

/* An ICMPv6 error's checksum covers the addresses of both packets. */
static void test_icmp_error(void **state)
{
	const char *hex = ETHER "86dd 60000000 0046 3a40"
		"20010db8000000000000000000000001 20010db8000000000000000000000002"
		"01 04 0000 00000000"
		"60000000 0016 1140 20010db8000000000000000000000002 20010db8000000000000000000000003"
		"1234 0035 0016 0000" SECRET;
	uint8_t mapped[16];
	size_t n = from_hex(hex, in), quote = 14 + 40 + 8;

	(void)state;
	in[14 + 5] = n - 54;
	seal(in + quote + 46, sum(in + quote + 40, n - quote - 40,
				  sum(in + quote + 8, 32, 17 + n - quote - 40)));
	seal(in + 56, sum(in + 54, n - 54, sum(in + 22, 32, 58 + n - 54)));
	anon_init(&anon, sample_key);
	assert_int_equal(anon_frame(&anon, in, n, out), n - 14);
	memcpy(out + n - 14, in + n - 14, 14);
	memcpy(mapped, in + quote + 24, 16);
	anon_ip6(&anon, mapped);
	assert_memory_equal(out + quote + 24, mapped, 16);
	assert_memory_equal(out + quote + 8, out + 14 + 24, 16);
	assert_int_equal(sum(out + 54, n - 54, sum(out + 22, 32, 58 + n - 54)), 0xffff);
	assert_int_equal(sum(out + quote + 40, n - quote - 40,
			     sum(out + quote + 8, 32, 17 + n - quote - 40)), 0xffff);
}

static void test_other_frames(void **state)
{
	uint8_t gateway[4] = { 10, 0, 0, 1 }, host[4] = { 10, 0, 0, 2 }, group[16];
	size_t n;

	(void)state;
	anon_init(&anon, sample_key);
	anon_ip4(&anon, gateway);
	anon_ip4(&anon, host);
	/* ARP: who has 10.0.0.1? The address asked for is unknown, and stays so. */
	assert_int_equal(run("ffffffffffff 0200000000bb 0806 0001 0800 06 04 0001 0200000000bb "
			     "0a000002 000000000000 0a000001" SECRET, &n), 14 + 28);
	assert_memory_equal(out, in, 6);
	assert_memory_equal(out + 6, out + 22, 6);
	assert_memory_not_equal(out + 6, in + 6, 6);
	assert_memory_equal(out + 28, host, 4);
	assert_memory_equal(out + 32, in + 32, 6);
	assert_memory_equal(out + 38, gateway, 4);
	/* A redirect names a router. */
	run(ETHER "0800 4500003c 00000000 4001 0000 0a000001 0a000002 0501 0000 0a000001"
	    "4500001c 00000000 4011 0000 0a000002 0a000001 1234 0035 0008 0000", &n);
	assert_memory_equal(out + 14 + 20 + 4, gateway, 4);
	/* Solicited node: group and its MAC address change together. */
	assert_int_equal(run("3333ff123456 0200000000bb 86dd 60000000 0008 3aff"
			     "fe800000000000000000000000000001 ff0200000000000000000001ff123456"
			     "8700 0000 00000000" SECRET, &n), 14 + 40 + 8);
	memcpy(group, in + 14 + 24, 16);
	anon_ip6(&anon, group);
	assert_memory_equal(out + 14 + 24, group, 16);
	assert_memory_equal(out + 2, group + 12, 4);
	assert_memory_not_equal(out + 2, in + 2, 4);
	/* No IP: the Ethernet header stays, nothing else; and a part of it is nothing. */
	assert_int_equal(run("0180c2000000 0200000000bb 0026 4242" SECRET, &n), 14);
	assert_int_equal(run("0180c2000000 0200000000", &n), 0);
	/* VXLAN: the packet inside as well. */
	assert_int_equal(run(ETHER "0800 45000060 00000000 4011 0000 0a000001 0a000002"
			     "1234 12b5 004c 0000 08000000 00002a00" ETHER
			     "0800 4500002a 00000000 4011 0000 0a000002 0a000001"
			     "1234 0035 0016 0000" SECRET, &n), 14 + 28 + 8 + 14 + 28);
	assert_memory_equal(out + 14 + 12, out + 14 + 28 + 8 + 14 + 16, 4);
	assert_memory_equal(out, out + 14 + 28 + 8, 12);
}

static void test_key_file(void **state)
{
	char path[] = "/tmp/sluice-test-key-XXXXXX", text[128];
	uint8_t key[CRYPTOPAN_KEY_BYTES], again[CRYPTOPAN_KEY_BYTES];
	int fd = mkstemp(path);
	struct sl_err e;
	bool made;
	FILE *f;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	assert_int_equal(anonymise_key(path, key, &made, &e), 0);
	assert_true(made);
	assert_int_equal(anonymise_key(path, again, &made, &e), 0);
	assert_false(made);
	assert_memory_equal(key, again, sizeof(key));
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(anonymise_key(path, key, &made, &e), -EPERM);
	assert_non_null(strstr(e.text, "others have access"));
	assert_int_equal(chmod(path, 0600), 0);
	for (int i = 0; i < 3; i++) {
		f = fopen(path, "w");
		assert_non_null(f);
		memset(text, i == 1 ? 'x' : 'a', sizeof(text));
		fwrite(text, 1, i == 0 ? 63 : i == 1 ? 64 : 65, f);
		fclose(f);
		assert_int_equal(anonymise_key(path, key, &made, &e), -EINVAL);
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_independence),
		cmocka_unit_test(test_special),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_icmp_error),
		cmocka_unit_test(test_other_frames),
		cmocka_unit_test(test_key_file),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
