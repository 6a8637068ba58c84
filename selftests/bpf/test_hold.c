// SPDX-License-Identifier: GPL-2.0
/*
 * When a bucket or a flow changes its CPU, by BPF_PROG_RUN on a private
 * instance with CPUs 0 and 1. A test run delivers nothing, so the test plays
 * cpu_deliver: it writes what would have been counted and acknowledged there.
 */
#include "fixture.h"

/* What is enough for packets to have left, with and without GRO in cpumap; and what never is. */
#define SETTLED		(SLUICE_BATCH_PKTS + 2 * SLUICE_GRO_FLUSH_PKTS)
#define NOT_SETTLED	(SLUICE_BATCH_PKTS - 1)

static int setup_cpus01(void **state)
{
	const struct sluice_steer_config c = { .gap_ticks = 60000, .flags = SLUICE_STEER_F_SLOW_TICK };
	const __u16 cpus[] = { 0, 1 };
	struct steer *s;

	if (setup_empty(state))
		return -1;
	s = *state;
	if (steer_write_targets(s, cpus, 2, 0, &err) || steer_set_config(s, &c, &err) ||
	    steer_lease_renew(s, 600000, 1, &err))
		return -1;
	for (unsigned int i = 0; i < SLUICE_BUCKETS; i++)
		s->buckets[i].cpu = 0;
	return 0;
}

/* Without waiting for ticks, whatever HZ is here. */
static void set_flags(struct steer *s, __u32 flags)
{
	struct sluice_steer_config c = {
		.gap_ticks = 60000, .flags = SLUICE_STEER_F_SLOW_TICK | flags,
	};

	CHECK(steer_set_config(s, &c, &err));
}

static __u64 packets_to(struct steer *s, unsigned int cpu)
{
	return s->sent[cpu].packets;
}

/* The CPU the packet goes to. */
static int goes_to(struct steer *s)
{
	const __u64 before[2] = { packets_to(s, 0), packets_to(s, 1) };

	if (run(s) != XDP_REDIRECT)
		return -1;
	return packets_to(s, 1) != before[1];
}

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* CPU 0 has delivered so many; the latest with metadata had that number when it was the at-th. */
static void plays_deliver_at(struct steer *s, __u64 safe, __u64 seq, __u64 at, __u64 packets,
			     __u64 seen_ns)
{
	const struct sluice_ack a = {
		.safe = safe, .latest = SLUICE_ACK(seq, at), .seen_ns = seen_ns,
	};
	const struct sluice_deliver d = { .packets = packets };
	__u32 zero = 0;

	CHECK(bpf_map_update_elem(s->map[STEER_MAP_acks], &zero, &a, 0));
	CHECK(bpf_map_update_elem(s->map[STEER_MAP_deliver], &zero, &d, 0));
}

static void want(struct steer *s, const struct sluice_flow_key *key, int cpu)
{
	CHECK(steer_bucket_set_learned(s, sluice_bucket_of(key), cpu, 2));
}

/* Just now, as far as the program can tell: nothing has settled by time. */
static void plays_deliver(struct steer *s, __u64 safe, __u64 seq, __u64 at, __u64 packets)
{
	plays_deliver_at(s, safe, seq, at, packets, now_ns() + 1000000000);
}

static void expect_moves(struct steer *s, __u64 begun, __u64 completed, __u64 forced)
{
	read_counters(s);
	assert_int_equal(snap.stats.moves_begun, begun);
	assert_int_equal(snap.stats.moves_completed, completed);
	assert_int_equal(snap.stats.moves_forced, forced);
}

static void begin(struct steer *s)
{
	frame_make(&frame, &udp4, 0, 10);
	assert_int_equal(goes_to(s), 0);	/* number 1 */
	want(s, &udp4, 1);
	assert_int_equal(goes_to(s), 0);	/* 2, pending */
	expect_moves(s, 1, 0, 0);
}

/* --- buckets --------------------------------------------------------------- */

static void test_waits_for_acknowledgement(void **state)
{
	struct steer *s = *state;

	begin(s);
	plays_deliver(s, 1, 1, 1, 1000);	/* all but the latest */
	assert_int_equal(goes_to(s), 0);	/* 3 */
	plays_deliver(s, 2, 2, 2, 1000);
	assert_int_equal(goes_to(s), 0);	/* 4 */
	plays_deliver(s, 4, 4, 4, 1000);
	assert_int_equal(goes_to(s), 1);
	assert_int_equal(goes_to(s), 1);
	expect_moves(s, 1, 1, 0);
	assert_int_equal(snap.stats.moves_by_gap, 0);
}

/* Seen by cpu_deliver is not yet handed to the stack: it takes a batch, or two flushes of GRO. */
static void test_waits_for_batch(void **state)
{
	struct steer *s = *state;

	begin(s);
	plays_deliver(s, 0, 2, 100, 100 + NOT_SETTLED);
	assert_int_equal(goes_to(s), 0);	/* 3 */
	plays_deliver(s, 0, 2, 100, 100 + SETTLED);
	assert_int_equal(goes_to(s), 0);	/* 4: number 3 is the latest */
	plays_deliver(s, 0, 4, 100, 100 + SETTLED);
	assert_int_equal(goes_to(s), 1);
}

/* An empty ring is proof, a little later; one that is not empty is none, however late. */
static void test_empty_ring_settles(void **state)
{
	struct steer *s = *state;

	begin(s);
	plays_deliver_at(s, 0, 2, 100, 100, now_ns() + SLUICE_SETTLE_NS * 1000ULL);
	assert_int_equal(goes_to(s), 0);	/* 3 */
	frame_make(&frame, &tcp4, 0, 10);
	assert_int_equal(goes_to(s), 0);	/* 4, another bucket's */
	frame_make(&frame, &udp4, 0, 10);
	plays_deliver_at(s, 0, 3, 100, 100, now_ns() - 2 * SLUICE_SETTLE_NS);
	assert_int_equal(goes_to(s), 0);	/* 5 */
	plays_deliver_at(s, 0, 4, 100, 100, now_ns() - 2 * SLUICE_SETTLE_NS);
	assert_int_equal(goes_to(s), 0);	/* 6 */
	plays_deliver_at(s, 0, 6, 100, 100, now_ns() - 2 * SLUICE_SETTLE_NS);
	assert_int_equal(goes_to(s), 1);
	expect_moves(s, 1, 1, 0);
	assert_int_equal(snap.stats.moves_busy, 0);
}

/* A count of 16 bits goes round. */
static void test_counts_wrap(void **state)
{
	struct steer *s = *state;

	begin(s);
	plays_deliver(s, 0, 2, 0x1fffe, 0x1fffe + NOT_SETTLED);
	assert_int_equal(goes_to(s), 0);
	plays_deliver(s, 0, 3, 0x1fffe, 0x1fffe + SETTLED);
	assert_int_equal(goes_to(s), 1);
	/* A count read too early is below, not far above. */
	want(s, &udp4, 0);
	assert_int_equal(goes_to(s), 1);
}

static void test_stale_count_is_no_proof(void **state)
{
	struct steer *s = *state;

	begin(s);
	plays_deliver(s, 0, 2, 100, 99);
	assert_int_equal(goes_to(s), 0);
}

static void test_gap(void **state)
{
	struct steer *s = *state;

	begin(s);
	set_short_gap(s);
	wait_out_gap();
	assert_int_equal(goes_to(s), 1);
	expect_moves(s, 1, 1, 0);
	assert_int_equal(snap.stats.moves_by_gap, 1);
}

static void test_busy(void **state)
{
	struct steer *s = *state;

	begin(s);
	frame_make(&frame, &tcp4, 0, 10);	/* another bucket's */
	for (int i = 0; i < 10; i++)
		assert_int_equal(goes_to(s), 0);	/* numbers 3 to 12 */
	frame_make(&frame, &udp4, 0, 10);
	plays_deliver(s, 2, 2, 2, 11);
	assert_int_equal(goes_to(s), 1);
	read_counters(s);
	assert_int_equal(snap.stats.moves_busy, 1);

	want(s, &tcp4, 1);
	frame_make(&frame, &tcp4, 0, 10);
	plays_deliver(s, 12, 12, 12, 12);
	assert_int_equal(goes_to(s), 1);
	read_counters(s);
	assert_int_equal(snap.stats.moves_completed, 2);
	assert_int_equal(snap.stats.moves_busy, 1);
}

static void test_cancel(void **state)
{
	struct steer *s = *state;

	begin(s);
	want(s, &udp4, 0);
	assert_int_equal(goes_to(s), 0);
	expect_moves(s, 1, 0, 0);
	assert_int_equal(snap.stats.moves_cancelled, 1);
}

static void test_no_hold(void **state)
{
	struct steer *s = *state;

	begin(s);
	set_flags(s, SLUICE_STEER_F_NO_HOLD);
	assert_int_equal(goes_to(s), 1);
	expect_moves(s, 1, 0, 1);
}

static void test_lost_entry_forces(void **state)
{
	struct steer *s = *state;
	__u32 zero = 0;

	begin(s);
	CHECK(bpf_map_delete_elem(s->map[STEER_MAP_cpus], &zero));
	assert_int_equal(run(s), XDP_PASS);
	assert_int_equal(goes_to(s), 1);
	expect_moves(s, 1, 0, 1);
	assert_int_equal(snap.stats.moves_cancelled, 1);
	assert_int_equal(snap.pass[SLUICE_PASS_no_cpu].packets, 1);
}

/* A lease that ends is a move back. */
static void test_lapse_is_held(void **state)
{
	struct steer *s = *state;

	want(s, &udp4, 1);
	frame_make(&frame, &udp4, 0, 10);
	assert_int_equal(goes_to(s), 1);
	CHECK(steer_lease_renew(s, 0, 1, &err));
	assert_int_equal(goes_to(s), 1);
	expect_moves(s, 1, 0, 0);
	set_short_gap(s);
	wait_out_gap();
	assert_int_equal(goes_to(s), 0);
}

/* --- flows ------------------------------------------------------------------ */

static void test_flow_starts_where_its_bucket_is(void **state)
{
	struct steer *s = *state;
	struct sluice_flow f;

	frame_make(&frame, &udp4, 0, 10);
	assert_int_equal(goes_to(s), 0);
	CHECK(steer_flow_set(s, &udp4, 1, SLUICE_FLOW_OPERATOR, 1, &err));
	assert_int_equal(goes_to(s), 0);	/* number 2: 1 is not acknowledged */
	expect_moves(s, 1, 0, 0);
	plays_deliver(s, 2, 2, 2, 1000);
	assert_int_equal(goes_to(s), 1);
	expect_moves(s, 1, 1, 0);

	/* Without the assignment it returns, in order, and then may go. */
	assert_int_equal(steer_flow_delete(s, &udp4, &err), -EAGAIN);
	assert_int_equal(goes_to(s), 1);
	expect_moves(s, 2, 1, 0);
	CHECK(steer_flow_get(s, &udp4, &f));
	assert_int_equal(f.packets, 3);
	set_short_gap(s);
	wait_out_gap();
	assert_int_equal(goes_to(s), 0);
	expect_moves(s, 2, 2, 0);
	CHECK(steer_flow_delete(s, &udp4, &err));
	assert_int_equal(goes_to(s), 0);
	read_counters(s);
	assert_int_equal(snap.stats.flow_misses, 1);	/* before there was any entry nobody asked */
}

/* The cache is told of a change, however often the flow was found in it. */
static void test_cached_flow_moves(void **state)
{
	struct steer *s = *state;
	struct sluice_flow f;

	CHECK(steer_flow_set(s, &udp6, 0, SLUICE_FLOW_OPERATOR, 1, &err));
	frame_make(&frame, &udp6, 0, 10);
	for (int i = 0; i < 200; i++)
		assert_int_equal(goes_to(s), 0);
	read_counters(s);
	assert_in_range(snap.stats.hash_hits, 1, 50);
	CHECK(steer_flow_get(s, &udp6, &f));
	assert_int_equal(f.packets, 200);
	assert_int_equal(f.bytes, 200 * frame.bytes);
	CHECK(steer_flow_set(s, &udp6, 1, SLUICE_FLOW_OPERATOR, 2, &err));
	assert_int_equal(goes_to(s), 0);
	plays_deliver(s, 201, 201, 201, 1000);
	assert_int_equal(goes_to(s), 1);
	CHECK(steer_flow_get(s, &udp6, &f));
	assert_int_equal(f.packets, 202);
}

/* Some of them share a slot and evict each other: no count is lost. */
static void test_counts_are_exact(void **state)
{
	struct sluice_flow_key k = udp4;
	struct steer *s = *state;
	struct sluice_flow f;

	for (int i = 0; i < 60; i++) {
		k.sport = i;
		CHECK(steer_flow_set(s, &k, 0, SLUICE_FLOW_OPERATOR, 1, &err));
	}
	for (int round = 0; round < 70; round++)
		for (int i = 0; i < 60; i++) {
			k.sport = i;
			frame_make(&frame, &k, 0, 10 + i);
			assert_int_equal(goes_to(s), 0);
		}
	for (int i = 0; i < 60; i++) {
		k.sport = i;
		CHECK(steer_flow_get(s, &k, &f));
		assert_int_equal(f.packets, 70);
		frame_make(&frame, &k, 0, 10 + i);
		assert_int_equal(f.bytes, 70 * frame.bytes);
	}
}

/* --- admission ---------------------------------------------------------------- */

static void hear(const struct sluice_flow_event *ev, void *data)
{
	*(struct sluice_flow_event *)data = *ev;
}

static void test_admission(void **state)
{
	struct sluice_steer_config c = {
		.flags = SLUICE_STEER_F_ADMIT, .announce_mask = 3, .report_packets = 100,
	};
	struct sluice_flow_event ev = { 0 };
	struct steer *s = *state;
	struct sluice_flow f;

	assert_true(steer_event_fd(s) >= 0);
	CHECK(steer_set_config(s, &c, &err));
	frame_make(&frame, &udp4, 0, 10);
	for (int i = 0; i < 4; i++)
		assert_int_equal(goes_to(s), 0);
	assert_int_equal(steer_flow_get(s, &udp4, &f), -ENOENT);	/* sampled once */
	assert_int_equal(goes_to(s), 0);				/* twice: admitted */
	CHECK(steer_flow_get(s, &udp4, &f));
	assert_int_equal(f.packets, 1);
	assert_int_equal(f.assign.flags, 0);
	for (int i = 0; i < 299; i++)
		assert_int_equal(goes_to(s), 0);
	CHECK(steer_flow_get(s, &udp4, &f));
	assert_int_equal(f.packets, 300);
	read_counters(s);
	assert_int_equal(snap.bucket[sluice_bucket_of(&udp4)].packets, 304);	/* is there still */
	assert_int_equal(snap.stats.admitted, 1);
	/* Found out when the cache is written back. */
	nanosleep(&(struct timespec){ .tv_nsec = SLUICE_CACHE_TICKS * 10 * 1000 * 1000 }, NULL);
	assert_int_equal(goes_to(s), 0);
	assert_true(steer_event_drain(s, hear, &ev) >= 1);
	assert_int_equal(ev.kind, SLUICE_EVENT_HEAVY);
	assert_memory_equal(&ev.key, &udp4, sizeof(udp4));
	assert_int_equal(ev.packets, 300);
}

/* Each flow once: none is worth an entry, and a flow that has one keeps it. */
static void test_flood_gets_no_entries(void **state)
{
	struct sluice_steer_config c = { .flags = SLUICE_STEER_F_ADMIT };
	struct sluice_flow_key k = tcp4;
	struct steer *s = *state;
	struct sluice_flow f;

	CHECK(steer_set_config(s, &c, &err));
	frame_make(&frame, &udp4, 0, 10);
	goes_to(s);
	goes_to(s);
	CHECK(steer_flow_get(s, &udp4, &f));
	for (int i = 0; i < 20000; i++) {
		memcpy(k.saddr, &i, sizeof(i));
		frame_make(&frame, &k, 0, 10);
		run(s);
	}
	read_counters(s);
	/* Two of 20,000 may have the same 31 bits and the same slot one after the other. */
	assert_in_range(snap.stats.admitted, 1, 2);
	CHECK(steer_flow_get(s, &udp4, &f));
}

/* --- what goes in front of a packet -------------------------------------------- */

static bool has_metadata(struct steer *s, struct sluice_meta *meta)
{
	struct frame out;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame.data, .data_size_in = frame.bytes,
		    .data_out = out.data, .data_size_out = sizeof(out.data));

	CHECK(bpf_prog_test_run_opts(s->prog[STEER_PROG_xdp_steer], &o));
	memcpy(meta, out.data, sizeof(*meta));
	return o.data_size_out == frame.bytes + sizeof(*meta);
}

static void test_pending_packets_are_numbered(void **state)
{
	struct sluice_meta meta;
	struct steer *s = *state;

	frame_make(&frame, &udp4, 0, 10);
	assert_false(has_metadata(s, &meta));
	want(s, &udp4, 1);
	assert_true(has_metadata(s, &meta));
	assert_int_equal(meta.magic, SLUICE_META_MAGIC);
	assert_int_equal(meta.seq, 2);
	assert_int_equal(meta.cpu, 0);
	assert_int_equal(meta.rxq, 0);
	assert_int_equal(meta.time_ns, 0);
	assert_int_equal(meta.order_slot, 0);
	plays_deliver(s, 2, 2, 2, 1000);
	assert_false(has_metadata(s, &meta));
}

static void test_order_is_numbered(void **state)
{
	struct sluice_meta meta;
	struct steer *s = *state;
	__u32 slot;

	set_flags(s, SLUICE_STEER_F_ORDER);
	frame_make(&frame, &udp4, 0, 10);
	assert_true(has_metadata(s, &meta));
	slot = meta.order_slot;
	assert_in_range(slot, 1, SLUICE_ORDER_SLOTS);
	assert_int_equal(meta.ordinal, 1);
	assert_true(has_metadata(s, &meta));
	assert_int_equal(meta.order_slot, slot);
	assert_int_equal(meta.ordinal, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_ON(setup_cpus01, test_waits_for_acknowledgement),
		TEST_ON(setup_cpus01, test_waits_for_batch),
		TEST_ON(setup_cpus01, test_empty_ring_settles),
		TEST_ON(setup_cpus01, test_counts_wrap),
		TEST_ON(setup_cpus01, test_stale_count_is_no_proof),
		TEST_ON(setup_cpus01, test_gap),
		TEST_ON(setup_cpus01, test_busy),
		TEST_ON(setup_cpus01, test_cancel),
		TEST_ON(setup_cpus01, test_no_hold),
		TEST_ON(setup_cpus01, test_lost_entry_forces),
		TEST_ON(setup_cpus01, test_lapse_is_held),
		TEST_ON(setup_cpus01, test_flow_starts_where_its_bucket_is),
		TEST_ON(setup_cpus01, test_cached_flow_moves),
		TEST_ON(setup_cpus01, test_counts_are_exact),
		TEST_ON(setup_cpus01, test_admission),
		TEST_ON(setup_cpus01, test_flood_gets_no_entries),
		TEST_ON(setup_cpus01, test_pending_packets_are_numbered),
		TEST_ON(setup_cpus01, test_order_is_numbered),
	};

	if (geteuid() || sysconf(_SC_NPROCESSORS_CONF) < 2) {
		puts("1..0 # SKIP needs root and two CPUs");
		return 4;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
