// SPDX-License-Identifier: GPL-2.0
#include "policy/learned.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/fitted.h"

int learned_set(struct model *m, const char *kind, double first, const void *blob, size_t size)
{
	char *data = malloc(sizeof(first) + size);

	if (!data)
		return -ENOMEM;
	memcpy(data, &first, sizeof(first));
	memcpy(data + sizeof(first), blob, size);
	free(m->data);
	m->data = data;
	m->size = sizeof(first) + size;
	snprintf(m->kind, sizeof(m->kind), "%s", kind);
	return 0;
}

const void *learned_blob(const struct model *m, double *first, size_t *size)
{
	if (m->size <= sizeof(*first))
		return NULL;
	memcpy(first, m->data, sizeof(*first));
	*size = m->size - sizeof(*first);
	return *first > 0 && isfinite(*first) ? (const char *)m->data + sizeof(*first) : NULL;
}

struct learned {
	struct policy policy;
	struct policy_watch watch;
	double start;
	struct ecn_agent *agent;
	double q_gap;		/* of its last decision */
	struct ppo *ppo;
};

static struct qdisc_triple start(struct policy *p, const struct ecn_interval *in)
{
	return policy_step(in, ((struct learned *)p)->start * policy_bdp_bytes(in));
}

static void fini(struct policy *p)
{
	struct learned *l = (struct learned *)p;

	ecn_agent_free(l->agent);
	ppo_free(l->ppo);
}

/* --- ddqn ---------------------------------------------------------------------------- */

static int init_ddqn(struct policy *p, const struct model *m)
{
	struct learned *l = (struct learned *)p;
	struct ecn_agent_config c;
	size_t size;
	const void *blob = learned_blob(m, &l->start, &size);
	int r;

	if (!blob)
		return -EBADMSG;
	ecn_agent_config_default(&c);
	c.explore = c.learn = false;
	r = ecn_agent_new(&c, &l->agent);
	if (!r)
		r = ecn_agent_load(l->agent, blob, size);
	return r && r != -ENOMEM ? -EBADMSG : r;
}

static int decide_ddqn(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t)
{
	struct learned *l = (struct learned *)p;
	struct ecn_decision d;
	int r = ecn_agent_decide(l->agent, 0, in, &d);

	if (r)
		return r;
	*t = d.triple;
	l->q_gap = d.q_best - d.q_least;
	ecn_agent_applied(l->agent, 0, true);
	return 0;
}

static void reset_ddqn(struct policy *p)
{
	ecn_agent_forget(((struct learned *)p)->agent, 0);
}

/* --- ppo ----------------------------------------------------------------------------- */

void learned_ppo_config(uint64_t seed, struct ppo_config *c)
{
	*c = (struct ppo_config){
		.features = FITTED_CONTEXT, .actions = POLICY_TEMPLATES, .hidden = { 32, 32 },
		.lanes = 1, .horizon = 256, .epochs = 6, .minibatch = 64, .gamma = 0.5f,
		.lambda = 0.9f, .clip = 0.2f, .entropy = 0.01f, .learning_rate = 1e-3f,
		.grad_clip = 0.5f, .seed = seed,
	};
}

static int init_ppo(struct policy *p, const struct model *m)
{
	struct learned *l = (struct learned *)p;
	struct ppo_config c;
	size_t size;
	const void *blob = learned_blob(m, &l->start, &size);
	int r;

	if (!blob)
		return -EBADMSG;
	learned_ppo_config(1, &c);
	r = ppo_new(&c, &l->ppo);
	if (!r)
		r = ppo_load(l->ppo, blob, size);
	return r && r != -ENOMEM ? -EBADMSG : r;
}

static void ppo_row(const double x[FEATURES], float row[FITTED_CONTEXT])
{
	double context[FITTED_CONTEXT];

	fitted_context(x, context);
	for (int i = 0; i < FITTED_CONTEXT; i++)
		row[i] = context[i];
}

static int decide_ppo(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t)
{
	struct learned *l = (struct learned *)p;
	double x[FEATURES];
	float row[FITTED_CONTEXT];
	int action;

	if (!policy_watch(&l->watch, in, x))
		return 0;
	ppo_row(x, row);
	action = ppo_greedy(l->ppo, row, NULL, NULL);
	if (action < 0)
		return action;
	policy_move(&l->watch, in, action - POLICY_BELOW, t);
	return 0;
}

static void reset_ppo(struct policy *p)
{
	((struct learned *)p)->watch = (struct policy_watch){ 0 };
}

#define LEARNED(kind)									\
	const struct policy_ops policy_##kind = {					\
		.name = #kind, .size = sizeof(struct learned), .init = init_##kind,	\
		.start = start, .decide = decide_##kind, .reset = reset_##kind, .fini = fini, \
	}

LEARNED(ddqn);
LEARNED(ppo);

/* --- what decisions are worth ------------------------------------------------------------- */

int learned_q_gap(const struct policy *p, double *gap)
{
	const struct learned *l = (const struct learned *)p;

	if (p->ops != &policy_ddqn)
		return -EINVAL;
	if (!isfinite(l->q_gap))
		return -EDOM;
	*gap = l->q_gap;
	return 0;
}

int learned_log_odds(struct policy *p, const double x[FEATURES], double odds[POLICY_TEMPLATES])
{
	float row[FITTED_CONTEXT], log_p[POLICY_TEMPLATES], most = -INFINITY;
	int r;

	if (p->ops != &policy_ppo)
		return -EINVAL;
	ppo_row(x, row);
	r = ppo_log_probabilities(((struct learned *)p)->ppo, row, log_p);
	for (int k = 0; !r && k < POLICY_TEMPLATES; k++) {
		if (!isfinite(log_p[k]))
			return -EDOM;
		most = fmaxf(most, log_p[k]);
	}
	for (int k = 0; !r && k < POLICY_TEMPLATES; k++)
		odds[k] = most - log_p[k];
	return r;
}
