/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The maps of include/uapi/linux/sluice_steer.h, by those names. Every part of the
 * object includes this and they are weak, so that the linker makes one of each.
 * Nothing is pinned by name here: "ip link set ... xdp obj" would put such pins
 * into a directory of its own; who loads the object pins.
 */
#ifndef SLUICE_MAPS_BPF_H
#define SLUICE_MAPS_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <linux/sluice.h>

/* Entries are few compared with what fits, so they are not allocated before they are used. */
#define MAP_FLOWS(name, key_type)				\
struct {							\
	__uint(type, BPF_MAP_TYPE_HASH);			\
	__uint(map_flags, BPF_F_NO_PREALLOC);			\
	__uint(max_entries, SLUICE_FLOWS_DEFAULT);		\
	__type(key, key_type);					\
	__type(value, struct sluice_flow);			\
} name __weak SEC(".maps")

MAP_FLOWS(flows4, struct sluice_flow4_key);
MAP_FLOWS(flows6, struct sluice_flow_key);

/* Arrays that user space reads without a system call, and others. */
#define MAP_ARRAY_FLAGS(name, entries, value_type, flags)	\
struct {							\
	__uint(type, BPF_MAP_TYPE_ARRAY);			\
	__uint(map_flags, flags);				\
	__uint(max_entries, entries);				\
	__type(key, __u32);					\
	__type(value, value_type);				\
} name __weak SEC(".maps")
#define MAP_SHOWN(name, entries, value_type)	\
	MAP_ARRAY_FLAGS(name, entries, value_type, BPF_F_MMAPABLE)
#define MAP_HIDDEN(name, entries, value_type)	\
	MAP_ARRAY_FLAGS(name, entries, value_type, 0)

MAP_HIDDEN(config, 1, struct sluice_steer_config);
MAP_HIDDEN(control, 1, struct sluice_steer_control);
MAP_SHOWN(buckets, SLUICE_BUCKETS, struct sluice_bucket);
MAP_SHOWN(deliver, SLUICE_MAX_CPUS, struct sluice_deliver);
MAP_SHOWN(trees, SLUICE_TREE_SLOTS, struct sluice_tree_slot);
MAP_SHOWN(tree_control, 1, struct sluice_tree_control);
MAP_SHOWN(loads, SLUICE_MAX_CPUS, struct sluice_cpu_load);

/* One block per RX queue, see the contract. */
MAP_SHOWN(bucket_state, SLUICE_RXQS_BY_HAND * SLUICE_BUCKETS, struct sluice_bucket_state);
MAP_SHOWN(sent, SLUICE_RXQS_BY_HAND * SLUICE_MAX_CPUS, struct sluice_counter);
MAP_SHOWN(passed, SLUICE_RXQS_BY_HAND * SLUICE_PASS_SLOTS, struct sluice_counter);
MAP_SHOWN(steer_stats, SLUICE_RXQS_BY_HAND, struct sluice_steer_stats);
MAP_SHOWN(tree_stats, SLUICE_RXQS_BY_HAND, struct sluice_tree_stats);
MAP_SHOWN(cache4, SLUICE_RXQS_BY_HAND * SLUICE_CACHE_SLOTS, struct sluice_cached4);
MAP_SHOWN(cache6, SLUICE_RXQS_BY_HAND * SLUICE_CACHE_SLOTS, struct sluice_cached6);
MAP_HIDDEN(acks, SLUICE_RXQS_BY_HAND * SLUICE_MAX_CPUS, struct sluice_ack);
MAP_HIDDEN(candidates, SLUICE_RXQS_BY_HAND * SLUICE_CANDIDATES, __u32);
MAP_HIDDEN(order, SLUICE_RXQS_BY_HAND * SLUICE_ORDER_SLOTS, struct sluice_order);

_Static_assert(SLUICE_PASS_MAX <= SLUICE_PASS_SLOTS, "a block of \"passed\" is too small");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SLUICE_EVENTS_BYTES);
} events __weak SEC(".maps");

/* A cpumap takes programs of one kind only, so the jumbo variant has its own. */
struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, SLUICE_MAX_CPUS);
	__type(key, __u32);
	__type(value, struct bpf_cpumap_val);
} cpus __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, SLUICE_MAX_CPUS);
	__type(key, __u32);
	__type(value, struct bpf_cpumap_val);
} cpus_frags __weak SEC(".maps");

#endif
