// SPDX-License-Identifier: GPL-2.0
#include "policy/queue_tree.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const int kernel_feature[DISTILL_F_NR] = {
#define X(name, feature) feature,
	DISTILL_FEATURES(X)
#undef X
	-1,
};

const char *distill_feature_name(int i)
{
	static const char *const name[DISTILL_F_NR] = {
#define X(name, feature) #name,
		DISTILL_FEATURES(X)
#undef X
		"bdp",
	};

	return name[i];
}

struct distill_queue distill_queue_of(const struct ecn_interval *in)
{
	return (struct distill_queue){ in->capacity_bps, in->rtt_s, in->mtu_bytes,
				       in->limit_bytes };
}

double distill_bdp_bytes(const struct distill_queue *q)
{
	return q->capacity_bps * q->rtt_s;
}

static double log_bdp(const struct distill_queue *q)
{
	return log2(distill_bdp_bytes(q) / fmax(q->mtu_bytes, 1));
}

/* The kernel's units in one of ours. */
static double unit(const struct distill_queue *q, int i)
{
	switch (i) {
	case DISTILL_F_backlog:
	case DISTILL_F_setting:
		return distill_bdp_bytes(q);
	case DISTILL_F_used:
		return q->capacity_bps / 1000;
	default:
		return SLUICE_TREE_PPM;
	}
}

void distill_sample_add(struct sluice_tree_sample *s, const struct ecn_interval *in)
{
	s->elapsed_ns += in->seconds * 1e9;
	s->bytes += in->tx_bytes;
	s->ce_bytes += in->ce_bytes;
	s->backlog_byte_us += in->avg_backlog_bytes * in->seconds * 1e6;
	s->backlogged_ns += in->backlogged_s * 1e9;
	s->qth_min = in->setting.qth_min;
	s->qth_max = in->setting.qth_max;
	s->max_p = in->setting.max_p;
}

void distill_features(const struct distill_queue *q, const struct sluice_tree_sample *s,
		      double x[DISTILL_F_NR])
{
	__u32 feature[SLUICE_TREE_F_NR];

	sluice_tree_features(s, feature);
	for (int i = 0; i < DISTILL_F_bdp; i++)
		x[i] = feature[kernel_feature[i]] / unit(q, i);
	x[DISTILL_F_bdp] = log_bdp(q);
}

double distill_template(unsigned int class)
{
	return class / (double)DISTILL_PER_TEMPLATE;
}

struct sluice_tree_action distill_action(const struct distill_queue *q, unsigned int class)
{
	const struct ecn_interval in = {
		.capacity_bps = q->capacity_bps, .rtt_s = q->rtt_s, .mtu_bytes = q->mtu_bytes,
		.limit_bytes = q->limit_bytes,
	};
	const struct qdisc_triple t = policy_step(&in, policy_template_bytes(&in,
								distill_template(class)));

	return (struct sluice_tree_action){ t.qth_min, t.qth_max, t.max_p };
}

/* --- compiling ------------------------------------------------------------------------- */

/* What a child is before cells have numbers: a node, or -1 - action. */
struct draft {
	struct { int feature, left, right; uint32_t threshold; } node[SLUICE_TREE_MAX_CELLS];
	struct sluice_tree_action action[SLUICE_TREE_MAX_CELLS];
	int nodes, actions;
	const struct cart *cart;
	const struct distill_queue *queue;
};

struct box {
	uint32_t low[SLUICE_TREE_F_NR], high[SLUICE_TREE_F_NR];
};

static int draft_action(struct draft *d, unsigned int class)
{
	const struct sluice_tree_action a = distill_action(d->queue, class);

	for (int i = 0; i < d->actions; i++)
		if (!memcmp(&d->action[i], &a, sizeof(a)))
			return -1 - i;
	d->action[d->actions++] = a;
	return -d->actions;
}

/* The child; INT_MIN: there is no room. Without its own place where it decides nothing. */
#define NO_ROOM	(-0x7fffffff)

static int draft(struct draft *d, size_t at, const struct box *box, unsigned int depth)
{
	const struct cart_node *n = &d->cart->node[at];
	struct box part = *box;
	int feature, left, right;
	double threshold;

	if (n->feature < 0)
		return draft_action(d, n->class);
	feature = kernel_feature[n->feature];
	if (feature < 0)
		return draft(d, log_bdp(d->queue) <= n->at ? n->below : n->above, box, depth);
	threshold = floor(n->at * unit(d->queue, n->feature));
	if (threshold >= box->high[feature])
		return draft(d, n->below, box, depth);
	if (threshold < box->low[feature])
		return draft(d, n->above, box, depth);
	if (depth == SLUICE_TREE_MAX_DEPTH)
		return NO_ROOM;
	part.high[feature] = threshold;
	left = draft(d, n->below, &part, depth + 1);
	part.high[feature] = box->high[feature];
	part.low[feature] = (uint32_t)threshold + 1;
	right = draft(d, n->above, &part, depth + 1);
	if (left == NO_ROOM || right == NO_ROOM || left == right)
		return left == NO_ROOM ? left : right;
	if (d->nodes == SLUICE_TREE_MAX_CELLS)
		return NO_ROOM;
	d->node[d->nodes].feature = feature;
	d->node[d->nodes].left = left;
	d->node[d->nodes].right = right;
	d->node[d->nodes].threshold = threshold;
	return d->nodes++;
}

/* Nodes first, parents before their children; the root's number is what a caller asks for. */
static unsigned int place(const struct draft *d, int child, unsigned int nodes,
			  struct sluice_tree *t)
{
	struct sluice_tree_node *n;
	unsigned int me;

	if (child < 0)
		return nodes + (-1 - child);
	me = t->h.n_nodes++;
	n = &t->cell[me].node;
	n->feature = d->node[child].feature;
	n->threshold = d->node[child].threshold;
	n->left = place(d, d->node[child].left, nodes, t);
	n->right = place(d, d->node[child].right, nodes, t);
	return me;
}

static bool well_formed(const struct cart *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct cart_node *n = &c->node[i];

		if (n->feature < 0 ? n->class >= DISTILL_CLASSES :
		    n->feature >= DISTILL_F_NR || isnan(n->at) || n->below <= i ||
		    n->above <= i || n->below >= c->n || n->above >= c->n)
			return false;
	}
	return c->n > 0;
}

int distill_compile(const struct cart *c, const struct distill_queue *q, uint32_t generation,
		    uint32_t lease_ms, struct sluice_tree *ret, struct sl_err *e)
{
	static const uint32_t most[SLUICE_TREE_F_NR] = {
#define X(name, unit, max, text) [SLUICE_TREE_F_##name] = max,
		SLUICE_TREE_FEATURES(X)
#undef X
	};
	struct draft d = { .cart = c, .queue = q };
	struct sluice_tree t = { .h = { .generation = generation, .lease_ms = lease_ms } };
	struct box all = { .low = { 0 } };
	int root;

	if (!(q->capacity_bps > 0 && q->rtt_s > 0) || !isfinite(distill_bdp_bytes(q)))
		return sl_err(e, -EINVAL, "the queue has no rate or no round-trip time");
	if (!well_formed(c))
		return sl_err(e, -EINVAL, "not a tree of these features and classes");
	memcpy(all.high, most, sizeof(most));
	root = draft(&d, 0, &all, 0);
	if (root == NO_ROOM || d.nodes + d.actions > (int)SLUICE_TREE_MAX_CELLS)
		return sl_err(e, -E2BIG, "the tree has more than %zu cells or %d comparisons on a "
			      "path: distil it with fewer leaves", SLUICE_TREE_MAX_CELLS,
			      SLUICE_TREE_MAX_DEPTH);
	place(&d, root, d.nodes, &t);
	t.h.n_actions = d.actions;
	for (int i = 0; i < d.actions; i++)
		t.cell[d.nodes + i].action = d.action[i];
	sluice_tree_seal(&t);
	*ret = t;
	return 0;
}
