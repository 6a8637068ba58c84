// SPDX-License-Identifier: GPL-2.0
/*
 * A second machine in the same state, to see what another decision would have led to; and what its
 * packets have waited for so far.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/cpus_priv.h"

/* NULL: out of memory, or nothing to copy. */
static void *dup_of(const void *from, size_t n, size_t size, bool *failed)
{
	void *to = from && n ? malloc(n * size) : NULL;

	if (to)
		memcpy(to, from, n * size);
	*failed |= from && n && !to;
	return to;
}

static void copy_ring(struct cpus_ring *r, bool *failed)
{
	r->packet = dup_of(r->packet, r->packet ? r->mask + 1 : 0, sizeof(*r->packet), failed);
}

struct cpus *cpus_copy(const struct cpus *from)
{
	const size_t q = from->p.n_rxqs, n = from->p.n_cpus;
	struct cpus *c = malloc(sizeof(*c));
	bool failed = false;

	if (!c)
		return NULL;
	*c = *from;
	c->placer = NULL;
	c->traffic = cpus_traffic_copy(from->traffic);
	c->rx = dup_of(from->rx, q, sizeof(*c->rx), &failed);
	for (size_t i = 0; c->rx && i < q; i++)
		copy_ring(&c->rx[i], &failed);
	for (size_t i = 0; i < n; i++)
		copy_ring(&c->cpu[i].ring, &failed);
	c->bulks = dup_of(from->bulks, n * n, sizeof(*c->bulks), &failed);
	c->bucket_state = dup_of(from->bucket_state, q * SLUICE_BUCKETS, sizeof(*c->bucket_state),
				 &failed);
	c->sent = dup_of(from->sent, q * SLUICE_MAX_CPUS, sizeof(*c->sent), &failed);
	c->acks = dup_of(from->acks, q * SLUICE_MAX_CPUS, sizeof(*c->acks), &failed);
	c->steer_stats = dup_of(from->steer_stats, q, sizeof(*c->steer_stats), &failed);
	c->candidates = dup_of(from->candidates, q * SLUICE_CANDIDATES, sizeof(*c->candidates),
			       &failed);
	c->flow = dup_of(from->flow, from->n_flows, sizeof(*c->flow), &failed);
	c->room_flows = from->n_flows;
	c->place = dup_of(from->place, 1, sizeof(*c->place), &failed);
	if (!failed && c->traffic)
		return c;
	cpus_free(c);
	return NULL;
}

static double waited(const struct cpus *c, const struct cpus_ring *r)
{
	double sum = 0;

	for (uint32_t i = 0; i < r->n; i++)
		sum += (double)(c->now_ns - r->packet[(r->head + i) & r->mask].arrived_ns);
	return sum;
}

double cpus_waiting_ns(const struct cpus *c)
{
	const unsigned int n = c->p.n_cpus;
	double sum = 0;

	for (unsigned int q = 0; q < c->p.n_rxqs; q++)
		sum += waited(c, &c->rx[q]);
	for (unsigned int i = 0; i < n; i++) {
		const struct cpus_cpu *u = &c->cpu[i];

		sum += waited(c, &u->ring);
		if (u->doing == POLLING)
			sum += (double)(c->now_ns - u->at_hand.arrived_ns);
		for (uint32_t k = u->bulk_i; u->doing == SERVING && k < u->bulk_n; k++)
			sum += (double)(c->now_ns - u->bulk[k].arrived_ns);
	}
	for (unsigned int i = 0; i < n * n; i++)
		for (uint32_t k = 0; k < c->bulks[i].n; k++)
			sum += (double)(c->now_ns - c->bulks[i].packet[k].arrived_ns);
	return sum;
}
