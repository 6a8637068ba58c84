/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What steering knows of the packet at hand, and its bucket. */
#ifndef SLUICE_PACKET_BPF_H
#define SLUICE_PACKET_BPF_H

#include "hold.bpf.h"

#include <sluice/hash.h>

struct packet {
	struct sluice_flow_key key __attribute__((aligned(8)));
	struct sluice_features features __attribute__((aligned(8)));
	__u64 bytes;
	__u64 hash;
	__u32 rxq;
	__u32 now;		/* bpf_jiffies64(), low bits */
	const struct sluice_steer_config *config;
	struct sluice_steer_control *control;
};

static __always_inline void packet_clear(struct packet *p)
{
	p->key = (struct sluice_flow_key){ 0 };
	p->features = (struct sluice_features){ 0 };
}

static __always_inline struct sluice_steer_stats *stats_of(const struct packet *p)
{
	__u32 rxq = p->rxq;

	return bpf_map_lookup_elem(&steer_stats, &rxq);
}

static __always_inline void count_lapsed(const struct packet *p)
{
	struct sluice_steer_stats *stats = stats_of(p);

	if (stats)
		stats->lapsed++;
}

static __always_inline int lease_of_runs(const struct sluice_steer_control *c)
{
	const __u64 expires = c->expires_jiffies;

	return expires && (__s64)(expires - bpf_jiffies64()) > 0;
}

static __always_inline int lease_runs(const struct packet *p)
{
	return lease_of_runs(p->control);
}

/* As a place has it. What is no CPU at all becomes one that has no cpumap entry. */
static __always_inline __u32 cpu1_of(__u16 cpu)
{
	return cpu < 254 ? cpu + 1 : 255;
}

/* The CPU + 1 the bucket wants; 0: none. */
static __always_inline __u32 bucket_want1(const struct packet *p)
{
	__u32 index = sluice_hash_bucket(p->hash);
	struct sluice_bucket *slot = bpf_map_lookup_elem(&buckets, &index);
	struct sluice_bucket b;
	__u64 word;

	if (!slot)
		return 0;
	word = *(volatile __u64 *)slot;
	__builtin_memcpy(&b, &word, sizeof(b));
	if ((b.flags & (SLUICE_BUCKET_F_LEARNED | SLUICE_BUCKET_F_HOLD)) == SLUICE_BUCKET_F_LEARNED) {
		if (lease_runs(p))
			return cpu1_of(b.learned_cpu);
		count_lapsed(p);
	}
	return b.flags & SLUICE_BUCKET_F_BASELINE ? cpu1_of(b.cpu) : 0;
}

/* The packet's bucket, as its RX queue sees it, where it goes now. */
static __always_inline struct sluice_bucket_state *bucket_settled(const struct packet *p)
{
	__u32 index = p->rxq * SLUICE_BUCKETS + sluice_hash_bucket(p->hash);
	struct sluice_bucket_state *b = bpf_map_lookup_elem(&bucket_state, &index);

	if (b)
		settle(&b->place, bucket_want1(p), p->rxq, p->config);
	return b;
}

#endif
