/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The parser's short way, for what most packets are: TCP or UDP directly behind an
 * IP header without options, with one VLAN tag or none.
 *
 *	l3 = sluice_parse_usual_link(data, end, &proto, &u);
 *	if (l3 && proto == bpf_htons(ETH_P_IP) && sluice_parse_usual4(l3, end, inside, &u))
 *		hash = sluice_words4_hash(u.word);
 *
 * and the same with IPv6. It says nothing of any other packet, malformed ones
 * included. It is for speed alone: what it finds it leaves in registers, and the steps
 * of parse.bpf.h would find the same, which the fuzzer checks.
 */
#ifndef SLUICE_PARSE_USUAL_BPF_H
#define SLUICE_PARSE_USUAL_BPF_H

#include "parse.bpf.h"

/* What sluice_parse_usual4() or 6 found. */
struct sluice_usual {
	__u64 word[5];		/* of a struct sluice_flow4_key, or of a struct sluice_flow_key */
	__u16 vlan_tci;		/* this and the rest as in struct sluice_features */
	__u16 length;
	__u8 tos;
	__u8 tcp_flags;
};

/* One load; unaligned, which the kernels' verifiers allow where the CPU does. */
PARSE_INLINE __u64 parse_load64(const void *p)
{
#ifdef __bpf__
	return *(const __u64 *)p;
#else
	__u64 word;

	__builtin_memcpy(&word, p, sizeof(word));
	return word;
#endif
}

/* Past the Ethernet header and at most one tag, to what *proto says; NULL: unusual. */
PARSE_INLINE const void *sluice_parse_usual_link(const void *data, const void *end, __be16 *proto,
					  struct sluice_usual *u)
{
	const struct parse_vlan *tag = data + ETH_HLEN;

	if (data + ETH_HLEN > end)
		return NULL;
	*proto = *(const __be16 *)(data + 2 * ETH_ALEN);
	u->vlan_tci = 0;
	if (!parse_is_vlan(*proto))
		return data + ETH_HLEN;
	if ((const void *)(tag + 1) > end)
		return NULL;
	u->vlan_tci = bpf_ntohs(tag->tci);
	*proto = tag->proto;
	return tag + 1;
}

/* TCP or UDP, that is whole: the last word of a key, whose family is the constant given; or 0. */
PARSE_INLINE __u64 parse_usual_l4(const void *l4, const void *end, __u32 inside, __u8 proto,
				  __u8 family, __u32 bytes, struct sluice_usual *u)
{
	const __be16 *ports = l4;
	__u32 both;

	u->tcp_flags = 0;
	if (proto == IPPROTO_TCP) {
		if (l4 + sizeof(struct tcphdr) > end || bytes < sizeof(struct tcphdr))
			return 0;
		u->tcp_flags = *(const __u8 *)(l4 + PARSE_TCP_FLAGS);
	} else {
		if (proto != IPPROTO_UDP || l4 + sizeof(struct udphdr) > end ||
		    bytes < sizeof(struct udphdr))
			return 0;
		if (inside && parse_tunnel_of_port(inside, ports[1]))
			return 0;
	}
	__builtin_memcpy(&both, ports, sizeof(both));
	return SLUICE_HALVES(both, SLUICE_BYTES(proto, family));
}

/* IPv4 without options, no fragment. Returns whether it is that. */
PARSE_INLINE int sluice_parse_usual4(const void *l3, const void *end, __u32 inside,
				     struct sluice_usual *u)
{
	const struct iphdr *ip = l3;

	if ((const void *)(ip + 1) > end || *(const __u8 *)l3 != 0x45 ||
	    ip->frag_off & bpf_htons(PARSE_IP4_MF_OR_OFFSET))
		return 0;
	u->length = bpf_ntohs(ip->tot_len);
	if (u->length < sizeof(*ip))
		return 0;
	u->word[1] = parse_usual_l4(ip + 1, end, inside, ip->protocol, 4, u->length - sizeof(*ip), u);
	if (!u->word[1])
		return 0;
	u->word[0] = parse_load64(&ip->saddr);
	u->tos = ip->tos;
	return 1;
}

/* IPv6 without extension headers. */
PARSE_INLINE int sluice_parse_usual6(const void *l3, const void *end, __u32 inside,
				     struct sluice_usual *u)
{
	const struct ipv6hdr *ip = l3;
	__u32 bytes;

	if ((const void *)(ip + 1) > end || ip->version != 6)
		return 0;
	bytes = bpf_ntohs(ip->payload_len);
	u->word[4] = parse_usual_l4(ip + 1, end, inside, ip->nexthdr, 6, bytes, u);
	if (!u->word[4])
		return 0;
	u->word[0] = parse_load64(&ip->saddr);
	u->word[1] = parse_load64((const void *)&ip->saddr + 8);
	u->word[2] = parse_load64(&ip->daddr);
	u->word[3] = parse_load64((const void *)&ip->daddr + 8);
	u->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	u->length = bytes > 0xffff - sizeof(*ip) ? 0xffff : bytes + sizeof(*ip);
	return 1;
}

PARSE_INLINE void parse_usual_features(const struct sluice_usual *u, struct sluice_features *f)
{
	f->vlan_tci = u->vlan_tci;
	f->length = u->length;
	f->tos = u->tos;
	f->tcp_flags = u->tcp_flags;
}

/* What the other steps would have found. key and features are all zero at first. */
PARSE_INLINE void sluice_usual4_key(const struct sluice_usual *u, struct sluice_flow_key *key,
				    struct sluice_features *features)
{
	parse_set_addr4(key->saddr, SLUICE_FIRST_HALF(u->word[0]));
	parse_set_addr4(key->daddr, SLUICE_SECOND_HALF(u->word[0]));
	__builtin_memcpy(&key->sport, &u->word[1], sizeof(u->word[1]));
	parse_usual_features(u, features);
}

PARSE_INLINE void sluice_usual6_key(const struct sluice_usual *u, struct sluice_flow_key *key,
				    struct sluice_features *features)
{
	__builtin_memcpy(key, u->word, sizeof(*key));
	parse_usual_features(u, features);
}

#endif
