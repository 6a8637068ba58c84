// SPDX-License-Identifier: GPL-2.0
#include "sim/cpus_flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/hash.h>

#include "lib/rng.h"
#include "lib/toeplitz.h"

#define SLOTS_KEPT	4096	/* free ones before the first is taken again */
#define WORK_MAX	1000.0

/* The microsoft.com key, which most drivers' documentation has, too. */
static const uint8_t rss_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static void hash_key(const struct sluice_flow_key *key, struct cpus_slot *s)
{
	toeplitz_flow(rss_key, sizeof(rss_key), TOEPLITZ_AS_IS, key, true, &s->rss_hash);
	s->hash = sluice_flow_hash(key);
}

/* A flow from a client out of 10.0.0.0/8 to a port of one of 256 servers. */
static void make_key(uint64_t seed, uint32_t id, struct sluice_flow_key *key)
{
	const uint64_t a = rng_mix64(seed ^ (uint64_t)id * 0x9e3779b97f4a7c15ULL);
	const uint64_t b = rng_mix64(a + 1);
	const uint32_t src = htonl(0x0a000000u | (uint32_t)(a & 0xffffff));
	const uint32_t dst = htonl(0xc0a80000u | (uint32_t)(a >> 24 & 0xff));

	*key = (struct sluice_flow_key){
		.sport = htons(1024 + (uint16_t)(b % 60000)), .dport = htons(443),
		.proto = IPPROTO_TCP, .family = 4,
	};
	memcpy(key->saddr, &src, 4);
	memcpy(key->daddr, &dst, 4);
}

void cpus_flows_begin(struct cpus_flows *f, struct cpus_slot *s, const struct sluice_flow_key *key)
{
	struct sluice_flow_key made;
	struct rng r;

	*s = (struct cpus_slot){ .id = ++f->ids, .work = 1 };
	if (!key) {
		make_key(f->seed, s->id, &made);
		key = &made;
	}
	hash_key(key, s);
	if (f->work_sigma > 0) {
		const double sigma = f->work_sigma;

		rng_seed(&r, f->seed ^ ((uint64_t)s->id << 20));
		s->work = (float)fmin(exp(sigma * rng_normal(&r) - sigma * sigma / 2), WORK_MAX);
	}
}

int64_t cpus_flows_slot(struct cpus_flows *f)
{
	uint32_t i;

	if (f->n_freed > SLOTS_KEPT) {
		i = f->freed[f->freed_head];
		f->freed_head = (f->freed_head + 1) & (f->room_freed - 1);
		f->n_freed--;
		return i;
	}
	if (f->n_slots == f->room_slots) {
		const uint32_t room = f->room_slots ? f->room_slots * 2 : 1024;
		struct cpus_slot *more = realloc(f->slot, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		f->slot = more;
		f->room_slots = room;
	}
	f->slot[f->n_slots] = (struct cpus_slot){ 0 };
	return f->n_slots++;
}

int cpus_flows_free_slot(struct cpus_flows *f, uint32_t slot)
{
	if (f->n_freed == f->room_freed) {
		const uint32_t room = f->room_freed ? f->room_freed * 2 : 2 * SLOTS_KEPT;
		uint32_t *more = malloc(room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		for (uint32_t i = 0; i < f->n_freed; i++)
			more[i] = f->freed[(f->freed_head + i) & (f->room_freed - 1)];
		free(f->freed);
		f->freed = more;
		f->freed_head = 0;
		f->room_freed = room;
	}
	f->freed[(f->freed_head + f->n_freed++) & (f->room_freed - 1)] = slot;
	return 0;
}

static bool sooner(const struct cpus_due *a, const struct cpus_due *b)
{
	return a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->slot < b->slot);
}

void cpus_flows_replace_due(struct cpus_flows *f, struct cpus_due d)
{
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < f->n_heap) {
		if (child + 1 < f->n_heap && sooner(&f->heap[child + 1], &f->heap[child]))
			child++;
		if (!sooner(&f->heap[child], &d))
			break;
		f->heap[i] = f->heap[child];
		i = child;
	}
	f->heap[i] = d;
}

void cpus_flows_drop_due(struct cpus_flows *f)
{
	f->n_heap--;
	if (f->n_heap)
		cpus_flows_replace_due(f, f->heap[f->n_heap]);
}

int cpus_flows_add_due(struct cpus_flows *f, struct cpus_due d)
{
	uint32_t i, up;

	if (f->n_heap == f->room_heap) {
		const uint32_t room = f->room_heap ? f->room_heap * 2 : 256;
		struct cpus_due *more = realloc(f->heap, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		f->heap = more;
		f->room_heap = room;
	}
	for (i = f->n_heap++; i; i = up) {
		up = (i - 1) / 2;
		if (!sooner(&d, &f->heap[up]))
			break;
		f->heap[i] = f->heap[up];
	}
	f->heap[i] = d;
	return 0;
}

static void *copy_of(const void *from, size_t n, size_t size)
{
	void *to = malloc(n * size + 1);

	if (to && n)
		memcpy(to, from, n * size);
	return to;
}

bool cpus_flows_copy(struct cpus_flows *to, const struct cpus_flows *from)
{
	*to = *from;
	to->slot = copy_of(from->slot, from->room_slots, sizeof(*from->slot));
	to->freed = copy_of(from->freed, from->room_freed, sizeof(*from->freed));
	to->heap = copy_of(from->heap, from->room_heap, sizeof(*from->heap));
	return to->slot && to->freed && to->heap;
}

void cpus_flows_fini(struct cpus_flows *f)
{
	free(f->slot);
	free(f->freed);
	free(f->heap);
}
