/* SPDX-License-Identifier: GPL-2.0 */
/* Trees of a depth, grown on recorded states, and what asking one costs. */
#ifndef SLUICE_BENCH_TREE_ROWS_H
#define SLUICE_BENCH_TREE_ROWS_H

#include <bpf/libbpf.h>

#include <sluice/place.h>

#include "measure.h"

/* What the rows tree_* have in common; state is BENCH_STATES long. */
struct bench_trees {
	__u32 (*state)[SLUICE_PLACE_F_NR];
	double comparisons[3];		/* of each tree, averaged over the states */
};
extern const unsigned int bench_tree_depth[3];

int bench_trees_record(struct bench_trees *t, struct sl_err *e);
/* The i-th tree becomes the one of the instance, whose loads are published, too. */
int bench_trees_publish(struct bench_trees *t, int i, struct steer *s, struct sl_err *e);
/* All states for the object, by turns. */
int bench_trees_states(const struct bench_trees *t, struct bpf_object *o, struct sl_err *e);
/*
 * The p99 over n states of what "on" costs more than "off", each measured with "repeat" packets of
 * that one state.
 */
int bench_trees_p99(const struct row *off, struct bpf_object *off_object, const struct row *on,
		    struct bpf_object *on_object, unsigned int n, unsigned int repeat, double *p99,
		    double *median, struct sl_err *e);
void bench_trees_free(struct bench_trees *t);

#endif
