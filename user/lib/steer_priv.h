/* SPDX-License-Identifier: GPL-2.0 */
/* Inside of struct steer, for user/lib/steer*.c. */
#ifndef SLUICE_LIB_STEER_PRIV_H
#define SLUICE_LIB_STEER_PRIV_H

#include "lib/netdev.h"
#include "lib/steer.h"

/* X(name, name in the object). The name is also that of the pin. */
#define STEER_MAPS(X)				\
	X(abi, ".rodata.sluice")		\
	X(config, "config")			\
	X(control, "control")			\
	X(flows4, "flows4")			\
	X(flows6, "flows6")			\
	X(buckets, "buckets")			\
	X(bucket_state, "bucket_state")		\
	X(sent, "sent")				\
	X(passed, "passed")			\
	X(steer_stats, "steer_stats")		\
	X(deliver, "deliver")			\
	X(acks, "acks")				\
	X(cache4, "cache4")			\
	X(cache6, "cache6")			\
	X(candidates, "candidates")		\
	X(order, "order")			\
	X(events, "events")			\
	X(trees, "trees")			\
	X(tree_control, "tree_control")		\
	X(tree_stats, "tree_stats")		\
	X(loads, "loads")			\
	X(cpus, "cpus")				\
	X(cpus_frags, "cpus_frags")

/* Those with a block per RX queue. X(name, entries of a block) */
#define STEER_BLOCKS(X)				\
	X(bucket_state, SLUICE_BUCKETS)		\
	X(sent, SLUICE_MAX_CPUS)		\
	X(passed, SLUICE_PASS_SLOTS)		\
	X(steer_stats, 1)			\
	X(tree_stats, 1)			\
	X(acks, SLUICE_MAX_CPUS)		\
	X(cache4, SLUICE_CACHE_SLOTS)		\
	X(cache6, SLUICE_CACHE_SLOTS)		\
	X(candidates, SLUICE_CANDIDATES)	\
	X(order, SLUICE_ORDER_SLOTS)

/* Those that are mapped into memory. X(name, type, whether we write) */
#define STEER_MAPPED(X)						\
	X(buckets, struct sluice_bucket, true)			\
	X(bucket_state, struct sluice_bucket_state, false)	\
	X(sent, struct sluice_counter, false)			\
	X(passed, struct sluice_counter, false)			\
	X(steer_stats, struct sluice_steer_stats, false)	\
	X(deliver, struct sluice_deliver, false)		\
	X(trees, struct sluice_tree_slot, true)			\
	X(tree_control, struct sluice_tree_control, true)	\
	X(tree_stats, struct sluice_tree_stats, false)		\
	X(loads, struct sluice_cpu_load, true)			\
	X(cache4, struct sluice_cached4, false)			\
	X(cache6, struct sluice_cached6, false)

enum steer_map {
#define X(name, object_name) STEER_MAP_##name,
	STEER_MAPS(X)
#undef X
	STEER_MAP_MAX,
};

/* Programs from before trees of steering do without; then all of these are absent. */
static inline bool steer_map_is_of_trees(enum steer_map m)
{
	return m >= STEER_MAP_trees && m <= STEER_MAP_loads;
}

extern const char *const steer_map_pin[STEER_MAP_MAX];
extern const char *const steer_map_name[STEER_MAP_MAX];

/* The programs of one attachment: of either variant, or both while loading. */
#define STEER_PROGS(X)		\
	X(xdp_steer)		\
	X(xdp_steer_frags)	\
	X(cpu_deliver)		\
	X(cpu_deliver_frags)	\
	X(steer_ctl)

enum steer_prog {
#define X(name) STEER_PROG_##name,
	STEER_PROGS(X)
#undef X
	STEER_PROG_MAX,
};

extern const char *const steer_prog_name[STEER_PROG_MAX];

#define STEER_DIR_SIZE	128

struct ring_buffer;

/* What a target's ring was seen to hold at least, since that was last forgotten. */
struct steer_ring {
	__u64 least;
	bool busy;			/* or its CPU was, so that it may never have been empty */
};

struct steer {
	struct netdev dev;
	char dir[STEER_DIR_SIZE];	/* of pins; "" for a private instance */
	bool frags;			/* which of the two variants serves the interface */
	int map[STEER_MAP_MAX];		/* file descriptors, -1 when absent */
	int prog[STEER_PROG_MAX];
	unsigned int n_possible;	/* CPUs there can be */
	unsigned int n_targets;		/* entries of the cpumap */
	unsigned int n_rxqs;		/* blocks */
#define X(name, type, writable) type *name;
	STEER_MAPPED(X)
#undef X
	size_t mapped_bytes[STEER_MAP_MAX];
	struct sluice_ctl clock;	/* a first reading, to measure HZ against */
	unsigned int hz;		/* 0: not measured yet */
	bool flows_used;		/* and control says so */
	__u32 attached_id;		/* a program on the interface that has our maps */
	struct ring_buffer *ring;	/* made by the first use of events */
	void (*each_event)(const struct sluice_flow_event *ev, void *data);
	void *event_data;
	struct steer_ring seen_ring[SLUICE_MAX_CPUS];
	unsigned int looks;		/* at the rings, since then */
};

/* An empty instance for the interface; dev may be NULL for a private one. */
struct steer *steer_alloc(const struct netdev *dev);
/*
 * Loads the object, with blocks for the RX queues that the interface has; reused maps (map[i] >= 0)
 * take the place of new ones.
 */
int steer_load_object(struct steer *s, __u32 max_flows, bool with_steer, struct sl_err *e);
/* After all descriptors are there: mappings and sizes. */
int steer_open_maps(struct steer *s, struct sl_err *e);
int steer_ctl_run(struct steer *s, struct sluice_ctl *ctl);
/* If one of the maps for trees is not there, closes the others. */
void steer_close_trees_unless_whole(struct steer *s);
/* New flows are not placed on these CPUs any more. */
void steer_tree_forget(struct steer *s, const bool cpu[SLUICE_MAX_CPUS]);
/* steer_read() without asking what is attached. */
int steer_read_counters(struct steer *s, struct steer_snapshot *out, struct sl_err *e);
int steer_write_targets(struct steer *s, const __u16 *cpus, size_t n, __u32 qsize,
			struct sl_err *e);

static inline int steer_xdp_fd(const struct steer *s)
{
	return s->prog[s->frags ? STEER_PROG_xdp_steer_frags : STEER_PROG_xdp_steer];
}

static inline int steer_deliver_fd(const struct steer *s)
{
	return s->prog[s->frags ? STEER_PROG_cpu_deliver_frags : STEER_PROG_cpu_deliver];
}

/* Where the entries of this family are. */
static inline int steer_flows_fd(const struct steer *s, __u8 family)
{
	return s->map[family == 6 ? STEER_MAP_flows6 : STEER_MAP_flows4];
}

/* To be called before entries are made by other ways than steer_flow_set(). */
int steer_use_flows(struct steer *s);
struct sluice_flow4_key steer_key4(const struct sluice_flow_key *key);

static inline int steer_cpumap_fd(const struct steer *s)
{
	return s->map[s->frags ? STEER_MAP_cpus_frags : STEER_MAP_cpus];
}

#endif
