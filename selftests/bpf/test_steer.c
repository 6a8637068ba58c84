// SPDX-License-Identifier: GPL-2.0
/*
 * Whom the XDP program sends where, by BPF_PROG_RUN on a private instance:
 * nothing is attached or pinned. What it parses is test_parse.c's.
 */
#include "fixture.h"

static const struct sluice_flow_key *const all_keys[] = { &tcp4, &udp4, &tcp6, &udp6 };

/* --- decisions ------------------------------------------------------------- */

static void test_empty_tables_pass(void **state)
{
	for (size_t i = 0; i < 4; i++) {
		frame_make(&frame, all_keys[i], 0, 10);
		expect_pass(*state, SLUICE_PASS_no_target, "packet with empty tables");
	}
}

static void test_no_cpumap_entry_passes(void **state)
{
	struct steer *s = *state;

	frame_make(&frame, &tcp4, 0, 10);
	for (unsigned int i = 0; i < SLUICE_BUCKETS; i++)
		s->buckets[i].cpu = 1;		/* has no entry in setup_cpu0 */
	read_counters(s);
	assert_int_equal(run(s), XDP_PASS);
	read_counters(s);
	assert_int_equal(snap.pass[SLUICE_PASS_no_cpu].packets, 1);
	assert_int_equal(snap.cpu[1].packets, 0);
	for (unsigned int i = 0; i < SLUICE_BUCKETS; i++)
		s->buckets[i].cpu = 65535;	/* beyond any map */
	assert_int_equal(run(s), XDP_PASS);
	read_counters(s);
	assert_int_equal(snap.pass[SLUICE_PASS_no_cpu].packets, 2);
}

static void test_both_directions_share_a_bucket(void **state)
{
	for (size_t i = 0; i < 4; i++) {
		struct sluice_flow_key back = *all_keys[i];

		memcpy(back.saddr, all_keys[i]->daddr, 16);
		memcpy(back.daddr, all_keys[i]->saddr, 16);
		back.sport = all_keys[i]->dport;
		back.dport = all_keys[i]->sport;
		frame_make(&frame, all_keys[i], 0, 10);
		expect_steered(*state, all_keys[i], 0);
		frame_make(&frame, &back, 0, 10);
		expect_steered(*state, all_keys[i], 0);
	}
}

static void get_flow(struct steer *s, const struct sluice_flow_key *k, struct sluice_flow *f)
{
	CHECK(steer_flow_get(s, k, f));
}

static void test_flow_entry(void **state)
{
	struct steer *s = *state;
	struct sluice_flow f;

	CHECK(steer_flow_set(s, &tcp4, 0, SLUICE_FLOW_OPERATOR, 0, &err));
	frame_make(&frame, &tcp4, 0, 10);
	for (int i = 0; i < 3; i++)
		assert_int_equal(run(s), XDP_REDIRECT);
	get_flow(s, &tcp4, &f);
	assert_int_equal(f.packets, 3);
	assert_int_equal(f.bytes, 3 * frame.bytes);
	assert_true(f.ticks);
	read_counters(s);
	assert_int_equal(snap.stats.hash_hits, 1);	/* then it was cached */
	assert_int_equal(snap.stats.flow_misses, 0);
	assert_int_equal(snap.bucket[sluice_bucket_of(&tcp4)].packets, 0);

	/* Another flow, in the other direction, is another entry. */
	frame_make(&frame, &udp4, 0, 10);
	assert_int_equal(run(s), XDP_REDIRECT);
	read_counters(s);
	assert_int_equal(snap.stats.flow_misses, 1);

	/* Changing it keeps its counters, and a CPU without an entry is refused. */
	CHECK(steer_flow_set(s, &tcp4, 0, SLUICE_FLOW_LEARNED, 7, &err));
	get_flow(s, &tcp4, &f);
	assert_int_equal(f.packets, 3);
	assert_int_equal(f.assign.flags, SLUICE_FLOW_LEARNED);
	assert_int_equal(f.assign.generation, 7);
	assert_int_equal(steer_flow_set(s, &tcp4, 99, SLUICE_FLOW_OPERATOR, 0, &err), -EINVAL);
	CHECK(steer_flow_delete(s, &tcp4, &err));
	assert_int_equal(steer_flow_delete(s, &tcp4, &err), -ENOENT);
}

/* Bytes of a frame with one tag and an IPv4 header without options. */
#define TCI	14
#define TOS	(18 + 1)
#define FLAGS	(18 + 20 + 13)

/* Flags add up, also those of packets that the cache knew; tags are an early packet's. */
static void test_entry_shows_packets(void **state)
{
	struct sluice_flow_key other = tcp4;
	struct steer *s = *state;
	struct sluice_flow f;

	other.sport++;
	CHECK(steer_flow_set(s, &tcp4, 0, SLUICE_FLOW_OPERATOR, 0, &err));
	frame_make(&frame, &tcp4, 1, 10);
	frame.data[TCI] = 0x60;
	frame.data[TCI + 1] = 0x2a;
	frame.data[TOS] = 0xb9;
	frame.data[FLAGS] = 0x02;
	assert_int_equal(run(s), XDP_REDIRECT);
	frame.data[FLAGS] = 0x10;
	assert_int_equal(run(s), XDP_REDIRECT);
	get_flow(s, &tcp4, &f);
	assert_int_equal(f.packets, 2);
	assert_int_equal(f.seen.vlan_tci, 0x602a);
	assert_int_equal(f.seen.tos, 0xb9);
	assert_int_equal(f.seen.tcp_flags, 0x12);

	/* Of a flow that came once and is not assigned, too. */
	f = (struct sluice_flow){ 0 };
	CHECK(steer_flow_insert(s, &other, &f, &err));
	frame_make(&frame, &other, 1, 10);
	frame.data[TOS] = 0xb9;
	frame.data[FLAGS] = 0x02;
	assert_int_equal(run(s), XDP_REDIRECT);
	get_flow(s, &other, &f);
	assert_int_equal(f.packets, 1);
	assert_int_equal(f.seen.tos, 0xb9);
	assert_int_equal(f.seen.tcp_flags, 0x02);
}

static bool is_recent(struct steer *s, unsigned int ms, const struct sluice_flow_key *k)
{
	__u64 set[SLUICE_BUCKETS / 64] = { 0 };
	const __u32 b = sluice_bucket_of(k);
	unsigned int n = 0;

	CHECK(steer_recent_buckets(s, ms, set, &err));
	for (unsigned int i = 0; i < SLUICE_BUCKETS / 64; i++)
		n += __builtin_popcountll(set[i]);
	assert_in_range(n, 0, 2);
	return set[b / 64] >> b % 64 & 1;
}

/* Buckets are recent for as long as asked, each for itself, and not for packets of assigned flows. */
static void test_recent_buckets(void **state)
{
	struct steer *s = *state;

	assert_false(is_recent(s, 10000, &tcp4));	/* never used */
	frame_make(&frame, &tcp4, 0, 10);
	assert_int_equal(run(s), XDP_REDIRECT);
	assert_true(is_recent(s, 10000, &tcp4));
	assert_false(is_recent(s, 10000, &udp4));
	wait_out_gap();
	assert_true(is_recent(s, 10000, &tcp4));
	assert_false(is_recent(s, 1, &tcp4));
	CHECK(steer_flow_set(s, &udp4, 0, SLUICE_FLOW_OPERATOR, 0, &err));
	frame_make(&frame, &udp4, 0, 10);
	assert_int_equal(run(s), XDP_REDIRECT);
	assert_false(is_recent(s, 10000, &udp4));
	frame_make(&frame, &tcp6, 0, 10);
	assert_int_equal(run(s), XDP_REDIRECT);
	assert_true(is_recent(s, 10000, &tcp6));
	assert_true(is_recent(s, 10000, &tcp4));
}

static void test_flow_table_full(void **state)
{
	struct sluice_flow_key k = tcp4;
	int r = 0;

	for (int i = 0; i < 64; i++) {
		k.sport = i;
		CHECK(steer_flow_set(*state, &k, 0, SLUICE_FLOW_OPERATOR, 0, &err));
	}
	/* The kernel's bound is not sharp when entries are not preallocated, but there is one. */
	for (int i = 64; i < 512 && !r; i++) {
		k.sport = i;
		r = steer_flow_set(*state, &k, 0, SLUICE_FLOW_OPERATOR, 0, &err);
	}
	assert_int_equal(r, -ENOSPC);
}

static void test_flow_list(void **state)
{
	struct sluice_flow_key k = tcp4;
	struct steer_flow *flows;
	unsigned int seen = 0;
	size_t n;

	CHECK(steer_flow_list(*state, &flows, &n, &err));
	assert_int_equal(n, 0);
	free(flows);
	for (int i = 0; i < 30; i++) {
		k.sport = i;
		CHECK(steer_flow_set(*state, &k, 0, SLUICE_FLOW_OPERATOR, 0, &err));
	}
	CHECK(steer_flow_list(*state, &flows, &n, &err));
	assert_int_equal(n, 30);
	for (size_t i = 0; i < n; i++)
		seen |= 1u << flows[i].key.sport;
	assert_int_equal(seen, (1u << 30) - 1);
	free(flows);
}

static void wait_until_lapsed(struct steer *s)
{
	const struct timespec tick = { .tv_nsec = 1000 * 1000 };

	for (int i = 0; i < 2000; i++) {
		read_counters(s);
		if (snap.jiffies >= snap.control.expires_jiffies)
			return;
		nanosleep(&tick, NULL);
	}
	fail_msg("the lease did not lapse within 2 s");
}

/* Learned points to CPU 5, which is no target: "no_cpu" shows that it was followed. */
static void test_bucket_precedence(void **state)
{
	const __u32 b = sluice_bucket_of(&tcp4);
	struct steer *s = *state;

	set_short_gap(s);
	frame_make(&frame, &tcp4, 0, 10);
	CHECK(steer_bucket_set_learned(s, b, 5, 3));
	expect_steered(s, &tcp4, 0);			/* no lease yet */
	assert_int_equal(snap.stats.lapsed, 1);

	CHECK(steer_lease_renew(s, 60000, 3, &err));
	wait_out_gap();
	assert_int_equal(run(s), XDP_PASS);
	read_counters(s);
	assert_int_equal(snap.pass[SLUICE_PASS_no_cpu].packets, 1);
	assert_int_equal(snap.control.generation, 3);
	assert_int_equal(snap.control.renewals, 1);
	assert_int_equal(snap.bucket_target[b].generation, 3);

	s->buckets[b].flags |= SLUICE_BUCKET_F_HOLD;
	expect_steered(s, &tcp4, 0);
	assert_int_equal(snap.stats.lapsed, 1);
	s->buckets[b].flags &= ~SLUICE_BUCKET_F_HOLD;

	CHECK(steer_lease_renew(s, 20, 3, &err));
	wait_until_lapsed(s);
	expect_steered(s, &tcp4, 0);
	assert_int_equal(snap.stats.lapsed, 2);

	CHECK(steer_bucket_set_learned(s, b, -1, 4));
	expect_steered(s, &tcp4, 0);
	assert_int_equal(snap.stats.lapsed, 2);
}

static void test_flow_lease(void **state)
{
	const __u32 b = sluice_bucket_of(&tcp4);
	struct steer *s = *state;
	struct sluice_flow f;

	CHECK(steer_flow_set(s, &tcp4, 0, SLUICE_FLOW_LEARNED, 1, &err));
	frame_make(&frame, &tcp4, 0, 10);
	expect_steered(s, &tcp4, 0);			/* by the bucket */
	assert_int_equal(snap.stats.flow_misses, 0);
	assert_int_equal(snap.bucket[b].packets, 1);
	CHECK(steer_lease_renew(s, 60000, 1, &err));
	assert_int_equal(run(s), XDP_REDIRECT);
	read_counters(s);
	assert_int_equal(snap.bucket[b].packets, 1);
	CHECK(steer_lease_renew(s, 0, 1, &err));
	expect_steered(s, &tcp4, 0);
	assert_int_equal(snap.bucket[b].packets, 2);
	get_flow(s, &tcp4, &f);
	assert_int_equal(f.packets, 3);			/* counted either way */
}

static void test_lease_length(void **state)
{
	struct steer *s = *state;
	__u64 ticks;

	CHECK(steer_lease_renew(s, 10000, 1, &err));
	read_counters(s);
	ticks = snap.control.expires_jiffies - snap.jiffies;
	/* 10 s at one of the rates a kernel can have, less what has passed since. */
	if (!(ticks > 990 && ticks <= 1000) && !(ticks > 2450 && ticks <= 2500) &&
	    !(ticks > 2940 && ticks <= 3000) && !(ticks > 9800 && ticks <= 10000))
		fail_msg("a lease of 10 s is %llu ticks", ticks);
	assert_int_equal(steer_lease_renew(s, SLUICE_LEASE_MS_MIN - 1, 1, &err), -EINVAL);
	assert_int_equal(steer_lease_renew(s, SLUICE_LEASE_MS_MAX + 1, 1, &err), -EINVAL);
}

/* --- announcements and samples --------------------------------------------- */

struct heard {
	unsigned int n;
	struct sluice_flow_event last;
};

static void hear(const struct sluice_flow_event *ev, void *data)
{
	struct heard *h = data;

	h->n++;
	h->last = *ev;
}

static void test_announce(void **state)
{
	struct sluice_steer_config c = { .flags = SLUICE_STEER_F_ANNOUNCE, .announce_mask = 3 };
	struct steer *s = *state;
	struct heard h = { 0 };

	assert_true(steer_event_fd(s) >= 0);
	frame_make(&frame, &tcp4, 0, 10);
	assert_int_equal(run(s), XDP_REDIRECT);		/* not yet switched on */
	CHECK(steer_set_config(s, &c, &err));
	for (int i = 0; i < 16; i++)
		assert_int_equal(run(s), XDP_REDIRECT);
	assert_int_equal(steer_event_drain(s, hear, &h), 4);
	assert_int_equal(h.n, 4);
	assert_memory_equal(&h.last.key, &tcp4, sizeof(tcp4));
	assert_int_equal(h.last.bucket, sluice_bucket_of(&tcp4));
	assert_int_equal(h.last.bytes, frame.bytes);

	CHECK(steer_flow_set(s, &tcp4, 0, SLUICE_FLOW_OPERATOR, 0, &err));
	for (int i = 0; i < 16; i++)
		run(s);
	assert_int_equal(steer_event_drain(s, hear, &h), 0);
	c.announce_mask = 2;
	assert_int_equal(steer_set_config(s, &c, &err), -EINVAL);
}

static void test_samples(void **state)
{
	struct sluice_steer_config c = { .flags = SLUICE_STEER_F_SAMPLE, .sample_mask = 3 };
	struct steer *s = *state;
	struct sluice_meta meta;
	struct frame out;
	int timed = 0;

	CHECK(steer_set_config(s, &c, &err));
	frame_make(&frame, &tcp4, 0, 10);
	for (int i = 0; i < 8; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame.data,
			    .data_size_in = frame.bytes, .data_out = out.data,
			    .data_size_out = sizeof(out.data));

		CHECK(bpf_prog_test_run_opts(s->prog[STEER_PROG_xdp_steer], &o));
		if (o.data_size_out == frame.bytes)
			continue;
		assert_int_equal(o.data_size_out, frame.bytes + sizeof(meta));
		memcpy(&meta, out.data, sizeof(meta));
		assert_int_equal(meta.magic, SLUICE_META_MAGIC);
		assert_int_equal(meta.cpu, 0);
			assert_true(meta.time_ns > 0);
		assert_true(meta.seq > 0);
		assert_memory_equal(out.data + sizeof(meta), frame.data, frame.bytes);
		timed++;
	}
	assert_int_equal(timed, 2);
	read_counters(s);
	assert_int_equal(snap.stats.sampled, 2);
	assert_int_equal(snap.stats.meta_failed, 0);
	assert_int_equal(snap.cpu[0].bytes, 8 * frame.bytes);
}

/* --- the jumbo variant, the control program -------------------------------- */

static void test_jumbo(void **state)
{
	struct steer *s = *state;
	const __u16 cpu = 0;

	s->frags = true;
	CHECK(steer_write_targets(s, &cpu, 1, 0, &err));
	CHECK(steer_flow_set(s, &udp4, 0, SLUICE_FLOW_OPERATOR, 0, &err));
	frame_make(&frame, &udp4, 0, 9000);
	assert_int_equal(run_on(s->prog[STEER_PROG_xdp_steer_frags]), XDP_REDIRECT);
	read_counters(s);
	assert_int_equal(snap.cpu[0].bytes, frame.bytes);
}

static void test_unknown_control(void **state)
{
	struct sluice_ctl ctl = { .op = 99 };

	assert_int_equal(steer_ctl_run(*state, &ctl), -EINVAL);
}

static void test_set_targets(void **state)
{
	const __u16 none_such = SLUICE_MAX_CPUS, cpu = 0;
	struct steer *s = *state;

	CHECK(steer_bucket_set_learned(s, 9, 0, 5));
	CHECK(steer_write_targets(s, &cpu, 1, 0, &err));
	assert_int_equal(s->buckets[9].flags, SLUICE_BUCKET_F_LEARNED | SLUICE_BUCKET_F_BASELINE);
	CHECK(steer_write_targets(s, NULL, 0, 0, &err));
	read_counters(s);
	assert_false(snap.target[0]);
	/* What was learned is kept where its CPU is still a target. */
	assert_int_equal(snap.bucket_target[9].flags, 0);
	assert_int_equal(snap.bucket_target[10].flags, 0);
	assert_int_equal(steer_write_targets(s, &none_such, 1, 0, &err), -EINVAL);
	frame_make(&frame, &tcp4, 0, 10);
	expect_pass(s, SLUICE_PASS_no_target, "packet without targets");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_ON(setup_empty, test_empty_tables_pass),
		TEST_ON(setup_cpu0, test_no_cpumap_entry_passes),
		TEST_ON(setup_cpu0, test_both_directions_share_a_bucket),
		TEST_ON(setup_cpu0, test_flow_entry),
		TEST_ON(setup_cpu0, test_entry_shows_packets),
		TEST_ON(setup_cpu0, test_recent_buckets),
		TEST_ON(setup_cpu0, test_flow_table_full),
		TEST_ON(setup_cpu0, test_flow_list),
		TEST_ON(setup_cpu0, test_bucket_precedence),
		TEST_ON(setup_cpu0, test_flow_lease),
		TEST_ON(setup_cpu0, test_lease_length),
		TEST_ON(setup_cpu0, test_announce),
		TEST_ON(setup_cpu0, test_samples),
		TEST_ON(setup_empty, test_jumbo),
		TEST_ON(setup_empty, test_unknown_control),
		TEST_ON(setup_cpu0, test_set_targets),
	};

	if (geteuid()) {
		puts("1..0 # SKIP needs root");
		return 4;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
