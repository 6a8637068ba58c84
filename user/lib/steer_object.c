// SPDX-License-Identifier: GPL-2.0
/* The kernel objects of one instance: loading, descriptors, the control program. */
#include "lib/steer_priv.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/sysfs.h"
#include "xdp_steer.skel.h"

const char *const steer_map_pin[STEER_MAP_MAX] = {
#define X(name, object_name) #name,
	STEER_MAPS(X)
#undef X
};

const char *const steer_map_name[STEER_MAP_MAX] = {
#define X(name, object_name) object_name,
	STEER_MAPS(X)
#undef X
};

const char *const steer_prog_name[STEER_PROG_MAX] = {
#define X(name) #name,
	STEER_PROGS(X)
#undef X
};

/* libbpf would print; what it has to say is in our return values. */
static int print_nothing(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level;
	(void)format;
	(void)ap;
	return 0;
}

struct steer *steer_alloc(const struct netdev *dev)
{
	struct steer *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	libbpf_set_print(print_nothing);
	if (dev)
		s->dev = *dev;
	for (int i = 0; i < STEER_MAP_MAX; i++)
		s->map[i] = -1;
	for (int i = 0; i < STEER_PROG_MAX; i++)
		s->prog[i] = -1;
	return s;
}

void steer_close(struct steer *s)
{
	if (!s)
		return;
	ring_buffer__free(s->ring);
#define X(name, type, writable) \
	if (s->name) \
		munmap(s->name, s->mapped_bytes[STEER_MAP_##name]);
	STEER_MAPPED(X)
#undef X
	for (int i = 0; i < STEER_MAP_MAX; i++)
		if (s->map[i] >= 0)
			close(s->map[i]);
	for (int i = 0; i < STEER_PROG_MAX; i++)
		if (s->prog[i] >= 0)
			close(s->prog[i]);
	free(s);
}

/* A kernel refuses cpumaps larger than its NR_CPUS. */
static unsigned int cpumap_entries(void)
{
	uint32_t kernel_max;

	if (sysfs_read_u32("/sys/devices/system/cpu/kernel_max", &kernel_max) < 0 ||
	    kernel_max >= SLUICE_MAX_CPUS)
		return SLUICE_MAX_CPUS;
	return kernel_max + 1;
}

static const __u32 block_entries[STEER_MAP_MAX] = {
#define X(name, entries) [STEER_MAP_##name] = entries,
	STEER_BLOCKS(X)
#undef X
};

static int prepare_maps(struct steer *s, struct bpf_object *obj, __u32 max_flows)
{
	/* Test runs, which are all that a private instance sees, come in through queue 0. */
	__u32 rxqs = s->dev.rx_queues ? s->dev.rx_queues : 1;
	int r = 0;

	if (rxqs > SLUICE_RXQS)
		rxqs = SLUICE_RXQS;
	for (int i = 0; i < STEER_MAP_MAX && !r; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, steer_map_name[i]);

		if (!map)
			return -ENOENT;
		if (s->map[i] >= 0)
			r = bpf_map__reuse_fd(map, s->map[i]);
		else if (block_entries[i])
			r = bpf_map__set_max_entries(map, rxqs * block_entries[i]);
		else if (i == STEER_MAP_cpus || i == STEER_MAP_cpus_frags)
			r = bpf_map__set_max_entries(map, cpumap_entries());
		else if ((i == STEER_MAP_flows4 || i == STEER_MAP_flows6) && max_flows)
			r = bpf_map__set_max_entries(map, max_flows);
	}
	return r;
}

/* Descriptors of our own, since the object closes its. */
static int keep_descriptors(struct steer *s, struct bpf_object *obj)
{
	for (int i = 0; i < STEER_MAP_MAX; i++) {
		if (s->map[i] >= 0)
			continue;
		s->map[i] = fcntl(bpf_object__find_map_fd_by_name(obj, steer_map_name[i]),
				  F_DUPFD_CLOEXEC, 3);
		if (s->map[i] < 0)
			return -errno;
	}
	for (int i = 0; i < STEER_PROG_MAX; i++) {
		struct bpf_program *prog;

		prog = bpf_object__find_program_by_name(obj, steer_prog_name[i]);
		if (s->prog[i] >= 0 || !bpf_program__autoload(prog))
			continue;
		s->prog[i] = fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 3);
		if (s->prog[i] < 0)
			return -errno;
	}
	return 0;
}

int steer_load_object(struct steer *s, __u32 max_flows, bool with_steer, struct sl_err *e)
{
	struct xdp_steer *skel = xdp_steer__open();
	int r;

	if (!skel)
		return sl_err(e, -errno, "cannot open the XDP object: %s", strerror(errno));
	bpf_program__set_autoload(skel->progs.xdp_steer, with_steer);
	bpf_program__set_autoload(skel->progs.xdp_steer_frags, with_steer);
	r = prepare_maps(s, skel->obj, max_flows);
	if (!r)
		r = bpf_object__load(skel->obj);
	if (!r)
		r = keep_descriptors(s, skel->obj);
	xdp_steer__destroy(skel);
	if (r == -EPERM || r == -EACCES)
		return sl_err(e, r, "no permission to load BPF programs; run as root, or with "
			      "CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN");
	if (r)
		return sl_err(e, r, "the kernel does not take the XDP programs (%s); Linux 6.1 or "
			      "newer with BPF is needed", strerror(-r));
	return 0;
}

static int max_entries(int fd, __u32 *ret)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	*ret = info.max_entries;
	return 0;
}

static int map_array(struct steer *s, enum steer_map which, size_t value_size, bool writable,
		     void **ret)
{
	const int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	__u32 entries = 0;
	void *p;
	int r;

	*ret = NULL;
	if (s->map[which] < 0 && steer_map_is_of_trees(which))
		return 0;
	r = max_entries(s->map[which], &entries);
	if (r)
		return r;
	p = mmap(NULL, entries * value_size, prot, MAP_SHARED, s->map[which], 0);
	if (p == MAP_FAILED)
		return -errno;
	s->mapped_bytes[which] = entries * value_size;
	*ret = p;
	return 0;
}

void steer_close_trees_unless_whole(struct steer *s)
{
	bool whole = true;

	for (int i = STEER_MAP_trees; i <= STEER_MAP_loads; i++)
		whole &= s->map[i] >= 0;
	for (int i = STEER_MAP_trees; i <= STEER_MAP_loads && !whole; i++) {
		if (s->map[i] >= 0)
			close(s->map[i]);
		s->map[i] = -1;
	}
}

int steer_open_maps(struct steer *s, struct sl_err *e)
{
	__u32 targets = 0, rxqs = 0;
	void *p = NULL;
	int n = libbpf_num_possible_cpus(), r;

	if (n < 0)
		return sl_err(e, n, "cannot count the possible CPUs: %s", strerror(-n));
	r = max_entries(steer_cpumap_fd(s), &targets);
	if (!r)
		r = max_entries(s->map[STEER_MAP_steer_stats], &rxqs);
	if (r)
		return sl_err(e, r, "cannot ask for the size of the maps: %s", strerror(-r));
	s->n_possible = n;
	s->n_targets = targets < SLUICE_MAX_CPUS ? targets : SLUICE_MAX_CPUS;
	s->n_rxqs = rxqs;
#define X(name, type, writable)							\
	if (!r)									\
		r = map_array(s, STEER_MAP_##name, sizeof(type), writable, &p);	\
	if (!r)									\
		s->name = p;
	STEER_MAPPED(X)
#undef X
	if (r)
		return sl_err(e, r, "cannot map the tables into memory: %s", strerror(-r));
	s->clock.op = SLUICE_CTL_CLOCK;
	r = steer_ctl_run(s, &s->clock);
	if (r)
		return sl_err(e, r, "cannot run the control program steer_ctl: %s", strerror(-r));
	return 0;
}

int steer_ctl_run(struct steer *s, struct sluice_ctl *ctl)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .ctx_in = ctl, .ctx_size_in = sizeof(*ctl));
	int r = bpf_prog_test_run_opts(s->prog[STEER_PROG_steer_ctl], &o);

	return r ? r : ctl->result;
}
