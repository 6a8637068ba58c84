// SPDX-License-Identifier: GPL-2.0
/*
 * Looking inside of tunnels, and the features of a packet. Every frame runs twice:
 * through the XDP program on a private instance, whose announcement has the key,
 * and through parse.bpf.o, which has the features, too, and must say the same.
 */
#include "fixture.h"
#include "parse_result.h"

#define KEY4(p, a, b) { .saddr = { 10, 0, 0, 1 }, .daddr = { 10, 0, 0, 2 }, \
			.sport = (a), .dport = (b), .proto = (p), .family = 4 }
#define KEY6(p, a, b) { .saddr = { 0xfd, [15] = 1 }, .daddr = { 0xfd, [15] = 2 }, \
			.sport = (a), .dport = (b), .proto = (p), .family = 6 }
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

static int print_nothing(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, ap) : 0;
}

static int setup(void **state)
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

static int finish(void **state)
{
	struct both *b = *state;

	bpf_object__close(b->obj);
	steer_close(b->s);
	free(b);
	return 0;
}

static void look_inside(struct both *b, __u32 mask)
{
	const struct sluice_steer_config c = { .flags = SLUICE_STEER_F_ANNOUNCE, .inside = mask };
	const struct parse_result in = { .inside = mask };
	const __u32 zero = 0;

	CHECK(steer_set_config(b->s, &c, &err));
	assert_int_equal(bpf_map_update_elem(b->result, &zero, &in, BPF_ANY), 0);
}

static void keep_key(const struct sluice_flow_event *ev, void *key)
{
	memcpy(key, &ev->key, sizeof(ev->key));
}

/* Runs the frame through both. */
static struct parse_result parse(struct both *b)
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

static bool has_key(const struct parse_result *r, const struct sluice_flow_key *key)
{
	return r->reason == -1 && !memcmp(&r->key, key, sizeof(*key));
}

static struct parse_result expect(struct both *b, const struct sluice_flow_key *key,
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
static struct sluice_flow_key outer_key(const struct tunnel *t, unsigned int family,
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

static void make(const struct tunnel *t, const struct sluice_flow_key *outer,
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

/* --- what is inside -------------------------------------------------------- */

static void test_every_tunnel(void **state)
{
	FOR_EACH(t, family, k) {
		const struct sluice_flow_key outer = outer_key(t, family, k->family);

		make(t, &outer, k, (k - inner_keys) % 3);
		look_inside(*state, SLUICE_INSIDE_ALL);
		expect(*state, k, t->kind, t->what);
		look_inside(*state, 0);
		expect(*state, &outer, SLUICE_TUNNEL_NONE, t->what);
	}
}

static void test_each_bit_is_one_tunnel(void **state)
{
	const struct sluice_flow_key *k = &inner_keys[0];

	for (const struct tunnel *t = tunnels; t < tunnels + N_TUNNELS; t++)
		for (int kind = 1; kind < SLUICE_TUNNEL_MAX; kind++) {
			const struct sluice_flow_key outer = outer_key(t, 4, 4);
			const bool on = kind == (int)t->kind;

			make(t, &outer, k, 0);
			look_inside(*state, 1u << (kind - 1));
			expect(*state, on ? k : &outer, on ? kind : SLUICE_TUNNEL_NONE, t->what);
		}
}

/* VXLAN and Geneve ends draw source ports of their own: only inside the directions meet. */
static void test_directions_meet(void **state)
{
	FOR_EACH(t, family, k) {
		const struct sluice_flow_key back = mirrored(k);
		struct sluice_flow_key outer = outer_key(t, family, k->family);
		struct parse_result there, here;

		if (k->proto == IPPROTO_ESP)
			continue;
		look_inside(*state, SLUICE_INSIDE_ALL);
		make(t, &outer, k, 0);
		there = expect(*state, k, t->kind, t->what);
		outer = mirrored(&outer);
		if (t->port) {
			outer.dport = outer.sport == htons(t->port) ? outer.sport : outer.dport;
			outer.sport = htons(44444);
		}
		make(t, &outer, &back, 0);
		here = expect(*state, &back, t->kind, t->what);
		assert_int_equal(sluice_bucket_of(&there.key), sluice_bucket_of(&here.key));
	}
}

static void test_one_level(void **state)
{
	const struct tunnel *gre = &tunnels[0], *vxlan = &tunnels[6];
	const struct sluice_flow_key ends = outer_key(gre, 4, 4);
	struct sluice_flow_key inner = outer_key(gre, 6, 4);

	assert_int_equal(vxlan->kind, SLUICE_TUNNEL_VXLAN);
	look_inside(*state, SLUICE_INSIDE_ALL);
	make(gre, &ends, &inner, 0);
	expect(*state, &inner, SLUICE_TUNNEL_GRE, "GRE in GRE");
	inner = outer_key(vxlan, 4, 4);
	make(gre, &ends, &inner, 0);
	expect(*state, &inner, SLUICE_TUNNEL_GRE, "VXLAN in GRE");
}

/* Cut anywhere: the outer header is missing, or the outer key, or the inner one if it is whole. */
static void test_truncation(void **state)
{
	look_inside(*state, SLUICE_INSIDE_ALL);
	FOR_EACH(t, family, k) {
		const struct sluice_flow_key outer = outer_key(t, family, k->family);
		unsigned int whole, begin;

		if ((k - inner_keys) % 4 > 1)
			continue;
		make(t, &outer, k, 0);
		whole = frame.bytes - 4;		/* payload */
		begin = tunnel_header - frame.data;
		for (; frame.bytes > ETH_HLEN; frame.bytes--) {
			struct parse_result r = parse(*state);

			if (frame.bytes < begin)
				assert_int_equal(r.reason, SLUICE_PASS_truncated);
			else if (!has_key(&r, frame.bytes < whole ? &outer : k))
				fail_msg("%s cut to %u bytes: %d", t->what, frame.bytes, r.reason);
			else
				assert_int_equal(r.features.tunnel,
						 frame.bytes < whole ? SLUICE_TUNNEL_NONE : t->kind);
		}
	}
}

/* The outer length must hold everything up to the inner transport header; padding is none of it. */
static void test_outer_length_cuts(void **state)
{
	look_inside(*state, SLUICE_INSIDE_ALL);
	FOR_EACH(t, family, k) {
		const struct sluice_flow_key outer = outer_key(t, family, k->family);
		__be16 *length;

		make(t, &outer, k, 0);
		length = family == 6 ? &((struct ipv6hdr *)outer_ip)->payload_len :
				       &((struct iphdr *)outer_ip)->tot_len;
		*length = htons(ntohs(*length) - 4);
		expect(*state, k, t->kind, t->what);
		for (int n = frame.data + frame.bytes - 4 - tunnel_header; n > 0; n--) {
			*length = htons(ntohs(*length) - 1);
			expect(*state, &outer, SLUICE_TUNNEL_NONE, t->what);
		}
	}
}

static void test_bad_inner_ip(void **state)
{
	look_inside(*state, SLUICE_INSIDE_ALL);
	for (const struct tunnel *t = tunnels; t < tunnels + N_TUNNELS; t++)
		for (unsigned int i = 0; i < 2; i++) {
			const struct sluice_flow_key *k = &inner_keys[i];
			const struct sluice_flow_key outer = outer_key(t, 4, k->family);
			__be16 *length;

			make(t, &outer, k, 0);
			inner_ip[0] = 0x50;		/* version 5, and no header length */
			expect(*state, &outer, SLUICE_TUNNEL_NONE, t->what);
			inner_ip[0] = i ? 0x40 : 0x44;
			expect(*state, &outer, SLUICE_TUNNEL_NONE, t->what);
			inner_ip[0] = i ? 0x60 : 0x45;
			length = i ? &((struct ipv6hdr *)inner_ip)->payload_len :
				     &((struct iphdr *)inner_ip)->tot_len;
			*length = htons(i ? 19 : 39);
			expect(*state, &outer, SLUICE_TUNNEL_NONE, t->what);
			*length = htons(i ? 20 : 40);
			expect(*state, k, t->kind, t->what);
		}
}

/* One byte of a tunnel's header makes it another kind, which is not looked into. */
static void test_bad_tunnel_headers(void **state)
{
	static const struct {
		unsigned int tunnel, at;
		__u8 value;
	} bad[] = {
		{ 0, 0, 0x40 }, { 0, 0, 0x08 }, { 0, 0, 0x04 }, { 0, 1, 1 },	/* routing .. version */
		{ 0, 2, 0x88 }, { 4, 3, 0x59 },				/* another protocol */
		{ 6, 0, 0 }, { 6, 0, 0xf7 },				/* no VNI */
		{ 8, 0, 0x40 }, { 8, 1, 0x80 }, { 8, 2, 0 },		/* version, control, protocol */
		{ 10, 0, 0x3f },					/* options beyond the end */
		{ 11, 0, 0x10 }, { 11, 0, 0x20 }, { 11, 1, 254 },	/* version, GTP', message */
		{ 14, 12, 0 }, { 14, 12, 200 }, { 15, 31, 0x85 },	/* extension headers */
	};

	look_inside(*state, SLUICE_INSIDE_ALL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct tunnel *t = &tunnels[bad[i].tunnel];
		const struct sluice_flow_key outer = outer_key(t, 4, 4);

		make(t, &outer, &inner_keys[0], 0);
		tunnel_header[bad[i].at] = bad[i].value;
		expect(*state, &outer, SLUICE_TUNNEL_NONE, t->what);
	}
	/* GTP-U's length bounds what is inside. */
	for (int cut = 0; cut < 2; cut++) {
		const struct sluice_flow_key outer = outer_key(&tunnels[11], 4, 4);

		make(&tunnels[11], &outer, &inner_keys[0], 0);
		*(__be16 *)(tunnel_header + 2) = htons(40 - cut);
		expect(*state, cut ? &outer : &inner_keys[0],
		       cut ? SLUICE_TUNNEL_NONE : SLUICE_TUNNEL_GTPU, "GTP-U's length");
	}
}

static void test_not_ip_inside(void **state)
{
	const struct tunnel *t = &tunnels[6];
	const struct sluice_flow_key outer = outer_key(t, 4, 4);

	look_inside(*state, SLUICE_INSIDE_ALL);
	make(t, &outer, &inner_keys[0], 0);
	inner_ip[-1] = 6;			/* ARP */
	expect(*state, &outer, SLUICE_TUNNEL_NONE, "ARP in VXLAN");
}

static void test_fragments(void **state)
{
	const struct tunnel *t = &tunnels[0];
	const struct sluice_flow_key outer = outer_key(t, 4, 4);
	struct sluice_flow_key inner = inner_keys[0];

	look_inside(*state, SLUICE_INSIDE_ALL);
	make(t, &outer, &inner, 0);
	((struct iphdr *)outer_ip)->frag_off = htons(0x2000);
	expect(*state, &outer, SLUICE_TUNNEL_NONE, "outer fragment, the first");
	((struct iphdr *)outer_ip)->frag_off = 0;
	((struct iphdr *)inner_ip)->frag_off = htons(0x2000);
	inner.sport = inner.dport = 0;
	expect(*state, &inner, SLUICE_TUNNEL_GRE, "inner fragment");
}

/* An error inside of a tunnel belongs to the flow inside that it quotes. */
static void test_icmp_error_inside(void **state)
{
	look_inside(*state, SLUICE_INSIDE_ALL);
	for (const struct tunnel *t = tunnels; t < tunnels + N_TUNNELS; t++)
		for (unsigned int i = 0; i < 2; i++) {
			const struct sluice_flow_key *k = &inner_keys[i], back = mirrored(k);
			struct sluice_flow_key router = inner_keys[N_KEYS - 2 + i];
			const struct sluice_flow_key outer = outer_key(t, 4, k->family);
			__be16 *length;
			__u8 *icmp;

			router.saddr[3] = 77;
			make(t, &outer, &router, 0);
			icmp = inner_ip + (i ? 40 : 20);
			icmp[0] = i ? 3 : 11;
			frame.bytes -= 4;
			frame_ip(&frame, k, 1000);
			frame_l4(&frame, k, 0);
			length = i ? &((struct ipv6hdr *)inner_ip)->payload_len :
				     &((struct iphdr *)inner_ip)->tot_len;
			*length = htons(1000);
			((struct iphdr *)outer_ip)->tot_len = htons(1000);
			expect(*state, &back, t->kind, t->what);
		}
}

/* --- features -------------------------------------------------------------- */

static void expect_features(struct both *b, const struct sluice_features *f, const char *what)
{
	struct parse_result r = parse(b);

	if (r.reason != -1)
		fail_msg("%s: no key (%d)", what, r.reason);
	if (memcmp(&r.features, f, sizeof(*f)))
		fail_msg("%s: tci %#x, tos %#x, flags %#x, length %u, tunnel %u", what,
			 r.features.vlan_tci, r.features.tos, r.features.tcp_flags,
			 r.features.length, r.features.tunnel);
}

static void set_tos(void *ip, __u8 tos)
{
	if (*(__u8 *)ip >> 4 == 4)
		((struct iphdr *)ip)->tos = tos;
	else
		*(__be16 *)ip = htons(0x6000 | tos << 4 | 5);	/* 5: of the flow label */
}

static void test_features(void **state)
{
	look_inside(*state, 0);
	for (size_t i = 0; i < N_KEYS; i++)
		for (unsigned int vlans = 0; vlans <= 2; vlans++) {
			struct sluice_features f = { .tos = 0xb9 };
			void *ip = frame_make(&frame, &inner_keys[i], vlans, 7);

			set_tos(ip, 0xb9);
			f.length = frame.data + frame.bytes - (__u8 *)ip;
			if (inner_keys[i].proto == IPPROTO_TCP) {
				f.tcp_flags = 0xd2;
				frame.data[frame.bytes - 7 - 20 + 13] = 0xd2;
			}
			if (vlans) {
				f.vlan_tci = 0xf123;
				frame.data[14] = 0xf1;
				frame.data[15] = 0x23;
			}
			expect_features(*state, &f, "features");
		}
}

static void test_features_of_the_rest(void **state)
{
	struct sluice_features f = { .tos = 0x2e, .length = 40 };
	struct ipv6hdr *ip6;
	struct iphdr *ip;
	__u8 *h;

	look_inside(*state, 0);
	ip = frame_make(&frame, &tcp4, 0, 0);
	set_tos(ip, 0x2e);
	frame.data[frame.bytes - 7] = 0x10;
	ip->frag_off = htons(0x2000);
	expect_features(*state, &f, "a fragment: no flags");
	ip->frag_off = 0;
	f.tcp_flags = 0x10;
	expect_features(*state, &f, "its whole");

	/* Nothing of an error's quote: a TCP header that is there in full. */
	frame_begin(&frame, 0, ETH_P_IP);
	ip = frame_ip4(&frame, &inner_keys[8], 5, 8 + 40);
	set_tos(ip, 0x2e);
	h = frame_add(&frame, 8);
	h[0] = 11;
	set_tos(frame_ip4(&frame, &tcp4, 5, 20), 0x77);
	h = frame_add(&frame, 20);
	h[13] = 0x12;
	f = (struct sluice_features){ .tos = 0x2e, .length = 68 };
	expect_features(*state, &f, "ICMP error");

	/* Lengths at their limits. */
	ip6 = frame_make(&frame, &udp6, 0, 0);
	f = (struct sluice_features){ .length = 0xffff };
	ip6->payload_len = htons(0xffff);
	expect_features(*state, &f, "payload of 65535 bytes");
	ip6->payload_len = htons(0xffff - 40 - 1);
	f.length = 0xfffe;
	expect_features(*state, &f, "65534 bytes in all");
	frame_begin(&frame, 0, ETH_P_IPV6);
	ip6 = frame_ip6(&frame, &udp6, 0);
	ip6->nexthdr = IPPROTO_HOPOPTS;
	h = frame_add(&frame, 8);
	h[0] = IPPROTO_UDP;
	frame_l4(&frame, &udp6, 0);
	f.length = 0xffff;
	expect_features(*state, &f, "jumbogram");
}

/* Tag and length are the outer packet's, DSCP and flags go with the key. */
static void test_features_inside(void **state)
{
	FOR_EACH(t, family, k) {
		const struct sluice_flow_key outer = outer_key(t, family, k->family);
		struct sluice_features f = { .vlan_tci = 0x2064 };

		make(t, &outer, k, 1);
		frame.data[14] = 0x20;
		frame.data[15] = 0x64;
		set_tos(outer_ip, 0x28);
		set_tos(inner_ip, 0xb8);
		if (k->proto == IPPROTO_TCP)
			inner_ip[(k->family == 6 ? 40 : 20) + 13] = 0x18;
		f.length = frame.data + frame.bytes - (__u8 *)outer_ip;
		f.tos = 0x28;
		look_inside(*state, 0);
		expect_features(*state, &f, t->what);
		look_inside(*state, SLUICE_INSIDE_ALL);
		f.tos = 0xb8;
		f.tcp_flags = k->proto == IPPROTO_TCP ? 0x18 : 0;
		f.tunnel = t->kind;
		expect_features(*state, &f, t->what);
		/* What was read inside before it failed leaves nothing. */
		f = (struct sluice_features){ .vlan_tci = 0x2064, .tos = 0x28, .length = f.length };
		frame.bytes -= 5;
		expect_features(*state, &f, t->what);
	}
}

/* The verifier gives up at a million; a large part of that left is what this costs. */
static void test_verifier(void **state)
{
	struct both *b = *state;
	const int progs[] = { b->s->prog[STEER_PROG_xdp_steer], b->prog };

	for (size_t i = 0; i < 2; i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);

		assert_int_equal(bpf_obj_get_info_by_fd(progs[i], &info, &len), 0);
		printf("# %s: the verifier looked at %u instructions\n", info.name,
		       info.verified_insns);
		assert_in_range(info.verified_insns, 1, 300000);
	}
}

#define TEST(function)	cmocka_unit_test(function)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_tunnel),
		TEST(test_each_bit_is_one_tunnel),
		TEST(test_directions_meet),
		TEST(test_one_level),
		TEST(test_truncation),
		TEST(test_outer_length_cuts),
		TEST(test_bad_inner_ip),
		TEST(test_bad_tunnel_headers),
		TEST(test_not_ip_inside),
		TEST(test_fragments),
		TEST(test_icmp_error_inside),
		TEST(test_features),
		TEST(test_features_of_the_rest),
		TEST(test_features_inside),
		TEST(test_verifier),
	};

	if (geteuid()) {
		puts("1..0 # SKIP needs root");
		return 4;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, finish) != 0;
}
