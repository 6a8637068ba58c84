/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The learners among the policies. Their models are K / (C * RTT) at first, a double, and the
 * learner's own blob, with the optimiser's state: training can go on with it.
 */
#ifndef SLUICE_POLICY_LEARNED_H
#define SLUICE_POLICY_LEARNED_H

#include "policy/lab.h"
#include "rl/ppo.h"

/* The network's shape, which a model must have. */
void learned_ppo_config(uint64_t seed, struct ppo_config *c);
/* The blob goes behind the number; *m is the caller's, zeroed before or of the same kind. */
int learned_set(struct model *m, const char *kind, double start, const void *blob, size_t size);
/* NULL: not of that form. */
const void *learned_blob(const struct model *m, double *start, size_t *size);

/*
 * What a decision is worth to a learner, for those who imitate it. ddqn: by how much the best of the
 * candidates of its last decision is better than the worst, in reward. ppo: for each template
 * how much less probable it is than the most probable one, as a logarithm; that stands for an
 * advantage (exactly so for a policy that maximises reward and entropy). -EINVAL: of another kind;
 * -EDOM: not finite.
 */
struct policy;
int learned_q_gap(const struct policy *p, double *gap);
int learned_log_odds(struct policy *p, const double x[FEATURES], double odds[POLICY_TEMPLATES]);

#endif
