/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the benchmark's BPF objects and its programs in user space share. */
#ifndef SLUICE_BENCH_H
#define SLUICE_BENCH_H

#include <linux/types.h>

#include <sluice/place.h>

#define BENCH_TUPLES	(1u << 20)	/* length of a sequence of flows */

/* What a packet's source becomes, network order. */
struct bench_tuple {
	__be32 saddr;
	__be16 sport;
	__u16 pad;
};

/* A state that a tree decides about; and which of them are taken by turns. */
#define BENCH_STATES	(1u << 15)
struct bench_features {
	__u32 feature[SLUICE_PLACE_F_NR];
};
struct bench_walk {
	__u32 position, first, mask;
	__u32 pad;
	__u64 chosen;		/* so that nothing is optimised away */
};

/* Written by user space before a run, and by the programs. */
struct bench_state {
	__u64 sent_ns;		/* when sampled packets are said to have been sent */
	__u32 position;		/* in the sequence of flows */
	__u32 packets;		/* that the twin of cpu_deliver has seen */
};

#endif
