// SPDX-License-Identifier: GPL-2.0
/*
 * Makes random trees and states and compares what the kernel computes of them (the test module
 * selftests/kunit/sluice_eval.c) with what this program does, by the shared code and, where that
 * is exact, by a recursive walk and 128-bit arithmetic that share nothing with it.
 *
 *	eval_trees FILE TREES SEED		random trees, with STATES states each
 *	eval_trees FILE DIR STATES SEED		one tree, that of record_states, with the states
 *						it recorded and so many at random, many at its thresholds
 *
 * Prints "trees=N refused=N states=N cells=N", where cells counts the different actions found
 * per tree (of one tree, in each request), or the first difference.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/sluice.h>
#include <kunit/sluice_eval.h>

#define U32_MAX UINT32_MAX
#define DEEPEST SLUICE_TREE_MAX_DEPTH
#define STATES 32

static uint64_t seed;

static uint32_t random_u32(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed >> 32;
}

static uint32_t below(uint32_t n) { return (uint64_t)random_u32() * n >> 32; }

/* Small numbers as likely as large ones. */
static uint64_t any_scale(unsigned int bits)
{
	uint64_t value = (uint64_t)random_u32() << 32 | random_u32();

	return value >> (64 - 1 - below(bits));
}

/* --- making ----------------------------------------------------------------- */

static void random_state(struct sluice_tree_sample *s)
{
	s->elapsed_ns = any_scale(44);
	s->bytes = any_scale(40);
	s->ce_bytes = below(4) ? any_scale(40) % (s->bytes + 1) : any_scale(40);
	s->limit_drops = below(2) ? 0 : any_scale(40);
	s->backlog_byte_us = any_scale(60);
	s->backlogged_ns = below(4) ? any_scale(44) % (s->elapsed_ns + 1) : any_scale(44);
	s->sojourn_samples = below(4) ? any_scale(30) : 0;
	s->sojourn_sum_ns = any_scale(60);
	s->backlog_bytes = any_scale(32);
	s->qth_min = any_scale(31);
	s->qth_max = any_scale(31);
	s->max_p = below(1000001);
	if (!below(8))		/* beyond what is exact, and all that wraps */
		s->elapsed_ns = any_scale(64), s->bytes = any_scale(64);
}

static void random_action(struct sluice_tree_action *a, const struct sluice_tree_clamps *c)
{
	uint32_t x = c->qth_lo + below(c->qth_hi - c->qth_lo + 1);
	uint32_t y = c->qth_lo + any_scale(31) % (c->qth_hi - c->qth_lo + 1);

	a->qth_min = x < y ? x : y;
	a->qth_max = below(8) ? (x < y ? y : x) : a->qth_min;
	a->max_p = c->max_p_lo + below(c->max_p_hi - c->max_p_lo + 1);
}

/* Often just where the states are, so that walks go both ways and meet both sides. */
static uint32_t random_threshold(const struct sluice_eval_request *req, unsigned int feature)
{
	uint32_t f[SLUICE_TREE_F_NR];

	if (!below(4))
		return any_scale(32);
	sluice_tree_features(&req->state[below(req->n_states)], f);
	return f[feature] + below(3) - 1;
}

/*
 * Each node takes the place of a random child among those that are still open, so shapes range
 * from chains to bushes; then the open ones become actions.
 */
static void random_tree(struct sluice_eval_request *req)
{
	struct { uint16_t *child; unsigned int depth; } open[SLUICE_TREE_MAX_CELLS + 1];
	struct sluice_tree *t = &req->block;
	unsigned int n_open = 0, i, k, nodes = below(4) ? below(60) : below(SLUICE_TREE_MAX_CELLS);
	const int deep = below(2);

	memset(t, 0, sizeof(*t));
	t->h.generation = random_u32();
	t->h.lease_ms = SLUICE_LEASE_MS_MIN + below(SLUICE_LEASE_MS_MAX - SLUICE_LEASE_MS_MIN + 1);
	for (i = 0; i < nodes; i++) {
		struct sluice_tree_node *n = &t->cell[i].node;
		unsigned int depth = 1;

		if (i) {
			k = deep && below(8) ? n_open - 1 : below(n_open);
			depth = open[k].depth + 1;
			if (depth > DEEPEST)
				break;
			*open[k].child = i;
			open[k] = open[--n_open];
		}
		n->feature = below(SLUICE_TREE_F_NR);
		n->threshold = random_threshold(req, n->feature);
		open[n_open].child = &n->left, open[n_open++].depth = depth;
		open[n_open].child = &n->right, open[n_open++].depth = depth;
	}
	t->h.n_nodes = i;
	t->h.n_actions = 1 + below(SLUICE_TREE_MAX_CELLS - i);
	for (k = 0; k < n_open; k++)
		*open[k].child = i + below(t->h.n_actions);
	for (k = 0; k < t->h.n_actions; k++)
		random_action(&t->cell[i + k].action, &req->clamps);
	sluice_tree_seal(t);
	req->size = t->h.size;
}

/* One change that makes most trees invalid, sealed or not. */
static void damage(struct sluice_eval_request *req)
{
	struct sluice_tree *t = &req->block;
	unsigned int cell = below(t->h.n_nodes + t->h.n_actions);
	unsigned char *byte = (unsigned char *)t;

	switch (below(4)) {
	case 0:
		byte[below(t->h.size)] ^= 1u << below(8);
		return;
	case 1:
		req->size = below(2) ? below(SLUICE_TREE_MAX_SIZE + 100) : random_u32();
		return;
	case 2:
		byte[sizeof(t->h) + cell * sizeof(t->cell[0]) + below(sizeof(t->cell[0]))] =
			random_u32();
		break;
	case 3:
		if (below(2))
			t->h.lease_ms = random_u32();
		else if (t->h.n_nodes)
			t->cell[below(t->h.n_nodes)].node.right = below(t->h.n_nodes + 2);
		break;
	}
	sluice_tree_seal(t);
}

/* --- the reference -------------------------------------------------------------- */

static uint32_t ratio(uint64_t num, uint32_t mul, uint64_t den, uint32_t max)
{
	unsigned __int128 q = den ? (unsigned __int128)num * mul / den : 0;

	return q > max ? max : (uint32_t)q;
}

static bool features_exact(const struct sluice_tree_sample *s)
{
	return !(s->elapsed_ns >> 44) && !(s->bytes >> 44) && !(s->sojourn_samples >> 44);
}

static void reference_features(const struct sluice_tree_sample *s, uint32_t f[])
{
	f[SLUICE_TREE_F_backlog] = s->backlog_bytes;
	f[SLUICE_TREE_F_backlog_avg] = ratio(s->backlog_byte_us, 1000, s->elapsed_ns, U32_MAX);
	f[SLUICE_TREE_F_rate] = ratio(s->bytes, 1000000, s->elapsed_ns, U32_MAX);
	f[SLUICE_TREE_F_busy] = ratio(s->backlogged_ns, 1000000, s->elapsed_ns, 1000000);
	f[SLUICE_TREE_F_marked] = ratio(s->ce_bytes, 1000000, s->bytes, 1000000);
	f[SLUICE_TREE_F_sojourn_avg] = ratio(s->sojourn_sum_ns / 1000, 1, s->sojourn_samples, U32_MAX);
	f[SLUICE_TREE_F_drops] = ratio(s->limit_drops, 1, 1, U32_MAX);
	f[SLUICE_TREE_F_qth_min] = s->qth_min;
	f[SLUICE_TREE_F_qth_max] = s->qth_max;
	f[SLUICE_TREE_F_max_p] = s->max_p;
}

static uint32_t reference_walk(const struct sluice_tree *t, uint32_t cell, const uint32_t f[])
{
	const struct sluice_tree_node *n = &t->cell[cell].node;

	if (cell >= t->h.n_nodes)
		return cell;
	return reference_walk(t, f[n->feature] > n->threshold ? n->right : n->left, f);
}

/* --- comparing -------------------------------------------------------------------- */

static const char *compare(const struct sluice_eval_request *req,
			   const struct sluice_eval_answer *kernel, unsigned int *state)
{
	static struct sluice_eval_answer user;
	uint32_t f[SLUICE_TREE_F_NR];

	*state = 0;
	sluice_eval(req, &user);
	if (kernel->error != user.error)
		return "error";
	if (kernel->n_states != user.n_states)
		return "number of rows";
	for (; *state < user.n_states; ++*state) {
		const struct sluice_eval_row *k = &kernel->row[*state], *u = &user.row[*state];
		const struct sluice_tree_sample *s = &req->state[*state];

		reference_features(s, f);
		if (memcmp(k->feature, u->feature, sizeof(u->feature)))
			return "features";
		if (features_exact(s) && memcmp(k->feature, f, sizeof(f)))
			return "features, as the reference has them";
		if (k->cell != u->cell || k->cell != reference_walk(&req->block, 0, k->feature))
			return "cell";
		if (memcmp(&k->action, &req->block.cell[k->cell].action, sizeof(k->action)))
			return "triple";
		if (k->slope != u->slope || k->probability != u->probability)
			return "probability";
	}
	return NULL;
}

static unsigned int count_cells(const struct sluice_eval_answer *ans)
{
	unsigned char seen[SLUICE_TREE_MAX_CELLS] = { 0 };
	unsigned int i, n = 0;

	for (i = 0; i < ans->n_states; i++)
		n += !seen[ans->row[i].cell], seen[ans->row[i].cell] = 1;
	return n;
}

struct count {
	unsigned int trees, refused, states, cells;
};

static struct sluice_eval_request req;
static struct sluice_eval_answer ans;

/* A request as it stands; false: it was said what is wrong. */
static bool ask(int fd, struct count *count)
{
	const ssize_t size = SLUICE_EVAL_REQUEST_SIZE(req.n_states);
	const char *differs;
	unsigned int state;

	ans = (struct sluice_eval_answer){ 0 };
	if (write(fd, &req, size) != size || pread(fd, &ans, sizeof(ans), 0) < 0) {
		printf("tree %u: %s\n", count->trees, strerror(errno));
		return false;
	}
	differs = compare(&req, &ans, &state);
	if (differs) {
		printf("tree %u, state %u: %s\n", count->trees, count->states + state, differs);
		return false;
	}
	count->refused += ans.error != SLUICE_TREE_E_OK;
	count->states += ans.n_states;
	count->cells += count_cells(&ans);
	return true;
}

static bool ask_random_trees(int fd, unsigned int trees, struct count *count)
{
	req.n_states = STATES;
	for (; count->trees < trees; count->trees++) {
		for (unsigned int k = 0; k < req.n_states; k++)
			random_state(&req.state[k]);
		random_tree(&req);
		if (!below(4))
			damage(&req);
		if (!ask(fd, count))
			return false;
	}
	return true;
}

/* The smallest sample of a second at a threshold of the tree, or just beside it. */
static void state_at_threshold(const struct sluice_tree *t, struct sluice_tree_sample *s)
{
	const struct sluice_tree_node *n = &t->cell[below(t->h.n_nodes)].node;
	const uint64_t at = (uint64_t)n->threshold + below(3) - 1;

	s->elapsed_ns = 1000000000;
	switch (n->feature) {
	case SLUICE_TREE_F_backlog_avg:
		s->backlog_byte_us = at * 1000000;
		break;
	case SLUICE_TREE_F_rate:
		s->bytes = at * 1000;
		break;
	case SLUICE_TREE_F_busy:
		s->backlogged_ns = at * 1000;
		break;
	case SLUICE_TREE_F_marked:
		s->bytes = 1000000;
		s->ce_bytes = at;
		break;
	case SLUICE_TREE_F_qth_min:
		s->qth_min = at;
		break;
	}
}

static bool ask_states(int fd, FILE *recorded, unsigned int random, struct count *count)
{
	count->trees = 1;
	for (unsigned int done = 0; done < random; done += req.n_states) {
		req.n_states = random - done < SLUICE_EVAL_STATES ? random - done :
								    SLUICE_EVAL_STATES;
		for (unsigned int k = 0; k < req.n_states; k++) {
			random_state(&req.state[k]);
			if (req.block.h.n_nodes && below(2))
				state_at_threshold(&req.block, &req.state[k]);
		}
		if (!ask(fd, count))
			return false;
	}
	while ((req.n_states = fread(req.state, sizeof(*req.state), SLUICE_EVAL_STATES,
				     recorded)) > 0)
		if (!ask(fd, count))
			return false;
	return true;
}

static FILE *open_in(const char *dir, const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		printf("%s: %s\n", path, strerror(errno));
	return f;
}

static bool ask_recorded(int fd, const char *dir, unsigned int random, struct count *count)
{
	FILE *tree = open_in(dir, "tree"), *states = open_in(dir, "states");
	bool ok = tree && states;

	if (ok) {
		req.size = fread(&req.block, 1, sizeof(req.block), tree);
		ok = ask_states(fd, states, random, count);
	}
	if (tree)
		fclose(tree);
	if (states)
		fclose(states);
	return ok;
}

int main(int argc, char **argv)
{
	struct count count = { 0 };
	int fd;

	if (argc != 4 && argc != 5)
		return 2;
	seed = strtoul(argv[argc - 1], NULL, 10);
	fd = open(argv[1], O_RDWR);
	if (fd < 0) {
		printf("%s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	req.clamps.qth_hi = 4000000;
	req.clamps.max_p_hi = 1000000;
	req.clamps.lease_ms_lo = SLUICE_LEASE_MS_MIN;
	req.clamps.lease_ms_hi = SLUICE_LEASE_MS_MAX;
	if (!(argc == 4 ? ask_random_trees(fd, strtoul(argv[2], NULL, 10), &count) :
	      ask_recorded(fd, argv[2], strtoul(argv[3], NULL, 10), &count)))
		return 1;
	printf("trees=%u refused=%u states=%u cells=%u\n", count.trees, count.refused,
	       count.states, count.cells);
	return 0;
}
