/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Flows with an entry: the cache, the hash behind it, admission and reports.
 * All is written once, by macro, for the two families, whose keys differ.
 */
#ifndef SLUICE_FLOW_BPF_H
#define SLUICE_FLOW_BPF_H

#include "packet.bpf.h"

/* A number that no acknowledgement reaches. */
#define SEQ_NEVER	(1ULL << 47)

static __always_inline struct sluice_assign read_assign(const struct sluice_flow *f)
{
	struct sluice_assign a;
	__u64 word = *(const volatile __u64 *)&f->assign;

	_Static_assert(sizeof(a) == sizeof(word), "not one word");
	__builtin_memcpy(&a, &word, sizeof(a));
	return a;
}

/* Tells user space of the flow; packets and bytes are those of its entry, or of this packet. */
static __noinline void tell(struct packet *p, __u32 kind, __u32 cpu1, __u64 packets, __u64 bytes)
{
	struct sluice_flow_event *ev = bpf_ringbuf_reserve(&events, sizeof(*ev), 0);

	if (!ev) {
		p->stats->announce_failed++;
		return;
	}
	ev->key = p->key;
	ev->bucket = sluice_hash_bucket(p->hash);
	ev->kind = kind;
	ev->cpu1 = cpu1;
	ev->packets = packets;
	ev->bytes = bytes;
	ev->features = p->features;
	bpf_ringbuf_submit(ev, 0);
	p->stats->announced++;
}

static __always_inline void see(struct sluice_seen *seen, const struct packet *p)
{
	seen->vlan_tci = p->features.vlan_tci;
	seen->tos = p->features.tos;
	seen->tcp_flags |= p->features.tcp_flags;
}

/* Adds to an entry's counters; atomically, as a flow may have changed its RX queue. */
static __always_inline void add_to_entry(struct sluice_flow *f, __u64 packets, __u64 bytes,
					 __u32 ticks)
{
	__sync_fetch_and_add(&f->packets, packets);
	__sync_fetch_and_add(&f->bytes, bytes);
	f->ticks = ticks;
}

static __always_inline void write_back(struct sluice_cached *c, struct sluice_flow *f)
{
	add_to_entry(f, c->packets, c->bytes, c->ticks);
	if (c->place.cpu1)
		f->place = c->place;
	f->seen = c->seen;
	c->packets = 0;
	c->bytes = 0;
}

/*
 * Where the flow of this entry goes: its own place, settled, or NULL for its
 * bucket's. What becomes of a flow that gets or loses its assignment is here.
 */
static __always_inline struct sluice_place *entry_place(struct packet *p, struct sluice_flow *f,
							__u32 *flags)
{
	const struct sluice_assign a = read_assign(f);
	struct sluice_bucket_state *b;
	__u32 want1;

	*flags = a.flags;
	if (!(a.flags & SLUICE_FLOW_OPERATOR) && a.flags & SLUICE_FLOW_LEARNED && !lease_runs(p)) {
		p->stats->lapsed++;
		*flags = 0;
	}
	if (!*flags && !f->place.cpu1)
		return NULL;
	b = bucket_settled(p);
	if (!b)
		return NULL;
	if (!f->place.cpu1) {
		f->place = b->place;
		f->place.flags = 0;
	} else if (f->place.rxq != p->rxq) {
		/* The order within the new queue begins with this packet, on the old CPU. */
		f->place.rxq = p->rxq;
		f->place.seq = SEQ_NEVER;
		f->place.ticks = p->now;
	}
	want1 = *flags ? cpu1_of(a.cpu) : b->place.cpu1;
	settle(&f->place, want1, p->stats, p->config);
	if (*flags || f->place.cpu1 != want1)
		return &f->place;
	f->place.cpu1 = 0;
	return NULL;
}

static __always_inline void fill_cached(struct packet *p, struct sluice_cached *c,
					const struct sluice_place *place,
					const struct sluice_flow *f, __u32 flags)
{
	c->place.cpu1 = 0;
	if (place)
		c->place = *place;
	c->packets = 1;
	c->bytes = p->bytes;
	c->flags = flags;
	c->seen = f->seen;
	see(&c->seen, p);
	c->ticks = p->now;
	c->written_ticks = p->now;
	c->valid = p->control->changes + 1;
}

/* Whether the slot, which has the right key, still stands for its entry. Counts if so. */
static __always_inline int cached_hit(struct packet *p, struct sluice_cached *c)
{
	if (c->valid != p->control->changes + 1 || c->packets >= SLUICE_CACHE_PACKETS - 1 ||
	    p->now - c->written_ticks >= SLUICE_CACHE_TICKS)
		return 0;
	if (c->flags == SLUICE_FLOW_LEARNED && !lease_runs(p))
		return 0;
	c->packets++;
	c->bytes += p->bytes;
	c->ticks = p->now;
	see(&c->seen, p);
	p->stats->cache_hits++;
	return 1;
}

/* A sampled miss: an event, or an entry for one that was sampled before. */
#define FLOW_MISSED(family)								\
static __noinline void missed##family(struct packet *p, const FLOW_KEY##family *key)	\
{											\
	__u32 index = p->rxq * SLUICE_CANDIDATES +					\
		      (__u32)(p->hash >> 36) % SLUICE_CANDIDATES;			\
	const __u32 tag = (__u32)(p->hash >> 8) | 1;					\
	struct sluice_flow fresh = { .packets = 1, .bytes = p->bytes, .ticks = p->now,	\
				     .born_ticks = p->now };				\
	__u32 *candidate;								\
											\
	if (p->config->flags & SLUICE_STEER_F_ANNOUNCE)					\
		tell(p, SLUICE_EVENT_MISS, 0, 1, p->bytes);				\
	if (!(p->config->flags & SLUICE_STEER_F_ADMIT))					\
		return;									\
	candidate = bpf_map_lookup_elem(&candidates, &index);				\
	if (!candidate)									\
		return;									\
	if (*candidate != tag) {							\
		*candidate = tag;							\
		return;									\
	}										\
	*candidate = 0;									\
	fresh.report_at = p->config->report_packets;					\
	see(&fresh.seen, p);								\
	if (bpf_map_update_elem(&flows##family, key, &fresh, BPF_NOEXIST))		\
		p->stats->admit_failed++;						\
	else										\
		p->stats->admitted++;							\
}

/* The way through the hash: the place, or NULL for the bucket's. */
#define FLOW_LOOKED_UP(family)								\
static __always_inline struct sluice_place *looked_up##family(struct packet *p,		\
		const FLOW_KEY##family *key, struct sluice_cached##family *slot, int same)	\
{											\
	struct sluice_flow *f = bpf_map_lookup_elem(&flows##family, key), *evicted;	\
	struct sluice_place *place;							\
	__u32 flags;									\
											\
	if (!f) {									\
		if (same)								\
			slot->c.valid = slot->c.packets = 0;				\
		if (!(p->stats->flow_misses++ & p->config->announce_mask) &&		\
		    p->config->flags & (SLUICE_STEER_F_ANNOUNCE | SLUICE_STEER_F_ADMIT))	\
			missed##family(p, key);						\
		return NULL;								\
	}										\
	if (same && slot->c.packets)							\
		write_back(&slot->c, f);						\
	if (p->config->report_packets && f->packets >= f->report_at) {			\
		f->report_at = f->packets + p->config->report_packets;			\
		tell(p, SLUICE_EVENT_HEAVY, f->place.cpu1, f->packets, f->bytes);	\
	}										\
	place = entry_place(p, f, &flags);						\
	if ((place && place->flags) || p->config->flags & SLUICE_STEER_F_NO_CACHE) {	\
		if (same)								\
			slot->c.valid = 0;						\
		add_to_entry(f, 1, p->bytes, p->now);					\
		see(&f->seen, p);							\
		return place;								\
	}										\
	if (!same) {									\
		evicted = slot->c.packets ? bpf_map_lookup_elem(&flows##family, &slot->key) : NULL; \
		if (evicted)								\
			write_back(&slot->c, evicted);					\
		slot->key = *key;							\
	}										\
	fill_cached(p, &slot->c, place, f, flags);						\
	return place ? &slot->c.place : NULL;						\
}

/* Where the flow's own place is, or NULL for the bucket's. */
#define FLOW_PLACE(family)								\
static __always_inline struct sluice_place *flow_place##family(struct packet *p,	\
							const FLOW_KEY##family *key)	\
{											\
	__u32 index = p->rxq * SLUICE_CACHE_SLOTS + sluice_cache_slot(p->hash);		\
	struct sluice_cached##family *slot = bpf_map_lookup_elem(&cache##family, &index);	\
	int same;									\
											\
	if (!slot)									\
		return NULL;								\
	same = SAME_KEY##family(&slot->key, key);					\
	if (same && cached_hit(p, &slot->c))						\
		return slot->c.place.cpu1 ? &slot->c.place : NULL;			\
	return looked_up##family(p, key, slot, same);					\
}

#define WORD(key, i) (((const __u64 *)(key))[i])
#define FLOW_KEY4	struct sluice_flow4_key
#define FLOW_KEY6	struct sluice_flow_key
#define SAME_KEY4(a, b) (WORD(a, 0) == WORD(b, 0) && WORD(a, 1) == WORD(b, 1))
#define SAME_KEY6(a, b) (SAME_KEY4(a, b) && WORD(a, 2) == WORD(b, 2) && \
			 WORD(a, 3) == WORD(b, 3) && WORD(a, 4) == WORD(b, 4))

FLOW_MISSED(4)
FLOW_MISSED(6)
FLOW_LOOKED_UP(4)
FLOW_LOOKED_UP(6)
FLOW_PLACE(4)
FLOW_PLACE(6)

static __always_inline struct sluice_place *flow_place(struct packet *p)
{
	struct sluice_flow4_key key4 __attribute__((aligned(8))) = { 0 };

	if (p->key.family == 6)
		return flow_place6(p, &p->key);
	__builtin_memcpy(&key4.saddr, p->key.saddr, sizeof(key4.saddr));
	__builtin_memcpy(&key4.daddr, p->key.daddr, sizeof(key4.daddr));
	key4.sport = p->key.sport;
	key4.dport = p->key.dport;
	key4.proto = p->key.proto;
	return flow_place4(p, &key4);
}

#endif
