// SPDX-License-Identifier: GPL-2.0
/*
 * A tree as it comes from distillation decides alike in user space, in BPF and as C source: on random
 * states, and on those that a queue in the simulator goes through.
 *
 *	test_distilled [DIR]	that of build/selftests/lab/record_states, with its states, too
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "distill/c_source.h"
#include "distill/ecn.h"
#include "policy/verify.h"
#include "lib/rng.h"
#include "policy/world.h"
#include "bpf/tree_batch.h"

#define RANDOM		1000000
#define RECORDED	3000

static double bytes[] = { 1000, 20000, 200000, 1000000 }, share[] = { 0, 0.6, 0.9, 1 };
static struct dist sizes = { .bytes = bytes, .share = share, .n = 4 };
static const char *const names[] = { "sizes" };
static const struct mix_files files = { .sizes = &sizes, .name = names, .n = 1,
					.epochs = RECORDED };

struct ways {
	struct sluice_tree tree;
	struct bpf_object *obj;
	int prog;
	struct tree_batch_state *batch;	/* the BPF program's, in its map */
	unsigned int waiting;		/* states in it */
	unsigned int (*source)(const unsigned int *f);
	unsigned char seen[SLUICE_TREE_MAX_CELLS];
	unsigned int actions, states;
};

static void compare_batch(struct ways *w)
{
	struct tree_batch_ctx ctx = { w->waiting };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

	assert_int_equal(bpf_prog_test_run_opts(w->prog, &opts), 0);
	assert_int_equal(opts.retval, 0);
	for (unsigned int i = 0; i < w->waiting; i++, w->states++) {
		const struct tree_batch_state *s = &w->batch[i];
		const __u32 cell = sluice_tree_walk(&w->tree, s->feature);

		if (s->cell != cell || w->source(s->feature) != cell)
			fail_msg("state %u: cell %u, BPF %u, C source %u", w->states, cell, s->cell,
				 w->source(s->feature));
		w->actions += !w->seen[cell];
		w->seen[cell] = 1;
	}
	w->waiting = 0;
}

static void compare(struct ways *w, const __u32 f[SLUICE_TREE_F_NR])
{
	struct tree_batch_state *s = &w->batch[w->waiting++];

	memcpy(s->feature, f, sizeof(s->feature));
	s->cell = ~0u;
	if (w->waiting == TREE_BATCH)
		compare_batch(w);
}

static int grow(struct cart *tree, struct rng *rng, unsigned int depth)
{
	const size_t me = tree->n++;
	struct cart_node *n = &tree->node[me];

	*n = (struct cart_node){ .feature = -1, .class = rng_below(rng, DISTILL_CLASSES) };
	if (!depth)
		return me;
	n->feature = rng_below(rng, DISTILL_F_bdp);
	n->at = rng_uniform(rng);
	n->below = grow(tree, rng, depth - 1);
	tree->node[me].above = grow(tree, rng, depth - 1);
	return me;
}

static void load(struct ways *w)
{
	const uint32_t zero = 0;
	char dir[] = "/tmp/treebXXXXXX", path[64], command[200];
	void *lib;
	FILE *to;

	w->obj = bpf_object__open_file("build/selftests/bpf/tree_batch.bpf.o", NULL);
	assert_non_null(w->obj);
	assert_int_equal(bpf_object__load(w->obj), 0);
	w->prog = bpf_program__fd(bpf_object__find_program_by_name(w->obj, "walk_states"));
	w->batch = mmap(NULL, TREE_BATCH * sizeof(*w->batch), PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_object__find_map_fd_by_name(w->obj, "states"), 0);
	assert_true(w->batch != MAP_FAILED);
	assert_int_equal(bpf_map_update_elem(bpf_object__find_map_fd_by_name(w->obj, "tree"),
					     &zero, &w->tree, BPF_ANY), 0);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/t.c", dir);
	to = fopen(path, "w");
	assert_non_null(to);
	assert_int_equal(c_source_write(&w->tree, "walk", to), 0);
	assert_int_equal(fclose(to), 0);
	snprintf(command, sizeof(command), "cc -O1 -shared -fPIC -o %s/t.so %s", dir, path);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/t.so", dir);
	lib = dlopen(path, RTLD_NOW);
	assert_non_null(lib);
	*(void **)&w->source = dlsym(lib, "walk");
	assert_non_null(w->source);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void random_states(struct ways *w, struct rng *rng)
{
	struct verify_box *box = calloc(SLUICE_TREE_MAX_CELLS + 1, sizeof(*box));
	const size_t n = verify_boxes(&w->tree, box, SLUICE_TREE_MAX_CELLS + 1);

	for (int i = 0; i < RANDOM; i++) {
		const struct verify_box *b = &box[rng_below(rng, n)];
		__u32 f[SLUICE_TREE_F_NR];

		/* At a corner of a leaf's box, just beside it, or anywhere. */
		for (int k = 0; k < SLUICE_TREE_F_NR; k++) {
			f[k] = rng_below(rng, 2) ? b->low[k] : b->high[k];
			if (!rng_below(rng, 8))
				f[k] += rng_below(rng, 3) - 1;
			if (!rng_below(rng, 16))
				f[k] = rng_uniform(rng) * UINT32_MAX;
		}
		compare(w, f);
	}
	compare_batch(w);
	free(box);
}

/* The tree acts meanwhile. */
static void recorded_states(struct ways *w)
{
	struct qdisc_triple t = { 30000, 30000, 1000000 };
	const struct sluice_tree_action *a;
	struct sluice_tree_sample sample;
	__u32 f[SLUICE_TREE_F_NR];
	struct ecn_interval in;
	struct world *world;
	struct mix m;
	int last;

	mix_draw(&files, 1, 3, &m);
	assert_int_equal(world_new(&files, &m, 0, &t, &world), 0);
	do {
		last = world_epoch(world, &in);
		assert_true(last >= 0);
		sample = (struct sluice_tree_sample){ 0 };
		distill_sample_add(&sample, &in);
		sluice_tree_features(&sample, f);
		compare(w, f);
		a = &w->tree.cell[sluice_tree_walk(&w->tree, f)].action;
		t = (struct qdisc_triple){ a->qth_min, a->qth_max, a->max_p };
		world_set(world, &t);
	} while (!last);
	compare_batch(w);
	world_free(world);
}

static void unload(struct ways *w)
{
	munmap(w->batch, TREE_BATCH * sizeof(*w->batch));
	bpf_object__close(w->obj);
}

static void the_same_everywhere(void **state)
{
	static struct cart_node node[1 << 10];
	struct cart tree = { node, 0 };
	struct ways w = { .actions = 0 };
	struct ecn_interval in;
	struct distill_queue q;
	struct rng rng;
	struct mix m;

	(void)state;
	rng_seed(&rng, 9);
	mix_draw(&files, 1, 3, &m);
	world_interval(&m, &in);
	q = distill_queue_of(&in);
	while (w.tree.h.n_nodes < 100) {
		tree.n = 0;
		grow(&tree, &rng, 9);
		distill_compile(&tree, &q, 1, 1000, &w.tree, NULL);
	}
	load(&w);
	random_states(&w, &rng);
	/* At corners every leaf is met, so all actions are. */
	assert_int_equal(w.actions, w.tree.h.n_actions);
	memset(w.seen, 0, sizeof(w.seen));
	w.actions = 0;
	recorded_states(&w);
	assert_int_equal(w.states, RANDOM + RECORDED);
	assert_true(w.actions > 1);
	unload(&w);
}

/* --- what was recorded elsewhere ------------------------------------------------------------- */

static const char *recorded;	/* a directory, or NULL */

static FILE *open_recorded(const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", recorded, name);
	f = fopen(path, "r");
	assert_non_null(f);
	return f;
}

static void as_recorded(void **state)
{
	const struct verify_limits limits = verify_limits_default();
	struct sluice_tree_sample sample;
	struct ways w = { .actions = 0 };
	unsigned int random, all;
	struct rng rng;
	size_t n;
	FILE *f;

	(void)state;
	if (!recorded)
		skip();
	f = open_recorded("tree");
	n = fread(&w.tree, 1, sizeof(w.tree), f);
	fclose(f);
	assert_int_equal(verify_tree(&w.tree, n, &limits, NULL, NULL), 0);
	load(&w);
	rng_seed(&rng, 10);
	random_states(&w, &rng);
	random = w.states;
	assert_int_equal(w.actions, w.tree.h.n_actions);
	f = open_recorded("states");
	while (fread(&sample, sizeof(sample), 1, f) == 1) {
		__u32 feature[SLUICE_TREE_F_NR];

		sluice_tree_features(&sample, feature);
		compare(&w, feature);
	}
	compare_batch(&w);
	fclose(f);
	all = w.states;
	print_message("# %u random and %u recorded states agree\n", random, all - random);
	assert_true(all > random);
	unload(&w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_everywhere),
		cmocka_unit_test(as_recorded),
	};

	if (argc > 1)
		recorded = argv[1];
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
