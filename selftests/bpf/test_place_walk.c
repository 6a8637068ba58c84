// SPDX-License-Identifier: GPL-2.0
/*
 * Trees that place flows walk alike in user space and in BPF: on a million random states and on a
 * million recorded ones, of which a run of the program takes a thousand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

#include "place_states.h"
#include "trees.h"
#include "walk.h"

#define STATES		1000000
#define TREES		20

struct ways {
	struct bpf_object *obj;
	int prog, tree, states, cells;
	unsigned int met;		/* different cells */
};

static struct walk_state batch[WALK_BATCH];
static __u32 cell[WALK_BATCH], keys[WALK_BATCH];

static void load(struct ways *w)
{
	w->obj = bpf_object__open_file("build/selftests/bpf/walk.bpf.o", NULL);
	assert_non_null(w->obj);
	assert_int_equal(bpf_object__load(w->obj), 0);
	w->prog = bpf_program__fd(bpf_object__find_program_by_name(w->obj, "place_walk"));
	w->tree = bpf_object__find_map_fd_by_name(w->obj, "tree");
	w->states = bpf_object__find_map_fd_by_name(w->obj, "states");
	w->cells = bpf_object__find_map_fd_by_name(w->obj, "cells");
	for (__u32 i = 0; i < WALK_BATCH; i++)
		keys[i] = i;
}

static void compare(struct ways *w, const struct sluice_tree *t, unsigned char *seen)
{
	LIBBPF_OPTS(bpf_map_batch_opts, none);
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	__u32 n = WALK_BATCH, position;

	assert_int_equal(bpf_map_update_batch(w->states, keys, batch, &n, &none), 0);
	assert_int_equal(bpf_prog_test_run_opts(w->prog, &opts), 0);
	assert_int_equal(opts.retval, WALK_BATCH);
	n = WALK_BATCH;
	assert_int_equal(bpf_map_lookup_batch(w->cells, NULL, &position, keys, cell, &n, &none), 0);
	for (__u32 i = 0; i < WALK_BATCH; i++) {
		const __u32 want = sluice_place_walk(t, batch[i].feature);

		if (cell[i] != want)
			fail_msg("state %u: cell %u in user space, %u in BPF", i, want, cell[i]);
		w->met += !seen[want];
		seen[want] = 1;
	}
}

static void all(struct ways *w, __u32 (*recorded)[SLUICE_PLACE_F_NR])
{
	unsigned char seen[SLUICE_TREE_MAX_CELLS];
	struct sluice_tree t;
	const __u32 zero = 0;
	struct rng rng;

	rng_seed(&rng, 4);
	for (int i = 0; i < STATES; i += WALK_BATCH) {
		if (i % (STATES / TREES) == 0) {
			tree_random(&t, i ? 1 + rng_below(&rng, 169) : 169, 1, &rng);
			for (int k = 0; k < t.h.n_nodes && recorded; k++)
				t.cell[k].node.threshold =
					recorded[rng_below(&rng, STATES)][t.cell[k].node.feature];
			sluice_tree_seal(&t);
			assert_int_equal(bpf_map_update_elem(w->tree, &zero, &t, BPF_ANY), 0);
			memset(seen, 0, sizeof(seen));
		}
		for (int k = 0; k < WALK_BATCH; k++)
			for (int f = 0; f < SLUICE_PLACE_F_NR; f++)
				batch[k].feature[f] = recorded ? recorded[i + k][f] :
					rng_uniform(&rng) * tree_feature_max[f];
		/* At thresholds and just beside them. */
		for (int k = 0; k < WALK_BATCH && !recorded; k += 4) {
			const struct sluice_tree_node *n = &t.cell[rng_below(&rng, t.h.n_nodes)].node;

			batch[k].feature[n->feature] = n->threshold + rng_below(&rng, 3) - 1;
		}
		compare(w, &t, seen);
	}
}

static void test_random(void **state)
{
	struct ways w = { .met = 0 };

	(void)state;
	load(&w);
	all(&w, NULL);
	assert_true(w.met > 10 * TREES);
	bpf_object__close(w.obj);
}

static void test_recorded(void **state)
{
	__u32 (*recorded)[SLUICE_PLACE_F_NR] = calloc(STATES, sizeof(*recorded));
	struct ways w = { .met = 0 };
	struct sl_err e;

	(void)state;
	assert_non_null(recorded);
	assert_int_equal(place_states_record(recorded, STATES, &e), 0);
	load(&w);
	all(&w, recorded);
	assert_true(w.met > 5 * TREES);
	bpf_object__close(w.obj);
	free(recorded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_recorded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
