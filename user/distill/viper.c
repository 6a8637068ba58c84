// SPDX-License-Identifier: GPL-2.0
#include "distill/viper.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES_MAX	64

int viper_rows_add(const struct viper_task *t, struct viper_rows *rows, const double *x,
		   const double *cost)
{
	if (rows->n == rows->room) {
		const size_t room = rows->room ? 2 * rows->room : 256;
		double *more = realloc(rows->x, room * t->features * sizeof(*more));

		if (!more)
			return -ENOMEM;
		rows->x = more;
		more = realloc(rows->cost, room * t->classes * sizeof(*more));
		if (!more)
			return -ENOMEM;
		rows->cost = more;
		rows->room = room;
	}
	memcpy(rows->x + rows->n * t->features, x, t->features * sizeof(*x));
	memcpy(rows->cost + rows->n * t->classes, cost, t->classes * sizeof(*cost));
	rows->n++;
	return 0;
}

void viper_rows_free(struct viper_rows *rows)
{
	free(rows->x);
	free(rows->cost);
	*rows = (struct viper_rows){ 0 };
}

static int fit_pruned(const struct cart_samples *s, const struct viper_config *c, struct cart *ret)
{
	struct cart tree;
	int r = cart_fit(s, c->depth, c->min_leaf, &tree);

	if (r)
		return r;
	r = c->leaves ? cart_prune(&tree, c->leaves) : 0;
	if (r)
		cart_free(&tree);
	else
		*ret = tree;
	return r;
}

/* All but the "top" features that gain most. */
static void leave_out(const struct cart *tree, size_t features, unsigned int top, bool *unused)
{
	double gain[FEATURES_MAX];

	cart_gain(tree, gain, features);
	for (size_t i = 0; i < features; i++) {
		size_t better = 0;

		for (size_t j = 0; j < features; j++)
			better += gain[j] > gain[i] || (gain[j] == gain[i] && j < i);
		unused[i] = better >= top;
	}
}

int viper_fit(const struct viper_task *t, const struct viper_config *c,
	      const struct viper_rows *rows, struct cart *ret)
{
	bool unused[FEATURES_MAX] = { false };
	struct cart_samples s = {
		.x = rows->x, .cost = rows->cost, .n = rows->n, .features = t->features,
		.classes = t->classes, .split = c->split,
	};
	struct cart whole;
	int r;

	if (t->features > FEATURES_MAX)
		return -EINVAL;
	r = fit_pruned(&s, c, c->top && c->top < t->features ? &whole : ret);
	if (r || !c->top || c->top >= t->features)
		return r;
	leave_out(&whole, t->features, c->top, unused);
	cart_free(&whole);
	s.unused = unused;
	return fit_pruned(&s, c, ret);
}

int viper(const struct viper_task *t, const struct viper_config *c, struct cart *ret,
	  struct viper_report *report)
{
	struct viper_rows rows = { 0 };
	struct cart last = { 0 }, best = { 0 };
	struct viper_report kept = { .cost = INFINITY };
	int r = c->rounds ? 0 : -EINVAL;

	for (unsigned int round = 0; !r && round < c->rounds; round++) {
		double cost;

		r = t->visit(t->ctx, round, round ? &last : NULL, &rows);
		if (last.node != best.node)
			cart_free(&last);
		last = (struct cart){ 0 };
		if (!r)
			r = viper_fit(t, c, &rows, &last);
		if (!r)
			r = t->judge(t->ctx, &last, &cost);
		if (r || !(cost < kept.cost))
			continue;
		cart_free(&best);
		best = last;
		kept = (struct viper_report){ cost, round, rows.n };
	}
	if (last.node != best.node)
		cart_free(&last);
	if (!r && !best.node)
		r = -EDOM;	/* no cost was a number */
	viper_rows_free(&rows);
	if (r) {
		cart_free(&best);
		return r;
	}
	*ret = best;
	*report = kept;
	return 0;
}
