// SPDX-License-Identifier: GPL-2.0
/*
 * The parser of the XDP program (bpf/parse.bpf.h), compiled for user space, on
 * arbitrary frames. The sanitizers see a byte read outside of the frame; what
 * else must hold of every input is checked here:
 *
 *  - where the plain attempt comes to a result, the full one has the same;
 *  - a frame that is cut has the result of the whole one, or is truncated, or
 *    the key of its tunnel in place of that of the packet inside;
 *  - a key is normalised, and has the bucket of its mirror image;
 *  - a tunnel that is not looked into, and one of another kind, change nothing;
 *  - inside of a tunnel is found what the parser makes of the inner packet when it
 *    comes alone, taken out by a second, simple reader of the tunnels' headers.
 *
 * Linked with libFuzzer it searches; with fuzz_main.c it runs files.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../bpf/parse_usual.bpf.h"
#include <sluice/hash.h>

#include "fuzz_parse.h"

struct outcome {
	int r;
	struct sluice_flow_key key;
	struct sluice_features features;
	struct sluice_inner inner;	/* tunnel 0: there was none */
};

static void must(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_parse: %s\n", what);
	abort();
}

static int same(const struct outcome *a, const struct outcome *b)
{
	if (a->r != b->r)
		return 0;
	return a->r != SLUICE_PARSED || (!memcmp(&a->key, &b->key, sizeof(a->key)) &&
					 !memcmp(&a->features, &b->features, sizeof(a->features)));
}

/* The first two steps: a tunnel is found, but not looked into. */
static void parse_outer(const uint8_t *data, size_t size, uint32_t inside, struct outcome *o)
{
	struct outcome usual = { .r = SLUICE_PARSED };
	struct sluice_usual u;
	const void *l3;
	__be16 proto;

	memset(o, 0, sizeof(*o));
	o->r = sluice_parse_outer(data, data + size, inside, &o->key, &o->features, &o->inner);
	must(o->r == SLUICE_PARSE_INSIDE ? o->inner.tunnel : !o->inner.tunnel,
	     "a tunnel that is none");
	must((o->inner.tunnel ? 1 << (o->inner.tunnel - 1) : 0) == (o->inner.tunnel ?
	     (int)inside & 1 << (o->inner.tunnel - 1) : 0), "a tunnel that was not asked for");
	l3 = sluice_parse_usual_link(data, data + size, &proto, &u);
	if (l3 && proto == bpf_htons(ETH_P_IP) && sluice_parse_usual4(l3, data + size, inside, &u)) {
		sluice_usual4_key(&u, &usual.key, &usual.features);
		must(same(&usual, o), "the usual way and the whole one differ");
		must(sluice_words4_hash(u.word) == sluice_flow_hash(&o->key),
		     "the hash of words is another");
	}
	if (l3 && proto == bpf_htons(ETH_P_IPV6) && sluice_parse_usual6(l3, data + size, inside, &u)) {
		sluice_usual6_key(&u, &usual.key, &usual.features);
		must(same(&usual, o), "the usual way and the whole one differ");
		must(sluice_words6_hash(u.word) == sluice_flow_hash(&o->key),
		     "the hash of words is another");
	}
	if (o->r == SLUICE_PARSE_INSIDE)
		o->r = SLUICE_PARSED;
	must(o->r == SLUICE_PARSED || (o->r >= 0 && o->r < SLUICE_PASS_no_target),
	     "a result of neither kind");
}

static void parse(const uint8_t *data, size_t size, uint32_t inside, struct outcome *o)
{
	parse_outer(data, size, inside, o);
	if (o->inner.tunnel)
		must(sluice_parse_inner(data, data + size, &o->inner, &o->key, &o->features) ==
		     SLUICE_PARSED, "looking inside lost the packet");
}

static void check_key(const struct sluice_flow_key *k)
{
	static const uint8_t zero[12];
	struct sluice_flow_key mirror = *k;

	must(k->family == 4 || k->family == 6, "a family of neither kind");
	must(!k->pad, "padding is not 0");
	if (k->family == 4)
		must(!memcmp(k->saddr + 4, zero, 12) && !memcmp(k->daddr + 4, zero, 12),
		     "more than four bytes of an IPv4 address");
	memcpy(mirror.saddr, k->daddr, sizeof(mirror.saddr));
	memcpy(mirror.daddr, k->saddr, sizeof(mirror.daddr));
	mirror.sport = k->dport;
	mirror.dport = k->sport;
	must(sluice_bucket_of(&mirror) == sluice_bucket_of(k), "the mirror has another bucket");
}

static void check_features(const uint8_t *data, const struct outcome *o)
{
	const struct sluice_features *f = &o->features;
	const unsigned int type = data[12] << 8 | data[13];
	const int tagged = type == ETH_P_8021Q || type == ETH_P_8021AD;

	must(!f->pad, "padding of the features is not 0");
	must(f->vlan_tci == (tagged ? data[14] << 8 | data[15] : 0), "not the outermost tag");
	must(!f->tcp_flags || o->key.proto == IPPROTO_TCP, "TCP flags of another protocol");
	must(f->length >= 20, "a length below any IP header's");
}

/* --- what is inside of a tunnel, once more and by bytes ------------------- */

#define NOTHING		((size_t)-1)

static unsigned int word(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static unsigned int version_type(const uint8_t *p)
{
	return *p >> 4 == 4 ? ETH_P_IP : *p >> 4 == 6 ? ETH_P_IPV6 : 0;
}

/* Bytes of the tunnel's header; *n, the bytes from there on, may become fewer. */
static size_t inner_start(const uint8_t *h, size_t *n, unsigned int tunnel, uint8_t outer,
			  unsigned int *type)
{
	size_t at, more;
	int next, left;

	switch (tunnel) {
	case SLUICE_TUNNEL_IPIP:
		*type = outer == 4 ? ETH_P_IP : ETH_P_IPV6;
		return 0;
	case SLUICE_TUNNEL_GRE:
		if (*n < 4 || h[0] & 0x4c || h[1] & 7)
			return NOTHING;
		*type = word(h + 2);
		return 4 + 4 * (!!(h[0] & 0x80) + !!(h[0] & 0x20) + !!(h[0] & 0x10));
	case SLUICE_TUNNEL_VXLAN:
		*type = 0x6558;
		return *n >= 8 && h[0] & 8 ? 8 : NOTHING;
	case SLUICE_TUNNEL_GENEVE:
		if (*n < 8 || h[0] >= 64 || h[1] >= 128)
			return NOTHING;
		*type = word(h + 2);
		return 8 + 4 * h[0];
	case SLUICE_TUNNEL_GTPU:
		if (*n < 8 || h[0] >> 4 != 3 || h[1] != 255)
			return NOTHING;
		if (*n > 8 + word(h + 2))
			*n = 8 + word(h + 2);
		at = h[0] & 7 ? 12 : 8;
		next = *n >= 12 && h[0] & 4 ? h[11] : 0;
		for (left = 4; next && left && at < *n; left--) {
			more = 4 * h[at];
			if (!more || at + more > *n)
				return NOTHING;
			at += more;
			next = h[at - 1];
		}
		if (next || at >= *n)
			return NOTHING;
		*type = version_type(h + at);
		return at;
	}
	return NOTHING;
}

/* What the parser makes of the inner packet alone. */
static void parse_alone(const uint8_t *data, size_t size, const struct outcome *outer,
			struct outcome *o)
{
	size_t n = size - outer->inner.offset, at, link;
	unsigned int type = 0;
	uint8_t *frame;

	memset(o, 0, sizeof(*o));
	o->r = SLUICE_PASS_not_ip;
	if (outer->inner.offset > SLUICE_MAX_INNER_OFFSET)
		return;
	if (n > outer->inner.bytes)
		n = outer->inner.bytes;
	at = inner_start(data + outer->inner.offset, &n, outer->inner.tunnel, outer->key.proto,
			 &type);
	if (at == NOTHING || at > n ||
	    (type != ETH_P_IP && type != ETH_P_IPV6 && type != ETH_P_TEB))
		return;
	link = type == ETH_P_TEB ? 0 : ETH_HLEN;
	frame = calloc(1, link + n - at + 1);
	must(!!frame, "out of memory");
	if (link) {
		frame[12] = type >> 8;
		frame[13] = type;
	}
	memcpy(frame + link, data + outer->inner.offset + at, n - at);
	parse_outer(frame, link + n - at, 0, o);
	free(frame);
}

static void check_inside(const uint8_t *data, size_t size, const struct outcome *outer,
			 const struct outcome *o)
{
	struct outcome alone, expected = *outer, one;

	parse_alone(data, size, outer, &alone);
	if (alone.r == SLUICE_PARSED) {
		expected.key = alone.key;
		expected.features.tos = alone.features.tos;
		expected.features.tcp_flags = alone.features.tcp_flags;
		expected.features.tunnel = outer->inner.tunnel;
	}
	must(same(o, &expected), "inside is not what the inner packet is alone");
	for (unsigned int t = SLUICE_TUNNEL_NONE + 1; t < SLUICE_TUNNEL_MAX; t++) {
		parse(data, size, 1 << (t - 1), &one);
		must(same(&one, t == outer->inner.tunnel ? o : outer),
		     "another tunnel's bit changes the result");
	}
}

int fuzz_parse_result(const uint8_t *data, size_t size, unsigned int *tunnel)
{
	struct outcome o;

	parse(data, size, SLUICE_INSIDE_ALL, &o);
	*tunnel = o.features.tunnel;
	return o.r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome off, outer, whole, part;
	uint8_t *cut;

	parse(data, size, 0, &off);
	parse_outer(data, size, SLUICE_INSIDE_ALL, &outer);
	must(same(&off, &outer), "a tunnel changes the outer result");
	parse(data, size, SLUICE_INSIDE_ALL, &whole);
	if (outer.inner.tunnel)
		check_inside(data, size, &outer, &whole);
	else
		must(same(&off, &whole), "the switch changes a packet without tunnel");
	if (off.r == SLUICE_PARSED) {
		check_key(&off.key);
		check_key(&whole.key);
		check_features(data, &off);
		check_features(data, &whole);
	}
	if (!size)
		return 0;
	/* A copy of its own for every length, so that a read behind the cut is out of bounds. */
	for (size_t n = size > 192 ? size - 192 : 0; n < size; n++) {
		cut = malloc(n ? n : 1);
		must(!!cut, "out of memory");
		memcpy(cut, data, n);
		parse(cut, n, SLUICE_INSIDE_ALL, &part);
		must(part.r == SLUICE_PASS_truncated || same(&part, &whole) || same(&part, &off),
		     "a cut frame has another result");
		free(cut);
	}
	return 0;
}
