// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Sends packets to the CPU their flow or bucket is on. The order of decisions
 * and the meaning of every map are in include/uapi/linux/sluice_steer.h.
 *
 * What a common packet costs: array look-ups, which the kernel inlines. The
 * hash is asked when the cache of the RX queue does not know the flow. What is
 * only needed for a sampled packet, a move or a miss is out of line.
 */
#include "flow.bpf.h"

/*
 * The first statement of both programs refers to it, so that it is among their
 * maps and the daemon can tell that a program is ours, of which version.
 */
const volatile struct sluice_abi abi SEC(".rodata.sluice") = {
	.magic = SLUICE_ABI_MAGIC,
	.version = SLUICE_ABI_VERSION,
};

static __always_inline int no_block(const struct packet *p)
{
	__sync_fetch_and_add(&p->control->no_block, 1);
	return XDP_PASS;
}

static __always_inline int pass(const struct packet *p, __u32 reason)
{
	__u32 index = p->rxq * SLUICE_PASS_SLOTS + reason;
	struct sluice_counter *c = bpf_map_lookup_elem(&passed, &index);

	if (!c)
		return no_block(p);
	c->packets++;
	c->bytes += p->bytes;
	return XDP_PASS;
}

/* What goes into the metadata of a packet. */
struct stamp {
	__u64 seq;
	__u64 hash;
	__u32 cpu;
	__u32 rxq;
	int timed;
	int numbered;
	const struct sluice_steer_config *config;
};

/* The slot + 1 of a flow whose packets are numbered, and the packet's number; or 0. */
static __always_inline __u32 number(const struct stamp *s, __u32 *ordinal)
{
	__u32 index = s->rxq * SLUICE_ORDER_SLOTS + (__u32)(s->hash >> 32) % SLUICE_ORDER_SLOTS;
	const __u32 now = bpf_jiffies64(), tag = (__u32)(s->hash >> 16) | 1;
	struct sluice_order *o;

	o = bpf_map_lookup_elem(&order, &index);
	if (!o || (o->tag != tag && o->tag &&
		   now - o->ticks <= gap_ticks(s->config) * SLUICE_GAP_ACKED))
		return 0;
	o->tag = tag;
	o->ticks = now;
	*ordinal = ++o->sent;
	return index + 1;
}

/* Puts in front of the packet what cpu_deliver is to know. */
static __noinline void stamp(struct xdp_md *ctx, const struct stamp *s, int pending)
{
	__u32 ordinal = 0, slot = 0, rxq = s->rxq;
	struct sluice_steer_stats *stats = bpf_map_lookup_elem(&steer_stats, &rxq);
	struct sluice_meta *meta;

	if (!stats)
		return;
	if (s->numbered)
		slot = number(s, &ordinal);
	if (!slot && !s->timed && !pending)
		return;
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*meta))) {
		stats->meta_failed++;
		return;
	}
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) > (void *)(long)ctx->data)
		return;
	meta->magic = SLUICE_META_MAGIC;
	meta->rxq = s->rxq;
	meta->cpu = s->cpu;
	meta->seq = s->seq;
	meta->order_slot = slot;
	meta->ordinal = ordinal;
	meta->time_ns = 0;
	if (s->timed) {
		meta->time_ns = bpf_ktime_get_ns();
		stats->sampled++;
	}
}

/* Global, so that the verifier looks at each once and alone, whatever the caller knows. */
int parse_outer(struct xdp_md *ctx, __u32 inside, struct sluice_flow_key *key,
		struct sluice_features *features, struct sluice_inner *inner)
{
	if (!key || !features || !inner)
		return SLUICE_PASS_truncated;
	return sluice_parse_outer((void *)(long)ctx->data, (void *)(long)ctx->data_end, inside, key,
				  features, inner);
}

int parse_inner(struct xdp_md *ctx, struct sluice_inner *inner, struct sluice_flow_key *key,
		struct sluice_features *features)
{
	if (!key || !features || !inner)
		return SLUICE_PASS_truncated;
	return sluice_parse_inner((void *)(long)ctx->data, (void *)(long)ctx->data_end, inner, key,
				  features);
}

/* All but usual packets. Out of line, so that those do not pay for it. */
static __noinline int parse_slowly(struct xdp_md *ctx, struct packet *p)
{
	struct sluice_inner inner = { 0 };
	int r;

	r = parse_outer(ctx, p->config->inside, &p->key, &p->features, &inner);
	if (r == SLUICE_PARSE_INSIDE)
		r = parse_inner(ctx, &inner, &p->key, &p->features);
	p->hash = sluice_flow_hash(&p->key);
	return r;
}

static __always_inline int send(struct xdp_md *ctx, void *cpumap, const struct packet *p,
				struct sluice_place *place)
{
	const __u32 flags = p->config->flags;
	struct sluice_counter *out;
	__u32 cpu, index;
	int timed, numbered;

	if (!place->cpu1)
		return pass(p, SLUICE_PASS_no_target);
	cpu = place->cpu1 - 1;
	/* Says XDP_PASS, the last argument, when the cpumap has no such entry. */
	if (bpf_redirect_map(cpumap, cpu, XDP_PASS) != XDP_REDIRECT) {
		lose(place, p->rxq, p->config);
		return pass(p, SLUICE_PASS_no_cpu);
	}
	index = p->rxq * SLUICE_MAX_CPUS + cpu;
	out = bpf_map_lookup_elem(&sent, &index);
	if (!out)
		return XDP_PASS;
	out->packets++;
	out->bytes += p->bytes;
	place->seq = out->packets;
	place->ticks = p->now;

	/* Sampled by target, so that regular traffic cannot hide a CPU from us. */
	timed = flags & SLUICE_STEER_F_SAMPLE && !(out->packets & p->config->sample_mask);
	numbered = flags & SLUICE_STEER_F_ORDER && !((__u32)p->hash & p->config->order_mask);
	if (timed || numbered || place->flags) {
		struct stamp s = {
			.seq = out->packets, .hash = p->hash, .cpu = cpu, .rxq = p->rxq,
			.timed = timed, .numbered = numbered, .config = p->config,
		};

		stamp(ctx, &s, place->flags);
	}
	return XDP_REDIRECT;
}

static __always_inline int steer(struct xdp_md *ctx, void *cpumap, __u64 bytes)
{
	const void *end = (void *)(long)ctx->data_end, *l3;
	struct sluice_bucket_state *b;
	struct sluice_place *place;
	struct sluice_usual usual;
	struct packet p;
	__u32 zero = 0;
	__be16 proto;
	int reason;

	p.bytes = bytes;
	p.rxq = ctx->rx_queue_index;
	p.now = bpf_jiffies64();
	p.config = bpf_map_lookup_elem(&config, &zero);
	p.control = bpf_map_lookup_elem(&control, &zero);
	if (!p.config || !p.control || abi.version != SLUICE_ABI_VERSION)
		return XDP_PASS;
	l3 = sluice_parse_usual_link((void *)(long)ctx->data, end, &proto, &usual);
	if (l3 && proto == bpf_htons(ETH_P_IP) &&
	    sluice_parse_usual4(l3, end, p.config->inside, &usual)) {
		place = usual_place4(&p, &usual);
	} else if (l3 && proto == bpf_htons(ETH_P_IPV6) &&
		   sluice_parse_usual6(l3, end, p.config->inside, &usual)) {
		place = usual_place6(&p, &usual);
	} else {
		packet_clear(&p);
		reason = parse_slowly(ctx, &p);
		if (reason != SLUICE_PARSED)
			return pass(&p, reason);
		place = flow_place(&p);
	}
	if (place)
		return send(ctx, cpumap, &p, place);
	b = bucket_settled(&p);
	if (!b)
		return no_block(&p);
	if (b->place.cpu1) {
		b->packets++;
		b->bytes += bytes;
	}
	return send(ctx, cpumap, &p, &b->place);
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
