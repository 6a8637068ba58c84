// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Somebody else's XDP program: it lets everything pass. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int other_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
