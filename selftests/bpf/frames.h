/* SPDX-License-Identifier: GPL-2.0 */
/* Frames made by hand, piece by piece, for test_steer.c. */
#ifndef SLUICE_SELFTEST_FRAMES_H
#define SLUICE_SELFTEST_FRAMES_H

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/sluice.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <string.h>

struct frame {
	unsigned int bytes;
	unsigned char align[2];		/* so that IP headers are at multiples of 4 */
	unsigned char data[16386];
};

static inline void *frame_add(struct frame *f, unsigned int bytes)
{
	void *p = f->data + f->bytes;

	memset(p, 0, bytes);
	f->bytes += bytes;
	return p;
}

/* An Ethernet header and tags; the outer tags are 802.1ad, the innermost is 802.1Q. */
static inline void frame_begin(struct frame *f, unsigned int vlans, unsigned short proto)
{
	__be16 *type;

	f->bytes = 0;
	type = (__be16 *)frame_add(f, ETH_HLEN) + ETH_ALEN;
	for (; vlans; vlans--) {
		*type = htons(vlans > 1 ? ETH_P_8021AD : ETH_P_8021Q);
		type = (__be16 *)frame_add(f, 4) + 1;
	}
	*type = htons(proto);
}

/* The fixed part of the transport header of the key's protocol. */
static inline unsigned int frame_l4_header(const struct sluice_flow_key *k)
{
	switch (k->proto) {
	case IPPROTO_TCP:
		return sizeof(struct tcphdr);
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		return 12;
	default:
		return 8;	/* UDP, UDP-Lite, ESP, ICMP */
	}
}

/* The transport header, then payload; what the key has as ports is where it belongs. */
static inline void frame_l4(struct frame *f, const struct sluice_flow_key *k, unsigned int payload)
{
	__be16 *ports = frame_add(f, frame_l4_header(k));

	if (k->proto == IPPROTO_ICMP || k->proto == IPPROTO_ICMPV6) {
		*(__u8 *)ports = k->family == 6 ? 128 : 8;	/* echo request */
		ports[2] = k->sport;
	} else {
		ports[0] = k->sport;
		ports[1] = k->dport;
	}
	frame_add(f, payload);
}

static inline unsigned int frame_l4_bytes(const struct sluice_flow_key *k, unsigned int payload)
{
	return payload + frame_l4_header(k);
}

static inline struct iphdr *frame_ip4(struct frame *f, const struct sluice_flow_key *k,
				      unsigned int ihl, unsigned int l4_bytes)
{
	struct iphdr *ip = frame_add(f, ihl * 4);

	ip->version = 4;
	ip->ihl = ihl;
	ip->protocol = k->proto;
	ip->tot_len = htons(ihl * 4 + l4_bytes);
	memcpy(&ip->saddr, k->saddr, 4);
	memcpy(&ip->daddr, k->daddr, 4);
	return ip;
}

static inline struct ipv6hdr *frame_ip6(struct frame *f, const struct sluice_flow_key *k,
					unsigned int l4_bytes)
{
	struct ipv6hdr *ip = frame_add(f, sizeof(*ip));

	ip->version = 6;
	ip->nexthdr = k->proto;
	ip->payload_len = htons(l4_bytes);
	memcpy(&ip->saddr, k->saddr, 16);
	memcpy(&ip->daddr, k->daddr, 16);
	return ip;
}

static inline void *frame_ip(struct frame *f, const struct sluice_flow_key *k,
			     unsigned int l4_bytes)
{
	return k->family == 6 ? (void *)frame_ip6(f, k, l4_bytes) :
				(void *)frame_ip4(f, k, 5, l4_bytes);
}

/* The key of the opposite direction. */
static inline struct sluice_flow_key mirrored(const struct sluice_flow_key *key)
{
	struct sluice_flow_key k = *key;

	memcpy(k.saddr, key->daddr, sizeof(k.saddr));
	memcpy(k.daddr, key->saddr, sizeof(k.daddr));
	k.sport = key->dport;
	k.dport = key->sport;
	return k;
}

/* A whole, plain packet of the flow; the IP header is returned to be spoilt. */
static inline void *frame_make(struct frame *f, const struct sluice_flow_key *k,
			       unsigned int vlans, unsigned int payload)
{
	const unsigned int l4 = frame_l4_bytes(k, payload);
	void *ip;

	frame_begin(f, vlans, k->family == 6 ? ETH_P_IPV6 : ETH_P_IP);
	ip = frame_ip(f, k, l4);
	frame_l4(f, k, payload);
	return ip;
}

#endif
