// SPDX-License-Identifier: GPL-2.0
/*
 * Does the peer of a veth leave TX checksums to "hardware"? The peer may be in
 * another network namespace, of which the kernel tells only a number (an
 * nsid). To ask the peer, that namespace's file has to be found: among the
 * named ones and those of the processes, the one to which RTM_GETNSID gives
 * the same number.
 */
#include "lib/netdev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/net_namespace.h>
#include <linux/sockios.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NSID_NONE	(-1)

struct peer {
	int ifindex;
	int nsid;		/* NSID_NONE: in this namespace */
};

static int nsid_reply(struct nl_msg *msg, void *data)
{
	struct nlattr *a = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(struct rtgenmsg), NETNSA_NSID);

	if (a)
		*(int *)data = (int)nla_get_u32(a);
	return NL_OK;
}

/* The number by which this namespace knows the one of ns_fd, or NSID_NONE. */
static int nsid_of(struct nl_sock *sk, int ns_fd)
{
	struct rtgenmsg header = { .rtgen_family = AF_UNSPEC };
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETNSID, 0);
	int nsid = NSID_NONE;

	if (!msg)
		return NSID_NONE;
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, nsid_reply, &nsid);
	if (!nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO) &&
	    !nla_put_u32(msg, NETNSA_FD, ns_fd) && nl_send_auto(sk, msg) >= 0 &&
	    nl_recvmsgs_default(sk) >= 0)
		nl_wait_for_ack(sk);
	nlmsg_free(msg);
	return nsid;
}

/* The file of the namespace if it is nsid's, or -1. */
static int open_if_nsid(struct nl_sock *sk, const char *path, int nsid)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && nsid_of(sk, fd) != nsid) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Tries DIR/NAME SUFFIX for all names. */
static int search_netns(struct nl_sock *sk, const char *dir, const char *suffix, int nsid)
{
	struct dirent *entry;
	char path[512];
	int fd = -1;
	DIR *d = opendir(dir);

	while (d && fd < 0 && (entry = readdir(d))) {
		if (*suffix ? entry->d_name[0] < '0' || entry->d_name[0] > '9' :
			      entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s%s", dir, entry->d_name, suffix);
		fd = open_if_nsid(sk, path, nsid);
	}
	if (d)
		closedir(d);
	return fd;
}

/* A socket in the namespace of nsid. */
static int socket_in(struct nl_sock *sk, int nsid)
{
	int own, ns, sock = -1;

	if (nsid == NSID_NONE)
		return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ns = search_netns(sk, "/run/netns", "", nsid);
	if (ns < 0)
		ns = search_netns(sk, "/proc", "/ns/net", nsid);
	if (ns < 0)
		return -1;
	own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own >= 0 && !setns(ns, CLONE_NEWNET)) {
		sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (setns(own, CLONE_NEWNET) && sock >= 0) {
			close(sock);
			sock = -1;
		}
	}
	if (own >= 0)
		close(own);
	close(ns);
	return sock;
}

static int find_peer(struct nl_sock *sk, const struct netdev *dev, struct peer *peer)
{
	struct rtnl_link *link;
	int32_t nsid;

	if (rtnl_link_get_kernel(sk, dev->ifindex, NULL, &link) < 0)
		return -ENODEV;
	peer->ifindex = rtnl_link_get_link(link);
	peer->nsid = rtnl_link_get_link_netnsid(link, &nsid) < 0 ? NSID_NONE : nsid;
	rtnl_link_put(link);
	return peer->ifindex > 0 ? 0 : -ENODEV;
}

/* 1 offloads, 0 does not, negative: cannot be found out. Also the peer's name. */
static int peer_offloads(const struct netdev *dev, char name[IFNAMSIZ])
{
	struct ethtool_value tx = { .cmd = ETHTOOL_GTXCSUM };
	struct nl_sock *sk = nl_socket_alloc();
	struct ifreq ifr = { 0 };
	struct peer peer;
	int sock, r = -ENOTCONN;

	if (!sk)
		return -ENOMEM;
	if (nl_connect(sk, NETLINK_ROUTE) < 0 || find_peer(sk, dev, &peer))
		goto out;
	sock = socket_in(sk, peer.nsid);
	if (sock < 0)
		goto out;
	ifr.ifr_ifindex = peer.ifindex;
	if (!ioctl(sock, SIOCGIFNAME, &ifr)) {
		memcpy(name, ifr.ifr_name, IFNAMSIZ);
		ifr.ifr_data = (void *)&tx;
		if (!ioctl(sock, SIOCETHTOOL, &ifr))
			r = tx.data != 0;
	}
	close(sock);
out:
	nl_socket_free(sk);
	return r;
}

int netdev_check_redirect(const struct netdev *dev, struct sl_err *e)
{
	char peer[IFNAMSIZ] = "";
	int r;

	if (strcmp(dev->driver, "veth"))
		return 0;
	r = peer_offloads(dev, peer);
	if (!r)
		return 0;
	if (r < 0)
		return sl_err(e, -EOPNOTSUPP,
			      "cannot check whether the peer of veth %s offloads TX checksums; "
			      "turn that off there (\"ethtool -K PEER tx off\") and use --force",
			      dev->ifname);
	return sl_err(e, -EOPNOTSUPP,
		      "%s, the peer of veth %s, offloads TX checksums and a cpumap redirect would "
		      "lose them, so that receivers drop the packets; run \"ethtool -K %s tx off\" "
		      "in the peer's namespace, or use --force",
		      peer, dev->ifname, peer);
}
