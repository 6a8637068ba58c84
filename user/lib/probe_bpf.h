/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the probe's BPF programs and user space share. */
#ifndef SLUICE_LIB_PROBE_BPF_H
#define SLUICE_LIB_PROBE_BPF_H

#include <linux/types.h>

#define PROBE_META_BYTES	16	/* as much as steering puts in front of a packet */

/* One run: user space clears it, one CPU sends, one receives; each has its cache line. */
struct probe_run {
	__u64 sent;
	__u64 first_ns;		/* bpf_ktime_get_ns() at the first packet */
	__u32 cpu;		/* where to */
	__u32 pad;
	__u64 pad2[5];
	__u64 arrived;
	__u64 expected;
	__u64 last_ns;		/* when so many had arrived */
	__u64 meta;		/* packets with room for metadata */
	__u64 pad3[4];
};

#endif
