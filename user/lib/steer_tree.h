/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tree that places newly admitted flows, and the loads it compares: see
 * include/sluice/place.h for what it decides and include/uapi/linux/sluice_steer.h for how it is
 * swapped. It decides while the lease of the tables runs (steer_lease_renew()).
 *
 * All of it is -EOPNOTSUPP on an attachment from before there were such trees.
 */
#ifndef SLUICE_LIB_STEER_TREE_H
#define SLUICE_LIB_STEER_TREE_H

#include <sluice/place.h>

#include "lib/steer.h"

/* Whether a block is a tree that places flows; the sentence names the fault. */
int steer_tree_check(const void *block, size_t bytes, struct sl_err *e);
/* From a file, checked. */
int steer_tree_read_file(const char *path, struct sluice_tree *ret, struct sl_err *e);

/*
 * Checks the tree and makes it the one that decides, without anybody waiting: some microseconds.
 * -EEXIST: the tree that decides has this generation already; -EBUSY: another process is publishing.
 */
int steer_tree_publish(struct steer *s, const struct sluice_tree *t, struct sl_err *e);
/* Gives it up; 0 also when there was none. Flows that it has placed stay where they are. */
int steer_tree_drop(struct steer *s, struct sl_err *e);
/* The tree that decides. -ENODATA: none. */
int steer_tree_get(struct steer *s, struct sluice_tree *ret, struct sl_err *e);

struct steer_cpu_load {
	__u16 cpu;
	__u32 ppm;		/* of its time that is used */
};
/*
 * Publishes the loads of the CPUs between which is to be chosen, at most SLUICE_MAX_CPUS: they should
 * be targets. flow_ppm is what a flow is taken to add to a CPU's load. Call it regularly, as beside
 * the loads it keeps the account of what the rings have dropped.
 */
int steer_tree_loads(struct steer *s, const struct steer_cpu_load *load, size_t n, __u32 flow_ppm,
		     struct sl_err *e);

/* All there is to know; counters are summed over the RX queues. */
struct steer_tree_state {
	__u32 generation;		/* of the tree that decides; 0: none */
	bool leased;			/* so that it does */
	__u32 mean_ppm, flow_ppm;
	unsigned int n_targets;
	struct {
		__u16 cpu;
		struct sluice_cpu_load load;
	} target[SLUICE_MAX_CPUS];
	struct sluice_tree_stats stats;	/* of[]: sorted, latest generation first, unused ones 0 */
};
int steer_tree_read(struct steer *s, struct steer_tree_state *ret, struct sl_err *e);

#endif
