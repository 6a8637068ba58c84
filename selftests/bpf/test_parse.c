// SPDX-License-Identifier: GPL-2.0
/*
 * What the parser makes of crafted frames, in the XDP program itself, by
 * BPF_PROG_RUN on a private instance. The flow key is taken from the program's
 * announcement, so that every bit of it is compared.
 */
#include "fixture.h"

/* One flow of each protocol that has ports, an SPI or an id, with what is there in each. */
static const struct sluice_flow_key keys[] = {
	KEY4(IPPROTO_TCP, 0x1234, 0x5678),	KEY6(IPPROTO_TCP, 0x1234, 0x5678),
	KEY4(IPPROTO_UDP, 0x1234, 0x5678),	KEY6(IPPROTO_UDP, 0x1234, 0x5678),
	KEY4(IPPROTO_UDPLITE, 0x1234, 0x5678),	KEY6(IPPROTO_UDPLITE, 0x1234, 0x5678),
	KEY4(IPPROTO_SCTP, 0x1234, 0x5678),	KEY6(IPPROTO_SCTP, 0x1234, 0x5678),
	KEY4(IPPROTO_DCCP, 0x1234, 0x5678),	KEY6(IPPROTO_DCCP, 0x1234, 0x5678),
	KEY4(IPPROTO_ESP, 0x1234, 0x5678),	KEY6(IPPROTO_ESP, 0x1234, 0x5678),
	KEY4(IPPROTO_ICMP, 0x4321, 0x4321),	KEY6(IPPROTO_ICMPV6, 0x4321, 0x4321),
};
#define N_KEYS	(sizeof(keys) / sizeof(keys[0]))

static int setup_announcing(void **state)
{
	const struct sluice_steer_config c = { .flags = SLUICE_STEER_F_ANNOUNCE };

	if (setup_cpu0(state) || steer_event_fd(*state) < 0)
		return -1;
	return steer_set_config(*state, &c, &err);
}

static void keep_key(const struct sluice_flow_event *ev, void *key)
{
	memcpy(key, &ev->key, sizeof(ev->key));
}

/* Runs the frame: it must be steered, and its key be this one. */
static void expect_key(struct steer *s, const struct sluice_flow_key *key)
{
	struct sluice_flow_key seen;

	expect_steered(s, key, 0);
	assert_int_equal(steer_event_drain(s, keep_key, &seen), 1);
	assert_memory_equal(&seen, key, sizeof(seen));
}

/* The key of a packet of which only addresses and protocol count. */
static struct sluice_flow_key without_ports(const struct sluice_flow_key *key, __u8 proto)
{
	struct sluice_flow_key k = *key;

	k.sport = k.dport = 0;
	k.proto = proto;
	return k;
}

/* Cuts the frame byte by byte, down to "from" bytes: it passes, as truncated. */
static void expect_truncated_from(struct steer *s, unsigned int from)
{
	while (frame.bytes > from) {
		frame.bytes--;
		expect_pass(s, SLUICE_PASS_truncated, "cut frame");
	}
}

/* --- below IP -------------------------------------------------------------- */

static void test_every_protocol_behind_tags(void **state)
{
	for (size_t i = 0; i < N_KEYS; i++)
		for (unsigned int vlans = 0; vlans <= 2; vlans++) {
			frame_make(&frame, &keys[i], vlans, 10);
			expect_key(*state, &keys[i]);
		}
}

static void test_three_vlan_tags_pass(void **state)
{
	frame_make(&frame, &tcp4, 3, 10);
	expect_pass(*state, SLUICE_PASS_too_many_vlans, "three tags");
}

/* Every length of a frame: truncated below the end of the fixed transport header. */
static void test_truncation(void **state)
{
	for (size_t i = 0; i < N_KEYS; i++)
		for (unsigned int vlans = 0; vlans <= 2; vlans++) {
			frame_make(&frame, &keys[i], vlans, 0);
			expect_key(*state, &keys[i]);
			expect_truncated_from(*state, ETH_HLEN);
		}
}

static void test_not_ip(void **state)
{
	frame_make(&frame, &tcp4, 0, 10);
	((struct ethhdr *)frame.data)->h_proto = htons(ETH_P_ARP);
	expect_pass(*state, SLUICE_PASS_not_ip, "ARP");
	frame_make(&frame, &tcp4, 1, 10);
	frame.data[16] = 0x08, frame.data[17] = 0x06;
	expect_pass(*state, SLUICE_PASS_not_ip, "ARP behind a tag");
}

/* A PPPoE session header, whose PPP protocol is given, then the plain packet. */
static __u8 *make_pppoe(const struct sluice_flow_key *k, unsigned int vlans, __u16 ppp)
{
	__u8 *h;

	frame_begin(&frame, vlans, ETH_P_PPP_SES);
	h = frame_add(&frame, 8);
	h[0] = 0x11;
	h[5] = 60;		/* length, low byte */
	h[6] = ppp >> 8;
	h[7] = ppp;
	frame_ip(&frame, k, frame_l4_bytes(k, 0));
	frame_l4(&frame, k, 0);
	return h;
}

static void test_pppoe(void **state)
{
	__u8 *h;

	for (size_t i = 0; i < N_KEYS; i++)
		for (unsigned int vlans = 0; vlans <= 2; vlans++) {
			make_pppoe(&keys[i], vlans, keys[i].family == 6 ? 0x57 : 0x21);
			expect_key(*state, &keys[i]);
			expect_truncated_from(*state, ETH_HLEN + 4 * vlans);
		}
	make_pppoe(&tcp4, 0, 0xc021);		/* LCP */
	expect_pass(*state, SLUICE_PASS_not_ip, "link control");
	h = make_pppoe(&tcp4, 0, 0x21);
	h[0] = 0x12;
	expect_pass(*state, SLUICE_PASS_bad_pppoe, "type 2");
	h[0] = 0x11;
	h[1] = 0xa7;
	expect_pass(*state, SLUICE_PASS_bad_pppoe, "not session data");
	h[1] = 0;
	h[5] = 1;
	expect_pass(*state, SLUICE_PASS_bad_pppoe, "shorter than PPP's protocol");
	h[5] = 2;
	expect_key(*state, &tcp4);
}

static void make_mpls(const struct sluice_flow_key *k, unsigned int vlans, unsigned int labels)
{
	frame_begin(&frame, vlans, ETH_P_MPLS_UC);
	for (unsigned int i = 1; i <= labels; i++)
		*(__be32 *)frame_add(&frame, 4) = htonl(i << 12 | (i == labels ? 0x100 : 0) | 64);
	frame_ip(&frame, k, frame_l4_bytes(k, 0));
	frame_l4(&frame, k, 0);
}

static void test_mpls(void **state)
{
	for (size_t i = 0; i < N_KEYS; i++)
		for (unsigned int labels = 1; labels <= SLUICE_MAX_LABELS; labels++) {
			make_mpls(&keys[i], i % 3, labels);
			expect_key(*state, &keys[i]);
		}
	make_mpls(&tcp6, 2, SLUICE_MAX_LABELS);
	expect_truncated_from(*state, ETH_HLEN + 8);
	make_mpls(&tcp4, 0, SLUICE_MAX_LABELS + 1);
	expect_pass(*state, SLUICE_PASS_too_many_labels, "nine labels");
	make_mpls(&tcp4, 0, 1);
	frame.data[ETH_HLEN + 4] = 0;		/* a control word: a pseudowire */
	expect_pass(*state, SLUICE_PASS_not_ip, "pseudowire");
}

/* --- IP -------------------------------------------------------------------- */

static void test_ip_options(void **state)
{
	for (unsigned int ihl = 5; ihl <= 15; ihl++) {
		frame_begin(&frame, 0, ETH_P_IP);
		frame_ip4(&frame, &udp4, ihl, frame_l4_bytes(&udp4, 0));
		frame_l4(&frame, &udp4, 0);
		expect_key(*state, &udp4);
		expect_truncated_from(*state, ETH_HLEN);
	}
}

static void test_bad_ip4(void **state)
{
	struct iphdr *ip;

	ip = frame_make(&frame, &tcp4, 0, 10);
	ip->version = 5;
	expect_pass(*state, SLUICE_PASS_bad_ip, "version 5");
	ip = frame_make(&frame, &tcp4, 0, 10);
	ip->ihl = 4;
	expect_pass(*state, SLUICE_PASS_bad_ip, "header length 16");
	ip = frame_make(&frame, &tcp4, 0, 10);
	ip->tot_len = htons(19);
	expect_pass(*state, SLUICE_PASS_bad_ip, "total below header length");
	/* A capture or a multi-buffer frame may hold less than the IP header promises. */
	ip->tot_len = htons(9000);
	expect_key(*state, &tcp4);
}

static void test_bad_ip6(void **state)
{
	struct ipv6hdr *ip;

	ip = frame_make(&frame, &tcp6, 0, 10);
	ip->version = 4;
	expect_pass(*state, SLUICE_PASS_bad_ip, "version 4 as IPv6");
}

/* The transport header must be inside the packet, not in the padding: both sides, each protocol. */
static void test_length_cuts_transport_header(void **state)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		const unsigned int fixed = frame_l4_header(&keys[i]);
		void *ip = frame_make(&frame, &keys[i], 0, 10);
		__be16 *len = keys[i].family == 6 ? &((struct ipv6hdr *)ip)->payload_len :
						    &((struct iphdr *)ip)->tot_len;
		const unsigned int header = keys[i].family == 6 ? 0 : 20;

		*len = htons(header + fixed - 1);
		expect_pass(*state, SLUICE_PASS_bad_ip, "length cuts the transport header");
		*len = htons(header + fixed);
		expect_key(*state, &keys[i]);
	}
}

static void test_fragments_ip4(void **state)
{
	for (size_t i = 0; i < N_KEYS; i += 2) {
		const struct sluice_flow_key all = without_ports(&keys[i], keys[i].proto);
		struct iphdr *ip = frame_make(&frame, &keys[i], 0, 0);

		ip->frag_off = htons(0x2000);		/* the first */
		expect_key(*state, &all);
		ip->frag_off = htons(0x2001);
		expect_key(*state, &all);
		ip->frag_off = htons(0x1fff);		/* the last; no transport header needed */
		frame.bytes = ETH_HLEN + sizeof(*ip);
		expect_key(*state, &all);
		expect_truncated_from(*state, ETH_HLEN);
		ip = frame_make(&frame, &keys[i], 0, 0);
		ip->frag_off = htons(0x4000);		/* don't fragment: not one */
		expect_key(*state, &keys[i]);
	}
}

static void test_protocols_without_ports(void **state)
{
	static const __u8 protos[] = { IPPROTO_GRE, IPPROTO_IGMP, IPPROTO_IPIP, IPPROTO_IPV6,
				       IPPROTO_NONE, IPPROTO_MH, 89, 253 };
	struct sluice_flow_key key;
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	for (size_t i = 0; i < sizeof(protos); i++) {
		key = without_ports(&tcp4, protos[i]);
		ip = frame_make(&frame, &tcp4, 0, 10);
		ip->protocol = protos[i];
		expect_key(*state, &key);
		key = without_ports(&tcp6, protos[i]);
		ip6 = frame_make(&frame, &tcp6, 0, 10);
		ip6->nexthdr = protos[i];
		expect_key(*state, &key);
		ip6->payload_len = 0;
		frame.bytes = ETH_HLEN + sizeof(*ip6);
		expect_key(*state, &key);
	}
	/* IPv6's extension headers are none in IPv4, nor is the other version's ICMP. */
	ip = frame_make(&frame, &tcp4, 0, 10);
	ip->protocol = IPPROTO_HOPOPTS;
	key = without_ports(&tcp4, IPPROTO_HOPOPTS);
	expect_key(*state, &key);
	ip->protocol = IPPROTO_ICMPV6;
	key = without_ports(&tcp4, IPPROTO_ICMPV6);
	expect_key(*state, &key);
}

/*
 * An IPv6 packet of the flow behind n extension headers, of the types and with
 * as many further units (8 bytes; of AH, 4) as given. Returns the IP header.
 */
static struct ipv6hdr *make_exts(const struct sluice_flow_key *k, unsigned int n, const __u8 *types,
				 const __u8 *units)
{
	struct ipv6hdr *ip;
	__u8 *next, *h;

	frame_begin(&frame, 0, ETH_P_IPV6);
	ip = frame_ip6(&frame, k, 0);
	next = &ip->nexthdr;
	for (unsigned int i = 0; i < n; i++) {
		*next = types[i];
		h = frame_add(&frame, types[i] == IPPROTO_AH ? 8 + 4 * units[i] : 8 + 8 * units[i]);
		h[1] = units[i];
		next = h;
	}
	*next = k->proto;
	frame_l4(&frame, k, 0);
	ip->payload_len = htons(frame.bytes - ETH_HLEN - sizeof(*ip));
	return ip;
}

static const __u8 ext_types[] = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_AH,
				  IPPROTO_FRAGMENT, IPPROTO_DSTOPTS };
static const __u8 short_units[SLUICE_MAX_EXTS + 1];

static void test_extension_headers(void **state)
{
	static const __u8 units[] = { 0, 1, 5, 7, 0, 20 };

	for (size_t i = 0; i < N_KEYS; i++) {
		if (keys[i].family != 6)
			continue;
		for (size_t t = 0; t < sizeof(ext_types); t++) {
			make_exts(&keys[i], 1, ext_types + t, short_units);
			expect_key(*state, &keys[i]);
			expect_truncated_from(*state, ETH_HLEN);
		}
		for (unsigned int n = 1; n <= SLUICE_MAX_EXTS; n++) {
			make_exts(&keys[i], n, ext_types, units);
			expect_key(*state, &keys[i]);
		}
		expect_truncated_from(*state, ETH_HLEN);
	}
}

static void test_extension_headers_bounds(void **state)
{
	static const __u8 options[SLUICE_MAX_EXTS + 1] = {
		[0 ... SLUICE_MAX_EXTS] = IPPROTO_DSTOPTS
	};
	static const __u8 longest = 255;
	struct ipv6hdr *ip;
	unsigned int len;

	make_exts(&udp6, SLUICE_MAX_EXTS, options, short_units);
	expect_key(*state, &udp6);
	make_exts(&udp6, SLUICE_MAX_EXTS + 1, options, short_units);
	expect_pass(*state, SLUICE_PASS_too_many_exts, "seven extension headers");

	make_exts(&udp6, 1, options, &longest);
	expect_key(*state, &udp6);
	make_exts(&udp6, 1, (const __u8[]){ IPPROTO_AH }, &longest);
	expect_key(*state, &udp6);

	/* The IP length ends in an extension header, in the next one, in the ports, behind them. */
	ip = make_exts(&udp6, 2, options, (const __u8[]){ 1, 0 });
	for (len = 1; len < 16 + 8 + 8; len++) {
		ip->payload_len = htons(len);
		expect_pass(*state, SLUICE_PASS_bad_ip, "length cuts an extension header");
	}
	ip->payload_len = htons(len);
	expect_key(*state, &udp6);
}

static void test_fragments_ip6(void **state)
{
	static const __u8 types[] = { IPPROTO_HOPOPTS, IPPROTO_FRAGMENT };
	struct sluice_flow_key all;
	__be16 *offset;

	for (size_t i = 1; i < N_KEYS; i += 2) {
		all = without_ports(&keys[i], keys[i].proto);
		make_exts(&keys[i], 2, types, short_units);
		offset = (__be16 *)(frame.data + ETH_HLEN + sizeof(struct ipv6hdr) + 8 + 2);
		expect_key(*state, &keys[i]);		/* an atomic one: not a fragment */
		*offset = htons(6);			/* reserved bits make none */
		expect_key(*state, &keys[i]);
		*offset = htons(1);			/* the first */
		expect_key(*state, &all);
		*offset = htons(0xfff8);		/* the last */
		expect_key(*state, &all);
		frame.bytes -= frame_l4_header(&keys[i]);
		expect_key(*state, &all);
		expect_truncated_from(*state, ETH_HLEN);
	}
	/* What follows the fragment header is in every fragment, what follows that is not. */
	make_exts(&udp6, 2, (const __u8[]){ IPPROTO_FRAGMENT, IPPROTO_DSTOPTS }, short_units);
	offset = (__be16 *)(frame.data + ETH_HLEN + sizeof(struct ipv6hdr) + 2);
	*offset = htons(1);
	all = without_ports(&udp6, IPPROTO_DSTOPTS);
	expect_key(*state, &all);
}

static void test_ah(void **state)
{
	struct iphdr *ip;
	__u8 *ah;

	for (size_t i = 0; i < N_KEYS; i += 2) {
		frame_begin(&frame, 0, ETH_P_IP);
		ip = frame_ip4(&frame, &keys[i], 6, 24 + frame_l4_bytes(&keys[i], 0));
		ip->protocol = IPPROTO_AH;
		ah = frame_add(&frame, 24);
		ah[0] = keys[i].proto;
		ah[1] = 4;
		frame_l4(&frame, &keys[i], 0);
		expect_key(*state, &keys[i]);
		ah[1] = 5;				/* four bytes beyond the end */
		expect_pass(*state, SLUICE_PASS_bad_ip, "AH shifts the header out of the packet");
		ah[1] = 4;
		expect_truncated_from(*state, ETH_HLEN);
	}
}

static void test_jumbogram(void **state)
{
	struct ipv6hdr *ip = make_exts(&tcp6, 1, (const __u8[]){ IPPROTO_HOPOPTS }, short_units);

	ip->payload_len = 0;
	expect_key(*state, &tcp6);
	ip = frame_make(&frame, &tcp6, 0, 0);
	ip->payload_len = 0;
	expect_pass(*state, SLUICE_PASS_bad_ip, "length 0 without the option");
}

/* --- ICMP ------------------------------------------------------------------ */

static const struct sluice_flow_key *icmp_key(unsigned int family)
{
	return &keys[family == 6 ? N_KEYS - 1 : N_KEYS - 2];
}

/* All 256 types: an id, an error (which quotes nothing here), or addresses only. */
static void test_icmp_ids(void **state)
{
	static const __u8 ids4[] = { 0, 8, 13, 14, 15, 16, 17, 18, 42, 43 };
	static const __u8 ids6[] = { 128, 129, 160, 161 };
	static const __u8 errors4[] = { 3, 4, 5, 11, 12 }, errors6[] = { 1, 2, 3, 4 };

	for (unsigned int family = 4; family <= 6; family += 2)
		for (unsigned int type = 0; type < 256; type++) {
			const bool six = family == 6;
			const struct sluice_flow_key *key = icmp_key(family);
			const struct sluice_flow_key no_id = without_ports(key, key->proto);

			frame_make(&frame, key, 0, 0);
			frame.data[frame.bytes - 8] = type;
			if (memchr(six ? ids6 : ids4, type, six ? sizeof(ids6) : sizeof(ids4)))
				expect_key(*state, key);
			else if (memchr(six ? errors6 : errors4, type,
					six ? sizeof(errors6) : sizeof(errors4)))
				expect_pass(*state, SLUICE_PASS_bad_quote, "error without quote");
			else
				expect_key(*state, &no_id);
		}
}

/* An error about the packet of the flow, of which "quoted" bytes of transport header are quoted. */
static void *make_error(const struct sluice_flow_key *k, unsigned int quoted)
{
	struct sluice_flow_key router = *icmp_key(k->family);
	unsigned int ip_bytes = k->family == 6 ? 40 : 20;
	void *outer;

	memcpy(router.daddr, k->saddr, sizeof(router.daddr));
	router.saddr[4] = 99;
	if (k->family == 4)
		router.saddr[3] = 99, router.saddr[4] = 0;
	frame_begin(&frame, 0, k->family == 6 ? ETH_P_IPV6 : ETH_P_IP);
	outer = frame_ip(&frame, &router, 8 + ip_bytes + quoted);
	*(__u8 *)frame_add(&frame, 8) = k->family == 6 ? 3 : 11;	/* time exceeded */
	frame_ip(&frame, k, 1000);
	frame_l4(&frame, k, 0);
	frame.bytes -= frame_l4_header(k) - quoted;
	return outer;
}

static void test_icmp_errors(void **state)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		const struct sluice_flow_key back = mirrored(&keys[i]);

		assert_int_equal(sluice_bucket_of(&back), sluice_bucket_of(&keys[i]));
		make_error(&keys[i], 8);
		expect_key(*state, &back);
		expect_truncated_from(*state, ETH_HLEN);
		make_error(&keys[i], frame_l4_header(&keys[i]));
		expect_key(*state, &back);
	}
}

static void test_icmp_error_bounds(void **state)
{
	for (unsigned int family = 4; family <= 6; family += 2) {
		const struct sluice_flow_key *key = family == 6 ? &tcp6 : &tcp4;
		const unsigned int head = family == 6 ? 0 : 20, ip_bytes = family == 6 ? 40 : 20;
		void *ip = make_error(key, 8);
		__be16 *len = family == 6 ? &((struct ipv6hdr *)ip)->payload_len :
					    &((struct iphdr *)ip)->tot_len;
		__u8 *quoted = frame.data + ETH_HLEN + ip_bytes + 8;
		struct sluice_flow_key back = mirrored(key);

		frame_add(&frame, 8);		/* padding, which is no quote */
		for (unsigned int n = 0; n < ip_bytes + 8; n++) {
			*len = htons(head + 8 + n);
			expect_pass(*state, SLUICE_PASS_bad_quote, "quote is cut");
		}
		*len = htons(head + 8 + ip_bytes + 8);
		expect_key(*state, &back);
		*quoted ^= 0x70;		/* the version */
		expect_pass(*state, SLUICE_PASS_bad_quote, "quote of another version");
	}
}

/* Quoted fragments, extension headers, protocols without ports, and errors about errors. */
static void test_icmp_errors_about_others(void **state)
{
	struct sluice_flow_key key, back;
	struct iphdr *quoted;
	__u8 *h;

	make_error(&tcp4, 8);
	quoted = (struct iphdr *)(frame.data + ETH_HLEN + 28);
	quoted->frag_off = htons(0x2000);
	key = without_ports(&tcp4, IPPROTO_TCP);
	back = mirrored(&key);
	expect_key(*state, &back);
	quoted->frag_off = 0;
	quoted->protocol = IPPROTO_GRE;
	back.proto = IPPROTO_GRE;
	expect_key(*state, &back);

	make_error(&keys[N_KEYS - 2], 8);
	frame.data[ETH_HLEN + 28 + 20] = 3;	/* quotes an error: not looked into */
	key = without_ports(&keys[N_KEYS - 2], IPPROTO_ICMP);
	back = mirrored(&key);
	expect_key(*state, &back);

	/* The quoted IPv6 header says hop-by-hop options; they are what "TCP" began with. */
	make_error(&tcp6, 20);
	frame.data[ETH_HLEN + 48 + 6] = IPPROTO_HOPOPTS;
	h = frame.data + ETH_HLEN + 48 + 40;
	memset(h, 0, 20);
	h[0] = IPPROTO_UDP;
	memcpy(h + 8, "\x12\x34\x56\x78", 4);
	key = tcp6;
	key.proto = IPPROTO_UDP;
	memcpy(&key.sport, "\x12\x34", 2);
	memcpy(&key.dport, "\x56\x78", 2);
	back = mirrored(&key);
	expect_key(*state, &back);
	h[1] = 1;
	expect_pass(*state, SLUICE_PASS_bad_quote, "quote ends in the ports");
}

#define TEST(function)	TEST_ON(setup_announcing, function)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_protocol_behind_tags),
		TEST(test_three_vlan_tags_pass),
		TEST(test_truncation),
		TEST(test_not_ip),
		TEST(test_pppoe),
		TEST(test_mpls),
		TEST(test_ip_options),
		TEST(test_bad_ip4),
		TEST(test_bad_ip6),
		TEST(test_length_cuts_transport_header),
		TEST(test_fragments_ip4),
		TEST(test_protocols_without_ports),
		TEST(test_extension_headers),
		TEST(test_extension_headers_bounds),
		TEST(test_fragments_ip6),
		TEST(test_ah),
		TEST(test_jumbogram),
		TEST(test_icmp_ids),
		TEST(test_icmp_errors),
		TEST(test_icmp_error_bounds),
		TEST(test_icmp_errors_about_others),
	};

	if (geteuid()) {
		puts("1..0 # SKIP needs root");
		return 4;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
