// SPDX-License-Identifier: GPL-2.0
/*
 * Where a newly admitted flow goes: the rule of bpf/place.bpf.h on the simulator's arrays. Features,
 * candidates and the walk are include/sluice/place.h, the same source as the program's. Left out:
 * what the simulator's packets do not tell (DSCP, TCP flags) is 0, and publishing cannot tear.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/place.h>

#include "sim/cpus_priv.h"

static struct cpus_place *place_of(struct cpus *c)
{
	if (!c->place)
		c->place = calloc(1, sizeof(*c->place));
	return c->place;
}

int cpus_set_tree(struct cpus *c, const struct sluice_tree *t)
{
	struct cpus_place *x = place_of(c);

	if (!x)
		return -ENOMEM;
	if (!t) {
		x->control.active = 0;
		return 0;
	}
	if (t->h.size > sizeof(*t) || sluice_place_validate(t, t->h.size) != SLUICE_TREE_E_OK)
		return -EINVAL;
	memcpy(&x->tree, t, t->h.size);
	x->control.active = SLUICE_TREE_ACTIVE(0, t->h.generation);
	return 0;
}

int cpus_set_loads(struct cpus *c, const struct place_loads *l)
{
	struct cpus_place *x = place_of(c);

	if (!x)
		return -ENOMEM;
	x->control.mean_ppm = l->mean_ppm;
	x->control.flow_ppm = l->flow_ppm;
	x->control.n_targets = l->n;
	for (unsigned int i = 0; i < l->n; i++) {
		x->control.target[i] = l->cpu[i];
		x->load[l->cpu[i]] = (struct sluice_cpu_load){
			.ppm = l->ppm[i], .lost = l->lost[i], .time_ns = c->now_ns,
		};
	}
	return 0;
}

void cpus_tree_stats(const struct cpus *c, struct sluice_tree_stats *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned int q = 0; c->place && q < c->p.n_rxqs; q++) {
		const struct sluice_tree_stats *s = &c->place->stats[q];

		out->home += s->home;
		out->other += s->other;
		out->alone += s->alone;
		out->held += s->held;
		out->lapsed += s->lapsed;
	}
}

void cpus_watch(struct cpus *c, cpus_watcher *watcher, void *data)
{
	c->watcher = watcher;
	c->watcher_data = data;
}

void cpus_force(struct cpus *c, int choice)
{
	c->forced = choice + 1;
}

/* Packets in the ring, and on their way there. */
static struct sluice_place_cpu look_at(const struct cpus *c, unsigned int cpu)
{
	const struct sluice_cpu_load *l = &c->place->load[cpu];
	uint64_t sent = 0, gone = c->deliver[cpu].packets + l->lost;

	for (unsigned int q = 0; q < c->p.n_rxqs; q++)
		sent += c->sent[(size_t)q * SLUICE_MAX_CPUS + cpu].packets;
	sent = (int64_t)(sent - gone) < 0 ? 0 : sent - gone;
	return (struct sluice_place_cpu){
		.load = l->ppm, .fresh = l->fresh,
		.queue = sent < SLUICE_PLACE_QUEUE_MAX ? (uint32_t)sent : SLUICE_PLACE_QUEUE_MAX,
	};
}

/* What the bucket wants while the lease runs; -1: nothing. */
static int home_of(const struct sluice_bucket *b)
{
	if (b->flags & SLUICE_BUCKET_F_LEARNED)
		return b->learned_cpu;
	return b->flags & SLUICE_BUCKET_F_BASELINE ? b->cpu : -1;
}

/* The less loaded of the two targets that the hash draws, home excepted; -1: there is none. */
static int other_of(const struct cpus *c, uint64_t hash, int home, struct sluice_place_cpu *ret)
{
	const struct sluice_tree_control *control = &c->place->control;
	struct sluice_place_cpu second;
	uint32_t i = 0, k = 0;
	int a, b;

	if (!control->n_targets)
		return -1;
	if (control->n_targets > 1)
		sluice_place_draw(hash, control->n_targets, &i, &k);
	a = control->target[i];
	b = control->target[k];
	if (a == home)
		a = b;
	if (b == home)
		b = a;
	if (a == home)
		return -1;
	*ret = look_at(c, (unsigned int)a);
	if (a == b)
		return a;
	second = look_at(c, (unsigned int)b);
	if (!sluice_place_second(ret, &second, control->flow_ppm))
		return a;
	*ret = second;
	return b;
}

/* Counted, and as an assignment. */
static struct sluice_assign choose(struct cpus *c, uint16_t rxq, uint32_t choice, int home,
				   int other)
{
	const uint32_t generation = SLUICE_TREE_ACTIVE_GENERATION(c->place->control.active);
	struct sluice_tree_stats *stats = &c->place->stats[rxq];
	struct sluice_tree_count *n = &stats->of[generation % SLUICE_TREE_COUNTS];

	if (n->generation != generation)
		*n = (struct sluice_tree_count){ .generation = generation };
	if (choice != SLUICE_PLACE_OTHER) {
		stats->home++;
		n->home++;
		return (struct sluice_assign){ .cpu = (uint16_t)home, .generation = generation };
	}
	stats->other++;
	n->other++;
	c->place->load[other].fresh++;
	return (struct sluice_assign){
		.cpu = (uint16_t)other, .flags = SLUICE_FLOW_LEARNED | SLUICE_FLOW_TREE,
		.generation = generation,
	};
}

struct sluice_assign place_admitted(struct cpus *c, const struct cpus_packet *p)
{
	/* IPv4 and TCP, behind an Ethernet header. */
	const struct sluice_place_flow flow = {
		.length = (uint16_t)(p->bytes > 14 ? p->bytes - 14 : 0), .proto = 6, .family = 4,
	};
	const struct sluice_assign none = { 0 };
	struct cpus_place *x = c->place;
	uint32_t feature[SLUICE_PLACE_F_NR], choice;
	struct sluice_place_cpu near, far;
	int home, other;

	if (!x || !x->control.active)
		return none;
	if (c->lease_end_ns <= c->now_ns) {
		x->stats[p->rxq].lapsed++;
		return none;
	}
	if (c->bucket[p->bucket].flags & SLUICE_BUCKET_F_HOLD) {
		x->stats[p->rxq].held++;
		return none;
	}
	home = home_of(&c->bucket[p->bucket]);
	other = home < 0 ? -1 : other_of(c, p->hash, home, &far);
	if (other < 0) {
		x->stats[p->rxq].alone++;
		return none;
	}
	near = look_at(c, (unsigned int)home);
	sluice_place_features(&near, &far, x->control.mean_ppm, &flow, feature);
	choice = sluice_place_choice(&x->tree, sluice_place_walk(&x->tree, feature));
	if (c->forced) {
		choice = (uint32_t)c->forced - 1;
		c->forced = 0;
	}
	if (c->watcher)
		c->watcher(c->watcher_data, c, feature, choice);
	return choose(c, p->rxq, choice, home, other);
}
