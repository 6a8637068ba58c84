// SPDX-License-Identifier: GPL-2.0
#include "policy/cart.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES_MAX	64

struct grow {
	const struct cart_samples *s;
	size_t min_leaf;
	size_t *index, *other;	/* samples; those of a node are side by side */
	double *left, *all;	/* (classes) sums of costs */
	double heavy;		/* weights of the node's samples */
	struct cart *tree;
};

struct split {
	int feature;
	double at, cost;	/* or what stands for it, see worth() */
	size_t below;
};

static double least(const double *cost, size_t n, uint32_t *class)
{
	*class = 0;
	for (size_t c = 1; c < n; c++)
		if (cost[c] < cost[*class])
			*class = c;
	return cost[*class];
}

static double weight(const struct cart_samples *s, size_t sample)
{
	return s->weight ? s->weight[sample] : 1;
}

static void add(const struct cart_samples *s, size_t sample, double *sum)
{
	const double *cost = s->cost + sample * s->classes, w = weight(s, sample);

	for (size_t c = 0; c < s->classes; c++)
		sum[c] += w * cost[c];
}

/*
 * What is to be small, of samples with these sums of costs and weights. The variation of the costs is
 * the sum of their squares less this one's; the former is the same however they are split.
 */
static double worth(const struct cart_samples *s, const double *sum, double heavy)
{
	double squares = 0;
	uint32_t class;

	if (s->split == CART_COST)
		return least(sum, s->classes, &class);
	for (size_t c = 0; c < s->classes; c++)
		squares += sum[c] * sum[c];
	return -squares / heavy;
}

static int by_value(const void *a, const void *b, void *arg)
{
	const double *x = arg;
	const size_t i = *(const size_t *)a, j = *(const size_t *)b;

	/* Equal ones by number: the order is the same everywhere. */
	return x[i] < x[j] ? -1 : x[i] > x[j] ? 1 : (i > j) - (i < j);
}

/* A column of x, so that sorting knows where to look. */
static double *column(const struct cart_samples *s, size_t feature)
{
	double *x = malloc(s->n * sizeof(*x));

	for (size_t i = 0; x && i < s->n; i++)
		x[i] = s->x[i * s->features + feature];
	return x;
}

/* Below next also where nothing is between. */
static double middle(double here, double next)
{
	const double at = here + (next - here) / 2;

	return at < next ? at : here;
}

static int try_feature(struct grow *g, size_t from, size_t n, size_t feature, struct split *best)
{
	const struct cart_samples *s = g->s;
	double *x = column(s, feature), heavy = 0;

	if (!x)
		return -ENOMEM;
	memcpy(g->other, g->index + from, n * sizeof(*g->other));
	qsort_r(g->other, n, sizeof(*g->other), by_value, x);
	memset(g->left, 0, s->classes * sizeof(*g->left));
	for (size_t i = 0; i + 1 < n; i++) {
		const double here = x[g->other[i]], next = x[g->other[i + 1]];
		double cost, right[CLASSES_MAX] = { 0 };

		add(s, g->other[i], g->left);
		heavy += weight(s, g->other[i]);
		if (!(here < next) || i + 1 < g->min_leaf || n - i - 1 < g->min_leaf)
			continue;
		for (size_t c = 0; c < s->classes; c++)
			right[c] = g->all[c] - g->left[c];
		cost = worth(s, g->left, heavy) + worth(s, right, g->heavy - heavy);
		if (cost < best->cost)
			*best = (struct split){ feature, middle(here, next), cost, i + 1 };
	}
	free(x);
	return 0;
}

/* Those below first; the order within is kept. */
static void part(struct grow *g, size_t from, size_t n, const struct split *by)
{
	size_t below = 0, above = by->below;

	for (size_t i = 0; i < n; i++) {
		const size_t sample = g->index[from + i];
		const double x = g->s->x[sample * g->s->features + by->feature];

		g->other[x <= by->at ? below++ : above++] = sample;
	}
	memcpy(g->index + from, g->other, n * sizeof(*g->other));
}

static int grow(struct grow *g, size_t from, size_t n, unsigned int depth)
{
	const struct cart_samples *s = g->s;
	struct cart_node *more = realloc(g->tree->node, (g->tree->n + 1) * sizeof(*more));
	const size_t me = g->tree->n;
	struct split best = { .feature = -1 };
	double now;
	int r;

	if (!more)
		return -ENOMEM;
	g->tree->node = more;
	g->tree->n++;
	memset(g->all, 0, s->classes * sizeof(*g->all));
	g->heavy = 0;
	for (size_t i = 0; i < n; i++) {
		add(s, g->index[from + i], g->all);
		g->heavy += weight(s, g->index[from + i]);
	}
	more[me] = (struct cart_node){ .feature = -1 };
	more[me].cost = least(g->all, s->classes, &more[me].class);
	now = worth(s, g->all, g->heavy);
	/* Less than rounding is no gain. */
	best.cost = now - 1e-9 * (fabs(now) + 1);
	for (size_t f = 0; depth && f < s->features; f++) {
		if (s->unused && s->unused[f])
			continue;
		r = try_feature(g, from, n, f, &best);
		if (r)
			return r;
	}
	if (best.feature < 0)
		return 0;
	part(g, from, n, &best);
	g->tree->node[me].feature = best.feature;
	g->tree->node[me].at = best.at;
	g->tree->node[me].below = g->tree->n;
	r = grow(g, from, best.below, depth - 1);
	if (r)
		return r;
	g->tree->node[me].above = g->tree->n;
	return grow(g, from + best.below, n - best.below, depth - 1);
}

int cart_fit(const struct cart_samples *s, unsigned int depth, size_t min_leaf, struct cart *ret)
{
	struct cart tree = { 0 };
	struct grow g = { .s = s, .min_leaf = min_leaf ? min_leaf : 1, .tree = &tree };
	int r = -ENOMEM;

	if (!s->n || !s->features || !s->classes || s->classes > CLASSES_MAX)
		return -EINVAL;
	g.index = malloc(s->n * sizeof(*g.index));
	g.other = malloc(s->n * sizeof(*g.other));
	g.left = malloc(s->classes * sizeof(*g.left));
	g.all = malloc(s->classes * sizeof(*g.all));
	if (g.index && g.other && g.left && g.all) {
		for (size_t i = 0; i < s->n; i++)
			g.index[i] = i;
		r = grow(&g, 0, s->n, depth);
	}
	free(g.index);
	free(g.other);
	free(g.left);
	free(g.all);
	if (r)
		cart_free(&tree);
	else
		*ret = tree;
	return r;
}

size_t cart_leaves(const struct cart *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->node[i].feature < 0;
	return n;
}

void cart_gain(const struct cart *c, double *gain, size_t features)
{
	memset(gain, 0, features * sizeof(*gain));
	for (size_t i = 0; i < c->n; i++) {
		const struct cart_node *n = &c->node[i];

		if (n->feature >= 0)
			gain[n->feature] += n->cost - c->node[n->below].cost -
					    c->node[n->above].cost;
	}
}

/* The nodes that can still be reached, in order of before. */
static size_t move(const struct cart *from, size_t i, struct cart_node *to, size_t n)
{
	const size_t me = n++;

	to[me] = from->node[i];
	if (to[me].feature < 0)
		return n;
	to[me].below = n;
	n = move(from, from->node[i].below, to, n);
	to[me].above = n;
	return move(from, from->node[i].above, to, n);
}

int cart_prune(struct cart *c, size_t most)
{
	struct cart_node *to = malloc(c->n * sizeof(*to));
	double *cost = malloc(c->n * sizeof(*cost));	/* of the leaves below */
	size_t *leaves = malloc(c->n * sizeof(*leaves));
	int r = to && cost && leaves ? 0 : -ENOMEM;

	while (!r) {
		double weakest = INFINITY;
		size_t cut = 0;

		/* Children come after their node. */
		for (size_t i = c->n; i--;) {
			const struct cart_node *n = &c->node[i];
			double per;

			leaves[i] = n->feature < 0 ? 1 : leaves[n->below] + leaves[n->above];
			cost[i] = n->feature < 0 ? n->cost : cost[n->below] + cost[n->above];
			if (n->feature < 0)
				continue;
			per = (n->cost - cost[i]) / (leaves[i] - 1);
			if (per <= weakest) {
				weakest = per;
				cut = i;
			}
		}
		if (leaves[0] <= (most ? most : 1))
			break;
		c->node[cut].feature = -1;
		c->n = move(c, 0, to, 0);
		memcpy(c->node, to, c->n * sizeof(*to));
	}
	free(to);
	free(cost);
	free(leaves);
	return r;
}

void cart_free(struct cart *c)
{
	free(c->node);
	*c = (struct cart){ 0 };
}

unsigned int cart_class(const struct cart *c, const double *x)
{
	const struct cart_node *node = c->node;

	while (node->feature >= 0)
		node = &c->node[x[node->feature] <= node->at ? node->below : node->above];
	return node->class;
}
