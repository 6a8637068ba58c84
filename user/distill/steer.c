// SPDX-License-Identifier: GPL-2.0
#include "distill/steer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"

#define STEP_NS		200000		/* a decision is waited for in such steps ... */
#define WAIT_NS		50000000	/* ... and for so long */
#define EARLY		3		/* intervals */
#define RULE_EWMA	0.2		/* as the daemon has it */

int distill_steer_policy(struct steer_policy **ret, struct sl_err *e)
{
	struct steer_policy_config c;

	steer_policy_config_default(&c);
	c.tuning.ewma = RULE_EWMA;
	return steer_policy_new(&steer_policy_ewma, &c, ret, e);
}

/* --- labels --------------------------------------------------------------------------- */

struct label {
	double x[PLACE_LEARNED], cost[SLUICE_PLACE_NR];
};

struct seen {
	uint32_t feature[PLACE_LEARNED];
	uint64_t at_ns;		/* 0: nothing yet */
};

static void watch(void *data, struct cpus *c, const uint32_t *feature, uint32_t choice)
{
	struct seen *s = data;

	(void)choice;
	if (s->at_ns)
		return;
	memcpy(s->feature, feature, sizeof(s->feature));
	s->at_ns = cpus_now_ns(c) + 1;
}

static double paid_ns(const struct cpus *c, const struct steer_env_params *p)
{
	struct cpus_stats s;

	cpus_read(c, &s);
	return s.sojourn_sum_ns + cpus_waiting_ns(c) +
	       (double)(s.rx_drops + s.ring_drops) * p->dropped_s * 1e9 +
	       (double)s.reordered * p->reordered_s * 1e9;
}

/* Until the first decision; -EAGAIN: there was none in time. */
static int run_to_decision(struct cpus *c, struct seen *s)
{
	const uint64_t until = cpus_now_ns(c) + WAIT_NS;
	int r = 0;

	while (!r && !s->at_ns && cpus_now_ns(c) < until)
		r = cpus_run(c, cpus_now_ns(c) + STEP_NS);
	return r ? r : s->at_ns ? 0 : -EAGAIN;
}

/* What both answers to the next decision lead to, as shares of their mean. */
static int label(const struct cpus *now, const struct steer_env_params *p, double horizon_s,
		 struct label *ret)
{
	const double before = paid_ns(now, p);
	struct cpus *c[SLUICE_PLACE_NR] = { NULL };
	struct seen seen[SLUICE_PLACE_NR] = { { .at_ns = 0 } };
	double paid[SLUICE_PLACE_NR], mean = 0;
	int r = 0;

	for (int i = 0; i < SLUICE_PLACE_NR && !r; i++) {
		c[i] = cpus_copy(now);
		if (!c[i]) {
			r = -ENOMEM;
			break;
		}
		cpus_watch(c[i], watch, &seen[i]);
		cpus_force(c[i], i);
		r = run_to_decision(c[i], &seen[i]);
		if (!r)
			r = cpus_run(c[i], seen[0].at_ns + (uint64_t)(horizon_s * 1e9));
		paid[i] = r ? 0 : paid_ns(c[i], p) - before;
		mean += paid[i] / SLUICE_PLACE_NR;
	}
	for (int i = 0; i < SLUICE_PLACE_NR; i++)
		cpus_free(c[i]);
	if (r || !(mean > 0))
		return r ? r : -EAGAIN;
	for (int f = 0; f < PLACE_LEARNED; f++)
		ret->x[f] = seen[0].feature[f];
	for (int i = 0; i < SLUICE_PLACE_NR; i++)
		ret->cost[i] = paid[i] / mean;
	return 0;
}

struct found {
	int error;
	size_t n;
	struct label label[DISTILL_STEER_LABELS];
};

/* "want" labels out of the interval that begins now. */
static int label_interval(struct steer_env *env, const struct steer_env_params *p,
			  const struct distill_steer *d, struct rng *rng, size_t want,
			  struct found *to)
{
	struct cpus *c = cpus_copy(steer_env_cpus(env));
	const double part = p->interval_s * 1e9 / (double)want;
	const uint64_t begin = cpus_now_ns(steer_env_cpus(env));
	int r = c ? 0 : -ENOMEM;

	for (size_t i = 0; i < want && !r && to->n < DISTILL_STEER_LABELS; i++) {
		r = cpus_run(c, begin + (uint64_t)(part * ((double)i + rng_uniform(rng))));
		if (!r)
			r = label(c, p, d->horizon_s, &to->label[to->n]);
		if (!r)
			to->n++;
		if (r == -EAGAIN)
			r = 0;
	}
	cpus_free(c);
	return r;
}

struct visiting {
	const struct distill_steer *d;
	const struct sluice_tree *tree;		/* NULL: the first round */
	unsigned int round;
	size_t work[STEER_LAB_WORKLOADS], n;
};

static int visit_one(void *ctx, size_t i, void *result)
{
	const struct visiting *v = ctx;
	const struct distill_steer *d = v->d;
	const size_t w = v->work[i % v->n];
	struct found *to = result;
	struct steer_policy *policy;
	struct steer_env_params p;
	struct sluice_tree tree;
	struct steer_env *env;
	unsigned int intervals;
	struct rng rng;
	double owed = 0;
	int r = steer_lab_env(d->lab, w, d->seconds, &p, &intervals, NULL);
	const unsigned int early = intervals < EARLY ? 1 : EARLY;

	if (!r)
		r = distill_steer_policy(&policy, NULL);
	to->error = r;
	if (r)
		return 0;
	if (v->tree)
		tree = *v->tree;
	else if (i % 2)
		place_ladder(8, 1, &tree);
	else
		place_chain(NULL, 0, false, 1, &tree);
	p.tree = &tree;
	p.cpus.config.announce_mask = d->announce - 1;
	rng_seed(&rng, d->seed + 1000003 * v->round + i);
	r = steer_env_new(&p, rng_u64(&rng), policy, &env, NULL);
	for (unsigned int k = 0; k < intervals && !r; k++) {
		r = k ? steer_env_step(env) : 0;
		/* Most flows that stay are admitted when they begin: half of the labels are of then. */
		owed += d->labels / 2.0 / (k < early ? early : intervals - early);
		if (r)
			break;
		if (owed >= 1)
			r = label_interval(env, &p, d, &rng, (size_t)owed, to);
		owed -= floor(owed);
	}
	steer_env_free(env);
	steer_policy_free(policy);
	to->error = r;
	return 0;
}

static size_t training_half(const struct steer_lab *l, size_t work[STEER_LAB_WORKLOADS])
{
	size_t n = 0;

	for (size_t w = 0; w < l->n; w++)
		if (!l->test[w])
			work[n++] = w;
	return n;
}

static int add_rows(const struct viper_task *t, struct viper_rows *to, const struct viper_rows *from)
{
	int r = 0;

	for (size_t i = 0; i < from->n && !r; i++)
		r = viper_rows_add(t, to, from->x + i * t->features, from->cost + i * t->classes);
	return r;
}

static int visit(void *ctx, unsigned int round, const struct cart *cart, struct viper_rows *rows)
{
	struct distill_steer *d = ctx;
	const struct viper_task t = distill_steer_task(d);
	struct visiting v = { .d = d, .round = round };
	struct sluice_tree tree;
	struct found *found;
	size_t n, changed;
	int r = 0;

	if (!cart && d->first.n)
		return add_rows(&t, rows, &d->first);
	v.n = training_half(d->lab, v.work);
	if (cart)
		r = distill_steer_tree(d, cart, 1, &tree, &changed, NULL);
	if (r)
		return r;
	v.tree = cart ? &tree : NULL;
	n = v.n * d->runs;
	found = calloc(n ? n : 1, sizeof(*found));
	if (!found)
		return -ENOMEM;
	r = par_run(&d->par, n, visit_one, &v, found, sizeof(*found));
	for (size_t i = 0; i < n && !r; i++) {
		r = found[i].error;
		for (size_t k = 0; k < found[i].n && !r; k++)
			r = viper_rows_add(&t, rows, found[i].label[k].x, found[i].label[k].cost);
		for (size_t k = 0; k < found[i].n && !r && !cart; k++)
			r = viper_rows_add(&t, &d->first, found[i].label[k].x,
					   found[i].label[k].cost);
	}
	free(found);
	return r;
}

/* --- what a tree costs ------------------------------------------------------------------ */

struct judging {
	const struct distill_steer *d;
	const struct sluice_tree *tree;
	size_t work[STEER_LAB_WORKLOADS], n;
};

struct verdict {
	int error;
	double cost;
};

static int judge_one(void *ctx, size_t i, void *result)
{
	const struct judging *j = ctx;
	const struct steer_place place = { j->tree, j->d->announce };
	struct verdict *v = result;
	struct steer_policy *policy;
	struct steer_outcome out;

	v->error = distill_steer_policy(&policy, NULL);
	if (v->error)
		return 0;
	v->error = steer_lab_run_placed(j->d->lab, j->work[i % j->n], j->d->judge_seed + i / j->n,
					policy, &place, j->d->seconds, &out, NULL);
	v->cost = v->error ? 0 : log(out.cost_us);
	steer_policy_free(policy);
	return 0;
}

int distill_steer_cost(const struct distill_steer *d, const struct sluice_tree *tree, double *ret)
{
	struct judging j = { .d = d, .tree = tree };
	struct verdict *v;
	double sum = 0;
	size_t n;
	int r;

	j.n = training_half(d->lab, j.work);
	n = j.n * d->judges;
	v = calloc(n ? n : 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	r = n ? par_run(&d->par, n, judge_one, &j, v, sizeof(*v)) : -EINVAL;
	for (size_t i = 0; i < n && !r; i++) {
		r = v[i].error;
		sum += v[i].cost;
	}
	free(v);
	if (!r)
		*ret = sum / (double)n;
	return r;
}

static int judge(void *ctx, const struct cart *cart, double *cost)
{
	const struct distill_steer *d = ctx;
	struct sluice_tree tree;
	size_t changed;
	int r = distill_steer_tree(d, cart, 1, &tree, &changed, NULL);

	return r ? r : distill_steer_cost(d, &tree, cost);
}

int distill_steer_tree(const struct distill_steer *d, const struct cart *c, uint32_t generation,
		       struct sluice_tree *ret, size_t *changed, struct sl_err *e)
{
	int r = place_compile(c, generation, ret, e);

	*changed = 0;
	if (r || !d->limits || !d->limits->rules)
		return r;
	r = verify_repair(ret, d->limits, changed);
	return r ? sl_err(e, r, "cannot make the tree keep its rules: %s", strerror(-r)) : 0;
}

struct viper_task distill_steer_task(struct distill_steer *d)
{
	return (struct viper_task){ PLACE_LEARNED, SLUICE_PLACE_NR, d, visit, judge };
}

void distill_steer_fini(struct distill_steer *d)
{
	viper_rows_free(&d->first);
}
