// SPDX-License-Identifier: GPL-2.0
#include "lib/rss_moves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void rss_idle_begin(struct rss_idle *idle, const struct rss *rss)
{
	idle->slots = rss->slots;
	idle->any_ns = UINT64_MAX;
	memset(idle->slot_ns, 0xff, sizeof(idle->slot_ns));
}

void rss_idle_add(struct rss_idle *idle, const struct rss *rss, const struct sluice_flow_key *flow,
		  uint64_t idle_ns)
{
	struct rss_place place;
	uint64_t *bound = &idle->any_ns;

	if (flow && !rss_place(rss, flow, &place, NULL))
		bound = &idle->slot_ns[place.slot];
	if (idle_ns < *bound)
		*bound = idle_ns;
}

uint64_t rss_idle_of(const struct rss_idle *idle, uint32_t slot)
{
	return idle->slot_ns[slot] < idle->any_ns ? idle->slot_ns[slot] : idle->any_ns;
}

static void want_what_is(struct rss_moves *m)
{
	memcpy(m->wanted, m->nic.table, sizeof(m->wanted));
	m->stats.waiting = 0;
}

static void count_waiting(struct rss_moves *m)
{
	m->stats.waiting = 0;
	for (uint32_t i = 0; i < m->nic.slots; i++)
		m->stats.waiting += m->wanted[i] != m->nic.table[i];
}

int rss_moves_init(struct rss_moves *m, const struct rss *nic, uint64_t gap_ns, struct sl_err *e)
{
	if (!gap_ns)
		return sl_err(e, -EINVAL, "moving RSS slots of %s needs a gap longer than 0",
			      nic->ifname);
	memset(m, 0, sizeof(*m));
	m->gap_ns = gap_ns;
	m->nic = *nic;
	want_what_is(m);
	return 0;
}

int rss_moves_want(struct rss_moves *m, const uint32_t *table, uint32_t slots, struct sl_err *e)
{
	if (slots != m->nic.slots)
		return sl_err(e, -EINVAL, "the RSS table of %s has %u slots, not %u",
			      m->nic.ifname, m->nic.slots, slots);
	for (uint32_t i = 0; i < slots; i++)
		if (table[i] >= m->nic.queues)
			return sl_err(e, -EINVAL, "slot %u: %s has no receive queue %u", i,
				      m->nic.ifname, table[i]);
	memcpy(m->wanted, table, slots * sizeof(*table));
	count_waiting(m);
	return 0;
}

/* Takes in what others did to the NIC since the last look. */
static int catch_up(struct rss_moves *m, const struct rss *now, struct sl_err *e)
{
	const bool same_hash = now->slots == m->nic.slots && now->key_len == m->nic.key_len &&
			       now->func == m->nic.func && now->xfrm == m->nic.xfrm &&
			       !memcmp(now->key, m->nic.key, now->key_len) &&
			       !memcmp(now->fields, m->nic.fields, sizeof(now->fields));

	if (!same_hash) {
		m->nic = *now;
		want_what_is(m);
		return sl_err(e, -ESTALE, "%s hashes otherwise than before; what was known about "
			      "its RSS slots is void", now->ifname);
	}
	for (uint32_t i = 0; i < now->slots; i++) {
		if (now->table[i] == m->nic.table[i])
			continue;
		m->stats.overridden += m->wanted[i] != m->nic.table[i] &&
				       m->wanted[i] != now->table[i];
		m->wanted[i] = now->table[i];
	}
	m->nic = *now;
	return 0;
}

/* Puts what may move into *next; the number of slots, and how many of them had no gap. */
static uint32_t choose(const struct rss_moves *m, const struct rss_idle *idle,
		       enum rss_moves_when when, struct rss *next, uint32_t *n_forced)
{
	uint32_t n = 0;

	*n_forced = 0;
	for (uint32_t i = 0; i < m->nic.slots; i++) {
		const bool gap = idle && rss_idle_of(idle, i) > m->gap_ns;

		if (m->wanted[i] == m->nic.table[i] || (!gap && when != RSS_MOVES_NOW))
			continue;
		next->table[i] = m->wanted[i];
		n++;
		*n_forced += !gap;
	}
	return n;
}

int rss_moves_step(struct rss_moves *m, const struct rss_idle *idle, uint64_t age_ns,
		   enum rss_moves_when when, struct sl_err *e)
{
	uint32_t n, n_forced;
	struct rss *next;
	int r;

	if (!idle && when != RSS_MOVES_NOW)
		return sl_err(e, -EINVAL, "moving RSS slots at gaps needs an observation");
	if (idle && (age_ns > m->gap_ns || idle->slots != m->nic.slots))
		return sl_err(e, -ESTALE, "the observation of the RSS slots of %s is out of date",
			      m->nic.ifname);
	next = malloc(sizeof(*next));
	if (!next)
		return sl_err(e, -ENOMEM, "out of memory");
	r = rss_read(m->nic.ifname, next, e);
	if (!r)
		r = catch_up(m, next, e);
	if (r)
		goto out;
	n = choose(m, idle, when, next, &n_forced);
	if (n)
		r = rss_write(next, e);
	if (r) {
		m->stats.failed++;
		goto out;
	}
	m->nic = *next;
	m->stats.moved_at_gap += n - n_forced;
	m->stats.forced += n_forced;
	r = n;
out:
	count_waiting(m);
	free(next);
	return r;
}
