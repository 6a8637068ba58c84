// SPDX-License-Identifier: GPL-2.0
/* The flow table: two hashes, one for each family, and what the caches hold back of their counts. */
#include "lib/steer.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/hash.h>

#include "lib/steer_priv.h"

#define SCAN_BATCH	4096

static int fail_flow(struct sl_err *e, int r, const struct steer *s,
		     const struct sluice_flow_key *key, const char *why)
{
	char text[128];

	steer_flow_format(key, text, sizeof(text));
	return sl_err(e, r, "flow %s on %s: %s", text, s->dev.ifname, why);
}

struct sluice_flow4_key steer_key4(const struct sluice_flow_key *key)
{
	struct sluice_flow4_key k = { .sport = key->sport, .dport = key->dport, .proto = key->proto,
				      .family = 4 };

	memcpy(&k.saddr, key->saddr, sizeof(k.saddr));
	memcpy(&k.daddr, key->daddr, sizeof(k.daddr));
	return k;
}

static struct sluice_flow_key key_of(const struct sluice_flow4_key *k)
{
	struct sluice_flow_key key = {
		.sport = k->sport, .dport = k->dport, .proto = k->proto, .family = 4,
	};

	memcpy(key.saddr, &k->saddr, sizeof(k->saddr));
	memcpy(key.daddr, &k->daddr, sizeof(k->daddr));
	return key;
}

/* The data plane asks the tables from now on. */
int steer_use_flows(struct steer *s)
{
	struct sluice_ctl ctl = { .op = SLUICE_CTL_FLOWS_USED };
	int r = s->flows_used ? 0 : steer_ctl_run(s, &ctl);

	s->flows_used = !r;
	return r;
}

/* --- one entry -------------------------------------------------------------- */

static int insert(struct steer *s, const struct sluice_flow_key *key, const struct sluice_flow *f)
{
	const struct sluice_flow4_key key4 = steer_key4(key);

	return bpf_map_update_elem(steer_flows_fd(s, key->family),
				   key->family == 6 ? (const void *)key : (const void *)&key4, f,
				   BPF_NOEXIST);
}

int steer_flow_insert(struct steer *s, const struct sluice_flow_key *key,
		      const struct sluice_flow *f, struct sl_err *e)
{
	int r = steer_use_flows(s);

	if (!r)
		r = insert(s, key, f);
	if (r == -E2BIG || r == -ENOMEM)
		return fail_flow(e, -ENOSPC, s, key, "the flow table is full");
	return r ? fail_flow(e, r, s, key, strerror(-r)) : 0;
}

int steer_flow_set(struct steer *s, const struct sluice_flow_key *key, __u16 cpu, __u16 flags,
		   __u32 generation, struct sl_err *e)
{
	struct sluice_ctl ctl = {
		.op = SLUICE_CTL_FLOW_ASSIGN, .key = *key,
		.assign = { .cpu = cpu, .flags = flags, .generation = generation },
	};
	const struct sluice_flow fresh = { .assign = ctl.assign };
	struct bpf_cpumap_val entry;
	__u32 target = cpu;
	int r;

	if (bpf_map_lookup_elem(steer_cpumap_fd(s), &target, &entry)) {
		char why[80];

		snprintf(why, sizeof(why), "CPU %u is not a target; \"sluice cpu show %s\" lists "
			 "them", cpu, s->dev.ifname);
		return fail_flow(e, -EINVAL, s, key, why);
	}
	/* Again when somebody else made the entry in between. */
	do {
		r = steer_ctl_run(s, &ctl);
		if (r == -ENOENT)
			r = insert(s, key, &fresh);
	} while (r == -EEXIST);
	if (r == -E2BIG || r == -ENOMEM)
		return fail_flow(e, -ENOSPC, s, key, "the flow table is full");
	return r ? fail_flow(e, r, s, key, strerror(-r)) : 0;
}

int steer_flow_delete(struct steer *s, const struct sluice_flow_key *key, struct sl_err *e)
{
	struct sluice_ctl ctl = { .op = SLUICE_CTL_FLOW_DELETE, .key = *key };
	int r = steer_ctl_run(s, &ctl);

	if (r == -ENOENT)
		return fail_flow(e, r, s, key, "there is no such entry");
	if (r == -EAGAIN)
		return fail_flow(e, r, s, key, "it has packets in a ring; the entry counts only, and "
				 "can go when the flow is back at its bucket or idle");
	return r ? fail_flow(e, r, s, key, strerror(-r)) : 0;
}

/* Adds what the queues' caches have counted since they wrote to the entry. */
static void add_cached(const struct steer *s, const struct sluice_flow_key *key,
		       const struct sluice_flow4_key *key4, struct sluice_flow *f)
{
	const __u32 slot = sluice_cache_slot(sluice_flow_hash(key));

	for (unsigned int rxq = 0; rxq < s->n_rxqs; rxq++) {
		const struct sluice_cached4 *c4 = &s->cache4[rxq * SLUICE_CACHE_SLOTS + slot];
		const struct sluice_cached6 *c6 = &s->cache6[rxq * SLUICE_CACHE_SLOTS + slot];
		const struct sluice_cached *c;

		if (key->family == 6 ? memcmp(&c6->key, key, sizeof(*key)) :
				       memcmp(&c4->key, key4, sizeof(*key4)))
			continue;
		c = key->family == 6 ? &c6->c : &c4->c;
		if (!c->packets)
			continue;
		f->packets += c->packets;
		f->bytes += c->bytes;
		f->ticks = c->place.ticks;
		f->seen = c->seen;
		if (c->place.cpu1)
			f->place = c->place;
	}
}

int steer_flow_get(struct steer *s, const struct sluice_flow_key *key, struct sluice_flow *ret)
{
	const struct sluice_flow4_key key4 = steer_key4(key);
	struct sluice_flow f;
	int r;

	r = bpf_map_lookup_elem(steer_flows_fd(s, key->family),
				key->family == 6 ? (const void *)key : (const void *)&key4, &f);
	if (r)
		return r;
	add_cached(s, key, &key4, &f);
	*ret = f;
	return 0;
}

/* --- many ------------------------------------------------------------------- */

struct batch {
	__u32 size;
	void *keys;
	struct sluice_flow *values;
};

static int batch_make(struct batch *b, __u32 size)
{
	b->size = size;
	b->keys = calloc(size, sizeof(struct sluice_flow_key));
	b->values = calloc(size, sizeof(*b->values));
	return b->keys && b->values ? 0 : -ENOMEM;
}

static void batch_free(struct batch *b)
{
	free(b->keys);
	free(b->values);
}

static int call_each(struct steer *s, const struct batch *b, __u32 n, bool six,
		     int (*each)(const struct steer_flow *, void *), void *data)
{
	const struct sluice_flow4_key *key4 = b->keys;
	const struct sluice_flow_key *key6 = b->keys;
	struct steer_flow one;
	int r = 0;

	for (__u32 i = 0; i < n && !r; i++) {
		one.key = six ? key6[i] : key_of(&key4[i]);
		one.flow = b->values[i];
		add_cached(s, &one.key, &key4[six ? 0 : i], &one.flow);
		r = each(&one, data);
	}
	return r;
}

/* One family's entries from the scan's position on: 1 when there are more, 0 at the end. */
static int scan_some(struct steer *s, struct steer_scan *scan, struct batch *b, size_t *left,
		     int (*each)(const struct steer_flow *, void *), void *data)
{
	const int fd = steer_flows_fd(s, scan->six ? 6 : 4);
	__u32 count;
	int r, end;

	while (*left) {
		count = b->size;
		end = bpf_map_lookup_batch(fd, scan->begun ? &scan->position : NULL,
					   &scan->position, b->keys, b->values, &count, NULL);
		if (end && end != -ENOENT)
			return end;
		scan->begun = true;
		r = call_each(s, b, count, scan->six, each, data);
		if (r)
			return r;
		*left = *left > count ? *left - count : 0;
		if (end)
			return 0;
	}
	return 1;
}

int steer_flow_scan(struct steer *s, struct steer_scan *scan, size_t max,
		    int (*each)(const struct steer_flow *, void *), void *data, struct sl_err *e)
{
	struct batch b = { 0 };
	size_t left = max;
	__u32 size;
	int r;

	/* Larger batches when one was too small for a hash chain (-ENOSPC). */
	for (size = max < SCAN_BATCH ? max : SCAN_BATCH;; size *= 4) {
		r = batch_make(&b, size);
		while (!r) {
			r = scan_some(s, scan, &b, &left, each, data);
			if (r || scan->six)
				break;
			*scan = (struct steer_scan){ .six = true };
		}
		batch_free(&b);
		if (r != -ENOSPC || size > 1 << 20)
			break;
	}
	if (!r)
		*scan = (struct steer_scan){ 0 };
	if (r < 0)
		return sl_err(e, r, "cannot read the flow table of %s: %s", s->dev.ifname,
			      strerror(-r));
	return r;
}

struct list {
	struct steer_flow *flows;
	size_t n, room;
};

static int append(const struct steer_flow *f, void *data)
{
	struct list *l = data;
	struct steer_flow *more;

	if (l->n == l->room) {
		l->room = l->room ? l->room * 2 : 256;
		more = realloc(l->flows, l->room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		l->flows = more;
	}
	l->flows[l->n++] = *f;
	return 0;
}

int steer_flow_list(struct steer *s, struct steer_flow **flows, size_t *n, struct sl_err *e)
{
	struct steer_scan scan = { 0 };
	struct list l = { 0 };
	int r;

	do
		r = steer_flow_scan(s, &scan, 1 << 20, append, &l, e);
	while (r > 0);
	if (r) {
		free(l.flows);
		return r;
	}
	*flows = l.flows;
	*n = l.n;
	return 0;
}
