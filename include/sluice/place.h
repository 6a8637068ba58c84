/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where a newly admitted flow goes: trees of kind PLACE (include/sluice/tree.h), their
 * features, their actions and who the candidates are. Integer code that the
 * XDP program, the simulator of receiving CPUs, the daemon and the tests compile
 * from this one source.
 *
 * The question. A flow that becomes known is served by some CPU already: the one
 * that its bucket wants, its *home*. There its packets meet those of the other
 * direction, and to stay costs nothing. The tree says whether it is better off on
 * an *other* CPU.
 *
 * Which other one, is no question for a tree: all flows that are admitted between two
 * looks of the daemon see the same loads, and if each took the CPU that is least
 * loaded they would all go there. So the flow's hash draws two of the targets,
 * and the less loaded of these is the other ("power of two choices": Mitzenmacher,
 * "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 2001, whose
 * result for stale loads, "How Useful Is Old Information?", IEEE TPDS 2000, is the
 * case here). The program beside that counts the flows that it has put on each CPU
 * since the loads were published, and reckons with them.
 *
 * The two directions of a connection have the same hash, and so the same candidates;
 * but they are admitted one after the other, and the tree may answer differently.
 *
 * Features are unsigned 32-bit integers. Their numbers are part of the format:
 * appending one is compatible, any other change takes a new SLUICE_TREE_VERSION.
 *
 * The lease of such a tree is that of the tables, so its header says lease_ms 0. Its
 * generation is not 0, which stands for no tree.
 */
#ifndef SLUICE_PLACE_H
#define SLUICE_PLACE_H

#include <sluice/tree.h>

#define SLUICE_PLACE_QUEUE_MAX	0xffffu		/* packets; more are not told apart */
#define SLUICE_PLACE_FRESH_MAX	0xffffu		/* flows */

/* X(name, unit, maximum, description) */
#define SLUICE_PLACE_FEATURES(X)						\
	X(home_load, "ppm", SLUICE_TREE_PPM, "CPU time used, as published")	\
	X(home_queue, "packets", SLUICE_PLACE_QUEUE_MAX, "in the ring now")	\
	X(home_fresh, "flows", SLUICE_PLACE_FRESH_MAX, "put there since the load was published") \
	X(other_load, "ppm", SLUICE_TREE_PPM, "the same of the other CPU")	\
	X(other_queue, "packets", SLUICE_PLACE_QUEUE_MAX, "the same of the other CPU") \
	X(other_fresh, "flows", SLUICE_PLACE_FRESH_MAX, "the same of the other CPU") \
	X(mean_load, "ppm", SLUICE_TREE_PPM, "of all targets, as published")	\
	X(length, "bytes", 0xffffu, "the IP packet that made the flow known")	\
	X(proto, "number", 0xffu, "IPPROTO_* of the flow")			\
	X(port, "number", 0xffffu, "the lower port of both, 0 without ports")	\
	X(dscp, "number", 63u, "of that packet")				\
	X(tcp_flags, "bits", 0xffu, "of that packet")				\
	X(family, "number", 6u, "4 or 6")

enum sluice_place_feature {
#define X(name, unit, max, text) SLUICE_PLACE_F_##name,
	SLUICE_PLACE_FEATURES(X)
#undef X
	SLUICE_PLACE_F_NR,
};

/* X(NAME, name, text) */
#define SLUICE_PLACE_CHOICES(X)							\
	X(HOME, home, "the flow stays with its bucket")				\
	X(OTHER, other, "the flow goes to the less loaded of two other targets")

enum sluice_place_choice {
#define X(NAME, name, text) SLUICE_PLACE_##NAME,
	SLUICE_PLACE_CHOICES(X)
#undef X
	SLUICE_PLACE_NR,
};

/* What is known of a CPU. */
struct sluice_place_cpu {
	__u32 load;		/* as the features of these names */
	__u32 queue;
	__u32 fresh;
};

/* What is known of the flow, from its key and the packet at hand. */
struct sluice_place_flow {
	__u16 length;
	__u16 sport;		/* in host order */
	__u16 dport;
	__u8 proto;
	__u8 tos;
	__u8 tcp_flags;
	__u8 family;
};

/* --- candidates ------------------------------------------------------------ */

/*
 * Indices of two different ones of n >= 2 targets. The bucket is made of the hash's
 * top bits; these are of others, mixed once more since the low bits of a product
 * depend on few.
 */
static inline void sluice_place_draw(__u64 hash, __u32 n, __u32 *first, __u32 *second)
{
	__u64 mixed = (hash ^ hash >> 32) * 0xff51afd7ed558ccdULL;

	mixed ^= mixed >> 29;
	*first = (mixed & 0xffffffffu) * n >> 32;
	*second = (mixed >> 32) * (n - 1) >> 32;
	if (*second >= *first)
		(*second)++;
}

static inline __u32 sluice_place_min(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

/*
 * How loaded a CPU is taken to be, to choose between the two that were drawn: its load,
 * what the flows that came since may add (flow_ppm each), and a whole CPU for a
 * default ring full of packets, as that is behind with its work whatever the
 * daemon saw.
 */
static inline __u64 sluice_place_score(const struct sluice_place_cpu *c, __u32 flow_ppm)
{
	const __u64 queue = sluice_place_min(c->queue, SLUICE_PLACE_QUEUE_MAX);

	return sluice_place_min(c->load, SLUICE_TREE_PPM) + (__u64)c->fresh * flow_ppm +
	       (queue * SLUICE_TREE_PPM >> 9);
}

/* Whether the second of those that were drawn is the other CPU; the first, if they are equal. */
static inline bool sluice_place_second(const struct sluice_place_cpu *first,
				       const struct sluice_place_cpu *second, __u32 flow_ppm)
{
	return sluice_place_score(second, flow_ppm) < sluice_place_score(first, flow_ppm);
}

/* --- the tree -------------------------------------------------------------- */

static inline void sluice_place_features(const struct sluice_place_cpu *home,
					 const struct sluice_place_cpu *other, __u32 mean_load,
					 const struct sluice_place_flow *f,
					 __u32 feature[SLUICE_PLACE_F_NR])
{
	feature[SLUICE_PLACE_F_home_load] = sluice_place_min(home->load, SLUICE_TREE_PPM);
	feature[SLUICE_PLACE_F_home_queue] = sluice_place_min(home->queue, SLUICE_PLACE_QUEUE_MAX);
	feature[SLUICE_PLACE_F_home_fresh] = sluice_place_min(home->fresh, SLUICE_PLACE_FRESH_MAX);
	feature[SLUICE_PLACE_F_other_load] = sluice_place_min(other->load, SLUICE_TREE_PPM);
	feature[SLUICE_PLACE_F_other_queue] =
		sluice_place_min(other->queue, SLUICE_PLACE_QUEUE_MAX);
	feature[SLUICE_PLACE_F_other_fresh] =
		sluice_place_min(other->fresh, SLUICE_PLACE_FRESH_MAX);
	feature[SLUICE_PLACE_F_mean_load] = sluice_place_min(mean_load, SLUICE_TREE_PPM);
	feature[SLUICE_PLACE_F_length] = f->length;
	feature[SLUICE_PLACE_F_proto] = f->proto;
	feature[SLUICE_PLACE_F_port] = sluice_place_min(f->sport, f->dport);
	feature[SLUICE_PLACE_F_dscp] = f->tos >> 2;
	feature[SLUICE_PLACE_F_tcp_flags] = f->tcp_flags;
	feature[SLUICE_PLACE_F_family] = f->family;
}

static inline enum sluice_tree_error sluice_place_validate(const struct sluice_tree *t, __u32 size)
{
	enum sluice_tree_error error = sluice_tree_validate_block_of(t, size, SLUICE_TREE_PLACE);
	__u32 i;

	if (error)
		return error;
	if (!t->h.n_actions)
		return SLUICE_TREE_E_EMPTY;
	if (t->h.lease_ms)
		return SLUICE_TREE_E_LEASE;
	if (!t->h.generation)
		return SLUICE_TREE_E_GENERATION;
	error = sluice_tree_validate_shape(t, SLUICE_PLACE_F_NR);
	if (error)
		return error;
	for (i = t->h.n_nodes; i < (__u32)t->h.n_nodes + t->h.n_actions; i++) {
		const struct sluice_tree_place *a = &t->cell[i].place;

		if (a->choice >= SLUICE_PLACE_NR)
			return SLUICE_TREE_E_CLAMP;
		if (a->pad[0] || a->pad[1])
			return SLUICE_TREE_E_RESERVED;
	}
	return SLUICE_TREE_E_OK;
}

/* The cell of the decision; see sluice_tree_walk(). */
static inline __u32 sluice_place_walk(const struct sluice_tree *t,
				      const __u32 feature[SLUICE_PLACE_F_NR])
{
	return sluice_tree_walk_of(t, feature, SLUICE_PLACE_F_NR);
}

/* What stands in a cell that sluice_place_walk() found; HOME if that was no tree. */
static inline __u32 sluice_place_choice(const struct sluice_tree *t, __u64 cell)
{
	return cell < SLUICE_TREE_MAX_CELLS ? t->cell[cell].place.choice : SLUICE_PLACE_HOME;
}

#endif /* SLUICE_PLACE_H */
