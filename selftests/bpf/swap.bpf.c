// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The data plane as the product has it, for test_swap.c: in front of it each packet becomes the next
 * one of a sequence of flows that begin and end, and behind the cpumap each is compared with the
 * one before it of its flow.
 */
#include "../../bpf/xdp_steer.bpf.c"
#define _license _license_of_deliver
#include "../../bpf/cpu_deliver.bpf.c"
#undef _license

#include "swap.h"

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

struct swap_state state;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SWAP_SLOTS);
	__type(key, __u32);
	__type(value, struct swap_flow);
} arrived SEC(".maps");

struct swap_packet {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	struct swap_payload payload;
} __attribute__((packed));

/* Flows by turns, SWAP_AT_ONCE at a time. One sender, so the state needs no atomics. */
SEC("xdp")
int swap_send(struct xdp_md *ctx)
{
	struct swap_packet *p = (void *)(long)ctx->data;
	const __u64 n = state.packets;
	__u32 flow;

	if ((void *)(p + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	flow = n / (SWAP_AT_ONCE * SWAP_PACKETS) * SWAP_AT_ONCE + n % SWAP_AT_ONCE;
	state.packets = n + 1;
	p->ip.saddr = bpf_htonl(0x0a000000 + flow);
	p->payload.flow = flow;
	p->payload.number = n / SWAP_AT_ONCE % SWAP_PACKETS + 1;
	return steer(ctx, &cpus, ctx->data_end - ctx->data);
}

SEC("xdp/cpumap")
int swap_deliver(struct xdp_md *ctx)
{
	const struct swap_packet *p;
	struct swap_payload seen;
	struct swap_flow *f;
	__u32 slot;

	handed_over(ctx, ctx->data_end - ctx->data);
	p = (void *)(long)ctx->data;
	if ((void *)(p + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	seen = p->payload;
	slot = seen.flow % SWAP_SLOTS;
	f = bpf_map_lookup_elem(&arrived, &slot);
	if (!f)
		return XDP_DROP;
	/* A flow moves behind its packets: only when that fails do two CPUs write here at once. */
	if (f->flow != seen.flow) {
		f->flow = seen.flow;
		f->number = 0;
	}
	if (seen.number == f->number + 1)
		__sync_fetch_and_add(&state.in_order, 1);
	else
		__sync_fetch_and_add(&state.out_of_order, 1);
	f->number = seen.number;
	return XDP_DROP;
}
