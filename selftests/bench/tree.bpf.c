// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The walk of a tree that places flows, in the packet path: each packet takes the next of a sequence
 * of states, asks the tree about it as an admission does, and then goes its product's way. The
 * twin without the question reads the same state.
 */
#include "../../bpf/xdp_steer.bpf.c"
#include "bench.h"

#define MAP(name, entries, value_type)		\
struct {					\
	__uint(type, BPF_MAP_TYPE_ARRAY);	\
	__uint(max_entries, entries);		\
	__type(key, __u32);			\
	__type(value, value_type);		\
} name SEC(".maps")

MAP(walk, 1, struct bench_walk);
MAP(states, BENCH_STATES, struct bench_features);

/* The next state, on the stack, where an admission would have it. */
static __always_inline struct bench_walk *next_state(struct bench_features *ret)
{
	__u32 zero = 0, index;
	struct bench_walk *w = bpf_map_lookup_elem(&walk, &zero);
	struct bench_features *f;

	if (!w)
		return NULL;
	index = w->first + (w->position++ & w->mask);
	f = bpf_map_lookup_elem(&states, &index);
	if (!f)
		return NULL;
	*ret = *f;
	return w;
}

/* Out of line, so that the stack is free again when the packet goes its way. */
static __noinline void without(void)
{
	struct bench_features f;
	struct bench_walk *w = next_state(&f);
	__u64 any;

	if (!w)
		return;
	any = w->position & 7;
	asm volatile("" : "+r"(any));	/* or the verifier would not see the bound */
	w->chosen += f.feature[any & 7];
}

static __noinline void with(void)
{
	__u32 zero = 0;
	struct sluice_tree_control *c = bpf_map_lookup_elem(&tree_control, &zero);
	struct bench_features f;
	struct bench_walk *w = next_state(&f);

	if (w && c)
		w->chosen += ask_tree(c->active, f.feature);
}

SEC("xdp")
int tree_off(struct xdp_md *ctx)
{
	without();
	return steer(ctx, &cpus, ctx->data_end - ctx->data);
}

SEC("xdp")
int tree_on(struct xdp_md *ctx)
{
	with();
	return steer(ctx, &cpus, ctx->data_end - ctx->data);
}

/* The whole decision about a flow: candidates, their loads and rings, the tree, the counts. */
SEC("xdp")
int tree_place(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct admission *adm = bpf_map_lookup_elem(&admission, &zero);
	struct bench_walk *w = bpf_map_lookup_elem(&walk, &zero);

	if (adm && w) {
		adm->hash = sluice_mix64(w->position++);
		place_flow();
	}
	return steer(ctx, &cpus, ctx->data_end - ctx->data);
}
