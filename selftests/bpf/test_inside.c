// SPDX-License-Identifier: GPL-2.0
/* Looking inside of tunnels: whose key a frame has, by what the program is told to look into. */
#include "tunnels.h"

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
		TEST(test_verifier),
	};

	if (geteuid()) {
		puts("1..0 # SKIP needs root");
		return 4;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, finish) != 0;
}
