/* SPDX-License-Identifier: GPL-2.0 */
/* What steering must know about an interface, its network namespace and the CPUs. */
#ifndef SLUICE_LIB_NETDEV_H
#define SLUICE_LIB_NETDEV_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct netdev {
	char ifname[IFNAMSIZ];
	int ifindex;
	unsigned int mtu_bytes;
	unsigned int rx_queues;	/* that it can have at most */
	char driver[32];	/* "" when it does not say */
};

/* -ENODEV when there is no such interface in this network namespace. */
int netdev_get(const char *ifname, struct netdev *ret, struct sl_err *e);

/*
 * Whether packets of dev survive a redirect to a cpumap. A veth hands over packets whose
 * checksum its peer left to be filled in; a redirect forgets that, and the receiver drops them.
 * 0 when all is well or dev is no veth; -EOPNOTSUPP with the reason when the peer offloads TX
 * checksums, or when that cannot be found out.
 */
int netdev_check_redirect(const struct netdev *dev, struct sl_err *e);

/* Whether this process is in the initial network namespace. */
bool netdev_initial_netns(void);
/* A number that names this network namespace and no other until the next boot. */
int netdev_netns_cookie(uint64_t *ret, struct sl_err *e);

/* "0-3,5" to a sorted list without repetition; all numbers must be below limit. */
int cpulist_parse(const char *text, unsigned int limit, uint16_t *cpus, size_t max, size_t *n,
		  struct sl_err *e);
/* The CPUs online now, those below limit. */
int cpulist_online(unsigned int limit, uint16_t *cpus, size_t max, size_t *n, struct sl_err *e);

#endif
