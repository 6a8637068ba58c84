/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Learns a tree that places newly admitted flows (place_tree.h), in the simulator of receiving CPUs.
 *
 * A label is what the other answer would have led to. When a flow is admitted the machine is copied
 * twice; one copy leaves the flow at home, in the other it goes to the other CPU, and both run on
 * under the same arrivals, decided by the same tree. What all packets waited until the horizon, drops
 * and overtaking charged as in the cost (steer_env.h), tells which was better, and by how much.
 * That is noisy, since one flow matters little and all after it happens differently, but it
 * is not biased, and leaves average it.
 *
 * Which states there are depends on the tree, so it is VIPER's loop (viper.h): in the first round half
 * of the workloads are placed by nobody and half by the ladder of queues, then by the tree so far. The
 * round is kept that costs least with other arrivals on the same workloads. Buckets are moved by the
 * daemon's rule meanwhile.
 */
#ifndef SLUICE_DISTILL_STEER_H
#define SLUICE_DISTILL_STEER_H

#include "distill/place_tree.h"
#include "policy/verify.h"
#include "distill/viper.h"
#include "policy/par.h"
#include "policy/steer_lab.h"

#define DISTILL_STEER_LABELS	512	/* of a run, at most */

struct distill_steer {
	const struct steer_lab *lab;
	struct par par;
	const struct verify_limits *limits;	/* rules that the tree is made to keep; NULL: none */
	uint32_t announce;
	double seconds, horizon_s;
	unsigned int labels;		/* of a run */
	unsigned int runs;		/* of a workload, in a round */
	uint64_t seed, judge_seed;
	unsigned int judges;		/* seeds */
	struct viper_rows first;	/* of the first round, once known */
};

/* The daemon's rule, as it is by default. */
int distill_steer_policy(struct steer_policy **ret, struct sl_err *e);
struct viper_task distill_steer_task(struct distill_steer *d);
void distill_steer_fini(struct distill_steer *d);
/* Mean of ln(cost in us) over training workloads and seeds; tree NULL: none. */
int distill_steer_cost(const struct distill_steer *d, const struct sluice_tree *tree,
		       double *ret);
/* As it acts: compiled, and made to keep the rules in "changed" leaves. */
int distill_steer_tree(const struct distill_steer *d, const struct cart *c, uint32_t generation,
		       struct sluice_tree *ret, size_t *changed, struct sl_err *e);

#endif
