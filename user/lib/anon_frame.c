// SPDX-License-Identifier: GPL-2.0
/*
 * A second walk through the headers, beside that of bpf/parse.bpf.h, step by step the same
 * and with its constants: the parser tells only what a frame's key is, and this needs to know where
 * everything stands. That both agree on every input is what selftests/fuzz/fuzz_anonymise.c
 * checks.
 *
 * "keep" is how much of the frame stays; a header that is judged and found malformed stays as
 * far as the judgement needs it, with zeros in the place of the rest.
 */
#include "lib/anon_frame.h"

#include <stddef.h>
#include <string.h>

#include "../../bpf/parse.bpf.h"

struct walk {
	const struct anon *a;
	const uint8_t *old;
	uint8_t *f;
	uint32_t size;		/* captured */
	uint32_t at;		/* what is read next */
	uint32_t bytes;		/* that the IP header says are left */
	uint32_t keep;
};

/* What of an IP header the next ones need. */
struct l3 {
	uint8_t family, proto;
	bool fragment;		/* nothing is looked for in its payload */
	bool ends;		/* ... nor are there headers */
	uint32_t addrs, addr_bytes;	/* where the first of the two is, and how long each */
};

static uint32_t left(const struct walk *w)
{
	return w->size - w->at;
}

static uint16_t old16(const struct walk *w, uint32_t at)
{
	return w->old[at] << 8 | w->old[at + 1];
}

static void step(struct walk *w, uint32_t bytes)
{
	w->at += bytes;
	w->bytes -= bytes;
	w->keep = w->at;
}

/* --- checksums --------------------------------------------------------------- */

/* ~m + m' of RFC 1624 over the words from one offset to another. */
static uint64_t change(const struct walk *w, uint32_t from, uint32_t to)
{
	uint64_t sum = 0;

	for (uint32_t i = from; i < to; i++) {
		const int shift = (i - from) % 2 ? 0 : 8;

		if (w->f[i] != w->old[i])
			sum += ((uint64_t)w->f[i] << shift) +
			       (uint16_t)~(w->old[i] << shift);
	}
	return sum;
}

static uint64_t pseudo_change(const struct walk *w, const struct l3 *l3)
{
	return change(w, l3->addrs, l3->addrs + 2 * l3->addr_bytes);
}

/* Adds a change to the checksum there. */
static void update(struct walk *w, uint32_t at, uint64_t sum)
{
	if (!sum)
		return;
	sum += (uint16_t)~old16(w, at);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	w->f[at] = sum >> 8;
	w->f[at + 1] = sum;
}

/* The same where 0 stands for none. */
static void update_optional(struct walk *w, uint32_t at, uint64_t sum)
{
	if (!old16(w, at))
		return;
	update(w, at, sum);
	if (!w->f[at] && !w->f[at + 1])
		w->f[at] = w->f[at + 1] = 0xff;
}

/* --- below IP ------------------------------------------------------------------ */

static void walk_arp(struct walk *w)
{
	static const uint8_t ethernet_ip4[6] = { 0, 1, 8, 0, 6, 4 }, none[6];
	uint8_t *arp = w->f + w->at;

	if (left(w) < 8)
		return;
	w->keep = w->at + 8;
	if (memcmp(arp, ethernet_ip4, sizeof(ethernet_ip4)) || left(w) < 28)
		return;
	w->keep = w->at + 28;
	anon_mac_source(w->a, arp + 8);
	anon_ip4(w->a, arp + 14);
	if (memcmp(arp + 18, none, sizeof(none)))	/* of a request: not known yet */
		anon_mac(w->a, arp + 18);
	anon_ip4(w->a, arp + 24);
}

/* Each returns whether IP follows, by *proto. */
static bool walk_pppoe(struct walk *w, __be16 *proto)
{
	const struct parse_pppoe *h = (const void *)(w->old + w->at);
	uint16_t ppp;

	if (left(w) < sizeof(*h))
		return false;
	w->keep = w->at + sizeof(*h);
	if (h->version_type != PARSE_PPPOE_SESSION || h->code ||
	    old16(w, w->at + offsetof(struct parse_pppoe, length)) < sizeof(h->ppp)) {
		memset(w->f + w->at + offsetof(struct parse_pppoe, session), 0, sizeof(h->session));
		memset(w->f + w->at + offsetof(struct parse_pppoe, ppp), 0, sizeof(h->ppp));
		return false;
	}
	ppp = old16(w, w->at + offsetof(struct parse_pppoe, ppp));
	w->at += sizeof(*h);
	*proto = bpf_htons(ppp == PARSE_PPP_IPV6 ? ETH_P_IPV6 : ETH_P_IP);
	return ppp == PARSE_PPP_IP || ppp == PARSE_PPP_IPV6;
}

static bool walk_mpls(struct walk *w, __be16 *proto)
{
	uint8_t nibble;
	bool bottom;

	for (int i = 0; ; i++) {
		if (i == SLUICE_MAX_LABELS || left(w) < 4)
			return false;
		bottom = w->old[w->at + 2] & 1;
		w->at += 4;
		w->keep = w->at;
		if (bottom)
			break;
	}
	if (!left(w))
		return false;
	nibble = w->old[w->at] >> 4;
	*proto = bpf_htons(nibble == 6 ? ETH_P_IPV6 : ETH_P_IP);
	if (nibble == 4 || nibble == 6)
		return true;
	w->f[w->at] = 0;	/* says as well that this is not IP */
	w->keep = w->at + 1;
	return false;
}

static bool walk_link(struct walk *w, __be16 *proto)
{
	uint8_t *eth = w->f + w->at;

	if (left(w) < ETH_HLEN)
		return false;
	anon_mac(w->a, eth);
	anon_mac_source(w->a, eth + ETH_ALEN);
	memcpy(proto, eth + 2 * ETH_ALEN, sizeof(*proto));
	w->at += ETH_HLEN;
	w->keep = w->at;
	for (int i = 0; i < SLUICE_MAX_VLANS && parse_is_vlan(*proto); i++) {
		if (left(w) < sizeof(struct parse_vlan))
			return false;
		memcpy(proto, w->old + w->at + 2, sizeof(*proto));
		w->at += sizeof(struct parse_vlan);
		w->keep = w->at;
	}
	if (*proto == bpf_htons(ETH_P_ARP) || *proto == bpf_htons(ETH_P_RARP))
		walk_arp(w);
	if (*proto == bpf_htons(ETH_P_PPP_SES))
		return walk_pppoe(w, proto);
	if (parse_is_mpls(*proto))
		return walk_mpls(w, proto);
	return *proto == bpf_htons(ETH_P_IP) || *proto == bpf_htons(ETH_P_IPV6);
}

/* The MAC address of an IP group follows the group, where it is known. */
static void walk_group(struct walk *w, uint32_t eth, const struct l3 *l3)
{
	const uint32_t dst = l3->addrs + l3->addr_bytes;
	uint8_t was[ETH_ALEN];

	if (!l3->addr_bytes || !anon_mac_of_group(w->old + eth))
		return;
	memcpy(was, w->old + eth, ETH_ALEN);
	anon_mac_from_group(was, w->old + dst, l3->addr_bytes);
	if (!memcmp(was, w->old + eth, ETH_ALEN))
		anon_mac_from_group(w->f + eth, w->f + dst, l3->addr_bytes);
}

/* --- IP -------------------------------------------------------------------------- */

/* A header whose judgement needs these of its bytes only. */
static void scrub(struct walk *w, uint32_t bytes, uint64_t needed)
{
	for (uint32_t i = 0; i < bytes; i++)
		if (i >= 64 || !(needed & 1ULL << i))
			w->f[w->at + i] = 0;
	w->keep = w->at + bytes;
}

#define BYTE(i)		(1ULL << (i))
#define IP4_NEEDED	(BYTE(0) | BYTE(2) | BYTE(3))	/* version, length of header and packet */
#define IP6_NEEDED	(BYTE(0) | BYTE(4) | BYTE(5))
#define IP4_NO_OP	1

static bool walk_ip4(struct walk *w, struct l3 *l3, enum parse_mode mode)
{
	const uint8_t *ip = w->old + w->at;
	uint32_t header, total, fragment;

	if (left(w) < sizeof(struct iphdr))
		return false;
	header = (ip[0] & 15) * 4;
	total = mode == PARSE_QUOTED ? w->bytes : old16(w, w->at + 2);
	if (mode == PARSE_INNER && total > w->bytes)
		total = w->bytes;
	if (ip[0] >> 4 != 4 || header < sizeof(struct iphdr) || total < header) {
		scrub(w, sizeof(struct iphdr), IP4_NEEDED);
		return false;
	}
	*l3 = (struct l3){ .family = 4, .proto = ip[9], .addrs = w->at + 12, .addr_bytes = 4 };
	anon_ip4(w->a, w->f + l3->addrs);
	anon_ip4(w->a, w->f + l3->addrs + 4);
	if (left(w) < header) {
		w->keep = w->at + sizeof(struct iphdr);
		update(w, w->at + 10, change(w, w->at, w->keep));
		return false;
	}
	memset(w->f + w->at + sizeof(struct iphdr), IP4_NO_OP, header - sizeof(struct iphdr));
	update(w, w->at + 10, change(w, w->at, w->at + header));
	fragment = old16(w, w->at + 6) & PARSE_IP4_MF_OR_OFFSET;
	l3->fragment = fragment;
	l3->ends = fragment & 0x1fff;
	w->bytes = total;
	step(w, header);
	return true;
}

static bool walk_ip6(struct walk *w, struct l3 *l3, enum parse_mode mode)
{
	const uint8_t *ip = w->old + w->at;
	uint32_t payload;

	if (left(w) < sizeof(struct ipv6hdr))
		return false;
	if (ip[0] >> 4 != 6 || (mode == PARSE_INNER && w->bytes < sizeof(struct ipv6hdr))) {
		scrub(w, sizeof(struct ipv6hdr), IP6_NEEDED);
		return false;
	}
	*l3 = (struct l3){ .family = 6, .proto = ip[6], .addrs = w->at + 8, .addr_bytes = 16 };
	anon_ip6(w->a, w->f + l3->addrs);
	anon_ip6(w->a, w->f + l3->addrs + 16);
	payload = old16(w, w->at + 4);
	if (!payload && l3->proto == IPPROTO_HOPOPTS)
		payload = PARSE_BYTES_MASK;
	if (mode == PARSE_WHOLE)
		w->bytes = payload + sizeof(struct ipv6hdr);
	else if (mode == PARSE_INNER && w->bytes > payload + sizeof(struct ipv6hdr))
		w->bytes = payload + sizeof(struct ipv6hdr);
	step(w, sizeof(struct ipv6hdr));
	return true;
}

/* What of an extension header stays: its first bytes. */
static uint32_t ext_stays(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_FRAGMENT:
		return 8;
	case IPPROTO_AH:
		return 12;
	case IPPROTO_ROUTING:
		return 4;
	default:
		return 2;	/* zeros are options of one byte of padding */
	}
}

static bool walk_exts(struct walk *w, struct l3 *l3)
{
	for (int i = 0; parse_is_ext(l3->family, l3->proto); i++) {
		const uint8_t proto = l3->proto;
		const uint32_t stays = ext_stays(proto);
		uint32_t bytes = 8, offset;

		if (i == SLUICE_MAX_EXTS || w->bytes < 8 || left(w) < 8)
			return false;
		l3->proto = w->old[w->at];
		if (proto == IPPROTO_AH)
			bytes = (w->old[w->at + 1] + 2) * 4;
		else if (proto != IPPROTO_FRAGMENT)
			bytes = (w->old[w->at + 1] + 1) * 8;
		if (w->bytes < bytes || left(w) < bytes) {
			if (stays < 8)
				memset(w->f + w->at + stays, 0, 8 - stays);
			w->keep = w->at + 8;
			return false;
		}
		if (stays < bytes)
			memset(w->f + w->at + stays, 0, bytes - stays);
		if (proto == IPPROTO_FRAGMENT) {
			offset = old16(w, w->at + 2) & PARSE_IP6_MF_OR_OFFSET;
			l3->fragment |= offset;
			l3->ends = offset >> 3;
		}
		step(w, bytes);
		if (l3->ends)
			break;
	}
	return true;
}

/* --- above IP ---------------------------------------------------------------------- */

static bool walk_ip(struct walk *w, bool six, struct l3 *l3, enum parse_mode mode);

#define TCP_NO_OP	1

static bool tcp_option_stays(uint8_t kind, uint8_t bytes)
{
	switch (kind) {
	case 2:		/* maximum segment size */
		return bytes == 4;
	case 3:		/* window scale */
		return bytes == 3;
	case 4:		/* SACK permitted */
		return bytes == 2;
	case 5:		/* SACK */
		return bytes % 8 == 2 && bytes > 2 && bytes <= 34;
	case 8:		/* timestamps */
		return bytes == 10;
	default:
		return false;
	}
}

static void tcp_options(uint8_t *o, uint32_t n)
{
	uint32_t bytes;

	for (; n; o += bytes, n -= bytes) {
		bytes = 1;
		if (*o == TCP_NO_OP)
			continue;
		if (!*o) {	/* the end; padding follows */
			memset(o, 0, n);
			return;
		}
		if (n < 2 || o[1] < 2 || o[1] > n) {
			memset(o, TCP_NO_OP, n);
			return;
		}
		bytes = o[1];
		if (!tcp_option_stays(o[0], bytes))
			memset(o, TCP_NO_OP, bytes);
	}
}

/* An extension header of GTP-U begins with its length in words, and ends with the next type. */
static void scrub_gtpu(struct walk *w, uint32_t from, uint32_t to)
{
	while (from + 4 <= to && w->old[from] && from + w->old[from] * 4u <= to) {
		const uint32_t bytes = w->old[from] * 4;

		memset(w->f + from + 1, 0, bytes - 2);
		from += bytes;
	}
}

/* The packet inside is there as a whole, or not at all: then the outer key counts anyhow. */
static void walk_tunnel(struct walk *w, uint32_t tunnel, uint8_t proto)
{
	struct parse_cursor c = {
		.data = w->old, .end = w->old + w->size, .pos = w->old + w->at, .bytes = w->bytes,
	};
	const uint32_t start = w->at, outer = w->keep;
	struct l3 l3 = { 0 };
	bool ethernet, ok;
	__be16 inner;
	uint32_t eth;

	if (start > SLUICE_MAX_INNER_OFFSET || parse_tunnel(&c, tunnel, proto, &inner) != PARSE_GO_ON)
		return;
	eth = w->at = (const uint8_t *)c.pos - w->old;
	w->bytes = c.bytes;
	if (tunnel == SLUICE_TUNNEL_GENEVE)
		memset(w->f + start + sizeof(struct parse_geneve), 0,
		       w->at - start - sizeof(struct parse_geneve));
	if (tunnel == SLUICE_TUNNEL_GTPU && w->old[start] & PARSE_GTPU_EXTENSION)
		scrub_gtpu(w, start + sizeof(struct parse_gtpu) + sizeof(struct parse_gtpu_options),
			   w->at);
	ethernet = inner == bpf_htons(ETH_P_TEB);
	ok = !ethernet || walk_link(w, &inner);
	if (ok && w->at - eth <= w->bytes) {
		w->bytes -= w->at - eth;
		ok = walk_ip(w, inner == bpf_htons(ETH_P_IPV6), &l3, PARSE_INNER);
	} else {
		ok = false;
	}
	if (!ok) {
		w->keep = outer;
		return;
	}
	if (ethernet)
		walk_group(w, eth, &l3);
	if (tunnel == SLUICE_TUNNEL_GRE && w->old[start] & PARSE_GRE_CHECKSUM >> 8)
		update(w, start + sizeof(struct parse_gre), change(w, start, w->keep));
}

static bool walk_icmp(struct walk *w, const struct l3 *l3, enum parse_mode mode)
{
	const uint32_t start = w->at;
	const uint8_t type = left(w) ? w->old[start] : 0;
	struct l3 quoted = { 0 };
	bool ok = true;

	if (w->bytes < sizeof(struct parse_icmp) || left(w) < sizeof(struct parse_icmp))
		return false;
	step(w, sizeof(struct parse_icmp));
	if (parse_icmp_is_error(l3->family, type)) {
		if (l3->family == 4 && type == 5)	/* redirect */
			anon_ip4(w->a, w->f + start + 4);
		if (mode != PARSE_QUOTED && !l3->fragment)
			ok = w->bytes >= (l3->family == 6 ? sizeof(struct ipv6hdr) :
							    sizeof(struct iphdr)) &&
			     walk_ip(w, l3->family == 6, &quoted, PARSE_QUOTED);
	} else if (!parse_icmp_has_id(l3->family, type)) {
		memset(w->f + start + 4, 0, 4);
	}
	update(w, start + 2, change(w, start, w->keep) +
			     (l3->family == 6 ? pseudo_change(w, l3) : 0));
	return ok;
}

/* Where a transport header has its checksum, which covers the addresses; 0: nowhere. */
static uint32_t checksum_offset(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		return 6;
	default:
		return 0;
	}
}

static bool walk_l4(struct walk *w, const struct l3 *l3, enum parse_mode mode)
{
	const uint32_t start = w->at, check = checksum_offset(l3->proto);
	uint32_t bytes = parse_l4_bytes(l3->proto, mode), tunnel = SLUICE_TUNNEL_NONE, header;

	if (!bytes && l3->proto == (l3->family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return walk_icmp(w, l3, mode);
	if (w->bytes < bytes || left(w) < bytes)
		return false;
	if (l3->proto == IPPROTO_TCP && mode != PARSE_QUOTED) {
		header = (w->old[start + 12] >> 4) * 4;
		if (header > bytes && header <= w->bytes && header <= left(w)) {
			tcp_options(w->f + start + bytes, header - bytes);
			bytes = header;
		}
	}
	if (mode == PARSE_WHOLE && !l3->fragment)
		tunnel = !bytes ? parse_tunnel_of_proto(SLUICE_INSIDE_ALL, l3->proto) :
			 l3->proto == IPPROTO_UDP ?
			 parse_tunnel_of_port(SLUICE_INSIDE_ALL, bpf_htons(old16(w, start + 2))) :
			 SLUICE_TUNNEL_NONE;
	step(w, bytes);
	if (tunnel)
		walk_tunnel(w, tunnel, l3->proto);
	if (!check || check + 2 > bytes)
		return true;
	if (l3->proto == IPPROTO_UDP)
		update_optional(w, start + check, pseudo_change(w, l3) + change(w, start, w->keep));
	else
		update(w, start + check, pseudo_change(w, l3) + change(w, start, w->keep));
	return true;
}

static bool walk_ip(struct walk *w, bool six, struct l3 *l3, enum parse_mode mode)
{
	if (!(six ? walk_ip6(w, l3, mode) : walk_ip4(w, l3, mode)))
		return false;
	if (l3->ends)
		return true;
	/* A fragment's key is complete, whatever its transport header is like. */
	return (walk_exts(w, l3) && (l3->ends || walk_l4(w, l3, mode))) || l3->fragment;
}

uint32_t anon_frame(const struct anon *a, const uint8_t *in, uint32_t size, uint8_t *out)
{
	struct walk w = { .a = a, .old = in, .f = out, .size = size };
	struct l3 l3 = { 0 };
	__be16 proto;

	memcpy(out, in, size);
	if (walk_link(&w, &proto))
		walk_ip(&w, proto == bpf_htons(ETH_P_IPV6), &l3, PARSE_WHOLE);
	walk_group(&w, 0, &l3);
	return w.keep;
}
