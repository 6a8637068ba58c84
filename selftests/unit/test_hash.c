// SPDX-License-Identifier: GPL-2.0
/* include/sluice/hash.h: symmetric, even, and sensitive to every bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/in.h>
#include <string.h>

#include <sluice/hash.h>

static struct sluice_flow_key key4(uint32_t saddr, uint32_t daddr, uint16_t sport, uint16_t dport)
{
	struct sluice_flow_key k = {
		.sport = htons(sport), .dport = htons(dport), .proto = IPPROTO_TCP, .family = 4,
	};
	const uint32_t s = htonl(saddr), d = htonl(daddr);

	memcpy(k.saddr, &s, 4);
	memcpy(k.daddr, &d, 4);
	return k;
}

static struct sluice_flow_key reversed(const struct sluice_flow_key *k)
{
	struct sluice_flow_key r = *k;

	memcpy(r.saddr, k->daddr, 16);
	memcpy(r.daddr, k->saddr, 16);
	r.sport = k->dport;
	r.dport = k->sport;
	return r;
}

static void test_symmetric(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		struct sluice_flow_key k = key4(0x0a000001 + i * 7, 0xc0a80001 + i, 1024 + i, 443);
		struct sluice_flow_key r;

		k.family = i & 1 ? 4 : 6;
		if (k.family == 6)
			memset(k.saddr + 8, i, 8);
		r = reversed(&k);
		assert_int_equal(sluice_bucket_of(&k), sluice_bucket_of(&r));
		assert_true(sluice_bucket_of(&k) < SLUICE_BUCKETS);
	}
}

/*
 * Chi-squared over the buckets, of n keys thrown evenly: mean 1023, standard
 * deviation 45. A hash that loses bits is off by thousands.
 */
static void check_even(const unsigned int count[SLUICE_BUCKETS], unsigned int n)
{
	const double expected = (double)n / SLUICE_BUCKETS;
	double chi2 = 0;

	for (int i = 0; i < SLUICE_BUCKETS; i++)
		chi2 += (count[i] - expected) * (count[i] - expected) / expected;
	if (chi2 < 1023 - 5 * 45 || chi2 > 1023 + 5 * 45)
		fail_msg("chi-squared %.0f over %u keys, expected 1023 +- 225", chi2, n);
}

/* The traffic of a rack: neighbours talk to neighbours. XOR of the ends would fail here. */
static void test_even_over_neighbours(void **state)
{
	unsigned int count[SLUICE_BUCKETS] = { 0 }, n = 0;

	(void)state;
	for (uint32_t a = 0; a < 256; a++)
		for (uint32_t b = a + 1; b < 256; b++, n++) {
			struct sluice_flow_key k = key4(0x0a000000 + a, 0x0a000000 + b, 5000, 5000);

			count[sluice_bucket_of(&k)]++;
		}
	check_even(count, n);
}

static void test_even_over_ports(void **state)
{
	unsigned int count[SLUICE_BUCKETS] = { 0 };

	(void)state;
	for (uint32_t port = 0; port < 65536; port++) {
		struct sluice_flow_key k = key4(0x0a000001, 0x0a000002, port, 443);

		count[sluice_bucket_of(&k)]++;
	}
	check_even(count, 65536);
}

static void test_even_over_ip6_hosts(void **state)
{
	unsigned int count[SLUICE_BUCKETS] = { 0 };

	(void)state;
	for (uint32_t host = 0; host < 65536; host++) {
		struct sluice_flow_key k = key4(0xfd000000, 0xfd000000, 1000, 443);
		const uint32_t low = htonl(host);

		k.family = 6;
		memcpy(k.saddr + 12, &low, 4);
		count[sluice_bucket_of(&k)]++;
	}
	check_even(count, 65536);
}

/* A flipped bit of an address or port changes the bucket, but for one time in 1,024. */
static void test_every_bit_matters(void **state)
{
	const size_t bits = 8 * offsetof(struct sluice_flow_key, proto);

	(void)state;
	for (size_t bit = 0; bit < bits; bit++) {
		unsigned int same = 0;

		for (uint32_t i = 0; i < 200; i++) {
			struct sluice_flow_key k = key4(0x0a000000 + i, 0xac100000 + 3 * i,
							1000 + i, 80), flipped;

			flipped = k;
			((uint8_t *)&flipped)[bit / 8] ^= 1 << (bit % 8);
			same += sluice_bucket_of(&k) == sluice_bucket_of(&flipped);
		}
		if (same > 5)
			fail_msg("bit %zu changes the bucket in only %u of 200 keys", bit,
				 200 - same);
	}
}

static void test_protocol_matters(void **state)
{
	unsigned int same = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		struct sluice_flow_key tcp = key4(0x0a000000 + i, 0x0a010000, i, 53), udp = tcp;

		udp.proto = IPPROTO_UDP;
		same += sluice_bucket_of(&tcp) == sluice_bucket_of(&udp);
	}
	assert_true(same < 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_symmetric),
		cmocka_unit_test(test_even_over_neighbours),
		cmocka_unit_test(test_even_over_ports),
		cmocka_unit_test(test_even_over_ip6_hosts),
		cmocka_unit_test(test_every_bit_matters),
		cmocka_unit_test(test_protocol_matters),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
