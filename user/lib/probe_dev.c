// SPDX-License-Identifier: GPL-2.0
#include "lib/probe_dev.h"

#include <bpf/btf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sysfs.h"

/* Of linux/netdev.h, which the headers of Linux 6.1 do not have. */
#define NETDEV_CMD_DEV_GET		1
#define NETDEV_A_DEV_IFINDEX		1
#define NETDEV_A_DEV_XDP_FEATURES	3
#define NETDEV_XDP_ACT_BASIC		(1u << 0)
#define NETDEV_XDP_ACT_REDIRECT		(1u << 1)
#define NETDEV_XDP_ACT_RX_SG		(1u << 5)

/* Drivers with native XDP and redirect in Linux 6.1, and whether they take xdp.frags there. */
static const struct {
	const char *name;
	bool frags;
} native_drivers[] = {
	{ "veth", true }, { "virtio_net", false }, { "tun", false }, { "mlx5_core", true },
	{ "mlx4_en", false }, { "i40e", false }, { "ice", false }, { "ixgbe", false },
	{ "igb", false }, { "igc", false }, { "bnxt_en", true }, { "ena", false },
	{ "nfp", false }, { "qede", false }, { "sfc", false }, { "mvneta", true },
	{ "mvpp2", false }, { "st_gmac", false }, { "hv_netvsc", false }, { "enetc", false },
	{ "dpaa2-eth", false }, { "nicvf", false }, { "netsec", false }, { "vif", false },
};

/* --- the netdev family of generic netlink ------------------------------------ */

struct request {
	struct nl_sock *sk;
	int attr;		/* wanted of the reply */
	uint64_t value;
	bool found;
};

static int take_attr(struct nl_msg *msg, void *data)
{
	struct nlattr *a = nlmsg_find_attr(nlmsg_hdr(msg), GENL_HDRLEN,
					   ((struct request *)data)->attr);
	struct request *rq = data;

	if (a && nla_len(a) >= 2) {
		rq->value = 0;
		memcpy(&rq->value, nla_data(a), nla_len(a) < 8 ? nla_len(a) : 8);
		rq->found = true;
	}
	return NL_OK;
}

/* Sends msg and keeps one little-endian or host-order integer of the answer. */
static bool ask(struct request *rq, struct nl_msg *msg)
{
	rq->found = false;
	nl_socket_modify_cb(rq->sk, NL_CB_VALID, NL_CB_CUSTOM, take_attr, rq);
	return nl_send_auto(rq->sk, msg) >= 0 && nl_recvmsgs_default(rq->sk) >= 0 &&
	       nl_wait_for_ack(rq->sk) >= 0 && rq->found;
}

static struct nl_msg *genl_request(uint16_t family, uint8_t cmd)
{
	struct genlmsghdr header = { .cmd = cmd, .version = 1 };
	struct nl_msg *msg = nlmsg_alloc_simple(family, 0);

	if (msg && nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

/* 0 when the kernel has no such list, or not for this interface. */
static bool read_features(int ifindex, uint64_t *features)
{
	struct request rq = { .sk = nl_socket_alloc() };
	struct nl_msg *msg = NULL;
	bool ok = false;

	if (!rq.sk || nl_connect(rq.sk, NETLINK_GENERIC) < 0)
		goto out;
	rq.attr = CTRL_ATTR_FAMILY_ID;
	msg = genl_request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	if (!msg || nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, "netdev") || !ask(&rq, msg))
		goto out;
	nlmsg_free(msg);
	rq.attr = NETDEV_A_DEV_XDP_FEATURES;
	msg = genl_request((uint16_t)rq.value, NETDEV_CMD_DEV_GET);
	ok = msg && !nla_put_u32(msg, NETDEV_A_DEV_IFINDEX, ifindex) && ask(&rq, msg);
	if (ok)
		*features = rq.value;
out:
	if (msg)
		nlmsg_free(msg);
	nl_socket_free(rq.sk);
	return ok;
}

/* --- ethtool ----------------------------------------------------------------- */

static bool ethtool(int sock, const struct netdev *dev, void *cmd)
{
	struct ifreq ifr = { .ifr_data = cmd };

	strcpy(ifr.ifr_name, dev->ifname);
	return !ioctl(sock, SIOCETHTOOL, &ifr);
}

static void read_ethtool(const struct netdev *dev, struct probe_dev *d)
{
	struct ethtool_rxfh_indir rss = { .cmd = ETHTOOL_GRXFHINDIR };
	struct ethtool_channels ch = { .cmd = ETHTOOL_GCHANNELS };
	struct ethtool_value gro = { .cmd = ETHTOOL_GGRO }, flags = { .cmd = ETHTOOL_GFLAGS };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return;
	if (ethtool(sock, dev, &rss))
		d->rss_entries = rss.size;
	else if (errno == EOPNOTSUPP)
		d->rss_entries = 0;
	if (ethtool(sock, dev, &ch)) {
		d->channels = ch.rx_count + ch.combined_count;
		d->channels_max = ch.max_rx + ch.max_combined;
	}
	if (ethtool(sock, dev, &gro))
		d->gro = gro.data ? PROBE_YES : PROBE_NO;
	if (ethtool(sock, dev, &flags))
		d->lro = flags.data & ETH_FLAG_LRO ? PROBE_YES : PROBE_NO;
	close(sock);
}

int probe_dev_read(const struct netdev *dev, struct probe_dev *out, struct sl_err *e)
{
	struct probe_dev d = { .native = PROBE_UNKNOWN, .frags = PROBE_UNKNOWN,
			       .rss_entries = -1, .gro = PROBE_UNKNOWN, .lro = PROBE_UNKNOWN };
	const uint64_t steering = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT;

	(void)e;
	read_ethtool(dev, &d);
	if (read_features(dev->ifindex, &d.xdp_features)) {
		d.native = (d.xdp_features & steering) == steering ? PROBE_YES : PROBE_NO;
		d.frags = d.xdp_features & NETDEV_XDP_ACT_RX_SG ? PROBE_YES : PROBE_NO;
	} else {
		for (size_t i = 0; i < sizeof(native_drivers) / sizeof(*native_drivers); i++) {
			if (strcmp(dev->driver, native_drivers[i].name))
				continue;
			d.native = PROBE_YES;
			d.frags = native_drivers[i].frags ? PROBE_YES : PROBE_UNKNOWN;
			d.by_name = true;
		}
	}
	*out = d;
	return 0;
}

int probe_check_sysfs(const struct netdev *dev, struct sl_err *e)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };
	char path[96], text[64], mac[20] = "";
	uint32_t ifindex = 0;
	bool same;

	strcpy(ifr.ifr_name, dev->ifname);
	if (sock >= 0 && !ioctl(sock, SIOCGIFHWADDR, &ifr)) {
		const unsigned char *b = (unsigned char *)ifr.ifr_hwaddr.sa_data;

		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3],
			 b[4], b[5]);
	}
	if (sock >= 0)
		close(sock);
	snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", dev->ifname);
	same = !sysfs_read_u32(path, &ifindex) && (int)ifindex == dev->ifindex;
	snprintf(path, sizeof(path), "/sys/class/net/%s/address", dev->ifname);
	/* An address of another length, as of a tunnel, is not compared. */
	if (same && sysfs_read(path, text, sizeof(text)) == 17 && strcmp(text, mac))
		same = false;
	if (!same)
		return sl_err(e, -ESTALE, "/sys shows another network namespace than the one %s is "
			      "in; use \"ip netns exec\", which mounts the right one", dev->ifname);
	return 0;
}

enum probe_answer probe_cpumap_gro(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	enum probe_answer answer = PROBE_UNKNOWN;
	const struct btf_member *m;
	const struct btf_type *t;
	int id;

	if (!btf)
		return PROBE_UNKNOWN;
	id = btf__find_by_name_kind(btf, "bpf_cpu_map_entry", BTF_KIND_STRUCT);
	t = id > 0 ? btf__type_by_id(btf, id) : NULL;
	if (t) {
		answer = PROBE_NO;
		m = btf_members(t);
		for (int i = 0; i < btf_vlen(t); i++)
			if (!strcmp(btf__name_by_offset(btf, m[i].name_off), "gro"))
				answer = PROBE_YES;
	}
	btf__free(btf);
	return answer;
}

/* A page less XDP's headroom, skb_shared_info (about 320 bytes), Ethernet header and two tags. */
unsigned int probe_plain_mtu(void)
{
	return sysconf(_SC_PAGESIZE) - 256 - 320 - 22;
}
