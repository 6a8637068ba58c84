// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The data plane as the product has it, in programs that prepare the packet
 * before it or tidy up after it, which a repeated test run needs: metadata
 * stays in front of the packet between repeats, and the packet is always the
 * same. The maps are those of an instance that user/lib loaded.
 */
#include "../../bpf/xdp_steer.bpf.c"
#include "bench.h"
#include "floor.bpf.h"

struct bench_state state;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BENCH_TUPLES);
	__type(key, __u32);
	__type(value, struct bench_tuple);
} tuples SEC(".maps");

/* Of a frame without tags and options: the next flow of the sequence. */
static __always_inline int rewrite(struct xdp_md *ctx)
{
	const void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	__u32 index = state.position++ % BENCH_TUPLES;
	struct bench_tuple *t = bpf_map_lookup_elem(&tuples, &index);

	if (!t || (void *)(udp + 1) > end)
		return -1;
	ip->saddr = t->saddr;
	udp->source = t->sport;
	return 0;
}

SEC("xdp")
int rewritten_floor(struct xdp_md *ctx)
{
	return rewrite(ctx) ? XDP_ABORTED : floor_redirect(ctx, &cpus);
}

SEC("xdp")
int rewritten_steer(struct xdp_md *ctx)
{
	if (rewrite(ctx))
		return XDP_ABORTED;
	return steer(ctx, &cpus, ctx->data_end - ctx->data);
}

/* Takes off what steer() may have put in front. */
SEC("xdp")
int undone_steer(struct xdp_md *ctx)
{
	int r = steer(ctx, &cpus, ctx->data_end - ctx->data);

	if ((void *)(long)ctx->data_meta < (void *)(long)ctx->data)
		bpf_xdp_adjust_meta(ctx, sizeof(struct sluice_meta));
	return r;
}

/* In front of the product's own cpumap and cpu_deliver. */
SEC("xdp")
int live_floor(struct xdp_md *ctx)
{
	return floor_redirect(ctx, &cpus);
}
