/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel and a driver say they can do for steering. */
#ifndef SLUICE_LIB_PROBE_DEV_H
#define SLUICE_LIB_PROBE_DEV_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/netdev.h"

enum probe_answer { PROBE_UNKNOWN = -1, PROBE_NO, PROBE_YES };

struct probe_dev {
	/* By the kernel's own list (netdev family, Linux 6.3), else by the driver's name. */
	enum probe_answer native, frags;
	bool by_name;			/* native was inferred from the driver's name */
	uint64_t xdp_features;		/* NETDEV_XDP_ACT_*; 0 when the kernel has no list */
	int rss_entries;		/* of the indirection table; 0 none, -1 does not say */
	int channels, channels_max;	/* RX, dedicated and combined; 0: does not say */
	enum probe_answer gro, lro;
};

int probe_dev_read(const struct netdev *dev, struct probe_dev *out, struct sl_err *e);

/*
 * 0 when /sys shows this network namespace's interface of that name, and not another one's:
 * "nsenter --net" leaves the old /sys in place. -ESTALE with the reason otherwise.
 */
int probe_check_sysfs(const struct netdev *dev, struct sl_err *e);

/* Whether packets that a cpumap delivers are merged by GRO: seen in the kernel's BTF. */
enum probe_answer probe_cpumap_gro(void);

/* The frame sizes an XDP program without frags takes, as MTU; larger ones need xdp.frags. */
unsigned int probe_plain_mtu(void);

struct probe_try {
	bool native, generic;		/* attaching worked */
	bool frags;			/* only as xdp.frags */
	int native_errno;
	uint32_t carrier_changes;	/* while attaching and detaching: the link went down */
	uint64_t packets;		/* seen meanwhile; 0: metadata unknown */
	uint64_t meta;			/* of them with room for metadata */
};

/*
 * Attaches a program that lets everything pass, natively, else generically, watches for at most
 * watch_ms, and takes it off again; it goes with this process in any case (a BPF link). -EBUSY
 * when the interface has a program: that stays. Some drivers reset the link.
 */
int probe_try_xdp(const struct netdev *dev, unsigned int watch_ms, struct probe_try *out,
		  struct sl_err *e);

#endif
