/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Tunnels' own headers: what is one, and to the packet inside.
 *
 *   GRE      RFC 2784, with the key and sequence number of RFC 2890; NVGRE is that, too
 *   VXLAN    RFC 7348
 *   Geneve   RFC 8926; options are passed over unread
 *   GTP-U    3GPP TS 29.281
 *
 * A result that is not PARSE_GO_ON only says that the outer key is kept.
 */
#ifndef SLUICE_PARSE_TUNNEL_BPF_H
#define SLUICE_PARSE_TUNNEL_BPF_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>

#include "parse_cursor.bpf.h"

#define PARSE_PORT_VXLAN	4789
#define PARSE_PORT_GENEVE	6081
#define PARSE_PORT_GTPU		2152

struct parse_gre {
	__be16 flags;
	__be16 proto;
};

#define PARSE_GRE_CHECKSUM	0x8000
#define PARSE_GRE_KEY		0x2000
#define PARSE_GRE_SEQUENCE	0x1000
#define PARSE_GRE_MUST_BE_0	0x4c07	/* routing and other bits of RFC 1701, version */

struct parse_vxlan {
	__be32 flags;
	__be32 vni;
};

#define PARSE_VXLAN_HAS_VNI	0x08000000

struct parse_geneve {
	__u8 version_words;	/* version, and words of options */
	__u8 flags;
	__be16 proto;
	__be32 vni;
};

#define PARSE_GENEVE_CONTROL	0x80

struct parse_gtpu {
	__u8 flags;
	__u8 type;
	__be16 length;		/* of what follows these eight bytes */
	__be32 teid;
};

struct parse_gtpu_options {
	__be16 sequence;
	__u8 n_pdu;
	__u8 next;
};

#define PARSE_GTPU_VERSION	0xf0	/* mask of version and protocol type */
#define PARSE_GTPU_VERSION_1	0x30
#define PARSE_GTPU_EXTENSION	0x04	/* "next" counts */
#define PARSE_GTPU_OPTIONS	0x07	/* any of these: the options are there */
#define PARSE_GTPU_G_PDU	255

/* The kind of tunnel, among those of the mask, that a protocol or a UDP port stands for. */
PARSE_INLINE __u32 parse_tunnel_of_proto(__u32 inside, __u8 proto)
{
	if (inside & SLUICE_INSIDE_GRE && proto == IPPROTO_GRE)
		return SLUICE_TUNNEL_GRE;
	if (inside & SLUICE_INSIDE_IPIP && (proto == IPPROTO_IPIP || proto == IPPROTO_IPV6))
		return SLUICE_TUNNEL_IPIP;
	return SLUICE_TUNNEL_NONE;
}

PARSE_INLINE __u32 parse_tunnel_of_port(__u32 inside, __be16 dport)
{
	if (inside & SLUICE_INSIDE_VXLAN && dport == bpf_htons(PARSE_PORT_VXLAN))
		return SLUICE_TUNNEL_VXLAN;
	if (inside & SLUICE_INSIDE_GENEVE && dport == bpf_htons(PARSE_PORT_GENEVE))
		return SLUICE_TUNNEL_GENEVE;
	if (inside & SLUICE_INSIDE_GTPU && dport == bpf_htons(PARSE_PORT_GTPU))
		return SLUICE_TUNNEL_GTPU;
	return SLUICE_TUNNEL_NONE;
}

PARSE_INLINE int parse_gre(struct parse_cursor *c, __be16 *proto)
{
	const struct parse_gre *h = c->pos;
	__u32 bytes = sizeof(*h);
	int r = parse_holds(c, bytes);

	if (r != PARSE_GO_ON)
		return r;
	if (h->flags & bpf_htons(PARSE_GRE_MUST_BE_0))
		return SLUICE_PASS_not_ip;
	if (h->flags & bpf_htons(PARSE_GRE_CHECKSUM))
		bytes += 4;
	if (h->flags & bpf_htons(PARSE_GRE_KEY))
		bytes += 4;
	if (h->flags & bpf_htons(PARSE_GRE_SEQUENCE))
		bytes += 4;
	*proto = h->proto;
	return parse_skip(c, bytes);
}

PARSE_INLINE int parse_vxlan(struct parse_cursor *c, __be16 *proto)
{
	const struct parse_vxlan *h = c->pos;
	int r = parse_skip(c, sizeof(*h));

	if (r != PARSE_GO_ON)
		return r;
	*proto = bpf_htons(ETH_P_TEB);
	return h->flags & bpf_htonl(PARSE_VXLAN_HAS_VNI) ? PARSE_GO_ON : SLUICE_PASS_not_ip;
}

PARSE_INLINE int parse_geneve(struct parse_cursor *c, __be16 *proto)
{
	const struct parse_geneve *h = c->pos;
	int r = parse_holds(c, sizeof(*h));

	if (r != PARSE_GO_ON)
		return r;
	if (h->version_words >> 6 || h->flags & PARSE_GENEVE_CONTROL)
		return SLUICE_PASS_not_ip;
	*proto = h->proto;
	return parse_skip(c, sizeof(*h) + (h->version_words & 0x3f) * 4);
}

/* The length of an extension header, in words, is its first byte; the next one's type its last. */
PARSE_INLINE int parse_gtpu_exts(struct parse_cursor *c, __u8 next)
{
	const __u8 *h;
	__u32 words;
	int r;

	PARSE_UNROLL
	for (int i = 0; i < SLUICE_MAX_GTP_EXTS; i++) {
		if (!next)
			return PARSE_GO_ON;
		parse_settle(c);
		h = c->pos;
		r = parse_holds(c, 1);
		if (r != PARSE_GO_ON)
			return r;
		words = *h;
		if (!words)
			return SLUICE_PASS_not_ip;
		r = parse_skip(c, (words - 1) * 4);
		if (r != PARSE_GO_ON)
			return r;
		parse_settle(c);
		h = c->pos;
		r = parse_skip(c, 4);
		if (r != PARSE_GO_ON)
			return r;
		next = h[3];
	}
	return next ? SLUICE_PASS_not_ip : PARSE_GO_ON;
}

PARSE_INLINE int parse_gtpu(struct parse_cursor *c, __be16 *proto)
{
	const struct parse_gtpu *h = c->pos;
	const struct parse_gtpu_options *o;
	const __u8 *first;
	__u32 length;
	int r = parse_skip(c, sizeof(*h));

	if (r != PARSE_GO_ON)
		return r;
	if ((h->flags & PARSE_GTPU_VERSION) != PARSE_GTPU_VERSION_1 || h->type != PARSE_GTPU_G_PDU)
		return SLUICE_PASS_not_ip;
	length = bpf_ntohs(h->length);
	if (c->bytes > length)
		c->bytes = length;
	if (h->flags & PARSE_GTPU_OPTIONS) {
		o = c->pos;
		r = parse_skip(c, sizeof(*o));
		if (r != PARSE_GO_ON)
			return r;
		if (h->flags & PARSE_GTPU_EXTENSION)
			r = parse_gtpu_exts(c, o->next);
		if (r != PARSE_GO_ON)
			return r;
	}
	/* The session knows what its users send; from outside, the version tells. */
	parse_settle(c);
	first = c->pos;
	r = parse_holds(c, 1);
	if (r != PARSE_GO_ON)
		return r;
	if (*first >> 4 == 4)
		*proto = bpf_htons(ETH_P_IP);
	else if (*first >> 4 == 6)
		*proto = bpf_htons(ETH_P_IPV6);
	else
		return SLUICE_PASS_not_ip;
	return PARSE_GO_ON;
}

/*
 * From the tunnel's header to what is inside: *proto says whether that is IPv4,
 * IPv6 or Ethernet (ETH_P_TEB). outer: the protocol that the outer key has.
 */
PARSE_INLINE int parse_tunnel(struct parse_cursor *c, __u32 tunnel, __u8 outer, __be16 *proto)
{
	int r = PARSE_GO_ON;

	if (tunnel == SLUICE_TUNNEL_GRE)
		r = parse_gre(c, proto);
	else if (tunnel == SLUICE_TUNNEL_VXLAN)
		r = parse_vxlan(c, proto);
	else if (tunnel == SLUICE_TUNNEL_GENEVE)
		r = parse_geneve(c, proto);
	else if (tunnel == SLUICE_TUNNEL_GTPU)
		r = parse_gtpu(c, proto);
	else
		*proto = outer == IPPROTO_IPV6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	if (r != PARSE_GO_ON)
		return r;
	if (*proto != bpf_htons(ETH_P_IP) && *proto != bpf_htons(ETH_P_IPV6) &&
	    *proto != bpf_htons(ETH_P_TEB))
		return SLUICE_PASS_not_ip;
	parse_settle(c);
	return PARSE_GO_ON;
}

#endif
