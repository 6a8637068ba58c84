/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The choice of one of ten templates for some epochs each, as an environment (rl/env.h): an episode
 * is a run of a mix, which its seed chooses. An observation is the context of fitted.h, the
 * reward the daemon's, its mean over the epochs that the template ruled.
 */
#ifndef SLUICE_POLICY_ECN_ENV_H
#define SLUICE_POLICY_ECN_ENV_H

#include "policy/world.h"
#include "rl/env.h"

struct ecn_env_config {
	struct mix_files files;
	const struct mix *mix;		/* the caller's, and stays there */
	size_t n;
	enum ecn_reward reward;
};

int ecn_env_new(const struct ecn_env_config *c, struct env **ret);
/* Of the episode that is over; -EBUSY: it is not. */
int ecn_env_outcome(struct env *e, struct outcome *out);
/* Which mix an episode's seed chooses. */
size_t ecn_env_mix(const struct ecn_env_config *c, uint64_t seed);

#endif
