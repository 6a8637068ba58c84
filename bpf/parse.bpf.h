/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The one parser: from a frame to a flow key, or to the reason why it has none.
 *
 * Ethernet, up to SLUICE_MAX_VLANS tags (802.1Q and 802.1ad), IPv4 with
 * options, IPv6 without extension headers, TCP or UDP. It needs nothing of BPF,
 * only a first and a last pointer, so that user space can run it too.
 *
 * Judged are headers, not payload: a frame that ends before the length in its
 * IP header says so is the stack's business (and, with multi-buffer XDP, may be
 * complete behind data_end). Ports are read only when frame and IP length both
 * cover the whole fixed transport header; padding after a short IP packet never
 * counts as ports. A first fragment has ports and the others do not, so that
 * steering by them would part the fragments of one packet: all pass.
 */
#ifndef SLUICE_PARSE_BPF_H
#define SLUICE_PARSE_BPF_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <linux/sluice.h>

#define SLUICE_PARSED	(-1)	/* not a reason to pass: the key is complete */

#define PARSE_INLINE	static inline __attribute__((always_inline))

struct sluice_vlan_tag {
	__be16 tci;
	__be16 proto;	/* of what follows */
};

#define SLUICE_IP_MF_OR_OFFSET	0x3fff

PARSE_INLINE int sluice_is_vlan(__be16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

PARSE_INLINE int sluice_is_ip6_ext(__u8 nexthdr)
{
	return nexthdr == IPPROTO_HOPOPTS || nexthdr == IPPROTO_ROUTING ||
	       nexthdr == IPPROTO_AH || nexthdr == IPPROTO_DSTOPTS || nexthdr == IPPROTO_MH;
}

/* l4_bytes: what the IP header says is there of the transport header and payload. */
PARSE_INLINE int sluice_parse_ports(const void *l4, const void *data_end, __u8 proto,
				    __u32 l4_bytes, struct sluice_flow_key *key)
{
	const struct udphdr *udp = l4;	/* ports are at the same place in TCP */
	const struct tcphdr *tcp = l4;

	if (proto == IPPROTO_TCP) {
		if (l4_bytes < sizeof(*tcp))
			return SLUICE_PASS_bad_ip;
		if ((const void *)(tcp + 1) > data_end)
			return SLUICE_PASS_truncated;
	} else if (proto == IPPROTO_UDP) {
		if (l4_bytes < sizeof(*udp))
			return SLUICE_PASS_bad_ip;
		if ((const void *)(udp + 1) > data_end)
			return SLUICE_PASS_truncated;
	} else {
		return SLUICE_PASS_not_tcp_udp;
	}
	key->sport = udp->source;
	key->dport = udp->dest;
	key->proto = proto;
	return SLUICE_PARSED;
}

PARSE_INLINE int sluice_parse_ip4(const void *l3, const void *data_end, struct sluice_flow_key *key)
{
	const struct iphdr *ip = l3;
	__u32 header, total;

	if ((const void *)(ip + 1) > data_end)
		return SLUICE_PASS_truncated;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header < sizeof(*ip) || total < header)
		return SLUICE_PASS_bad_ip;
	if (l3 + header > data_end)
		return SLUICE_PASS_truncated;
	if (ip->frag_off & bpf_htons(SLUICE_IP_MF_OR_OFFSET))
		return SLUICE_PASS_fragment;

	__builtin_memcpy(key->saddr, &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(key->daddr, &ip->daddr, sizeof(ip->daddr));
	key->family = 4;
	return sluice_parse_ports(l3 + header, data_end, ip->protocol, total - header, key);
}

PARSE_INLINE int sluice_parse_ip6(const void *l3, const void *data_end, struct sluice_flow_key *key)
{
	const struct ipv6hdr *ip = l3;

	if ((const void *)(ip + 1) > data_end)
		return SLUICE_PASS_truncated;
	if (ip->version != 6)
		return SLUICE_PASS_bad_ip;
	if (ip->nexthdr == IPPROTO_FRAGMENT)
		return SLUICE_PASS_fragment;
	if (sluice_is_ip6_ext(ip->nexthdr))
		return SLUICE_PASS_ip6_ext;

	__builtin_memcpy(key->saddr, &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(key->daddr, &ip->daddr, sizeof(ip->daddr));
	key->family = 6;
	return sluice_parse_ports(ip + 1, data_end, ip->nexthdr, bpf_ntohs(ip->payload_len), key);
}

/* Fills *key, which must be all zero, or returns the enum sluice_pass why not. */
PARSE_INLINE int sluice_parse(const void *data, const void *data_end, struct sluice_flow_key *key)
{
	const struct ethhdr *eth = data;
	const struct sluice_vlan_tag *tag = (const void *)(eth + 1);
	__be16 proto;

	if ((const void *)(eth + 1) > data_end)
		return SLUICE_PASS_truncated;
	proto = eth->h_proto;
#pragma unroll
	for (int i = 0; i < SLUICE_MAX_VLANS; i++) {
		if (!sluice_is_vlan(proto))
			break;
		if ((const void *)(tag + 1) > data_end)
			return SLUICE_PASS_truncated;
		proto = tag->proto;
		tag++;
	}
	if (proto == bpf_htons(ETH_P_IP))
		return sluice_parse_ip4(tag, data_end, key);
	if (proto == bpf_htons(ETH_P_IPV6))
		return sluice_parse_ip6(tag, data_end, key);
	return sluice_is_vlan(proto) ? SLUICE_PASS_too_many_vlans : SLUICE_PASS_not_ip;
}

#endif
