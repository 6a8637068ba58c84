// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Sends packets to the CPU their flow or bucket is assigned to. The order of
 * decisions and the meaning of every map are in include/uapi/linux/sluice.h.
 *
 * What it costs: one hash look-up per packet, and array look-ups, which the
 * kernel inlines. Per-CPU counters need no atomics, since the program runs with
 * soft interrupts off and does not nest; a flow entry is shared by all CPUs, so
 * its counters do. Whatever is only needed for a sampled packet, a miss or a
 * learned entry is read there.
 */
#include "maps.bpf.h"
#include "parse.bpf.h"

#include <sluice/hash.h>

/*
 * The first statement of both programs refers to it, so that it is among their
 * maps and the daemon can tell that a program is ours, of which version.
 */
const volatile struct sluice_abi abi SEC(".rodata.sluice") = {
	.magic = SLUICE_ABI_MAGIC,
	.version = SLUICE_ABI_VERSION,
};

struct packet {
	struct sluice_flow_key key __attribute__((aligned(8)));
	__u64 bytes;
	struct sluice_steer_stats *stats;
};

/* What an entry says beside its counters: one word, so that it is read untorn. */
struct flow_target {
	__u32 cpu;
	__u16 flags;
	__u16 generation;
};

static __always_inline void count(struct sluice_counter *c, __u64 bytes)
{
	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
}

static __always_inline int pass(__u32 reason, __u64 bytes)
{
	count(bpf_map_lookup_elem(&pass_stats, &reason), bytes);
	return XDP_PASS;
}

static __always_inline int lease_runs(struct sluice_steer_stats *stats)
{
	__u32 zero = 0;
	struct sluice_steer_lease *l = bpf_map_lookup_elem(&lease, &zero);

	if (l && l->expires_jiffies && (__s64)(l->expires_jiffies - bpf_jiffies64()) > 0)
		return 1;
	stats->lapsed++;
	return 0;
}

/* The CPU the bucket says, or -1. */
static __always_inline int bucket_cpu(__u32 index, struct sluice_steer_stats *stats)
{
	struct sluice_bucket *slot = bpf_map_lookup_elem(&buckets, &index);
	struct sluice_bucket b;
	__u64 word;

	if (!slot)
		return -1;
	word = *(volatile __u64 *)slot;
	__builtin_memcpy(&b, &word, sizeof(b));
	if ((b.flags & (SLUICE_BUCKET_F_LEARNED | SLUICE_BUCKET_F_HOLD)) ==
	    SLUICE_BUCKET_F_LEARNED && lease_runs(stats))
		return b.learned_cpu;
	return b.flags & SLUICE_BUCKET_F_BASELINE ? b.cpu : -1;
}

/* Counts the packet in the flow's entry and says the CPU the entry is followed to, or -1. */
static __always_inline int flow_cpu(struct sluice_flow *f, struct packet *p)
{
	struct flow_target t;
	__u64 word;

	__sync_fetch_and_add(&f->packets, 1);
	__sync_fetch_and_add(&f->bytes, p->bytes);
	f->last_jiffies = bpf_jiffies64();

	word = *(volatile __u64 *)&f->cpu;
	__builtin_memcpy(&t, &word, sizeof(t));
	if (t.flags & SLUICE_FLOW_OPERATOR)
		return t.cpu;
	if (t.flags & SLUICE_FLOW_LEARNED && lease_runs(p->stats))
		return t.cpu;
	return -1;
}

/* Tells user space of a flow without an entry: of every one in announce_mask + 1. */
static __always_inline void announce(struct packet *p, __u32 bucket,
				     const struct sluice_steer_config *c)
{
	struct sluice_flow_event *ev;

	if (!(c->flags & SLUICE_STEER_F_ANNOUNCE) || p->stats->flow_misses & c->announce_mask)
		return;
	ev = bpf_ringbuf_reserve(&events, sizeof(*ev), 0);
	if (!ev) {
		p->stats->announce_failed++;
		return;
	}
	ev->key = p->key;
	ev->bucket = bucket;
	ev->bytes = p->bytes;
	bpf_ringbuf_submit(ev, 0);
	p->stats->announced++;
}

/* Puts the time in front of the packet, for cpu_deliver. */
static __always_inline void timestamp(struct xdp_md *ctx, struct sluice_steer_stats *stats)
{
	struct sluice_meta *meta;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*meta))) {
		stats->meta_failed++;
		return;
	}
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) > (void *)(long)ctx->data)
		return;
	meta->magic = SLUICE_META_MAGIC;
	meta->version = SLUICE_ABI_VERSION;
	meta->pad = 0;
	meta->time_ns = bpf_ktime_get_ns();
	stats->sampled++;
}

/* Global, so that the verifier looks at it once and alone, whatever the caller knows. */
int parse_rare(struct xdp_md *ctx, struct sluice_flow_key *key)
{
	if (!key)
		return SLUICE_PASS_truncated;
	return sluice_parse_rare((void *)(long)ctx->data, (void *)(long)ctx->data_end, key);
}

static __always_inline int steer(struct xdp_md *ctx, void *cpumap, __u64 bytes)
{
	struct packet p = { .bytes = bytes };
	struct sluice_steer_config *c;
	struct sluice_counter *sent;
	struct sluice_flow *f;
	__u32 zero = 0, bucket, target;
	int reason, cpu = -1;

	p.stats = bpf_map_lookup_elem(&steer_stats, &zero);
	c = bpf_map_lookup_elem(&config, &zero);
	if (!p.stats || !c || abi.version != SLUICE_ABI_VERSION)
		return XDP_PASS;
	p.stats->seen++;

	reason = sluice_parse_plain((void *)(long)ctx->data, (void *)(long)ctx->data_end, &p.key);
	if (reason == SLUICE_PARSE_RARE)
		reason = parse_rare(ctx, &p.key);
	if (reason != SLUICE_PARSED)
		return pass(reason, bytes);

	f = bpf_map_lookup_elem(&flows, &p.key);
	if (f)
		cpu = flow_cpu(f, &p);
	if (cpu >= 0) {
		p.stats->flow_hits++;
	} else {
		bucket = sluice_bucket_of(&p.key);
		if (!f) {
			announce(&p, bucket, c);
			p.stats->flow_misses++;
		}
		cpu = bucket_cpu(bucket, p.stats);
		if (cpu < 0)
			return pass(SLUICE_PASS_no_target, bytes);
		count(bpf_map_lookup_elem(&bucket_stats, &bucket), bytes);
	}

	/* Says XDP_PASS, the last argument, when the cpumap has no such entry. */
	target = cpu;
	if (bpf_redirect_map(cpumap, target, XDP_PASS) != XDP_REDIRECT)
		return pass(SLUICE_PASS_no_cpu, bytes);
	sent = bpf_map_lookup_elem(&cpu_stats, &target);
	count(sent, bytes);
	/* Sampled by target, so that regular traffic cannot hide a CPU from us. */
	if (sent && c->flags & SLUICE_STEER_F_SAMPLE && !(sent->packets & c->sample_mask))
		timestamp(ctx, p.stats);
	return XDP_REDIRECT;
}

SEC("xdp")
int xdp_steer(struct xdp_md *ctx)
{
	return steer(ctx, &cpus, ctx->data_end - ctx->data);
}

SEC("xdp.frags")
int xdp_steer_frags(struct xdp_md *ctx)
{
	return steer(ctx, &cpus_frags, bpf_xdp_get_buff_len(ctx));
}

char _license[] SEC("license") = "Dual BSD/GPL";
