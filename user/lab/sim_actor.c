// SPDX-License-Identifier: GPL-2.0
#include "lab/sim_actor.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/agent_net.h"
#include "daemon/reward_ecn.h"
#include "policy/learned.h"
#include "policy/policy.h"

#define GRADIENT_STEPS	4	/* of a decision, as [learn] steps has it in the daemon */
#define START		(1 / 7.0)	/* K / (C RTT) where nothing is known */

struct actor {
	struct policy *policy;
	struct ecn_agent *agent;
	double start;			/* of the agent */
	struct qdisc_triple fixed;
};

static int new_agent(const struct actor_config *c, struct actor *a)
{
	struct ecn_agent_config agent;
	const void *blob;
	size_t size;
	int r;

	ecn_agent_config_default(&agent);
	if (c->model)
		agent.reward = ECN_REWARD_BALANCE;	/* by which it was made (fits.c) */
	agent.seed = c->seed;
	agent.explore = agent.learn = true;
	agent.regret_budget = HUGE_VAL;
	a->start = START;
	r = ecn_agent_new(&agent, &a->agent);
	if (r || !c->model)
		return r;
	blob = strcmp(c->model->kind, policy_ddqn.name) ? NULL :
	       learned_blob(c->model, &a->start, &size);
	return blob ? ecn_agent_load(a->agent, blob, size) : -EBADMSG;
}

int actor_new(const struct actor_config *c, struct actor **ret)
{
	struct actor *a = calloc(1, sizeof(*a));
	int r = 0;

	if (!a)
		return -ENOMEM;
	if (c->learns)
		r = new_agent(c, a);
	else if (c->fixed)
		a->fixed = *c->fixed;
	else
		r = policy_new(c->model, &a->policy, NULL);
	if (!r && a->policy)
		policy_reset(a->policy);
	if (r)
		actor_free(a);
	else
		*ret = a;
	return r;
}

void actor_free(struct actor *a)
{
	if (!a)
		return;
	policy_free(a->policy);
	ecn_agent_free(a->agent);
	free(a);
}

struct qdisc_triple actor_start(struct actor *a, const struct ecn_interval *in)
{
	return a->policy ? policy_start(a->policy, in) :
	       a->agent ? policy_step(in, a->start * policy_bdp_bytes(in)) : a->fixed;
}

static int decide_agent(struct actor *a, const struct ecn_interval *in, struct qdisc_triple *t,
			bool *own)
{
	struct ecn_agent_stats stats;
	struct ecn_decision d;
	int r;

	ecn_agent_stats(a->agent, &stats);
	*own = stats.updates >= AGENT_MIN_UPDATES;
	r = ecn_agent_decide(a->agent, 0, in, &d);
	if (r)
		return r;
	*t = d.triple;
	ecn_agent_applied(a->agent, 0, true);
	return 0;
}

int actor_decide(struct actor *a, const struct ecn_interval *in, struct qdisc_triple *t,
		 bool *decided, bool *own)
{
	*decided = *own = ecn_interval_active(in);
	if (a->agent)
		return decide_agent(a, in, t, own);
	return a->policy ? policy_decide(a->policy, in, t) : 0;
}

int actor_learn(struct actor *a)
{
	if (!a->agent)
		return 0;
	ecn_agent_train(a->agent, GRADIENT_STEPS);
	return ecn_agent_health(a->agent);
}
