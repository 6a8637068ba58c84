// SPDX-License-Identifier: GPL-2.0
/* Programs on interfaces: whose they are, attaching ours, removing ours. */
#include "lib/steer_attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#define STEER_DISPATCHER_NAME	"xdp_dispatcher"	/* what libxdp calls it */
#define MAX_PROG_MAPS	64	/* MAX_USED_MAPS of the kernel */

__u32 steer_map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) ? info.id : 0;
}

int steer_abi_of_map(int fd)
{
	struct sluice_abi abi = { 0 };
	__u32 zero = 0;

	if (bpf_map_lookup_elem(fd, &zero, &abi) || abi.magic != SLUICE_ABI_MAGIC)
		return -EMEDIUMTYPE;
	return abi.version == SLUICE_ABI_VERSION ? 0 : -EPROTO;
}

void steer_close_maps(int map[STEER_MAP_MAX])
{
	for (int i = 0; i < STEER_MAP_MAX; i++) {
		if (map[i] >= 0)
			close(map[i]);
		map[i] = -1;
	}
}

static bool is_abi_map(const struct bpf_map_info *info)
{
	return info->type == BPF_MAP_TYPE_ARRAY && info->max_entries == 1 &&
	       info->value_size == sizeof(struct sluice_abi);
}

static int file_map(int fd, int map[STEER_MAP_MAX])
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	for (int i = 0; i < STEER_MAP_MAX; i++) {
		if (strcmp(info.name, steer_map_name[i]) || map[i] >= 0 ||
		    (i == STEER_MAP_abi && !is_abi_map(&info)))
			continue;
		map[i] = fd;
		return 0;
	}
	close(fd);
	return 0;
}

int steer_open_maps_of(int prog_fd, int map[STEER_MAP_MAX])
{
	__u32 ids[MAX_PROG_MAPS];
	struct bpf_prog_info info = { .nr_map_ids = MAX_PROG_MAPS, .map_ids = (unsigned long)ids };
	__u32 len = sizeof(info);
	int fd, r = 0;

	for (int i = 0; i < STEER_MAP_MAX; i++)
		map[i] = -1;
	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
		return -errno;
	for (__u32 i = 0; i < info.nr_map_ids && i < MAX_PROG_MAPS && !r; i++) {
		fd = bpf_map_get_fd_by_id(ids[i]);
		r = fd < 0 ? fd : file_map(fd, map);
	}
	if (!r)
		r = map[STEER_MAP_abi] < 0 ? -EMEDIUMTYPE : steer_abi_of_map(map[STEER_MAP_abi]);
	if (r)
		steer_close_maps(map);
	return r;
}

/* Whose the program at->prog_id is, and whether it is libxdp's dispatcher. */
static int look_at(struct steer_attached *at, bool *dispatcher)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int map[STEER_MAP_MAX], fd, r;

	fd = bpf_prog_get_fd_by_id(at->prog_id);
	if (fd < 0)
		return fd;
	*dispatcher = !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		      !strcmp(info.name, STEER_DISPATCHER_NAME);
	r = steer_open_maps_of(fd, map);
	close(fd);
	switch (r) {
	case 0:
		at->whose = STEER_OURS;
		steer_close_maps(map);
		return 0;
	case -EPROTO:
		at->whose = STEER_OTHER_ABI;
		return 0;
	case -EMEDIUMTYPE:
		at->whose = STEER_FOREIGN;
		return 0;
	default:
		return r;
	}
}

/* The program that link attaches to the program of dispatcher_id, or 0. */
static __u32 extension_of(__u32 link_id, __u32 dispatcher_id)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_link_get_fd_by_id(link_id), r;

	if (fd < 0)
		return 0;	/* gone meanwhile */
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (r || info.type != BPF_LINK_TYPE_TRACING ||
	    info.tracing.target_obj_id != dispatcher_id)
		return 0;
	return info.prog_id;
}

/*
 * Is one of the programs that the dispatcher calls ours? The dispatcher itself cannot be asked
 * for them; each hangs on a link that names the dispatcher as its target. A dispatcher of which
 * none is ours is a program that is not ours, like any other.
 */
static int look_behind(struct steer_attached *at)
{
	struct steer_attached found = *at;
	__u32 link_id = 0, dispatcher_id = at->prog_id;
	bool nested;
	int r;

	while (!bpf_link_get_next_id(link_id, &link_id)) {
		found.prog_id = extension_of(link_id, dispatcher_id);
		if (!found.prog_id)
			continue;
		r = look_at(&found, &nested);
		if (r == -ENOENT)
			continue;
		if (r)
			return r;
		if (found.whose != STEER_FOREIGN) {
			*at = found;
			return 0;
		}
	}
	return 0;
}

int steer_attached(int ifindex, struct steer_attached *ret, struct sl_err *e)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	struct steer_attached at = { .whose = STEER_NOBODYS };
	bool dispatcher = false;
	int r;

	r = bpf_xdp_query(ifindex, 0, &q);
	if (r)
		return sl_err(e, r, "cannot ask which XDP program is attached: %s", strerror(-r));
	/* With several (native and generic, or offloaded) prog_id is 0: leave that alone. */
	if (q.attach_mode == XDP_ATTACHED_NONE)
		goto out;
	at.whose = STEER_FOREIGN;
	at.prog_id = q.prog_id ? q.prog_id : q.drv_prog_id;
	at.generic = q.attach_mode == XDP_ATTACHED_SKB;
	if (q.attach_mode != XDP_ATTACHED_DRV && q.attach_mode != XDP_ATTACHED_SKB)
		goto out;
	r = look_at(&at, &dispatcher);
	if (!r && dispatcher) {
		at.dispatcher_id = at.prog_id;
		r = look_behind(&at);
	}
	if (r == -EPERM)
		return sl_err(e, r, "cannot look at the XDP program with id %u: %s; run as root",
			      at.prog_id, strerror(-r));
	if (r)
		return sl_err(e, r, "cannot look at the XDP program with id %u: %s",
			      at.prog_id, strerror(-r));
out:
	*ret = at;
	return 0;
}

static int attach_variants(struct steer *s, __u32 mode_flag)
{
	int r = -ENOENT, fd;

	for (int frags = 0; frags < 2; frags++) {
		fd = s->prog[frags ? STEER_PROG_xdp_steer_frags : STEER_PROG_xdp_steer];
		if (fd < 0)
			continue;
		r = bpf_xdp_attach(s->dev.ifindex, fd, mode_flag | XDP_FLAGS_UPDATE_IF_NOEXIST,
				   NULL);
		if (!r) {
			s->frags = frags;
			return 0;
		}
		if (r == -EBUSY || r == -EEXIST || r == -EPERM)
			break;
	}
	return r;
}

int steer_attach(struct steer *s, enum steer_mode mode, struct sl_err *e)
{
	const char *name = s->dev.ifname;
	int r = -EOPNOTSUPP;

	if (mode != STEER_MODE_GENERIC)
		r = attach_variants(s, XDP_FLAGS_DRV_MODE);
	if (r && r != -EBUSY && r != -EEXIST && r != -EPERM && mode != STEER_MODE_NATIVE)
		r = attach_variants(s, XDP_FLAGS_SKB_MODE);
	switch (-r) {
	case 0:
		return 0;
	case EBUSY:
	case EEXIST:
		return sl_err(e, -EEXIST, "%s got another XDP program meanwhile, which stays", name);
	case EPERM:
		return sl_err(e, r, "no permission to attach to %s; run as root, or with "
			      "CAP_NET_ADMIN", name);
	default:
		return sl_err(e, r, "%s (driver %s, MTU %u) does not take the program%s: %s%s", name,
			      *s->dev.driver ? s->dev.driver : "unknown", s->dev.mtu_bytes,
			      mode == STEER_MODE_NATIVE ? " in native mode" : "", strerror(-r),
			      mode == STEER_MODE_NATIVE ? "; try \"generic\"" : "");
	}
}

int steer_detach(int ifindex, int prog_fd)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, o, .old_prog_fd = prog_fd);
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	int r;

	r = bpf_xdp_query(ifindex, 0, &q);
	if (r)
		return r;
	return bpf_xdp_detach(ifindex,
			      q.attach_mode == XDP_ATTACHED_SKB ? XDP_FLAGS_SKB_MODE :
								  XDP_FLAGS_DRV_MODE, &o);
}
