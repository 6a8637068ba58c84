// SPDX-License-Identifier: GPL-2.0
/* What a person writes: flows and lists of CPUs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/netdev.h"
#include "lib/steer.h"

/* Splits at blanks and parses; 0 or the error. */
static int parse(const char *text, struct sluice_flow_key *key, struct sl_err *e)
{
	char copy[256], *words[8], *save = NULL, *word;
	int n = 0;

	strcpy(copy, text);
	for (word = strtok_r(copy, " ", &save); word && n < 8; word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	return steer_flow_parse(n, words, key, e);
}

static void test_flow_round_trip(void **state)
{
	static const char *const texts[] = {
		"tcp 10.0.0.1:80 10.0.0.2:5000",
		"udp 255.255.255.255:65535 0.0.0.0:0",
		"tcp [fd00::1]:80 [fd00::2]:5000",
		"udp [2001:db8::ff]:53 [::1]:1",
		"udplite 10.0.0.1:1 10.0.0.2:2",
		"sctp [fd00::1]:80 [fd00::2]:5000",
		"dccp 10.0.0.1:1 10.0.0.2:2",
		"icmp 10.0.0.1:7 10.0.0.2:7",
		"icmp6 [fd00::1]:7 [fd00::2]:7",
		"esp 10.0.0.1:4660 10.0.0.2:22136",
		"47 10.0.0.1:0 10.0.0.2:0",
		"0 10.0.0.1:0 10.0.0.2:0",
		"255 10.0.0.1:0 10.0.0.2:0",
	};
	struct sluice_flow_key key;
	char back[128];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(parse(texts[i], &key, NULL), 0);
		steer_flow_format(&key, back, sizeof(back));
		assert_string_equal(back, texts[i]);
	}
}

static void test_flow_layout(void **state)
{
	struct sluice_flow_key key, expected = {
		.saddr = { 10, 0, 0, 1 }, .daddr = { 10, 0, 0, 2 }, .sport = htons(80),
		.dport = htons(5000), .proto = 6, .family = 4,
	};

	(void)state;
	assert_int_equal(parse("tcp 10.0.0.1:80 10.0.0.2:5000", &key, NULL), 0);
	assert_memory_equal(&key, &expected, sizeof(key));
}

static void test_flow_refused(void **state)
{
	static const char *const texts[] = {
		"", "tcp", "tcp 10.0.0.1:80", "tcp 10.0.0.1:80 10.0.0.2:5000 more",
		"igmp 10.0.0.1:80 10.0.0.2:5000", "256 10.0.0.1:80 10.0.0.2:5000",
		"-1 10.0.0.1:80 10.0.0.2:5000", "4x 10.0.0.1:80 10.0.0.2:5000",
		"tcp 10.0.0.1 10.0.0.2:5000",
		"tcp 10.0.0.1: 10.0.0.2:5000", "tcp 10.0.0.1:65536 10.0.0.2:5000",
		"tcp 10.0.0.1:-1 10.0.0.2:5000", "tcp 10.0.0.1:8x 10.0.0.2:5000",
		"tcp 10.0.0.256:80 10.0.0.2:5000", "tcp fd00::1:80 10.0.0.2:5000",
		"tcp [fd00::1]:80 10.0.0.2:5000", "tcp [fd00::1:80 [fd00::2]:5000",
		"tcp []:80 []:5000", "tcp [:80 [:5000", "tcp :80 :5000",
	};
	struct sluice_flow_key key, before;
	struct sl_err e;

	(void)state;
	memset(&key, 0xa5, sizeof(key));
	before = key;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		*e.text = '\0';
		if (parse(texts[i], &key, &e) != -EINVAL)
			fail_msg("'%s' was accepted", texts[i]);
		assert_true(*e.text);
		assert_memory_equal(&key, &before, sizeof(key));
	}
}

static void test_cpulist(void **state)
{
	uint16_t cpus[16];
	size_t n;

	(void)state;
	assert_int_equal(cpulist_parse("0-3,5", 8, cpus, 16, &n, NULL), 0);
	assert_int_equal(n, 5);
	assert_int_equal(cpus[3], 3);
	assert_int_equal(cpus[4], 5);
	assert_int_equal(cpulist_parse("5,1,1,0-1", 8, cpus, 16, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_int_equal(cpus[2], 5);
	assert_int_equal(cpulist_parse("7", 8, cpus, 16, &n, NULL), 0);
	assert_int_equal(n, 1);
}

static void test_cpulist_refused(void **state)
{
	static const char *const texts[] = {
		"", "8", "0-8", "3-1", "1,", ",1", "1-", "-1", "a", "1 2", "0--1", "0x1",
		"99999999999999999999",
	};
	uint16_t cpus[16];
	size_t n = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (cpulist_parse(texts[i], 8, cpus, 16, &n, NULL) != -EINVAL)
			fail_msg("'%s' was accepted", texts[i]);
	assert_int_equal(n, 77);
}

static void test_online_cpus(void **state)
{
	uint16_t cpus[SLUICE_MAX_CPUS];
	size_t n;

	(void)state;
	assert_int_equal(cpulist_online(SLUICE_MAX_CPUS, cpus, SLUICE_MAX_CPUS, &n, NULL), 0);
	assert_true(n >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow_round_trip),
		cmocka_unit_test(test_flow_layout),
		cmocka_unit_test(test_flow_refused),
		cmocka_unit_test(test_cpulist),
		cmocka_unit_test(test_cpulist_refused),
		cmocka_unit_test(test_online_cpus),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
