// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Walks the tree in the map "tree" for many states in one run; for test_distilled.c. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "tree_batch.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_tree);
} tree SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TREE_BATCH);
	__type(key, __u32);
	__type(value, struct tree_batch_state);
} states SEC(".maps");

static long walk_one(__u32 i, void *unused)
{
	__u32 feature[SLUICE_TREE_F_NR], zero = 0;
	struct tree_batch_state *state = bpf_map_lookup_elem(&states, &i);
	const struct sluice_tree *t = bpf_map_lookup_elem(&tree, &zero);

	if (!state || !t)
		return 1;
	__builtin_memcpy(feature, state->feature, sizeof(feature));
	state->cell = sluice_tree_walk(t, feature);
	return 0;
}

SEC("syscall")
int walk_states(struct tree_batch_ctx *ctx)
{
	return bpf_loop(ctx->n, walk_one, 0, 0) != ctx->n;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
