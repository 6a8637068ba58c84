/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames in tunnels, and what the parser makes of them, for test_inside.c and test_features.c.
 * Every frame runs twice: through the XDP program on a private instance, whose announcement has
 * the key, and through parse.bpf.o, which has the features, too, and must say the same.
 */
#ifndef SLUICE_SELFTEST_TUNNELS_H
#define SLUICE_SELFTEST_TUNNELS_H

#include "fixture.h"
#include "parse_result.h"

static const struct sluice_flow_key inner_keys[] = {
	KEY4(IPPROTO_TCP, 0x1234, 0x5678),	KEY6(IPPROTO_TCP, 0x1234, 0x5678),
	KEY4(IPPROTO_UDP, 0x1234, 0x5678),	KEY6(IPPROTO_UDP, 0x1234, 0x5678),
	KEY4(IPPROTO_SCTP, 0x1234, 0x5678),	KEY6(IPPROTO_SCTP, 0x1234, 0x5678),
	KEY4(IPPROTO_ESP, 0x1234, 0x5678),	KEY6(IPPROTO_ESP, 0x1234, 0x5678),
	KEY4(IPPROTO_ICMP, 0x4321, 0x4321),	KEY6(IPPROTO_ICMPV6, 0x4321, 0x4321),
};
#define N_KEYS	(sizeof(inner_keys) / sizeof(inner_keys[0]))

enum carries { IP, ETHERNET, TAGGED };

/* Tunnels' headers as on the wire; where the EtherType of what is inside goes is 0xee 0xee. */
static const struct tunnel {
	const char *what;
	enum sluice_tunnel kind;
	enum carries carries;
	__u16 port;		/* 0: directly behind IP */
	__u16 bytes;
	__u8 header[8 + 63 * 4];
} tunnels[] = {
	{ "GRE", SLUICE_TUNNEL_GRE, IP, 0, 4, { 0, 0, 0xee, 0xee } },
	{ "GRE, checksum", SLUICE_TUNNEL_GRE, IP, 0, 8, { 0x80, 0, 0xee, 0xee } },
	{ "GRE, key", SLUICE_TUNNEL_GRE, IP, 0, 8, { 0x20, 0, 0xee, 0xee } },
	{ "GRE, all", SLUICE_TUNNEL_GRE, IP, 0, 16, { 0xb0, 0, 0xee, 0xee } },
	{ "GRE, Ethernet", SLUICE_TUNNEL_GRE, ETHERNET, 0, 8, { 0x20, 0, 0x65, 0x58 } },
	{ "IPIP", SLUICE_TUNNEL_IPIP, IP, 0, 0, { 0 } },
	{ "VXLAN", SLUICE_TUNNEL_VXLAN, ETHERNET, 4789, 8, { 8, 0, 0, 0, 0, 0, 7, 0 } },
	{ "VXLAN, tag", SLUICE_TUNNEL_VXLAN, TAGGED, 4789, 8, { 8, 0, 0, 0, 0, 0, 7, 0 } },
	{ "Geneve", SLUICE_TUNNEL_GENEVE, ETHERNET, 6081, 8, { 0, 0, 0x65, 0x58 } },
	{ "Geneve, IP", SLUICE_TUNNEL_GENEVE, IP, 6081, 8, { 0, 0, 0xee, 0xee } },
	{ "Geneve, options", SLUICE_TUNNEL_GENEVE, TAGGED, 6081, 20, { 3, 0x40, 0x65, 0x58 } },
	{ "GTP-U", SLUICE_TUNNEL_GTPU, IP, 2152, 8, { 0x30, 255, 0xff, 0xff } },
	{ "GTP-U, sequence", SLUICE_TUNNEL_GTPU, IP, 2152, 12,
	  { 0x32, 255, 0xff, 0xff, [11] = 0x85 } },
	{ "GTP-U, no extension", SLUICE_TUNNEL_GTPU, IP, 2152, 12, { 0x34, 255, 0xff, 0xff } },
	{ "GTP-U, an extension", SLUICE_TUNNEL_GTPU, IP, 2152, 16,
	  { 0x34, 255, 0xff, 0xff, [11] = 0x85, 1 } },
	{ "GTP-U, four extensions", SLUICE_TUNNEL_GTPU, IP, 2152, 32,
	  { 0x37, 255, 0xff, 0xff, [11] = 0x85, [12] = 1, [15] = 0xc0, [16] = 2, [23] = 0x20,
	    [24] = 1, [27] = 0x20, [28] = 1 } },
	{ "Geneve, all options", SLUICE_TUNNEL_GENEVE, IP, 6081, 8 + 63 * 4, { 63, 0, 0xee, 0xee } },
};
#define N_TUNNELS	(sizeof(tunnels) / sizeof(tunnels[0]))

struct both {
	struct steer *s;
	struct bpf_object *obj;
	int result;
	int prog;
};

static inline int print_nothing(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, ap) : 0;
}

static inline int setup(void **state)
{
	struct both *b = calloc(1, sizeof(*b));
	void *s = NULL;

	libbpf_set_print(print_nothing);
	if (!b || setup_cpu0(&s) || steer_event_fd(s) < 0)
		return -1;
	b->s = s;
	b->obj = bpf_object__open_file("build/selftests/bpf/parse.bpf.o", NULL);
	if (!b->obj || bpf_object__load(b->obj))
		return -1;
	b->result = bpf_object__find_map_fd_by_name(b->obj, "result");
	b->prog = bpf_program__fd(bpf_object__find_program_by_name(b->obj, "parse_features"));
	*state = b;
	return b->result < 0 || b->prog < 0 ? -1 : 0;
}

static inline int finish(void **state)
{
	struct both *b = *state;

	bpf_object__close(b->obj);
	steer_close(b->s);
	free(b);
	return 0;
}

static inline void look_inside(struct both *b, __u32 mask)
{
	const struct sluice_steer_config c = { .flags = SLUICE_STEER_F_ANNOUNCE, .inside = mask };
	const struct parse_result in = { .inside = mask };
	const __u32 zero = 0;

	CHECK(steer_set_config(b->s, &c, &err));
	assert_int_equal(bpf_map_update_elem(b->result, &zero, &in, BPF_ANY), 0);
}

static inline void keep_key(const struct sluice_flow_event *ev, void *key)
{
	memcpy(key, &ev->key, sizeof(ev->key));
}

/* Runs the frame through both. */
static inline struct parse_result parse(struct both *b)
{
	struct sluice_flow_key seen;
	struct parse_result r;
	const __u32 zero = 0;
	__u32 action;

	assert_int_equal(run_on(b->prog), XDP_PASS);
	assert_int_equal(bpf_map_lookup_elem(b->result, &zero, &r), 0);
	action = run(b->s);
	if (r.reason != -1) {
		assert_int_equal(action, XDP_PASS);
		return r;
	}
	assert_int_equal(action, XDP_REDIRECT);
	assert_int_equal(steer_event_drain(b->s, keep_key, &seen), 1);
	assert_memory_equal(&seen, &r.key, sizeof(seen));
	return r;
}

static inline bool has_key(const struct parse_result *r, const struct sluice_flow_key *key)
{
	return r->reason == -1 && !memcmp(&r->key, key, sizeof(*key));
}

static inline struct parse_result expect(struct both *b, const struct sluice_flow_key *key,
				  enum sluice_tunnel tunnel, const char *what)
{
	struct parse_result r = parse(b);

	if (!has_key(&r, key))
		fail_msg("%s: another key, or none (%d)", what, r.reason);
	if (r.features.tunnel != tunnel)
		fail_msg("%s: tunnel is %d, not %d", what, r.features.tunnel, tunnel);
	return r;
}

/* --- frames ---------------------------------------------------------------- */

/* The tunnel's own key, between end points of this family, for what is inside of that one. */
static inline struct sluice_flow_key outer_key(const struct tunnel *t, unsigned int family,
					unsigned int inner)
{
	struct sluice_flow_key k = { .saddr = { [3] = 11 }, .daddr = { [3] = 12 } };

	k.family = family;
	k.saddr[0] = k.daddr[0] = family == 6 ? 0xfc : 192;
	if (t->port) {
		k.proto = IPPROTO_UDP;
		k.sport = htons(t->kind == SLUICE_TUNNEL_GTPU ? 2152 : 55555);
		k.dport = htons(t->port);
	} else if (t->kind == SLUICE_TUNNEL_GRE) {
		k.proto = IPPROTO_GRE;
	} else {
		k.proto = inner == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	}
	return k;
}

static __u8 *tunnel_header, *inner_ip;	/* in the frame made last */
static void *outer_ip;

static inline void make(const struct tunnel *t, const struct sluice_flow_key *outer,
		 const struct sluice_flow_key *inner, unsigned int vlans)
{
	const __u16 type = inner->family == 6 ? ETH_P_IPV6 : ETH_P_IP;
	__u8 *h;

	frame_begin(&frame, vlans, outer->family == 6 ? ETH_P_IPV6 : ETH_P_IP);
	outer_ip = frame_ip(&frame, outer, 0);
	if (t->port)
		frame_l4(&frame, outer, 0);
	tunnel_header = frame_add(&frame, t->bytes);
	memcpy(tunnel_header, t->header, t->bytes);
	for (h = tunnel_header; h + 1 < tunnel_header + t->bytes; h++)
		if (h[0] == 0xee && h[1] == 0xee)
			*(__be16 *)h = htons(type);
	if (t->carries != IP) {
		h = frame_add(&frame, ETH_HLEN);
		*(__be16 *)(h + 12) = htons(t->carries == TAGGED ? ETH_P_8021Q : type);
	}
	if (t->carries == TAGGED) {
		h = frame_add(&frame, 4);
		h[1] = 99;
		*(__be16 *)(h + 2) = htons(type);
	}
	inner_ip = frame_ip(&frame, inner, frame_l4_bytes(inner, 4));
	frame_l4(&frame, inner, 4);
	if (outer->family == 6)
		((struct ipv6hdr *)outer_ip)->payload_len =
			htons(frame.data + frame.bytes - (__u8 *)outer_ip - 40);
	else
		((struct iphdr *)outer_ip)->tot_len =
			htons(frame.data + frame.bytes - (__u8 *)outer_ip);
}

#define FOR_EACH(t, family, k)							\
	for (const struct tunnel *t = tunnels; t < tunnels + N_TUNNELS; t++)	\
		for (unsigned int family = 4; family <= 6; family += 2)		\
			for (const struct sluice_flow_key *k = inner_keys; k < inner_keys + N_KEYS; k++)

#endif
