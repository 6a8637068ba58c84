// SPDX-License-Identifier: GPL-2.0
/*
 * Flows with an entry of their own. A flow that the program has announced more
 * than once is worth one: announcements are samples, so that is a heavy flow. It
 * starts on the CPU of its bucket, so that admission moves nothing. Entries
 * are bounded, and given back when a flow has been idle.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/act.h"
#include "daemon/daemon.h"

#define ANNOUNCEMENTS	2
/* Announcements further apart than this are of a light flow. */
#define CANDIDATE_NS	5000000000ULL

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
	*f = (struct link_flow){ .used = true, .key = *key, .cpu = cpu, .active_ns = now };
	l->n_flows++;
	return f;
}

static void drop_flow(struct link *l, struct link_flow *f)
{
	f->used = false;
	l->n_flows--;
}

static unsigned int hash_key(const struct sluice_flow_key *key)
{
	const unsigned char *p = (const unsigned char *)key;
	uint32_t h = 2166136261u;	/* FNV-1a */
	size_t i;

	for (i = 0; i < sizeof(*key); i++)
		h = (h ^ p[i]) * 16777619u;
	return h % FLOW_CANDIDATES;
}

static void on_event(const struct sluice_flow_event *ev, void *data)
{
	struct admission *a = data;
	struct link *l = a->l;
	struct link_candidate *c = &l->candidate[hash_key(&ev->key)];
	int cpu;

	if (memcmp(&c->key, &ev->key, sizeof(c->key)) || a->now - c->first_ns > CANDIDATE_NS)
		*c = (struct link_candidate){ .key = ev->key, .first_ns = a->now };
	if (++c->announced < ANNOUNCEMENTS || l->n_flows == l->max_flows ||
	    ev->bucket >= SLUICE_BUCKETS || find_flow(l, &ev->key))
		return;
	cpu = link_bucket_cpu(l, ev->bucket);
	if (cpu < 0 || act_flow(a->d, l, &ev->key, (uint16_t)cpu) < 0)
		return;
	add_flow(l, &ev->key, (uint16_t)cpu, a->now);
	l->admitted++;
	memset(c, 0, sizeof(*c));
}

void link_flows_admit(struct daemon *d, struct link *l, uint64_t now)
{
	struct admission a = { d, l, now };

	steer_event_drain(l->steer, on_event, &a);
}

static bool is_learned(const struct sluice_flow *f)
{
	return (f->flags & SLUICE_FLOW_LEARNED) && !(f->flags & SLUICE_FLOW_OPERATOR);
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
		if (!lease_runs ||
		    !add_flow(l, &list[i].key, (uint16_t)list[i].flow.cpu, now_ns()))
			act_flow_delete(l, &list[i].key);
	free(list);
}

void link_flows_refresh(struct daemon *d, struct link *l, uint64_t now,
			struct steer_object *objects, size_t *n, size_t max)
{
	uint64_t idle_ns = d->settings.steer_flow_idle_s * 1000000000ULL;
	struct steer_flow *list;
	size_t count, i;
	unsigned int k;

	if (!l->n_flows || steer_flow_list(l->steer, &list, &count, NULL) < 0)
		return;
	count = only_learned(list, count);
	for (k = 0; k < l->max_flows; k++) {
		struct link_flow *f = &l->flows[k];
		const struct sluice_flow *seen = NULL;

		if (!f->used)
			continue;
		for (i = 0; i < count && !seen; i++)
			if (!memcmp(&list[i].key, &f->key, sizeof(f->key)))
				seen = &list[i].flow;
		/* Deleted or taken over by the operator: it is not ours any more. */
		if (!seen) {
			drop_flow(l, f);
			continue;
		}
		if (seen->packets != f->packets) {
			f->active_ns = now;
		} else if (now - f->active_ns > idle_ns) {
			act_flow_delete(l, &f->key);
			drop_flow(l, f);
			l->aged_out++;
			continue;
		}
		if (*n < max && seen->packets > f->packets)
			objects[(*n)++] = (struct steer_object){
				.id = k,
				.is_flow = true,
				.cpu = f->cpu,
				.pps = (double)(seen->packets - f->packets),
				.bps = (double)(seen->bytes - f->bytes),
			};
		f->packets = seen->packets;
		f->bytes = seen->bytes;
	}
	free(list);
}
