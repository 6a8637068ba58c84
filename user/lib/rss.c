// SPDX-License-Identifier: GPL-2.0
/* Reading and writing an interface's RSS settings. */
#include "lib/rss.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/rss_priv.h"

/* input_xfrm is what older headers and kernels know as the first of the reserved bytes. */
#define XFRM_OF(rxfh) (((uint8_t *)(rxfh))[offsetof(struct ethtool_rxfh, hfunc) + 1])

static int ethtool_ioctl(const char *ifname, void *command)
{
	struct ifreq ifr = { 0 };
	int sock, r;

	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
	ifr.ifr_data = command;
	r = ioctl(sock, SIOCETHTOOL, &ifr) ? -errno : 0;
	close(sock);
	return r;
}

int (*rss_ethtool)(const char *ifname, void *command) = ethtool_ioctl;

static int read_error(const char *ifname, int r, struct sl_err *e)
{
	switch (r) {
	case -EOPNOTSUPP:
		return sl_err(e, r, "%s has no RSS indirection table", ifname);
	case -ENODEV:
		return sl_err(e, r, "there is no interface %s here; \"ip link\" lists them",
			      ifname);
	default:
		return sl_err(e, r, "cannot read the RSS table of %s: %s", ifname, strerror(-r));
	}
}

/* What drivers of before 3.16 have: the table alone. */
static int read_table_only(struct rss *rss)
{
	struct ethtool_rxfh_indir size = { .cmd = ETHTOOL_GRXFHINDIR }, *indir;
	int r;

	r = rss_ethtool(rss->ifname, &size);
	if (r)
		return r;
	if (!size.size)
		return -EOPNOTSUPP;
	if (size.size > RSS_MAX_SLOTS)
		return -EOVERFLOW;
	indir = calloc(1, sizeof(*indir) + size.size * sizeof(uint32_t));
	if (!indir)
		return -ENOMEM;
	indir->cmd = ETHTOOL_GRXFHINDIR;
	indir->size = size.size;
	r = rss_ethtool(rss->ifname, indir);
	if (!r) {
		rss->table_only = true;
		rss->slots = size.size;
		memcpy(rss->table, indir->ring_index, size.size * sizeof(uint32_t));
	}
	free(indir);
	return r;
}

static int read_rxfh(struct rss *rss)
{
	struct ethtool_rxfh size = { .cmd = ETHTOOL_GRSSH }, *rxfh;
	size_t table_bytes;
	int r;

	r = rss_ethtool(rss->ifname, &size);
	if (r)
		return r == -EOPNOTSUPP ? read_table_only(rss) : r;
	if (!size.indir_size)
		return -EOPNOTSUPP;
	if (size.indir_size > RSS_MAX_SLOTS || size.key_size > RSS_MAX_KEY)
		return -EOVERFLOW;
	table_bytes = size.indir_size * sizeof(uint32_t);
	rxfh = calloc(1, sizeof(*rxfh) + table_bytes + size.key_size);
	if (!rxfh)
		return -ENOMEM;
	rxfh->cmd = ETHTOOL_GRSSH;
	rxfh->indir_size = size.indir_size;
	rxfh->key_size = size.key_size;
	r = rss_ethtool(rss->ifname, rxfh);
	if (!r) {
		rss->slots = size.indir_size;
		rss->key_len = size.key_size;
		rss->func = rxfh->hfunc;
		rss->xfrm = XFRM_OF(rxfh);
		memcpy(rss->table, rxfh->rss_config, table_bytes);
		memcpy(rss->key, (uint8_t *)rxfh->rss_config + table_bytes, size.key_size);
	}
	free(rxfh);
	return r;
}

static void read_fields(struct rss *rss)
{
	static const uint32_t types[RSS_KIND_MAX] = {
#define X(name, type) type,
		RSS_KINDS(X)
#undef X
	};

	for (int i = 0; i < RSS_KIND_MAX; i++) {
		struct ethtool_rxnfc nfc = { .cmd = ETHTOOL_GRXFH, .flow_type = types[i] };

		rss->fields_known[i] = !rss_ethtool(rss->ifname, &nfc);
		rss->fields[i] = rss->fields_known[i] ? nfc.data : 0;
	}
}

static int read_queues(struct rss *rss)
{
	struct ethtool_rxnfc nfc = { .cmd = ETHTOOL_GRXRINGS };
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	int r;

	/* The kernel checks a table against the first, so channels are second choice. */
	r = rss_ethtool(rss->ifname, &nfc);
	if (!r) {
		rss->queues = nfc.data;
		return 0;
	}
	if (rss_ethtool(rss->ifname, &channels))
		return r;
	rss->queues = channels.rx_count + channels.combined_count;
	return 0;
}

/* Table, key and function only; *rss must be all zero but for its name. */
static int read_settings(struct rss *rss)
{
	int r = read_rxfh(rss);

	return r ? r : read_queues(rss);
}

static struct rss *alloc_named(const char *ifname)
{
	struct rss *rss = calloc(1, sizeof(*rss));

	if (rss)
		snprintf(rss->ifname, sizeof(rss->ifname), "%s", ifname);
	return rss;
}

int rss_read(const char *ifname, struct rss *ret, struct sl_err *e)
{
	struct rss *rss;
	int r;

	if (!*ifname || strlen(ifname) >= IFNAMSIZ)
		return sl_err(e, -ENODEV, "'%s' is not an interface name", ifname);
	rss = alloc_named(ifname);
	if (!rss)
		return sl_err(e, -ENOMEM, "out of memory");
	r = read_settings(rss);
	if (r) {
		r = read_error(ifname, r, e);
	} else {
		read_fields(rss);
		*ret = *rss;
	}
	free(rss);
	return r;
}

static int write_table_only(const struct rss *rss)
{
	const size_t bytes = rss->slots * sizeof(uint32_t);
	struct ethtool_rxfh_indir *indir = calloc(1, sizeof(*indir) + bytes);
	int r;

	if (!indir)
		return -ENOMEM;
	indir->cmd = ETHTOOL_SRXFHINDIR;
	indir->size = rss->slots;
	memcpy(indir->ring_index, rss->table, bytes);
	r = rss_ethtool(rss->ifname, indir);
	free(indir);
	return r;
}

static bool same_table(const struct rss *a, const struct rss *b)
{
	return !memcmp(a->table, b->table, a->slots * sizeof(uint32_t));
}

static bool same_key(const struct rss *a, const struct rss *b)
{
	return !memcmp(a->key, b->key, a->key_len);
}

static bool same_settings(const struct rss *a, const struct rss *b)
{
	return a->slots == b->slots && a->key_len == b->key_len && a->func == b->func &&
	       a->xfrm == b->xfrm && same_table(a, b) && same_key(a, b);
}

/* One call. Only what differs from "now" is named, since drivers refuse what they cannot set. */
static int write_settings(const struct rss *now, const struct rss *want)
{
	const bool table = !same_table(now, want), key = !same_key(now, want);
	const size_t table_bytes = table ? want->slots * sizeof(uint32_t) : 0;
	struct ethtool_rxfh *rxfh;
	int r;

	if (want->table_only)
		return write_table_only(want);
	rxfh = calloc(1, sizeof(*rxfh) + table_bytes + want->key_len);
	if (!rxfh)
		return -ENOMEM;
	rxfh->cmd = ETHTOOL_SRSSH;
	rxfh->indir_size = table ? want->slots : ETH_RXFH_INDIR_NO_CHANGE;
	rxfh->key_size = key ? want->key_len : 0;
	rxfh->hfunc = want->func != now->func ? want->func : 0;
	/*
	 * Where the kernel knows it, 0 would turn the transformation off, and "no change" is
	 * refused where it does not. What it said itself is right everywhere.
	 */
	XFRM_OF(rxfh) = want->xfrm;
	memcpy(rxfh->rss_config, want->table, table_bytes);
	if (key)
		memcpy((uint8_t *)rxfh->rss_config + table_bytes, want->key, want->key_len);
	r = rss_ethtool(want->ifname, rxfh);
	free(rxfh);
	return r;
}

static int check_wanted(const struct rss *now, const struct rss *want, struct sl_err *e)
{
	if (want->slots != now->slots || want->key_len != now->key_len ||
	    want->table_only != now->table_only || want->xfrm != now->xfrm)
		return sl_err(e, -ESTALE, "the RSS table of %s has become another one (%u slots); "
			      "read it again", want->ifname, now->slots);
	for (uint32_t i = 0; i < want->slots; i++)
		if (want->table[i] >= now->queues)
			return sl_err(e, -EINVAL, "slot %u of the RSS table of %s: there is no "
				      "queue %u, it has %u", i, want->ifname, want->table[i],
				      now->queues);
	if (want->table_only && want->func != now->func)
		return sl_err(e, -EOPNOTSUPP, "the driver of %s lets only the RSS table be set",
			      want->ifname);
	return 0;
}

/* After a write that failed or did something else: back to "before", if it is not that. */
static int put_back(const struct rss *before)
{
	struct rss *now = alloc_named(before->ifname);
	int r;

	if (!now)
		return -ENOMEM;
	r = read_settings(now);
	if (r || same_settings(before, now))
		goto out;
	r = -ESTALE;
	if (before->slots != now->slots || before->key_len != now->key_len)
		goto out;
	r = write_settings(now, before);
	if (r)
		goto out;
	memset(now, 0, sizeof(*now));
	strcpy(now->ifname, before->ifname);
	r = read_settings(now);
	if (!r && !same_settings(before, now))
		r = -EIO;
out:
	free(now);
	return r;
}

int rss_write(const struct rss *want, struct sl_err *e)
{
	struct rss *before = alloc_named(want->ifname), *after = alloc_named(want->ifname);
	const char *outcome;
	int r;

	if (!before || !after) {
		r = sl_err(e, -ENOMEM, "out of memory");
		goto out;
	}
	r = read_settings(before);
	if (r) {
		r = read_error(want->ifname, r, e);
		goto out;
	}
	r = check_wanted(before, want, e);
	if (r || same_settings(before, want))
		goto out;

	r = write_settings(before, want);
	if (!r) {
		r = read_settings(after);
		if (!r && same_settings(want, after))
			goto out;
		if (!r)
			r = -EIO;
	}
	outcome = put_back(before) ? "and what was there could not be restored" :
					    "what was there is in force";
	if (r == -EIO)
		r = sl_err(e, r, "%s accepted RSS settings and has others; %s", want->ifname,
			   outcome);
	else
		r = sl_err(e, r, "%s does not take the RSS settings: %s; %s", want->ifname,
			   strerror(-r), outcome);
out:
	free(before);
	free(after);
	return r;
}
