// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The parser with features, as a policy would have it; for test_inside.c, test_features.c. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "../../bpf/parse.bpf.h"
#include "parse_result.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct parse_result);
} result SEC(".maps");

int outer(struct xdp_md *ctx, __u32 inside, struct sluice_flow_key *key,
	  struct sluice_features *features, struct sluice_inner *inner)
{
	if (!key || !features || !inner)
		return SLUICE_PASS_truncated;
	return sluice_parse_outer((void *)(long)ctx->data, (void *)(long)ctx->data_end, inside, key,
				  features, inner);
}

int inner(struct xdp_md *ctx, struct sluice_inner *at, struct sluice_flow_key *key,
	  struct sluice_features *features)
{
	if (!at || !key || !features)
		return SLUICE_PASS_truncated;
	return sluice_parse_inner((void *)(long)ctx->data, (void *)(long)ctx->data_end, at, key,
				  features);
}

SEC("xdp")
int parse_features(struct xdp_md *ctx)
{
	struct sluice_features features = { 0 };
	struct sluice_flow_key key = { 0 };
	struct sluice_inner at = { 0 };
	struct parse_result *out;
	__u32 zero = 0;
	int r;

	out = bpf_map_lookup_elem(&result, &zero);
	if (!out)
		return XDP_ABORTED;
	r = outer(ctx, out->inside, &key, &features, &at);
	if (r == SLUICE_PARSE_INSIDE)
		r = inner(ctx, &at, &key, &features);
	out->reason = r;
	out->key = key;
	out->features = features;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
