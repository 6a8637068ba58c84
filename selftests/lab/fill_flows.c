// SPDX-License-Identifier: GPL-2.0
/*
 * fill_flows DEV N: makes N entries in DEV's flow tables, as the XDP program makes them for flows
 * that it has sampled twice: they count, and are assigned to nobody. Their latest packet is now.
 * Half of them are of IPv6, which has a table of its own.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/steer.h"
#include "lib/steer_priv.h"

#define BATCH	4096u

static void make_key4(void *keys, uint32_t i, uint32_t number)
{
	((struct sluice_flow4_key *)keys)[i] = (struct sluice_flow4_key){
		.saddr = htonl(0x0a000000 + number), .daddr = htonl(0xc0000201),
		.sport = htons(5000), .dport = htons(443), .proto = IPPROTO_UDP, .family = 4,
	};
}

static void make_key6(void *keys, uint32_t i, uint32_t number)
{
	struct sluice_flow_key *key = &((struct sluice_flow_key *)keys)[i];

	*key = (struct sluice_flow_key){ .dport = htons(443), .proto = IPPROTO_UDP, .family = 6 };
	number = htonl(number);
	memcpy(&key->saddr, &number, sizeof(number));
}

static int fill(struct steer *s, unsigned int family, uint32_t n, uint32_t ticks)
{
	static struct sluice_flow_key keys[BATCH];	/* the larger one */
	static struct sluice_flow flows[BATCH];
	LIBBPF_OPTS(bpf_map_batch_opts, o);
	int r = 0;

	for (uint32_t done = 0, count; done < n && r == 0; done += count) {
		count = n - done < BATCH ? n - done : BATCH;
		for (uint32_t i = 0; i < count; i++) {
			(family == 6 ? make_key6 : make_key4)(keys, i, done + i);
			flows[i] = (struct sluice_flow){
				.ticks = ticks, .packets = 3, .bytes = 4500,
			};
		}
		r = bpf_map_update_batch(steer_flows_fd(s, family), keys, flows, &count, &o);
	}
	return r;
}

int main(int argc, char **argv)
{
	static struct steer_snapshot now;
	struct steer *s = NULL;
	struct sl_err e = { "" };
	uint32_t n, ticks;
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: fill_flows DEV N\n");
		return 2;
	}
	r = steer_adopt(argv[1], &s, &e);
	if (r == 0)
		r = steer_read(s, &now, &e);
	if (r == 0)
		r = steer_use_flows(s);
	n = (uint32_t)strtoul(argv[2], NULL, 10);
	ticks = (uint32_t)now.jiffies;
	if (r == 0)
		r = fill(s, 4, n - n / 2, ticks);
	if (r == 0)
		r = fill(s, 6, n / 2, ticks);
	if (r < 0)
		fprintf(stderr, "fill_flows: %s\n", *e.text ? e.text : strerror(-r));
	steer_close(s);
	return r < 0;
}
