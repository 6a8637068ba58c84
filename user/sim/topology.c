// SPDX-License-Identifier: GPL-2.0
#include "sim/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"

#define PATHS_MAX	(SIM_NO_PATH - 1)

void sim_topology_free(struct sim_topology *t)
{
	free(t->path);
	free(t->queue);
	*t = (struct sim_topology){ 0 };
}

static uint16_t *path_of(const struct sim_topology *t, unsigned int from, unsigned int to)
{
	return &t->path[((size_t)from * t->n_hosts + to) * t->n_ways];
}

bool sim_topology_route(const struct sim_topology *t, unsigned int from, unsigned int to,
			uint64_t hash, struct sim_flow_params *flow)
{
	uint16_t data, ack;

	if (from >= t->n_hosts || to >= t->n_hosts)
		return false;
	data = path_of(t, from, to)[hash % t->n_ways];
	ack = path_of(t, to, from)[rng_mix64(hash) % t->n_ways];
	if (data == SIM_NO_PATH || ack == SIM_NO_PATH)
		return false;
	flow->data_path = data;
	flow->ack_path = ack;
	return true;
}

static int allocate(struct sim_topology *t, unsigned int n_hosts, unsigned int n_ways,
		    unsigned int n_queues)
{
	const size_t n_paths = (size_t)n_hosts * n_hosts * n_ways;

	*t = (struct sim_topology){
		.n_hosts = n_hosts, .n_ways = n_ways,
		.path = malloc(n_paths * sizeof(*t->path)),
		.queue = calloc(n_queues, sizeof(*t->queue)),
	};
	if (!t->path || !t->queue)
		return -ENOMEM;
	memset(t->path, 0xff, n_paths * sizeof(*t->path));
	return 0;
}

/* Adds a stage that judges packets, and notes it. */
static int add_queue(struct sim *s, const struct sim_stage_params *p, struct sim_topology *t)
{
	const int stage = sim_add_stage(s, p);

	if (stage >= 0)
		t->queue[t->n_queues++] = (uint16_t)stage;
	return stage;
}

/* Adds a path, for all ways between two hosts or for one of them; its number. */
static int connect_way(struct sim *s, struct sim_topology *t, unsigned int from, unsigned int to,
		       int way, const uint16_t *stages, size_t n)
{
	const int path = sim_add_path(s, stages, n);

	for (unsigned int w = 0; path >= 0 && w < t->n_ways; w++)
		if (way < 0 || (unsigned int)way == w)
			path_of(t, from, to)[w] = (uint16_t)path;
	return path;
}

/* A way back that nothing crosses: a delay. 0 or -errno. */
static int connect_back(struct sim *s, struct sim_topology *t, unsigned int from, unsigned int to,
			uint64_t delay_ns)
{
	const struct sim_stage_params back = { .delay_ns = delay_ns };
	uint16_t stage;
	int r = sim_add_stage(s, &back);

	if (r < 0)
		return r;
	stage = (uint16_t)r;
	r = connect_way(s, t, from, to, -1, &stage, 1);
	return r < 0 ? r : 0;
}

/* --- a bottleneck --------------------------------------------------------------- */

/* One sender's paths; senders like an earlier one without a link of their own share them. */
static int add_sender(struct sim *s, const struct sim_bottleneck_params *p, uint64_t least_ns,
		      struct sim_topology *t, unsigned int sender)
{
	const uint64_t rtt_ns = p->rtt_ns[sender], way_ns = least_ns / 2;
	const uint64_t more_ns = (rtt_ns - least_ns) / 2;
	const struct sim_stage_params access = { .rate_bps = p->access_bps, .delay_ns = more_ns,
						 .aqm = { 0x7fffffff, 0x7fffffff, 0 } };
	const unsigned int receiver = p->n_senders;
	uint16_t there[2] = { t->queue[0], t->queue[0] };
	bool own = false;
	int r;

	for (unsigned int like = 0; p->access_bps <= 0 && like < sender; like++) {
		if (p->rtt_ns[like] != rtt_ns)
			continue;
		*path_of(t, sender, receiver) = *path_of(t, like, receiver);
		*path_of(t, receiver, sender) = *path_of(t, receiver, like);
		return 0;
	}
	if (p->access_bps > 0 || more_ns) {
		own = true;
		r = sim_add_stage(s, &access);
		if (r < 0)
			return r;
		there[0] = (uint16_t)r;
	}
	r = connect_way(s, t, sender, receiver, -1, there, own ? 2 : 1);
	if (r < 0)
		return r;
	return connect_back(s, t, receiver, sender, rtt_ns - more_ns - way_ns);
}

int sim_build_bottleneck(struct sim *s, const struct sim_bottleneck_params *p,
			 struct sim_topology *ret)
{
	struct sim_stage_params queue = p->queue;
	uint64_t least_ns = UINT64_MAX;
	struct sim_topology t;
	int r;

	if (!p->n_senders || p->n_senders > SIM_SENDERS_MAX || p->access_bps < 0)
		return -EINVAL;
	for (unsigned int i = 0; i < p->n_senders; i++)
		least_ns = p->rtt_ns[i] < least_ns ? p->rtt_ns[i] : least_ns;
	queue.delay_ns = least_ns / 2;
	r = allocate(&t, p->n_senders + 1, 1, 1);
	if (!r)
		r = add_queue(s, &queue, &t);
	for (unsigned int i = 0; r >= 0 && i < p->n_senders; i++)
		r = add_sender(s, p, least_ns, &t, i);
	if (r < 0) {
		sim_topology_free(&t);
		return r;
	}
	*ret = t;
	return 0;
}

/* --- a parking lot --------------------------------------------------------------- */

/* There over some of the hops, and back by a delay. */
static int add_pair(struct sim *s, struct sim_topology *t, unsigned int from, unsigned int first,
		    unsigned int n, uint64_t delay_ns)
{
	int r = connect_way(s, t, from, from + 1, -1, &t->queue[first], n);

	return r < 0 ? r : connect_back(s, t, from + 1, from, n * delay_ns);
}

int sim_build_parking_lot(struct sim *s, const struct sim_parking_lot_params *p,
			  struct sim_topology *ret)
{
	struct sim_topology t;
	int r;

	if (!p->n_hops || p->n_hops > SIM_HOPS_MAX)
		return -EINVAL;
	r = allocate(&t, 2 + 2 * p->n_hops, 1, p->n_hops);
	for (unsigned int i = 0; r >= 0 && i < p->n_hops; i++)
		r = add_queue(s, &p->hop, &t);
	if (r >= 0)
		r = add_pair(s, &t, 0, 0, p->n_hops, p->hop.delay_ns);
	for (unsigned int i = 0; r >= 0 && i < p->n_hops; i++)
		r = add_pair(s, &t, 2 + 2 * i, i, 1, p->hop.delay_ns);
	if (r < 0) {
		sim_topology_free(&t);
		return r;
	}
	*ret = t;
	return 0;
}

/* --- leaves and spines -------------------------------------------------------------- */

/* Numbers of the stages, in the order in which they are added. */
struct fabric {
	unsigned int n_hosts, n_leaves, n_spines, hosts_per_leaf;
};

static uint16_t host_stage(unsigned int host)
{
	return host;
}

static uint16_t port_stage(const struct fabric *f, unsigned int host)
{
	return f->n_hosts + host;
}

static uint16_t up_stage(const struct fabric *f, unsigned int leaf, unsigned int spine)
{
	return 2 * f->n_hosts + leaf * f->n_spines + spine;
}

static uint16_t down_stage(const struct fabric *f, unsigned int spine, unsigned int leaf)
{
	return 2 * f->n_hosts + f->n_leaves * f->n_spines + spine * f->n_leaves + leaf;
}

static int connect_hosts(struct sim *s, const struct fabric *f, struct sim_topology *t,
			 unsigned int from, unsigned int to)
{
	const unsigned int leaf = from / f->hosts_per_leaf, other = to / f->hosts_per_leaf;
	int r = 0;

	if (leaf == other)
		return connect_way(s, t, from, to, -1,
				   (uint16_t[]){ host_stage(from), port_stage(f, to) }, 2);
	for (unsigned int spine = 0; r >= 0 && spine < f->n_spines; spine++) {
		const uint16_t stages[] = {
			host_stage(from), up_stage(f, leaf, spine), down_stage(f, spine, other),
			port_stage(f, to),
		};

		r = connect_way(s, t, from, to, (int)spine, stages, 4);
	}
	return r;
}

int sim_build_leaf_spine(struct sim *s, const struct sim_leaf_spine_params *p,
			 struct sim_topology *ret)
{
	const struct fabric f = {
		.n_hosts = p->n_leaves * p->hosts_per_leaf, .n_leaves = p->n_leaves,
		.n_spines = p->n_spines, .hosts_per_leaf = p->hosts_per_leaf,
	};
	const unsigned int n_fabric = 2 * p->n_leaves * p->n_spines;
	struct sim_topology t;
	int r;

	if (!p->n_leaves || !p->n_spines || !p->hosts_per_leaf || p->n_leaves > 1000 ||
	    p->n_spines > 1000 || p->hosts_per_leaf > 1000 || f.n_hosts < 2)
		return -EINVAL;
	if ((uint64_t)f.n_hosts * f.n_hosts * f.n_spines > PATHS_MAX ||
	    2 * f.n_hosts + n_fabric > PATHS_MAX)
		return -ENOSPC;
	r = allocate(&t, f.n_hosts, f.n_spines, 2 * f.n_hosts + n_fabric);
	for (unsigned int i = 0; r >= 0 && i < f.n_hosts; i++)
		r = sim_add_stage(s, &p->host);
	for (unsigned int i = 0; r >= 0 && i < f.n_hosts; i++)
		r = add_queue(s, &p->port, &t);
	for (unsigned int i = 0; r >= 0 && i < n_fabric; i++)
		r = add_queue(s, &p->fabric, &t);
	for (unsigned int i = 0; r >= 0 && i < f.n_hosts; i++)
		t.queue[t.n_queues++] = host_stage(i);
	for (unsigned int i = 0; r >= 0 && i < f.n_hosts * f.n_hosts; i++)
		if (i / f.n_hosts != i % f.n_hosts)
			r = connect_hosts(s, &f, &t, i / f.n_hosts, i % f.n_hosts);
	if (r < 0) {
		sim_topology_free(&t);
		return r;
	}
	*ret = t;
	return 0;
}
