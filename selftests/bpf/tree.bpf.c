// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Walks the tree in the map "tree" for the features in the context; for test_tree.c. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <sluice/tree.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_tree);
} tree SEC(".maps");

struct walk_ctx {
	__u32 feature[SLUICE_TREE_F_NR];
	__u32 cell;
};

SEC("syscall")
int tree_walk(struct walk_ctx *ctx)
{
	__u32 feature[SLUICE_TREE_F_NR];
	const struct sluice_tree *t;
	__u32 zero = 0;

	t = bpf_map_lookup_elem(&tree, &zero);
	if (!t)
		return 1;
	__builtin_memcpy(feature, ctx->feature, sizeof(feature));
	ctx->cell = sluice_tree_walk(t, feature);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
