// SPDX-License-Identifier: GPL-2.0
/* include/sluice/tree.h: both sides of every check, walks and features. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <sluice/tree.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_CELLS ((int)SLUICE_TREE_MAX_CELLS)

static const struct sluice_tree_clamps clamps = {
	.qth_lo = 1000, .qth_hi = 1000000, .max_p_lo = 10, .max_p_hi = 900000,
	.lease_ms_lo = 10, .lease_ms_hi = 600000,
};

static struct sluice_tree tree;

/* A tree of these counts in which every cell is still to be set. */
static void begin(int n_nodes, int n_actions)
{
	memset(&tree, 0, sizeof(tree));
	tree.h.n_nodes = n_nodes;
	tree.h.n_actions = n_actions;
	tree.h.generation = 7;
	tree.h.lease_ms = 1000;
}

static void node(int cell, int feature, uint32_t threshold, int left, int right)
{
	tree.cell[cell].node = (struct sluice_tree_node){
		.feature = feature, .threshold = threshold, .left = left, .right = right,
	};
}

static void action(int cell, uint32_t qth_min, uint32_t qth_max, uint32_t max_p)
{
	tree.cell[cell].action = (struct sluice_tree_action){
		.qth_min = qth_min, .qth_max = qth_max, .max_p = max_p,
	};
}

/* Two comparisons, three actions. */
static void small(void)
{
	begin(2, 3);
	node(0, SLUICE_TREE_F_backlog, 5000, 2, 1);
	node(1, SLUICE_TREE_F_busy, 900000, 3, 4);
	action(2, 1000, 2000, 10);
	action(3, 3000, 4000, 500000);
	action(4, 1000000, 1000000, 900000);
}

/* A chain: each node's left child is the one action, its right child the next node. */
static void chain(int n_nodes)
{
	begin(n_nodes, 1);
	for (int i = 0; i < n_nodes; i++)
		node(i, SLUICE_TREE_F_backlog, i, n_nodes, i + 1);
	action(n_nodes, 1000, 2000, 10);
}

static const char *text(enum sluice_tree_error error)
{
	static const char *const sentence[] = {
#define X(name, err, text) [SLUICE_TREE_E_##name] = #name ": " text,
		SLUICE_TREE_ERRORS(X)
#undef X
	};

	return sentence[error];
}

#define expect(name) expect_at(SLUICE_TREE_E_##name, tree.h.size, __LINE__)
static void expect_at(enum sluice_tree_error want, uint32_t size, int line)
{
	enum sluice_tree_error got = sluice_tree_validate(&tree, size, &clamps);

	if (got != want)
		fail_msg("line %d: %s; expected %s", line, text(got), text(want));
}

static void test_good(void **state)
{
	(void)state;
	small();
	sluice_tree_seal(&tree);
	assert_int_equal(tree.h.size, 28 + 5 * 12);
	expect(OK);

	begin(0, 1);	/* a constant */
	action(0, 1000, 2000, 10);
	sluice_tree_seal(&tree);
	expect(OK);

	small();	/* actions may be shared, and unused */
	tree.cell[1].node.left = tree.cell[1].node.right = 3;
	sluice_tree_seal(&tree);
	expect(OK);
}

static void test_size(void **state)
{
	(void)state;
	small();
	sluice_tree_seal(&tree);
	for (uint32_t size = 0; size <= SLUICE_TREE_MAX_SIZE + 12; size++)
		if (size != tree.h.size)
			expect_at(SLUICE_TREE_E_SIZE, size, __LINE__);
	expect_at(SLUICE_TREE_E_SIZE, UINT32_MAX, __LINE__);

	/* Counts that are not the size. */
	tree.h.n_actions++;
	expect(SIZE);
	tree.h.n_actions -= 2;
	expect(SIZE);
	tree.h.n_actions++;
	expect(OK);
	tree.h.size++;
	expect_at(SLUICE_TREE_E_SIZE, tree.h.size - 1, __LINE__);
	expect(SIZE);

	/* The largest tree fills the block; counts that would not fit. */
	begin(0, MAX_CELLS);
	for (int i = 0; i < MAX_CELLS; i++)
		action(i, 1000, 2000, 10);
	sluice_tree_seal(&tree);
	assert_int_equal(tree.h.size, SLUICE_TREE_MAX_SIZE);
	expect(OK);
	tree.h.n_actions++;
	expect(SIZE);
	tree.h.size += 12;
	expect(SIZE);
	tree.h.n_nodes = tree.h.n_actions = UINT16_MAX;
	expect_at(SLUICE_TREE_E_SIZE, SLUICE_TREE_MAX_SIZE, __LINE__);
}

static void test_header(void **state)
{
	(void)state;
	small();
	sluice_tree_seal(&tree);
	tree.h.magic = __builtin_bswap32(SLUICE_TREE_MAGIC);
	expect(MAGIC);
	sluice_tree_seal(&tree);
	tree.h.version++;
	expect(VERSION);
	tree.h.version -= 2;
	expect(VERSION);
	sluice_tree_seal(&tree);
	expect(OK);
	tree.h.pad = 1;
	tree.h.checksum = sluice_tree_checksum(&tree, tree.h.size);
	expect(RESERVED);

	small();
	tree.cell[1].node.pad = 1;
	sluice_tree_seal(&tree);
	expect(RESERVED);

	begin(0, 0);	/* a sealed block, but no tree */
	sluice_tree_seal(&tree);
	assert_int_equal(sluice_tree_validate_block(&tree, tree.h.size), SLUICE_TREE_E_OK);
	expect(EMPTY);
}

/* Every single changed bit behind the magic number is found. */
static void test_checksum(void **state)
{
	unsigned char *byte = (unsigned char *)&tree;

	(void)state;
	small();
	sluice_tree_seal(&tree);
	/* Computed by other means: the format must not change by accident. */
	assert_int_equal(tree.h.checksum, 0x202ad2u);
	for (uint32_t bit = 32; bit < tree.h.size * 8; bit++) {
		const uint32_t size = 28 + 5 * 12;
		enum sluice_tree_error error;

		byte[bit / 8] ^= 1u << bit % 8;
		error = sluice_tree_validate(&tree, size, &clamps);
		byte[bit / 8] ^= 1u << bit % 8;
		/* Of version, counts and size (bytes 8 to 19) another check may be first. */
		if (bit / 8 < 8 || bit / 8 >= 20)
			assert_int_equal(error, SLUICE_TREE_E_CHECKSUM);
		else
			assert_int_not_equal(error, SLUICE_TREE_E_OK);
	}
	expect(OK);
}

static void test_lease(void **state)
{
	static const struct { uint32_t ms; enum sluice_tree_error error; } row[] = {
		{ 0, SLUICE_TREE_E_LEASE }, { 9, SLUICE_TREE_E_LEASE }, { 10, SLUICE_TREE_E_OK },
		{ 600000, SLUICE_TREE_E_OK }, { 600001, SLUICE_TREE_E_LEASE },
		{ UINT32_MAX, SLUICE_TREE_E_LEASE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		small();
		tree.h.lease_ms = row[i].ms;
		sluice_tree_seal(&tree);
		expect_at(row[i].error, tree.h.size, __LINE__);
	}
}

#define check_small(change, name) do {	\
	small();			\
	change;				\
	sluice_tree_seal(&tree);	\
	expect(name);			\
} while (0)

static void test_nodes(void **state)
{
	(void)state;
	check_small(tree.cell[0].node.feature = SLUICE_TREE_F_NR - 1, OK);
	check_small(tree.cell[0].node.feature = SLUICE_TREE_F_NR, FEATURE);
	check_small(tree.cell[1].node.feature = UINT16_MAX, FEATURE);
	check_small(tree.cell[0].node.left = 4, OK);
	check_small(tree.cell[0].node.left = 5, CHILD);
	check_small(tree.cell[1].node.right = 5, CHILD);
	check_small(tree.cell[1].node.right = UINT16_MAX, CHILD);
	/* Itself, its parent, and a node with two parents. */
	check_small(tree.cell[1].node.left = 1, CYCLE);
	check_small(tree.cell[1].node.right = 0, CYCLE);
	check_small(tree.cell[0].node.left = 0, CYCLE);
	check_small(tree.cell[0].node.left = 1, CYCLE);
	check_small(tree.cell[0].node.right = 2, ORPHAN);
}

static void test_depth(void **state)
{
	(void)state;
	chain(SLUICE_TREE_MAX_DEPTH);
	sluice_tree_seal(&tree);
	expect(OK);
	chain(SLUICE_TREE_MAX_DEPTH + 1);
	sluice_tree_seal(&tree);
	expect(DEPTH);
	chain(MAX_CELLS - 1);
	sluice_tree_seal(&tree);
	expect(DEPTH);
}

static void test_clamps(void **state)
{
	static const struct {
		uint32_t qth_min, qth_max, max_p;
		enum sluice_tree_error error;
	} row[] = {
		{ 1000, 1000000, 10, SLUICE_TREE_E_OK },
		{ 999, 1000000, 10, SLUICE_TREE_E_CLAMP },
		{ 1000, 1000001, 10, SLUICE_TREE_E_CLAMP },
		{ 1000, 1000, 10, SLUICE_TREE_E_OK },
		{ 1001, 1000, 10, SLUICE_TREE_E_CLAMP },
		{ 1000, 999, 10, SLUICE_TREE_E_CLAMP },
		{ 1000, 1000, 9, SLUICE_TREE_E_CLAMP },
		{ 1000, 1000, 900000, SLUICE_TREE_E_OK },
		{ 1000, 1000, 900001, SLUICE_TREE_E_CLAMP },
		{ UINT32_MAX, UINT32_MAX, 10, SLUICE_TREE_E_CLAMP },
		{ 1000, UINT32_MAX, UINT32_MAX, SLUICE_TREE_E_CLAMP },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		for (int cell = 2; cell <= 4; cell++) {
			small();
			action(cell, row[i].qth_min, row[i].qth_max, row[i].max_p);
			sluice_tree_seal(&tree);
			expect_at(row[i].error, tree.h.size, __LINE__);
		}
	}
}

static void test_errno(void **state)
{
	(void)state;
	assert_int_equal(sluice_tree_errno(SLUICE_TREE_E_OK), 0);
	assert_int_equal(sluice_tree_errno(SLUICE_TREE_E_SIZE), -EMSGSIZE);
	assert_int_equal(sluice_tree_errno(SLUICE_TREE_E_CHECKSUM), -EBADMSG);
	assert_int_equal(sluice_tree_errno(SLUICE_TREE_E_CLAMP), -ERANGE);
	assert_int_equal(sluice_tree_errno(SLUICE_TREE_E_NR), -EINVAL);
}

static void test_walk(void **state)
{
	uint32_t f[SLUICE_TREE_F_NR] = { 0 };

	(void)state;
	small();
	assert_int_equal(sluice_tree_walk(&tree, f), 2);
	f[SLUICE_TREE_F_backlog] = 5000;
	assert_int_equal(sluice_tree_walk(&tree, f), 2);
	f[SLUICE_TREE_F_backlog] = 5001;
	assert_int_equal(sluice_tree_walk(&tree, f), 3);
	f[SLUICE_TREE_F_busy] = 900000;
	assert_int_equal(sluice_tree_walk(&tree, f), 3);
	f[SLUICE_TREE_F_busy] = 900001;
	assert_int_equal(sluice_tree_walk(&tree, f), 4);
	f[SLUICE_TREE_F_backlog] = UINT32_MAX;
	assert_int_equal(sluice_tree_walk(&tree, f), 4);

	begin(0, 1);
	assert_int_equal(sluice_tree_walk(&tree, f), 0);

	/* The last comparison of the deepest tree still counts. */
	chain(SLUICE_TREE_MAX_DEPTH);
	tree.cell[SLUICE_TREE_MAX_DEPTH - 1].node.right = SLUICE_TREE_MAX_DEPTH + 1;
	f[SLUICE_TREE_F_backlog] = SLUICE_TREE_MAX_DEPTH - 1;
	assert_int_equal(sluice_tree_walk(&tree, f), SLUICE_TREE_MAX_DEPTH);
	f[SLUICE_TREE_F_backlog] = SLUICE_TREE_MAX_DEPTH;
	assert_int_equal(sluice_tree_walk(&tree, f), SLUICE_TREE_MAX_DEPTH + 1);
}

static void test_features(void **state)
{
	struct sluice_tree_sample s = {
		.elapsed_ns = 10000000,			/* 10 ms */
		.bytes = 12500000,			/* 10 Gbit/s */
		.ce_bytes = 1250000,
		.limit_drops = 3,
		.backlog_byte_us = 10000ULL * 60000,	/* 60 kB all the time */
		.backlogged_ns = 2500000,
		.sojourn_samples = 4,
		.sojourn_sum_ns = 4 * 48999,
		.backlog_bytes = 70000,
		.qth_min = 1, .qth_max = 2, .max_p = 3,
	};
	static const uint32_t want[SLUICE_TREE_F_NR] = {
		70000, 60000, 1250000, 250000, 100000, 48, 3, 1, 2, 3
	};
	uint32_t f[SLUICE_TREE_F_NR];

	(void)state;
	sluice_tree_features(&s, f);
	assert_memory_equal(f, want, sizeof(f));

	/* An interval of nothing divides by nothing. */
	memset(&s, 0, sizeof(s));
	sluice_tree_features(&s, f);
	for (int i = 0; i < SLUICE_TREE_F_NR; i++)
		assert_int_equal(f[i], 0);

	/* All at its largest stays inside the declared maximum. */
	memset(&s, 0xff, sizeof(s));
	s.elapsed_ns = s.sojourn_samples = 1;
	s.bytes /= 2;
	s.qth_min = s.qth_max = s.max_p = 5;
	sluice_tree_features(&s, f);
#define X(name, unit, max, text) assert_true(f[SLUICE_TREE_F_##name] <= (max));
	SLUICE_TREE_FEATURES(X)
#undef X
	assert_int_equal(f[SLUICE_TREE_F_backlog_avg], UINT32_MAX);
	assert_int_equal(f[SLUICE_TREE_F_busy], 1000000);
	assert_int_equal(f[SLUICE_TREE_F_marked], 1000000);
	assert_int_equal(f[SLUICE_TREE_F_drops], UINT32_MAX);
}

/* Against 128 bits. */
static void test_ratio(void **state)
{
	uint64_t x = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		static const uint32_t mul[] = { 1, 1000, 1000000 };
		unsigned __int128 exact;
		uint64_t num, den;
		uint32_t m = mul[i % 3], got, want;

		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		num = x >> (i % 61);
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		den = x >> (i % 59);
		if (!den)
			continue;
		exact = (unsigned __int128)num * m / den;
		want = exact > UINT32_MAX ? UINT32_MAX : (uint32_t)exact;
		got = sluice_tree_ratio(num, m, den, UINT32_MAX);
		if (den >> 44) {
			uint32_t slack = 1 + (want >> 23);

			assert_in_range(got, want > slack ? want - slack : 0,
					want > UINT32_MAX - slack ? UINT32_MAX : want + slack);
		} else {
			assert_int_equal(got, want);
		}
	}
	assert_int_equal(sluice_tree_ratio(1, 1, 0, 5), 0);
	assert_int_equal(sluice_tree_ratio(5, 1, 1, 5), 5);
	assert_int_equal(sluice_tree_ratio(4, 1, 1, 5), 4);
	assert_int_equal(sluice_tree_ratio(UINT64_MAX, 1000000, UINT64_MAX, 2000000), 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_lease),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_clamps),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_ratio),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
