// SPDX-License-Identifier: GPL-2.0
/* What RSS settings mean: names, tables by rule, and where a flow arrives. */
#include <errno.h>
#include <linux/ethtool.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lib/rss.h"
#include "lib/toeplitz.h"

#define FIELDS_ADDRESSES	(RXH_IP_SRC | RXH_IP_DST)
#define FIELDS_PORTS		(RXH_L4_B_0_1 | RXH_L4_B_2_3)

_Static_assert(RSS_FUNC_TOEPLITZ == 1 << 0 && RSS_FUNC_XOR == 1 << 1 && RSS_FUNC_CRC32 == 1 << 2,
	       "the bits of ethtool's ETH_RSS_HASH_*, in the order of its enum");

const char *rss_kind_name(enum rss_kind kind)
{
	static const char *const names[RSS_KIND_MAX] = {
#define X(name, type) #name,
		RSS_KINDS(X)
#undef X
	};

	return names[kind];
}

const char *rss_func_name(uint8_t func)
{
	switch (func) {
	case RSS_FUNC_TOEPLITZ: return "toeplitz";
	case RSS_FUNC_XOR: return "xor";
	case RSS_FUNC_CRC32: return "crc32";
	default: return "unknown";
	}
}

const char *rss_xfrm_name(uint8_t xfrm)
{
	switch (xfrm) {
	case TOEPLITZ_AS_IS: return "none";
	case TOEPLITZ_SYM_XOR: return "symmetric-xor";
	case TOEPLITZ_SYM_OR_XOR: return "symmetric-or-xor";
	default: return "unknown";
	}
}

void rss_fields_format(const struct rss *rss, enum rss_kind kind, char *buf, size_t size)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ RXH_L2DA, "l2da" }, { RXH_VLAN, "vlan" }, { RXH_L3_PROTO, "proto" },
		{ RXH_IP_SRC, "src" }, { RXH_IP_DST, "dst" },
		{ RXH_L4_B_0_1, "sport" }, { RXH_L4_B_2_3, "dport" }, { RXH_DISCARD, "discard" },
	};
	size_t len = 0;

	snprintf(buf, size, "%s", rss->fields_known[kind] ? "none" : "unknown");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (rss->fields[kind] & names[i].bit && len < size)
			len += snprintf(buf + len, size - len, "%s%s", len ? "," : "",
					names[i].name);
}

int rss_table_equal(struct rss *rss, uint32_t n, struct sl_err *e)
{
	if (!n || n > rss->queues)
		return sl_err(e, -EINVAL, "%s has %u receive queues, not %u", rss->ifname,
			      rss->queues, n);
	for (uint32_t i = 0; i < rss->slots; i++)
		rss->table[i] = i % n;
	return 0;
}

int rss_table_weight(struct rss *rss, const uint32_t *weight, size_t n, struct sl_err *e)
{
	uint64_t sum = 0, before = 0;
	size_t queue = 0;

	if (n > rss->queues)
		return sl_err(e, -EINVAL, "%s has %u receive queues, not %zu", rss->ifname,
			      rss->queues, n);
	for (size_t i = 0; i < n; i++)
		sum += weight[i];
	if (!sum)
		return sl_err(e, -EINVAL, "at least one weight must not be 0");
	/* Queue q has the slots i with weights below it <= i * sum / slots < weights up to it. */
	for (uint64_t i = 0; i < rss->slots; i++) {
		while (i * sum >= (before + weight[queue]) * rss->slots)
			before += weight[queue++];
		rss->table[i] = queue;
	}
	return 0;
}

static enum rss_kind kind_of(const struct sluice_flow_key *flow)
{
	const bool six = flow->family == 6;

	/* Ports 0 are those of fragments. */
	if (flow->sport || flow->dport)
		switch (flow->proto) {
		case IPPROTO_TCP: return six ? RSS_tcp6 : RSS_tcp4;
		case IPPROTO_UDP: return six ? RSS_udp6 : RSS_udp4;
		case IPPROTO_SCTP: return six ? RSS_sctp6 : RSS_sctp4;
		}
	return six ? RSS_ip6 : RSS_ip4;
}

int rss_place(const struct rss *rss, const struct sluice_flow_key *flow, struct rss_place *ret,
	      struct sl_err *e)
{
	struct rss_place place = { .kind = kind_of(flow) };
	const uint64_t fields = rss->fields[place.kind];
	char names[80];
	int r;

	if (rss->func != RSS_FUNC_TOEPLITZ || rss->xfrm > TOEPLITZ_SYM_OR_XOR)
		return sl_err(e, -EOPNOTSUPP, "%s hashes by %s with input transformation %s, which "
			      "cannot be predicted", rss->ifname, rss_func_name(rss->func),
			      rss_xfrm_name(rss->xfrm));
	if (!rss->key_len)
		return sl_err(e, -EOPNOTSUPP, "the driver of %s does not tell its RSS key",
			      rss->ifname);
	if (fields != FIELDS_ADDRESSES && fields != (FIELDS_ADDRESSES | FIELDS_PORTS)) {
		rss_fields_format(rss, place.kind, names, sizeof(names));
		return sl_err(e, -EOPNOTSUPP, "%s hashes these fields of %s packets: %s; only "
			      "src,dst and src,dst,sport,dport can be predicted", rss->ifname,
			      rss_kind_name(place.kind), names);
	}
	/* No specification says what a NIC does with the rest of the hash. */
	if (!rss->slots || rss->slots & (rss->slots - 1))
		return sl_err(e, -EOPNOTSUPP, "the RSS table of %s has %u slots, no power of two",
			      rss->ifname, rss->slots);

	place.with_ports = fields & FIELDS_PORTS;
	r = toeplitz_flow(rss->key, rss->key_len, rss->xfrm, flow, place.with_ports, &place.hash);
	if (r)
		return sl_err(e, -EOPNOTSUPP, "the RSS key of %s is too short, %u bytes",
			      rss->ifname, rss->key_len);
	place.slot = place.hash & (rss->slots - 1);
	place.queue = rss->table[place.slot];
	*ret = place;
	return 0;
}
