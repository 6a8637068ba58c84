// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What "sluice probe" runs. For the price of a cpumap hop: a program that drops, one that
 * redirects, and one that drops on the other side; BPF_PROG_RUN feeds them, so no interface is
 * touched. For --try: one that lets everything pass and sees whether there is room for metadata.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "lib/probe_bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct probe_run);
} run SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 1);	/* user space sets it */
	__type(key, __u32);
	__type(value, struct bpf_cpumap_val);
} probe_cpus SEC(".maps");

static __always_inline struct probe_run *the_run(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&run, &zero);
}

SEC("xdp")
int probe_drop(struct xdp_md *ctx)
{
	struct probe_run *r = the_run();

	if (r && !r->sent++)
		r->first_ns = bpf_ktime_get_ns();
	return XDP_DROP;
}

SEC("xdp")
int probe_hop(struct xdp_md *ctx)
{
	struct probe_run *r = the_run();

	if (!r)
		return XDP_DROP;
	if (!r->sent++)
		r->first_ns = bpf_ktime_get_ns();
	return bpf_redirect_map(&probe_cpus, r->cpu, XDP_DROP);
}

SEC("xdp/cpumap")
int probe_arrive(struct xdp_md *ctx)
{
	struct probe_run *r = the_run();

	if (r && ++r->arrived >= r->expected)
		r->last_ns = bpf_ktime_get_ns();
	return XDP_DROP;
}

/* With --try: real packets, which must arrive unharmed. */
static __always_inline int look(struct xdp_md *ctx)
{
	struct probe_run *r = the_run();

	if (!r)
		return XDP_PASS;
	__sync_fetch_and_add(&r->arrived, 1);
	if (bpf_xdp_adjust_meta(ctx, -PROBE_META_BYTES))
		return XDP_PASS;
	__sync_fetch_and_add(&r->meta, 1);
	bpf_xdp_adjust_meta(ctx, PROBE_META_BYTES);
	return XDP_PASS;
}

SEC("xdp")
int probe_pass(struct xdp_md *ctx)
{
	return look(ctx);
}

SEC("xdp.frags")
int probe_pass_frags(struct xdp_md *ctx)
{
	return look(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
