// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Twins of cpu_deliver, since programs of its type cannot be test-run. One
 * packet in 64 can be made to look sampled; the two programs that do so differ
 * only in whether the metadata is there when it is handed over.
 */
#include "../../bpf/cpu_deliver.bpf.c"
#include "bench.h"

struct bench_state state;

/* Whether it is in front of the packet now. */
static __always_inline int sample(struct xdp_md *ctx)
{
	struct sluice_meta *meta;

	if (++state.packets % 64)
		return 0;
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*meta)))
		return 0;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) > (void *)(long)ctx->data)
		return 0;
	meta->magic = SLUICE_META_MAGIC;
	meta->rxq = 0;
	meta->cpu = bpf_get_smp_processor_id();
	meta->seq = state.packets;
	meta->order_slot = 0;
	meta->ordinal = 0;
	meta->time_ns = state.sent_ns;
	return 1;
}

SEC("xdp")
int delivered(struct xdp_md *ctx)
{
	return handed_over(ctx, ctx->data_end - ctx->data);
}

SEC("xdp")
int delivered_sampled(struct xdp_md *ctx)
{
	sample(ctx);
	return handed_over(ctx, ctx->data_end - ctx->data);
}

SEC("xdp")
int delivered_undone(struct xdp_md *ctx)
{
	if (sample(ctx))
		bpf_xdp_adjust_meta(ctx, sizeof(struct sluice_meta));
	return handed_over(ctx, ctx->data_end - ctx->data);
}
