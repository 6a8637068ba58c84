// SPDX-License-Identifier: GPL-2.0
/* The flow table and its events; flow keys as text. */
#include "lib/steer.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/steer_priv.h"

static int fail_flow(struct sl_err *e, int r, const struct steer *s,
		     const struct sluice_flow_key *key, const char *why)
{
	char text[128];

	steer_flow_format(key, text, sizeof(text));
	return sl_err(e, r, "flow %s on %s: %s", text, s->dev.ifname, why);
}

int steer_flow_set(struct steer *s, const struct sluice_flow_key *key, __u16 cpu, __u16 flags,
		   __u32 generation, struct sl_err *e)
{
	struct sluice_ctl ctl = {
		.op = SLUICE_CTL_FLOW_CPU, .key = *key, .cpu = cpu, .flags = flags,
		.generation = generation,
	};
	struct sluice_flow fresh = { .cpu = cpu, .flags = flags, .generation = generation };
	struct bpf_cpumap_val entry;
	__u32 target = cpu;
	int r;

	if (bpf_map_lookup_elem(steer_cpumap_fd(s), &target, &entry)) {
		char why[80];

		snprintf(why, sizeof(why), "CPU %u is not a target; \"sluice cpu show %s\" lists "
			 "them", cpu, s->dev.ifname);
		return fail_flow(e, -EINVAL, s, key, why);
	}
	/* Again when somebody else made the entry in between. */
	do {
		r = steer_ctl_run(s, &ctl);
		if (r == -ENOENT)
			r = bpf_map_update_elem(s->map[STEER_MAP_flows], key, &fresh, BPF_NOEXIST);
	} while (r == -EEXIST);
	if (r == -E2BIG)
		return fail_flow(e, -ENOSPC, s, key, "the flow table is full");
	return r ? fail_flow(e, r, s, key, strerror(-r)) : 0;
}

int steer_flow_delete(struct steer *s, const struct sluice_flow_key *key, struct sl_err *e)
{
	int r = bpf_map_delete_elem(s->map[STEER_MAP_flows], key);

	if (r == -ENOENT)
		return fail_flow(e, r, s, key, "there is no such entry");
	return r ? fail_flow(e, r, s, key, strerror(-r)) : 0;
}

/* One pass over the table in batches; -ENOSPC when they were too small for a hash chain. */
static int list_batches(int fd, __u32 batch, struct steer_flow **out, size_t *n)
{
	struct sluice_flow_key *keys = calloc(batch, sizeof(*keys));
	struct sluice_flow *values = calloc(batch, sizeof(*values));
	struct steer_flow *list = NULL, *more;
	__u32 position, count;
	size_t total = 0;
	bool first = true;
	int r = keys && values ? 0 : -ENOMEM;

	while (!r) {
		count = batch;
		r = bpf_map_lookup_batch(fd, first ? NULL : &position, &position, keys, values,
					 &count, NULL);
		if (r && r != -ENOENT)
			break;
		first = false;
		more = realloc(list, (total + count + 1) * sizeof(*list));
		if (!more) {
			r = -ENOMEM;
			break;
		}
		list = more;
		for (__u32 i = 0; i < count; i++, total++) {
			list[total].key = keys[i];
			list[total].flow = values[i];
		}
	}
	free(keys);
	free(values);
	if (r != -ENOENT) {	/* which says: that was the end */
		free(list);
		return r;
	}
	*out = list;
	*n = total;
	return 0;
}

int steer_flow_list(struct steer *s, struct steer_flow **flows, size_t *n, struct sl_err *e)
{
	int r = -ENOSPC;

	for (__u32 batch = 4096; r == -ENOSPC && batch <= 1 << 20; batch *= 4)
		r = list_batches(s->map[STEER_MAP_flows], batch, flows, n);
	if (r)
		return sl_err(e, r, "cannot read the flow table of %s: %s", s->dev.ifname,
			      strerror(-r));
	return 0;
}

/* --- events --------------------------------------------------------------- */

static int on_event(void *ctx, void *data, size_t size)
{
	struct steer *s = ctx;

	if (s->each_event && size >= sizeof(struct sluice_flow_event))
		s->each_event(data, s->event_data);
	return 0;
}

static int ring_open(struct steer *s)
{
	if (!s->ring)
		s->ring = ring_buffer__new(s->map[STEER_MAP_events], on_event, s, NULL);
	return s->ring ? 0 : -errno;
}

int steer_event_fd(struct steer *s)
{
	int r = ring_open(s);

	return r ? r : ring_buffer__epoll_fd(s->ring);
}

int steer_event_drain(struct steer *s, void (*each)(const struct sluice_flow_event *, void *),
		      void *data)
{
	int r = ring_open(s);

	if (r)
		return r;
	s->each_event = each;
	s->event_data = data;
	r = ring_buffer__consume(s->ring);
	s->each_event = NULL;
	return r;
}

/* --- text ----------------------------------------------------------------- */

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
