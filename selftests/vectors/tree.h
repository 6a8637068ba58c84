/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sluice/tree.h: both sides of every check, walks and features. The cases run in user space
 * (selftests/unit/test_tree.c) and in a kernel (selftests/kunit); who includes this defines what
 * vectors/unit.h does.
 */
#ifndef VECTORS_TREE_H
#define VECTORS_TREE_H

#include <sluice/tree.h>

#define TREE_CASES(X)	\
	X(tree_good) X(tree_size) X(tree_header) X(tree_checksum) X(tree_lease) X(tree_nodes)	\
	X(tree_depth) X(tree_clamps) X(tree_errno) X(tree_walk) X(tree_features) X(tree_ratio)

#define TREE_MAX_CELLS ((int)SLUICE_TREE_MAX_CELLS)

static const struct sluice_tree_clamps tree_bounds = {
	.qth_lo = 1000, .qth_hi = 1000000, .max_p_lo = 10, .max_p_hi = 900000,
	.lease_ms_lo = 10, .lease_ms_hi = 600000,
};

static struct sluice_tree tree;	/* of the running case */

/* A tree of these counts in which every cell is still to be set. */
static void tree_begin(int n_nodes, int n_actions)
{
	memset(&tree, 0, sizeof(tree));
	tree.h.n_nodes = n_nodes;
	tree.h.n_actions = n_actions;
	tree.h.generation = 7;
	tree.h.lease_ms = 1000;
}

static void tree_node(int cell, int feature, __u32 threshold, int left, int right)
{
	tree.cell[cell].node = (struct sluice_tree_node){
		.feature = feature, .threshold = threshold, .left = left, .right = right,
	};
}

static void tree_action(int cell, __u32 qth_min, __u32 qth_max, __u32 max_p)
{
	tree.cell[cell].action = (struct sluice_tree_action){
		.qth_min = qth_min, .qth_max = qth_max, .max_p = max_p,
	};
}

/* Two comparisons, three actions. */
static void tree_small(void)
{
	tree_begin(2, 3);
	tree_node(0, SLUICE_TREE_F_backlog, 5000, 2, 1);
	tree_node(1, SLUICE_TREE_F_busy, 900000, 3, 4);
	tree_action(2, 1000, 2000, 10);
	tree_action(3, 3000, 4000, 500000);
	tree_action(4, 1000000, 1000000, 900000);
}

/* A chain: each node's left child is the one action, its right child the next node. */
static void tree_chain(int n_nodes)
{
	tree_begin(n_nodes, 1);
	for (int i = 0; i < n_nodes; i++)
		tree_node(i, SLUICE_TREE_F_backlog, i, n_nodes, i + 1);
	tree_action(n_nodes, 1000, 2000, 10);
}

static const char *tree_text(enum sluice_tree_error error)
{
	static const char *const sentence[] = {
#define X(name, err, text) [SLUICE_TREE_E_##name] = #name ": " text,
		SLUICE_TREE_ERRORS(X)
#undef X
	};

	return sentence[error];
}

#define tree_equal(got, want)	VEC_ASSERT((got) == (want), "line %d: " #got " is %llu", __LINE__, \
					   (unsigned long long)(got))

#define tree_expect(name) tree_expect_at(vec, SLUICE_TREE_E_##name, tree.h.size, __LINE__)
static void tree_expect_at(vec_t vec, enum sluice_tree_error want, __u32 size, int line)
{
	enum sluice_tree_error got = sluice_tree_validate(&tree, size, &tree_bounds);

	VEC_ASSERT(got == want, "line %d: %s; expected %s", line, tree_text(got), tree_text(want));
}

static void tree_good(vec_t vec)
{
	tree_small();
	sluice_tree_seal(&tree);
	tree_equal(tree.h.size, 28 + 5 * 12);
	tree_expect(OK);

	tree_begin(0, 1);	/* a constant */
	tree_action(0, 1000, 2000, 10);
	sluice_tree_seal(&tree);
	tree_expect(OK);

	tree_small();	/* actions may be shared, and unused */
	tree.cell[1].node.left = tree.cell[1].node.right = 3;
	sluice_tree_seal(&tree);
	tree_expect(OK);
}

static void tree_size(vec_t vec)
{
	tree_small();
	sluice_tree_seal(&tree);
	for (__u32 size = 0; size <= SLUICE_TREE_MAX_SIZE + 12; size++)
		if (size != tree.h.size)
			tree_expect_at(vec, SLUICE_TREE_E_SIZE, size, __LINE__);
	tree_expect_at(vec, SLUICE_TREE_E_SIZE, U32_MAX, __LINE__);

	/* Counts that are not the size. */
	tree.h.n_actions++;
	tree_expect(SIZE);
	tree.h.n_actions -= 2;
	tree_expect(SIZE);
	tree.h.n_actions++;
	tree_expect(OK);
	tree.h.size++;
	tree_expect_at(vec, SLUICE_TREE_E_SIZE, tree.h.size - 1, __LINE__);
	tree_expect(SIZE);

	/* The largest tree fills the block; counts that would not fit. */
	tree_begin(0, TREE_MAX_CELLS);
	for (int i = 0; i < TREE_MAX_CELLS; i++)
		tree_action(i, 1000, 2000, 10);
	sluice_tree_seal(&tree);
	tree_equal(tree.h.size, SLUICE_TREE_MAX_SIZE);
	tree_expect(OK);
	tree.h.n_actions++;
	tree_expect(SIZE);
	tree.h.size += 12;
	tree_expect(SIZE);
	tree.h.n_nodes = tree.h.n_actions = U16_MAX;
	tree_expect_at(vec, SLUICE_TREE_E_SIZE, SLUICE_TREE_MAX_SIZE, __LINE__);
}

static void tree_header(vec_t vec)
{
	tree_small();
	sluice_tree_seal(&tree);
	tree.h.magic = __builtin_bswap32(SLUICE_TREE_MAGIC);
	tree_expect(MAGIC);
	sluice_tree_seal(&tree);
	tree.h.version++;
	tree_expect(VERSION);
	tree.h.version -= 2;
	tree_expect(VERSION);
	sluice_tree_seal(&tree);
	tree_expect(OK);
	tree.h.kind = SLUICE_TREE_PLACE;
	sluice_tree_seal(&tree);
	tree_expect(KIND);
	tree.h.kind = U16_MAX;
	sluice_tree_seal(&tree);
	tree_expect(KIND);

	tree_small();
	tree.cell[1].node.pad = 1;
	sluice_tree_seal(&tree);
	tree_expect(RESERVED);

	tree_begin(0, 0);	/* a sealed block, but no tree */
	sluice_tree_seal(&tree);
	tree_equal(sluice_tree_validate_block(&tree, tree.h.size), SLUICE_TREE_E_OK);
	tree_expect(EMPTY);
}

/* Every single changed bit behind the magic number is found. */
static void tree_checksum(vec_t vec)
{
	unsigned char *byte = (unsigned char *)&tree;

	tree_small();
	sluice_tree_seal(&tree);
	/* Computed by other means: the format must not change by accident. */
	tree_equal(tree.h.checksum, 0x202ad2u);
	for (__u32 bit = 32; bit < tree.h.size * 8; bit++) {
		const __u32 size = 28 + 5 * 12;
		enum sluice_tree_error error;

		byte[bit / 8] ^= 1u << bit % 8;
		error = sluice_tree_validate(&tree, size, &tree_bounds);
		byte[bit / 8] ^= 1u << bit % 8;
		/* Of version, counts and size (bytes 8 to 19) another check may be first. */
		if (bit / 8 < 8 || bit / 8 >= 20)
			tree_equal(error, SLUICE_TREE_E_CHECKSUM);
		else
			VEC_ASSERT(error, "bit %u", bit);
	}
	tree_expect(OK);
}

static void tree_lease(vec_t vec)
{
	static const struct { __u32 ms; enum sluice_tree_error error; } row[] = {
		{ 0, SLUICE_TREE_E_LEASE }, { 9, SLUICE_TREE_E_LEASE }, { 10, SLUICE_TREE_E_OK },
		{ 600000, SLUICE_TREE_E_OK }, { 600001, SLUICE_TREE_E_LEASE },
		{ U32_MAX, SLUICE_TREE_E_LEASE },
	};

	for (__u32 i = 0; i < ARRAY_SIZE(row); i++) {
		tree_small();
		tree.h.lease_ms = row[i].ms;
		sluice_tree_seal(&tree);
		tree_expect_at(vec, row[i].error, tree.h.size, __LINE__);
	}
}

#define tree_check(change, name) do {	\
	tree_small();			\
	change;				\
	sluice_tree_seal(&tree);	\
	tree_expect(name);		\
} while (0)

static void tree_nodes(vec_t vec)
{
	tree_check(tree.cell[0].node.feature = SLUICE_TREE_F_NR - 1, OK);
	tree_check(tree.cell[0].node.feature = SLUICE_TREE_F_NR, FEATURE);
	tree_check(tree.cell[1].node.feature = U16_MAX, FEATURE);
	tree_check(tree.cell[0].node.left = 4, OK);
	tree_check(tree.cell[0].node.left = 5, CHILD);
	tree_check(tree.cell[1].node.right = 5, CHILD);
	tree_check(tree.cell[1].node.right = U16_MAX, CHILD);
	/* Itself, its parent, and a node with two parents. */
	tree_check(tree.cell[1].node.left = 1, CYCLE);
	tree_check(tree.cell[1].node.right = 0, CYCLE);
	tree_check(tree.cell[0].node.left = 0, CYCLE);
	tree_check(tree.cell[0].node.left = 1, CYCLE);
	tree_check(tree.cell[0].node.right = 2, ORPHAN);
}

static void tree_depth(vec_t vec)
{
	tree_chain(SLUICE_TREE_MAX_DEPTH);
	sluice_tree_seal(&tree);
	tree_expect(OK);
	tree_chain(SLUICE_TREE_MAX_DEPTH + 1);
	sluice_tree_seal(&tree);
	tree_expect(DEPTH);
	tree_chain(TREE_MAX_CELLS - 1);
	sluice_tree_seal(&tree);
	tree_expect(DEPTH);
}

static void tree_clamps(vec_t vec)
{
	static const struct {
		__u32 qth_min, qth_max, max_p;
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
		{ U32_MAX, U32_MAX, 10, SLUICE_TREE_E_CLAMP },
		{ 1000, U32_MAX, U32_MAX, SLUICE_TREE_E_CLAMP },
	};

	for (__u32 i = 0; i < ARRAY_SIZE(row); i++) {
		for (int cell = 2; cell <= 4; cell++) {
			tree_small();
			tree_action(cell, row[i].qth_min, row[i].qth_max, row[i].max_p);
			sluice_tree_seal(&tree);
			tree_expect_at(vec, row[i].error, tree.h.size, __LINE__);
		}
	}
}

static void tree_errno(vec_t vec)
{
	tree_equal(sluice_tree_errno(SLUICE_TREE_E_OK), 0);
	tree_equal(sluice_tree_errno(SLUICE_TREE_E_SIZE), -EMSGSIZE);
	tree_equal(sluice_tree_errno(SLUICE_TREE_E_CHECKSUM), -EBADMSG);
	tree_equal(sluice_tree_errno(SLUICE_TREE_E_CLAMP), -ERANGE);
	tree_equal(sluice_tree_errno(SLUICE_TREE_E_NR), -EINVAL);
}

/* Of the small tree. */
static const struct { __u32 backlog, busy, cell; } tree_path[] = {
	{ 0, 0, 2 }, { 5000, 0, 2 }, { 5001, 0, 3 }, { 5001, 900000, 3 }, { 5001, 900001, 4 },
	{ U32_MAX, 900001, 4 }, { 5000, 900001, 2 }, { U32_MAX, 0, 3 },
};

static void tree_walk(vec_t vec)
{
	__u32 f[SLUICE_TREE_F_NR] = { 0 };

	tree_small();
	for (__u32 i = 0; i < ARRAY_SIZE(tree_path); i++) {
		__u32 cell;

		f[SLUICE_TREE_F_backlog] = tree_path[i].backlog;
		f[SLUICE_TREE_F_busy] = tree_path[i].busy;
		cell = sluice_tree_walk(&tree, f);
		VEC_ASSERT(cell == tree_path[i].cell, "path %u leads to %u", i, cell);
	}

	tree_begin(0, 1);
	tree_equal(sluice_tree_walk(&tree, f), 0);

	/* The last comparison of the deepest tree still counts. */
	tree_chain(SLUICE_TREE_MAX_DEPTH);
	tree.cell[SLUICE_TREE_MAX_DEPTH - 1].node.right = SLUICE_TREE_MAX_DEPTH + 1;
	f[SLUICE_TREE_F_backlog] = SLUICE_TREE_MAX_DEPTH - 1;
	tree_equal(sluice_tree_walk(&tree, f), SLUICE_TREE_MAX_DEPTH);
	f[SLUICE_TREE_F_backlog] = SLUICE_TREE_MAX_DEPTH;
	tree_equal(sluice_tree_walk(&tree, f), SLUICE_TREE_MAX_DEPTH + 1);
}

static void tree_features(vec_t vec)
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
	static const __u32 want[SLUICE_TREE_F_NR] = {
		70000, 60000, 1250000, 250000, 100000, 48, 3, 1, 2, 3
	};
	__u32 f[SLUICE_TREE_F_NR];

	sluice_tree_features(&s, f);
	for (int i = 0; i < SLUICE_TREE_F_NR; i++)
		tree_equal(f[i], want[i]);

	/* An interval of nothing divides by nothing. */
	memset(&s, 0, sizeof(s));
	sluice_tree_features(&s, f);
	for (int i = 0; i < SLUICE_TREE_F_NR; i++)
		tree_equal(f[i], 0);

	/* All at its largest stays inside the declared maximum. */
	memset(&s, 0xff, sizeof(s));
	s.elapsed_ns = s.sojourn_samples = 1;
	s.bytes /= 2;
	s.qth_min = s.qth_max = s.max_p = 5;
	sluice_tree_features(&s, f);
#define X(name, unit, max, text)						\
	VEC_ASSERT(f[SLUICE_TREE_F_##name] <= (max), #name ": %u", f[SLUICE_TREE_F_##name]);
	SLUICE_TREE_FEATURES(X)
#undef X
	tree_equal(f[SLUICE_TREE_F_backlog_avg], U32_MAX);
	tree_equal(f[SLUICE_TREE_F_busy], 1000000);
	tree_equal(f[SLUICE_TREE_F_marked], 1000000);
	tree_equal(f[SLUICE_TREE_F_drops], U32_MAX);
}

/* Against 128 bits. */
static void tree_ratio(vec_t vec)
{
	__u64 x = 1;

	for (int i = 0; i < 200000; i++) {
		static const __u32 mul[] = { 1, 1000, 1000000 };
		__u64 num, den, exact;
		__u32 m = mul[i % 3], got, want;

		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		num = x >> (i % 61);
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		den = x >> (i % 59);
		if (!den)
			continue;
		exact = num / den > U32_MAX ? U32_MAX : vec_mul_div(num, m, den);
		want = exact > U32_MAX ? U32_MAX : (__u32)exact;
		got = sluice_tree_ratio(num, m, den, U32_MAX);
		if (den >> 44) {
			__u32 slack = 1 + (want >> 23);

			VEC_ASSERT((got < want ? want - got : got - want) <= slack,
				   "%llu * %u / %llu: %u, expected about %u",
				   (unsigned long long)num, m, (unsigned long long)den, got, want);
		} else {
			VEC_ASSERT(got == want, "%llu * %u / %llu: %u, expected %u",
				   (unsigned long long)num, m, (unsigned long long)den, got, want);
		}
	}
	tree_equal(sluice_tree_ratio(1, 1, 0, 5), 0);
	tree_equal(sluice_tree_ratio(5, 1, 1, 5), 5);
	tree_equal(sluice_tree_ratio(4, 1, 1, 5), 4);
	tree_equal(sluice_tree_ratio(U64_MAX, 1000000, U64_MAX, 2000000), 1000000);
}

#endif /* VECTORS_TREE_H */
