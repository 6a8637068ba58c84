/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Builders of networks. Each adds stages and paths to an empty run, and returns hosts by number with
 * the paths between them; where several are equally short, a flow's hash chooses one (ECMP), for its
 * data and for its acknowledgements separately.
 *
 * Functions that return int return 0 or -errno; -ENOSPC says that there are more paths than a run
 * may have. What was added before a failure stays in the run: free it.
 */
#ifndef SLUICE_SIM_TOPOLOGY_H
#define SLUICE_SIM_TOPOLOGY_H

#include "sim/sim.h"

#define SIM_NO_PATH	0xffff

struct sim_topology {
	unsigned int n_hosts, n_ways;
	uint16_t *path;		/* [from][to][way]; SIM_NO_PATH */
	uint16_t *queue;	/* the stages of the network that judge packets */
	unsigned int n_queues;
};

void sim_topology_free(struct sim_topology *t);	/* accepts zeros */
/* false: there is no way there and back. */
bool sim_topology_route(const struct sim_topology *t, unsigned int from, unsigned int to,
			uint64_t hash, struct sim_flow_params *flow);

/*
 * Senders 0 to n - 1, each with a round-trip time, and a receiver n behind a queue (stage 0):
 *
 *     0 --\
 *     1 ---+-- [queue] -- n
 *     2 --/
 *
 * Of the shortest round-trip time the queue's link has one half and the way back the other; longer
 * ones are that much longer on both ways. Way back and senders have no queue, but senders may have a
 * link of their own.
 */
#define SIM_SENDERS_MAX	1000
struct sim_bottleneck_params {
	struct sim_stage_params queue;	/* its delay is set */
	unsigned int n_senders;
	const uint64_t *rtt_ns;		/* of each sender */
	double access_bps;		/* of each sender's link; 0: none */
};
int sim_build_bottleneck(struct sim *s, const struct sim_bottleneck_params *p,
			 struct sim_topology *ret);

/*
 * Hops in a row. Host 0 sends to host 1 over all of them, and host 2 + 2i to 3 + 2i over hop i; the
 * ways back are delays:
 *
 *     0 -+- [hop 0] -+---+- [hop 1] -+- 1
 *     2 -'           '- 3  4 -'      '- 5
 */
#define SIM_HOPS_MAX	50
struct sim_parking_lot_params {
	struct sim_stage_params hop;
	unsigned int n_hops;
};
int sim_build_parking_lot(struct sim *s, const struct sim_parking_lot_params *p,
			  struct sim_topology *ret);

/*
 * Leaves with hosts, each leaf linked with each spine; host h is at leaf h / hosts_per_leaf. What
 * goes to another leaf takes the spine of its hash. Its queues are first the ports to hosts, in
 * their order, then those of leaves to spines, those of spines to leaves, and the hosts' own.
 */
struct sim_leaf_spine_params {
	unsigned int n_leaves, n_spines, hosts_per_leaf;
	struct sim_stage_params host;	/* from a host to its leaf */
	struct sim_stage_params port;	/* from a leaf to a host */
	struct sim_stage_params fabric;	/* from a leaf to a spine, and from a spine to a leaf */
};
int sim_build_leaf_spine(struct sim *s, const struct sim_leaf_spine_params *p,
			 struct sim_topology *ret);

#endif
