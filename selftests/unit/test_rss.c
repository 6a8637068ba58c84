// SPDX-License-Identifier: GPL-2.0
/*
 * user/lib/rss*.c against a NIC made here: what is asked of it, what happens when it refuses,
 * half-obeys or lies, and which slots move at which gaps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <string.h>

#include "lib/rss.h"
#include "lib/rss_moves.h"
#include "lib/rss_priv.h"
#include "lib/toeplitz.h"

#define SLOTS	128
#define KEY	40
#define MS	1000000ull

/* --- the NIC ---------------------------------------------------------------- */

enum fault { FAULT_NONE, FAULT_REFUSES, FAULT_IGNORES, FAULT_HALF, FAULT_NO_RINGS };

static struct {
	uint32_t queues, slots, key_len;
	uint32_t table[RSS_MAX_SLOTS];
	uint8_t key[KEY];
	uint8_t func, xfrm;
	bool no_rxfh, no_indir;
	enum fault fault;	/* of the next write */
	unsigned int writes, table_writes, key_writes, func_writes;
} nic;

static void nic_reset(void)
{
	memset(&nic, 0, sizeof(nic));
	nic.queues = 4;
	nic.slots = SLOTS;
	nic.key_len = KEY;
	nic.func = RSS_FUNC_TOEPLITZ;
	for (int i = 0; i < SLOTS; i++)
		nic.table[i] = i % 4;
	for (int i = 0; i < KEY; i++)
		nic.key[i] = 37 * i + 11;
}

/* Takes a table, or what the fault makes of it. */
static int nic_take(const uint32_t *table)
{
	const enum fault fault = nic.fault;

	nic.writes++;
	nic.fault = FAULT_NONE;
	if (fault == FAULT_IGNORES)
		return 0;
	for (uint32_t i = 0; table && i < (fault == FAULT_NONE ? nic.slots : nic.slots / 2); i++)
		if (fault != FAULT_REFUSES)
			nic.table[i] = table[i];
	return fault == FAULT_NONE ? 0 : -EIO;
}

static int nic_get_rxfh(struct ethtool_rxfh *rxfh)
{
	const uint32_t slots = rxfh->indir_size, key_len = rxfh->key_size;

	rxfh->indir_size = nic.slots;
	rxfh->key_size = nic.key_len;
	if ((slots && slots != nic.slots) || (key_len && key_len != nic.key_len))
		return -EINVAL;
	rxfh->hfunc = nic.func;
	rxfh->rsvd8[0] = nic.xfrm;
	memcpy(rxfh->rss_config, nic.table, slots * 4);
	memcpy(rxfh->rss_config + slots, nic.key, key_len);
	return 0;
}

static int nic_set_rxfh(const struct ethtool_rxfh *rxfh)
{
	const bool table = rxfh->indir_size != ETH_RXFH_INDIR_NO_CHANGE;
	int r;

	if (table && rxfh->indir_size != nic.slots)
		return -EINVAL;
	/* A kernel that knows transformations takes this as an order. */
	nic.xfrm = rxfh->rsvd8[0];
	nic.table_writes += table;
	nic.key_writes += rxfh->key_size != 0;
	nic.func_writes += rxfh->hfunc != 0;
	r = nic_take(table ? rxfh->rss_config : NULL);
	if (r)
		return r;
	if (rxfh->hfunc)
		nic.func = rxfh->hfunc;
	memcpy(nic.key, rxfh->rss_config + (table ? nic.slots : 0), rxfh->key_size);
	return 0;
}

static int nic_get_fields(struct ethtool_rxnfc *nfc)
{
	const uint64_t ip = RXH_IP_SRC | RXH_IP_DST, ports = RXH_L4_B_0_1 | RXH_L4_B_2_3;

	switch (nfc->flow_type) {
	case TCP_V4_FLOW:
	case TCP_V6_FLOW:
		nfc->data = ip | ports;
		return 0;
	case UDP_V4_FLOW:
	case IPV4_FLOW:
	case IPV6_FLOW:
		nfc->data = ip;
		return 0;
	case UDP_V6_FLOW:
		nfc->data = 0;
		return 0;
	}
	return -EINVAL;
}

static int nic_ethtool(const char *ifname, void *command)
{
	struct ethtool_rxfh_indir *indir = command;
	struct ethtool_rxnfc *nfc = command;
	struct ethtool_channels *channels = command;

	if (strcmp(ifname, "nic0"))
		return -ENODEV;
	switch (*(uint32_t *)command) {
	case ETHTOOL_GRSSH:
		return nic.no_rxfh ? -EOPNOTSUPP : nic_get_rxfh(command);
	case ETHTOOL_SRSSH:
		return nic.no_rxfh ? -EOPNOTSUPP : nic_set_rxfh(command);
	case ETHTOOL_GRXFHINDIR:
		if (nic.no_indir)
			return -EOPNOTSUPP;
		if (indir->size)
			memcpy(indir->ring_index, nic.table, nic.slots * 4);
		indir->size = nic.slots;
		return 0;
	case ETHTOOL_SRXFHINDIR:
		return indir->size == nic.slots ? nic_take(indir->ring_index) : -EINVAL;
	case ETHTOOL_GRXRINGS:
		nfc->data = nic.queues;
		return nic.fault == FAULT_NO_RINGS ? -EOPNOTSUPP : 0;
	case ETHTOOL_GCHANNELS:
		channels->rx_count = 1;
		channels->combined_count = nic.queues - 1;
		return 0;
	case ETHTOOL_GRXFH:
		return nic_get_fields(nfc);
	}
	return -EOPNOTSUPP;
}

static int setup(void **state)
{
	(void)state;
	nic_reset();
	rss_ethtool = nic_ethtool;
	return 0;
}

static struct rss rss, again;
static struct sl_err err;

static void read_ok(void) { assert_int_equal(rss_read("nic0", &rss, &err), 0); }

static struct sluice_flow_key flow4(uint8_t proto, uint16_t sport, uint16_t dport)
{
	struct sluice_flow_key k = {
		.saddr = { 10, 0, 0, 1 }, .daddr = { 10, 0, 0, 2 },
		.sport = htons(sport), .dport = htons(dport), .proto = proto, .family = 4,
	};

	return k;
}

/* --- reading and writing ------------------------------------------------------ */

static void test_read(void **state)
{
	char text[80];

	(void)state;
	read_ok();
	assert_int_equal(rss.queues, 4);
	assert_int_equal(rss.slots, SLOTS);
	assert_int_equal(rss.key_len, KEY);
	assert_memory_equal(rss.key, nic.key, KEY);
	assert_memory_equal(rss.table, nic.table, SLOTS * 4);
	assert_false(rss.table_only);
	rss_fields_format(&rss, RSS_tcp4, text, sizeof(text));
	assert_string_equal(text, "src,dst,sport,dport");
	rss_fields_format(&rss, RSS_udp6, text, sizeof(text));
	assert_string_equal(text, "none");
	rss_fields_format(&rss, RSS_sctp4, text, sizeof(text));
	assert_string_equal(text, "unknown");

	nic.fault = FAULT_NO_RINGS;
	read_ok();
	assert_int_equal(rss.queues, 4);
}

/* Each way of having no table is the same answer, and leaves the output alone. */
static void test_no_table(void **state)
{
	(void)state;
	rss.queues = 99;
	nic.slots = 0;
	assert_int_equal(rss_read("nic0", &rss, &err), -EOPNOTSUPP);
	nic.no_rxfh = true;
	assert_int_equal(rss_read("nic0", &rss, &err), -EOPNOTSUPP);
	nic.no_indir = true;
	assert_int_equal(rss_read("nic0", &rss, &err), -EOPNOTSUPP);
	assert_string_equal(err.text, "nic0 has no RSS indirection table");
	assert_int_equal(rss_read("nic1", &rss, &err), -ENODEV);
	assert_int_equal(rss_read("a-name-that-is-too-long", &rss, &err), -ENODEV);
	assert_int_equal(rss_read("", &rss, &err), -ENODEV);
	nic_reset();
	nic.slots = RSS_MAX_SLOTS + 1;
	assert_int_equal(rss_read("nic0", &rss, &err), -EOVERFLOW);
	assert_int_equal(rss.queues, 99);
}

static void test_write(void **state)
{
	(void)state;
	nic.xfrm = TOEPLITZ_SYM_XOR;
	read_ok();
	assert_int_equal(rss_write(&rss, &err), 0);
	assert_int_equal(nic.writes, 0);	/* nothing differs */

	rss.table[5] = 3;
	assert_int_equal(rss_write(&rss, &err), 0);
	assert_int_equal(nic.writes, 1);
	assert_int_equal(nic.key_writes + nic.func_writes, 0);
	assert_int_equal(nic.table[5], 3);
	assert_int_equal(nic.xfrm, TOEPLITZ_SYM_XOR);

	rss.key[0] ^= 1;
	rss.func = RSS_FUNC_XOR;
	assert_int_equal(rss_write(&rss, &err), 0);
	assert_int_equal(nic.writes, 2);
	assert_int_equal(nic.table_writes, 1);
	assert_int_equal(nic.key_writes, 1);
	assert_int_equal(nic.func, RSS_FUNC_XOR);
	assert_int_equal(rss_read("nic0", &again, &err), 0);
	assert_memory_equal(&again, &rss, sizeof(rss));

	rss.table[0] = 4;
	assert_int_equal(rss_write(&rss, &err), -EINVAL);
	assert_string_equal(err.text,
			    "slot 0 of the RSS table of nic0: there is no queue 4, it has 4");
	rss.table[0] = 3;
	nic.slots = 64;
	assert_int_equal(rss_write(&rss, &err), -ESTALE);
	assert_int_equal(nic.writes, 2);
}

/* Whatever goes wrong, what was there before is there afterwards. */
static void test_write_fails(void **state)
{
	const enum fault faults[] = { FAULT_REFUSES, FAULT_IGNORES, FAULT_HALF };
	uint32_t before[SLOTS];

	(void)state;
	memcpy(before, nic.table, sizeof(before));
	for (size_t i = 0; i < 3; i++) {
		read_ok();
		assert_int_equal(rss_table_equal(&rss, 2, &err), 0);
		nic.fault = faults[i];
		assert_int_equal(rss_write(&rss, &err), -EIO);
		assert_non_null(strstr(err.text, "what was there is in force"));
		assert_memory_equal(nic.table, before, sizeof(before));
	}
	/* Only the half-obeyed write had to be undone. */
	assert_int_equal(nic.writes, 4);
}

static void test_old_driver(void **state)
{
	(void)state;
	nic.no_rxfh = true;
	read_ok();
	assert_true(rss.table_only);
	assert_int_equal(rss.key_len, 0);
	assert_int_equal(rss_table_equal(&rss, 3, &err), 0);
	assert_int_equal(rss_write(&rss, &err), 0);
	assert_int_equal(nic.table[5], 2);
	rss.func = RSS_FUNC_XOR;
	assert_int_equal(rss_write(&rss, &err), -EOPNOTSUPP);
}

static void count(uint32_t n[4])
{
	memset(n, 0, 16);
	for (uint32_t i = 0; i < rss.slots; i++)
		n[rss.table[i]]++;
}

static void test_tables(void **state)
{
	const uint32_t w[4] = { 1, 0, 2, 1 }, none[4] = { 0 }, odd[3] = { 1, 1, 1 };
	uint32_t n[4];

	(void)state;
	read_ok();
	assert_int_equal(rss_table_weight(&rss, w, 4, &err), 0);
	count(n);
	assert_int_equal(n[0], 32);
	assert_int_equal(n[1], 0);
	assert_int_equal(n[2], 64);
	assert_int_equal(n[3], 32);
	assert_int_equal(rss_table_weight(&rss, odd, 3, &err), 0);
	count(n);
	assert_in_range(n[0], 42, 43);
	assert_in_range(n[1], 42, 43);
	assert_in_range(n[2], 42, 43);
	assert_int_equal(rss_table_weight(&rss, none, 4, &err), -EINVAL);
	assert_int_equal(rss_table_weight(&rss, w, 5, &err), -EINVAL);
	assert_int_equal(rss_table_equal(&rss, 0, &err), -EINVAL);
	assert_int_equal(rss_table_equal(&rss, 5, &err), -EINVAL);
	assert_int_equal(rss_table_equal(&rss, 4, &err), 0);
	count(n);
	assert_int_equal(n[3], 32);
}

/* --- prediction ------------------------------------------------------------ */

static void test_place(void **state)
{
	struct sluice_flow_key tcp = flow4(6, 1000, 80), udp = flow4(17, 1000, 80);
	struct sluice_flow_key fragment = flow4(6, 0, 0), sctp = flow4(132, 1, 2);
	struct rss_place p, q;
	uint32_t hash;

	(void)state;
	read_ok();
	assert_int_equal(rss_place(&rss, &tcp, &p, &err), 0);
	toeplitz_flow(nic.key, KEY, TOEPLITZ_AS_IS, &tcp, true, &hash);
	assert_int_equal(p.hash, hash);
	assert_int_equal(p.slot, hash % SLOTS);
	assert_int_equal(p.queue, nic.table[hash % SLOTS]);

	/* This NIC hashes no ports of UDP, nor those that a fragment does not have. */
	toeplitz_flow(nic.key, KEY, TOEPLITZ_AS_IS, &tcp, false, &hash);
	assert_int_equal(rss_place(&rss, &udp, &p, &err), 0);
	assert_int_equal(p.hash, hash);
	assert_false(p.with_ports);
	assert_int_equal(rss_place(&rss, &fragment, &q, &err), 0);
	assert_int_equal(q.hash, hash);
	assert_int_equal(q.kind, RSS_ip4);

	assert_int_equal(rss_place(&rss, &sctp, &p, &err), -EOPNOTSUPP);
	udp.family = 6;
	assert_int_equal(rss_place(&rss, &udp, &p, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "none"));

	rss.fields[RSS_tcp4] = RXH_IP_SRC;
	assert_int_equal(rss_place(&rss, &tcp, &p, &err), -EOPNOTSUPP);
	read_ok();
	rss.func = RSS_FUNC_XOR;
	assert_int_equal(rss_place(&rss, &tcp, &p, &err), -EOPNOTSUPP);
	read_ok();
	rss.slots = 96;
	assert_int_equal(rss_place(&rss, &tcp, &p, &err), -EOPNOTSUPP);
	read_ok();
	rss.key_len = 0;
	assert_int_equal(rss_place(&rss, &tcp, &p, &err), -EOPNOTSUPP);
	read_ok();
	rss.xfrm = 0xff;
	assert_int_equal(rss_place(&rss, &tcp, &p, &err), -EOPNOTSUPP);
	rss.xfrm = TOEPLITZ_SYM_XOR;
	assert_int_equal(rss_place(&rss, &tcp, &p, &err), 0);
}

/* --- moves --------------------------------------------------------------- */

static struct rss_moves moves;
static struct rss_idle idle;

/* All slots of queue 0 are to go to queue 1. */
static void want_evacuation(void)
{
	uint32_t table[SLOTS];

	read_ok();
	assert_int_equal(rss_moves_init(&moves, &rss, 10 * MS, &err), 0);
	for (int i = 0; i < SLOTS; i++)
		table[i] = rss.table[i] ? rss.table[i] : 1;
	assert_int_equal(rss_moves_want(&moves, table, SLOTS, &err), 0);
	assert_int_equal(moves.stats.waiting, 32);
	rss_idle_begin(&idle, &rss);
}

static int step(enum rss_moves_when when)
{
	return rss_moves_step(&moves, &idle, 1 * MS, when, &err);
}

static void test_moves_at_gaps(void **state)
{
	struct sluice_flow_key k;
	struct rss_place p;
	uint16_t port = 1;

	(void)state;
	want_evacuation();
	/* A flow of a slot that is to move, seen exactly one gap ago: not longer. */
	do {
		k = flow4(6, port++, 80);
		assert_int_equal(rss_place(&rss, &k, &p, &err), 0);
	} while (p.queue != 0);
	rss_idle_add(&idle, &rss, &k, 500 * MS);
	rss_idle_add(&idle, &rss, &k, 10 * MS);
	rss_idle_add(&idle, &rss, &k, 900 * MS);
	assert_int_equal(rss_idle_of(&idle, p.slot), 10 * MS);

	assert_int_equal(step(RSS_MOVES_AT_GAPS), 31);
	assert_int_equal(nic.table[p.slot], 0);
	assert_int_equal(nic.writes, 1);
	assert_int_equal(moves.stats.waiting, 1);
	assert_int_equal(step(RSS_MOVES_AT_GAPS), 0);
	assert_int_equal(nic.writes, 1);	/* nothing to write */

	rss_idle_begin(&idle, &rss);
	rss_idle_add(&idle, &rss, &k, 10 * MS + 1);
	assert_int_equal(step(RSS_MOVES_AT_GAPS), 1);
	assert_int_equal(nic.table[p.slot], 1);
	assert_int_equal(moves.stats.moved_at_gap, 32);
	assert_int_equal(moves.stats.waiting, 0);
	assert_int_equal(moves.stats.forced, 0);
}

static void test_moves_unknown_flows(void **state)
{
	struct sluice_flow_key sctp = flow4(132, 1, 2);

	(void)state;
	want_evacuation();
	rss_idle_add(&idle, &rss, &sctp, 5 * MS);	/* its slot cannot be told */
	assert_int_equal(step(RSS_MOVES_AT_GAPS), 0);
	rss_idle_begin(&idle, &rss);
	rss_idle_add(&idle, &rss, NULL, 0);
	assert_int_equal(step(RSS_MOVES_AT_GAPS), 0);
	assert_int_equal(nic.writes, 0);
	assert_int_equal(moves.stats.waiting, 32);
}

static void test_moves_forced(void **state)
{
	(void)state;
	want_evacuation();
	memset(idle.slot_ns, 0, 64 * sizeof(idle.slot_ns[0]));	/* the first half is busy */
	assert_int_equal(step(RSS_MOVES_NOW), 32);
	assert_int_equal(moves.stats.forced, 16);
	assert_int_equal(moves.stats.moved_at_gap, 16);
}

static void test_moves_refusals(void **state)
{
	uint32_t table[SLOTS] = { 0 };

	(void)state;
	want_evacuation();
	assert_int_equal(rss_moves_step(&moves, &idle, 10 * MS + 1, RSS_MOVES_AT_GAPS, &err),
			 -ESTALE);
	assert_int_equal(rss_moves_step(&moves, NULL, 0, RSS_MOVES_AT_GAPS, &err), -EINVAL);
	assert_int_equal(rss_moves_want(&moves, table, 64, &err), -EINVAL);
	table[7] = 4;
	assert_int_equal(rss_moves_want(&moves, table, SLOTS, &err), -EINVAL);
	assert_int_equal(moves.stats.waiting, 32);
	assert_int_equal(rss_moves_init(&moves, &rss, 0, &err), -EINVAL);

	nic.fault = FAULT_HALF;
	assert_int_equal(step(RSS_MOVES_AT_GAPS), -EIO);
	assert_int_equal(moves.stats.failed, 1);
	assert_int_equal(moves.stats.waiting, 32);
	assert_int_equal(moves.stats.moved_at_gap, 0);
	assert_int_equal(nic.table[0], 0);
	assert_int_equal(step(RSS_MOVES_AT_GAPS), 32);
}

/* What an operator sets meanwhile stays; another key makes all observations void. */
static void test_moves_operator(void **state)
{
	(void)state;
	want_evacuation();
	nic.table[0] = 2;	/* waited to move to 1 */
	nic.table[4] = 1;	/* the same as wanted */
	nic.table[9] = 3;	/* nobody's business */
	assert_int_equal(step(RSS_MOVES_AT_GAPS), 30);
	assert_int_equal(nic.table[0], 2);
	assert_int_equal(nic.table[9], 3);
	assert_int_equal(moves.stats.overridden, 1);
	assert_int_equal(moves.stats.waiting, 0);

	nic_reset();
	want_evacuation();
	nic.key[3] ^= 0x40;
	assert_int_equal(step(RSS_MOVES_AT_GAPS), -ESTALE);
	assert_int_equal(nic.writes, 0);
	assert_int_equal(moves.stats.waiting, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_read, setup),
		cmocka_unit_test_setup(test_no_table, setup),
		cmocka_unit_test_setup(test_write, setup),
		cmocka_unit_test_setup(test_write_fails, setup),
		cmocka_unit_test_setup(test_old_driver, setup),
		cmocka_unit_test_setup(test_tables, setup),
		cmocka_unit_test_setup(test_place, setup),
		cmocka_unit_test_setup(test_moves_at_gaps, setup),
		cmocka_unit_test_setup(test_moves_unknown_flows, setup),
		cmocka_unit_test_setup(test_moves_forced, setup),
		cmocka_unit_test_setup(test_moves_refusals, setup),
		cmocka_unit_test_setup(test_moves_operator, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
