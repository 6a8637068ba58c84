// SPDX-License-Identifier: GPL-2.0
/* What a tree may do, checked on its boxes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/verify.h"
#include "lib/rng.h"

#define BACKLOG	SLUICE_TREE_F_backlog_avg
#define BUSY	SLUICE_TREE_F_busy

static struct sluice_tree_node node(int feature, uint32_t threshold, int left, int right)
{
	return (struct sluice_tree_node){ .feature = feature, .threshold = threshold,
					  .left = left, .right = right };
}

/*
 * busy <= 500000: 100000; else backlog_avg <= 3000: 40000, else backlog_avg <= 9000: 30000, else
 * "last".
 */
static void plant(struct sluice_tree *t, uint32_t last)
{
	const uint32_t k[4] = { 100000, 40000, 30000, last };

	memset(t, 0, sizeof(*t));
	t->h.n_nodes = 3;
	t->h.n_actions = 4;
	t->h.lease_ms = 1000;
	t->cell[0].node = node(BUSY, 500000, 3, 1);
	t->cell[1].node = node(BACKLOG, 3000, 4, 2);
	t->cell[2].node = node(BACKLOG, 9000, 5, 6);
	for (int i = 0; i < 4; i++)
		t->cell[3 + i].action = (struct sluice_tree_action){ k[i], k[i], 1000000 };
	sluice_tree_seal(t);
}

static struct verify_limits limits(const char *rule)
{
	struct verify_limits l = verify_limits_default();
	struct sl_err e;

	if (rule)
		assert_int_equal(verify_rule_add(&l, rule, &e), 0);
	return l;
}

static void a_planted_violation(void **state)
{
	struct verify_limits l = limits("never-raise:qth_min:backlog_avg");
	struct verify_report report;
	struct sluice_tree t;
	struct sl_err e;

	(void)state;
	plant(&t, 30000);
	assert_int_equal(verify_tree(&t, t.h.size, &l, &report, &e), 0);
	assert_true(report.leaves == 4 && report.depth == 3 && !report.broken);
	/* One byte more for the longest queues. */
	plant(&t, 30001);
	assert_int_equal(verify_tree(&t, t.h.size, &l, &report, &e), -EPERM);
	assert_ptr_equal(report.broken, &l.rule[0]);
	assert_true(report.box[0].cell == 5 && report.box[1].cell == 6);
	assert_true(report.box[0].low[BACKLOG] == 3001 && report.box[0].high[BACKLOG] == 9000 &&
		    report.box[1].low[BACKLOG] == 9001 && report.box[1].high[BACKLOG] == UINT32_MAX &&
		    report.box[1].low[BUSY] == 500001 && report.box[1].high[BUSY] == 1000000);
	assert_non_null(strstr(e.text, "30000 bytes where backlog_avg > 3000 bytes, backlog_avg <= "
				       "9000 bytes, busy > 500000 ppm, but 30001 where"));
	/* The same tree breaks no rule about anything else, but lowers as the queue is busier. */
	l = limits("never-raise:qth_max:marked");
	assert_int_equal(verify_tree(&t, t.h.size, &l, NULL, &e), 0);
	l = limits("never-raise:max_p:backlog_avg");
	assert_int_equal(verify_tree(&t, t.h.size, &l, NULL, &e), 0);
	l = limits("never-lower:qth_max:busy");
	assert_int_equal(verify_tree(&t, t.h.size, &l, &report, &e), -EPERM);
	assert_true(report.box[0].cell == 3 && report.box[1].cell == 4);
	l = limits("never-raise:qth_max:busy");
	assert_int_equal(verify_tree(&t, t.h.size, &l, NULL, &e), 0);
}

/* What is never reached breaks nothing; the deepest path that is counts. */
static void unreachable(void **state)
{
	struct verify_limits l = limits("never-raise:qth_min:backlog_avg");
	struct verify_report report;
	struct sluice_tree t;
	struct sl_err e;

	(void)state;
	plant(&t, 90000);
	t.cell[2].node.threshold = UINT32_MAX;
	sluice_tree_seal(&t);
	assert_int_equal(verify_tree(&t, t.h.size, &l, &report, &e), 0);
	assert_int_equal(report.leaves, 3);
	t.cell[2].node.threshold = 3000;	/* > 3000, but not > 3000 */
	sluice_tree_seal(&t);
	assert_int_equal(verify_tree(&t, t.h.size, &l, &report, &e), -EPERM);
	assert_true(report.box[0].cell == 4 && report.box[1].cell == 6);
}

static void limits_of_size(void **state)
{
	struct verify_limits l = limits(NULL);
	struct verify_report report;
	struct sluice_tree t;
	struct sl_err e;

	(void)state;
	plant(&t, 30000);
	l.depth = 3;
	assert_int_equal(verify_tree(&t, t.h.size, &l, NULL, &e), 0);
	l.depth = 2;
	assert_int_equal(verify_tree(&t, t.h.size, &l, &report, &e), -E2BIG);
	assert_non_null(strstr(e.text, "backlog_avg > 3000 bytes"));
	l = limits(NULL);
	l.clamps.qth_lo = 30000;
	l.clamps.qth_hi = 100000;
	assert_int_equal(verify_tree(&t, t.h.size, &l, NULL, &e), 0);
	l.clamps.qth_lo = 30001;
	assert_int_equal(verify_tree(&t, t.h.size, &l, NULL, &e), -ERANGE);
	assert_non_null(strstr(e.text, "30000 30000 1000000 (cell 5)"));
	assert_non_null(strstr(e.text, "backlog_avg <= 9000 bytes"));
	l.clamps.qth_lo = 0;
	l.clamps.qth_hi = 99999;
	assert_int_equal(verify_tree(&t, t.h.size, &l, NULL, &e), -ERANGE);
	assert_non_null(strstr(e.text, "busy <= 500000 ppm"));
	/* An action alone is a tree, and its box is everything. */
	memset(&t, 0, sizeof(t));
	t.h.n_actions = 1;
	t.h.lease_ms = 1000;
	sluice_tree_seal(&t);
	l = limits("never-raise:qth_min:backlog");
	assert_int_equal(verify_tree(&t, t.h.size, &l, &report, &e), 0);
	assert_true(report.leaves == 1 && report.depth == 0);
}

static void rules(void **state)
{
	static const char *const bad[] = {
		"", "never-raise", "never-raise:qth_min", "never-raise:qth_min:", "x:qth_min:busy",
		"never-raise:limit:busy", "never-raise:qth_min:weather", "never-raise:qth_min:busy:",
		"never-raise:qth_min:busy:x", ":::", "never-raise:qth_min:busyandverylongsomethingmore",
	};
	struct verify_limits l = limits(NULL);
	struct sl_err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(verify_rule_add(&l, bad[i], &e), -EINVAL);
	assert_int_equal(l.rules, 0);
	for (int i = 0; i < VERIFY_RULES; i++)
		assert_int_equal(verify_rule_add(&l, "never-lower:max_p:drops", &e), 0);
	assert_int_equal(verify_rule_add(&l, "never-lower:max_p:drops", &e), -E2BIG);
}

/* --- random trees, against trying states -------------------------------------------------------- */

static void random_tree(struct sluice_tree *t, struct rng *rng, int nodes, int actions)
{
	memset(t, 0, sizeof(*t));
	t->h.n_nodes = nodes;
	t->h.n_actions = actions;
	t->h.lease_ms = 1000;
	for (int i = 0; i < nodes; i++) {
		t->cell[i].node = node(BACKLOG + rng_below(rng, 3), 1 + rng_below(rng, 8),
				       nodes + rng_below(rng, actions),
				       nodes + rng_below(rng, actions));
		while (i) {
			struct sluice_tree_node *parent = &t->cell[rng_below(rng, i)].node;
			__u16 *child = rng_below(rng, 2) ? &parent->left : &parent->right;

			if (*child < nodes)
				continue;
			*child = i;
			break;
		}
	}
	for (int i = 0; i < actions; i++)
		t->cell[nodes + i].action = (struct sluice_tree_action){ 1000 + rng_below(rng, 4),
									 2000, 1000000 };
	sluice_tree_seal(t);
}

static uint32_t qth_min_at(const struct sluice_tree *t, int a, int b, int c)
{
	__u32 f[SLUICE_TREE_F_NR] = { 0 };

	f[BACKLOG] = a;
	f[BACKLOG + 1] = b;
	f[BACKLOG + 2] = c;
	return t->cell[sluice_tree_walk(t, f)].action.qth_min;
}

/* Thresholds are 1 to 8 of three features: all there is can be tried. */
static bool falls_nowhere(const struct sluice_tree *t)
{
	for (int i = 0; i < 10 * 10 * 10; i++)
		if (i % 10 && qth_min_at(t, i % 10, i / 10 % 10, i / 100) >
		    qth_min_at(t, i % 10 - 1, i / 10 % 10, i / 100))
			return false;
	return true;
}

static void as_by_trying(void **state)
{
	const struct verify_limits l = limits("never-raise:qth_min:backlog_avg");
	unsigned int broken = 0, repaired = 0;
	struct sluice_tree t, before;
	struct rng rng;
	struct sl_err e;
	size_t changed;

	(void)state;
	rng_seed(&rng, 4);
	for (int i = 0; i < 3000; i++) {
		int r;

		random_tree(&t, &rng, rng_below(&rng, 8), 1 + rng_below(&rng, 4));
		r = verify_tree(&t, t.h.size, &l, NULL, &e);
		assert_int_equal(r, falls_nowhere(&t) ? 0 : -EPERM);
		broken += r != 0;
		before = t;
		assert_int_equal(verify_repair(&t, &l, &changed), 0);
		assert_int_equal(verify_tree(&t, t.h.size, &l, NULL, &e), 0);
		assert_true(falls_nowhere(&t) && (changed > 0) == (r != 0));
		for (int k = 0; k < 1000; k++) {
			const uint32_t was = qth_min_at(&before, k % 10, k / 10 % 10, k / 100);
			const uint32_t is = qth_min_at(&t, k % 10, k / 10 % 10, k / 100);

			assert_true(is <= was);
		}
		repaired += changed > 0;
	}
	assert_in_range(broken, 500, 2500);
	assert_int_equal(repaired, broken);
}

/* No room for more actions: the tree stays as it was. */
static void repair_without_room(void **state)
{
	const struct verify_limits l = limits("never-raise:qth_min:backlog_avg");
	struct sluice_tree t, before;
	size_t changed = 77;

	(void)state;
	memset(&t, 0, sizeof(t));
	t.h.n_nodes = 2;
	t.h.n_actions = SLUICE_TREE_MAX_CELLS - 2;
	t.h.lease_ms = 1000;
	for (int i = 0; i < t.h.n_actions; i++)
		t.cell[2 + i].action = (struct sluice_tree_action){ 50 + i, 5000, 1000000 - i };
	/* The lesser qth_min goes with the larger max_p: a triple that is not there yet. */
	t.cell[0].node = node(BUSY, 10, 1, 2);
	t.cell[1].node = node(BACKLOG, 10, 3, 4);
	sluice_tree_seal(&t);
	before = t;
	assert_int_equal(verify_repair(&t, &l, &changed), -E2BIG);
	assert_memory_equal(&t, &before, sizeof(t));
	assert_int_equal(changed, 77);
}

/* --- files ------------------------------------------------------------------------------------- */

static int read_back(const char *path, const void *data, size_t size, struct sl_err *e)
{
	const struct verify_limits l = limits(NULL);
	struct sluice_tree t = { .h.generation = 4242 };
	int fd = open(path, O_WRONLY | O_TRUNC), r;

	assert_true(fd >= 0 && write(fd, data, size) == (ssize_t)size && !close(fd));
	r = verify_read(path, &l, &t, NULL, e);
	if (r)
		assert_int_equal(t.h.generation, 4242);
	else
		assert_memory_equal(&t, data, size);
	return r;
}

static void bad_files(void **state)
{
	union { struct sluice_tree tree; unsigned char byte[3 * SLUICE_TREE_MAX_SIZE]; } u, bad;
	const struct verify_limits l = limits(NULL);
	char path[] = "/tmp/treeXXXXXX";
	struct sluice_tree t;
	struct rng rng;
	struct sl_err e;

	(void)state;
	memset(&u, 0, sizeof(u));
	plant(&u.tree, 30000);
	close(mkstemp(path));
	assert_int_equal(read_back(path, &u, u.tree.h.size, &e), 0);
	for (size_t size = 0; size < u.tree.h.size; size++)	/* truncated */
		assert_int_equal(read_back(path, &u, size, &e), -EMSGSIZE);
	assert_int_equal(read_back(path, &u, u.tree.h.size + 4, &e), -EMSGSIZE);
	assert_int_equal(read_back(path, &u, SLUICE_TREE_MAX_SIZE + 1, &e), -EMSGSIZE);
	assert_int_equal(read_back(path, &u, sizeof(u), &e), -EMSGSIZE);
	for (size_t bit = 0; bit < 8 * u.tree.h.size; bit++) {	/* torn, without a new checksum */
		bad = u;
		bad.byte[bit / 8] ^= 1 << bit % 8;
		assert_true(read_back(path, &bad, u.tree.h.size, &e) < 0);
	}
	bad = u;
	bad.tree.h.version = SLUICE_TREE_VERSION + 1;
	assert_int_equal(read_back(path, &bad, u.tree.h.size, &e), -EPROTO);
	bad = u;
	bad.tree.cell[2].node.right = 0;	/* forged: a cycle, sealed */
	sluice_tree_seal(&bad.tree);
	assert_int_equal(read_back(path, &bad, u.tree.h.size, &e), -ELOOP);
	rng_seed(&rng, 6);
	for (int i = 0; i < 20000; i++) {	/* any cell forged and sealed: an answer, and no crash */
		bad = u;
		bad.byte[sizeof(u.tree.h) + rng_below(&rng, u.tree.h.size - sizeof(u.tree.h))] =
			rng_below(&rng, 256);
		sluice_tree_seal(&bad.tree);
		verify_tree(&bad.tree, bad.tree.h.size, &l, NULL, &e);
	}
	unlink(path);
	assert_int_equal(verify_read(path, &l, &t, NULL, &e), -ENOENT);
	assert_int_equal(verify_read("/", &l, &t, NULL, &e), -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_planted_violation),
		cmocka_unit_test(unreachable),
		cmocka_unit_test(limits_of_size),
		cmocka_unit_test(rules),
		cmocka_unit_test(as_by_trying),
		cmocka_unit_test(repair_without_room),
		cmocka_unit_test(bad_files),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
