/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a tree that was learned to one that a queue runs (sluice/tree.h).
 *
 * What is learned at one rate and round-trip time is to hold at others, so the tree that is learned
 * sees a queue relative to its C * RTT and C. The one in the kernel compares bytes and bytes per
 * millisecond and knows neither. Between the two stands the queue: distill_compile() multiplies
 * thresholds with its C * RTT, goes by its size at once where the tree asks for it, and leaves out
 * what then cannot be reached or decides nothing. Whoever knows a queue's C and RTT makes its tree,
 * and makes it anew when they have changed.
 *
 * The features are those of the kernel's that the simulator's queue has, too. It lacks the backlog
 * at an instant, drops and the average wait (which C and the average backlog tell by Little's law),
 * and the kernel lacks what a flow table tells. All are computed from the integers that the kernel
 * would see, by sluice_tree_features(), so that a threshold means the same on both sides:
 *
 *	feature <= floor(at * unit)   if and only if   feature / unit <= at
 *
 * An answer is a step threshold on a grid of half octaves of C * RTT over the range of the policies'
 * templates (policy.h).
 */
#ifndef SLUICE_POLICY_QUEUE_TREE_H
#define SLUICE_POLICY_QUEUE_TREE_H

#include <sluice/tree.h>

#include "lib/err.h"
#include "policy/cart.h"
#include "policy/policy.h"

/* X(name, feature of the kernel's tree) */
#define DISTILL_FEATURES(X)							\
	X(backlog, SLUICE_TREE_F_backlog_avg)					\
	X(used, SLUICE_TREE_F_rate)						\
	X(busy, SLUICE_TREE_F_busy)						\
	X(marked, SLUICE_TREE_F_marked)						\
	X(setting, SLUICE_TREE_F_qth_min)

enum {
#define X(name, feature) DISTILL_F_##name,
	DISTILL_FEATURES(X)
#undef X
	DISTILL_F_bdp,		/* log2(C * RTT / MTU): of the queue, never changes */
	DISTILL_F_NR,
};

#define DISTILL_PER_TEMPLATE	2
#define DISTILL_CLASSES		((POLICY_TEMPLATES - 1) * DISTILL_PER_TEMPLATE + 1)
/* Epochs between two evaluations: the one in which a setting takes hold, and what is observed. */
#define DISTILL_EPOCHS		(POLICY_HOLD + 1)
/* Leaves, so that a tree fits its block with all its actions. */
#define DISTILL_LEAVES		((SLUICE_TREE_MAX_CELLS - DISTILL_CLASSES) + 1)

struct distill_queue {
	double capacity_bps;	/* bytes per second */
	double rtt_s;
	uint32_t mtu_bytes, limit_bytes;
};

const char *distill_feature_name(int i);
struct distill_queue distill_queue_of(const struct ecn_interval *in);
double distill_bdp_bytes(const struct distill_queue *q);

/* What a queue did over some epochs, as its counters would have it. */
void distill_sample_add(struct sluice_tree_sample *s, const struct ecn_interval *in);
void distill_features(const struct distill_queue *q, const struct sluice_tree_sample *s,
		      double x[DISTILL_F_NR]);

/* The class as a template, from 0 to POLICY_TEMPLATES - 1 by halves. */
double distill_template(unsigned int class);
struct sluice_tree_action distill_action(const struct distill_queue *q, unsigned int class);

/*
 * The kernel's tree of a learned one, sealed. *ret stays untouched on failure. -EINVAL: not a tree of
 * these features and classes, or a queue without rate or RTT; -E2BIG: deeper or larger than the
 * format allows.
 */
int distill_compile(const struct cart *c, const struct distill_queue *q, uint32_t generation,
		    uint32_t lease_ms, struct sluice_tree *ret, struct sl_err *e);

#endif
