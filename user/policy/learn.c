// SPDX-License-Identifier: GPL-2.0
#include "policy/learn.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/reward_ecn.h"
#include "lib/rng.h"
#include "policy/ecn_env.h"
#include "policy/fit.h"
#include "policy/fitted.h"
#include "policy/learned.h"
#include "rl/bandit.h"

#define GRADIENT_STEPS	2	/* of the agent, for each decision */
#define BANDIT_ALPHA	0.5

struct learner {
	struct learn_config config;
	const struct lab *lab;
	double start;
	struct env *env;	/* of ppo and the bandit */
	struct ecn_env_config env_config;
	struct ecn_agent *agent;
	struct ppo *ppo;
	struct bandit bandit;
};

const char *learn_name(enum learn_kind kind)
{
	static const char *const name[LEARN_MAX] = {
		[LEARN_DDQN] = "ddqn", [LEARN_PPO] = "ppo", [LEARN_BANDIT] = "bandit",
	};

	return name[kind];
}

int learn_new(const struct learn_config *c, const struct lab *lab, struct learner **ret)
{
	const struct bandit_config bandit = {
		.kind = BANDIT_LINUCB, .arms = POLICY_TEMPLATES, .features = FITTED_CONTEXT,
		.alpha = BANDIT_ALPHA, .seed = c->seed,
	};
	struct learner *l = calloc(1, sizeof(*l));
	struct ecn_agent_config agent;
	struct ppo_config ppo;
	int r;

	if (!l)
		return -ENOMEM;
	l->config = *c;
	l->lab = lab;
	l->start = fit_ratio(lab);
	l->env_config = (struct ecn_env_config){ lab->files, lab->mix, lab->n, c->reward };
	ecn_agent_config_default(&agent);
	agent.reward = c->reward;
	agent.seed = c->seed;
	agent.explore = agent.learn = true;
	agent.regret_budget = HUGE_VAL;
	learned_ppo_config(c->seed, &ppo);
	r = ecn_env_new(&l->env_config, &l->env);
	if (!r)
		r = c->kind == LEARN_DDQN ? ecn_agent_new(&agent, &l->agent) :
		    c->kind == LEARN_PPO ? ppo_new(&ppo, &l->ppo) :
		    bandit_init(&l->bandit, &bandit);
	if (r) {
		learn_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void learn_free(struct learner *l)
{
	if (!l)
		return;
	env_free(l->env);
	ecn_agent_free(l->agent);
	ppo_free(l->ppo);
	bandit_fini(&l->bandit);
	free(l);
}

/* --- episodes -------------------------------------------------------------------------- */

/* The agent decides each epoch, from a start drawn among the templates. */
static int episode_ddqn(struct learner *l, uint64_t seed, struct outcome *out, double *reward)
{
	const struct mix *m = &l->lab->mix[ecn_env_mix(&l->env_config, seed)];
	struct ecn_decision d;
	struct ecn_interval in;
	struct qdisc_triple t;
	struct world *w;
	struct rng rng;
	double sum = 0, active = 0;
	int last, r;

	rng_seed(&rng, seed);
	world_interval(m, &in);
	t = policy_step(&in, policy_template_bytes(&in, rng_below(&rng, POLICY_TEMPLATES)));
	r = world_new(&l->lab->files, m, seed, &t, &w);
	if (r)
		return r;
	ecn_agent_forget(l->agent, 0);
	do {
		r = last = world_epoch(w, &in);
		if (r >= 0)
			r = ecn_agent_decide(l->agent, 0, &in, &d);
		if (r < 0)
			break;
		if (d.reward_valid) {
			sum += d.reward;
			active++;
		}
		world_set(w, &d.triple);
		ecn_agent_applied(l->agent, 0, true);
		ecn_agent_train(l->agent, GRADIENT_STEPS);
		r = ecn_agent_health(l->agent);
	} while (!r && !last);
	if (r >= 0)
		r = world_end(w, out);
	world_free(w);
	*reward = active > 0 ? sum / active : 0;
	return r;
}

static int act(struct learner *l, const float *x)
{
	double context[FITTED_CONTEXT];

	if (l->ppo)
		return ppo_act(l->ppo, 0, x, NULL, NULL);
	for (int i = 0; i < FITTED_CONTEXT; i++)
		context[i] = x[i];
	return bandit_choose(&l->bandit, context, NULL);
}

static int learn(struct learner *l, const float *x, int action, const struct env_step *s,
		 const float *next)
{
	double context[FITTED_CONTEXT];
	struct ppo_stats stats;

	if (l->ppo) {
		ppo_result(l->ppo, 0, s->reward, next, s->terminated, s->truncated);
		return ppo_full(l->ppo) ? ppo_update(l->ppo, &stats) : 0;
	}
	for (int i = 0; i < FITTED_CONTEXT; i++)
		context[i] = x[i];
	return bandit_learn(&l->bandit, action, context, s->reward) ? -EDOM : 0;
}

static int episode_env(struct learner *l, uint64_t seed, struct outcome *out, double *reward)
{
	float x[FITTED_CONTEXT], next[FITTED_CONTEXT];
	uint8_t feasible[POLICY_TEMPLATES];
	struct env_step s = { 0 };
	double sum = 0;
	int steps = 0, r = env_reset(l->env, seed);

	while (r >= 0 && !s.truncated) {
		struct env_action a;

		r = env_observe(l->env, x, feasible);
		if (r >= 0)
			r = a.index = act(l, x);
		if (r >= 0)
			r = env_step(l->env, &a, &s);
		if (r >= 0)
			r = env_observe(l->env, next, feasible);
		if (r >= 0)
			r = learn(l, x, a.index, &s, next);
		sum += s.reward;
		steps++;
	}
	*reward = steps ? sum / steps : 0;
	return r < 0 ? r : ecn_env_outcome(l->env, out);
}

int learn_episode(struct learner *l, uint64_t n, struct learn_result *out)
{
	/* Not the arrivals of the grid, nor those of another seed. */
	const uint64_t seed = rng_mix64(l->config.seed * 0x10001 + n) | 1;
	struct outcome outcome;
	int r;

	out->mix = ecn_env_mix(&l->env_config, seed);
	r = l->agent ? episode_ddqn(l, seed, &outcome, &out->reward) :
	    episode_env(l, seed, &outcome, &out->reward);
	if (r)
		return r;
	out->regret = log(outcome.cost /
			  l->lab->cell[out->mix][lab_best(l->lab, out->mix)].out.cost);
	return isfinite(out->regret) && isfinite(out->reward) ? 0 : -EDOM;
}

/* --- models ---------------------------------------------------------------------------- */

/* theta, which acts, then what learning goes on with: b and A^-1. */
static void bandit_parts(const struct learner *l, double *part[3], size_t n[3])
{
	part[0] = l->bandit.theta;
	part[1] = l->bandit.b;
	part[2] = l->bandit.inverse;
	n[0] = n[1] = POLICY_TEMPLATES * FITTED_CONTEXT;
	n[2] = n[0] * FITTED_CONTEXT;
}

static int bandit_model(const struct learner *l, struct model *m)
{
	double number[FITTED_BANDIT] = { l->start }, *part[3];
	size_t n[3], at = 1;

	bandit_parts(l, part, n);
	for (int i = 0; i < 3; at += n[i++])
		memcpy(number + at, part[i], n[i] * sizeof(*number));
	return model_set_numbers(m, "bandit", number, FITTED_BANDIT);
}

static int bandit_restore(struct learner *l, const struct model *m)
{
	size_t n[3], have, at = 1;
	const double *number = model_numbers(m, &have);
	double *part[3];

	if (!number || have != FITTED_BANDIT)
		return -EBADMSG;
	bandit_parts(l, part, n);
	for (int i = 0; i < 3; at += n[i++])
		memcpy(part[i], number + at, n[i] * sizeof(*number));
	return 0;
}

int learn_model(const struct learner *l, struct model *m)
{
	void *blob = NULL;
	size_t size;
	int r;

	if (l->config.kind == LEARN_BANDIT)
		return bandit_model(l, m);
	r = l->agent ? ecn_agent_save(l->agent, &blob, &size) : ppo_save(l->ppo, &blob, &size);
	if (!r)
		r = learned_set(m, learn_name(l->config.kind), l->start, blob, size);
	free(blob);
	return r;
}

int learn_restore(struct learner *l, const struct model *m)
{
	const void *blob;
	double first;
	size_t size;
	int r;

	if (strcmp(m->kind, learn_name(l->config.kind)))
		return -EBADMSG;
	if (l->config.kind == LEARN_BANDIT)
		return bandit_restore(l, m);
	blob = learned_blob(m, &first, &size);
	if (!blob)
		return -EBADMSG;
	r = l->agent ? ecn_agent_load(l->agent, blob, size) : ppo_load(l->ppo, blob, size);
	return r && r != -ENOMEM ? -EBADMSG : r;
}
