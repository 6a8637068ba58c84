// SPDX-License-Identifier: GPL-2.0
#include "objects.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/in.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"

#define SEED	1
#define BATCH	65536u

struct steer *instance_new(__u32 max_flows, unsigned int n_cpus, __u32 flags, struct sl_err *e)
{
	const struct sluice_steer_config c = { .flags = flags, .sample_mask = 63 };
	static const __u16 cpus[] = { 0, 1 };
	struct steer *s = steer_alloc(NULL);
	int r;

	if (!s) {
		sl_err(e, -ENOMEM, "out of memory");
		return NULL;
	}
	r = steer_load_object(s, max_flows, true, e);
	if (r == 0)
		r = steer_open_maps(s, e);
	if (r == 0 && n_cpus)
		r = steer_write_targets(s, cpus, n_cpus, 0, e);
	if (r == 0)
		r = steer_set_config(s, &c, e);
	if (r == 0)
		return s;
	steer_close(s);
	return NULL;
}

struct sluice_flow4_key bench_flow(__u32 i)
{
	return (struct sluice_flow4_key){
		.saddr = htonl(0x0a000000 + i),			/* 10.0.0.0/8 */
		.daddr = htonl(0xc0000201),			/* 192.0.2.1 */
		.sport = htons(1024 + rng_mix64(i) % 60000),
		.dport = htons(443),
		.proto = IPPROTO_UDP,
		.family = 4,
	};
}

int instance_fill(struct steer *s, __u32 n, bool assigned, struct sl_err *e)
{
	LIBBPF_OPTS(bpf_map_batch_opts, o);
	struct sluice_flow4_key *keys = calloc(BATCH, sizeof(*keys));
	struct sluice_flow *flows = calloc(BATCH, sizeof(*flows));
	int r = keys && flows ? steer_use_flows(s) : -ENOMEM;

	for (__u32 done = 0, count; done < n && r == 0; done += count) {
		count = n - done < BATCH ? n - done : BATCH;
		for (__u32 i = 0; i < count; i++) {
			keys[i] = bench_flow(done + i);
			if (assigned)
				flows[i].assign.flags = SLUICE_FLOW_OPERATOR;
		}
		r = bpf_map_update_batch(steer_flows_fd(s, 4), keys, flows, &count, &o);
	}
	free(keys);
	free(flows);
	return r ? sl_err(e, r, "cannot make %u flow entries: %s", n, strerror(-r)) : 0;
}

int object_load(const char *name, struct steer *s, struct bpf_object **ret, struct sl_err *e)
{
	struct bpf_object *o;
	struct bpf_map *map;
	char path[64];
	int r = 0;

	snprintf(path, sizeof(path), "build/selftests/bench/%s.bpf.o", name);
	o = bpf_object__open_file(path, NULL);
	if (!o)
		return sl_err(e, -errno, "cannot open %s: %s; run this from the project's root",
			      path, strerror(errno));
	for (int i = 0; s && i < STEER_MAP_MAX && r == 0; i++) {
		map = bpf_object__find_map_by_name(o, steer_map_name[i]);
		if (map)
			r = bpf_map__reuse_fd(map, s->map[i]);
	}
	if (r == 0)
		r = bpf_object__load(o);
	if (r) {
		bpf_object__close(o);
		return sl_err(e, r, "cannot load %s: %s", path, strerror(-r));
	}
	*ret = o;
	return 0;
}

int object_prog(struct bpf_object *o, const char *name, struct sl_err *e)
{
	struct bpf_program *p = bpf_object__find_program_by_name(o, name);

	return p ? bpf_program__fd(p) : sl_err(e, -ENOENT, "there is no program %s", name);
}

struct bench_state *object_state(struct bpf_object *o)
{
	struct bpf_map *map = bpf_object__find_map_by_name(o, ".bss");
	size_t size;

	/* The memory of the map itself; libbpf says const because it once was not. */
	return map ? (void *)bpf_map__initial_value(map, &size) : NULL;
}

static int set_tuples(struct bpf_object *o, const __u32 *sequence, struct sl_err *e)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	struct bench_tuple *t = calloc(BENCH_TUPLES, sizeof(*t));
	__u32 *index = calloc(BENCH_TUPLES, sizeof(*index)), n = BENCH_TUPLES;
	int r = t && index ? 0 : -ENOMEM;

	for (__u32 i = 0; i < n && r == 0; i++) {
		const struct sluice_flow4_key k = bench_flow(sequence[i]);

		index[i] = i;
		t[i].saddr = k.saddr;
		t[i].sport = k.sport;
	}
	if (r == 0)
		r = bpf_map_update_batch(bpf_object__find_map_fd_by_name(o, "tuples"), index, t, &n,
					 &opts);
	free(t);
	free(index);
	return r ? sl_err(e, r, "cannot write the sequence of flows: %s", strerror(-r)) : 0;
}

int object_set_uniform(struct bpf_object *o, __u32 n, struct sl_err *e)
{
	__u32 *sequence = calloc(BENCH_TUPLES, sizeof(*sequence));
	struct rng rng;
	int r;

	if (!sequence)
		return sl_err(e, -ENOMEM, "out of memory");
	rng_seed(&rng, SEED);
	for (__u32 i = 0; i < BENCH_TUPLES; i++)
		sequence[i] = rng_below(&rng, n);
	r = set_tuples(o, sequence, e);
	free(sequence);
	return r;
}

/* The smallest rank whose cumulative weight is above x. */
static __u32 rank_of(const double *cumulative, __u32 n, double x)
{
	__u32 lo = 0, hi = n - 1;

	while (lo < hi) {
		const __u32 mid = lo + (hi - lo) / 2;

		if (cumulative[mid] > x)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* Which flow has which rank is random, or the frequent ones would be neighbours in memory. */
int object_set_zipf(struct bpf_object *o, __u32 n, double exponent, struct sl_err *e)
{
	__u32 *sequence = calloc(BENCH_TUPLES, sizeof(*sequence)), *flow = calloc(n, sizeof(*flow));
	double *cumulative = calloc(n, sizeof(*cumulative)), sum = 0;
	int r = sequence && flow && cumulative ? 0 : sl_err(e, -ENOMEM, "out of memory");
	struct rng rng;

	rng_seed(&rng, SEED);
	for (__u32 i = 0; i < n && r == 0; i++) {
		const __u32 j = rng_below(&rng, i + 1);

		flow[i] = flow[j];
		flow[j] = i;
		sum += pow(i + 1, -exponent);
		cumulative[i] = sum;
	}
	for (__u32 i = 0; i < BENCH_TUPLES && r == 0; i++)
		sequence[i] = flow[rank_of(cumulative, n, rng_uniform(&rng) * sum)];
	if (r == 0)
		r = set_tuples(o, sequence, e);
	free(sequence);
	free(flow);
	free(cumulative);
	return r;
}
