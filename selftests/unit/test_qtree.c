// SPDX-License-Identifier: GPL-2.0
/* A distilled tree as a model: its payload, what queues get of it, and how it acts as a policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "distill/ecn.h"
#include "lib/rng.h"
#include "policy/qtree.h"

static const struct distill_queue queue = { 125e6, 1e-3, 1514, 4000000 };

static int grow(struct cart *tree, struct rng *rng, unsigned int depth)
{
	const size_t me = tree->n++;
	struct cart_node *n = &tree->node[me];

	*n = (struct cart_node){ .feature = -1, .class = rng_below(rng, DISTILL_CLASSES) };
	if (!depth)
		return me;
	n->feature = rng_below(rng, DISTILL_F_NR);
	n->at = n->feature == DISTILL_F_bdp ? 12 * rng_uniform(rng) : rng_uniform(rng);
	n->below = grow(tree, rng, depth - 1);
	tree->node[me].above = grow(tree, rng, depth - 1);
	return me;
}

#define NODES	(1 << 7)

static struct qtree random_tree(struct rng *rng, struct cart_node node[NODES])
{
	struct qtree t = {
		.teacher = "shipped", .teacher_crc = 0x89abcdef, .depth = 6, .round = 2,
		.states = 12345678901, .start = 0.25, .rules = 1,
		.rule = { { VERIFY_QTH_MIN, SLUICE_TREE_F_backlog_avg, 1 } }, .cart = { node, 0 },
	};

	grow(&t.cart, rng, 6);
	return t;
}

static void kept(void **state)
{
	struct cart_node node[NODES];
	struct model m = { 0 };
	struct qtree t, got;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	t = random_tree(&rng, node);
	assert_int_equal(qtree_set(&m, &t), 0);
	assert_string_equal(m.kind, "qtree");
	assert_int_equal(qtree_get(&m, &got), 0);
	assert_string_equal(got.teacher, "shipped");
	assert_true(got.teacher_crc == t.teacher_crc && got.depth == 6 && got.round == 2 &&
		    got.states == t.states && got.start == 0.25 && got.cart.n == t.cart.n);
	assert_true(got.rules == 1 && got.rule[0].output == VERIFY_QTH_MIN &&
		    got.rule[0].feature == SLUICE_TREE_F_backlog_avg && got.rule[0].sign == 1);
	for (size_t i = 0; i < t.cart.n; i++) {
		const struct cart_node *a = &t.cart.node[i], *b = &got.cart.node[i];

		assert_true(a->feature == b->feature && a->below == b->below &&
			    a->above == b->above && a->class == b->class && a->at == b->at);
	}
	qtree_free(&got);
	node[3].feature = DISTILL_F_NR;
	assert_int_equal(qtree_set(&m, &t), -EINVAL);
	node[3].feature = 0;
	t.start = 0;
	assert_int_equal(qtree_set(&m, &t), -EINVAL);
	t.start = 1;
	t.cart.n = 0;
	assert_int_equal(qtree_set(&m, &t), -EINVAL);
	model_free(&m);
}

/* Whatever is in it: refused, or a tree that can be compiled or is too large. */
static void any_payload(void **state)
{
	unsigned int refused = 0, made = 0;
	struct cart_node node[NODES];
	struct rng rng;

	(void)state;
	rng_seed(&rng, 2);
	for (int i = 0; i < 20000; i++) {
		struct model m = { 0 };
		struct qtree t = random_tree(&rng, node), got;
		struct sluice_tree tree;
		struct policy *p;
		struct sl_err e;
		int r;

		assert_int_equal(qtree_set(&m, &t), 0);
		if (rng_below(&rng, 4) == 0)
			m.size = rng_below(&rng, m.size);
		for (int n = rng_below(&rng, 4); n > 0 && m.size; n--) {
			/* Mostly in the head and the first nodes. */
			const size_t most = rng_below(&rng, 2) && m.size > 400 ? 400 : m.size;

			((unsigned char *)m.data)[rng_below(&rng, most)] = rng_below(&rng, 256);
		}
		r = qtree_get(&m, &got);
		assert_true(r == 0 || r == -EBADMSG);
		assert_int_equal(policy_new(&m, &p, &e), r);
		assert_int_equal(qtree_compile(&m, &queue, 1, 1000, NULL, &tree, NULL, &e) ==
				 -EBADMSG, r == -EBADMSG);
		refused += r != 0;
		if (!r) {
			const struct verify_limits limits = verify_limits_default();

			made++;
			if (!qtree_compile(&m, &queue, 1, 1000, NULL, &tree, NULL, &e))
				assert_int_equal(verify_tree(&tree, tree.h.size, &limits, NULL,
							     &e), 0);
			qtree_free(&got);
			policy_free(p);
		}
		model_free(&m);
	}
	assert_true(refused > 5000 && made > 5000);
	/* Other kinds, and nothing. */
	{
		const struct model none = { .kind = "qtree" };
		struct qtree got;

		assert_int_equal(qtree_get(&none, &got), -EBADMSG);
	}
}

static void for_a_queue(void **state)
{
	/* More backlog, more threshold: what the rule forbids. */
	struct cart_node node[] = {
		{ .feature = DISTILL_F_backlog, .at = 0.5, .below = 1, .above = 2 },
		{ .feature = -1, .class = 4 }, { .feature = -1, .class = 10 },
	};
	struct qtree t = { .teacher = "t", .start = 0.5, .cart = { node, 3 } };
	struct verify_limits l = verify_limits_default();
	struct distill_queue q = queue;
	struct model m = { 0 };
	struct qtree_made made;
	struct sluice_tree tree = { .h.size = 99 };
	struct sl_err e;

	(void)state;
	assert_int_equal(qtree_set(&m, &t), 0);
	assert_int_equal(qtree_compile(&m, &queue, 7, 5000, NULL, &tree, &made, &e), 0);
	assert_true(tree.h.generation == 7 && tree.h.lease_ms == 5000 && tree.h.n_actions == 2);
	assert_true(made.report.leaves == 2 && made.repaired == 0 && made.clamped == 0);
	/* Classes 4 and 10 are a quarter and twice of C * RTT. */
	assert_int_equal(tree.cell[0].node.threshold, 62500);
	assert_int_equal(tree.cell[tree.cell[0].node.left].action.qth_min, 31250);
	assert_int_equal(tree.cell[tree.cell[0].node.right].action.qth_min, 250000);
	q.rtt_s = 2e-3;
	assert_int_equal(qtree_compile(&m, &q, 7, 5000, NULL, &tree, NULL, NULL), 0);
	assert_int_equal(tree.cell[0].node.threshold, 125000);
	/* The operator's clamps, then his rule, then that of the tree itself. */
	l.clamps.qth_lo = 40000;
	l.clamps.qth_hi = 200000;
	assert_int_equal(qtree_compile(&m, &queue, 7, 5000, &l, &tree, &made, &e), 0);
	assert_int_equal(made.clamped, 2);
	assert_int_equal(tree.cell[tree.cell[0].node.left].action.qth_max, 40000);
	assert_int_equal(tree.cell[tree.cell[0].node.right].action.qth_max, 200000);
	assert_int_equal(verify_rule_add(&l, "never-raise:qth_min:backlog_avg", &e), 0);
	assert_int_equal(qtree_compile(&m, &queue, 7, 5000, &l, &tree, &made, &e), 0);
	assert_int_equal(made.repaired, 1);
	assert_int_equal(tree.cell[tree.cell[0].node.right].action.qth_max, 40000);
	t.rules = 1;
	t.rule[0] = l.rule[0];
	assert_int_equal(qtree_set(&m, &t), 0);
	assert_int_equal(qtree_compile(&m, &queue, 7, 5000, NULL, &tree, &made, &e), 0);
	assert_int_equal(made.repaired, 1);
	/* Refused, and what was there stays. */
	l.depth = 0;
	tree.h.size = 99;
	assert_int_equal(qtree_compile(&m, &queue, 7, 5000, &l, &tree, &made, &e), -E2BIG);
	assert_int_equal(qtree_compile(&m, &queue, 7, 1, NULL, &tree, &made, &e), -ERANGE);
	q.capacity_bps = 0;
	assert_int_equal(qtree_compile(&m, &q, 7, 5000, NULL, &tree, &made, &e), -EINVAL);
	assert_int_equal(tree.h.size, 99);
	model_free(&m);
}

static struct ecn_interval interval(double backlog_bdps, const struct qdisc_triple *t)
{
	return (struct ecn_interval){
		.seconds = 0.05, .capacity_bps = 125e6, .rtt_s = 1e-3, .mtu_bytes = 1514,
		.limit_bytes = 4000000, .tx_bytes = 5e6, .backlogged_s = 0.02,
		.avg_backlog_bytes = backlog_bdps * 125000, .sojourn_p95_s = 1e-4,
		.elephant_share = NAN, .ect_share = NAN, .setting = *t,
	};
}

/* Every nine epochs with traffic; idle time counts in the averages, as in the kernel. */
static void rhythm(void **state)
{
	struct cart_node node[] = {
		{ .feature = DISTILL_F_backlog, .at = 0.5, .below = 1, .above = 2 },
		{ .feature = -1, .class = 4 }, { .feature = -1, .class = 10 },
	};
	const struct qtree tree = { .teacher = "t", .start = 0.5, .cart = { node, 3 } };
	struct qdisc_triple t;
	struct ecn_interval in;
	struct model m = { 0 };
	struct policy *p;
	struct sl_err e;

	(void)state;
	assert_int_equal(qtree_set(&m, &tree), 0);
	assert_int_equal(policy_new(&m, &p, &e), 0);
	t = (struct qdisc_triple){ 1, 1, 1 };
	in = interval(0.6, &t);
	t = policy_start(p, &in);
	assert_true(t.qth_min == 62500 && t.qth_max == 62500 && t.max_p == 1000000);
	for (int i = 0; i < DISTILL_EPOCHS - 1; i++) {
		assert_int_equal(t.qth_min, 62500);
		assert_int_equal(policy_decide(p, &in, &t), 0);
	}
	assert_int_equal(t.qth_min, 250000);
	/* Three of 12 epochs are idle: 0.6 becomes 0.45. */
	for (int i = 0; i < 3; i++) {
		in = interval(0, &t);
		in.tx_bytes = in.backlogged_s = 0;
		assert_int_equal(policy_decide(p, &in, &t), 0);
	}
	for (int i = 0; i < DISTILL_EPOCHS; i++) {
		assert_int_equal(t.qth_min, 250000);
		in = interval(0.6, &t);
		assert_int_equal(policy_decide(p, &in, &t), 0);
	}
	assert_int_equal(t.qth_min, 31250);
	/* 20 % more RTT is the same queue, 30 % another. */
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < DISTILL_EPOCHS; i++) {
			in = interval(0.1, &t);
			in.rtt_s *= k ? 1.3 : 1.2;
			assert_int_equal(policy_decide(p, &in, &t), 0);
		}
		assert_int_equal(t.qth_min, k ? 40625 : 31250);
	}
	/* Another queue: from the beginning, which is one epoch shorter. */
	policy_reset(p);
	for (int i = 0; i < DISTILL_EPOCHS - 1; i++) {
		assert_int_equal(t.qth_min, 40625);
		in = interval(0.1, &t);
		assert_int_equal(policy_decide(p, &in, &t), 0);
	}
	assert_int_equal(t.qth_min, 31250);
	in.capacity_bps = NAN;
	assert_int_equal(policy_decide(p, &in, &t), 0);
	assert_int_equal(t.qth_min, 31250);
	policy_free(p);
	model_free(&m);
}

/* In the simulator it does, to the bit, what distillation judged it by. */
static void as_distilled(void **state)
{
	static double bytes[] = { 1000, 20000, 200000, 1000000 }, share[] = { 0, 0.6, 0.9, 1 };
	static struct dist sizes = { .bytes = bytes, .share = share, .n = 4 };
	static const char *const names[] = { "sizes" };
	const struct mix_files files = { .sizes = &sizes, .name = names, .n = 1, .epochs = 40 };
	struct verify_limits limits = verify_limits_default();
	struct cart_node node[NODES];
	struct model m = { 0 };
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3);
	for (int rules = 0; rules < 2; rules++) {
		struct qtree t = random_tree(&rng, node);
		struct distill_ecn d = { .files = files, .par.jobs = 1, .teacher = &m,
					 .limits = &limits };
		struct distill_score score;

		t.rules = limits.rules = rules;
		limits.rule[0] = t.rule[0];
		assert_int_equal(qtree_set(&m, &t), 0);
		/* Its own teacher: it loses nothing, on any of the 16 mixes. */
		assert_int_equal(distill_ecn_score(&d, &files, &t.cart, 5, 16, &score), 0);
		assert_true(score.loss == 0 && score.loss_se == 0);
		node[0].at /= 2;
		assert_int_equal(distill_ecn_score(&d, &files, &t.cart, 5, 16, &score), 0);
		assert_true(score.loss_se > 0);
	}
	model_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept),
		cmocka_unit_test(any_payload),
		cmocka_unit_test(for_a_queue),
		cmocka_unit_test(rhythm),
		cmocka_unit_test(as_distilled),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
