/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A network and its traffic, said in a few numbers: what "sluice sim run" takes, and what an
 * environment or an experiment can vary. Everything of it can be built from sim.h and topology.h
 * by hand, too.
 *
 *   bottleneck   senders behind one queue, with round trips from rtt_us to rtt_max_us in equal ratios
 *   parking_lot  hops; one half of each hop's load goes over all of them, the other half over this one
 *   leaf_spine   leaves x hosts_per_leaf hosts, each sending to all; load_percent is of each host's
 *                link, and the hosts' own queues mark as all others
 */
#ifndef SLUICE_SIM_SCENARIO_H
#define SLUICE_SIM_SCENARIO_H

#include "lib/err.h"
#include "sim/sim.h"
#include "sim/topology.h"

/* X(name, minimum, maximum, default, text) */
#define SIM_SCENARIO_NUMBERS(X)							\
	X(rate_kbps, 1, 400000000, 1000000, "of the bottleneck, in kbit/s")	\
	X(rtt_us, 1, 10000000, 1000, "of an empty path, in us")			\
	X(rtt_max_us, 0, 10000000, 0, "of the farthest sender; 0: all are alike")	\
	X(load_percent, 0, 300, 50, "of the rate that arrives as flows")	\
	X(endless, 0, 10000, 0, "flows that never end, beside them")		\
	X(seconds, 1, 100000, 10, "simulated; flows that arrive in them may end later")	\
	X(seed, 0, 0xffffffff, 1, "of all random numbers")			\
	X(qth_min, 0, 0x7fffffff, 60000, "bytes, as of the qdisc")		\
	X(qth_max, 0, 0x7fffffff, 180000, "bytes")				\
	X(max_p, 0, 1000000, 100000, "ppm")					\
	X(limit_bytes, 1514, 0x7fffffff, 4000000, "bytes")			\
	X(drop_non_ect, 0, 1, 0, "flag")					\
	X(ecn_percent, 0, 100, 100, "of flows that are ECN-capable")		\
	X(gso_bytes, 0, SIM_GSO_MAX, 0, "most payload of a packet; 0: a segment")	\
	X(senders, 1, SIM_SENDERS_MAX, 16, "of the bottleneck")			\
	X(access_kbps, 0, 400000000, 0, "of each sender's own link; 0: none")	\
	X(hops, 1, SIM_HOPS_MAX, 3, "of the parking lot")			\
	X(leaves, 1, 1000, 2, "switches with hosts")				\
	X(spines, 1, 1000, 2, "switches between them")				\
	X(hosts_per_leaf, 1, 1000, 8, "hosts")					\
	X(fabric_kbps, 0, 400000000, 0, "between leaf and spine; 0: rate_kbps")	\
	X(on_ms, 0, 1000000, 0, "mean of periods with arrivals; 0: always")	\
	X(off_ms, 0, 1000000, 0, "mean of periods without, in between")		\
	X(switch_s, 0, 100000, 0, "seconds after which switch_sizes take turns; 0: none")	\
	X(incast_degree, 0, 10000, 0, "flows that answer a query at once; 0: no queries")	\
	X(incast_bytes, 1, 1000000000, 20000, "of each answer")			\
	X(incast_per_s, 1, 1000000, 10, "queries")				\
	X(incast_poisson, 0, 1, 0, "queries at random instead of at equal distances")	\
	X(step_ms, 0, 1000000, 0, "after which the rate changes to and fro; 0: never")	\
	X(step_percent, 0, 1000, 50, "of rate_kbps that it changes to")

enum sim_network { SIM_BOTTLENECK, SIM_PARKING_LOT, SIM_LEAF_SPINE, SIM_NETWORK_MAX };

struct sim_scenario {
#define X(name, min, max, def, text) uint64_t name;
	SIM_SCENARIO_NUMBERS(X)
#undef X
	enum sim_network topology;
	enum sim_cc cc, other_cc;	/* of flows with and without ECN */
	/* The caller's, and stay there as long as the world. */
	const struct dist *sizes, *switch_sizes;
	const struct link_trace *trace;	/* instead of rate_kbps; NULL: none */
};

void sim_scenario_default(struct sim_scenario *c);
const char *sim_network_name(enum sim_network network);

/* A scenario that was built. It stays where it is: its sources know its address. */
struct sim_world {
	struct sim *sim;
	struct sim_topology topology;
	struct link_trace steps;
	double rate_bps;		/* of the bottleneck, on average */
};

/* 0, or -EINVAL or -ENOMEM with a sentence; numbers are not held against their bounds again. */
int sim_world_build(const struct sim_scenario *c, struct sim_world *ret, struct sl_err *e);
void sim_world_free(struct sim_world *w);	/* accepts zeros */

#endif
