/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of the XDP program have in common: an instance, frames, and what is expected. */
#ifndef SLUICE_SELFTEST_FIXTURE_H
#define SLUICE_SELFTEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sluice/hash.h>
#include "frames.h"
#include "lib/steer_priv.h"

static struct sl_err err;
static struct frame frame;
static struct steer_snapshot snap;

static const struct sluice_flow_key tcp4 = {
	.saddr = { 10, 0, 0, 1 }, .daddr = { 10, 0, 0, 2 },
	.sport = 0x1234, .dport = 0x5678, .proto = IPPROTO_TCP, .family = 4,
};
static const struct sluice_flow_key udp4 = {
	.saddr = { 10, 0, 0, 3 }, .daddr = { 10, 0, 0, 4 },
	.sport = 0x1111, .dport = 0x2222, .proto = IPPROTO_UDP, .family = 4,
};
static const struct sluice_flow_key tcp6 = {
	.saddr = { 0xfd, [15] = 1 }, .daddr = { 0xfd, [15] = 2 },
	.sport = 0x1234, .dport = 0x5678, .proto = IPPROTO_TCP, .family = 6,
};
static const struct sluice_flow_key udp6 = {
	.saddr = { 0xfd, [15] = 3 }, .daddr = { 0xfd, [15] = 4 },
	.sport = 0x1111, .dport = 0x2222, .proto = IPPROTO_UDP, .family = 6,
};

/* A flow of the protocol; a and b: its ports as on the wire, or an SPI, or an id twice. */
#define KEY4(p, a, b) { .saddr = { 10, 0, 0, 1 }, .daddr = { 10, 0, 0, 2 }, \
			.sport = (a), .dport = (b), .proto = (p), .family = 4 }
#define KEY6(p, a, b) { .saddr = { 0xfd, [15] = 1 }, .daddr = { 0xfd, [15] = 2 }, \
			.sport = (a), .dport = (b), .proto = (p), .family = 6 }

#define CHECK(call) do {				\
	int check_r = (call);				\
	if (check_r)					\
		fail_msg("%s: %d: %s", #call, check_r, err.text);	\
} while (0)

static inline int setup_empty(void **state)
{
	struct steer *s = steer_alloc(NULL);

	if (!s || steer_load_object(s, 64, true, &err) || steer_open_maps(s, &err)) {
		fprintf(stderr, "# %s\n", err.text);
		steer_close(s);
		return -1;
	}
	*state = s;
	return 0;
}

/* CPU 0 is the target of every bucket. */
static inline int setup_cpu0(void **state)
{
	const __u16 cpu = 0;

	if (setup_empty(state))
		return -1;
	return steer_write_targets(*state, &cpu, 1, 0, &err);
}

/* A gap of one tick, so that a test can wait it out. */
static inline void set_short_gap(struct steer *s)
{
	const struct sluice_steer_config c = { .gap_ticks = 1 };

	CHECK(steer_set_config(s, &c, &err));
}

static inline void wait_out_gap(void)
{
	const struct timespec ts = { .tv_nsec = 30 * 1000 * 1000 };	/* HZ is 100 at least */

	nanosleep(&ts, NULL);
}

static inline int teardown(void **state)
{
	steer_close(*state);
	return 0;
}

static inline __u32 run_on(int prog_fd)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame.data, .data_size_in = frame.bytes);

	CHECK(bpf_prog_test_run_opts(prog_fd, &o));
	return o.retval;
}

static inline __u32 run(struct steer *s)
{
	return run_on(s->prog[STEER_PROG_xdp_steer]);
}

static inline void read_counters(struct steer *s)
{
	CHECK(steer_read_counters(s, &snap, &err));
}

/* Runs the frame: it must pass for this reason, and be counted for nothing else. */
static inline void expect_pass(struct steer *s, enum sluice_pass reason, const char *what)
{
	struct steer_snapshot before;

	read_counters(s);
	before = snap;
	if (run(s) != XDP_PASS)
		fail_msg("%s does not pass", what);
	read_counters(s);
	assert_int_equal(snap.seen, before.seen + 1);
	for (int i = 0; i < SLUICE_PASS_MAX; i++) {
		const __u64 n = snap.pass[i].packets - before.pass[i].packets;

		if (n != (i == (int)reason))
			fail_msg("%s: reason %d counted %llu times", what, i, n);
	}
	assert_int_equal(snap.pass[reason].bytes, before.pass[reason].bytes + frame.bytes);
	assert_memory_equal(snap.cpu, before.cpu, sizeof(snap.cpu));
	assert_memory_equal(snap.bucket, before.bucket, sizeof(snap.bucket));
}

/* Runs the frame: it must be steered to the CPU, by the bucket of key. */
static inline void expect_steered(struct steer *s, const struct sluice_flow_key *key, unsigned int cpu)
{
	const __u32 b = sluice_bucket_of(key);
	struct steer_snapshot before;

	read_counters(s);
	before = snap;
	assert_int_equal(run(s), XDP_REDIRECT);
	read_counters(s);
	assert_int_equal(snap.cpu[cpu].packets, before.cpu[cpu].packets + 1);
	assert_int_equal(snap.cpu[cpu].bytes, before.cpu[cpu].bytes + frame.bytes);
	assert_int_equal(snap.bucket[b].packets, before.bucket[b].packets + 1);
	assert_int_equal(snap.bucket[b].bytes, before.bucket[b].bytes + frame.bytes);
	assert_memory_equal(snap.pass, before.pass, sizeof(snap.pass));
}

#define TEST_ON(setup, function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
