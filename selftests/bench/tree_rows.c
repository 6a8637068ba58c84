// SPDX-License-Identifier: GPL-2.0
#include "tree_rows.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "bench.h"
#include "lib/steer_tree.h"
#include "place_states.h"

#define TRIES		30	/* to find a feature that splits */
#define EXIT_SHARE	0.05	/* of the states that leave a chain at each of its nodes */

const unsigned int bench_tree_depth[3] = { 5, 10, 20 };

/*
 * A complete tree of all 20 levels does not fit, so a deep one is complete at the top and a bunch of
 * chains below, whose nodes let a few of their states go: most walks are long, and each
 * has a path of its own.
 */
static const unsigned int full_levels[3] = { 5, 5, 4 };

int bench_trees_record(struct bench_trees *t, struct sl_err *e)
{
	t->state = calloc(BENCH_STATES, sizeof(*t->state));
	if (!t->state)
		return sl_err(e, -ENOMEM, "out of memory");
	return place_states_record(t->state, BENCH_STATES, e);
}

void bench_trees_free(struct bench_trees *t)
{
	free(t->state);
}

struct growing {
	const struct bench_trees *from;
	struct sluice_tree *t;
	struct rng rng;
	__u32 *values;
	unsigned int n_nodes, depth, full;
	double comparisons;		/* summed over the states */
};

static int by_value(const void *a, const void *b)
{
	const __u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

/* The threshold at the quantile of the feature; how many of the states are not above it. */
static unsigned int split_at(struct growing *g, const __u32 *index, unsigned int n, unsigned int f,
			     double quantile, __u32 *threshold)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		g->values[i] = g->from->state[index[i]][f];
	qsort(g->values, n, sizeof(*g->values), by_value);
	*threshold = g->values[(unsigned int)(quantile * (n - 1))];
	for (i = 0; i < n && g->values[i] <= *threshold; i++)
		;
	return i;
}

/* A node for these states: the cell. Children that are leaves are set to 0 and 1 for now. */
static unsigned int grow(struct growing *g, __u32 *index, unsigned int n, unsigned int level)
{
	const unsigned int me = g->n_nodes++;
	const bool chain = level >= g->full, low = rng_below(&g->rng, 2);
	const double q = !chain ? 0.5 : low ? EXIT_SHARE : 1 - EXIT_SHARE;
	struct sluice_tree_node *node = &g->t->cell[me].node;
	unsigned int below = 0, i, k, child[2] = { 0, 0 };
	__u32 swap, threshold = 0;

	for (i = 0; i < TRIES && n > 1; i++) {
		node->feature = rng_below(&g->rng, SLUICE_PLACE_F_NR);
		below = split_at(g, index, n, node->feature, q, &threshold);
		if (below && below < n && (chain || (below > n / 4 && below < n * 3 / 4)))
			break;
	}
	node->threshold = threshold;
	g->comparisons += n;
	for (i = k = 0; i < n; i++)
		if (g->from->state[index[i]][node->feature] <= threshold) {
			swap = index[k];
			index[k++] = index[i];
			index[i] = swap;
		}
	if (level + 1 < g->depth) {
		if (!chain || k <= n - k)
			child[1] = grow(g, index + k, n - k, level + 1);
		if (!chain || k > n - k)
			child[0] = grow(g, index, k, level + 1);
	}
	node->left = child[0];
	node->right = child[1];
	return me;
}

static int make_tree(struct bench_trees *from, int i, struct sluice_tree *t)
{
	struct growing g = {
		.from = from, .t = t, .depth = bench_tree_depth[i], .full = full_levels[i],
		.values = malloc(BENCH_STATES * sizeof(*g.values)),
	};
	__u32 *index = malloc(BENCH_STATES * sizeof(*index));
	int r = g.values && index ? 0 : -ENOMEM;

	rng_seed(&g.rng, 17);
	*t = (struct sluice_tree){ .h = { .kind = SLUICE_TREE_PLACE, .n_actions = 2,
					  .generation = i + 1 } };
	for (__u32 k = 0; k < BENCH_STATES && !r; k++)
		index[k] = k;
	if (!r)
		grow(&g, index, BENCH_STATES, 0);
	t->h.n_nodes = g.n_nodes;
	for (unsigned int k = 0; k < g.n_nodes; k++) {
		if (!t->cell[k].node.left)
			t->cell[k].node.left = g.n_nodes + rng_below(&g.rng, 2);
		if (!t->cell[k].node.right)
			t->cell[k].node.right = g.n_nodes + rng_below(&g.rng, 2);
	}
	t->cell[g.n_nodes].place.choice = SLUICE_PLACE_HOME;
	t->cell[g.n_nodes + 1].place.choice = SLUICE_PLACE_OTHER;
	sluice_tree_seal(t);
	from->comparisons[i] = g.comparisons / BENCH_STATES;
	free(g.values);
	free(index);
	return r;
}

int bench_trees_publish(struct bench_trees *t, int i, struct steer *s, struct sl_err *e)
{
	const struct steer_cpu_load load[] = { { 0, 600000 }, { 1, 400000 } };
	struct sluice_tree tree;
	int r = make_tree(t, i, &tree);

	if (r)
		return sl_err(e, r, "out of memory");
	r = steer_tree_publish(s, &tree, e);
	if (!r)
		r = steer_tree_loads(s, load, 2, 1000, e);
	return r ? r : steer_lease_renew(s, SLUICE_LEASE_MS_MAX, 1, e);
}

static int set_walk(struct bpf_object *o, __u32 first, __u32 mask)
{
	const struct bench_walk w = { .first = first, .mask = mask };
	const __u32 zero = 0;

	return bpf_map_update_elem(bpf_object__find_map_fd_by_name(o, "walk"), &zero, &w, 0);
}

int bench_trees_states(const struct bench_trees *t, struct bpf_object *o, struct sl_err *e)
{
	const int fd = bpf_object__find_map_fd_by_name(o, "states");
	struct bench_features f = { { 0 } };
	int r = set_walk(o, 0, BENCH_STATES - 1);

	for (__u32 i = 0; i < BENCH_STATES && !r; i++) {
		memcpy(f.feature, t->state[i], sizeof(t->state[i]));
		r = bpf_map_update_elem(fd, &i, &f, 0);
	}
	return r ? sl_err(e, r, "cannot write the states: %s", strerror(-r)) : 0;
}

static int by_double(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int bench_trees_p99(const struct row *off, struct bpf_object *off_object, const struct row *on,
		    struct bpf_object *on_object, unsigned int n, unsigned int repeat, double *p99,
		    double *median, struct sl_err *e)
{
	double *added = calloc(n, sizeof(*added)), without = 0, with = 0;
	int r = added ? 0 : sl_err(e, -ENOMEM, "out of memory");

	for (unsigned int i = 0; i < n && !r; i++) {
		const __u32 first = (__u64)i * BENCH_STATES / n;

		if (set_walk(off_object, first, 0) || set_walk(on_object, first, 0))
			r = sl_err(e, -EIO, "cannot choose a state");
		if (!r)
			r = run_packets(off, repeat, &without, e);
		if (!r)
			r = run_packets(on, repeat, &with, e);
		added[i] = (with - without) / repeat;
	}
	if (!r) {
		qsort(added, n, sizeof(*added), by_double);
		*p99 = added[n * 99 / 100];
		*median = added[n / 2];
	}
	free(added);
	return r;
}
