// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The floor of the benchmarks, see floor.bpf.h, and what an empty program costs to be run. */
#include "floor.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct bpf_cpumap_val);
} floor_map SEC(".maps");

SEC("xdp")
int bench_floor(struct xdp_md *ctx)
{
	return floor_redirect(ctx, &floor_map);
}

SEC("xdp")
int bench_empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
