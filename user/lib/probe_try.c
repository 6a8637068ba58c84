// SPDX-License-Identifier: GPL-2.0
/* Attaches an XDP program for a moment, to see; see probe_dev.h. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/probe_bpf.h"
#include "lib/probe_dev.h"
#include "lib/probe_obj.h"
#include "lib/sysfs.h"
#include "probe.skel.h"

#define SETTLE_MS	200	/* drivers bring the carrier down a little after the reset */

static void pause_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static uint32_t carrier_changes(const struct netdev *dev)
{
	char path[96];
	uint32_t n = 0;

	snprintf(path, sizeof(path), "/sys/class/net/%s/carrier_changes", dev->ifname);
	sysfs_read_u32(path, &n);
	return n;
}

/* A link, since that goes with the process, and never takes another program's place. */
static int attach(const struct probe *skel, const struct netdev *dev, __u32 mode, bool *frags)
{
	LIBBPF_OPTS(bpf_link_create_opts, o, .flags = mode);
	int fd;

	fd = bpf_link_create(bpf_program__fd(skel->progs.probe_pass), dev->ifindex, BPF_XDP, &o);
	*frags = false;
	if (fd >= 0 || fd == -EBUSY || fd == -EEXIST || fd == -EPERM)
		return fd;
	*frags = true;
	return bpf_link_create(bpf_program__fd(skel->progs.probe_pass_frags), dev->ifindex,
			       BPF_XDP, &o);
}

int probe_try_xdp(const struct netdev *dev, unsigned int watch_ms, struct probe_try *out,
		  struct sl_err *e)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	uint32_t before = carrier_changes(dev);
	struct probe_try t = { 0 };
	volatile struct probe_run *run;
	struct probe *skel;
	int fd, r;

	r = bpf_xdp_query(dev->ifindex, 0, &q);
	if (r)
		return sl_err(e, r, "cannot ask which XDP program is attached: %s", strerror(-r));
	if (q.attach_mode != XDP_ATTACHED_NONE)
		return sl_err(e, -EBUSY, "%s has an XDP program (id %u), which stays: nothing "
			      "tried", dev->ifname, q.prog_id);
	r = probe_obj_load(PROBE_OBJ_TRY, &skel, &run, e);
	if (r)
		return r;
	fd = attach(skel, dev, XDP_FLAGS_DRV_MODE, &t.frags);
	t.native = fd >= 0;
	if (fd < 0) {
		t.native_errno = -fd;
		fd = attach(skel, dev, XDP_FLAGS_SKB_MODE, &t.frags);
		t.generic = fd >= 0;
	}
	if (fd >= 0) {
		for (unsigned int ms = 0; ms < watch_ms && !run->arrived; ms += 10)
			pause_ms(10);
		close(fd);
		pause_ms(SETTLE_MS);
	}
	t.packets = run->arrived;
	t.meta = run->meta;
	t.carrier_changes = carrier_changes(dev) - before;
	probe_obj_unload(skel, run);
	if (fd == -EPERM)
		return sl_err(e, fd, "no permission to attach to %s; run as root", dev->ifname);
	if (fd == -EBUSY || fd == -EEXIST)
		return sl_err(e, -EBUSY, "%s got an XDP program meanwhile, which stays",
			      dev->ifname);
	*out = t;
	return 0;
}
