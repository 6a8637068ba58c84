// SPDX-License-Identifier: GPL-2.0
#include "lib/probe_obj.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/probe_bpf.h"
#include "lib/sysfs.h"
#include "probe.skel.h"

static int print_nothing(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level;
	(void)format;
	(void)ap;
	return 0;
}

int probe_obj_load(enum probe_obj_part part, struct probe **ret,
		   volatile struct probe_run **run, struct sl_err *e)
{
	uint32_t kernel_max = 0;
	struct probe *skel;
	void *p;
	int r;

	libbpf_set_print(print_nothing);
	skel = probe__open();
	if (!skel)
		return sl_err(e, -errno, "cannot open the probe's BPF object: %s", strerror(errno));
	bpf_program__set_autoload(skel->progs.probe_drop, part == PROBE_OBJ_HOP);
	bpf_program__set_autoload(skel->progs.probe_hop, part == PROBE_OBJ_HOP);
	bpf_program__set_autoload(skel->progs.probe_arrive, part == PROBE_OBJ_HOP);
	bpf_program__set_autoload(skel->progs.probe_pass, part == PROBE_OBJ_TRY);
	bpf_program__set_autoload(skel->progs.probe_pass_frags, part == PROBE_OBJ_TRY);
	sysfs_read_u32("/sys/devices/system/cpu/kernel_max", &kernel_max);
	r = bpf_map__set_max_entries(skel->maps.probe_cpus, kernel_max + 1);
	if (!r)
		r = bpf_object__load(skel->obj);
	if (r) {
		probe__destroy(skel);
		if (r == -EPERM || r == -EACCES)
			return sl_err(e, r, "no permission to load BPF programs; run as root");
		return sl_err(e, r, "the kernel does not take the probe's BPF programs: %s",
			      strerror(-r));
	}
	p = mmap(NULL, sizeof(**run), PROT_READ | PROT_WRITE, MAP_SHARED,
		 bpf_map__fd(skel->maps.run), 0);
	if (p == MAP_FAILED) {
		r = -errno;
		probe__destroy(skel);
		return sl_err(e, r, "cannot map the probe's counters: %s", strerror(-r));
	}
	*ret = skel;
	*run = p;
	return 0;
}

void probe_obj_unload(struct probe *skel, volatile struct probe_run *run)
{
	if (run)
		munmap((void *)run, sizeof(*run));
	probe__destroy(skel);
}
