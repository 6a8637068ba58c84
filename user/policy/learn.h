/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Learners in training: an episode is a run of one mix. The state of a learner is its model; what
 * it has in its memory (replay, an unfinished batch) and its random numbers are not kept, so that a
 * training that was resumed is as good as one that was not, but not the same to the bit.
 */
#ifndef SLUICE_POLICY_LEARN_H
#define SLUICE_POLICY_LEARN_H

#include "policy/lab.h"

enum learn_kind { LEARN_DDQN, LEARN_PPO, LEARN_BANDIT, LEARN_MAX };

struct learn_config {
	enum learn_kind kind;
	enum ecn_reward reward;
	uint64_t seed;
};

struct learner;

const char *learn_name(enum learn_kind kind);	/* also the kind of its models */
/* The lab is the caller's and stays there. */
int learn_new(const struct learn_config *c, const struct lab *l, struct learner **ret);
void learn_free(struct learner *l);	/* accepts NULL */

struct learn_result {
	size_t mix;
	double reward;		/* mean */
	double regret;		/* ln(cost / cost of the best step) */
};
/* Episode number n. -EDOM: something was not finite, the learner is no longer any good. */
int learn_episode(struct learner *l, uint64_t n, struct learn_result *out);
int learn_model(const struct learner *l, struct model *m);
/* -EBADMSG: not of this kind and shape; nothing was changed. */
int learn_restore(struct learner *l, const struct model *m);

#endif
