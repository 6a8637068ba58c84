/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Distils a policy for ECN thresholds (policy.h) into a tree for a queue (queue_tree.h): VIPER's task
 * on mixes in the simulator. The tree acts as the kernel would run it: compiled for the mix's queue,
 * evaluated on integers every DISTILL_EPOCHS epochs, and between them nothing changes. Beginnings,
 * before anything was observed, are the teacher's. Where C is found to have changed by more than a
 * quarter, the tree is compiled anew, as the daemon would load it anew (qtree.h is such a tree as a policy).
 *
 * What the teacher says of a state: the network its regrets, between templates by interpolation, so
 * that a wrong answer counts for what it costs; ppo in the same way how much less probable than its
 * best it holds each template to be; any other policy the setting that it would choose, an answer
 * counting for its distance from there in octaves, squared, and with ddqn times the Q gap of that
 * decision (the weight of VIPER's paper). The oracle says what each threshold costs on the whole mix,
 * of mixes with one phase; it is none of the policies, and what acts meanwhile is a static threshold. The teacher sees all it knows to
 * see. What the tree cannot see is averaged over in its leaves.
 */
#ifndef SLUICE_DISTILL_ECN_H
#define SLUICE_DISTILL_ECN_H

#include "policy/queue_tree.h"
#include "policy/verify.h"
#include "distill/viper.h"
#include "policy/par.h"
#include "policy/world.h"

/* A decision matters where the dearest answer costs so much more than the best. */
#define DISTILL_GAP	0.05

struct distill_ecn {
	struct mix_files files;
	struct par par;
	const struct model *teacher;
	bool oracle;		/* is the teacher; the model has the beginnings of runs alone */
	const struct verify_limits *limits;	/* rules that the tree is made to keep; NULL: none */
	double calm;		/* what an octave away from the setting in force costs, squared */
	uint64_t seed, judge_seed;	/* of the mixes to learn from, and to choose a round by */
	size_t mixes, judge_mixes;
	struct viper_rows first;	/* what the teacher visits, once known */
};

struct distill_score {
	size_t mixes, states;	/* of those that matter */
	double loss, loss_se;	/* mean of ln(cost / the teacher's) over mixes, its standard error */
	double same;		/* of the states that matter: the teacher's answer, or one beside it */
	double regret;		/* of all: what the tree's answers cost more, by the teacher */
};

/* VIPER's task; the context stays the caller's. Every round has other mixes. */
struct viper_task distill_ecn_task(struct distill_ecn *d);
void distill_ecn_fini(struct distill_ecn *d);
/* On mixes of another seed, perhaps of other files, against the teacher on the same ones. */
int distill_ecn_score(const struct distill_ecn *d, const struct mix_files *files,
		      const struct cart *tree, uint64_t seed, size_t mixes,
		      struct distill_score *score);
/* As it acts, for a queue: compiled, and made to keep the rules in "changed" leaves. */
int distill_ecn_tree(const struct distill_ecn *d, const struct cart *tree,
		     const struct distill_queue *q, uint32_t generation, uint32_t lease_ms,
		     struct sluice_tree *ret, size_t *changed, struct sl_err *e);

/*
 * Costs (DISTILL_CLASSES) of an answer, by what the teacher sees (x) and does (its next setting).
 */
int distill_ecn_label(struct policy *teacher, const struct ecn_interval *in,
		      const double x[FEATURES], double next_bytes, double *cost);

#endif
