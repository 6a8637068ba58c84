/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Flows with an entry: the cache, the hash behind it, admission and reports.
 * All is written once, by macro, for the two families, whose keys differ.
 */
#ifndef SLUICE_FLOW_BPF_H
#define SLUICE_FLOW_BPF_H

#include "place.bpf.h"
#include "parse_usual.bpf.h"

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
	struct sluice_steer_stats *stats = stats_of(p);

	if (!ev) {
		if (stats)
			stats->announce_failed++;
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
	if (stats)
		stats->announced++;
}

/* Tags are of the latest packet that asked the hash, flags of every one. */
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
	add_to_entry(f, c->packets, c->bytes, c->place.ticks);
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
		count_lapsed(p);
		*flags = 0;
	}
	if (!*flags && !f->place.cpu1)
		return NULL;
	want1 = cpu1_of(a.cpu);
	if (!*flags || !f->place.cpu1) {
		b = bucket_settled(p);
		if (!b)
			return NULL;
		if (!*flags)
			want1 = b->place.cpu1;
		if (!f->place.cpu1) {
			f->place = b->place;
			f->place.flags = 0;
			f->place.rxq = p->rxq;
		}
	}
	if (f->place.rxq != p->rxq) {
		/* The order within the new queue begins with this packet, on the old CPU. */
		f->place.rxq = p->rxq;
		f->place.seq = SEQ_NEVER;
		f->place.ticks = p->now;
	}
	settle(&f->place, want1, p->rxq, p->config);
	if (*flags || f->place.cpu1 != want1)
		return &f->place;
	f->place.cpu1 = 0;
	return NULL;
}

static __always_inline void fill_cached(struct packet *p, struct sluice_cached *c,
					const struct sluice_place *place,
					const struct sluice_flow *f, __u32 flags)
{
	const __u32 lease = p->control->expires_jiffies;

	c->place.cpu1 = 0;
	if (place)
		c->place = *place;
	c->place.ticks = p->now;
	c->packets = place ? 1 : 0;
	c->bytes = place ? p->bytes : 0;
	c->seen = f->seen;
	c->until_ticks = p->now + SLUICE_CACHE_TICKS;
	if ((flags & (SLUICE_FLOW_LEARNED | SLUICE_FLOW_OPERATOR)) == SLUICE_FLOW_LEARNED &&
	    (__s32)(lease - c->until_ticks) < 0)
		c->until_ticks = lease;
	c->valid = p->control->changes + 1;
}

/* Whether the slot, which has the right key, still stands for its entry. */
static __always_inline int is_fresh(const struct packet *p, const struct sluice_cached *c)
{
	return c->valid == p->control->changes + 1 && (__s32)(c->until_ticks - p->now) > 0;
}

/* Counts a packet of a cached flow: its place, or NULL for the bucket's. */
static __always_inline struct sluice_place *cached_place(const struct packet *p,
							 struct sluice_cached *c, __u8 tcp_flags)
{
	c->packets++;
	c->bytes += p->bytes;
	c->place.ticks = p->now;
	c->seen.tcp_flags |= tcp_flags;
	return c->place.cpu1 ? &c->place : NULL;
}

/*
 * Whether the flow that has the slot keeps it: where it was used in this very
 * tick, another takes it only now and then. Flows that fit nowhere then cost a
 * look into the hash, but no write-back of one another each time.
 */
static __always_inline int keeps_slot(const struct packet *p, const struct sluice_cached *c,
				      const struct sluice_steer_stats *stats)
{
	return c->valid && c->place.ticks == p->now && stats->hash_hits % SLUICE_CACHE_TAKE;
}

/* An entry for the flow of this packet, placed by the tree if there is one. */
static __always_inline struct sluice_flow *new_entry(const struct packet *p)
{
	__u32 zero = 0;
	struct admission *adm = bpf_map_lookup_elem(&admission, &zero);

	if (!adm)
		return NULL;
	__builtin_memset(&adm->entry, 0, sizeof(adm->entry));
	adm->entry.packets = 1;
	adm->entry.bytes = p->bytes;
	adm->entry.ticks = adm->entry.born_ticks = p->now;
	adm->entry.report_at = p->config->report_packets;
	see(&adm->entry.seen, p);
	adm->hash = p->hash;
	adm->rxq = p->rxq;
	adm->flow.length = p->features.length;
	adm->flow.sport = bpf_ntohs(p->key.sport);
	adm->flow.dport = bpf_ntohs(p->key.dport);
	adm->flow.proto = p->key.proto;
	adm->flow.tos = p->features.tos;
	adm->flow.tcp_flags = p->features.tcp_flags;
	adm->flow.family = p->key.family;
	place_flow();
	return &adm->entry;
}

/* A sampled miss: an event, or an entry for one that was sampled before. */
#define FLOW_MISSED(family)								\
static __noinline void missed##family(struct packet *p, const FLOW_KEY##family *key)	\
{											\
	__u32 index = p->rxq * SLUICE_CANDIDATES +					\
		      (__u32)(p->hash >> 36) % SLUICE_CANDIDATES;			\
	const __u32 tag = (__u32)(p->hash >> 8) | 1;					\
	struct sluice_steer_stats *stats = stats_of(p);					\
	struct sluice_flow *entry;							\
	__u32 *candidate;								\
											\
	if (p->config->flags & SLUICE_STEER_F_ANNOUNCE)					\
		tell(p, SLUICE_EVENT_MISS, 0, 1, p->bytes);				\
	if (!(p->config->flags & SLUICE_STEER_F_ADMIT))					\
		return;									\
	candidate = bpf_map_lookup_elem(&candidates, &index);				\
	if (!candidate || !stats)							\
		return;									\
	if (*candidate != tag) {							\
		*candidate = tag;							\
		return;									\
	}										\
	*candidate = 0;									\
	entry = new_entry(p);								\
	if (!entry || bpf_map_update_elem(&flows##family, key, entry, BPF_NOEXIST))	\
		stats->admit_failed++;							\
	else										\
		stats->admitted++;							\
	p->control->flows_used = 1;							\
}

/* Without any entry there is nothing to look for, or to report. */
static __always_inline int uses_flows(const struct packet *p)
{
	return p->control->flows_used ||
	       p->config->flags & (SLUICE_STEER_F_ANNOUNCE | SLUICE_STEER_F_ADMIT);
}

/* The slot of the packet's flow in the cache of its queue, whoever has it now. */
#define FLOW_SLOT(family)								\
static __always_inline struct sluice_cached##family *slot##family(const struct packet *p)	\
{											\
	__u32 index = p->rxq * SLUICE_CACHE_SLOTS + sluice_cache_slot(p->hash);		\
											\
	return bpf_map_lookup_elem(&cache##family, &index);				\
}

/* The way through the hash: the place, or NULL for the bucket's. */
#define FLOW_LOOKED_UP(family)								\
static __noinline struct sluice_place *looked_up##family(struct packet *p,		\
							 struct sluice_cached##family *slot)	\
{											\
	FLOW_KEY##family KEY##family(p);						\
	const int same = SAME_KEY##family(&slot->key, key);				\
	struct sluice_flow *f = bpf_map_lookup_elem(&flows##family, key), *evicted;	\
	struct sluice_steer_stats *stats = stats_of(p);					\
	struct sluice_place *place;							\
	__u32 flags;									\
											\
	if (!stats)									\
		return NULL;								\
	if (!f) {									\
		if (same)								\
			slot->c.valid = slot->c.packets = 0;				\
		if (!(stats->flow_misses++ & p->config->announce_mask) &&		\
		    p->config->flags & (SLUICE_STEER_F_ANNOUNCE | SLUICE_STEER_F_ADMIT))	\
			missed##family(p, key);						\
		return NULL;								\
	}										\
	stats->hash_hits++;								\
	if (same && slot->c.packets)							\
		write_back(&slot->c, f);						\
	if (p->config->report_packets && f->packets >= f->report_at) {			\
		f->report_at = f->packets + p->config->report_packets;			\
		tell(p, SLUICE_EVENT_HEAVY, f->place.cpu1, f->packets, f->bytes);	\
	}										\
	see(&f->seen, p);								\
	place = entry_place(p, f, &flags);						\
	if ((place && place->flags) || p->config->flags & SLUICE_STEER_F_NO_CACHE ||	\
	    (!same && keeps_slot(p, &slot->c, stats))) {				\
		if (same)								\
			slot->c.valid = 0;						\
		add_to_entry(f, 1, p->bytes, p->now);					\
		return place;								\
	}										\
	if (!same) {									\
		evicted = slot->c.packets ? bpf_map_lookup_elem(&flows##family, &slot->key) : NULL; \
		if (evicted)								\
			write_back(&slot->c, evicted);					\
		slot->key = *key;							\
	}										\
	/* One that comes alone need not be looked up again to be written back. */	\
	if (!place)									\
		add_to_entry(f, 1, p->bytes, p->now);					\
	fill_cached(p, &slot->c, place, f, flags);					\
	return place ? &slot->c.place : NULL;						\
}

/* The same for a packet of the usual kind: where its flow is cached its key stays in registers. */
#define USUAL_PLACE(family)								\
static __always_inline struct sluice_place *usual_place##family(struct packet *p,	\
								const struct sluice_usual *u)	\
{											\
	struct sluice_cached##family *slot;						\
											\
	p->hash = sluice_words##family##_hash(u->word);					\
	if (!uses_flows(p))								\
		return NULL;								\
	slot = slot##family(p);								\
	if (!slot)									\
		return NULL;								\
	if (SAME_KEY##family(&slot->key, u->word) && is_fresh(p, &slot->c))		\
		return cached_place(p, &slot->c, u->tcp_flags);				\
	packet_clear(p);								\
	sluice_usual##family##_key(u, &p->key, &p->features);				\
	return looked_up##family(p, slot);						\
}

/* Where the flow's own place is, or NULL for the bucket's. */
#define FLOW_PLACE(family)								\
static __always_inline struct sluice_place *flow_place##family(struct packet *p)	\
{											\
	struct sluice_cached##family *slot = slot##family(p);				\
	FLOW_KEY##family KEY##family(p);						\
											\
	if (!slot)									\
		return NULL;								\
	if (SAME_KEY##family(&slot->key, key) && is_fresh(p, &slot->c))			\
		return cached_place(p, &slot->c, p->features.tcp_flags);		\
	return looked_up##family(p, slot);						\
}

#define WORD(key, i) (((__u64 *)(key))[i])
#define FLOW_KEY4	struct sluice_flow4_key
#define FLOW_KEY6	struct sluice_flow_key
/* Declares "key", as the tables of the family have it. */
#define KEY4(p)									\
	key4 __attribute__((aligned(8))), *key = &key4;				\
	WORD(key, 0) = SLUICE_HALVES(SLUICE_FIRST_HALF(WORD(&(p)->key, 0)),	\
				     SLUICE_FIRST_HALF(WORD(&(p)->key, 2)));	\
	WORD(key, 1) = WORD(&(p)->key, 4)
#define KEY6(p)		*key = &(p)->key
#define SAME_KEY4(a, b) (WORD(a, 0) == WORD(b, 0) && WORD(a, 1) == WORD(b, 1))
#define SAME_KEY6(a, b) (SAME_KEY4(a, b) && WORD(a, 2) == WORD(b, 2) && \
			 WORD(a, 3) == WORD(b, 3) && WORD(a, 4) == WORD(b, 4))

FLOW_MISSED(4)
FLOW_MISSED(6)
FLOW_SLOT(4)
FLOW_SLOT(6)
FLOW_LOOKED_UP(4)
FLOW_LOOKED_UP(6)
FLOW_PLACE(4)
FLOW_PLACE(6)
USUAL_PLACE(4)
USUAL_PLACE(6)

static __always_inline struct sluice_place *flow_place(struct packet *p)
{
	if (!uses_flows(p))
		return NULL;
	return p->key.family == 6 ? flow_place6(p) : flow_place4(p);
}

#endif
