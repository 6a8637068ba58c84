/* SPDX-License-Identifier: GPL-2.0 */
/* What test_swap.c and its programs share. */
#ifndef SLUICE_SELFTEST_SWAP_H
#define SLUICE_SELFTEST_SWAP_H

#include <linux/types.h>

#define SWAP_AT_ONCE	16	/* flows */
#define SWAP_PACKETS	64	/* of each */
#define SWAP_SLOTS	4096

struct swap_payload {
	__u32 flow;
	__u32 number;		/* of the packet in its flow, from 1 */
};

struct swap_flow {
	__u32 flow;
	__u32 number;		/* of the latest packet that arrived */
};

struct swap_state {
	__u64 packets;		/* made */
	__u64 in_order;		/* arrived next in their flow */
	__u64 out_of_order;	/* arrived otherwise: overtaken, lost or twice */
};

#endif
