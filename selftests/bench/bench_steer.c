// SPDX-License-Identifier: GPL-2.0
/*
 * What the XDP program costs per packet, by BPF_PROG_RUN on a private
 * instance: nothing is attached or pinned. The rows are measured in
 * interleaved rounds, because the machine's speed drifts; compare ratios
 * within one run. The kernel reports whole nanoseconds, the mean of a round.
 */
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>

#include "../bpf/frames.h"
#include "lib/steer_priv.h"

#define ROUNDS	21
#define REPEAT	200000

static const struct sluice_flow_key udp4 = {
	.saddr = { 10, 0, 0, 1 }, .daddr = { 10, 0, 0, 2 },
	.sport = 0x1111, .dport = 0x2222, .proto = IPPROTO_UDP, .family = 4,
};
static const struct sluice_flow_key udp6 = {
	.saddr = { 0xfd, [15] = 1 }, .daddr = { 0xfd, [15] = 2 },
	.sport = 0x1111, .dport = 0x2222, .proto = IPPROTO_UDP, .family = 6,
};

/* Not plain to the parser, which looks again. */
static const struct sluice_flow_key esp4 = {
	.saddr = { 10, 0, 0, 1 }, .daddr = { 10, 0, 0, 2 },
	.sport = 0x1111, .dport = 0x2222, .proto = IPPROTO_ESP, .family = 4,
};

/* Each row has an instance of its own, so that its tables stay as it needs them. */
struct row {
	const char *name;
	const struct sluice_flow_key *key;
	unsigned int vlans;
	bool targets, flow, not_ip, fragment;
	struct steer *steer;
	struct frame frame;
	unsigned int ns[ROUNDS];
};

static struct row rows[] = {
	{ .name = "pass_not_ip", .key = &udp4, .not_ip = true },
	{ .name = "pass_empty_tables", .key = &udp4 },
	{ .name = "bucket4", .key = &udp4, .targets = true },
	{ .name = "bucket6", .key = &udp6, .targets = true },
	{ .name = "bucket4_vlan2", .key = &udp4, .targets = true, .vlans = 2 },
	{ .name = "bucket4_fragment", .key = &udp4, .targets = true, .fragment = true },
	{ .name = "bucket4_esp", .key = &esp4, .targets = true },
	{ .name = "flow4", .key = &udp4, .targets = true, .flow = true },
	{ .name = "flow6", .key = &udp6, .targets = true, .flow = true },
};
#define N_ROWS	(sizeof(rows) / sizeof(rows[0]))

static int prepare(struct row *r, struct sl_err *e)
{
	const __u16 cpu = 0;
	int ret;

	frame_make(&r->frame, r->key, r->vlans, 18);
	if (r->not_ip)
		r->frame.data[12] = 0x88, r->frame.data[13] = 0xcc;	/* LLDP */
	if (r->fragment)
		r->frame.data[ETH_HLEN + 6] = 0x20;	/* more fragments */
	r->steer = steer_alloc(NULL);
	if (!r->steer)
		return sl_err(e, -1, "out of memory");
	ret = steer_load_object(r->steer, 1024, true, e);
	if (ret == 0)
		ret = steer_open_maps(r->steer, e);
	if (ret == 0 && r->targets)
		ret = steer_write_targets(r->steer, &cpu, 1, 0, e);
	if (ret == 0 && r->flow)
		ret = steer_flow_set(r->steer, r->key, cpu, SLUICE_FLOW_OPERATOR, 1, e);
	return ret;
}

static int ascending(const void *a, const void *b)
{
	const unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	struct sl_err e = { "" };
	int status = 0;

	for (size_t i = 0; i < N_ROWS && !status; i++)
		if (prepare(&rows[i], &e) < 0) {
			fprintf(stderr, "bench_steer: %s: %s\n", rows[i].name, e.text);
			status = 1;
		}
	for (unsigned int n = 0; n < ROUNDS && !status; n++)
		for (size_t i = 0; i < N_ROWS && !status; i++) {
			LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = rows[i].frame.data,
				    .data_size_in = rows[i].frame.bytes, .repeat = REPEAT);

			status = !!bpf_prog_test_run_opts(rows[i].steer->prog[STEER_PROG_xdp_steer], &o);
			rows[i].ns[n] = o.duration;
		}
	for (size_t i = 0; i < N_ROWS && !status; i++) {
		struct row *r = &rows[i];

		qsort(r->ns, ROUNDS, sizeof(r->ns[0]), ascending);
		printf("steer/%s/median_ns %u  (min %u, max %u, %d rounds; ratio to %s %.2f)\n",
		       r->name, r->ns[ROUNDS / 2], r->ns[0], r->ns[ROUNDS - 1], ROUNDS, rows[0].name,
		       (double)r->ns[ROUNDS / 2] / rows[0].ns[ROUNDS / 2]);
	}
	for (size_t i = 0; i < N_ROWS; i++)
		steer_close(rows[i].steer);
	return status;
}
