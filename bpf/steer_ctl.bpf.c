// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What user space cannot do by map updates: change a flow's assignment in place,
 * keeping its counters and its place, remove it only when that reorders nothing,
 * and deal in jiffies. Run by BPF_PROG_RUN with a struct sluice_ctl as context.
 */
#include "drain.bpf.h"

#define ENOENT	2
#define EAGAIN	11
#define EINVAL	22

/* After the change, so that who sees the count sees the change. */
static __always_inline void outdate_caches(struct sluice_steer_control *c)
{
	__sync_fetch_and_add(&c->changes, 1);
}

/* The caches know of its end, but not of one that comes sooner. */
static __always_inline void set_lease(struct sluice_steer_control *c, struct sluice_ctl *ctl)
{
	c->generation = ctl->generation;
	c->renewals++;
	c->expires_jiffies = ctl->lease_jiffies ? ctl->jiffies + ctl->lease_jiffies : 0;
	if (!ctl->lease_jiffies)
		outdate_caches(c);
}

static __always_inline struct sluice_flow4_key key4_of(const struct sluice_flow_key *key)
{
	struct sluice_flow4_key k = {
		.sport = key->sport, .dport = key->dport, .proto = key->proto, .family = 4,
	};

	__builtin_memcpy(&k.saddr, key->saddr, sizeof(k.saddr));
	__builtin_memcpy(&k.daddr, key->daddr, sizeof(k.daddr));
	return k;
}

static __always_inline void assign(struct sluice_flow *f, struct sluice_assign a)
{
	__u64 word;

	__builtin_memcpy(&word, &a, sizeof(word));
	*(volatile __u64 *)&f->assign = word;
}

/* A cached flow may have been seen a little later than its entry knows. */
static __always_inline int can_go(const struct sluice_flow *f)
{
	__u32 zero = 0;
	struct sluice_steer_config *c = bpf_map_lookup_elem(&config, &zero);

	if (!c)
		return 0;
	if (!f->assign.flags && !f->place.cpu1)
		return 1;
	return (__u32)bpf_jiffies64() - f->ticks > gap_ticks(c) + SLUICE_CACHE_TICKS;
}

static __always_inline int change_flow(struct sluice_steer_control *c, struct sluice_ctl *ctl)
{
	const struct sluice_assign none = { 0 };
	struct sluice_flow_key key = ctl->key;
	struct sluice_flow4_key key4 = key4_of(&key);
	struct sluice_flow *f;
	int r = 0;

	f = key.family == 6 ? bpf_map_lookup_elem(&flows6, &key)
			    : bpf_map_lookup_elem(&flows4, &key4);
	if (!f)
		return -ENOENT;
	if (ctl->op == SLUICE_CTL_FLOW_ASSIGN) {
		assign(f, ctl->assign);
	} else if (!can_go(f)) {
		assign(f, none);
		r = -EAGAIN;
	} else if (key.family == 6) {
		r = bpf_map_delete_elem(&flows6, &key);
	} else {
		r = bpf_map_delete_elem(&flows4, &key4);
	}
	outdate_caches(c);
	return r;
}

SEC("syscall")
int steer_ctl(struct sluice_ctl *ctl)
{
	__u32 zero = 0;
	struct sluice_steer_control *c = bpf_map_lookup_elem(&control, &zero);

	ctl->result = -ENOENT;
	if (!c)
		return 0;
	ctl->jiffies = bpf_jiffies64();
	ctl->time_ns = bpf_ktime_get_ns();
	switch (ctl->op) {
	case SLUICE_CTL_LEASE:
		set_lease(c, ctl);
		ctl->result = 0;
		break;
	case SLUICE_CTL_FLOW_ASSIGN:
		c->flows_used = 1;
		ctl->result = change_flow(c, ctl);
		break;
	case SLUICE_CTL_FLOW_DELETE:
		ctl->result = change_flow(c, ctl);
		break;
	case SLUICE_CTL_FLOWS_USED:
		c->flows_used = 1;
		ctl->result = 0;
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
