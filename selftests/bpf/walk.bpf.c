// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Walks the tree in the map "tree" for all of "states", into "cells"; for test_place_walk.c. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "walk.h"

#define MAP(name, entries, value_type)		\
struct {					\
	__uint(type, BPF_MAP_TYPE_ARRAY);	\
	__uint(max_entries, entries);		\
	__type(key, __u32);			\
	__type(value, value_type);		\
} name SEC(".maps")

MAP(tree, 1, struct sluice_tree);
MAP(states, WALK_BATCH, struct walk_state);
MAP(cells, WALK_BATCH, __u32);

static long one(__u32 i, void *walked)
{
	struct walk_state *s = bpf_map_lookup_elem(&states, &i);
	__u32 *cell = bpf_map_lookup_elem(&cells, &i), zero = 0;
	const struct sluice_tree *t = bpf_map_lookup_elem(&tree, &zero);

	if (!s || !cell || !t)
		return 1;
	*cell = sluice_place_walk(t, s->feature);
	++*(__u32 *)walked;
	return 0;
}

SEC("syscall")
int place_walk(void *ctx)
{
	__u32 walked = 0;

	bpf_loop(WALK_BATCH, one, &walked, 0);
	return walked;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
