/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who decides in a run of the simulator: a policy, the daemon's agent as it learns in closed loop, or
 * nobody, where a setting is kept. An agent that has learned too little to be heard leaves it as it is,
 * and such a decision is none of its own.
 */
#ifndef SLUICE_LAB_SIM_ACTOR_H
#define SLUICE_LAB_SIM_ACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/ecn_agent.h"
#include "policy/model.h"

struct actor;

struct actor_config {
	const struct model *model;	/* the policy; or what the agent begins from, NULL: nothing */
	const struct qdisc_triple *fixed;	/* kept; NULL: not */
	bool learns;			/* the agent */
	uint64_t seed;			/* of it */
};

/* -EBADMSG: a model that is none for this. */
int actor_new(const struct actor_config *c, struct actor **ret);
void actor_free(struct actor *a);	/* accepts NULL */
struct qdisc_triple actor_start(struct actor *a, const struct ecn_interval *in);
/* An interval has ended; *t is the setting in force, and becomes the next. decided: not in an idle one. */
int actor_decide(struct actor *a, const struct ecn_interval *in, struct qdisc_triple *t,
		 bool *decided, bool *own);
/* What an agent has time for until the next interval ends. -EDOM: it is no longer any good. */
int actor_learn(struct actor *a);

#endif
