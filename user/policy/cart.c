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
	struct cart *tree;
};

struct split {
	int feature;
	double at, cost;
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

static void add(double *sum, const double *cost, size_t n)
{
	for (size_t c = 0; c < n; c++)
		sum[c] += cost[c];
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
	double *x = column(s, feature);
	uint32_t class;

	if (!x)
		return -ENOMEM;
	memcpy(g->other, g->index + from, n * sizeof(*g->other));
	qsort_r(g->other, n, sizeof(*g->other), by_value, x);
	memset(g->left, 0, s->classes * sizeof(*g->left));
	for (size_t i = 0; i + 1 < n; i++) {
		const double here = x[g->other[i]], next = x[g->other[i + 1]];
		double cost, right[CLASSES_MAX] = { 0 };

		add(g->left, s->cost + g->other[i] * s->classes, s->classes);
		if (!(here < next) || i + 1 < g->min_leaf || n - i - 1 < g->min_leaf)
			continue;
		for (size_t c = 0; c < s->classes; c++)
			right[c] = g->all[c] - g->left[c];
		cost = least(g->left, s->classes, &class) + least(right, s->classes, &class);
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
	uint32_t class;
	double now;
	int r;

	if (!more)
		return -ENOMEM;
	g->tree->node = more;
	g->tree->n++;
	memset(g->all, 0, s->classes * sizeof(*g->all));
	for (size_t i = 0; i < n; i++)
		add(g->all, s->cost + g->index[from + i] * s->classes, s->classes);
	now = least(g->all, s->classes, &class);
	more[me] = (struct cart_node){ .feature = -1, .class = class };
	/* Less than rounding is no gain. */
	best.cost = now - 1e-9 * (fabs(now) + 1);
	for (size_t f = 0; depth && f < s->features; f++) {
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
