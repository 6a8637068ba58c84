/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The least that steering by flow can be: parse Ethernet, IPv4 and UDP with
 * bounds checks, hash the five-tuple, redirect to a CPU that the hash chooses.
 * No counters, no table, no map but the cpumap. The hash is the product's, so
 * that what is above this floor is what the product does with it.
 */
#ifndef SLUICE_FLOOR_BPF_H
#define SLUICE_FLOOR_BPF_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <sluice/hash.h>

const volatile __u32 floor_cpus = 1;	/* targets: CPUs 0 to floor_cpus - 1 */

static __always_inline int floor_redirect(struct xdp_md *ctx, void *cpumap)
{
	const void *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = (void *)(long)ctx->data;
	const struct iphdr *ip = (const void *)(eth + 1);
	struct sluice_flow_key key = { .family = 4 };
	const struct udphdr *udp;
	__u64 hash;

	if ((const void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	if (ip->version != 4 || ip->ihl < 5 || ip->protocol != IPPROTO_UDP)
		return XDP_PASS;
	udp = (const void *)ip + ip->ihl * 4;
	if ((const void *)(udp + 1) > end)
		return XDP_PASS;
	__builtin_memcpy(key.saddr, &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(key.daddr, &ip->daddr, sizeof(ip->daddr));
	key.sport = udp->source;
	key.dport = udp->dest;
	key.proto = ip->protocol;
	hash = sluice_flow_hash(&key);
	return bpf_redirect_map(cpumap, (hash >> 32) * floor_cpus >> 32, XDP_PASS);
}

#endif
