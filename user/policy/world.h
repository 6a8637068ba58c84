/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A mix in the simulator, epoch by epoch: what the daemon would see of the bottleneck's queue, and
 * in the end what the run cost. The same mix and seed meet the same arrivals under every policy.
 *
 *	J = exp(sum of w_c ln(mean slowdown of class c)) * (C / goodput)^0.2
 *
 * over the classes of flow size that have flows (up to 10 KB, 100 KB, 1 MB, above), their weights
 * 0.3, 0.3, 0.2, 0.2 made to sum to 1; low is good. C is what the link could have sent. Flows with
 * and without ECN count alike; what each of both suffers stands beside it. After its epochs a run
 * goes on without arrivals and under the last setting, so that flows under way count, too.
 *
 * The C that is observed is the mix's rate; where that varies, it is either told as it is, epoch by
 * epoch, or what the daemon finds by itself (capacity.h), beginning from the mix's rate.
 */
#ifndef SLUICE_POLICY_WORLD_H
#define SLUICE_POLICY_WORLD_H

#include "daemon/ecn_agent.h"
#include "policy/mix.h"

#define COST_GOODPUT_WEIGHT	0.2

struct sim;
struct sim_topology;
struct world;

struct outcome {
	double cost;		/* J */
	double mice;		/* slowdown of flows up to 100 KB, geometric mean of the classes' */
	double elephants;	/* of larger ones, or where none ended C / goodput */
	double goodput;		/* payload over C */
	double packets;
	double dropped;		/* share of packets, early or at the limit */
	/* As all flows', of those with and without ECN; NAN where a mix does not have both. */
	double ecn, nonecn;
};

/* setting: at first. -ENOMEM. */
int world_new(const struct mix_files *files, const struct mix *m, uint64_t seed,
	      const struct qdisc_triple *setting, struct world **ret);
void world_free(struct world *w);	/* accepts NULL */
/* One epoch; 1: it was the last one. */
int world_epoch(struct world *w, struct ecn_interval *in);
void world_set(struct world *w, const struct qdisc_triple *t);
unsigned int world_phase(const struct world *w);
int world_end(struct world *w, struct outcome *out);
/* The run itself, to watch it. Its stage 0 is the queue; it is the world's. */
struct sim *world_sim(struct world *w);
/* Hosts 0 to rtts - 1 send to host "rtts"; for who adds traffic of his own. */
const struct sim_topology *world_topology(const struct world *w);

/* What is known before the first epoch; the RTT as a passive measurement would find it. */
void world_interval(const struct mix *m, struct ecn_interval *ret);

#endif
