// SPDX-License-Identifier: GPL-2.0
/*
 * What is known of the flows that pass a queue: how many are in progress, what share of the bytes
 * the large ones have. A qdisc cannot tell; the XDP program sees flows, but where they arrive.
 * So this is known where one queue is under control and an interface is steered, and all that
 * arrives is taken to leave through the queue:
 *
 *   - from other interfaces than the queue's own, if such are steered: a router;
 *   - otherwise by the answers that come in through the queue's own: a server. They count flows as
 *     well, but say nothing of the bytes that go out.
 *
 * With several queues (of several interfaces, or the children of mq) a flow's queue would be a
 * guess, and nothing is said. Flows that leave by an interface without a queue of ours are
 * counted, too: nobody asks for the route of each. So the knowledge comes and goes with interfaces
 * and queues, and not with the traffic: a reward that has this term at times only would teach
 * nothing.
 */
#include <math.h>
#include <string.h>

#include <sluice/hash.h>

#include "daemon/daemon.h"

#define WINDOW_MS_MAX 10000

static bool is_only_queue(const struct daemon *d, const struct queue *q)
{
	unsigned int i;

	for (i = 0; i < d->n_queues; i++) {
		const struct queue *other = &d->queues[i];

		if (other != q && other->used && other->present &&
		    observe_selected(&d->settings, &other->now))
			return false;
	}
	return true;
}

/* The interfaces through which the queue's flows arrive; whether these are not their answers. */
static size_t find_sources(const struct daemon *d, const struct queue *q,
			   const struct link *source[LINKS_MAX], bool *forward)
{
	const struct link *own = NULL;
	size_t n = 0;
	unsigned int i;

	for (i = 0; i < d->n_links; i++) {
		const struct link *l = d->links[i];

		if (!l->steer)
			continue;
		if (strcmp(l->ifname, q->now.id.ifname))
			source[n++] = l;
		else
			own = l;
	}
	*forward = n;
	if (!n && own)
		source[n++] = own;
	return n;
}

/*
 * A flow in progress sends something in every round trip. By Little's law their number is how
 * long flows take, which is what a reward wants to know; with all that had a packet in the whole
 * interval it would mostly be how many there were.
 */
static unsigned int window_ms(const struct ecn_interval *in)
{
	const double wait_s = in->capacity_bps > 0 ? in->avg_backlog_bytes / in->capacity_bps : 0;
	const double ms = ceil((in->rtt_s + wait_s) * 1e3);

	return ms < WINDOW_MS_MAX ? (unsigned int)ms : WINDOW_MS_MAX;
}

/* The buckets of flows in progress: flows with an assignment do not count in their buckets. */
static int occupied(const struct daemon *d, const struct link *l, unsigned int ms,
		    struct bucket_set *busy)
{
	const bool follows = d->settings.steer_policy != STEER_POLICY_STATIC;
	struct sl_err e;
	unsigned int i;

	for (i = 0; i < l->max_flows && follows; i++)
		if (l->flows[i].used && l->flows[i].active)
			bucket_set_add(busy, sluice_bucket_of(&l->flows[i].key));
	if (follows)
		bucket_set_join(busy, &l->operators);
	return steer_recent_buckets(l->steer, ms, busy->word, &e);
}

void queue_flows_observe(const struct daemon *d, struct queue *q, struct ecn_interval *in,
			 uint64_t now)
{
	struct queue_flows f = { .elephant_share = NAN, .ect_share = NAN, .table_ns = now };
	struct flow_census_result table[LINKS_MAX];
	const struct link *source[LINKS_MAX];
	struct bucket_set busy = { { 0 } };
	bool forward, complete = settings_steer_admits(&d->settings);
	size_t n, i;

	in->active_flows = 0;
	in->elephant_share = in->ect_share = NAN;
	n = is_only_queue(d, q) ? find_sources(d, q, source, &forward) : 0;
	for (i = 0; i < n; i++) {
		if (occupied(d, source[i], window_ms(in), &busy) < 0)
			n = 0;
		table[i] = source[i]->census.result;
		complete &= table[i].at_ns > 0;
		if (table[i].at_ns < f.table_ns)
			f.table_ns = table[i].at_ns;
	}
	if (n) {
		f.at_ns = now;
		f.active = in->active_flows = bucket_set_flows(&busy);
	}
	if (n && forward && complete) {
		f.elephant_share = in->elephant_share = flow_census_large_share(table, n);
		f.ect_share = in->ect_share = flow_census_ect_share(table, n);
	}
	q->flows = f;
}
