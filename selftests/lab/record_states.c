// SPDX-License-Identifier: GPL-2.0
/*
 * Records what a distilled tree sees, for those who compare evaluations of it: the tree that is built
 * in, compiled for a queue, acts every epoch on queues like that one in the simulator, under all kinds
 * of mixes, and each epoch's differences of counters are a state.
 *
 *	record_states DIR STATES	writes DIR/tree and DIR/states (struct sluice_tree_sample)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/par.h"
#include "policy/qtree.h"
#include "policy/world.h"

#define QUEUES		32
#define EPOCH_SHARE	0.1	/* of a mix's epoch: many states, not long ones */

static double bytes[] = { 1000, 20000, 200000, 1000000 }, share[] = { 0, 0.6, 0.9, 1 };
static struct dist sizes = { .bytes = bytes, .share = share, .n = 4 };
static const char *const names[] = { "sizes" };
static const struct mix_files files = { .sizes = &sizes, .name = names, .n = 1 };

struct recording {
	struct sluice_tree tree;
	size_t each;
};

static void act(const struct sluice_tree *t, const struct sluice_tree_sample *s,
		struct qdisc_triple *triple)
{
	const struct sluice_tree_action *a;
	__u32 f[SLUICE_TREE_F_NR];

	sluice_tree_features(s, f);
	a = &t->cell[sluice_tree_walk(t, f)].action;
	*triple = (struct qdisc_triple){ a->qth_min, a->qth_max, a->max_p };
}

static int record(void *ctx, size_t i, void *result)
{
	const struct recording *r = ctx;
	struct sluice_tree_sample *to = result;
	struct qdisc_triple t = { 30000, 30000, 1000000 };
	struct ecn_interval in;
	struct world *w;
	struct mix m;
	int last;

	mix_draw(&files, 1, i, &m);
	m.epochs = r->each;
	m.epoch_s *= EPOCH_SHARE;
	last = world_new(&files, &m, 0, &t, &w);
	for (size_t n = 0; !last && n < r->each; n++) {
		last = world_epoch(w, &in);
		distill_sample_add(&to[n], &in);
		act(&r->tree, &to[n], &t);
		world_set(w, &t);
	}
	if (last >= 0)
		world_free(w);
	return last < 0 ? last : 0;
}

static int write_file(const char *dir, const char *name, const void *data, size_t size)
{
	char path[4096];
	FILE *f;
	int bad;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	bad = !f || fwrite(data, size, 1, f) != 1;
	if (f && fclose(f))
		bad = 1;
	if (bad)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return bad;
}

int main(int argc, char **argv)
{
	const struct par par = { .jobs = sysconf(_SC_NPROCESSORS_ONLN) };
	struct sluice_tree_sample *states;
	struct recording r = { .each = 0 };
	struct ecn_interval in;
	struct distill_queue q;
	struct model m;
	struct sl_err e;
	struct mix mix;
	int bad;

	if (argc != 3 || strtoull(argv[2], NULL, 10) < QUEUES) {
		fprintf(stderr, "record_states DIR STATES (%d or more)\n", QUEUES);
		return 2;
	}
	r.each = strtoull(argv[2], NULL, 10) / QUEUES;
	mix_draw(&files, 1, 3, &mix);
	world_interval(&mix, &in);
	q = distill_queue_of(&in);
	if (model_read(MODEL_SHIPPED_TREE, &m, &e) ||
	    qtree_compile(&m, &q, 1, 60000, NULL, &r.tree, NULL, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	model_free(&m);
	states = calloc(QUEUES * r.each, sizeof(*states));
	if (!states || par_run(&par, QUEUES, record, &r, states, r.each * sizeof(*states))) {
		fprintf(stderr, "the queues cannot be simulated\n");
		return 1;
	}
	mkdir(argv[1], 0755);
	bad = write_file(argv[1], "tree", &r.tree, r.tree.h.size) ||
	      write_file(argv[1], "states", states, QUEUES * r.each * sizeof(*states));
	free(states);
	if (!bad)
		printf("tree of %u nodes, %zu states\n", r.tree.h.n_nodes, QUEUES * r.each);
	return bad;
}
