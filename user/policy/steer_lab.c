// SPDX-License-Identifier: GPL-2.0
#include "policy/steer_lab.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define WARMUP_S	2.0

const struct steer_reward_kind steer_rewards[] = {
#define X(name, t, l, i, m, fine) { #name, { t, l, i, m, 1e-3 }, fine },
	STEER_REWARDS(X)
#undef X
};
const size_t steer_rewards_n = sizeof(steer_rewards) / sizeof(steer_rewards[0]);

const struct steer_tuning steer_lab_settings[STEER_LAB_SETTINGS] = {
	{ .max_moves = 4, .ewma = 0.5, .move_cost = 0.01, .imbalance = 0.05 },
	{ .max_moves = 1, .ewma = 0.5, .move_cost = 0.01, .imbalance = 0.05 },
	{ .max_moves = 32, .ewma = 0.5, .move_cost = 0.01, .imbalance = 0.05 },
	{ .max_moves = 4, .ewma = 0.2, .move_cost = 0.03, .imbalance = 0.1 },
	{ .max_moves = 32, .ewma = 0.2, .move_cost = 0.002, .imbalance = 0.02 },
	{ .max_moves = 4, .ewma = 1, .move_cost = 0.05, .imbalance = 0.15 },
};

const struct steer_reward_kind *steer_reward_find(const char *name)
{
	for (size_t i = 0; i < steer_rewards_n; i++)
		if (!strcmp(steer_rewards[i].name, name))
			return &steer_rewards[i];
	return NULL;
}

void steer_lab_config_default(struct steer_lab_config *c)
{
	*c = (struct steer_lab_config){
		.loads = { 0.5, 0.65, 0.8 }, .n_loads = 3, .interval_s = 0.1, .stack_ns = 10000,
	};
}

static bool listed(const char *list, const char *name)
{
	const size_t n = strlen(name);

	for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL)
		if (!strncmp(list, name, n) && (list[n] == ',' || !list[n]))
			return true;
	return false;
}

/* Every word of the list is a family that there is data for. */
static int check_families(const struct steer_lab_config *c, const struct steer_workload *all,
			  size_t n, struct sl_err *e)
{
	for (const char *word = c->families; word; ) {
		const size_t length = strcspn(word, ",");
		size_t i = 0;

		while (i < n && (strncmp(all[i].family, word, length) || all[i].family[length]))
			i++;
		if (i == n && length == 7 && !strncmp(word, "capture", 7))
			return sl_err(e, -EINVAL, "the workload 'capture' needs a capture file");
		if (i == n)
			return sl_err(e, -EINVAL, "there is no family of workloads '%.*s'",
				      (int)length, word);
		word = word[length] ? word + length + 1 : NULL;
	}
	return 0;
}

int steer_lab_init(struct steer_lab *l, const struct steer_lab_config *c, struct sl_err *e)
{
	struct steer_workload all[STEER_LAB_WORKLOADS * 2];
	size_t n;
	int r;

	if (!c->n_loads || c->n_loads > STEER_LAB_LOADS)
		return sl_err(e, -EINVAL, "1 to %d loads are possible", STEER_LAB_LOADS);
	n = steer_workloads(c->loads, c->n_loads, c->capture != NULL, all,
			    sizeof(all) / sizeof(all[0]));
	r = check_families(c, all, n, e);
	if (r)
		return r;
	*l = (struct steer_lab){ .config = *c };
	for (size_t i = 0; i < n; i++) {
		const size_t family = i / c->n_loads;

		if (c->families && !listed(c->families, all[i].family))
			continue;
		if (l->n == STEER_LAB_WORKLOADS)
			return sl_err(e, -EINVAL, "more than %d workloads: give fewer families or "
				      "loads", STEER_LAB_WORKLOADS);
		l->workload[l->n] = all[i];
		l->family[l->n] = family;
		/* The place on the whole board: it does not depend on which families are given. */
		l->test[l->n] = (family + i % c->n_loads) % 2;
		l->tests += l->test[l->n];
		l->n++;
	}
	return 0;
}

int steer_lab_env(const struct steer_lab *l, size_t w, double seconds, struct steer_env_params *p,
		  unsigned int *intervals, struct sl_err *e)
{
	const struct steer_lab_config *c = &l->config;

	steer_env_params_default(p);
	/* As many changes for a decision as the daemon's defaults allow. */
	p->changes_per_s = (unsigned int)(p->changes_per_s * p->interval_s / c->interval_s);
	p->interval_s = c->interval_s;
	p->warmup = (unsigned int)ceil(fmin(WARMUP_S, seconds) / c->interval_s);
	p->stale = c->stale;
	p->cpus.costs.stack_ns = c->stack_ns;
	if (c->no_hold)
		p->cpus.config.flags |= SLUICE_STEER_F_NO_HOLD;
	*intervals = p->warmup + (unsigned int)ceil(seconds / c->interval_s);
	return steer_workload_fill(&l->workload[w], c->sizes, c->capture, p, e);
}

double steer_lab_run_s(double seconds)
{
	return seconds + fmin(WARMUP_S, seconds);
}

int steer_lab_run_placed(const struct steer_lab *l, size_t w, uint64_t seed, struct steer_policy *p,
			 const struct steer_place *place, double seconds,
			 struct steer_outcome *out, struct sl_err *e)
{
	struct steer_env_params env;
	unsigned int intervals;
	int r = steer_lab_env(l, w, seconds, &env, &intervals, e);

	env.tree = place->tree;
	if (place->announce)
		env.cpus.config.announce_mask = place->announce - 1;
	return r ? r : steer_env_run(&env, seed, p, intervals, out, e);
}

int steer_lab_run(const struct steer_lab *l, size_t w, uint64_t seed, struct steer_policy *p,
		  double seconds, struct steer_outcome *out, struct sl_err *e)
{
	const struct steer_place none = { 0 };

	return steer_lab_run_placed(l, w, seed, p, &none, seconds, out, e);
}

int steer_lab_run_new(const struct steer_lab *l, size_t w, uint64_t seed,
		      const struct steer_policy_ops *ops, const struct steer_policy_config *c,
		      double seconds, struct steer_outcome *out, struct sl_err *e)
{
	struct steer_policy *p;
	int r = steer_policy_new(ops, c, &p, e);

	if (r)
		return r;
	r = steer_lab_run(l, w, seed, p, seconds, out, e);
	steer_policy_free(p);
	return r;
}

int steer_lab_tune(const struct steer_lab *l, const struct steer_policy_ops *ops,
		   size_t settings, double seconds, struct steer_tuning *best, struct sl_err *e)
{
	struct steer_policy_config c;
	double least = INFINITY;

	if (!*ops->tunables || settings < 2 || l->tests == l->n)
		return 0;
	steer_policy_config_default(&c);
	for (size_t i = 0; i < settings && i < STEER_LAB_SETTINGS; i++) {
		double cost = 0;

		c.tuning = steer_lab_settings[i];
		for (size_t w = 0; w < l->n; w++) {
			struct steer_outcome out;
			int r = l->test[w] ? 0 :
				steer_lab_run_new(l, w, STEER_LAB_TUNE_SEED, ops, &c, seconds,
						  &out, e);

			if (r)
				return r;
			cost += l->test[w] ? 0 : log(out.cost_us);
		}
		if (cost < least) {
			least = cost;
			*best = c.tuning;
		}
	}
	return 0;
}
