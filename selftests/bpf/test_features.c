// SPDX-License-Identifier: GPL-2.0
/* The features of a packet, outside and inside of tunnels. */
#include "tunnels.h"

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

#define TEST(function)	cmocka_unit_test(function)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_features),
		TEST(test_features_of_the_rest),
		TEST(test_features_inside),
	};

	if (geteuid()) {
		puts("1..0 # SKIP needs root");
		return 4;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, finish) != 0;
}
