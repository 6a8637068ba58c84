// SPDX-License-Identifier: GPL-2.0
#include "daemon/offload.h"

#include <errno.h>
#include <string.h>

#include "daemon/act.h"
#include "daemon/policies.h"
#include "lib/log.h"
#include "policy/qtree.h"

#define RETRY_NS	10000000000ULL
/* How far tree_interval_ms may be from what the tree was made for, either way. */
#define INTERVAL_FACTOR	2

bool offload_decides(const struct queue *q)
{
	const struct sluice_qdisc_stats *s = &q->now.stats;

	return q->tree.generation && s->source == SLUICE_SRC_TREE &&
	       s->tree_generation == q->tree.generation;
}

static int add_rule(const char *word, void *limits)
{
	verify_rule_add(limits, word, NULL);	/* checked when it was read */
	return 0;
}

/* The guard's clamps and rules. */
static struct verify_limits limits_of(const struct daemon *d, const struct queue *q)
{
	struct verify_limits l = verify_limits_default();
	const uint32_t limit = q->now.stats.limit_bytes;

	l.clamps.qth_lo = d->guard.qth_low;
	l.clamps.qth_hi = d->guard.qth_high < limit ? d->guard.qth_high : limit;
	l.clamps.max_p_lo = d->guard.max_p_low;
	l.clamps.max_p_hi = d->guard.max_p_high;
	settings_list_each(d->settings.rules, add_rule, &l);
	return l;
}

static struct distill_queue now_of(const struct daemon *d, const struct queue *q)
{
	return (struct distill_queue){
		.capacity_bps = queue_capacity(d, q),
		.rtt_s = d->settings.rtt_us / 1e6,
		.mtu_bytes = q->mtu,
		.limit_bytes = q->now.stats.limit_bytes,
	};
}

static bool interval_fits(const struct daemon *d, struct queue *q)
{
	const double made_for_ms = DISTILL_EPOCHS * (double)queue_interval_ns(&d->settings, q) / 1e6;
	uint32_t ms;

	if (qdisc_read_knob(&q->now.id, "tree_interval_ms", &ms, NULL) < 0)
		return false;
	if (ms * INTERVAL_FACTOR >= made_for_ms && ms <= made_for_ms * INTERVAL_FACTOR)
		return true;
	if (!q->tree.told)
		log_info("%s %s: tree_interval_ms is %u; the daemon evaluates the tree. Set it to "
			 "%.0f, and the qdisc does", q->now.id.ifname, q->now.id.parent, ms, made_for_ms);
	q->tree.told = true;
	return false;
}

static void load(struct daemon *d, struct queue *q, const struct model *m, uint32_t crc,
		 uint64_t now)
{
	const struct verify_limits limits = limits_of(d, q);
	const struct distill_queue made_for = now_of(d, q);
	struct sluice_tree tree;
	struct sl_err e;
	int r;

	q->tree.retry_ns = now + RETRY_NS;
	if (!interval_fits(d, q))
		return;
	r = qtree_compile(m, &made_for, d->generation + 1, d->settings.ecn_lease_ms, &limits, &tree,
			  NULL, &e);
	if (r == 0)
		r = act_tree(d, q, &tree, now, &e);
	if (r < 0) {
		if (!q->tree.told)
			log_warning("%s %s: the tree is not loaded, the daemon goes on by itself: %s",
				    q->now.id.ifname, q->now.id.parent, e.text);
		q->tree.told = true;
		return;
	}
	q->tree.crc = crc;
	q->tree.made_for = made_for;
	q->tree.told = false;
	log_info("%s %s: tree %u decides in the qdisc, %u nodes", q->now.id.ifname, q->now.id.parent,
		 q->tree.generation, tree.h.n_nodes);
}

void offload_epoch(struct daemon *d, struct queue *q, uint64_t now)
{
	uint32_t crc = 0;
	const struct model *m = d->policies ? policies_tree(d, q, &crc) : NULL;
	bool loaded = q->tree.generation != 0;
	struct distill_queue queue;

	if (!m || q->now.backend != ECN_SLUICE || !d->settings.ecn_offload) {
		act_tree_end(q);
		return;
	}
	/* It ran out, or the operator's write ended it. */
	if (loaded && q->tree.seen && q->now.stats.tree_generation != q->tree.generation) {
		q->tree.generation = 0;
		loaded = false;
	}
	q->tree.seen = loaded;
	queue = now_of(d, q);
	if (!loaded || q->tree.crc != crc || qtree_stale(&q->tree.made_for, &queue)) {
		if (now >= q->tree.retry_ns)
			load(d, q, m, crc, now);
	} else {
		act_tree_renew(d, q, now);
	}
}
