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
	if (s->buckets)
		munmap(s->buckets, SLUICE_BUCKETS * sizeof(*s->buckets));
	if (s->deliver)
		munmap(s->deliver, SLUICE_MAX_CPUS * sizeof(*s->deliver));
	for (int i = 0; i < STEER_MAP_MAX; i++)
		if (s->map[i] >= 0)
			close(s->map[i]);
	for (int i = 0; i < STEER_PROG_MAX; i++)
		if (s->prog[i] >= 0)
			close(s->prog[i]);
	free(s->percpu);
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

static int prepare_maps(struct steer *s, struct bpf_object *obj, __u32 max_flows)
{
	int r = 0;

	for (int i = 0; i < STEER_MAP_MAX && !r; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, steer_map_name[i]);

		if (!map)
			return -ENOENT;
		if (s->map[i] >= 0)
			r = bpf_map__reuse_fd(map, s->map[i]);
		else if (i == STEER_MAP_cpus || i == STEER_MAP_cpus_frags)
			r = bpf_map__set_max_entries(map, cpumap_entries());
		else if (i == STEER_MAP_flows && max_flows)
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

static void *map_array(int fd, size_t size, int prot)
{
	void *p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

int steer_open_maps(struct steer *s, struct sl_err *e)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int n = libbpf_num_possible_cpus();

	if (n < 0)
		return sl_err(e, n, "cannot count the possible CPUs: %s", strerror(-n));
	if (bpf_obj_get_info_by_fd(steer_cpumap_fd(s), &info, &len))
		return sl_err(e, -errno, "cannot ask for the size of the cpumap: %s",
			      strerror(errno));
	s->n_possible = n;
	s->n_targets = info.max_entries < SLUICE_MAX_CPUS ? info.max_entries : SLUICE_MAX_CPUS;
	s->percpu = calloc((size_t)SLUICE_BUCKETS * n, sizeof(struct sluice_counter));
	if (!s->percpu)
		return sl_err(e, -ENOMEM, "out of memory");
	s->buckets = map_array(s->map[STEER_MAP_buckets], SLUICE_BUCKETS * sizeof(*s->buckets),
			       PROT_READ | PROT_WRITE);
	s->deliver = map_array(s->map[STEER_MAP_deliver], SLUICE_MAX_CPUS * sizeof(*s->deliver),
			       PROT_READ);
	if (!s->buckets || !s->deliver)
		return sl_err(e, -errno, "cannot map the bucket table into memory: %s",
			      strerror(errno));
	s->clock.op = SLUICE_CTL_CLOCK;
	n = steer_ctl_run(s, &s->clock);
	if (n)
		return sl_err(e, n, "cannot run the control program steer_ctl: %s", strerror(-n));
	return 0;
}

int steer_ctl_run(struct steer *s, struct sluice_ctl *ctl)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .ctx_in = ctl, .ctx_size_in = sizeof(*ctl));
	int r = bpf_prog_test_run_opts(s->prog[STEER_PROG_steer_ctl], &o);

	return r ? r : ctl->result;
}
