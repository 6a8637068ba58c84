// SPDX-License-Identifier: GPL-2.0
/*
 * Pins: one directory per attachment below /sys/fs/bpf/sluice. In the initial
 * network namespace it has the interface's name; elsewhere the namespace's
 * cookie stands before it, as interfaces of different namespaces may share a
 * name and bpffs is not per namespace.
 */
#include "lib/steer_pins.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPFFS		"/sys/fs/bpf"
#define PIN_ROOT	BPFFS "/sluice"

int steer_pin_dir(const char *ifname, char *buf, size_t size, struct sl_err *e)
{
	uint64_t cookie;
	int r, n;

	if (netdev_initial_netns()) {
		n = snprintf(buf, size, "%s/%s", PIN_ROOT, ifname);
	} else {
		r = netdev_netns_cookie(&cookie, e);
		if (r)
			return r;
		n = snprintf(buf, size, "%s/%" PRIu64 "-%s", PIN_ROOT, cookie, ifname);
	}
	if (n < 0 || (size_t)n >= size)
		return sl_err(e, -ENAMETOOLONG, "the pin directory of %s has too long a name",
			      ifname);
	return 0;
}

int steer_bpffs_check(struct sl_err *e)
{
	struct statfs fs;

	if (statfs(BPFFS, &fs) || fs.f_type != BPF_FS_MAGIC)
		return sl_err(e, -ENOSYS, "no BPF file system at " BPFFS
			      "; run \"mount -t bpf bpf " BPFFS "\"");
	return 0;
}

static void pin_path(const char *dir, const char *name, char path[STEER_PIN_SIZE])
{
	snprintf(path, STEER_PIN_SIZE, "%s/%s", dir, name);
}

void steer_unpin(const char *dir)
{
	char path[STEER_PIN_SIZE];

	for (int i = 0; i < STEER_MAP_MAX; i++) {
		pin_path(dir, steer_map_pin[i], path);
		unlink(path);
	}
	for (int i = 0; i < STEER_PROG_MAX; i++) {
		pin_path(dir, steer_prog_name[i], path);
		unlink(path);
	}
	rmdir(dir);
	rmdir(PIN_ROOT);	/* succeeds for the last one */
}

bool steer_pinned(const char *dir)
{
	return access(dir, F_OK) == 0;
}

/* 1 when it made the pin, 0 when it was there. */
static int pin_one(const char *dir, const char *name, int fd)
{
	char path[STEER_PIN_SIZE];

	pin_path(dir, name, path);
	if (!bpf_obj_pin(fd, path))
		return 1;
	return errno == EEXIST ? 0 : -errno;
}

int steer_pin(struct steer *s, struct sl_err *e)
{
	bool made_map[STEER_MAP_MAX] = { 0 }, made_prog[STEER_PROG_MAX] = { 0 };
	char path[STEER_PIN_SIZE];
	int i, r = 0;

	if ((mkdir(PIN_ROOT, 0700) && errno != EEXIST) || (mkdir(s->dir, 0700) && errno != EEXIST))
		return sl_err(e, -errno, "cannot make the directory %s: %s", s->dir,
			      strerror(errno));
	for (i = 0; i < STEER_MAP_MAX && r >= 0; i++) {
		if (s->map[i] < 0)
			continue;
		r = pin_one(s->dir, steer_map_pin[i], s->map[i]);
		made_map[i] = r > 0;
	}
	for (i = 0; i < STEER_PROG_MAX && r >= 0; i++) {
		if (s->prog[i] < 0)
			continue;
		r = pin_one(s->dir, steer_prog_name[i], s->prog[i]);
		made_prog[i] = r > 0;
	}
	if (r >= 0)
		return 0;

	for (i = 0; i < STEER_MAP_MAX; i++) {
		pin_path(s->dir, steer_map_pin[i], path);
		if (made_map[i])
			unlink(path);
	}
	for (i = 0; i < STEER_PROG_MAX; i++) {
		pin_path(s->dir, steer_prog_name[i], path);
		if (made_prog[i])
			unlink(path);
	}
	rmdir(s->dir);
	rmdir(PIN_ROOT);
	return sl_err(e, r, "cannot pin in %s: %s", s->dir, strerror(-r));
}

int steer_open_pinned_map(const char *dir, enum steer_map map)
{
	char path[STEER_PIN_SIZE];

	pin_path(dir, steer_map_pin[map], path);
	return bpf_obj_get(path);
}

int steer_open_pinned_prog(const char *dir, enum steer_prog prog)
{
	char path[STEER_PIN_SIZE];

	pin_path(dir, steer_prog_name[prog], path);
	return bpf_obj_get(path);
}
