// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Runs on a cpumap entry's CPU, before the packet goes up the stack: counts it,
 * acknowledges its number for the hold, measures how long a sampled one waited
 * in the ring, and checks the order of numbered ones. The metadata is taken
 * off again, because what is left would reach the skb and could keep it
 * from being merged by GRO.
 *
 * The kthread runs it with soft interrupts off, so that the CPU's own slots
 * need no atomics.
 */
#include "drain.bpf.h"

/* The slot of d in a histogram of powers of two; a binary search, since BPF has no clz. */
static __always_inline __u32 log2_slot(__u64 d)
{
	__u32 slot = 0;

	if (d >> SLUICE_HIST_SLOTS)
		return SLUICE_HIST_SLOTS - 1;
#define STEP(bits)				\
	if (d >> (bits)) {			\
		d >>= (bits);			\
		slot += (bits);			\
	}
	STEP(16)
	STEP(8)
	STEP(4)
	STEP(2)
	STEP(1)
#undef STEP
	return slot & (SLUICE_HIST_SLOTS - 1);
}

static __always_inline void acknowledge(const struct sluice_meta *meta, __u32 cpu,
					__u64 packets, __u64 now)
{
	__u32 index = meta->rxq * SLUICE_MAX_CPUS + meta->cpu, target = meta->cpu;
	struct sluice_ack *a = bpf_map_lookup_elem(&acks, &index);
	struct sluice_deliver *d;

	if (!a)
		return;
	if (target == cpu) {
		if (packets - a->mark_packets >= settle_packets()) {
			*(volatile __u64 *)&a->safe = a->mark_seq;
			a->mark_seq = meta->seq;
			a->mark_packets = packets;
		}
	} else {
		/*
		 * A kthread whose CPU went offline runs elsewhere, and nobody counts for
		 * it alone. Its own count stands still, so that steering takes the ring
		 * for empty when all that was sent has been seen.
		 */
		d = bpf_map_lookup_elem(&deliver, &target);
		if (!d)
			return;
		packets = d->packets;
	}
	/* First, so that it is never older than the packet. */
	*(volatile __u64 *)&a->seen_ns = now;
	*(volatile __u64 *)&a->latest = SLUICE_ACK(meta->seq, packets);
}

static __always_inline void check_order(const struct sluice_meta *meta, struct sluice_deliver *d)
{
	__u32 index = meta->order_slot - 1;
	struct sluice_order *o;

	if (!meta->order_slot)
		return;
	o = bpf_map_lookup_elem(&order, &index);
	if (!o)
		return;
	d->numbered++;
	if ((__s32)(meta->ordinal - o->delivered) < 0)
		d->reordered++;
	else
		o->delivered = meta->ordinal;
}

static __always_inline void measure_wait(const struct sluice_meta *meta, struct sluice_deliver *d,
					 __u64 now)
{
	__u64 wait;

	if (!meta->time_ns)
		return;
	wait = now > meta->time_ns ? now - meta->time_ns : 0;
	d->wait_samples++;
	d->wait_sum_ns += wait;
	d->wait_hist[log2_slot(wait)]++;
}

static __always_inline int handed_over(struct xdp_md *ctx, __u64 bytes)
{
	struct sluice_meta *meta = (void *)(long)ctx->data_meta;
	__u32 cpu = bpf_get_smp_processor_id();
	struct sluice_deliver *d = bpf_map_lookup_elem(&deliver, &cpu);
	__u64 now;

	if (!d)
		return XDP_PASS;
	d->packets++;
	d->bytes += bytes;
	if ((void *)(meta + 1) > (void *)(long)ctx->data || meta->magic != SLUICE_META_MAGIC)
		return XDP_PASS;
	now = bpf_ktime_get_ns();
	acknowledge(meta, cpu, d->packets, now);
	check_order(meta, d);
	measure_wait(meta, d, now);
	bpf_xdp_adjust_meta(ctx, sizeof(*meta));
	return XDP_PASS;
}

SEC("xdp/cpumap")
int cpu_deliver(struct xdp_md *ctx)
{
	return handed_over(ctx, ctx->data_end - ctx->data);
}

SEC("xdp.frags/cpumap")
int cpu_deliver_frags(struct xdp_md *ctx)
{
	return handed_over(ctx, bpf_xdp_get_buff_len(ctx));
}

char _license[] SEC("license") = "Dual BSD/GPL";
