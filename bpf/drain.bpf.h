/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How many packets, and how long, it takes until a packet has left a cpumap ring for the stack. */
#ifndef SLUICE_DRAIN_BPF_H
#define SLUICE_DRAIN_BPF_H

#include "maps.bpf.h"

#include <bpf/bpf_core_read.h>

/* In kernels whose cpumap does GRO (since 6.15) an entry has this member. */
struct bpf_cpu_map_entry___gro {
	struct {
	} gro;
} __attribute__((preserve_access_index));

static __always_inline int cpumap_does_gro(void)
{
	return bpf_core_field_exists(((struct bpf_cpu_map_entry___gro *)0)->gro);
}

/* So many packets after one, it has left for the stack: see the contract. */
static __always_inline __u32 settle_packets(void)
{
	return cpumap_does_gro() ? SLUICE_BATCH_PKTS + 2 * SLUICE_GRO_FLUSH_PKTS
				 : SLUICE_BATCH_PKTS;
}

static __always_inline __u32 gap_ticks(const struct sluice_steer_config *c)
{
	return c->gap_ticks ? c->gap_ticks : SLUICE_GAP_TICKS;
}

#endif
