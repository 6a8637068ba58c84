// SPDX-License-Identifier: GPL-2.0
#include "distill/place_tree.h"

#include <errno.h>
#include <math.h>
#include <string.h>


static const struct {
	const char *name, *unit;
	uint32_t most;
} features[SLUICE_PLACE_F_NR] = {
#define X(name, unit, max, text) { #name, unit, max },
	SLUICE_PLACE_FEATURES(X)
#undef X
};

const char *place_feature_name(unsigned int feature)
{
	return features[feature].name;
}

const char *place_feature_unit(unsigned int feature)
{
	return features[feature].unit;
}

/* --- building: nodes first, parents before their children, then the two actions ------------- */

static unsigned int add_node(struct sluice_tree *t, uint32_t feature, uint32_t threshold)
{
	t->cell[t->h.n_nodes].node = (struct sluice_tree_node){
		.feature = (__u16)feature, .threshold = threshold,
	};
	return t->h.n_nodes++;
}

/* A child that is no node yet: the choice, beyond all cells. */
#define CHOICE(c)	((unsigned int)SLUICE_TREE_MAX_CELLS + (c))

static void finish(struct sluice_tree *t, unsigned int root, uint32_t generation)
{
	const unsigned int n = t->h.n_nodes;
	bool used[SLUICE_PLACE_NR] = { false };
	unsigned int cell[SLUICE_PLACE_NR];

	if (!n)
		used[root - SLUICE_TREE_MAX_CELLS] = true;
	for (unsigned int i = 0; i < n; i++) {
		const struct sluice_tree_node *at = &t->cell[i].node;

		for (int side = 0; side < 2; side++) {
			const unsigned int child = side ? at->right : at->left;

			if (child >= SLUICE_TREE_MAX_CELLS)
				used[child - SLUICE_TREE_MAX_CELLS] = true;
		}
	}
	for (unsigned int c = 0; c < SLUICE_PLACE_NR; c++) {
		if (!used[c])
			continue;
		cell[c] = n + t->h.n_actions++;
		t->cell[cell[c]].place = (struct sluice_tree_place){ .choice = c };
	}
	for (unsigned int i = 0; i < n; i++) {
		struct sluice_tree_node *at = &t->cell[i].node;

		if (at->left >= SLUICE_TREE_MAX_CELLS)
			at->left = (__u16)cell[at->left - SLUICE_TREE_MAX_CELLS];
		if (at->right >= SLUICE_TREE_MAX_CELLS)
			at->right = (__u16)cell[at->right - SLUICE_TREE_MAX_CELLS];
	}
	t->h.kind = SLUICE_TREE_PLACE;
	t->h.generation = generation;
	sluice_tree_seal(t);
}

/* --- a learned one --------------------------------------------------------------------------- */

struct box {
	uint32_t low[PLACE_LEARNED], high[PLACE_LEARNED];
};

/* What a subtree answers whatever the state, or -1. */
static int constant(const struct cart *c, size_t at, const struct box *box)
{
	const struct cart_node *n = &c->node[at];
	int below, above;

	if (n->feature < 0)
		return (int)n->class;
	if (floor(n->at) >= box->high[n->feature])
		return constant(c, n->below, box);
	if (floor(n->at) < box->low[n->feature])
		return constant(c, n->above, box);
	below = constant(c, n->below, box);
	above = below < 0 ? -1 : constant(c, n->above, box);
	return below == above ? below : -1;
}

/* The cell, or a choice; more than both: there is no room. */
#define NO_ROOM	((unsigned int)SLUICE_TREE_MAX_CELLS + SLUICE_PLACE_NR)

static unsigned int put(const struct cart *c, size_t at, const struct box *box, unsigned int depth,
			struct sluice_tree *t)
{
	const struct cart_node *n = &c->node[at];
	const int answer = constant(c, at, box);
	struct box part = *box;
	unsigned int me, child;

	if (answer >= 0)
		return CHOICE((unsigned int)answer);
	if (floor(n->at) >= box->high[n->feature])
		return put(c, n->below, box, depth, t);
	if (floor(n->at) < box->low[n->feature])
		return put(c, n->above, box, depth, t);
	if (depth == SLUICE_TREE_MAX_DEPTH ||
	    t->h.n_nodes + (size_t)SLUICE_PLACE_NR >= SLUICE_TREE_MAX_CELLS)
		return NO_ROOM;
	me = add_node(t, (uint32_t)n->feature, (uint32_t)n->at);
	part.high[n->feature] = (uint32_t)n->at;
	child = put(c, n->below, &part, depth + 1, t);
	if (child == NO_ROOM)
		return child;
	t->cell[me].node.left = (__u16)child;
	part = *box;
	part.low[n->feature] = (uint32_t)n->at + 1;
	child = put(c, n->above, &part, depth + 1, t);
	if (child == NO_ROOM)
		return child;
	t->cell[me].node.right = (__u16)child;
	return me;
}

static bool well_formed(const struct cart *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct cart_node *n = &c->node[i];

		if (n->feature < 0 ? n->class >= SLUICE_PLACE_NR :
		    n->feature >= PLACE_LEARNED || isnan(n->at) || n->below <= i ||
		    n->above <= i || n->below >= c->n || n->above >= c->n)
			return false;
	}
	return c->n > 0;
}

int place_compile(const struct cart *c, uint32_t generation, struct sluice_tree *ret,
		  struct sl_err *e)
{
	struct sluice_tree t = { .h = { .n_nodes = 0 } };
	struct box all = { .low = { 0 } };
	unsigned int root;

	if (!well_formed(c))
		return sl_err(e, -EINVAL, "not a tree of these features and choices");
	for (int f = 0; f < PLACE_LEARNED; f++)
		all.high[f] = features[f].most;
	root = put(c, 0, &all, 0, &t);
	if (root == NO_ROOM)
		return sl_err(e, -E2BIG, "the tree has more than %zu cells or %d comparisons on a "
			      "path", SLUICE_TREE_MAX_CELLS, SLUICE_TREE_MAX_DEPTH);
	finish(&t, root, generation);
	*ret = t;
	return 0;
}

/* --- those that a person writes ---------------------------------------------------------------- */

void place_chain(const struct place_compare *c, size_t n, bool rest, uint32_t generation,
		 struct sluice_tree *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < n; i++) {
		const unsigned int me = add_node(ret, c[i].feature, c[i].threshold);

		ret->cell[me].node.left = (__u16)(i + 1 < n ? me + 1 : CHOICE(rest));
		ret->cell[me].node.right = CHOICE(c[i].right);
	}
	finish(ret, n ? 0 : CHOICE(rest), generation);
}

#define LADDER_TOP	512u	/* more than a default ring has room for is the same */

void place_ladder(uint32_t least, uint32_t generation, struct sluice_tree *ret)
{
	unsigned int me, below;

	memset(ret, 0, sizeof(*ret));
	for (uint32_t step = LADDER_TOP; ; step /= 2) {
		const bool last = step / 2 < least;

		/* Above the step: OTHER where it has at most half of that. */
		me = add_node(ret, SLUICE_PLACE_F_home_queue, step - 1);
		below = add_node(ret, SLUICE_PLACE_F_other_queue, step / 2);
		ret->cell[me].node.right = (__u16)below;
		ret->cell[me].node.left = (__u16)(last ? CHOICE(SLUICE_PLACE_HOME) : below + 1);
		ret->cell[below].node.left = CHOICE(SLUICE_PLACE_OTHER);
		ret->cell[below].node.right = CHOICE(SLUICE_PLACE_HOME);
		if (last)
			break;
	}
	finish(ret, 0, generation);
}

/* What cost least on the training half of the steering workloads: Documentation/distillation.md. */
#define SHIPPED_LEAST	32u

void place_shipped(uint32_t generation, struct sluice_tree *ret)
{
	place_ladder(SHIPPED_LEAST, generation, ret);
}

struct verify_limits place_limits(void)
{
	struct verify_limits l = verify_limits_default();

	l.places = true;
	verify_rule_add(&l, "never-lower:other:home_load", NULL);
	verify_rule_add(&l, "never-lower:other:home_queue", NULL);
	return l;
}

int place_read(const char *name, struct sluice_tree *ret, struct sl_err *e)
{
	const struct verify_limits limits = place_limits();
	struct sluice_tree t;
	int r;

	if (!strcmp(name, PLACE_SHIPPED)) {
		place_shipped(1, ret);
		return 0;
	}
	r = verify_read(name, &limits, &t, NULL, e);
	if (!r && t.h.kind != SLUICE_TREE_PLACE)
		r = sl_err(e, -EMEDIUMTYPE, "%s: the tree is of another kind: it decides about a "
			   "queue", name);
	if (!r)
		*ret = t;
	return r;
}
