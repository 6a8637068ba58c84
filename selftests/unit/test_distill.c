// SPDX-License-Identifier: GPL-2.0
/* Distillation: CART's extras, VIPER, from a learned tree to the kernel's, its C source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "distill/c_source.h"
#include "policy/queue_tree.h"
#include "policy/verify.h"
#include "distill/viper.h"
#include "lib/rng.h"

static const struct distill_queue queue = { 125e6, 1e-3, 1514, 4000000 };

/* --- CART -------------------------------------------------------------------------------- */

#define N	400
#define F	4
#define C	3

struct data {
	double x[N * F], cost[N * C], weight[N];
};

static void draw(struct data *d, uint64_t seed)
{
	struct rng rng;

	rng_seed(&rng, seed);
	for (int i = 0; i < N; i++) {
		double *x = d->x + i * F;
		int class;

		for (int f = 0; f < F; f++)
			x[f] = f == 3 ? rng_below(&rng, 5) : rng_uniform(&rng);
		class = rng_uniform(&rng) < 0.1 ? (int)rng_below(&rng, C) :
			(x[0] > 0.4) + (x[1] + x[3] / 5 > 0.9);
		for (int c = 0; c < C; c++)
			d->cost[i * C + c] = c != class;
		d->weight[i] = 0.25 * (1 + rng_below(&rng, 8));
	}
}

static struct cart_samples samples(const struct data *d, enum cart_split split)
{
	return (struct cart_samples){
		.x = d->x, .cost = d->cost, .n = N, .features = F, .classes = C,
		.weight = d->weight, .split = split,
	};
}

/* A weight of three is the sample three times. */
static void weights(void **state)
{
	static const double x[] = { 1, 2, 3 }, x3[] = { 1, 2, 3, 3, 3 }, weight[] = { 1, 1, 3 };
	static const double cost[] = { 0, 1, 0, 1, 1, 0 };
	static const double cost3[] = { 0, 1, 0, 1, 1, 0, 1, 0, 1, 0 };

	(void)state;
	for (enum cart_split split = CART_COST; split <= CART_SPREAD; split++) {
		struct cart_samples s = { .x = x, .cost = cost, .n = 3, .features = 1,
					  .classes = 2, .weight = weight, .split = split };
		struct cart a, b;

		assert_int_equal(cart_fit(&s, 0, 1, &a), 0);
		assert_int_equal(a.node[0].class, 1);
		assert_true(fabs(a.node[0].cost - 2) < 1e-12);
		cart_free(&a);
		assert_int_equal(cart_fit(&s, 2, 1, &a), 0);
		s = (struct cart_samples){ .x = x3, .cost = cost3, .n = 5, .features = 1,
					   .classes = 2, .split = split };
		assert_int_equal(cart_fit(&s, 2, 1, &b), 0);
		assert_true(a.n == 3 && b.n == 3 && a.node[0].at == 2.5 && b.node[0].at == 2.5);
		cart_free(&a);
		cart_free(&b);
	}
}

/* Exclusive or: no split gains at once. By cost there is no tree; by spread noise begins one. */
static void spread_looks_ahead(void **state)
{
	/* 3 of (0, 0), 2 each of the others: label x ^ y. */
	static const double x[] = { 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 1 };
	static const double cost[] = { 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1 };
	struct cart_samples s = { .x = x, .cost = cost, .n = 9, .features = 2, .classes = 2,
				  .split = CART_SPREAD };
	struct cart tree;

	(void)state;
	assert_int_equal(cart_fit(&s, 2, 1, &tree), 0);
	assert_int_equal(cart_leaves(&tree), 4);
	for (int i = 0; i < 9; i++)
		assert_int_equal(cart_class(&tree, x + 2 * i), x[2 * i] != x[2 * i + 1]);
	cart_free(&tree);
}

static double cost_of(const struct cart *tree, const struct data *d)
{
	double sum = 0;

	for (int i = 0; i < N; i++)
		sum += d->weight[i] * d->cost[i * C + cart_class(tree, d->x + i * F)];
	return sum;
}

static void pruning(void **state)
{
	struct cart_samples s;
	struct cart tree;
	struct data d;
	double before, gain[F], total = 0;

	(void)state;
	draw(&d, 1);
	s = samples(&d, CART_SPREAD);
	assert_int_equal(cart_fit(&s, 12, 1, &tree), 0);
	assert_true(cart_leaves(&tree) > 40);
	cart_gain(&tree, gain, F);
	for (int f = 0; f < F; f++)
		total += gain[f];
	assert_true(fabs(tree.node[0].cost - total - cost_of(&tree, &d)) < 1e-9);
	before = cost_of(&tree, &d);
	for (size_t most = cart_leaves(&tree); most >= 1; most /= 2) {
		assert_int_equal(cart_prune(&tree, most), 0);
		assert_true(cart_leaves(&tree) <= most && tree.n == 2 * cart_leaves(&tree) - 1);
		assert_true(cost_of(&tree, &d) >= before - 1e-9);
		before = cost_of(&tree, &d);
		if (most == 8)	/* what is kept is what the labels are made of */
			assert_true(before < 1.5 * 0.1 * N);
	}
	assert_int_equal(tree.n, 1);
	cart_free(&tree);
	s.unused = (const bool[F]){ true, false, true, true };
	assert_int_equal(cart_fit(&s, 5, 5, &tree), 0);
	for (size_t i = 0; i < tree.n; i++)
		assert_true(tree.node[i].feature == -1 || tree.node[i].feature == 1);
	cart_free(&tree);
}

/* --- against scikit-learn -------------------------------------------------------------------- */

static const char *const python =
	"import sys\n"
	"try:\n"
	"    import numpy as np\n"
	"    from sklearn.tree import DecisionTreeClassifier\n"
	"except ImportError:\n"
	"    sys.exit(0)\n"
	"d = np.loadtxt(sys.argv[1])\n"
	"x, y, w = d[:, :4].astype(np.float32), d[:, 4], d[:, 5]\n"
	"for depth, leaf in zip(sys.argv[2::2], sys.argv[3::2]):\n"
	"    t = DecisionTreeClassifier(max_depth=int(depth), min_samples_leaf=int(leaf),\n"
	"                               random_state=0).fit(x, y, w)\n"
	"    at = t.apply(x)\n"
	"    print(t.tree_.n_leaves, '%.9f' % sum(w * t.tree_.impurity[at]),\n"
	"          t.tree_.feature[0], '%.6f' % t.tree_.threshold[0])\n";

/* Sum over samples of weight times Gini's impurity of their leaf. */
static double impurity(const struct cart *tree, const struct data *d)
{
	double (*sum)[C] = calloc(tree->n, sizeof(*sum)), total = 0;

	for (int i = 0; i < N; i++) {
		const double *x = d->x + i * F;
		size_t at = 0;

		while (tree->node[at].feature >= 0)
			at = x[tree->node[at].feature] <= tree->node[at].at ?
			     tree->node[at].below : tree->node[at].above;
		for (int c = 0; c < C; c++)
			sum[at][c] += d->weight[i] * (1 - d->cost[i * C + c]);
	}
	for (size_t i = 0; i < tree->n; i++) {
		double all = 0, squares = 0;

		for (int c = 0; c < C; c++) {
			all += sum[i][c];
			squares += sum[i][c] * sum[i][c];
		}
		total += all > 0 ? all - squares / all : 0;
	}
	free(sum);
	return total;
}

/* The samples, one a line; single precision is what it computes with. */
static void write_samples(struct data *d, FILE *f)
{
	for (int i = 0; i < N; i++) {
		int class = 0;

		while (d->cost[i * C + class] > 0)
			class++;
		for (int k = 0; k < F; k++) {
			d->x[i * F + k] = (float)d->x[i * F + k];
			fprintf(f, "%.9g ", d->x[i * F + k]);
		}
		fprintf(f, "%d %.9g\n", class, d->weight[i]);
	}
	fclose(f);
}

/*
 * The same root and leaves that are as pure. Where two features part samples alike it takes either,
 * so a tree that is grown until its leaves are pure may have some leaves more or less.
 */
static void as_scikit_learn(void **state)
{
	static const int cases[][2] = { { 1, 1 }, { 3, 1 }, { 5, 10 }, { 20, 1 } };
	char data[] = "/tmp/cartXXXXXX", script[] = "/tmp/cartpyXXXXXX", line[256];
	int got, leaves, feature, n;
	double theirs, at;
	struct data d;
	FILE *f;

	(void)state;
	draw(&d, 2);
	write_samples(&d, fdopen(mkstemp(data), "w"));
	f = fdopen(mkstemp(script), "w");
	fputs(python, f);
	fclose(f);
	n = snprintf(line, sizeof(line), "python3 %s %s", script, data);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		n += snprintf(line + n, sizeof(line) - n, " %d %d", cases[i][0], cases[i][1]);
	f = popen(line, "r");
	got = fscanf(f, "%d %lf %d %lf", &leaves, &theirs, &feature, &at);
	for (size_t i = 0; got == 4; i++) {
		const struct cart_samples s = samples(&d, CART_SPREAD);
		struct cart tree;

		assert_int_equal(cart_fit(&s, cases[i][0], cases[i][1], &tree), 0);
		assert_int_equal(tree.node[0].feature, feature);
		assert_true(fabs(tree.node[0].at - at) < 1e-5);
		assert_true(fabs(impurity(&tree, &d) - theirs) < 1e-6);
		assert_true(abs((int)cart_leaves(&tree) - leaves) <= (cases[i][0] > 5 ? 8 : 0));
		cart_free(&tree);
		if (i + 1 == sizeof(cases) / sizeof(*cases))
			break;
		got = fscanf(f, "%d %lf %d %lf", &leaves, &theirs, &feature, &at);
	}
	assert_int_not_equal(pclose(f), -1);
	unlink(data);
	unlink(script);
	if (got == EOF) {
		print_message("# SKIP no python3-sklearn\n");
		skip();
	}
	assert_int_equal(got, 4);
}

/* --- VIPER ------------------------------------------------------------------------------------ */

/*
 * A walk on 0..99 that begins at 0 and goes left, stays or goes right; whoever reaches 60 should go
 * on to 80 and stay there. The teacher's own walk is nearly always at 80: a tree of its states alone
 * does not know what to do on the way of another. Each wrong step costs its distance.
 */
struct toy {
	unsigned int slip;	/* of a hundred steps that go left by themselves */
	unsigned int visits;
	bool teacher_only;
};

static int toy_teacher(int at)
{
	return at < 80 ? 2 : at == 80 ? 1 : 0;
}

static double toy_walk(const struct cart *tree, unsigned int slip, uint64_t seed, int from,
		       const struct viper_task *t, struct viper_rows *rows)
{
	struct rng rng;
	double away = 0;
	int at = from;

	rng_seed(&rng, seed);
	for (int i = 0; i < 150; i++) {
		const double x[2] = { at, rng_uniform(&rng) };
		const int right = toy_teacher(at), does = tree ? (int)cart_class(tree, x) : right;
		double cost[3];

		for (int c = 0; c < 3; c++)
			cost[c] = abs(c - right);
		if (rows && viper_rows_add(t, rows, x, cost))
			return NAN;
		at += does - 1;
		if (rng_below(&rng, 100) < slip)
			at -= 20;
		at = at < 0 ? 0 : at > 99 ? 99 : at;
		away += abs(at - 80);
	}
	return away / 150;
}

static int toy_visit(void *ctx, unsigned int round, const struct cart *tree,
		     struct viper_rows *rows)
{
	struct toy *toy = ctx;
	const struct viper_task t = { .features = 2, .classes = 3 };

	assert_true(round == toy->visits && !tree == !round);
	toy->visits++;
	toy_walk(tree, round ? toy->slip : 0, round, round ? 0 : 80, &t, rows);
	return 0;
}

static int toy_judge(void *ctx, const struct cart *tree, double *cost)
{
	*cost = toy_walk(tree, ((struct toy *)ctx)->slip, 1000, 0, NULL, NULL);
	return 0;
}

static void viper_learns_where_the_tree_goes(void **state)
{
	struct toy toy = { .slip = 3 };
	const struct viper_task t = { 2, 3, &toy, toy_visit, toy_judge };
	struct viper_config c = { .depth = 3, .rounds = 1, .min_leaf = 1, .split = CART_SPREAD };
	struct viper_report cloned, report;
	struct cart tree;

	(void)state;
	assert_int_equal(viper(&t, &c, &tree, &cloned), 0);
	cart_free(&tree);
	toy.visits = 0;
	c.rounds = 8;
	c.top = 1;
	assert_int_equal(viper(&t, &c, &tree, &report), 0);
	assert_int_equal(toy.visits, 8);
	/* The teacher's states alone: never leaves 0. */
	assert_true(cloned.cost > 70 && cloned.round == 0 && cloned.states == 150);
	assert_true(report.cost < 45 && report.round > 0 && report.states > 150);
	assert_true(fabs(report.cost - toy_walk(NULL, 3, 1000, 0, NULL, NULL)) < 3);
	for (size_t i = 0; i < tree.n; i++)
		assert_true(tree.node[i].feature < 1);	/* the other one is noise */
	cart_free(&tree);
	c.rounds = 0;
	assert_int_equal(viper(&t, &c, &tree, &report), -EINVAL);
}

/* --- to the kernel's tree ---------------------------------------------------------------------- */

static int grow(struct cart *tree, struct rng *rng, unsigned int depth)
{
	const size_t me = tree->n++;
	struct cart_node *n = &tree->node[me];

	*n = (struct cart_node){ .feature = -1, .class = rng_below(rng, DISTILL_CLASSES) };
	if (!depth || rng_below(rng, 8) == 0)
		return me;
	n->feature = rng_below(rng, DISTILL_F_NR);
	n->at = n->feature == DISTILL_F_bdp ? 12 * rng_uniform(rng) : 1.2 * rng_uniform(rng);
	if (rng_below(rng, 6) == 0)
		n->at = 0;	/* "nothing was marked" */
	n->below = grow(tree, rng, depth - 1);
	tree->node[me].above = grow(tree, rng, depth - 1);
	return me;
}

static uint32_t random_below(struct rng *rng, double most)
{
	return rng_uniform(rng) * most;
}

static void random_sample(struct rng *rng, const struct distill_queue *q,
			  struct sluice_tree_sample *s)
{
	const double bdp = distill_bdp_bytes(q);

	*s = (struct sluice_tree_sample){ .elapsed_ns = 400000000 + random_below(rng, 1e8) };
	s->bytes = rng_uniform(rng) * q->capacity_bps * s->elapsed_ns / 1e9;
	s->ce_bytes = rng_below(rng, 3) ? rng_uniform(rng) * s->bytes : 0;
	s->backlogged_ns = rng_uniform(rng) * s->elapsed_ns;
	s->backlog_byte_us = 1.5 * rng_uniform(rng) * bdp * s->elapsed_ns / 1e3;
	s->qth_min = s->qth_max = random_below(rng, 1.5 * bdp);
	s->max_p = 1000000;
}

/* What was learned is what the kernel will do, to the bit, at every rate and RTT. */
static void compiled_as_learned(void **state)
{
	struct cart_node node[200];
	struct cart tree = { .node = node };
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3);
	for (int i = 0; i < 200; i++) {
		const struct distill_queue q = {
			1e5 * pow(10, 5 * rng_uniform(&rng)), 1e-5 * pow(10, 4 * rng_uniform(&rng)),
			1514, 4000000,
		};
		const struct verify_limits limits = verify_limits_default();
		struct verify_report report;
		struct sluice_tree t;
		struct sl_err e;

		tree.n = 0;
		grow(&tree, &rng, 1 + i % 6);
		assert_int_equal(distill_compile(&tree, &q, 7, 5000, &t, &e), 0);
		assert_int_equal(verify_tree(&t, t.h.size, &limits, &report, &e), 0);
		assert_true(t.h.generation == 7 && t.h.lease_ms == 5000);
		/* Nothing is left of what decides nothing or is never reached. */
		assert_int_equal(report.leaves, t.h.n_nodes + 1);
		for (int j = 0; j < 500; j++) {
			__u32 f[SLUICE_TREE_F_NR];
			struct sluice_tree_sample s;
			struct sluice_tree_action want;
			double x[DISTILL_F_NR];

			random_sample(&rng, &q, &s);
			sluice_tree_features(&s, f);
			distill_features(&q, &s, x);
			want = distill_action(&q, cart_class(&tree, x));
			assert_memory_equal(&t.cell[sluice_tree_walk(&t, f)].action, &want,
					    sizeof(want));
		}
	}
}

static void not_compiled(void **state)
{
	struct cart_node node[1100];
	struct cart tree = { node, 0 };
	struct distill_queue q = queue;
	struct sluice_tree t = { .h.size = 99 };
	struct sl_err e;

	(void)state;
	assert_int_equal(distill_compile(&tree, &q, 1, 1000, &t, &e), -EINVAL);
	node[0] = (struct cart_node){ .feature = -1, .class = DISTILL_CLASSES };
	tree.n = 1;
	assert_int_equal(distill_compile(&tree, &q, 1, 1000, &t, &e), -EINVAL);
	node[0] = (struct cart_node){ .feature = 0, .below = 0, .above = 0 };
	assert_int_equal(distill_compile(&tree, &q, 1, 1000, &t, &e), -EINVAL);
	node[0] = (struct cart_node){ .feature = -1, .class = 3 };
	q.rtt_s = 0;
	assert_int_equal(distill_compile(&tree, &q, 1, 1000, &t, &e), -EINVAL);
	q.rtt_s = NAN;
	assert_int_equal(distill_compile(&tree, &q, 1, 1000, &t, &e), -EINVAL);
	/* A chain of 400 thresholds of one feature: too deep. As a bush: too large. */
	q = queue;
	for (int i = 0; i < 400; i++) {
		node[2 * i] = (struct cart_node){ .feature = DISTILL_F_backlog, .at = 1 - i / 500.0,
						  .below = 2 * i + 2, .above = 2 * i + 1 };
		node[2 * i + 1] = (struct cart_node){ .feature = -1, .class = i % 3 };
	}
	node[800] = (struct cart_node){ .feature = -1, .class = 5 };
	tree.n = 801;
	assert_int_equal(distill_compile(&tree, &q, 1, 1000, &t, &e), -E2BIG);
	for (int i = 0; i < 1023; i++) {	/* in the order of a heap, split by bits of "used" */
		int level = 31 - __builtin_clz(i + 1), first = (1 << level) - 1;

		node[i] = (struct cart_node){
			.feature = i < 511 ? DISTILL_F_used : -1, .class = i % 7,
			.at = (i - first + 0.5) / (1 << level), .below = 2 * i + 1,
			.above = 2 * i + 2,
		};
	}
	tree.n = 1023;
	assert_int_equal(distill_compile(&tree, &q, 1, 1000, &t, &e), -E2BIG);
	assert_int_equal(t.h.size, 99);
}

/* --- C source -------------------------------------------------------------------------------- */

static void source_walks_alike(void **state)
{
	char dir[] = "/tmp/treecXXXXXX", path[64], command[256];
	unsigned int (*walk)(const unsigned int *f);
	const unsigned int (*action)[3];
	struct cart_node node[1 << 9];
	struct cart tree = { node, 0 };
	struct sluice_tree t = { .h.n_nodes = 0 };
	struct rng rng;
	void *lib;
	FILE *to;

	(void)state;
	rng_seed(&rng, 5);
	while (t.h.n_nodes < 30) {
		tree.n = 0;
		grow(&tree, &rng, 8);
		assert_int_equal(distill_compile(&tree, &queue, 1, 1000, &t, NULL), 0);
	}
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/t.c", dir);
	to = fopen(path, "w");
	assert_non_null(to);
	assert_int_equal(c_source_write(&t, "chosen", to), 0);
	assert_int_equal(fclose(to), 0);
	snprintf(command, sizeof(command),
		 "cc -O1 -Wall -Wextra -Werror -shared -fPIC -o %s/t.so %s", dir, path);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/t.so", dir);
	lib = dlopen(path, RTLD_NOW);
	assert_non_null(lib);
	*(void **)&walk = dlsym(lib, "chosen");
	action = dlsym(lib, "chosen_action");
	assert_true(walk && action);
	for (int i = 0; i < 1000000; i++) {
		const struct sluice_tree_node *n = &t.cell[rng_below(&rng, t.h.n_nodes)].node;
		__u32 f[SLUICE_TREE_F_NR], cell;
		struct sluice_tree_sample s;

		random_sample(&rng, &queue, &s);
		sluice_tree_features(&s, f);
		if (i % 2)	/* on a threshold or just beside it */
			f[n->feature] = n->threshold + rng_below(&rng, 3) - 1;
		cell = sluice_tree_walk(&t, f);
		if (walk(f) != cell)
			fail_msg("state %d: cell %u, the source says %u", i, cell, walk(f));
		assert_memory_equal(action[cell - t.h.n_nodes], &t.cell[cell].action, 12);
	}
	dlclose(lib);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights),
		cmocka_unit_test(spread_looks_ahead),
		cmocka_unit_test(pruning),
		cmocka_unit_test(as_scikit_learn),
		cmocka_unit_test(viper_learns_where_the_tree_goes),
		cmocka_unit_test(compiled_as_learned),
		cmocka_unit_test(not_compiled),
		cmocka_unit_test(source_walks_alike),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
