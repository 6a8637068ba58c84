// SPDX-License-Identifier: GPL-2.0
#include "policy/steer_board.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"

#define BOOTSTRAPS	2000

struct steer_row *steer_board_add(struct steer_board *b, const char *name,
				  const struct steer_policy_ops *ops, const struct model *m)
{
	struct steer_row *r = b->n < STEER_BOARD_ROWS ? calloc(1, sizeof(*r)) : NULL;

	if (!r)
		return NULL;
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->ops = ops;
	r->model = m;
	steer_tuning_default(&r->tuning);
	b->row[b->n++] = r;
	return r;
}

void steer_board_free(struct steer_board *b)
{
	while (b->n)
		free(b->row[--b->n]);
}

/* --- tuning and running, in processes ----------------------------------------------------- */

struct answer {
	int error;
	struct sl_err e;
	struct steer_tuning tuning;
	struct steer_outcome out;
};

struct task {
	const struct steer_board *b;
	size_t settings, first;
	size_t test[STEER_LAB_WORKLOADS];
};

static int tune_one(void *ctx, size_t i, void *result)
{
	const struct task *t = ctx;
	const struct steer_row *r = t->b->row[t->first + i];
	struct answer *a = result;

	a->tuning = r->tuning;
	a->error = steer_lab_tune(t->b->lab, r->ops, t->settings, t->b->seconds, &a->tuning, &a->e);
	return 0;
}

static int run_one(void *ctx, size_t i, void *result)
{
	const struct task *t = ctx;
	const struct steer_board *b = t->b;
	const size_t each = b->lab->tests * b->seeds;
	const struct steer_row *r = b->row[i / each];
	const size_t w = t->test[i % each / b->seeds];
	struct answer *a = result;
	struct steer_policy_config c;
	struct steer_policy *p;

	steer_policy_config_default(&c);
	c.tuning = r->tuning;
	a->error = r->model ? steer_model_policy(r->model, &p, &a->e) :
			      steer_policy_new(r->ops, &c, &p, &a->e);
	if (a->error)
		return 0;
	a->error = steer_lab_run_placed(b->lab, w, STEER_LAB_TEST_SEED + i % b->seeds, p,
					&r->place, b->seconds, &a->out, &a->e);
	steer_policy_free(p);
	return 0;
}

static int run_tasks(const struct par *par, size_t n, par_task *one, struct task *t,
		     struct answer **ret, struct sl_err *e)
{
	struct answer *a = calloc(n ? n : 1, sizeof(*a));
	int r = a ? par_run(par, n, one, t, a, sizeof(*a)) : -ENOMEM;

	if (r)
		sl_err(e, r, "simulating: %s", strerror(-r));
	for (size_t i = 0; i < n && !r; i++) {
		r = a[i].error;
		if (r)
			sl_err(e, r, "%s", a[i].e.text);
	}
	if (r)
		free(a);
	else
		*ret = a;
	return r;
}

int steer_board_baselines(struct steer_board *b, const struct par *par, size_t settings,
			  struct sl_err *e)
{
	struct task t = { .b = b, .settings = settings, .first = b->n };
	struct answer *a;
	int r;

	for (size_t i = 0; i < steer_policies_n; i++) {
		if (!strcmp(steer_policies[i]->name, "agent"))
			continue;
		if (!steer_board_add(b, steer_policies[i]->name, steer_policies[i], NULL))
			return sl_err(e, -ENOMEM, "out of memory, or too many rows");
	}
	r = run_tasks(par, b->n - t.first, tune_one, &t, &a, e);
	if (r)
		return r;
	for (size_t i = t.first; i < b->n; i++)
		b->row[i]->tuning = a[i - t.first].tuning;
	free(a);
	return 0;
}

int steer_board_run(struct steer_board *b, const struct par *par, struct sl_err *e)
{
	const size_t each = b->lab->tests * b->seeds;
	struct task t = { .b = b };
	struct answer *a;
	size_t n = 0;
	int r;

	for (size_t w = 0; w < b->lab->n; w++)
		if (b->lab->test[w])
			t.test[n++] = w;
	r = run_tasks(par, b->n * each, run_one, &t, &a, e);
	if (r)
		return r;
	for (size_t i = 0; i < b->n * each && !r; i++) {
		b->row[i / each]->out[t.test[i % each / b->seeds]][i % b->seeds] = a[i].out;
		if (a[i].out.digest != a[i % each].out.digest)
			r = sl_err(e, -EPROTO, "%s met other arrivals than %s",
				   b->row[i / each]->name, b->row[0]->name);
	}
	free(a);
	return r;
}

/* --- what came of it ------------------------------------------------------------------- */

const struct steer_row *steer_board_find(const struct steer_board *b, const char *name)
{
	for (size_t i = 0; i < b->n; i++)
		if (!strcmp(b->row[i]->name, name))
			return b->row[i];
	return NULL;
}

double steer_board_over(const struct steer_board *b, const struct steer_row *r,
			const struct steer_row *other, size_t w)
{
	double sum = 0;

	for (unsigned int s = 0; s < b->seeds; s++)
		sum += log(r->out[w][s].cost_us / other->out[w][s].cost_us);
	return sum / b->seeds;
}

double steer_board_mean(const struct steer_board *b, const struct steer_row *r,
			const struct steer_row *other)
{
	double sum = 0;

	for (size_t w = 0; w < b->lab->n; w++)
		if (b->lab->test[w])
			sum += steer_board_over(b, r, other, w);
	return sum / (double)b->lab->tests;
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void steer_board_interval(const struct steer_board *b, const struct steer_row *r,
			  const struct steer_row *other, double *low, double *high)
{
	double family_sum[STEER_LAB_WORKLOADS] = { 0 }, mean[BOOTSTRAPS];
	size_t family_n[STEER_LAB_WORKLOADS] = { 0 }, families = 0;
	struct rng rng;

	for (size_t w = 0; w < b->lab->n; w++) {
		if (!w || b->lab->family[w] != b->lab->family[w - 1])
			families++;
		if (!b->lab->test[w])
			continue;
		family_sum[families - 1] += steer_board_over(b, r, other, w);
		family_n[families - 1]++;
	}
	rng_seed(&rng, 1);
	for (int i = 0; i < BOOTSTRAPS; i++) {
		double sum = 0;
		size_t n = 0;

		while (!n)
			for (size_t k = 0; k < families; k++) {
				const size_t f = rng_below(&rng, (uint32_t)families);

				sum += family_sum[f];
				n += family_n[f];
			}
		mean[i] = sum / (double)n;
	}
	qsort(mean, BOOTSTRAPS, sizeof(*mean), ascending);
	*low = mean[BOOTSTRAPS / 40];
	*high = mean[BOOTSTRAPS - 1 - BOOTSTRAPS / 40];
}

static bool could_be_run(const struct steer_row *r)
{
	return !r->ops->unguarded && !r->ops->placer;
}

double steer_board_hindsight(const struct steer_board *b, const struct steer_row *other)
{
	double sum = 0;

	for (size_t w = 0; w < b->lab->n; w++) {
		double best = INFINITY;

		if (!b->lab->test[w])
			continue;
		for (size_t i = 0; i < b->n; i++)
			if (could_be_run(b->row[i]) && !b->row[i]->model)
				best = fmin(best, steer_board_over(b, b->row[i], other, w));
		sum += best;
	}
	return sum / (double)b->lab->tests;
}

const struct steer_row *steer_board_best(const struct steer_board *b,
					 const struct steer_row *other, bool learned)
{
	const struct steer_row *best = NULL;
	double least = INFINITY;

	for (size_t i = 0; i < b->n; i++) {
		const double mean = steer_board_mean(b, b->row[i], other);

		if (!could_be_run(b->row[i]) || learned != !!b->row[i]->model || mean >= least)
			continue;
		least = mean;
		best = b->row[i];
	}
	return best;
}

struct steer_outcome steer_board_summary(const struct steer_board *b, const struct steer_row *r)
{
	struct steer_outcome sum = { 0 };
	double n = 0;

	for (size_t w = 0; w < b->lab->n; w++)
		for (unsigned int s = 0; s < b->seeds && b->lab->test[w]; s++, n++) {
			const struct steer_outcome *x = &r->out[w][s];

			sum.cost_us += log(x->cost_us);
			sum.mean_us += log(x->mean_us);
			sum.p99_us += log(x->p99_us);
			sum.dropped += x->dropped;
			sum.reordered += x->reordered;
			sum.moves_per_s += x->moves_per_s;
			sum.reward += x->reward;
		}
	sum.cost_us = exp(sum.cost_us / n);
	sum.mean_us = exp(sum.mean_us / n);
	sum.p99_us = exp(sum.p99_us / n);
	sum.dropped /= n;
	sum.reordered /= n;
	sum.moves_per_s /= n;
	sum.reward /= n;
	return sum;
}
