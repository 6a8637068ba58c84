// SPDX-License-Identifier: GPL-2.0
#include "policy/steer_learn.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct learner {
	struct steer_learn_config config;
	struct steer_policy *policy;
	size_t order[STEER_LAB_WORKLOADS], n;	/* the training workloads */
};

const struct curve_names steer_learn_names = {
	"regret", "reward", "ln(cost / cost of never moving anything)",
};

static size_t training_half(const struct steer_lab *l, size_t order[STEER_LAB_WORKLOADS])
{
	size_t n = 0;

	for (size_t w = 0; w < l->n; w++)
		if (!l->test[w])
			order[n++] = w;
	return n;
}

static void free_learner(void *learner)
{
	struct learner *l = learner;

	if (!l)
		return;
	steer_policy_free(l->policy);
	free(l);
}

static int make(const void *config, void **ret)
{
	struct steer_policy_config c;
	struct learner *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->config = *(const struct steer_learn_config *)config;
	l->n = training_half(l->config.lab, l->order);
	steer_policy_config_default(&c);
	c.agent.seed = l->config.seed;
	c.agent.explore = c.agent.learn = true;
	c.agent.weights = l->config.reward->weights;
	if (l->config.reward->fine)
		c.agent.weights.latency_ref_s /= 10;
	r = l->n ? steer_policy_new(steer_policy_find("agent", NULL), &c, &l->policy, NULL) :
		   -EINVAL;
	if (r) {
		l->policy = NULL;
		free_learner(l);
		return r;
	}
	*ret = l;
	return 0;
}

static int episode(void *learner, uint64_t n, double *plotted, double *beside)
{
	struct learner *l = learner;
	const size_t w = l->order[n % l->n];
	struct steer_outcome out;
	int r;

	steer_agent_restart(steer_policy_agent(l->policy));
	r = steer_lab_run(l->config.lab, w, l->config.seed * 1000003 + n, l->policy,
			  l->config.turn_s, &out, NULL);
	if (!r)
		r = steer_agent_health(steer_policy_agent(l->policy));
	if (r)
		return r;
	*plotted = log(out.cost_us / l->config.still_us[w]);
	*beside = out.reward;
	return isfinite(*plotted) && isfinite(*beside) ? 0 : -EDOM;
}

static int model(const void *learner, struct model *m)
{
	const struct learner *l = learner;

	return steer_model_set(m, l->config.lab, steer_policy_agent(l->policy));
}

static int restore(void *learner, const struct model *m)
{
	struct learner *l = learner;
	int r = steer_model_load(m, steer_policy_agent(l->policy), NULL);

	return r && r != -ENOMEM ? -EBADMSG : r;
}

const struct trainer_ops steer_learn_ops = {
	.make = make, .free = free_learner, .episode = episode, .model = model, .restore = restore,
};

unsigned int steer_learn_steps(const struct steer_learn_config *c)
{
	return (unsigned int)ceil(steer_lab_run_s(c->turn_s) / c->lab->config.interval_s - 1e-9);
}

void steer_learn_describe(const struct steer_learn_config *c, uint64_t episodes, char *text,
			  size_t size)
{
	const struct steer_lab_config *l = &c->lab->config;
	uLong data = crc32(0, NULL, 0);

	for (size_t w = 0; w < c->lab->n; w++) {
		const struct steer_workload *k = &c->lab->workload[w];

		data = crc32_z(data, (const Bytef *)k->family, strlen(k->family));
		data = crc32_z(data, (const Bytef *)&k->load, sizeof(k->load));
	}
	if (l->sizes) {
		data = crc32_z(data, (const Bytef *)l->sizes->bytes,
			       l->sizes->n * sizeof(*l->sizes->bytes));
		data = crc32_z(data, (const Bytef *)l->sizes->share,
			       l->sizes->n * sizeof(*l->sizes->share));
	}
	if (l->capture)
		data = crc32_z(data, (const Bytef *)l->capture->key,
			       l->capture->n_flows * sizeof(*l->capture->key)) +
		       l->capture->n_packets + l->capture->duration_ns;
	snprintf(text, size, "steer reward %s seed %" PRIu64 " workloads %zu %08lx interval %g "
		 "stack %g stale %u hold %d turn %g episodes %" PRIu64, c->reward->name, c->seed,
		 c->lab->n - c->lab->tests, data, l->interval_s, l->stack_ns, l->stale,
		 !l->no_hold, c->turn_s, episodes);
}

/* --- judging ------------------------------------------------------------------------ */

struct judging {
	const struct steer_learn_config *config;
	const struct model *model;	/* NULL: nothing moves */
	size_t order[STEER_LAB_WORKLOADS];
};

struct verdict {
	int error;
	double cost_us;
	struct sl_err e;
};

static int judge_one(void *ctx, size_t i, void *result)
{
	const struct judging *j = ctx;
	struct verdict *v = result;
	struct steer_policy_config c;
	struct steer_policy *p;
	struct steer_outcome out;

	steer_policy_config_default(&c);
	v->error = j->model ? steer_model_policy(j->model, &p, &v->e) :
		   steer_policy_new(steer_policy_find("static", NULL), &c, &p, &v->e);
	if (v->error)
		return 0;
	v->error = steer_lab_run(j->config->lab, j->order[i], STEER_LAB_TUNE_SEED, p,
				 j->config->turn_s, &out, &v->e);
	v->cost_us = out.cost_us;
	steer_policy_free(p);
	return 0;
}

static int costs(const struct steer_learn_config *c, const struct par *par, const struct model *m,
		 double cost_us[STEER_LAB_WORKLOADS], struct sl_err *e)
{
	struct judging j = { .config = c, .model = m };
	const size_t n = training_half(c->lab, j.order);
	struct verdict *v = calloc(n ? n : 1, sizeof(*v));
	int r = v ? par_run(par, n, judge_one, &j, v, sizeof(*v)) : -ENOMEM;

	if (r)
		sl_err(e, r, "simulating: %s", strerror(-r));
	for (size_t i = 0; i < n && !r; i++) {
		cost_us[j.order[i]] = v[i].cost_us;
		r = v[i].error;
		if (r)
			sl_err(e, r, "%s", v[i].e.text);
	}
	free(v);
	return r;
}

int steer_learn_still(struct steer_learn_config *c, const struct par *par, struct sl_err *e)
{
	if (c->lab->tests == c->lab->n)
		return sl_err(e, -EINVAL, "none of these workloads is one to train on: every other "
			      "load of a family is kept for the test");
	return costs(c, par, NULL, c->still_us, e);
}

int steer_learn_judge(const struct steer_learn_config *c, const struct par *par,
		      const struct model *m, double *over, struct sl_err *e)
{
	double cost_us[STEER_LAB_WORKLOADS], sum = 0;
	int r = costs(c, par, m, cost_us, e);

	for (size_t w = 0; w < c->lab->n && !r; w++)
		if (!c->lab->test[w])
			sum += log(cost_us[w] / c->still_us[w]);
	if (!r)
		*over = sum / (double)(c->lab->n - c->lab->tests);
	return r;
}
