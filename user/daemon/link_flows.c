// SPDX-License-Identifier: GPL-2.0
/*
 * Flows with an assignment of their own. The program itself makes entries for
 * flows it has sampled twice, which then only count; it tells of each that has
 * counted some thousand packets more, and such a heavy flow is worth an
 * assignment. It is assigned to the CPU of its bucket, or to where a tree has put
 * it, so that admission moves nothing. Assignments are bounded, and given back when a flow has been idle;
 * entries that only count are removed then, a part of the table at a time; on the
 * same way the bytes of large flows are summed up (flow_census.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/hash.h>

#include "daemon/act.h"
#include "daemon/daemon.h"
#include "lib/clock.h"

/*
 * Entries of the table that are looked at in one decision interval: as many as make a pass in the
 * time after which a flow is idle, or 10 s if that is longer. Each costs a quarter of a
 * microsecond, which is most of what steering costs.
 */
#define AGE_ENTRIES_MIN	1024
#define AGE_ENTRIES_MAX	4096
#define AGE_PASS_S	10

struct admission {
	struct daemon *d;
	struct link *l;
	uint64_t now;
};

static struct link_flow *find_flow(struct link *l, const struct sluice_flow_key *key)
{
	unsigned int i;

	for (i = 0; i < l->max_flows; i++)
		if (l->flows[i].used && !memcmp(&l->flows[i].key, key, sizeof(*key)))
			return &l->flows[i];
	return NULL;
}

static struct link_flow *add_flow(struct link *l, const struct sluice_flow_key *key, uint16_t cpu,
				  uint64_t now)
{
	struct link_flow *f;
	unsigned int i;

	for (i = 0; i < l->max_flows && l->flows[i].used; i++)
		;
	if (i == l->max_flows)
		return NULL;
	f = &l->flows[i];
	*f = (struct link_flow){ .used = true, .active = true, .key = *key, .cpu = cpu,
				  .active_ns = now };
	l->n_flows++;
	return f;
}

static void drop_flow(struct link *l, struct link_flow *f)
{
	f->used = false;
	l->n_flows--;
}

static bool is_learned(const struct sluice_flow *f)
{
	return (f->assign.flags & SLUICE_FLOW_LEARNED) && !(f->assign.flags & SLUICE_FLOW_OPERATOR);
}

static void on_event(const struct sluice_flow_event *ev, void *data)
{
	struct admission *a = data;
	struct link *l = a->l;
	struct sluice_flow entry;
	int cpu;

	if (ev->kind != SLUICE_EVENT_HEAVY || l->n_flows == l->max_flows ||
	    ev->bucket >= SLUICE_BUCKETS || find_flow(l, &ev->key))
		return;
	cpu = link_bucket_cpu(l, ev->bucket);
	/* One that a tree has placed stays there, and is the agent's from now on. */
	if (steer_flow_get(l->steer, &ev->key, &entry) == 0 && is_learned(&entry) &&
	    l->target[entry.assign.cpu % SLUICE_MAX_CPUS] == TARGET_IN_USE)
		cpu = entry.assign.cpu;
	if (cpu < 0 || act_flow(a->d, l, &ev->key, (uint16_t)cpu) < 0)
		return;
	add_flow(l, &ev->key, (uint16_t)cpu, a->now);
	l->admitted++;
}

void link_flows_admit(struct daemon *d, struct link *l, uint64_t now)
{
	struct admission a = { d, l, now };

	steer_event_drain(l->steer, on_event, &a);
}

/* Moves the learned entries of a list to its front; their number. The operator's may be many. */
static size_t only_learned(struct steer_flow *list, size_t n)
{
	size_t kept = 0, i;

	for (i = 0; i < n; i++)
		if (is_learned(&list[i].flow))
			list[kept++] = list[i];
	return kept;
}

void link_flows_adopt(struct link *l, bool lease_runs)
{
	struct steer_flow *list;
	size_t n, i;

	memset(l->flows, 0, l->max_flows * sizeof(*l->flows));
	l->n_flows = 0;
	if (steer_flow_list(l->steer, &list, &n, NULL) < 0)
		return;
	n = only_learned(list, n);
	for (i = 0; i < n; i++)
		if (!lease_runs || (!(list[i].flow.assign.flags & SLUICE_FLOW_TREE) &&
		    !add_flow(l, &list[i].key, list[i].flow.assign.cpu, monotonic_ns())))
			act_flow_delete(l, &list[i].key);
	free(list);
}

struct ageing {
	struct link *l;
	uint32_t now_ticks, idle_ticks, interval_ticks;
};

static int age(const struct steer_flow *f, void *data)
{
	struct ageing *a = data;

	a->l->entries_next++;
	flow_census_see(&a->l->census, &f->key, &f->flow);
	/* Signed, as there may be packets after the clock was read. */
	if (f->flow.assign.flags & SLUICE_FLOW_OPERATOR &&
	    (int32_t)(a->now_ticks - f->flow.ticks) <= (int32_t)a->interval_ticks)
		bucket_set_add(&a->l->operators_next, sluice_bucket_of(&f->key));
	if ((!f->flow.assign.flags || f->flow.assign.flags & SLUICE_FLOW_TREE) &&
	    a->now_ticks - f->flow.ticks > a->idle_ticks &&
	    act_flow_delete(a->l, &f->key) == 0)
		a->l->aged_out++;
	return 0;
}

static uint64_t arrived_bytes(const struct steer_snapshot *s)
{
	uint64_t bytes = 0;
	unsigned int i;

	for (i = 0; i < SLUICE_MAX_CPUS; i++)
		bytes += s->cpu[i].bytes;
	for (i = 0; i < SLUICE_PASS_MAX; i++)
		bytes += s->pass[i].bytes;
	return bytes;
}

static size_t slice(const struct settings *s, const struct link *l)
{
	unsigned int pass_s = s->steer_flow_idle_s < AGE_PASS_S ? s->steer_flow_idle_s : AGE_PASS_S;
	uint64_t n = (uint64_t)l->entries * s->steer_interval_ms / (pass_s * 1000ULL);

	/* How many there are is known after a pass; meanwhile there may have come more. */
	if (!l->entries || n > AGE_ENTRIES_MAX || l->entries_next > l->entries)
		return AGE_ENTRIES_MAX;
	return n < AGE_ENTRIES_MIN ? AGE_ENTRIES_MIN : n;
}

void link_flows_age(struct daemon *d, struct link *l)
{
	struct ageing a = { .l = l, .now_ticks = (uint32_t)l->now->jiffies };
	struct sl_err e;
	int r;

	if (steer_ticks(l->steer, d->settings.steer_flow_idle_s * 1000, &a.idle_ticks) < 0 ||
	    steer_ticks(l->steer, d->settings.steer_interval_ms, &a.interval_ticks) < 0)
		return;
	r = steer_flow_scan(l->steer, &l->ageing, slice(&d->settings, l), age, &a, &e);
	if (r < 0)
		link_flows_forget(l);
	if (r)
		return;
	flow_census_end(&l->census, l->now->time_ns, a.now_ticks, arrived_bytes(l->now));
	l->entries = l->entries_next;
	l->entries_next = 0;
	l->operators = l->operators_next;
	memset(&l->operators_next, 0, sizeof(l->operators_next));
}

void link_flows_forget(struct link *l)
{
	memset(&l->ageing, 0, sizeof(l->ageing));
	l->entries = l->entries_next = 0;
	memset(&l->operators, 0, sizeof(l->operators));
	memset(&l->operators_next, 0, sizeof(l->operators_next));
	flow_census_reset(&l->census);
}

void link_flows_refresh(struct daemon *d, struct link *l, uint64_t now,
			struct steer_object *objects, size_t *n, size_t max)
{
	uint64_t idle_ns = d->settings.steer_flow_idle_s * 1000000000ULL;
	struct sluice_flow seen;
	unsigned int k;

	for (k = 0; k < l->max_flows; k++) {
		struct link_flow *f = &l->flows[k];

		if (!f->used)
			continue;
		/* Deleted or taken over by the operator: it is not ours any more. */
		if (steer_flow_get(l->steer, &f->key, &seen) < 0 || !is_learned(&seen)) {
			drop_flow(l, f);
			continue;
		}
		f->active = seen.packets != f->packets;
		if (f->active) {
			f->active_ns = now;
		} else if (now - f->active_ns > idle_ns) {
			/* Should it be too early, it is at least unassigned, and removed with age. */
			act_flow_delete(l, &f->key);
			drop_flow(l, f);
			l->aged_out++;
			continue;
		}
		if (*n < max && seen.packets > f->packets)
			objects[(*n)++] = (struct steer_object){
				.id = k,
				.is_flow = true,
				.cpu = f->cpu,
				.pps = (double)(seen.packets - f->packets),
				.bps = (double)(seen.bytes - f->bytes),
			};
		f->packets = seen.packets;
		f->bytes = seen.bytes;
	}
}
