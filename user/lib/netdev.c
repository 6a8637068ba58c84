// SPDX-License-Identifier: GPL-2.0
/* Interfaces by ioctl; CPU lists; which network namespace this is. */
#include "lib/netdev.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sysfs.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* 1 if the kernel does not say. */
static unsigned int rx_queues(int ifindex)
{
	struct nl_sock *sk = nl_socket_alloc();
	struct rtnl_link *link;
	uint32_t n = 0;

	if (sk && !nl_connect(sk, NETLINK_ROUTE) &&
	    !rtnl_link_get_kernel(sk, ifindex, NULL, &link)) {
		n = rtnl_link_get_num_rx_queues(link);
		rtnl_link_put(link);
	}
	nl_socket_free(sk);
	return n ? n : 1;
}

int netdev_get(const char *ifname, struct netdev *ret, struct sl_err *e)
{
	struct ethtool_drvinfo drv = { .cmd = ETHTOOL_GDRVINFO };
	struct netdev dev = { 0 };
	struct ifreq ifr = { 0 };
	int sock, r = 0;

	if (!*ifname || strlen(ifname) >= IFNAMSIZ)
		return sl_err(e, -ENODEV, "'%s' is not an interface name", ifname);
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return sl_err(e, -errno, "cannot open a socket: %s", strerror(errno));

	strcpy(dev.ifname, ifname);
	strcpy(ifr.ifr_name, ifname);
	if (ioctl(sock, SIOCGIFINDEX, &ifr)) {
		r = sl_err(e, -ENODEV, "there is no interface %s here; \"ip link\" lists them",
			   ifname);
		goto out;
	}
	dev.ifindex = ifr.ifr_ifindex;
	if (ioctl(sock, SIOCGIFMTU, &ifr)) {
		r = sl_err(e, -errno, "cannot read the MTU of %s: %s", ifname, strerror(errno));
		goto out;
	}
	dev.mtu_bytes = ifr.ifr_mtu;
	dev.rx_queues = rx_queues(dev.ifindex);
	ifr.ifr_data = (void *)&drv;
	if (!ioctl(sock, SIOCETHTOOL, &ifr))
		memcpy(dev.driver, drv.driver, sizeof(dev.driver) - 1);
	*ret = dev;
out:
	close(sock);
	return r;
}

/*
 * The kernel has no call for it. But the table that holds netdev_budget is
 * registered for the initial namespace alone, and /proc/sys/net shows the
 * caller's own; that has been so since namespaces exist. (Its cookie is 1 only
 * on some releases, and its inode number is fixed only on recent ones.)
 */
bool netdev_initial_netns(void)
{
	return access("/proc/sys/net/core/netdev_budget", F_OK) == 0;
}

int netdev_netns_cookie(uint64_t *ret, struct sl_err *e)
{
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie;
	socklen_t len = sizeof(cookie);
	int r = 0;

	if (sock < 0 || getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
		r = sl_err(e, -errno, "cannot identify this network namespace: %s",
			   strerror(errno));
	else
		*ret = cookie;
	if (sock >= 0)
		close(sock);
	return r;
}

/* One "A" or "A-B" at *p, which moves behind it. */
static bool parse_range(const char **p, unsigned int limit, unsigned long *first,
			unsigned long *last)
{
	char *end;

	if (**p < '0' || **p > '9')
		return false;
	*first = *last = strtoul(*p, &end, 10);
	if (*end == '-') {
		if (end[1] < '0' || end[1] > '9')
			return false;
		*last = strtoul(end + 1, &end, 10);
	}
	*p = end;
	return *first <= *last && *last < limit;
}

int cpulist_parse(const char *text, unsigned int limit, uint16_t *cpus, size_t max, size_t *n,
		  struct sl_err *e)
{
	const char *p = text;
	unsigned long first, last;
	bool *set = calloc(limit, sizeof(*set));
	size_t count = 0;

	if (!set)
		return sl_err(e, -ENOMEM, "out of memory");
	do {
		if (!parse_range(&p, limit, &first, &last) || (*p && *p != ',')) {
			free(set);
			return sl_err(e, -EINVAL,
				      "'%s' is not a list of CPUs below %u, such as 0-3,5",
				      text, limit);
		}
		for (unsigned long cpu = first; cpu <= last; cpu++)
			set[cpu] = true;
	} while (*p++ == ',');

	for (unsigned int cpu = 0; cpu < limit && count < max; cpu++)
		if (set[cpu])
			cpus[count++] = cpu;
	free(set);
	*n = count;
	return 0;
}

int cpulist_online(unsigned int limit, uint16_t *cpus, size_t max, size_t *n, struct sl_err *e)
{
	static const char path[] = "/sys/devices/system/cpu/online";
	const unsigned int kernel_limit = 8192;	/* the largest NR_CPUS */
	uint16_t *all = calloc(kernel_limit, sizeof(*all));
	size_t total, count = 0;
	char text[4096];
	int r;

	if (!all)
		return sl_err(e, -ENOMEM, "out of memory");
	r = sysfs_read(path, text, sizeof(text));
	if (r < 0) {
		r = sl_err(e, r, "cannot read %s: %s", path, strerror(-r));
		goto out;
	}
	r = cpulist_parse(text, kernel_limit, all, kernel_limit, &total, e);
	if (r)
		goto out;
	for (size_t i = 0; i < total && count < max; i++)
		if (all[i] < limit)
			cpus[count++] = all[i];
	*n = count;
out:
	free(all);
	return r;
}
