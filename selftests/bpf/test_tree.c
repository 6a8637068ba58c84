// SPDX-License-Identifier: GPL-2.0
/* include/sluice/tree.h passes the verifier, and walks in BPF as it does in user space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <sluice/tree.h>

static uint64_t rng = 1;

static uint32_t random32(void)
{
	rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return rng >> 32;
}

/* Nodes in the order of a heap: as flat as a tree can be. */
static void plant(struct sluice_tree *t, uint32_t n_nodes)
{
	memset(t, 0, sizeof(*t));
	t->h.n_nodes = n_nodes;
	t->h.n_actions = n_nodes + 1;
	for (uint32_t i = 0; i < n_nodes; i++) {
		t->cell[i].node.feature = random32() % SLUICE_TREE_F_NR;
		t->cell[i].node.threshold = random32();
		t->cell[i].node.left = 2 * i + 1;
		t->cell[i].node.right = 2 * i + 2;
	}
	sluice_tree_seal(t);
}

/* A list as deep as allowed. */
static void plant_deep(struct sluice_tree *t)
{
	memset(t, 0, sizeof(*t));
	t->h.n_nodes = SLUICE_TREE_MAX_DEPTH;
	t->h.n_actions = 2;
	for (int i = 0; i < SLUICE_TREE_MAX_DEPTH; i++) {
		t->cell[i].node.threshold = 3000000000u;
		t->cell[i].node.left = i + 1;
		t->cell[i].node.right = SLUICE_TREE_MAX_DEPTH + 1;
		t->cell[i].node.feature = i % SLUICE_TREE_F_NR;
	}
	sluice_tree_seal(t);
}

static void test_same_walk(void **state)
{
	struct { uint32_t feature[SLUICE_TREE_F_NR], cell; } ctx;
	struct sluice_tree t;
	struct bpf_object *obj;
	uint32_t zero = 0, left = 0;
	int map, prog;

	(void)state;
	obj = bpf_object__open_file("build/selftests/bpf/tree.bpf.o", NULL);
	assert_non_null(obj);
	assert_int_equal(bpf_object__load(obj), 0);
	map = bpf_object__find_map_fd_by_name(obj, "tree");
	prog = bpf_program__fd(bpf_object__find_program_by_name(obj, "tree_walk"));
	assert_true(map >= 0 && prog >= 0);

	for (int i = 0; i < 3000; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

		if (i % 30 == 0) {
			if (i % 60)
				plant(&t, random32() % 170);
			else
				plant_deep(&t);
			assert_int_equal(bpf_map_update_elem(map, &zero, &t, BPF_ANY), 0);
		}
		for (int f = 0; f < SLUICE_TREE_F_NR; f++)
			ctx.feature[f] = random32();
		ctx.cell = ~0u;
		assert_int_equal(bpf_prog_test_run_opts(prog, &opts), 0);
		assert_int_equal(opts.retval, 0);
		assert_int_equal(ctx.cell, sluice_tree_walk(&t, ctx.feature));
		assert_in_range(ctx.cell, t.h.n_nodes, t.h.n_nodes + t.h.n_actions - 1);
		left += ctx.cell == t.h.n_nodes;
	}
	assert_true(left > 0);

	/* What no validator saw ends, too. */
	memset(&t, 0xff, sizeof(t));
	assert_int_equal(bpf_map_update_elem(map, &zero, &t, BPF_ANY), 0);
	{
		LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

		assert_int_equal(bpf_prog_test_run_opts(prog, &opts), 0);
	}
	bpf_object__close(obj);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_walk),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
