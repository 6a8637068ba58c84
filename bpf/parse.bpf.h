/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The one parser: from a frame to a flow key, or to the reason why it has none.
 *
 *	r = sluice_parse_outer(data, end, inside, &key, features, &inner);
 *	if (r == SLUICE_PARSE_INSIDE)
 *		r = sluice_parse_inner(data, end, &inner, &key, features);
 *
 * Then r is SLUICE_PARSED, or the enum sluice_pass why there is no key. key and
 * features must be all zero at first; where the result is SLUICE_PARSED they are
 * complete, whatever the step before left in them. Where features is the constant
 * NULL, nothing is compiled for them. In BPF sluice_parse_outer() and
 * sluice_parse_inner() belong into a global function each, which checks its
 * pointers for NULL first: the verifier then looks at it once and apart, and its
 * work does not multiply (see parse_settle()).
 *
 * Ethernet, up to SLUICE_MAX_VLANS tags (802.1Q and 802.1ad), then IPv4 or
 * IPv6, also behind a PPPoE session header or up to SLUICE_MAX_LABELS MPLS
 * labels; options, up to SLUICE_MAX_EXTS extension headers, and the transport
 * protocols that the contract lists at struct sluice_flow_key. It needs nothing
 * of BPF, only a first and a last pointer, so that user space can run it too
 * (selftests/fuzz does).
 *
 * parse_usual.bpf.h has a shorter way for what most packets are.
 *
 * "inside" has the bits (SLUICE_INSIDE_*) of the tunnels that are looked into.
 * The outer packet's key is complete when sluice_parse_outer() finds one of them
 * (SLUICE_PARSE_INSIDE); sluice_parse_inner() replaces it by the inner packet's
 * key, or leaves it as it is: which of the two, the contract says at
 * SLUICE_TUNNELS.
 *
 * Judged are headers, not payload: a frame that ends before the length in its
 * IP header says so is the stack's business (and, with multi-buffer XDP, may be
 * complete behind data_end). A header is read only when frame and IP length
 * both cover its fixed part; padding after a short IP packet never counts as
 * ports. The length is judged first, so that one packet has one reason however
 * much padding it got.
 *
 * What follows an MPLS label stack is told by its first four bits, as routers
 * do (RFC 4928). An Ethernet pseudowire without control word can look like IP
 * there; most such frames then fail the checks of the IP header, and one that
 * does not is steered by four meaningless words, always to the same place.
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
#include <sluice/hash.h>

#include "parse_cursor.bpf.h"
#include "parse_tunnel.bpf.h"

enum parse_mode {
	PARSE_WHOLE,
	PARSE_INNER,	/* what a tunnel carries: as much is there as the outer packet holds */
	PARSE_QUOTED,	/* what an ICMP error quotes: as much is there as the quote holds */
};

/* From sluice_parse_outer() to sluice_parse_inner(): where a tunnel's header begins. */
struct sluice_inner {
	__u32 offset;	/* in the frame */
	__u32 bytes;	/* that the outer IP header says are left there */
	__u32 tunnel;	/* enum sluice_tunnel */
};

struct parse_vlan {
	__be16 tci;
	__be16 proto;	/* of what follows */
};

struct parse_pppoe {
	__u8 version_type;
	__u8 code;
	__be16 session;
	__be16 length;	/* of PPP's protocol and payload */
	__be16 ppp;
};

/* The first eight bytes of every extension header that can be passed over. */
struct parse_ext {
	__u8 next;
	__u8 length;
	__be16 offset;	/* only in a fragment header */
	__be32 id;
};

/* Of an ICMP header of either version: the id is there in some types only. */
struct parse_icmp {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 id;
	__be16 sequence;
};

/* What a source must quote of the transport header (RFC 792); it holds ports, SPI and id. */
#define PARSE_QUOTED_BYTES	8

#define PARSE_IP4_MF_OR_OFFSET	0x3fff
#define PARSE_IP6_MF_OR_OFFSET	0xfff9
#define PARSE_PPPOE_SESSION	0x11		/* version 1, type 1 */
#define PARSE_PPP_IP		0x0021
#define PARSE_PPP_IPV6		0x0057
#define PARSE_MPLS_BOTTOM	0x00000100
#define PARSE_TCP_FLAGS		13		/* their byte in the header */

/* --- below IP -------------------------------------------------------------- */

PARSE_INLINE int parse_is_vlan(__be16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

PARSE_INLINE int parse_is_mpls(__be16 proto)
{
	return proto == bpf_htons(ETH_P_MPLS_UC) || proto == bpf_htons(ETH_P_MPLS_MC);
}

PARSE_INLINE int parse_pppoe(struct parse_cursor *c, __be16 *proto)
{
	const struct parse_pppoe *h = c->pos;

	if ((const void *)(h + 1) > c->end)
		return SLUICE_PASS_truncated;
	if (h->version_type != PARSE_PPPOE_SESSION || h->code ||
	    bpf_ntohs(h->length) < sizeof(h->ppp))
		return SLUICE_PASS_bad_pppoe;
	if (h->ppp == bpf_htons(PARSE_PPP_IP))
		*proto = bpf_htons(ETH_P_IP);
	else if (h->ppp == bpf_htons(PARSE_PPP_IPV6))
		*proto = bpf_htons(ETH_P_IPV6);
	else
		return SLUICE_PASS_not_ip;
	c->pos = h + 1;
	return PARSE_GO_ON;
}

PARSE_INLINE int parse_mpls(struct parse_cursor *c, __be16 *proto)
{
	const __be32 *label = c->pos;
	const __u8 *first;
	int i;

	PARSE_UNROLL
	for (i = 0; i < SLUICE_MAX_LABELS; i++, label++) {
		if ((const void *)(label + 1) > c->end)
			return SLUICE_PASS_truncated;
		if (*label & bpf_htonl(PARSE_MPLS_BOTTOM))
			break;
	}
	if (i == SLUICE_MAX_LABELS)
		return SLUICE_PASS_too_many_labels;
	c->pos = label + 1;
	first = c->pos;
	if ((const void *)(first + 1) > c->end)
		return SLUICE_PASS_truncated;
	if (*first >> 4 == 4)
		*proto = bpf_htons(ETH_P_IP);
	else if (*first >> 4 == 6)
		*proto = bpf_htons(ETH_P_IPV6);
	else
		return SLUICE_PASS_not_ip;
	return PARSE_GO_ON;
}

/* To the IP header, whose EtherType is *proto then. */
PARSE_INLINE int parse_link(struct parse_cursor *c, __be16 *proto)
{
	const struct ethhdr *eth = c->pos;
	const struct parse_vlan *tag = (const void *)(eth + 1);

	if ((const void *)(eth + 1) > c->end)
		return SLUICE_PASS_truncated;
	*proto = eth->h_proto;
	PARSE_UNROLL
	for (int i = 0; i < SLUICE_MAX_VLANS; i++) {
		if (!parse_is_vlan(*proto))
			break;
		if ((const void *)(tag + 1) > c->end)
			return SLUICE_PASS_truncated;
		if (c->features && i == 0)
			c->features->vlan_tci = bpf_ntohs(tag->tci);
		*proto = tag->proto;
		tag++;
	}
	c->pos = tag;
	if (*proto == bpf_htons(ETH_P_IP) || *proto == bpf_htons(ETH_P_IPV6))
		return PARSE_GO_ON;
	if (*proto != bpf_htons(ETH_P_PPP_SES) && !parse_is_mpls(*proto))
		return parse_is_vlan(*proto) ? SLUICE_PASS_too_many_vlans : SLUICE_PASS_not_ip;
	return parse_is_mpls(*proto) ? parse_mpls(c, proto) : parse_pppoe(c, proto);
}

/* --- IP -------------------------------------------------------------------- */

/*
 * Who hashes and compares keys reads them by words. They are written by words, too,
 * since a CPU cannot forward two halves from its store buffer to one load.
 */
PARSE_INLINE void parse_set_addr4(__u8 to[16], __be32 addr)
{
	const __u64 word = SLUICE_HALVES(addr, 0);

	__builtin_memcpy(to, &word, sizeof(word));
}

PARSE_INLINE void parse_set_addr6(__u8 to[16], const struct in6_addr *addr)
{
	const __u64 word[2] = {
		SLUICE_HALVES(addr->in6_u.u6_addr32[0], addr->in6_u.u6_addr32[1]),
		SLUICE_HALVES(addr->in6_u.u6_addr32[2], addr->in6_u.u6_addr32[3]),
	};

	__builtin_memcpy(to, word, sizeof(word));
}

/* Both ports, from the packet as they are, beside what is known of the rest of the word. */
PARSE_INLINE void parse_set_ports(struct sluice_flow_key *key, const __be16 ports[2])
{
	__u32 both;
	__u64 word;

	__builtin_memcpy(&both, ports, sizeof(both));
	word = SLUICE_HALVES(both, SLUICE_BYTES(key->proto, key->family));
	__builtin_memcpy(&key->sport, &word, sizeof(word));
}

PARSE_INLINE int parse_ip4(struct parse_cursor *c, struct sluice_flow_key *key,
			   enum parse_mode mode)
{
	const struct iphdr *ip = c->pos;
	__u32 header, total;

	if ((const void *)(ip + 1) > c->end)
		return SLUICE_PASS_truncated;
	header = ip->ihl * 4;
	/* The length of a quoted packet is what it once was. */
	total = mode == PARSE_QUOTED ? c->bytes : bpf_ntohs(ip->tot_len);
	if (mode == PARSE_INNER && total > c->bytes)
		total = c->bytes;
	if (ip->version != 4 || header < sizeof(*ip) || total < header)
		return SLUICE_PASS_bad_ip;
	if (c->pos + header > c->end)
		return SLUICE_PASS_truncated;

	parse_set_addr4(key->saddr, ip->saddr);
	parse_set_addr4(key->daddr, ip->daddr);
	key->family = 4;
	key->proto = ip->protocol;
	if (c->features && mode != PARSE_QUOTED) {
		c->features->tos = ip->tos;
		c->features->length = total;
	}
	if (ip->frag_off & bpf_htons(PARSE_IP4_MF_OR_OFFSET))
		return SLUICE_PARSED;
	c->pos += header;
	c->bytes = total - header;
	return PARSE_GO_ON;
}

PARSE_INLINE int parse_ip6(struct parse_cursor *c, struct sluice_flow_key *key,
			   enum parse_mode mode)
{
	const struct ipv6hdr *ip = c->pos;
	__u32 payload;

	if ((const void *)(ip + 1) > c->end)
		return SLUICE_PASS_truncated;
	if (ip->version != 6 || (mode == PARSE_INNER && c->bytes < sizeof(*ip)))
		return SLUICE_PASS_bad_ip;
	parse_set_addr6(key->saddr, &ip->saddr);
	parse_set_addr6(key->daddr, &ip->daddr);
	key->family = 6;
	key->proto = ip->nexthdr;
	c->pos = ip + 1;
	payload = bpf_ntohs(ip->payload_len);
	if (!payload && ip->nexthdr == IPPROTO_HOPOPTS)
		payload = PARSE_BYTES_MASK;	/* a jumbogram's is in an option */
	if (c->features && mode != PARSE_QUOTED) {
		c->features->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
		c->features->length = payload > 0xffff - sizeof(*ip) ? 0xffff : payload + sizeof(*ip);
	}
	if (mode == PARSE_WHOLE)
		c->bytes = payload;
	else
		c->bytes -= sizeof(*ip);
	if (mode == PARSE_INNER && c->bytes > payload)
		c->bytes = payload;
	return PARSE_GO_ON;
}

PARSE_INLINE int parse_is_ext(__u8 family, __u8 proto)
{
	if (proto == IPPROTO_AH)
		return 1;
	return family == 6 && (proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING ||
			       proto == IPPROTO_DSTOPTS || proto == IPPROTO_FRAGMENT);
}

/*
 * Over extension headers (and AH, which IPv4 has too) to the transport header,
 * whose protocol is key->proto then. A fragment header ends the key, unless the
 * "fragment" is the whole datagram (RFC 6946), which no reassembly needs.
 */
PARSE_INLINE int parse_exts(struct parse_cursor *c, struct sluice_flow_key *key)
{
	PARSE_UNROLL
	for (int i = 0; i <= SLUICE_MAX_EXTS; i++) {
		const struct parse_ext *h = c->pos;
		const __u8 proto = key->proto;
		__u32 bytes;
		int r;

		if (!parse_is_ext(key->family, proto))
			return PARSE_GO_ON;
		if (i == SLUICE_MAX_EXTS)
			break;
		r = parse_holds(c, sizeof(*h));
		if (r != PARSE_GO_ON)
			return r;
		key->proto = h->next;
		if (proto == IPPROTO_FRAGMENT) {
			if (h->offset & bpf_htons(PARSE_IP6_MF_OR_OFFSET))
				return SLUICE_PARSED;
			bytes = sizeof(*h);
		} else if (proto == IPPROTO_AH) {
			bytes = (h->length + 2) * 4;
		} else {
			bytes = (h->length + 1) * 8;
		}
		r = parse_skip(c, bytes);
		if (r != PARSE_GO_ON)
			return r;
		parse_settle(c);
	}
	return SLUICE_PASS_too_many_exts;
}

/* --- above IP -------------------------------------------------------------- */

/* The fixed header of protocols that begin with two ports, or with the SPI; else 0. */
PARSE_INLINE __u32 parse_l4_bytes(__u8 proto, enum parse_mode mode)
{
	__u32 bytes = 0;

	if (proto == IPPROTO_TCP)
		bytes = sizeof(struct tcphdr);
	else if (proto == IPPROTO_UDP)
		bytes = sizeof(struct udphdr);
	else if (proto == IPPROTO_SCTP || proto == IPPROTO_DCCP)
		bytes = 12;
	else if (proto == IPPROTO_UDPLITE || proto == IPPROTO_ESP)
		bytes = 8;
	return mode == PARSE_QUOTED && bytes ? PARSE_QUOTED_BYTES : bytes;
}

PARSE_INLINE int parse_icmp_has_id(__u8 family, __u8 type)
{
	if (family == 6)
		return type == 128 || type == 129 || type == 160 || type == 161;
	return type == 0 || type == 8 || (type >= 13 && type <= 18) || type == 42 || type == 43;
}

PARSE_INLINE int parse_icmp_is_error(__u8 family, __u8 type)
{
	if (family == 6)
		return type >= 1 && type <= 4;
	return (type >= 3 && type <= 5) || type == 11 || type == 12;
}

PARSE_INLINE int parse_icmp(struct parse_cursor *c, struct sluice_flow_key *key,
			    enum parse_mode mode)
{
	const struct parse_icmp *h = c->pos;
	int r = parse_holds(c, sizeof(*h));

	if (r != PARSE_GO_ON)
		return r;
	if (parse_icmp_has_id(key->family, h->type)) {
		key->sport = h->id;
		key->dport = h->id;	/* on both sides, or a reply would have another bucket */
	} else if (mode != PARSE_QUOTED && parse_icmp_is_error(key->family, h->type)) {
		c->pos = h + 1;
		c->bytes -= sizeof(*h);
		return PARSE_QUOTE;
	}
	return SLUICE_PARSED;
}

PARSE_INLINE int parse_l4(struct parse_cursor *c, struct sluice_flow_key *key,
			  enum parse_mode mode)
{
	const __u32 bytes = parse_l4_bytes(key->proto, mode);
	const int outer = mode == PARSE_WHOLE;
	const __be16 *ports = c->pos;
	const __u8 *flags;
	int r;

	if (!bytes) {
		if (key->proto == (key->family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
			return parse_icmp(c, key, mode);
		if (outer)
			c->tunnel = parse_tunnel_of_proto(c->inside, key->proto);
		return c->tunnel ? SLUICE_PARSE_INSIDE : SLUICE_PARSED;
	}
	r = parse_holds(c, bytes);
	if (r != PARSE_GO_ON)
		return r;
	if ((const void *)(ports + 2) > c->end)	/* the verifier cannot tell from bytes */
		return SLUICE_PASS_truncated;
	if (c->features && mode != PARSE_QUOTED && key->proto == IPPROTO_TCP) {
		flags = c->pos + PARSE_TCP_FLAGS;
		if ((const void *)(flags + 1) > c->end)
			return SLUICE_PASS_truncated;
		c->features->tcp_flags = *flags;
	}
	if (outer && c->inside && key->proto == IPPROTO_UDP)
		c->tunnel = parse_tunnel_of_port(c->inside, ports[1]);
	parse_set_ports(key, ports);
	if (!c->tunnel)
		return SLUICE_PARSED;
	c->pos += sizeof(struct udphdr);
	c->bytes -= sizeof(struct udphdr);
	return SLUICE_PARSE_INSIDE;
}

PARSE_INLINE int parse_ip(struct parse_cursor *c, int six, struct sluice_flow_key *key,
			  enum parse_mode mode)
{
	int r = six ? parse_ip6(c, key, mode) : parse_ip4(c, key, mode);

	if (r == PARSE_GO_ON) {
		parse_settle(c);
		r = parse_exts(c, key);
	}
	if (r == PARSE_GO_ON)
		r = parse_l4(c, key, mode);
	return r;
}

/*
 * The key of an ICMP error: of the flow it is about, as seen in the direction in
 * which the error itself travels, which is the opposite of what it quotes.
 */
PARSE_INLINE int parse_quote(struct parse_cursor *c, struct sluice_flow_key *key)
{
	const int six = key->family == 6;
	struct sluice_flow_key quoted = { 0 };
	int r;

	if (c->bytes < (six ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)))
		return SLUICE_PASS_bad_quote;
	parse_settle(c);
	r = parse_ip(c, six, &quoted, PARSE_QUOTED);
	if (r == SLUICE_PASS_truncated)
		return r;
	if (r != SLUICE_PARSED)
		return SLUICE_PASS_bad_quote;
	__builtin_memcpy(key->saddr, quoted.daddr, sizeof(key->saddr));
	__builtin_memcpy(key->daddr, quoted.saddr, sizeof(key->daddr));
	key->sport = quoted.dport;
	key->dport = quoted.sport;
	key->proto = quoted.proto;
	return SLUICE_PARSED;
}

/* --- the steps -------------------------------------------------------------- */

PARSE_INLINE int sluice_parse_outer(const void *data, const void *data_end, __u32 inside,
				    struct sluice_flow_key *key, struct sluice_features *features,
				    struct sluice_inner *inner)
{
	struct parse_cursor c = { .data = data, .end = data_end, .pos = data,
				  .inside = inside, .features = features };
	__be16 proto;
	int r = parse_link(&c, &proto);

	if (r != PARSE_GO_ON)
		return r;
	parse_settle(&c);
	r = parse_ip(&c, proto == bpf_htons(ETH_P_IPV6), key, PARSE_WHOLE);
	if (r == PARSE_QUOTE)
		return parse_quote(&c, key);
	if (r == SLUICE_PARSE_INSIDE) {
		inner->offset = c.pos - data;
		inner->bytes = c.bytes;
		inner->tunnel = c.tunnel;
	}
	return r;
}

/* An Ethernet header and what stands before IP, inside of a tunnel. */
PARSE_INLINE int parse_inner_link(struct parse_cursor *c, __be16 *proto)
{
	const void *start = c->pos;
	int r = parse_link(c, proto);
	__u32 used = c->pos - start;

	if (r != PARSE_GO_ON)
		return r;
	if (used > c->bytes)
		return SLUICE_PASS_bad_ip;
	c->bytes -= used;
	parse_settle(c);
	return PARSE_GO_ON;
}

PARSE_INLINE int sluice_parse_inner(const void *data, const void *data_end,
				    const struct sluice_inner *inner, struct sluice_flow_key *key,
				    struct sluice_features *features)
{
	struct sluice_flow_key found = { 0 };
	struct sluice_features f = { 0 };
	struct parse_cursor c = { .data = data, .end = data_end, .bytes = inner->bytes,
				  .features = features ? &f : NULL };
	const __u32 offset = inner->offset;
	__be16 proto;
	int r;

	if (offset > SLUICE_MAX_INNER_OFFSET)
		return SLUICE_PARSED;
	c.pos = data + offset;
	r = parse_tunnel(&c, inner->tunnel, key->proto, &proto);
	if (r == PARSE_GO_ON && proto == bpf_htons(ETH_P_TEB))
		r = parse_inner_link(&c, &proto);
	if (r == PARSE_GO_ON)
		r = parse_ip(&c, proto == bpf_htons(ETH_P_IPV6), &found, PARSE_INNER);
	if (r == PARSE_QUOTE)
		r = parse_quote(&c, &found);
	if (r != SLUICE_PARSED)
		return SLUICE_PARSED;
	*key = found;
	if (features) {
		features->tos = f.tos;
		features->tcp_flags = f.tcp_flags;
		features->tunnel = inner->tunnel;
	}
	return SLUICE_PARSED;
}

#endif
