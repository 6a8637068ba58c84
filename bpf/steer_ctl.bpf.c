// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What user space cannot do by map updates: change a flow entry in place,
 * keeping its counters, and deal in jiffies. Run by BPF_PROG_RUN with a
 * struct sluice_ctl as context.
 */
#include "maps.bpf.h"

#define ENOENT	2
#define EINVAL	22

static __always_inline int set_lease(struct sluice_ctl *ctl)
{
	__u32 zero = 0;
	struct sluice_steer_lease *l = bpf_map_lookup_elem(&lease, &zero);

	if (!l)
		return -ENOENT;
	l->generation = ctl->generation;
	l->renewals++;
	l->expires_jiffies = ctl->lease_jiffies ? ctl->jiffies + ctl->lease_jiffies : 0;
	return 0;
}

/* cpu, flags and generation are one aligned word, so that no packet sees a mixture. */
static __always_inline int set_flow(struct sluice_ctl *ctl)
{
	struct {
		__u32 cpu;
		__u16 flags;
		__u16 generation;
	} target = { ctl->cpu, ctl->flags, ctl->generation };
	struct sluice_flow_key key = ctl->key;
	struct sluice_flow *f = bpf_map_lookup_elem(&flows, &key);
	__u64 word;

	_Static_assert(__builtin_offsetof(struct sluice_flow, cpu) % 8 == 0, "not one word");
	if (!f)
		return -ENOENT;
	__builtin_memcpy(&word, &target, sizeof(word));
	*(volatile __u64 *)&f->cpu = word;
	return 0;
}

SEC("syscall")
int steer_ctl(struct sluice_ctl *ctl)
{
	ctl->jiffies = bpf_jiffies64();
	ctl->time_ns = bpf_ktime_get_ns();
	switch (ctl->op) {
	case SLUICE_CTL_LEASE:
		ctl->result = set_lease(ctl);
		break;
	case SLUICE_CTL_FLOW_CPU:
		ctl->result = set_flow(ctl);
		break;
	case SLUICE_CTL_CLOCK:
		ctl->result = 0;
		break;
	default:
		ctl->result = -EINVAL;
	}
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
