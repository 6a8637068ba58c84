/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs a capture through the real XDP program by BPF_PROG_RUN: a private,
 * unpinned instance, targets on all online CPUs, buckets round-robin over them,
 * and every flow admitted to a table that holds the whole capture.
 */
#ifndef SLUICE_LIB_XDP_REPLAY_H
#define SLUICE_LIB_XDP_REPLAY_H

#include <stddef.h>
#include <stdint.h>
#include <linux/sluice.h>

#include "lib/err.h"

/* Frames even the multi-buffer test run does not take: a reason of its own, not the program's. */
#define XDP_REPLAY_OVERSIZE	SLUICE_PASS_MAX
#define XDP_REPLAY_REASONS	(SLUICE_PASS_MAX + 1)

struct xdp_replay_flow {
	struct sluice_flow_key key;
	uint64_t packets;
	uint64_t bytes;		/* on the wire, as the capture has them */
	uint16_t cpu;
};

struct xdp_replay {
	uint64_t packets;	/* in the capture: steered + the sum of passed */
	uint64_t steered;
	uint64_t passed[XDP_REPLAY_REASONS];
	struct xdp_replay_flow *flows;	/* in the order of their first packets */
	size_t n_flows;
};

extern const char *const xdp_replay_reason[XDP_REPLAY_REASONS];

/* inside: SLUICE_INSIDE_* of the tunnels to look into. */
int xdp_replay_run(const char *path, __u32 inside, struct xdp_replay *out, struct sl_err *e);
void xdp_replay_clear(struct xdp_replay *r);

#endif
