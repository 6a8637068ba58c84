// SPDX-License-Identifier: GPL-2.0
/*
 * The simulator's steering rules (user/sim/cpus_steer.c, cpus_place.c) against the program's own
 * (bpf/hold.bpf.h, bpf/packet.bpf.h, bpf/flow.bpf.h, bpf/place.bpf.h), which are compiled here for user space, on the simulator's
 * arrays: from random states both must come to the same place, the same state, the same counters.
 */
/* The program's code is compiled without such rules. */
#pragma GCC optimize("no-strict-aliasing")
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/bpf.h>

/* What the headers of the program need of a kernel. */
static void *lookup(void *map, const void *key);
static __u64 jiffies64(void);
static __u64 ktime_get_ns(void);
static int gro;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wattributes"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wstrict-aliasing"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#undef bpf_core_field_exists
#define bpf_core_field_exists(field)	gro
#define bpf_map_lookup_elem		lookup
#define bpf_jiffies64			jiffies64
#define bpf_ktime_get_ns		ktime_get_ns
#include "../../bpf/flow.bpf.h"
#undef bpf_map_lookup_elem
#pragma GCC diagnostic pop

#include "distill/place_tree.h"
#include "lib/rng.h"
#include "sim/cpus_priv.h"

#define QUEUES	2
#define CPUS	4
#define BUCKET	5
#define GAP	100

static struct cpus *c;		/* whose arrays the program sees */
static struct sluice_steer_control lease;
static struct admission at_hand;
static struct sluice_tree_slot slots[SLUICE_TREE_SLOTS];
static struct cpus_place placing;	/* what the program sees of the simulator's */

static void *lookup(void *map, const void *key)
{
	const __u32 i = *(const __u32 *)key;

	if (map == &sent)
		return i < c->p.n_rxqs * SLUICE_MAX_CPUS ? &c->sent[i] : NULL;
	if (map == &acks)
		return &c->acks[i];
	if (map == &deliver)
		return &c->deliver[i];
	if (map == &steer_stats)
		return &c->steer_stats[i];
	if (map == &buckets)
		return &c->bucket[i];
	if (map == &control)
		return &lease;
	if (map == &admission)
		return &at_hand;
	if (map == &trees)
		return &slots[i];
	if (map == &tree_control)
		return &placing.control;
	if (map == &tree_stats)
		return &placing.stats[i];
	if (map == &loads)
		return &placing.load[i];
	if (map == &bucket_state)
		return &c->bucket_state[i];
	fail();
	return NULL;
}

static __u64 jiffies64(void)
{
	return c->now_ns / c->tick_ns;
}

static __u64 ktime_get_ns(void)
{
	return c->now_ns;
}

static struct cpus *machine(void)
{
	struct cpus_traffic_params tp;
	struct cpus_traffic *t;
	struct cpus_params p;
	struct cpus *made;

	cpus_traffic_params_default(&tp);
	cpus_params_default(&p);
	assert_int_equal(cpus_traffic_new(&tp, 1, &t, NULL), 0);
	assert_int_equal(cpus_new(&p, t, &made, NULL), 0);
	return made;
}

/* Numbers around each other and around the bounds of the rules. */
static struct sluice_place random_place(struct rng *r, uint32_t now)
{
	static const uint32_t ago[] = { 0, 1, 2, GAP, GAP + 1, 32 * GAP, 32 * GAP + 1, 99999 };

	return (struct sluice_place){
		.seq = rng_below(r, 20), .ticks = now - ago[rng_below(r, 8)],
		.rxq = (uint16_t)rng_below(r, QUEUES), .cpu1 = (uint8_t)rng_below(r, CPUS + 1),
		.flags = (uint8_t)rng_below(r, 2),
	};
}

static void random_world(struct rng *r, struct cpus *w)
{
	static const uint64_t ago[] = { 0, 1, 999999, 1000000, 1000001, 50000000 };
	const uint32_t now = 1000000 + rng_below(r, 100);

	w->p.hz = rng_below(r, 2) ? 1000 : 250;
	w->tick_ns = 1000000000 / w->p.hz;
	w->now_ns = now * w->tick_ns;
	gro = rng_below(r, 2);
	w->p.settle_pkts = gro ? SLUICE_BATCH_PKTS + 2 * SLUICE_GRO_FLUSH_PKTS : SLUICE_BATCH_PKTS;
	w->p.config = (struct sluice_steer_config){ .gap_ticks = GAP };
	if (w->p.hz < 1000)
		w->p.config.flags |= SLUICE_STEER_F_SLOW_TICK;
	if (!rng_below(r, 8))
		w->p.config.flags |= SLUICE_STEER_F_NO_HOLD;
	lease.expires_jiffies = rng_below(r, 8) ? now - 1 + rng_below(r, 3) : 0;
	w->lease_end_ns = lease.expires_jiffies * w->tick_ns;
	for (unsigned int q = 0; q < QUEUES; q++) {
		for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
			const unsigned int i = q * SLUICE_MAX_CPUS + cpu;

			w->sent[i].packets = rng_below(r, 25);
			w->acks[i] = (struct sluice_ack){
				.safe = rng_below(r, 20),
				.latest = SLUICE_ACK((uint64_t)rng_below(r, 20), rng_below(r, 40)),
				.seen_ns = w->now_ns - ago[rng_below(r, 6)],
			};
			w->deliver[cpu].packets = rng_below(r, gro ? 200 : 60);
		}
		w->bucket_state[q * SLUICE_BUCKETS + BUCKET].place = random_place(r, now);
		w->bucket_state[q * SLUICE_BUCKETS + BUCKET].place.rxq = (uint16_t)q;
	}
	w->bucket[BUCKET] = (struct sluice_bucket){
		.cpu = (uint16_t)rng_below(r, CPUS), .learned_cpu = (uint16_t)rng_below(r, CPUS),
		.flags = (uint16_t)rng_below(r, 8),
	};
}

/* What a rule may write. */
struct state {
	struct sluice_bucket_state bucket[QUEUES];
	struct sluice_steer_stats stats[QUEUES];
	struct sluice_flow flow;
};

static void keep(struct state *s, const struct sluice_flow *f)
{
	for (unsigned int q = 0; q < QUEUES; q++)
		s->bucket[q] = c->bucket_state[q * SLUICE_BUCKETS + BUCKET];
	memcpy(s->stats, c->steer_stats, sizeof(s->stats));
	s->flow = *f;
}

static void restore(const struct state *s, struct sluice_flow *f)
{
	for (unsigned int q = 0; q < QUEUES; q++)
		c->bucket_state[q * SLUICE_BUCKETS + BUCKET] = s->bucket[q];
	memcpy(c->steer_stats, s->stats, sizeof(s->stats));
	*f = s->flow;
}

/* Both from the same state; which of the three rules is by chance. */
static void compare(struct rng *r, unsigned int seen[])
{
	const uint16_t rxq = (uint16_t)rng_below(r, QUEUES);
	struct packet p = {
		/* The bucket is in the uppermost bits. */
		.hash = (__u64)BUCKET << 54, .rxq = rxq, .now = (__u32)jiffies64(),
		.config = &c->p.config, .control = &lease,
	};
	struct sluice_flow f = {
		.assign = { .cpu = (uint16_t)rng_below(r, CPUS), .flags = (uint16_t)rng_below(r, 4) },
		.place = random_place(r, p.now),
	};
	const uint32_t rule = rng_below(r, 3), want1 = rng_below(r, CPUS + 1);
	const void *place[2] = { NULL, NULL };
	struct state before, after[2];
	__u32 flags;

	if (rule == 2)
		f.place.rxq = rxq;	/* the simulator's flows do not change their queue */
	keep(&before, &f);
	if (rule == 0)
		settle(&f.place, want1, rxq, &c->p.config);
	else if (rule == 1)
		place[0] = bucket_settled(&p);
	else
		place[0] = entry_place(&p, &f, &flags);
	keep(&after[0], &f);
	restore(&before, &f);
	if (rule == 0)
		steer_settle(c, &f.place, (uint8_t)want1, rxq);
	else if (rule == 1)
		place[1] = steer_bucket(c, BUCKET, rxq);
	else
		place[1] = steer_entry(c, BUCKET, rxq, &f);
	keep(&after[1], &f);
	assert_memory_equal(&after[0], &after[1], sizeof(after[0]));
	assert_ptr_equal(place[0], place[1]);
	seen[0] += after[0].stats[rxq].moves_completed != before.stats[rxq].moves_completed;
	seen[1] += after[0].stats[rxq].moves_by_gap != before.stats[rxq].moves_by_gap;
	seen[2] += after[0].stats[rxq].moves_busy != before.stats[rxq].moves_busy;
	seen[3] += after[0].stats[rxq].moves_forced != before.stats[rxq].moves_forced;
	seen[4] += after[0].stats[rxq].moves_begun != before.stats[rxq].moves_begun;
	seen[5] += after[0].stats[rxq].lapsed != before.stats[rxq].lapsed;
	seen[6] += rule == 2 && !place[0];
}

static void test_rules(void **state)
{
	unsigned int seen[7] = { 0 };
	struct rng r;

	(void)state;
	c = machine();
	rng_seed(&r, 1);
	for (int i = 0; i < 300000; i++) {
		random_world(&r, c);
		compare(&r, seen);
	}
	/* Each of the ways was gone often. */
	for (int i = 0; i < 7; i++)
		assert_true(seen[i] > 1000);
	cpus_free(c);
}

/* Numbers of which some are equal, and some beyond what features hold. */
static void random_placing(struct rng *r)
{
	static const uint32_t ppm[] = { 0, 500000, 999999, 1000000, 2000000 };
	struct cpus_place *x = c->place;

	x->control.n_targets = rng_below(r, CPUS + 1);
	x->control.mean_ppm = rng_below(r, 1000001);
	x->control.flow_ppm = rng_below(r, 3) * 10000;
	for (unsigned int i = 0; i < x->control.n_targets; i++)
		x->control.target[i] = (uint8_t)((i + rng_below(r, 2)) % CPUS);
	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		x->load[cpu] = (struct sluice_cpu_load){
			.ppm = ppm[rng_below(r, 5)], .fresh = rng_below(r, 4),
			.lost = rng_below(r, 4) ? rng_below(r, 8) : 100,
		};
	if (!rng_below(r, 16))
		x->control.active = 0;
	else
		x->control.active = SLUICE_TREE_ACTIVE(0, x->tree.h.generation);
	c->sent[rng_below(r, CPUS)].packets += rng_below(r, 8) ? 0 : 100000;
}

static void test_place(void **state)
{
	static const struct cpus_packet of = { .bytes = 114, .rxq = 1, .bucket = BUCKET };
	unsigned int seen[5] = { 0 };
	struct sluice_tree ladder;
	struct rng r;

	(void)state;
	c = machine();
	place_ladder(2, 7, &ladder);
	assert_int_equal(cpus_set_tree(c, &ladder), 0);
	memcpy(slots[0].block, &ladder, sizeof(ladder));
	slots[0].seq = 2;
	rng_seed(&r, 2);
	for (int i = 0; i < 200000; i++) {
		struct cpus_packet p = of;
		struct sluice_assign a;

		random_world(&r, c);
		random_placing(&r);
		p.hash = (__u64)BUCKET << 54 | rng_u64(&r) >> 10;
		placing = *c->place;
		at_hand = (struct admission){
			.hash = p.hash, .rxq = p.rxq,
			.flow = { .length = 100, .proto = 6, .family = 4 },
		};
		place_flow();
		a = place_admitted(c, &p);
		assert_memory_equal(&a, &at_hand.entry.assign, sizeof(a));
		assert_memory_equal(c->place, &placing, sizeof(placing));
		seen[0] += a.flags != 0;
		seen[1] += a.generation && !a.flags;
	}
	for (unsigned int q = 0; q < QUEUES; q++) {
		seen[2] += (unsigned int)placing.stats[q].alone;
		seen[3] += (unsigned int)placing.stats[q].held;
		seen[4] += (unsigned int)placing.stats[q].lapsed;
	}
	for (int i = 0; i < 5; i++)
		assert_true(seen[i] > 1000);
	cpus_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_place),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
