/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The decision tree of the fast tier: its format, its features, its validation
 * and its evaluation, as integer code that the kernel module, BPF programs, the
 * daemon and the tests compile from this one source.
 *
 * The idea. What a network learned can be distilled into a decision tree that
 * imitates it (Bastani et al., "Verifiable Reinforcement Learning via Policy
 * Extraction", NeurIPS 2018; for systems, Meng et al., "Interpreting Deep
 * Learning-Based Networking Systems", SIGCOMM 2020). A tree needs no floating
 * point and no multiplication, it takes at most SLUICE_TREE_MAX_DEPTH
 * comparisons, and all it can ever answer stands in its leaves. So whoever runs
 * it in the packet path can check it once, when it is loaded, and then trusts it.
 *
 * Layout. A tree is one block of at most 4096 bytes, so that one write() hands
 * it over as a whole and a BPF map value holds it: a header of 28 bytes, then
 * cells of 12 bytes with one numbering. The first n_nodes cells are nodes, the
 * n_actions cells after them are actions, so a child's number says what it is:
 *
 *	cell 0		     node: the root (an action, if n_nodes is 0)
 *	cell 1 ..	     nodes
 *	cell n_nodes ..	     actions: a triple for include/sluice/aqm.h
 *
 * A block without cells is not a tree; to the qdisc it speaks about the one that is
 * loaded (linux/sluice.h).
 *
 * Kinds. A tree of kind QUEUE chooses a queue's triple; it is what this file is
 * about. One of kind PLACE chooses where a flow goes: its features, its
 * actions and its rules are in include/sluice/place.h. They share the format, the
 * checks of its shape and the walk. Who runs one kind refuses the other.
 *
 * A node compares one feature with its threshold:
 *
 *	next = feature <= threshold ? left : right
 *
 * A child that is a node has a larger number than its parent, so there can be no
 * cycle, and it has no other parent. Actions may be shared. Fields are in host
 * order: a tree is made for the machine that runs it, and the magic number of
 * another byte order is refused.
 *
 * Checksum. FNV-1a (Fowler, Noll, Vo) taken over 32-bit words instead of bytes.
 * It shall find a torn or corrupted block, not a forged one: who can write a tree
 * needs no forgery. Each step is a bijection of the sum and of the word, so
 * a change of one word is always found. A CRC would find as much, but kernel, BPF
 * and user space have no common one, and this is four lines.
 *
 * Features are unsigned 32-bit integers, rounded down to whole units and
 * saturated. They are a function of the queue's own counters, by
 * sluice_tree_features() below, so that a teacher in user space and the kernel
 * quantise in the same way. Their numbers are part of the format: appending one
 * is compatible, any other change takes a new SLUICE_TREE_VERSION.
 */
#ifndef SLUICE_TREE_H
#define SLUICE_TREE_H

#include <linux/errno.h>
#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/math64.h>
#define sluice_tree_div(n, d)	div64_u64(n, d)
#else
#include <stdbool.h>
#define sluice_tree_div(n, d)	((__u64)(n) / (d))
#endif

#define SLUICE_TREE_MAGIC	0x45455254	/* "TREE" in memory order, little-endian */
#define SLUICE_TREE_VERSION	1
#define SLUICE_TREE_MAX_DEPTH	20		/* comparisons on one path */
#define SLUICE_TREE_MAX_SIZE	4096
#define SLUICE_TREE_PPM		1000000u

/*
 * X(name, unit, maximum, description). "Over the interval" means since the
 * previous evaluation.
 */
#define SLUICE_TREE_FEATURES(X)							\
	X(backlog, "bytes", 0xffffffffu, "backlog now")				\
	X(backlog_avg, "bytes", 0xffffffffu, "average backlog over the interval") \
	X(rate, "bytes/ms", 0xffffffffu, "bytes dequeued over the interval")	\
	X(busy, "ppm", SLUICE_TREE_PPM, "part of the interval with a backlog")	\
	X(marked, "ppm", SLUICE_TREE_PPM, "bytes marked CE per byte dequeued")	\
	X(sojourn_avg, "us", 0xffffffffu, "average wait, 0 when not measured")	\
	X(drops, "packets", 0xffffffffu, "drops at a limit over the interval")	\
	X(qth_min, "bytes", 0xffffffffu, "the triple in force")			\
	X(qth_max, "bytes", 0xffffffffu, "the triple in force")			\
	X(max_p, "ppm", SLUICE_TREE_PPM, "the triple in force")

enum sluice_tree_kind {
	SLUICE_TREE_QUEUE,
	SLUICE_TREE_PLACE,
};

enum sluice_tree_feature {
#define X(name, unit, max, text) SLUICE_TREE_F_##name,
	SLUICE_TREE_FEATURES(X)
#undef X
	SLUICE_TREE_F_NR,
};

struct sluice_tree_header {
	__u32 magic;		/* SLUICE_TREE_MAGIC */
	__u32 checksum;		/* of all that follows */
	__u16 version;		/* SLUICE_TREE_VERSION */
	__u16 n_nodes;
	__u16 n_actions;	/* at least 1 */
	__u16 kind;		/* enum sluice_tree_kind */
	__u32 size;		/* bytes, header included */
	__u32 generation;	/* the maker's; counters report it */
	__u32 lease_ms;		/* how long the tree may decide after it was loaded */
};

struct sluice_tree_node {
	__u32 threshold;
	__u16 left;		/* cell when feature <= threshold */
	__u16 right;		/* cell when feature > threshold */
	__u16 feature;		/* enum sluice_tree_feature, or the kind's own */
	__u16 pad;		/* 0 */
};

struct sluice_tree_action {
	__u32 qth_min;		/* bytes */
	__u32 qth_max;		/* bytes */
	__u32 max_p;		/* ppm */
};

struct sluice_tree_place {
	__u32 choice;		/* enum sluice_place_choice */
	__u32 pad[2];		/* 0 */
};

union sluice_tree_cell {
	struct sluice_tree_node node;
	struct sluice_tree_action action;	/* of kind QUEUE */
	struct sluice_tree_place place;		/* of kind PLACE */
};

#define SLUICE_TREE_MAX_CELLS							\
	((SLUICE_TREE_MAX_SIZE - sizeof(struct sluice_tree_header)) /		\
	 sizeof(union sluice_tree_cell))

/* The block itself; only the first header.size bytes of it need to exist. */
struct sluice_tree {
	struct sluice_tree_header h;
	union sluice_tree_cell cell[SLUICE_TREE_MAX_CELLS];
};

_Static_assert(sizeof(struct sluice_tree_header) == 28, "the tree's layout has changed");
_Static_assert(sizeof(union sluice_tree_cell) == 12, "the tree's layout has changed");
_Static_assert(sizeof(struct sluice_tree) == SLUICE_TREE_MAX_SIZE, "a tree fills its block");

/* What an action may be; all bounds inclusive. qth_min <= qth_max is required anyway. */
struct sluice_tree_clamps {
	__u32 qth_lo;		/* of both thresholds */
	__u32 qth_hi;
	__u32 max_p_lo;
	__u32 max_p_hi;
	__u32 lease_ms_lo;
	__u32 lease_ms_hi;
};

/* --- validation ----------------------------------------------------------- */

/*
 * Why a tree is refused: X(name, errno, sentence). The kernel can only answer with
 * the errno, so mistakes that want different remedies have different ones.
 */
#define SLUICE_TREE_ERRORS(X)							\
	X(OK, 0, "the tree is valid")						\
	X(SIZE, EMSGSIZE, "the block is too large or not as large as its header says") \
	X(MAGIC, EINVAL, "not a tree, or of another byte order")		\
	X(VERSION, EPROTO, "the tree is of another version of the format")	\
	X(KIND, EMEDIUMTYPE, "the tree is of another kind: it decides about something else") \
	X(CHECKSUM, EBADMSG, "the checksum is wrong: the tree is torn or corrupted") \
	X(RESERVED, EINVAL, "a reserved field is not 0")			\
	X(EMPTY, ENODATA, "the tree has no action")				\
	X(LEASE, ERANGE, "the lease is out of range")				\
	X(GENERATION, ERANGE, "the generation is 0, which stands for no tree")	\
	X(FEATURE, EDOM, "a node asks for a feature that does not exist")	\
	X(CHILD, EINVAL, "a child is outside of the tree")			\
	X(CYCLE, ELOOP, "a node is its own child's child, or has two parents")	\
	X(ORPHAN, EINVAL, "a node has no parent")				\
	X(DEPTH, E2BIG, "the tree is too deep")					\
	X(CLAMP, ERANGE, "an action is out of bounds")

enum sluice_tree_error {
#define X(name, err, text) SLUICE_TREE_E_##name,
	SLUICE_TREE_ERRORS(X)
#undef X
	SLUICE_TREE_E_NR,
};

/* The negative errno of an error. */
static inline int sluice_tree_errno(enum sluice_tree_error error)
{
	switch (error) {
#define X(name, err, text) case SLUICE_TREE_E_##name: return -(err);
	SLUICE_TREE_ERRORS(X)
#undef X
	default:
		return -EINVAL;
	}
}

static inline __u32 sluice_tree_size(__u32 n_nodes, __u32 n_actions)
{
	return sizeof(struct sluice_tree_header) +
	       (n_nodes + n_actions) * sizeof(union sluice_tree_cell);
}

/* "size" is a multiple of 4. */
static inline __u32 sluice_tree_checksum(const struct sluice_tree *t, __u32 size)
{
	const __u32 *word = (const __u32 *)t;
	__u32 sum = 2166136261u;
	__u32 i;

	for (i = 2; i < size / sizeof(*word); i++)
		sum = (sum ^ word[i]) * 16777619u;
	return sum;
}

/* Completes a header whose counts, kind, generation and lease are set. */
static inline void sluice_tree_seal(struct sluice_tree *t)
{
	t->h.magic = SLUICE_TREE_MAGIC;
	t->h.version = SLUICE_TREE_VERSION;
	t->h.size = sluice_tree_size(t->h.n_nodes, t->h.n_actions);
	t->h.checksum = sluice_tree_checksum(t, t->h.size);
}

/*
 * Checks that a block of "size" bytes is what its maker sealed, for a tree of the kind.
 * It reads nothing beyond the block. A block of a header alone, without cells,
 * passes: it speaks about a tree that was loaded before.
 */
static inline enum sluice_tree_error
sluice_tree_validate_block_of(const struct sluice_tree *t, __u32 size, enum sluice_tree_kind kind)
{
	if (size < sizeof(t->h) || size > SLUICE_TREE_MAX_SIZE)
		return SLUICE_TREE_E_SIZE;
	if (t->h.magic != SLUICE_TREE_MAGIC)
		return SLUICE_TREE_E_MAGIC;
	if (t->h.version != SLUICE_TREE_VERSION)
		return SLUICE_TREE_E_VERSION;
	if (t->h.size != size || sluice_tree_size(t->h.n_nodes, t->h.n_actions) != size)
		return SLUICE_TREE_E_SIZE;
	if (t->h.checksum != sluice_tree_checksum(t, size))
		return SLUICE_TREE_E_CHECKSUM;
	return t->h.kind == kind ? SLUICE_TREE_E_OK : SLUICE_TREE_E_KIND;
}

static inline enum sluice_tree_error
sluice_tree_validate_block(const struct sluice_tree *t, __u32 size)
{
	return sluice_tree_validate_block_of(t, size, SLUICE_TREE_QUEUE);
}

/*
 * Parents come before their children, so one pass finds each node's depth (the
 * comparisons down to and including it); 0 means that no parent was seen. All that
 * the pass is beyond have one, so a child that leads back is found, too.
 */
static inline enum sluice_tree_error sluice_tree_validate_shape(const struct sluice_tree *t,
								__u32 n_features)
{
	const __u32 n_cells = t->h.n_nodes + t->h.n_actions;
	__u8 depth[SLUICE_TREE_MAX_CELLS];
	__u32 i, side;

	__builtin_memset(depth, 0, sizeof(depth));
	depth[0] = 1;
	for (i = 0; i < t->h.n_nodes; i++) {
		const struct sluice_tree_node *n = &t->cell[i].node;

		if (!depth[i])
			return SLUICE_TREE_E_ORPHAN;
		if (depth[i] > SLUICE_TREE_MAX_DEPTH)
			return SLUICE_TREE_E_DEPTH;
		if (n->pad)
			return SLUICE_TREE_E_RESERVED;
		if (n->feature >= n_features)
			return SLUICE_TREE_E_FEATURE;
		for (side = 0; side < 2; side++) {
			__u32 child = side ? n->right : n->left;

			if (child >= n_cells)
				return SLUICE_TREE_E_CHILD;
			if (child >= t->h.n_nodes)
				continue;
			if (depth[child])
				return SLUICE_TREE_E_CYCLE;
			depth[child] = depth[i] + 1;
		}
	}
	return SLUICE_TREE_E_OK;
}

static inline bool sluice_tree_action_ok(const struct sluice_tree_action *a,
					 const struct sluice_tree_clamps *c)
{
	return a->qth_min >= c->qth_lo && a->qth_min <= a->qth_max && a->qth_max <= c->qth_hi &&
	       a->max_p >= c->max_p_lo && a->max_p <= c->max_p_hi;
}

/*
 * Everything. The block must not change meanwhile or afterwards: check a copy. It
 * uses 340 bytes of stack.
 */
static inline enum sluice_tree_error sluice_tree_validate(const struct sluice_tree *t, __u32 size,
							  const struct sluice_tree_clamps *c)
{
	enum sluice_tree_error error;
	__u32 i;

	error = sluice_tree_validate_block(t, size);
	if (error)
		return error;
	if (!t->h.n_actions)
		return SLUICE_TREE_E_EMPTY;
	if (t->h.lease_ms < c->lease_ms_lo || t->h.lease_ms > c->lease_ms_hi)
		return SLUICE_TREE_E_LEASE;
	error = sluice_tree_validate_shape(t, SLUICE_TREE_F_NR);
	if (error)
		return error;
	for (i = t->h.n_nodes; i < (__u32)t->h.n_nodes + t->h.n_actions; i++) {
		if (!sluice_tree_action_ok(&t->cell[i].action, c))
			return SLUICE_TREE_E_CLAMP;
	}
	return SLUICE_TREE_E_OK;
}

/* --- evaluation ----------------------------------------------------------- */

/*
 * The cell of the action for these features. It is an action of a validated
 * tree; of any other it may be nonsense, but every read stays inside "t", which
 * is what the BPF verifier asks for. (It also wants 64-bit indices: it loses a
 * bound when the compiler clears the upper half of a register after the test.)
 */
static inline __u32 sluice_tree_walk_of(const struct sluice_tree *t, const __u32 *feature,
					__u32 n_features)
{
	__u64 i = 0, f;
	__u32 step;

	for (step = 0; step < SLUICE_TREE_MAX_DEPTH; step++) {
		const struct sluice_tree_node *n;

		if (i >= t->h.n_nodes || i >= SLUICE_TREE_MAX_CELLS)
			break;
		n = &t->cell[i].node;
		f = n->feature;
		if (f >= n_features)
			break;
		i = feature[f] <= n->threshold ? n->left : n->right;
	}
	return i;
}

static inline __u32 sluice_tree_walk(const struct sluice_tree *t,
				     const __u32 feature[SLUICE_TREE_F_NR])
{
	return sluice_tree_walk_of(t, feature, SLUICE_TREE_F_NR);
}

/*
 * What a queue did over an interval: differences of its counters, and its state
 * at the end. The names and units are those of struct sluice_qdisc_stats.
 */
struct sluice_tree_sample {
	__u64 elapsed_ns;
	__u64 bytes;
	__u64 ce_bytes;
	__u64 limit_drops;
	__u64 backlog_byte_us;
	__u64 backlogged_ns;
	__u64 sojourn_samples;
	__u64 sojourn_sum_ns;
	__u32 backlog_bytes;
	__u32 qth_min;
	__u32 qth_max;
	__u32 max_p;
};

/*
 * num * mul / den, rounded down and saturated at max; mul <= 10^6; 0 if den is.
 * Exact for den below 2^44 (as a time, 4.8 hours in ns); beyond that, to one part
 * in 2^24.
 */
static inline __u32 sluice_tree_ratio(__u64 num, __u32 mul, __u64 den, __u32 max)
{
	__u64 whole, rest;

	if (!den)
		return 0;
	whole = sluice_tree_div(num, den);
	if (whole >= max)
		return max;
	rest = num - whole * den;
	if (den >> 44) {
		rest >>= 20;
		den >>= 20;
	}
	whole = whole * mul + sluice_tree_div(rest * mul, den);
	return whole < max ? whole : max;
}

static inline void sluice_tree_features(const struct sluice_tree_sample *s,
					__u32 feature[SLUICE_TREE_F_NR])
{
	const __u32 any = 0xffffffffu;

	feature[SLUICE_TREE_F_backlog] = s->backlog_bytes;
	feature[SLUICE_TREE_F_backlog_avg] =
		sluice_tree_ratio(s->backlog_byte_us, 1000, s->elapsed_ns, any);
	feature[SLUICE_TREE_F_rate] = sluice_tree_ratio(s->bytes, 1000000, s->elapsed_ns, any);
	feature[SLUICE_TREE_F_busy] =
		sluice_tree_ratio(s->backlogged_ns, SLUICE_TREE_PPM, s->elapsed_ns, SLUICE_TREE_PPM);
	feature[SLUICE_TREE_F_marked] =
		sluice_tree_ratio(s->ce_bytes, SLUICE_TREE_PPM, s->bytes, SLUICE_TREE_PPM);
	feature[SLUICE_TREE_F_sojourn_avg] =
		sluice_tree_ratio(sluice_tree_div(s->sojourn_sum_ns, 1000), 1, s->sojourn_samples,
				  any);
	feature[SLUICE_TREE_F_drops] = s->limit_drops < any ? s->limit_drops : any;
	feature[SLUICE_TREE_F_qth_min] = s->qth_min;
	feature[SLUICE_TREE_F_qth_max] = s->qth_max;
	feature[SLUICE_TREE_F_max_p] = s->max_p;
}

#endif /* SLUICE_TREE_H */
