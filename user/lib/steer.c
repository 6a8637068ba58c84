// SPDX-License-Identifier: GPL-2.0
/*
 * The life of an attachment: load, adopt, unload.
 *
 * Attached is by netlink, not by a BPF link, so that the program outlives the
 * process and an operator's "ip link" sees and can remove it. Never is a
 * program replaced: XDP_FLAGS_UPDATE_IF_NOEXIST refuses that in the kernel, and
 * removal names the program that is expected there.
 */
#include "lib/steer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/steer_attach.h"
#include "lib/steer_pins.h"
#include "lib/steer_priv.h"

/* What there is before anything is done. */
struct site {
	struct netdev dev;
	char dir[STEER_DIR_SIZE];
	struct steer_attached at;
};

static int survey(const char *ifname, struct site *site, struct sl_err *e)
{
	int r;

	r = netdev_get(ifname, &site->dev, e);
	if (r)
		return r;
	r = steer_bpffs_check(e);
	if (r)
		return r;
	r = steer_pin_dir(ifname, site->dir, sizeof(site->dir), e);
	if (r)
		return r;
	return steer_attached(site->dev.ifindex, &site->at, e);
}

static int refuse_foreign(const struct site *site, struct sl_err *e)
{
	if (site->at.dispatcher_id)
		return sl_err(e, -EEXIST,
			      "%s has a libxdp dispatcher (id %u) without our program, which stays; "
			      "add ours to it with \"xdp-loader load -m %s %s xdp_steer.bpf.o -n "
			      "xdp_steer\", or empty it with \"xdp-loader unload\"",
			      site->dev.ifname, site->at.dispatcher_id,
			      site->at.generic ? "skb" : "native", site->dev.ifname);
	return sl_err(e, -EEXIST,
		      "%s has an XDP program that is not ours (id %u), which stays; remove it with "
		      "\"ip link set dev %s xdp off\" first",
		      site->dev.ifname, site->at.prog_id, site->dev.ifname);
}

static struct steer *new_at(const struct site *site, struct sl_err *e)
{
	struct steer *s = steer_alloc(&site->dev);

	if (!s) {
		sl_err(e, -ENOMEM, "out of memory");
		return NULL;
	}
	snprintf(s->dir, sizeof(s->dir), "%s", site->dir);
	return s;
}

/* --- adopt ---------------------------------------------------------------- */

/* Every descriptor from the pins; -ENOENT when they do not make a whole instance. */
static int open_pins(struct steer *s)
{
	for (int i = 0; i < STEER_MAP_MAX; i++) {
		s->map[i] = steer_open_pinned_map(s->dir, i);
		if (s->map[i] == -ENOENT && steer_map_is_of_trees(i))
			continue;
		if (s->map[i] < 0)
			return s->map[i];
	}
	steer_close_trees_unless_whole(s);
	for (int i = 0; i < STEER_PROG_MAX; i++)
		s->prog[i] = steer_open_pinned_prog(s->dir, i);
	s->frags = s->prog[STEER_PROG_xdp_steer_frags] >= 0;
	if (steer_xdp_fd(s) < 0 || steer_deliver_fd(s) < 0 || s->prog[STEER_PROG_steer_ctl] < 0)
		return -ENOENT;
	return steer_abi_of_map(s->map[STEER_MAP_abi]);
}

/* The descriptors of the program that is attached, and of the maps it uses. */
static int open_attached(struct steer *s, const struct steer_attached *at)
{
	enum steer_prog which = STEER_PROG_xdp_steer;
	int fd, r;

	fd = bpf_prog_get_fd_by_id(at->prog_id);
	if (fd < 0)
		return fd;
	r = steer_open_maps_of(fd, s->map);
	if (r) {
		close(fd);
		return r;
	}
	s->frags = s->map[STEER_MAP_cpus] < 0;
	if (s->frags)
		which = STEER_PROG_xdp_steer_frags;
	s->prog[which] = fd;
	return 0;
}

static int adopt_pinned(const struct site *site, struct steer **ret, struct sl_err *e)
{
	struct steer *s = new_at(site, e);
	int r;

	if (!s)
		return -ENOMEM;
	r = open_pins(s);
	if (r == -EPROTO)
		r = sl_err(e, r, "the pins in %s are of another version of sluice; run \"sluice "
			   "unload %s\"", site->dir, site->dev.ifname);
	else if (r == -ENOENT || r == -EMEDIUMTYPE)
		r = sl_err(e, -ENOENT, "the pins in %s are not complete; run \"sluice unload %s\"",
			   site->dir, site->dev.ifname);
	else if (r)
		r = sl_err(e, r, "cannot open the pins in %s: %s", site->dir, strerror(-r));
	else
		r = steer_open_maps(s, e);
	if (r)
		steer_close(s);
	else
		*ret = s;
	return r;
}

/* Drops the descriptors of the variant that is not in use. */
static void keep_variant(struct steer *s)
{
	enum steer_prog unused[2] = { STEER_PROG_xdp_steer_frags, STEER_PROG_cpu_deliver_frags };

	if (s->frags) {
		unused[0] = STEER_PROG_xdp_steer;
		unused[1] = STEER_PROG_cpu_deliver;
	}
	for (int i = 0; i < 2; i++) {
		if (s->prog[unused[i]] >= 0)
			close(s->prog[unused[i]]);
		s->prog[unused[i]] = -1;
	}
}

static int adopt_attached(const struct site *site, struct steer **ret, struct sl_err *e)
{
	struct steer *s = new_at(site, e);
	bool trees;
	int r;

	if (!s)
		return -ENOMEM;
	r = open_attached(s, &site->at);
	if (r) {
		r = sl_err(e, r, "cannot open the program on %s (id %u): %s", site->dev.ifname,
			   site->at.prog_id, strerror(-r));
		goto fail;
	}
	steer_close_trees_unless_whole(s);
	trees = s->map[STEER_MAP_trees] >= 0;
	r = steer_load_object(s, 0, false, e);
	if (r)
		goto fail;
	/* New ones, which the program that is attached does not know. */
	for (int i = STEER_MAP_trees; i <= STEER_MAP_loads && !trees; i++) {
		close(s->map[i]);
		s->map[i] = -1;
	}
	keep_variant(s);
	r = steer_open_maps(s, e);
	if (r)
		goto fail;
	/* Pins that are there are of an instance no longer in use, or damaged. */
	steer_unpin(s->dir);
	r = steer_pin(s, e);
	if (r)
		goto fail;
	*ret = s;
	return 0;
fail:
	steer_close(s);
	return r;
}

/* Whether the pins are of the instance that is attached. */
static bool pins_are_attached(const struct site *site)
{
	__u32 pinned = 0, attached = 0;
	int map[STEER_MAP_MAX], fd;

	fd = steer_open_pinned_map(site->dir, STEER_MAP_flows4);
	if (fd >= 0) {
		pinned = steer_map_id(fd);
		close(fd);
	}
	fd = bpf_prog_get_fd_by_id(site->at.prog_id);
	if (fd < 0)
		return false;
	if (!steer_open_maps_of(fd, map)) {
		attached = steer_map_id(map[STEER_MAP_flows4]);
		steer_close_maps(map);
	}
	close(fd);
	return pinned && pinned == attached;
}

int steer_adopt(const char *ifname, struct steer **ret, struct sl_err *e)
{
	struct site site;
	int r;

	r = survey(ifname, &site, e);
	if (r)
		return r;
	switch (site.at.whose) {
	case STEER_NOBODYS:
		if (!steer_pinned(site.dir))
			return sl_err(e, -ENOENT, "%s has no steering program; run \"sluice load "
				      "%s\"", ifname, ifname);
		return adopt_pinned(&site, ret, e);
	case STEER_FOREIGN:
		return refuse_foreign(&site, e);
	case STEER_OTHER_ABI:
		return sl_err(e, -EPROTO, "the program on %s is of another version of sluice; run "
			      "\"sluice unload %s\" and load it again", ifname, ifname);
	case STEER_OURS:
		break;
	}
	if (pins_are_attached(&site)) {
		r = adopt_pinned(&site, ret, e);
		if (r != -ENOENT)
			return r;
	}
	return adopt_attached(&site, ret, e);
}

/* --- load ----------------------------------------------------------------- */

/*
 * Which variant an instance that is not attached should have: where a frame does not fit a
 * page beside headroom and skb_shared_info (about 320 bytes), drivers ask for xdp.frags.
 */
static bool wants_frags(const struct netdev *dev)
{
	const long room = sysconf(_SC_PAGESIZE) - 256 - 320 - 22;

	return dev->mtu_bytes > room;
}

static int load_new(const struct site *site, const struct steer_options *o, struct steer **ret,
		    struct sl_err *e)
{
	struct steer *s = new_at(site, e);
	bool attached = false;
	int r;

	if (!s)
		return -ENOMEM;
	r = steer_load_object(s, o->max_flows, true, e);
	if (r)
		goto fail;
	if (o->no_attach) {
		s->frags = wants_frags(&s->dev);
	} else {
		/* Its tables are empty yet, so it passes everything. */
		r = steer_attach(s, o->mode, e);
		if (r)
			goto fail;
		attached = true;
	}
	keep_variant(s);
	r = steer_open_maps(s, e);
	if (!r && o->n_cpus)
		r = steer_write_targets(s, o->cpus, o->n_cpus, o->qsize, e);
	if (!r)
		r = steer_pin(s, e);
	if (r)
		goto fail;
	*ret = s;
	return 0;
fail:
	if (attached)
		steer_detach(s->dev.ifindex, steer_xdp_fd(s));
	steer_close(s);
	return r;
}

/* An extension is bound to libxdp's dispatcher for good: no interface takes it by itself. */
static bool is_extension(int prog_fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(prog_fd, &info, &len) && info.type == BPF_PROG_TYPE_EXT;
}

/* Pinned but not attached: by --no-attach, or before the interface was made anew. */
static int load_pinned(const struct site *site, const struct steer_options *o, struct steer **ret,
		       struct sl_err *e)
{
	struct steer *s;
	int r;

	if (o->no_attach)
		return sl_err(e, -EALREADY, "%s is loaded already, pinned in %s",
			      site->dev.ifname, site->dir);
	r = adopt_pinned(site, &s, e);
	if (r)
		return r;
	if (is_extension(steer_xdp_fd(s)))
		r = sl_err(e, -EINVAL, "the pins in %s are of a program that a libxdp dispatcher "
			   "called; run \"sluice unload %s\" and load again", site->dir,
			   site->dev.ifname);
	else
		r = steer_attach(s, o->mode, e);
	if (!r && o->n_cpus) {
		r = steer_write_targets(s, o->cpus, o->n_cpus, o->qsize, e);
		if (r)
			steer_detach(s->dev.ifindex, steer_xdp_fd(s));
	}
	if (r)
		steer_close(s);
	else
		*ret = s;
	return r;
}

int steer_load(const char *ifname, const struct steer_options *o, struct steer **ret,
	       struct sl_err *e)
{
	struct site site;
	int r;

	r = survey(ifname, &site, e);
	if (r)
		return r;
	if (site.at.whose == STEER_FOREIGN)
		return refuse_foreign(&site, e);
	if (site.at.whose != STEER_NOBODYS && site.at.dispatcher_id)
		return sl_err(e, -EALREADY, "%s has our steering program already, in a libxdp "
			      "dispatcher; \"xdp-loader unload %s --id %u\" removes it", ifname,
			      ifname, site.at.prog_id);
	if (site.at.whose != STEER_NOBODYS)
		return sl_err(e, -EALREADY, "%s has our steering program already; \"sluice unload "
			      "%s\" removes it", ifname, ifname);
	if (o->n_cpus && !o->force) {
		r = netdev_check_redirect(&site.dev, e);
		if (r)
			return r;
	}
	if (steer_pinned(site.dir))
		return load_pinned(&site, o, ret, e);
	return load_new(&site, o, ret, e);
}

/* --- unload --------------------------------------------------------------- */

int steer_unload(const char *ifname, struct sl_err *e)
{
	struct site site;
	bool pinned;
	int fd, r;

	r = survey(ifname, &site, e);
	if (r)
		return r;
	pinned = steer_pinned(site.dir);
	if (site.at.whose == STEER_FOREIGN && !pinned)
		return refuse_foreign(&site, e);
	if (site.at.whose == STEER_NOBODYS && !pinned)
		return sl_err(e, -ENOENT, "%s has no steering program", ifname);
	if (site.at.whose != STEER_FOREIGN && site.at.dispatcher_id)
		return sl_err(e, -EBUSY,
			      "our program (id %u) is called by the libxdp dispatcher on %s, which "
			      "may call others; run \"xdp-loader unload %s --id %u\", then "
			      "\"sluice unload %s\" for the pins",
			      site.at.prog_id, ifname, ifname, site.at.prog_id, ifname);
	if (site.at.whose == STEER_OURS || site.at.whose == STEER_OTHER_ABI) {
		fd = bpf_prog_get_fd_by_id(site.at.prog_id);
		r = fd < 0 ? fd : steer_detach(site.dev.ifindex, fd);
		if (fd >= 0)
			close(fd);
		if (r)
			return sl_err(e, r, "cannot detach our program from %s: %s", ifname,
				      strerror(-r));
	}
	steer_unpin(site.dir);
	return 0;
}
