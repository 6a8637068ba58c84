// SPDX-License-Identifier: GPL-2.0
#include "policy/qtree.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/reward_ecn.h"

#define VERSION		1	/* of the payload */
#define MOVED		0.25
#define GENERATION	1
#define LEASE_MS	60000

/* --- the payload ------------------------------------------------------------------------- */

/* As in the file; without holes. Features, classes and epochs are what the nodes' numbers mean. */
struct head {
	uint32_t version, features, classes, epochs;
	char teacher[QTREE_TEACHER_MAX];
	uint32_t teacher_crc, depth, round, rules;
	uint64_t states, nodes;
	double start;
	struct { uint16_t output, feature; int32_t sign; } rule[VERIFY_RULES];
};

struct node {
	int32_t feature;
	uint32_t below, above, class;
	double at;
};

static bool well_formed(const struct cart *c)
{
	if (!c->n || c->n > QTREE_NODES_MAX)
		return false;
	for (size_t i = 0; i < c->n; i++) {
		const struct cart_node *n = &c->node[i];

		if (n->feature == -1 ? n->class >= DISTILL_CLASSES :
		    n->feature < 0 || n->feature >= DISTILL_F_NR || !isfinite(n->at) ||
		    n->below <= i || n->above <= i || n->below >= c->n || n->above >= c->n)
			return false;
	}
	return true;
}

static bool rule_ok(const struct verify_rule *r)
{
	return (unsigned int)r->output < VERIFY_OUTPUTS &&
	       (unsigned int)r->feature < SLUICE_TREE_F_NR && (r->sign == 1 || r->sign == -1);
}

static bool info_ok(const struct qtree *t)
{
	if (!(t->start > 0) || !isfinite(t->start) || t->rules > VERIFY_RULES ||
	    !memchr(t->teacher, 0, sizeof(t->teacher)))
		return false;
	for (size_t i = 0; i < t->rules; i++)
		if (!rule_ok(&t->rule[i]))
			return false;
	return true;
}

int qtree_set(struct model *m, const struct qtree *t)
{
	struct head h = {
		.version = VERSION, .features = DISTILL_F_NR, .classes = DISTILL_CLASSES,
		.epochs = DISTILL_EPOCHS, .teacher_crc = t->teacher_crc, .depth = t->depth,
		.round = t->round, .rules = t->rules, .states = t->states, .nodes = t->cart.n,
		.start = t->start,
	};
	size_t size = sizeof(h) + t->cart.n * sizeof(struct node);
	struct node *node;
	char *data;
	int r;

	if (!info_ok(t) || !well_formed(&t->cart))
		return -EINVAL;
	data = calloc(1, size);
	if (!data)
		return -ENOMEM;
	snprintf(h.teacher, sizeof(h.teacher), "%s", t->teacher);
	for (size_t i = 0; i < t->rules; i++) {
		h.rule[i].output = t->rule[i].output;
		h.rule[i].feature = t->rule[i].feature;
		h.rule[i].sign = t->rule[i].sign;
	}
	memcpy(data, &h, sizeof(h));
	node = (struct node *)(data + sizeof(h));
	for (size_t i = 0; i < t->cart.n; i++) {
		const struct cart_node *n = &t->cart.node[i];

		node[i] = (struct node){ n->feature, n->below, n->above, n->class, n->at };
	}
	r = model_set(m, policy_qtree.name, data, size);
	free(data);
	return r;
}

static int get_nodes(const char *data, size_t n, struct cart *ret)
{
	struct cart c = { calloc(n, sizeof(*c.node)), n };

	if (!c.node)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct node node;

		memcpy(&node, data + i * sizeof(node), sizeof(node));
		c.node[i] = (struct cart_node){ .feature = node.feature, .below = node.below,
						.above = node.above, .class = node.class,
						.at = node.at };
	}
	if (!well_formed(&c)) {
		cart_free(&c);
		return -EBADMSG;
	}
	*ret = c;
	return 0;
}

int qtree_get(const struct model *m, struct qtree *ret)
{
	struct qtree t = { .depth = 0 };
	struct head h;
	int r;

	if (strcmp(m->kind, policy_qtree.name) || !m->data || m->size < sizeof(h))
		return -EBADMSG;
	memcpy(&h, m->data, sizeof(h));
	if (h.version != VERSION || h.features != DISTILL_F_NR || h.classes != DISTILL_CLASSES ||
	    h.epochs != DISTILL_EPOCHS || h.rules > VERIFY_RULES || !h.nodes ||
	    h.nodes > QTREE_NODES_MAX || m->size != sizeof(h) + h.nodes * sizeof(struct node))
		return -EBADMSG;
	memcpy(t.teacher, h.teacher, sizeof(t.teacher));
	t.teacher_crc = h.teacher_crc;
	t.depth = h.depth;
	t.round = h.round;
	t.states = h.states;
	t.start = h.start;
	t.rules = h.rules;
	for (size_t i = 0; i < t.rules; i++)
		t.rule[i] = (struct verify_rule){ h.rule[i].output, h.rule[i].feature,
						  h.rule[i].sign };
	if (!info_ok(&t))
		return -EBADMSG;
	r = get_nodes((const char *)m->data + sizeof(h), h.nodes, &t.cart);
	if (!r)
		*ret = t;
	return r;
}

void qtree_free(struct qtree *t)
{
	cart_free(&t->cart);
	*t = (struct qtree){ .depth = 0 };
}

/* --- for a queue --------------------------------------------------------------------------- */

static uint32_t within(uint32_t v, uint32_t low, uint32_t high)
{
	return v < low ? low : v > high ? high : v;
}

/* A step stays a step, and what was lower than another is not higher now. */
static size_t clamp(struct sluice_tree *t, const struct sluice_tree_clamps *c)
{
	size_t changed = 0;

	for (uint32_t i = t->h.n_nodes; i < (uint32_t)t->h.n_nodes + t->h.n_actions; i++) {
		struct sluice_tree_action *a = &t->cell[i].action;

		if (sluice_tree_action_ok(a, c))
			continue;
		a->qth_min = within(a->qth_min, c->qth_lo, c->qth_hi);
		a->qth_max = within(a->qth_max, c->qth_lo, c->qth_hi);
		a->max_p = within(a->max_p, c->max_p_lo, c->max_p_hi);
		changed++;
	}
	if (changed)
		sluice_tree_seal(t);
	return changed;
}

static int add_rules(struct verify_limits *l, const struct qtree *t, struct sl_err *e)
{
	for (size_t i = 0; i < t->rules; i++) {
		bool has = false;

		for (size_t k = 0; k < l->rules; k++)
			has |= l->rule[k].output == t->rule[i].output &&
			       l->rule[k].feature == t->rule[i].feature &&
			       l->rule[k].sign == t->rule[i].sign;
		if (!has && l->rules == VERIFY_RULES)
			return sl_err(e, -E2BIG, "more than %d rules, with the tree's own",
				      VERIFY_RULES);
		if (!has)
			l->rule[l->rules++] = t->rule[i];
	}
	return 0;
}

int qtree_compile_for(const struct qtree *t, const struct distill_queue *q, uint32_t generation,
		      uint32_t lease_ms, const struct verify_limits *limits,
		      struct sluice_tree *ret, struct qtree_made *made, struct sl_err *e)
{
	struct verify_limits l = limits ? *limits : verify_limits_default();
	struct qtree_made m = { .repaired = 0 };
	struct sluice_tree tree;
	int r = add_rules(&l, t, e);

	if (!r)
		r = distill_compile(&t->cart, q, generation, lease_ms, &tree, e);
	if (r)
		return r;
	m.clamped = clamp(&tree, &l.clamps);
	r = l.rules ? verify_repair(&tree, &l, &m.repaired) : 0;
	if (r)
		return sl_err(e, r, "the tree cannot be made to keep the rules: %s", strerror(-r));
	r = verify_tree(&tree, tree.h.size, &l, &m.report, e);
	if (r)
		return r;
	*ret = tree;
	if (made)
		*made = m;
	return 0;
}

int qtree_compile(const struct model *m, const struct distill_queue *q, uint32_t generation,
		  uint32_t lease_ms, const struct verify_limits *limits, struct sluice_tree *ret,
		  struct qtree_made *made, struct sl_err *e)
{
	struct qtree t;
	int r = qtree_get(m, &t);

	if (r)
		return sl_err(e, r, r == -ENOMEM ? "out of memory" :
			      "the model's content is not that of a '%s'", policy_qtree.name);
	r = qtree_compile_for(&t, q, generation, lease_ms, limits, ret, made, e);
	qtree_free(&t);
	return r;
}

static bool moved(double was, double now)
{
	return !(fabs(now / was - 1) <= MOVED);
}

bool qtree_stale(const struct distill_queue *was, const struct distill_queue *now)
{
	return !(was->capacity_bps > 0) || moved(was->capacity_bps, now->capacity_bps) ||
	       moved(was->rtt_s, now->rtt_s);
}

/* --- the policy ------------------------------------------------------------------------------ */

struct qtree_policy {
	struct policy policy;
	struct qtree tree;
	struct sluice_tree block;
	struct distill_queue queue;	/* that the block is for */
	struct sluice_tree_sample sample;
	unsigned int epochs;		/* with traffic, since the last evaluation */
};

static int init(struct policy *p, const struct model *m)
{
	struct qtree_policy *q = (struct qtree_policy *)p;

	q->epochs = 1;	/* no setting has to take hold at first */
	return qtree_get(m, &q->tree);
}

static void fini(struct policy *p)
{
	qtree_free(&((struct qtree_policy *)p)->tree);
}

static void reset(struct policy *p)
{
	struct qtree_policy *q = (struct qtree_policy *)p;

	q->queue = (struct distill_queue){ 0 };
	q->sample = (struct sluice_tree_sample){ 0 };
	q->epochs = 1;
}

static struct qdisc_triple start(struct policy *p, const struct ecn_interval *in)
{
	return policy_step(in, ((struct qtree_policy *)p)->tree.start * policy_bdp_bytes(in));
}

static int decide(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t)
{
	struct qtree_policy *q = (struct qtree_policy *)p;
	const struct distill_queue now = distill_queue_of(in);
	const struct sluice_tree_action *found;
	__u32 feature[SLUICE_TREE_F_NR];
	int r;

	if (qtree_stale(&q->queue, &now)) {
		r = qtree_compile_for(&q->tree, &now, GENERATION, LEASE_MS, NULL, &q->block, NULL,
				      NULL);
		if (r)
			return r;
		q->queue = now;
	}
	distill_sample_add(&q->sample, in);
	q->epochs += ecn_interval_active(in);
	if (q->epochs < DISTILL_EPOCHS)
		return 0;
	sluice_tree_features(&q->sample, feature);
	found = &q->block.cell[sluice_tree_walk(&q->block, feature)].action;
	*t = (struct qdisc_triple){ found->qth_min, found->qth_max, found->max_p };
	q->sample = (struct sluice_tree_sample){ 0 };
	q->epochs = 0;
	return 0;
}

const struct policy_ops policy_qtree = {
	.name = "qtree", .size = sizeof(struct qtree_policy), .idle = true, .init = init,
	.start = start, .decide = decide, .reset = reset, .fini = fini,
};
