// SPDX-License-Identifier: GPL-2.0
/* What is sent to stock qdiscs, byte by byte, and what becomes of the operator's values. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "daemon/capacity.h"
#include "daemon/settings.h"
#include "lib/config.h"
#include "lib/ecn_note.h"

static struct qdisc_sample sample(enum ecn_kind kind)
{
	return (struct qdisc_sample) {
		.id = { "eth0", "1:1" },
		.ifindex = 7,
		.handle = 0x100000,
		.parent = 0x10001,
		.backend = kind,
	};
}

/* Parses the options out of a message and checks the rest of it. */
static struct nl_msg *message(const struct qdisc_sample *s, const struct ecn_raw *raw, bool ours,
			      struct nlattr **tb, int max)
{
	struct nl_msg *msg = ecn_backend_message(s, raw, ours);
	struct nlattr *outer[TCA_MAX + 1];
	const struct tcmsg *tc;
	struct nlmsghdr *h;

	assert_non_null(msg);
	h = nlmsg_hdr(msg);
	assert_int_equal(h->nlmsg_type, RTM_NEWQDISC);
	/* A flag more would make a qdisc, or put another one in its place. */
	assert_int_equal(h->nlmsg_flags & (NLM_F_CREATE | NLM_F_REPLACE | NLM_F_EXCL), 0);
	tc = nlmsg_data(h);
	assert_int_equal(tc->tcm_ifindex, 7);
	assert_int_equal(tc->tcm_handle, 0x100000);
	assert_int_equal(tc->tcm_parent, 0x10001);
	assert_int_equal(nlmsg_parse(h, sizeof(*tc), outer, TCA_MAX, NULL), 0);
	assert_string_equal(nla_get_string(outer[TCA_KIND]), ecn_backend(s->backend)->name);
	assert_non_null(outer[TCA_OPTIONS]);
	assert_int_equal(nla_parse_nested(tb, max, outer[TCA_OPTIONS], NULL), 0);
	assert_int_equal(outer[TCA_STAB] != NULL, s->has_size);
	return msg;
}

static void test_red_ours(void **state)
{
	struct qdisc_sample s = sample(ECN_RED);
	struct qdisc_triple t = { 30000, 90000, 250000 };
	struct nlattr *tb[TCA_RED_MAX + 1];
	struct nla_bitfield32 *flags;
	struct tc_red_qopt *o;
	struct ecn_raw raw;
	struct nl_msg *msg;
	int i;

	(void)state;
	s.raw = (struct ecn_raw){ .wlog = 9, .plog = 21, .scell_log = 11,
				  .flags = TC_RED_ECN | TC_RED_ADAPTATIVE | TC_RED_NODROP };
	ecn_red.encode(&s, &t, 0, &raw);
	assert_int_equal(raw.flags, TC_RED_ECN | TC_RED_NODROP);
	msg = message(&s, &raw, true, tb, TCA_RED_MAX);
	o = nla_data(tb[TCA_RED_PARMS]);
	assert_int_equal(nla_len(tb[TCA_RED_PARMS]), sizeof(*o));
	assert_int_equal(o->limit, 0);
	assert_int_equal(o->qth_min, 30000);
	assert_int_equal(o->qth_max, 90000);
	assert_int_equal(o->Wlog, 0);
	assert_int_equal(o->Plog, 21);
	/* With a flag here and the attribute the kernel refuses. */
	assert_int_equal(o->flags, 0);
	flags = nla_data(tb[TCA_RED_FLAGS]);
	assert_int_equal(flags->selector, TC_RED_ADAPTATIVE);
	assert_int_equal(flags->value, 0);
	assert_int_equal(nla_get_u32(tb[TCA_RED_MAX_P]), 1u << 30);
	assert_int_equal(nla_len(tb[TCA_RED_STAB]), 256);
	for (i = 0; i < 256; i++)
		assert_int_equal(((__u8 *)nla_data(tb[TCA_RED_STAB]))[i], 31);
	nlmsg_free(msg);

	/* What the kernel keeps below 2^31 >> Wlog. */
	t = (struct qdisc_triple){ 0, UINT32_MAX, 0 };
	ecn_red.encode(&s, &t, 0, &raw);
	assert_int_equal(raw.qth_max, 0x7fffffff);
	assert_int_equal(raw.max_p, 1);
}

static void test_red_operators(void **state)
{
	struct qdisc_sample s = sample(ECN_RED);
	const struct ecn_raw raw = { .qth_min = 5000, .qth_max = 15000, .max_p = 85899346,
				     .wlog = 6, .plog = 20, .scell_log = 9,
				     .flags = TC_RED_ECN | TC_RED_ADAPTATIVE | TC_RED_NODROP };
	struct nlattr *tb[TCA_RED_MAX + 1];
	struct tc_red_qopt *o;
	struct nl_msg *msg;

	(void)state;
	msg = message(&s, &raw, false, tb, TCA_RED_MAX);
	o = nla_data(tb[TCA_RED_PARMS]);
	assert_int_equal(o->limit, 0);
	assert_int_equal(o->qth_min, 5000);
	assert_int_equal(o->qth_max, 15000);
	assert_int_equal(o->Wlog, 6);
	assert_int_equal(o->Plog, 20);
	assert_int_equal(o->Scell_log, 9);
	/* Only here does "adaptive" start its timer; nodrop has no bit in this octet. */
	assert_int_equal(o->flags, TC_RED_ECN | TC_RED_ADAPTATIVE);
	assert_null(tb[TCA_RED_FLAGS]);
	assert_int_equal(nla_get_u32(tb[TCA_RED_MAX_P]), 85899346);
	nlmsg_free(msg);
}

static void test_red_probability(void **state)
{
	__u32 ppm;

	(void)state;
	for (ppm = 1; ppm <= 1000000; ppm += 7)
		assert_int_equal(ecn_red_ppm(ecn_red_max_p(ppm)), ppm);
	assert_int_equal(ecn_red_max_p(1000000), UINT32_MAX);
	assert_int_equal(ecn_red_ppm(UINT32_MAX), 1000000);
	assert_int_equal(ecn_red_max_p(500000), 1u << 31);
}

static void test_red_stab(void **state)
{
	__u8 stab[256];
	int wlog, scell, i;

	(void)state;
	for (wlog = 0; wlog < 32; wlog++) {
		for (scell = 0; scell < 32; scell++) {
			ecn_red_stab((__u8)wlog, (__u8)scell, stab);
			for (i = 0; i < 256; i++) {
				assert_true(stab[i] < 32);
				assert_true(!i || stab[i] >= stab[i - 1]);
			}
			assert_int_equal(stab[255], 31);
			assert_int_equal(stab[0], wlog ? 0 : 31);
		}
	}
}

/* 125 bytes per microsecond: K = 12500 .. 37500 is 200 us in the middle. */
static void test_step(void **state)
{
	const double c = 125e6;

	(void)state;
	assert_int_equal(ecn_step_us(&(struct qdisc_triple){ 12500, 37500, 1 }, c), 200);
	assert_int_equal(ecn_step_us(&(struct qdisc_triple){ 25000, 25000, 1 }, c), 200);
	assert_int_equal(ecn_step_us(&(struct qdisc_triple){ 0, 0, 1 }, c), 2);
	assert_int_equal(ecn_step_us(&(struct qdisc_triple){ 25000, 25000, 1 }, 0), 10000000);
}

static void test_codel_units(void **state)
{
	__u32 us, reads;

	(void)state;
	for (us = 2; us < 100000; us++) {
		reads = ecn_codel_reads(us);
		assert_true(reads <= us && us - reads <= 2);
		/* What was read can be written so that it reads the same again. */
		assert_int_equal(ecn_codel_reads(ecn_codel_writes(reads)), reads);
	}
	/* The kernel's own word for "none": INT_MAX units, which it does not dump. */
	assert_int_equal((__u64)ecn_codel_writes(ECN_CE_OFF) * 1000 >> 10, INT32_MAX);
	assert_int_equal(ecn_codel_reads(ecn_codel_writes(ECN_CE_OFF)), ECN_CE_OFF);
}

/* One attribute and no other, so that no other option changes. */
static void one_attribute(enum ecn_kind kind, int attr, int max, __u32 us, __u32 written)
{
	struct nlattr *tb[32];
	struct qdisc_sample s = sample(kind);
	struct ecn_raw raw = { .ce_threshold_us = us };
	struct nl_msg *msg;
	int i;

	msg = message(&s, &raw, true, tb, max);
	for (i = 0; i <= max; i++)
		assert_int_equal(tb[i] != NULL, i == attr);
	assert_int_equal(nla_get_u32(tb[attr]), written);
	nlmsg_free(msg);
}

static void test_step_messages(void **state)
{
	(void)state;
	one_attribute(ECN_FQ_CODEL, TCA_FQ_CODEL_CE_THRESHOLD, TCA_FQ_CODEL_MAX, 1024, 1024);
	one_attribute(ECN_FQ_CODEL, TCA_FQ_CODEL_CE_THRESHOLD, TCA_FQ_CODEL_MAX, 999, 1000);
	one_attribute(ECN_FQ_CODEL, TCA_FQ_CODEL_CE_THRESHOLD, TCA_FQ_CODEL_MAX, ECN_CE_OFF,
		      2199023255u);
	one_attribute(ECN_FQ, TCA_FQ_CE_THRESHOLD, TCA_FQ_MAX, 999, 999);
	one_attribute(ECN_FQ, TCA_FQ_CE_THRESHOLD, TCA_FQ_MAX, ECN_CE_OFF, UINT32_MAX);
}

/* A size table that only has an overhead is repeated, or a change would take it away. */
static void test_size_table(void **state)
{
	struct nlattr *tb[TCA_FQ_MAX + 1];
	struct qdisc_sample s = sample(ECN_FQ);
	struct ecn_raw raw = { .ce_threshold_us = 100 };

	(void)state;
	s.has_size = true;
	s.size.overhead = 24;
	nlmsg_free(message(&s, &raw, true, tb, TCA_FQ_MAX));
}

static void test_decode(void **state)
{
	struct qdisc_sample s = sample(ECN_FQ_CODEL);
	struct qdisc_triple t;
	struct ecn_raw raw;

	(void)state;
	s.stats.limit_bytes = 1000000;
	t = (struct qdisc_triple){ 50000, 50000, 1000000 };
	ecn_fq_codel.encode(&s, &t, 125e6, &raw);
	assert_int_equal(raw.ce_threshold_us, 399);	/* of 1.024 us each */
	ecn_fq_codel.decode(&s, &raw, 125e6, &t);
	assert_int_equal(t.qth_min, 399 * 125);
	assert_int_equal(t.qth_max, t.qth_min);
	raw.ce_threshold_us = ECN_CE_OFF;
	ecn_fq_codel.decode(&s, &raw, 125e6, &t);
	assert_int_equal(t.qth_min, 1000000);	/* never marks */
}

static void test_same(void **state)
{
	struct ecn_raw a = { .qth_min = 1, .qth_max = 2, .max_p = 3, .flags = TC_RED_ECN }, b = a;

	(void)state;
	assert_true(ecn_raw_same(&a, &b));
	b.max_p = 4;
	assert_false(ecn_raw_same(&a, &b));
	a.flags = b.flags = TC_RED_ECN | TC_RED_ADAPTATIVE;
	assert_true(ecn_raw_same(&a, &b));
	b.qth_min++;
	assert_false(ecn_raw_same(&a, &b));
}

static void test_notes(void **state)
{
	const char *path = "/tmp/sluice-notes-test";
	struct ecn_note in[2] = {
		{ .id = { "eth0", "1:1" }, .ifindex = 7, .handle = 0x100000, .backend = ECN_RED,
		  .original = { .qth_min = 5000, .qth_max = 15000, .max_p = 1u << 31, .wlog = 9,
				.plog = 22, .scell_log = 3, .flags = 5 },
		  .wrote = { { .qth_min = 1 }, { .qth_min = 2 } } },
		{ .id = { "eth1", "root" }, .ifindex = 8, .handle = 0x80010000,
		  .backend = ECN_FQ_CODEL, .original = { .ce_threshold_us = ECN_CE_OFF } },
	};
	struct qdisc_sample s = sample(ECN_RED);
	struct ecn_note *out;
	struct sl_err e;
	size_t n;

	(void)state;
	assert_int_equal(ecn_notes_write(path, in, 2, &e), 0);
	assert_int_equal(ecn_notes_read(path, &out, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_memory_equal(out, in, sizeof(in));
	free(out);

	s.raw = in[0].wrote[1];
	assert_int_equal(ecn_note_check(&in[0], &s), ECN_NOTE_RESTORE);
	s.raw = in[0].wrote[0];
	assert_int_equal(ecn_note_check(&in[0], &s), ECN_NOTE_RESTORE);
	s.raw = in[0].original;
	assert_int_equal(ecn_note_check(&in[0], &s), ECN_NOTE_DONE);
	s.raw.qth_min = 77;
	assert_int_equal(ecn_note_check(&in[0], &s), ECN_NOTE_FOREIGN);
	s.handle++;
	assert_int_equal(ecn_note_check(&in[0], &s), ECN_NOTE_OTHER);

	assert_int_equal(ecn_notes_write(path, NULL, 0, &e), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(ecn_notes_read(path, &out, &n, &e), -ENOENT);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_bad_notes(void **state)
{
	const char *path = "/tmp/sluice-notes-test";
	struct ecn_note *out;
	struct sl_err e;
	size_t n;

	(void)state;
	write_text(path, "{\"version\":1,");
	assert_int_equal(ecn_notes_read(path, &out, &n, &e), -EBADMSG);
	write_text(path, "{\"version\":1,\"boot\":\"another\",\"netns\":1,\"queues\":[]}");
	assert_int_equal(ecn_notes_read(path, &out, &n, &e), -ESTALE);
	write_text(path, "{\"version\":2,\"boot\":\"another\",\"netns\":1,\"queues\":[]}");
	assert_int_equal(ecn_notes_read(path, &out, &n, &e), -EBADMSG);
	unlink(path);
}

/* 10 Mbit/s, in intervals of 50 ms; a packet of TSO goes to and fro between them. */
static void test_span(void **state)
{
	struct capacity_span s = { 0 };
	struct capacity c = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		capacity_span_add(&c, &s, 1, 62500 + (i & 1 ? -15000 : 15000), 50e6, 50e6, 1e6);
		assert_true(capacity_get(&c) == 0);
	}
	capacity_span_add(&c, &s, 1, 62500 - 15000, 50e6, 50e6, 1e6);
	assert_in_range((int)capacity_get(&c), 1230000, 1250000);
	/* An interval that was at rest ends the span, whatever it carried. */
	for (i = 0; i < 5; i++)
		capacity_span_add(&c, &s, 2, 200000, 50e6, 50e6, 0);
	capacity_span_add(&c, &s, 2, 200000, 50e6, 25e6, 0);
	for (i = 0; i < 5; i++)
		capacity_span_add(&c, &s, 2, 200000, 50e6, 50e6, 0);
	assert_in_range((int)capacity_get(&c), 1230000, 1250000);
	capacity_span_add(&c, &s, 2, 200000, 50e6, 50e6, 0);
	assert_int_equal((int)capacity_get(&c), 4000000);
}

/* The words of the setting and the kinds have one order. */
static void test_choices(void **state)
{
	const struct config_row *rows;
	size_t n, i;
	int k;

	(void)state;
	rows = settings_table(&n);
	for (i = 0; i < n && strcmp(rows[i].key, "backend"); i++)
		;
	assert_true(i < n);
	for (k = 0; k < ECN_KINDS; k++)
		assert_string_equal(rows[i].words[ECN_CHOICE_FIRST + k],
				    ecn_backend((enum ecn_kind)k)->name);
	assert_null(rows[i].words[ECN_CHOICE_FIRST + ECN_KINDS]);
	assert_true(settings_list_names("eth0, eth1", "eth1"));
	assert_false(settings_list_names("* eth0", "eth1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_red_ours),
		cmocka_unit_test(test_red_operators),
		cmocka_unit_test(test_red_probability),
		cmocka_unit_test(test_red_stab),
		cmocka_unit_test(test_step),
		cmocka_unit_test(test_codel_units),
		cmocka_unit_test(test_step_messages),
		cmocka_unit_test(test_size_table),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_bad_notes),
		cmocka_unit_test(test_span),
		cmocka_unit_test(test_choices),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
