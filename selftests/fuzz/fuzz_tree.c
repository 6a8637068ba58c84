// SPDX-License-Identifier: GPL-2.0
/*
 * Throws damaged trees of both kinds at the validators of include/sluice/tree.h and place.h,
 * and holds what they accept against a second, recursive opinion. Alone it makes a bounded run
 * from a fixed seed:
 *
 *	fuzz_tree [ROUNDS [SEED]]
 *
 * and with libFuzzer it runs for as long as it is let:
 *
 *	clang -g -DLIBFUZZER -fsanitize=fuzzer,address,undefined -Iinclude \
 *		selftests/fuzz/fuzz_tree.c
 *
 * Blocks are given in buffers of exactly their size, so a read beyond one is an
 * error in a sanitizer build.
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/place.h>

#include "fuzz/fuzz.h"

#define FEATURES	((int)SLUICE_TREE_F_NR > (int)SLUICE_PLACE_F_NR ? \
			 (int)SLUICE_TREE_F_NR : (int)SLUICE_PLACE_F_NR)

static const struct sluice_tree_clamps clamps = {
	.qth_lo = 0, .qth_hi = 0x7fffffff, .max_p_lo = 0, .max_p_hi = 1000000,
	.lease_ms_lo = 10, .lease_ms_hi = 600000,
};

/* Of all magnitudes. */
static uint32_t scattered(void)
{
	uint32_t value = random32();

	return value >> below(32);
}

/* How often each node is reached from the root, with at most 20 comparisons before it. */
static void visit(const struct sluice_tree *t, uint32_t cell, int comparisons, uint8_t *seen)
{
	const int features = t->h.kind == SLUICE_TREE_PLACE ? (int)SLUICE_PLACE_F_NR :
							       (int)SLUICE_TREE_F_NR;
	const struct sluice_tree_action *a = &t->cell[cell].action;

	check(cell < (uint32_t)t->h.n_nodes + t->h.n_actions);
	if (cell >= t->h.n_nodes && t->h.kind == SLUICE_TREE_PLACE) {
		check(t->cell[cell].place.choice < SLUICE_PLACE_NR && !a->qth_max && !a->max_p);
		return;
	}
	if (cell >= t->h.n_nodes) {
		check(a->qth_min <= a->qth_max && a->qth_max <= 0x7fffffff);
		check(a->max_p <= 1000000);
		return;
	}
	check(comparisons < SLUICE_TREE_MAX_DEPTH);
	check(t->cell[cell].node.feature < features);
	check(!seen[cell]++);
	visit(t, t->cell[cell].node.left, comparisons + 1, seen);
	visit(t, t->cell[cell].node.right, comparisons + 1, seen);
}

static void check_accepted(const struct sluice_tree *t)
{
	uint8_t seen[SLUICE_TREE_MAX_CELLS] = { 0 };
	const bool place = t->h.kind == SLUICE_TREE_PLACE;
	uint32_t f[FEATURES], cell;
	int i, j;

	check(t->h.n_actions);
	check(place ? t->h.generation && !t->h.lease_ms :
		      t->h.lease_ms >= 10 && t->h.lease_ms <= 600000);
	visit(t, 0, 0, seen);
	for (i = 0; i < t->h.n_nodes; i++)
		check(seen[i]);
	for (i = 0; i < 16; i++) {
		for (j = 0; j < FEATURES; j++)
			f[j] = scattered();
		cell = place ? sluice_place_walk(t, f) : sluice_tree_walk(t, f);
		check(cell >= t->h.n_nodes && cell < (uint32_t)t->h.n_nodes + t->h.n_actions);
	}
}

static enum sluice_tree_error one(const void *data, uint32_t size, enum sluice_tree_kind kind)
{
	/* One byte more, because malloc(0) may be anything. */
	unsigned char *block = malloc(size ? size : 1);
	enum sluice_tree_error error;
	struct sluice_tree whole;
	uint32_t f[FEATURES] = { 0 };

	check(block);
	memcpy(block, data, size);
	error = kind == SLUICE_TREE_PLACE ?
		sluice_place_validate((struct sluice_tree *)block, size) :
		sluice_tree_validate((struct sluice_tree *)block, size, &clamps);
	check(sluice_tree_errno(error) <= 0 && !sluice_tree_errno(error) == !error);
	if (!error)
		check_accepted((struct sluice_tree *)block);
	free(block);

	/* A walk ends inside the block whatever it holds. */
	memset(&whole, 0xff, sizeof(whole));
	memcpy(&whole, data, size < sizeof(whole) ? size : sizeof(whole));
	sluice_tree_walk(&whole, f);
	sluice_place_choice(&whole, sluice_place_walk(&whole, f));
	return error;
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sluice_tree t;

	one(data, size, SLUICE_TREE_QUEUE);
	one(data, size, SLUICE_TREE_PLACE);
	/* No fuzzer guesses the checksum: also try what the block would be with it. */
	if (size < sizeof(t.h) || size > sizeof(t))
		return 0;
	memcpy(&t, data, size);
	t.h.n_nodes %= SLUICE_TREE_MAX_CELLS;
	t.h.n_actions %= SLUICE_TREE_MAX_CELLS - t.h.n_nodes;
	sluice_tree_seal(&t);
	one(&t, t.h.size, SLUICE_TREE_QUEUE);
	one(&t, t.h.size, SLUICE_TREE_PLACE);
	return 0;
}
#else

/* A valid tree that grows at a random leaf until it has n_nodes. */
static void plant(struct sluice_tree *t, int n_nodes, int n_actions, enum sluice_tree_kind kind)
{
	const int features = kind == SLUICE_TREE_PLACE ? (int)SLUICE_PLACE_F_NR :
							 (int)SLUICE_TREE_F_NR;
	int i;

	memset(t, 0, sizeof(*t));
	t->h.n_nodes = n_nodes;
	t->h.n_actions = n_actions;
	t->h.kind = kind;
	t->h.generation = 1 + below(1 << 30);
	t->h.lease_ms = kind == SLUICE_TREE_PLACE ? 0 : 10 + below(599991);
	for (i = 0; i < n_nodes; i++) {
		struct sluice_tree_node *n = &t->cell[i].node;

		n->feature = below(features);
		n->threshold = scattered();
		n->left = n_nodes + below(n_actions);
		n->right = n_nodes + below(n_actions);
		/* Hang it below an earlier node, where an action still is. */
		while (i) {
			struct sluice_tree_node *parent = &t->cell[below(i)].node;
			__u16 *child = below(2) ? &parent->left : &parent->right;

			if (*child < n_nodes)
				continue;
			*child = i;
			break;
		}
	}
	for (i = n_nodes; i < n_nodes + n_actions; i++) {
		struct sluice_tree_action *a = &t->cell[i].action;

		if (kind == SLUICE_TREE_PLACE) {
			t->cell[i].place.choice = below(SLUICE_PLACE_NR);
			continue;
		}
		a->qth_min = below(1 << 20);
		a->qth_max = a->qth_min + below(1 << 20);
		a->max_p = below(1000001);
	}
	sluice_tree_seal(t);
}

static uint32_t interesting(void)
{
	static const uint32_t value[] = { 0, 1, 2, 9, 10, SLUICE_TREE_F_NR, SLUICE_PLACE_F_NR, 338, 339, 340, 0x7fff,
					  0xffff, 600001, 1000001, 0x7fffffff, UINT32_MAX };

	return below(2) ? value[below(sizeof(value) / sizeof(value[0]))] : random32();
}

/* Returns the size the block is presented with. */
static uint32_t damage(struct sluice_tree *t)
{
	unsigned char *byte = (unsigned char *)t;
	uint32_t size = t->h.size, n = below(4), i;

	for (i = 0; i < n; i++) {
		uint32_t at = below(4) ? below(size) : below(sizeof(t->h)), value = interesting();

		switch (below(3)) {
		case 0:
			byte[at] ^= 1u << below(8);
			break;
		case 1:
			memcpy(&byte[at & ~1u], &value, 2);
			break;
		default:
			memcpy(&byte[at & ~3u], &value, 4);
		}
	}
	if (!below(8))
		return below(sizeof(*t) + 1);
	if (!below(64)) {
		t->h.n_nodes = t->h.n_actions = 0;
		sluice_tree_seal(t);
		return t->h.size;
	}
	/* What the checksum would hide. */
	if (below(8) && t->h.size <= sizeof(*t))
		t->h.checksum = sluice_tree_checksum(t, t->h.size);
	return size;
}

int main(int argc, char **argv)
{
	static const char *const name[] = {
#define X(name, err, text) #name,
		SLUICE_TREE_ERRORS(X)
#undef X
	};
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000, i;
	unsigned long count[SLUICE_TREE_E_NR] = { 0 };
	int missing = 0, e;

	if (argc > 2)
		rng = strtoul(argv[2], NULL, 10);
	for (i = 0; i < rounds; i++) {
		const enum sluice_tree_kind kind = i % 2 ? SLUICE_TREE_PLACE : SLUICE_TREE_QUEUE;
		struct sluice_tree t;
		int n_nodes = below(4) ? below(40) : below(SLUICE_TREE_MAX_CELLS);
		int n_actions = 1 + below(below(4) ? 20 : SLUICE_TREE_MAX_CELLS - n_nodes);

		if (n_nodes + n_actions > (int)SLUICE_TREE_MAX_CELLS)
			continue;
		plant(&t, n_nodes, n_actions, kind);
		e = one(&t, t.h.size, kind);
		check(e == SLUICE_TREE_E_OK || e == SLUICE_TREE_E_DEPTH);
		check(one(&t, t.h.size, !kind) == SLUICE_TREE_E_KIND);
		count[one(&t, damage(&t), kind)]++;
	}
	printf("1..1\n");
	for (e = 0; e < SLUICE_TREE_E_NR; e++) {
		printf("# %lu %s\n", count[e], name[e]);
		missing += !count[e];
	}
	/* A run that never met an answer has not tested it. */
	printf("%s 1 - %lu damaged trees, every answer of the validator met\n",
	       missing ? "not ok" : "ok", rounds);
	return missing ? 1 : 0;
}
#endif
