// SPDX-License-Identifier: GPL-2.0
#include "daemon/flow_census.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/hash.h>

#define SIZE_MIN	1024		/* slots of a table */
#define SIZE_MAX_SLOTS	(1 << 18)	/* 4 MB; beyond, large flows are not measured */

#define ECN_BITS	3		/* of the TOS byte: 0 is not ECN-capable */

struct flow_census_slot {
	uint64_t tag, bytes;
};

void bucket_set_join(struct bucket_set *s, const struct bucket_set *more)
{
	for (unsigned int i = 0; i < BUCKET_WORDS; i++)
		s->word[i] |= more->word[i];
}

double bucket_set_flows(const struct bucket_set *s)
{
	unsigned int empty = SLUICE_BUCKETS;

	for (unsigned int i = 0; i < BUCKET_WORDS; i++)
		empty -= (unsigned int)__builtin_popcountll(s->word[i]);
	/* Without an empty one, as with half of one: it is at least that. */
	return SLUICE_BUCKETS * log(SLUICE_BUCKETS / (empty ? (double)empty : 0.5));
}

/* The direction counts, which the hash of the bucket does not know. */
static uint64_t tag_of(const struct sluice_flow_key *key)
{
	const uint64_t tag = sluice_flow_hash(key) ^ sluice_hash_end(key->saddr, key->sport);

	return tag ? tag : 1;
}

/* Where the tag is, or the free slot where it would be. There is always a free one. */
static struct flow_census_slot *find(const struct flow_census_table *t, uint64_t tag)
{
	size_t i = (size_t)tag & (t->size - 1);

	while (t->slots[i].tag && t->slots[i].tag != tag)
		i = (i + 1) & (t->size - 1);
	return &t->slots[i];
}

static int grow(struct flow_census_table *t)
{
	struct flow_census_table more = { .size = t->size ? t->size * 2 : SIZE_MIN, .n = t->n };

	if (more.size > SIZE_MAX_SLOTS)
		return -ENOSPC;
	more.slots = calloc(more.size, sizeof(*more.slots));
	if (!more.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->size; i++)
		if (t->slots[i].tag)
			*find(&more, t->slots[i].tag) = t->slots[i];
	free(t->slots);
	*t = more;
	return 0;
}

static int put(struct flow_census_table *t, uint64_t tag, uint64_t bytes)
{
	struct flow_census_slot *s;
	int r = t->n >= t->size / 2 ? grow(t) : 0;

	if (r < 0)
		return r;
	s = find(t, tag);
	t->n += !s->tag;
	*s = (struct flow_census_slot){ tag, bytes };
	return 0;
}

/* What a large flow has counted since it was, or could have been, looked at in the pass before. */
static uint64_t bytes_since(const struct flow_census *c, uint64_t tag, const struct sluice_flow *f)
{
	const struct flow_census_slot *s = c->before.size ? find(&c->before, tag) : NULL;

	if (s && s->tag)
		/* Less than before: the entry was made anew. */
		return f->bytes >= s->bytes ? f->bytes - s->bytes : f->bytes;
	if ((int32_t)(f->born_ticks - c->before_ticks) >= 0)
		return f->bytes;
	return f->bytes - FLOW_LARGE_BYTES;	/* it was not large then */
}

int flow_census_see(struct flow_census *c, const struct sluice_flow_key *key,
		    const struct sluice_flow *f)
{
	uint64_t tag, bytes;
	int r;

	if (f->bytes <= FLOW_LARGE_BYTES)
		return 0;
	tag = tag_of(key);
	bytes = bytes_since(c, tag, f);
	c->large_bytes += bytes;
	if (f->seen.tos & ECN_BITS)
		c->ect_bytes += bytes;
	r = put(&c->now, tag, f->bytes);
	c->now.incomplete |= r < 0;
	return r;
}

void flow_census_end(struct flow_census *c, uint64_t now_ns, uint32_t ticks, uint64_t arrived)
{
	const struct flow_census_table spare = c->before;
	const double seconds = (double)(now_ns - c->before_ns) / 1e9;

	memset(&c->result, 0, sizeof(c->result));
	if (c->have_before && !c->before.incomplete && seconds > 0 && arrived >= c->arrived_before)
		c->result = (struct flow_census_result){
			.at_ns = now_ns,
			.arrived_bps = (double)(arrived - c->arrived_before) / seconds,
			.large_bps = (double)c->large_bytes / seconds,
			.ect_bps = (double)c->ect_bytes / seconds,
		};
	c->before = c->now;
	c->now = spare;
	c->now.n = 0;
	c->now.incomplete = false;
	if (c->now.size)
		memset(c->now.slots, 0, c->now.size * sizeof(*c->now.slots));
	c->have_before = true;
	c->before_ns = now_ns;
	c->before_ticks = ticks;
	c->arrived_before = arrived;
	c->large_bytes = c->ect_bytes = 0;
}

void flow_census_reset(struct flow_census *c)
{
	free(c->before.slots);
	free(c->now.slots);
	memset(c, 0, sizeof(*c));
}

static double share(double part, double all)
{
	return all > 0 ? fmin(part / all, 1) : NAN;
}

double flow_census_large_share(const struct flow_census_result *r, size_t n)
{
	double large = 0, arrived = 0;

	for (size_t i = 0; i < n; i++) {
		large += r[i].large_bps;
		arrived += r[i].arrived_bps;
	}
	return share(large, arrived);
}

double flow_census_ect_share(const struct flow_census_result *r, size_t n)
{
	double ect = 0, large = 0;

	for (size_t i = 0; i < n; i++) {
		ect += r[i].ect_bps;
		large += r[i].large_bps;
	}
	return share(ect, large);
}
