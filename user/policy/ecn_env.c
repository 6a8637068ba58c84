// SPDX-License-Identifier: GPL-2.0
#include "policy/ecn_env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/reward_ecn.h"
#include "lib/rng.h"
#include "policy/fitted.h"

struct ecn_env {
	struct env env;
	struct ecn_env_config config;
	struct ecn_agent_config rewards;
	struct world *world;
	struct policy_watch watch;
	struct ecn_interval last;
	double x[FEATURES];
	bool over;
};

size_t ecn_env_mix(const struct ecn_env_config *c, uint64_t seed)
{
	return rng_mix64(seed) % c->n;
}

/* Epochs until something can be told; the mean reward of those that were active. */
static int advance(struct ecn_env *e, double *reward)
{
	double sum = 0;
	int active = 0, last;

	do {
		last = world_epoch(e->world, &e->last);
		if (last < 0)
			return last;
		e->over = last;
		if (!ecn_interval_active(&e->last))
			continue;
		sum += ecn_reward(&e->rewards, &e->last);
		active++;
		if (policy_watch(&e->watch, &e->last, e->x))
			break;
	} while (!e->over);
	*reward = active ? sum / active : 0;
	return 0;
}

static int reset(struct env *base, uint64_t seed)
{
	struct ecn_env *e = (struct ecn_env *)base;
	const struct mix *m = &e->config.mix[ecn_env_mix(&e->config, seed)];
	struct qdisc_triple t;
	struct rng rng;
	double reward;
	int r;

	rng_seed(&rng, seed);
	world_free(e->world);
	e->world = NULL;
	world_interval(m, &e->last);
	t = policy_step(&e->last,
			policy_template_bytes(&e->last, rng_below(&rng, POLICY_TEMPLATES)));
	r = world_new(&e->config.files, m, seed, &t, &e->world);
	if (r)
		return r;
	e->watch = (struct policy_watch){ .skip = true };
	e->over = false;
	memset(e->x, 0, sizeof(e->x));
	return advance(e, &reward);
}

static int observe(const struct env *base, float *x, uint8_t *feasible)
{
	const struct ecn_env *e = (const struct ecn_env *)base;
	double context[FITTED_CONTEXT];

	fitted_context(e->x, context);
	for (int i = 0; i < FITTED_CONTEXT; i++)
		x[i] = context[i];
	memset(feasible, 1, POLICY_TEMPLATES);
	return 1;
}

/* The traffic goes on after the run: it is truncated, not terminated. */
static int step(struct env *base, const struct env_action *a, struct env_step *out)
{
	struct ecn_env *e = (struct ecn_env *)base;
	const struct qdisc_triple t =
		policy_step(&e->last, policy_template_bytes(&e->last, a->index));
	double reward;
	int r;

	world_set(e->world, &t);
	r = advance(e, &reward);
	if (r)
		return r;
	*out = (struct env_step){ .reward = reward, .truncated = e->over };
	return 0;
}

static void release(struct env *base)
{
	struct ecn_env *e = (struct ecn_env *)base;

	world_free(e->world);
	free(e);
}

int ecn_env_new(const struct ecn_env_config *c, struct env **ret)
{
	static const struct env_ops ops = {
		.name = "ecn", .reset = reset, .observe = observe, .step = step, .free = release,
	};
	struct ecn_env *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->env = (struct env){
		.ops = &ops,
		.shape = { .features = FITTED_CONTEXT, .outputs = POLICY_TEMPLATES, .max_rows = 1 },
		.over = true,
	};
	e->config = *c;
	ecn_agent_config_default(&e->rewards);
	e->rewards.reward = c->reward;
	*ret = &e->env;
	return 0;
}

int ecn_env_outcome(struct env *base, struct outcome *out)
{
	struct ecn_env *e = (struct ecn_env *)base;

	return e->over && e->world ? world_end(e->world, out) : -EBUSY;
}
