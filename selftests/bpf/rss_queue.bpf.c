// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Notes at which receive queue the packets of each source port arrive; for rss.sh. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct arrival {
	__u32 queue;
	__u32 moved;	/* packets at another queue than the first one's */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);	/* source port of UDP or TCP */
	__type(value, struct arrival);
} arrivals SEC(".maps");

SEC("xdp")
int rss_queue(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct arrival first = { .queue = ctx->rx_queue_index }, *seen;
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp;	/* TCP's ports are in the same place */
	__u32 port;
	__u8 proto;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		if ((void *)(ip + 1) > end || ip->ihl != 5)
			return XDP_PASS;
		proto = ip->protocol;
		udp = (void *)(ip + 1);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		if ((void *)(ip6 + 1) > end)
			return XDP_PASS;
		proto = ip6->nexthdr;
		udp = (void *)(ip6 + 1);
	} else {
		return XDP_PASS;
	}
	if ((proto != IPPROTO_UDP && proto != IPPROTO_TCP) || (void *)(udp + 1) > end)
		return XDP_PASS;
	port = bpf_ntohs(udp->source);
	seen = bpf_map_lookup_elem(&arrivals, &port);
	if (!seen)
		bpf_map_update_elem(&arrivals, &port, &first, BPF_NOEXIST);
	else if (seen->queue != first.queue)
		__sync_fetch_and_add(&seen->moved, 1);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
