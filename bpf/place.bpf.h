/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where a newly admitted flow goes: the tree of include/sluice/place.h, read out of the
 * slots that the contract describes. All of it is out of line, since it is for one
 * packet of a flow.
 */
#ifndef SLUICE_PLACE_BPF_H
#define SLUICE_PLACE_BPF_H

#include "packet.bpf.h"

#include <sluice/place.h>

/*
 * What is at hand while an entry is made: more than the stack has left. Nothing interrupts
 * a program of the same CPU's to run this one, and nobody else looks at it.
 */
struct admission {
	struct sluice_flow entry;
	__u64 hash;
	__u32 rxq;
	struct sluice_place_flow flow;
	struct sluice_place_cpu home, first, second;
	__u32 feature[SLUICE_PLACE_F_NR];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct admission);
} admission __weak SEC(".maps");

#ifdef __TARGET_ARCH_x86
/* Loads are seen in order here, so only the compiler has to be told. */
static __always_inline __u32 read_seq(struct sluice_tree_slot *slot)
{
	__u32 seq;

	asm volatile("" ::: "memory");
	seq = *(volatile __u32 *)&slot->seq;
	asm volatile("" ::: "memory");
	return seq;
}
#else
/*
 * seq, with a full barrier on both sides, which an atomic that fetches is in BPF. Spelt
 * out because clang has it only for a newer instruction set than all else here needs:
 * r0 = atomic_fetch_add((u32 *)(r1 + 0), r0).
 */
static __always_inline __u32 read_seq(struct sluice_tree_slot *slot)
{
	__u64 seq;

#ifndef __bpf__
	seq = __sync_fetch_and_add(&slot->seq, 0);	/* a test runs it, too */
#else
	asm volatile("r1 = %[at]\n"
		     "r0 = 0\n"
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		     ".byte 0xc3, 0x01, 0, 0, 1, 0, 0, 0\n"
#else
		     ".byte 0xc3, 0x10, 0, 0, 0, 0, 0, 1\n"
#endif
		     "%[seq] = r0\n"
		     : [seq] "=r"(seq) : [at] "r"(&slot->seq) : "r0", "r1", "memory");
#endif
	return seq;
}
#endif

/* The packets in a CPU's ring; those that were dropped before it are known only to the daemon. */
static __noinline __u32 ring_packets(__u32 cpu, __u64 lost)
{
	struct sluice_deliver *d = bpf_map_lookup_elem(&deliver, &cpu);
	struct sluice_counter *c;
	__u64 packets = 0;
	__u32 rxq, index;

	if (!d)
		return 0;
	/* Before what was sent, or it could be the more. */
	lost += *(volatile __u64 *)&d->packets;
	for (rxq = 0; rxq < SLUICE_RXQS; rxq++) {
		index = rxq * SLUICE_MAX_CPUS + cpu;
		c = bpf_map_lookup_elem(&sent, &index);
		if (!c)
			break;
		packets += c->packets;
	}
	packets -= lost;
	if ((__s64)packets < 0)
		return 0;
	return packets < SLUICE_PLACE_QUEUE_MAX ? packets : SLUICE_PLACE_QUEUE_MAX;
}

static __always_inline void look_at_cpu(__u32 cpu, struct sluice_place_cpu *ret)
{
	struct sluice_cpu_load *l = bpf_map_lookup_elem(&loads, &cpu);
	__u64 word;

	ret->load = ret->fresh = ret->queue = 0;
	if (!l)
		return;
	word = *(volatile __u64 *)l;
	ret->load = SLUICE_FIRST_HALF(word);
	ret->fresh = SLUICE_SECOND_HALF(word);
	ret->queue = ring_packets(cpu, l->lost);
}

#define HELD	-2

/* The CPU that the bucket wants while the lease runs; -1: none; HELD: and the operator says so. */
static __always_inline int home_of(__u64 hash)
{
	__u32 index = sluice_hash_bucket(hash);
	struct sluice_bucket *slot = bpf_map_lookup_elem(&buckets, &index);
	struct sluice_bucket b;
	__u64 word;

	if (!slot)
		return -1;
	word = *(volatile __u64 *)slot;
	__builtin_memcpy(&b, &word, sizeof(b));
	if (b.flags & SLUICE_BUCKET_F_HOLD)
		return HELD;
	if (b.flags & SLUICE_BUCKET_F_LEARNED)
		return b.learned_cpu;
	return b.flags & SLUICE_BUCKET_F_BASELINE ? b.cpu : -1;
}

/* i is below n_targets, which the compiler sees and the verifier does not. */
static __always_inline int target_at(const struct sluice_tree_control *c, __u64 i)
{
	asm volatile("" : "+r"(i));
	return c->target[i & (SLUICE_MAX_CPUS - 1)];
}

/* The less loaded of the two targets that the hash draws, home excepted: "first". -1: there is none. */
static __always_inline int other_of(const struct sluice_tree_control *c, struct admission *adm,
				    int home)
{
	__u32 i = 0, j = 0, n = c->n_targets;
	int a, b;

	if (!n || n > SLUICE_MAX_CPUS)
		return -1;
	if (n > 1)
		sluice_place_draw(adm->hash, n, &i, &j);
	a = target_at(c, i);
	b = target_at(c, j);
	if (a == home)
		a = b;
	if (b == home)
		b = a;
	if (a == home)
		return -1;
	look_at_cpu(a, &adm->first);
	if (a == b)
		return a;
	look_at_cpu(b, &adm->second);
	if (!sluice_place_second(&adm->first, &adm->second, c->flow_ppm))
		return a;
	adm->first = adm->second;
	return b;
}

/* What the tree of "active" says, or -1: it is no longer in its slot. */
static __noinline int ask_tree(__u64 active, const __u32 feature[SLUICE_PLACE_F_NR])
{
	__u32 index = SLUICE_TREE_ACTIVE_SLOT(active), seq;
	struct sluice_tree_slot *slot = bpf_map_lookup_elem(&trees, &index);
	const struct sluice_tree *t;
	__u32 choice;

	if (!slot)
		return -1;
	t = (const struct sluice_tree *)slot->block;
	seq = read_seq(slot);
	if (seq & 1 || t->h.generation != SLUICE_TREE_ACTIVE_GENERATION(active))
		return -1;
	choice = sluice_place_choice(t, sluice_place_walk(t, feature));
	if (read_seq(slot) != seq)
		return -1;
	return choice == SLUICE_PLACE_OTHER;
}

static __always_inline void count_choice(struct sluice_tree_stats *stats, __u32 generation,
					 int other)
{
	struct sluice_tree_count *c = &stats->of[generation % SLUICE_TREE_COUNTS];

	if (c->generation != generation) {
		c->home = c->other = 0;
		c->generation = generation;
	}
	if (other) {
		stats->other++;
		c->other++;
	} else {
		stats->home++;
		c->home++;
	}
}

static __always_inline void count_fresh(__u32 cpu)
{
	struct sluice_cpu_load *l = bpf_map_lookup_elem(&loads, &cpu);

	if (l)
		__sync_fetch_and_add(&l->fresh, 1);
}

int place_flow(void);

/*
 * Gives the entry that is being made its assignment, if a tree says so. Global, so that the
 * verifier looks at it once and alone. Returns 0.
 */
int place_flow(void)
{
	__u32 zero = 0;
	struct admission *adm = bpf_map_lookup_elem(&admission, &zero);
	struct sluice_tree_control *c = bpf_map_lookup_elem(&tree_control, &zero);
	struct sluice_steer_control *lease = bpf_map_lookup_elem(&control, &zero);
	struct sluice_tree_stats *stats;
	int home, other, choice;
	__u64 active;

	if (!adm || !c || !lease)
		return 0;
	active = *(volatile __u64 *)&c->active;
	stats = bpf_map_lookup_elem(&tree_stats, &adm->rxq);
	if (!active || !stats)
		return 0;
	if (!lease_of_runs(lease)) {
		stats->lapsed++;
		return 0;
	}
	home = home_of(adm->hash);
	if (home == HELD) {
		stats->held++;
		return 0;
	}
	other = home < 0 ? -1 : other_of(c, adm, home);
	if (other < 0) {
		stats->alone++;
		return 0;
	}
	look_at_cpu(home, &adm->home);
	sluice_place_features(&adm->home, &adm->first, c->mean_ppm, &adm->flow, adm->feature);
	choice = ask_tree(active, adm->feature);
	if (choice < 0) {
		stats->torn++;
		return 0;
	}
	count_choice(stats, SLUICE_TREE_ACTIVE_GENERATION(active), choice);
	adm->entry.assign.generation = SLUICE_TREE_ACTIVE_GENERATION(active);
	adm->entry.assign.cpu = home;
	if (choice) {
		adm->entry.assign.cpu = other;
		adm->entry.assign.flags = SLUICE_FLOW_LEARNED | SLUICE_FLOW_TREE;
		count_fresh(other);
	}
	return 0;
}

#endif
