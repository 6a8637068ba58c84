/* SPDX-License-Identifier: GPL-2.0 */
/*
 * States that a tree of kind PLACE meets, recorded in the simulator of receiving CPUs: eight of them,
 * one at half speed, with small flows that come and go and four that stay. At the first packet of each flow
 * it is noted what stands in the features. Headers are made up, as the simulator has none.
 */
#ifndef SLUICE_SELFTEST_PLACE_STATES_H
#define SLUICE_SELFTEST_PLACE_STATES_H

#include <linux/in.h>

#include <sluice/place.h>

#include "lib/rng.h"
#include "sim/cpus.h"

#define PLACE_STATES_CPUS	8
#define PLACE_STATES_EPOCH_NS	50000000

struct place_states {
	__u32 (*state)[SLUICE_PLACE_F_NR];
	size_t n, room;
	struct rng rng;
	__u32 load[PLACE_STATES_CPUS], fresh[PLACE_STATES_CPUS], mean;
};

static inline struct sluice_place_flow place_states_flow(struct rng *rng)
{
	static const __u16 ports[] = { 443, 443, 443, 80, 53, 22, 5201, 8080 };
	struct sluice_place_flow f = {
		.length = rng_below(rng, 3) ? 40 + rng_below(rng, 80) : 1500,
		.sport = 1024 + rng_below(rng, 60000), .dport = ports[rng_below(rng, 8)],
		.proto = rng_below(rng, 4) ? IPPROTO_TCP : IPPROTO_UDP,
		.tos = rng_below(rng, 6) ? 0 : rng_below(rng, 64) << 2,
		.family = rng_below(rng, 3) ? 4 : 6,
	};

	if (f.proto == IPPROTO_TCP)
		f.tcp_flags = f.length == 1500 ? 0x18 : 0x02;
	return f;
}

static inline struct sluice_place_cpu place_states_cpu(const struct place_states *p,
						       const struct cpus *c, unsigned int cpu)
{
	return (struct sluice_place_cpu){ p->load[cpu], cpus_backlog(c, cpu), p->fresh[cpu] };
}

static inline int place_states_see(void *data, const struct cpus *c, uint32_t bucket)
{
	const unsigned int home = bucket % PLACE_STATES_CPUS;
	struct place_states *p = data;
	const struct sluice_place_flow f = place_states_flow(&p->rng);
	struct sluice_place_cpu at_home = place_states_cpu(p, c, home), a, b;
	__u32 i, j;

	if (p->n == p->room)
		return -1;
	sluice_place_draw(rng_u64(&p->rng), PLACE_STATES_CPUS, &i, &j);
	if (i == home)
		i = j;
	if (j == home)
		j = i;
	a = place_states_cpu(p, c, i);
	b = place_states_cpu(p, c, j);
	if (sluice_place_second(&a, &b, 20000)) {
		a = b;
		i = j;
	}
	sluice_place_features(&at_home, &a, p->mean, &f, p->state[p->n++]);
	if (at_home.load < a.load || rng_below(&p->rng, 2))
		return -1;
	p->fresh[i]++;
	return i;
}

static inline void place_states_look(struct place_states *p, const struct cpus *c,
				     struct cpus_stats *then)
{
	struct cpus_stats now;
	__u64 sum = 0, busy;

	cpus_read(c, &now);
	for (int i = 0; i < PLACE_STATES_CPUS; i++) {
		busy = (now.busy_ns[i] - then->busy_ns[i]) * (SLUICE_TREE_PPM / 1000) /
		       (PLACE_STATES_EPOCH_NS / 1000);
		p->load[i] = busy < SLUICE_TREE_PPM ? busy : SLUICE_TREE_PPM;
		p->fresh[i] = 0;
		sum += p->load[i];
	}
	p->mean = sum / PLACE_STATES_CPUS;
	*then = now;
}

/* n states; 0 or a negative errno. */
static inline int place_states_record(__u32 (*state)[SLUICE_PLACE_F_NR], size_t n, struct sl_err *e)
{
	static double bytes[] = { 100, 1500, 6000, 60000 }, share[] = { 0, 0.7, 0.95, 1 };
	static const struct dist sizes = { .bytes = bytes, .share = share, .n = 4 };
	struct place_states p = { .state = state, .room = n };
	struct cpus_stats then = { 0 };
	struct cpus_traffic_params tp;
	struct cpus_traffic *t;
	struct cpus_params cp;
	struct cpus *c;
	uint64_t until = 0;
	int r;

	rng_seed(&p.rng, 11);
	cpus_params_default(&cp);
	cpus_traffic_params_default(&tp);
	cp.n_cpus = PLACE_STATES_CPUS;
	cp.speed[1] = 0.5;
	cp.steer = true;
	tp.zipf_share = 0;
	tp.flows_share = 0.9;
	tp.elephants_share = 0.1;
	tp.elephants = 4;
	tp.sizes = &sizes;
	tp.rate_pps = 0.75 * PLACE_STATES_CPUS * 1e9 /
		      cpus_packet_ns(&cp, cpus_traffic_mean_bytes(&tp));
	r = cpus_traffic_new(&tp, 7, &t, e);
	if (!r)
		r = cpus_new(&cp, t, &c, e);
	if (r)
		return r;
	for (int b = 0; b < SLUICE_BUCKETS; b++)
		cpus_bucket_baseline(c, b, b % PLACE_STATES_CPUS);
	cpus_set_placer(c, place_states_see, &p);
	while (!r && p.n < n) {
		until += PLACE_STATES_EPOCH_NS;
		r = cpus_run(c, until);
		place_states_look(&p, c, &then);
	}
	cpus_free(c);
	return r;
}

#endif
