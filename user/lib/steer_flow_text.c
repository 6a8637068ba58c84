// SPDX-License-Identifier: GPL-2.0
/* Flow keys as text. */
#include "lib/steer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	__u8 proto;
} protocols[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "udplite", IPPROTO_UDPLITE },
	{ "sctp", IPPROTO_SCTP },
	{ "dccp", IPPROTO_DCCP },
	{ "icmp", IPPROTO_ICMP },
	{ "icmp6", IPPROTO_ICMPV6 },
	{ "esp", IPPROTO_ESP },
};

void steer_proto_format(__u8 proto, char buf[STEER_PROTO_SIZE])
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (proto == protocols[i].proto) {
			snprintf(buf, STEER_PROTO_SIZE, "%s", protocols[i].name);
			return;
		}
	snprintf(buf, STEER_PROTO_SIZE, "%u", proto);
}

/* A name of the table, or a number from 0 to 255. */
static bool parse_proto(const char *text, __u8 *proto)
{
	unsigned long number;
	char *end;

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (!strcmp(text, protocols[i].name)) {
			*proto = protocols[i].proto;
			return true;
		}
	if (text[0] < '0' || text[0] > '9')
		return false;
	number = strtoul(text, &end, 10);
	if (*end || number > 255)
		return false;
	*proto = number;
	return true;
}

/* "ADDR:PORT" or "[ADDR]:PORT"; the family or 0. */
static int parse_end(const char *text, __u8 addr[16], __be16 *port)
{
	const bool six = text[0] == '[';
	const char *colon = strrchr(text, ':');
	char host[64], *end;
	unsigned long number;
	size_t len;

	if (!colon || (six && (colon == text || colon[-1] != ']')))
		return 0;
	len = six ? (size_t)(colon - text) - 2 : (size_t)(colon - text);
	if (len >= sizeof(host) || colon[1] < '0' || colon[1] > '9')
		return 0;
	memcpy(host, text + six, len);
	host[len] = '\0';
	number = strtoul(colon + 1, &end, 10);
	if (*end || number > 65535)
		return 0;
	memset(addr, 0, 16);
	if (inet_pton(six ? AF_INET6 : AF_INET, host, addr) != 1)
		return 0;
	*port = htons(number);
	return six ? 6 : 4;
}

int steer_flow_parse(int argc, char *const argv[], struct sluice_flow_key *key, struct sl_err *e)
{
	struct sluice_flow_key k = { 0 };
	int family;

	if (argc != 3)
		return sl_err(e, -EINVAL, "a flow is three words, such as: tcp 10.0.0.1:5000 "
			      "10.0.0.2:80");
	if (!parse_proto(argv[0], &k.proto))
		return sl_err(e, -EINVAL, "'%s' is not a protocol: tcp, udp, udplite, sctp, dccp, "
			      "icmp, icmp6, esp or a number below 256", argv[0]);
	k.family = parse_end(argv[1], k.saddr, &k.sport);
	if (!k.family)
		return sl_err(e, -EINVAL, "'%s' is not an address with port, such as 10.0.0.1:80 "
			      "or [fd00::1]:80", argv[1]);
	family = parse_end(argv[2], k.daddr, &k.dport);
	if (!family)
		return sl_err(e, -EINVAL, "'%s' is not an address with port, such as 10.0.0.1:80 "
			      "or [fd00::1]:80", argv[2]);
	if (family != k.family)
		return sl_err(e, -EINVAL, "%s and %s are of different address families", argv[1],
			      argv[2]);
	*key = k;
	return 0;
}

void steer_flow_format(const struct sluice_flow_key *key, char *buf, size_t size)
{
	const bool six = key->family == 6;
	char from[INET6_ADDRSTRLEN] = "?", to[INET6_ADDRSTRLEN] = "?";
	const char *form = six ? "%s [%s]:%u [%s]:%u" : "%s %s:%u %s:%u";
	char proto[STEER_PROTO_SIZE];

	steer_proto_format(key->proto, proto);
	inet_ntop(six ? AF_INET6 : AF_INET, key->saddr, from, sizeof(from));
	inet_ntop(six ? AF_INET6 : AF_INET, key->daddr, to, sizeof(to));
	snprintf(buf, size, form, proto, from, ntohs(key->sport), to, ntohs(key->dport));
}
