// SPDX-License-Identifier: GPL-2.0
#include "policy/ladder.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"
#include "policy/bayes.h"

#define BOOTSTRAPS	2000
#define BAYES_SEED	1000000		/* of the first of its runs; the test's is 0 */

struct ladder {
	const struct lab *lab;
	struct ladder_row fixed;	/* the best static threshold's */
	struct ladder_row oracle;
};

static int row_new(const struct ladder *l, struct ladder_row *row)
{
	row->value = calloc(l->lab->n, sizeof(*row->value));
	return row->value ? 0 : -ENOMEM;
}

void ladder_row_free(struct ladder_row *row)
{
	free(row->value);
	row->value = NULL;
}

static void logs(const struct outcome *o, double value[LADDER_VALUES])
{
	value[LADDER_COST] = log(o->cost);
	value[LADDER_MICE] = log(o->mice);
	value[LADDER_ELEPHANTS] = log(o->elephants);
	value[LADDER_ECN] = log(o->ecn);
	value[LADDER_NONECN] = log(o->nonecn);
}

int ladder_row_step(struct ladder *l, unsigned int step, struct ladder_row *ret)
{
	int r = row_new(l, ret);

	for (size_t i = 0; !r && i < l->lab->n; i++)
		logs(&l->lab->cell[i][step].out, ret->value[i]);
	return r;
}

/* --- rows that are run ------------------------------------------------------------------ */

struct job {
	const struct lab *lab;
	const struct model *model;
};

static int run_model(void *ctx, size_t i, void *result)
{
	const struct job *j = ctx;
	struct outcome out;
	int r = lab_run_model(&j->lab->files, &j->lab->mix[i], 0, j->model, &out);

	if (!r)
		logs(&out, result);
	return r;
}

static int run_row(struct ladder *l, par_task *task, const struct model *m, struct ladder_row *ret)
{
	struct job j = { l->lab, m };
	struct ladder_row row;
	int r = row_new(l, &row);

	if (!r)
		r = par_run(&l->lab->par, l->lab->n, task, &j, row.value, sizeof(*row.value));
	if (r)
		ladder_row_free(&row);
	else
		*ret = row;
	return r;
}

int ladder_row_model(struct ladder *l, const struct model *m, struct ladder_row *ret)
{
	return run_row(l, run_model, m, ret);
}

static int run_static(const struct lab *lab, const struct mix *m, uint64_t seed, double k,
		      struct outcome *out)
{
	struct model model = { 0 };
	int r = model_set_numbers(&model, "static", &k, 1);

	if (!r)
		r = lab_run_model(&lab->files, m, seed, &model, out);
	model_free(&model);
	return r;
}

struct bayes_run {
	const struct lab *lab;
	const struct mix *mix;
};

static double bayes_bytes(double x)
{
	return lab_step_bytes(0) * exp2(x * (LAB_STEPS - 1));
}

static int bayes_sample(void *arg, unsigned int sample, double x, double *cost)
{
	const struct bayes_run *b = arg;
	struct outcome out;
	int r = run_static(b->lab, b->mix, BAYES_SEED + sample, bayes_bytes(x), &out);

	*cost = log(out.cost);
	return r;
}

static int run_bayes(void *ctx, size_t i, void *result)
{
	const struct job *j = ctx;
	struct bayes_run b = { j->lab, &j->lab->mix[i] };
	struct outcome out;
	double x;
	int r = bayes_minimise(bayes_sample, &b, LADDER_BAYES_RUNS, &x);

	if (!r)
		r = run_static(j->lab, b.mix, 0, bayes_bytes(x), &out);
	if (!r)
		logs(&out, result);
	return r;
}

int ladder_row_bayes(struct ladder *l, struct ladder_row *ret)
{
	return run_row(l, run_bayes, NULL, ret);
}

/* --- the oracle ---------------------------------------------------------------------------- */

static int run_phases(const struct lab *lab, const struct mix *m, const unsigned int step[2],
		      struct outcome *out)
{
	struct qdisc_triple t;
	struct ecn_interval in;
	struct world *w;
	int last, r;

	world_interval(m, &in);
	t = policy_step(&in, lab_step_bytes(step[0]));
	r = world_new(&lab->files, m, 0, &t, &w);
	if (r)
		return r;
	do {
		r = last = world_epoch(w, &in);
		t = policy_step(&in, lab_step_bytes(step[world_phase(w)]));
		if (r >= 0)
			world_set(w, &t);
	} while (r >= 0 && !last);
	if (r >= 0)
		r = world_end(w, out);
	world_free(w);
	return r;
}

/* From the best constant, first one phase's threshold, then the other's. */
static int run_varying(void *ctx, size_t i, void *result)
{
	const struct job *j = ctx;
	const struct mix *m = &j->lab->mix[i];
	unsigned int step[2] = { lab_best(j->lab, i), lab_best(j->lab, i) };
	struct outcome best = j->lab->cell[i][step[0]].out;

	for (int phase = 0; phase < 2 && m->phases > 1; phase++)
		for (unsigned int k = 0; k < LAB_STEPS; k++) {
			unsigned int tried[2] = { step[0], step[1] };
			struct outcome out;
			int r;

			tried[phase] = k;
			if (tried[0] == tried[1])
				continue;
			r = run_phases(j->lab, m, tried, &out);
			if (r)
				return r;
			if (out.cost < best.cost) {
				best = out;
				step[phase] = k;
			}
		}
	logs(&best, result);
	return 0;
}

int ladder_row_oracle(struct ladder *l, bool varying, struct ladder_row *ret)
{
	int r = row_new(l, ret);

	for (size_t i = 0; !r && i < l->lab->n; i++) {
		if (varying)
			memcpy(ret->value[i], l->oracle.value[i], sizeof(ret->value[i]));
		else
			logs(&l->lab->cell[i][lab_best(l->lab, i)].out, ret->value[i]);
	}
	return r;
}

int ladder_new(const struct lab *test, const struct model *best_static, struct ladder **ret)
{
	struct ladder *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->lab = test;
	r = run_row(l, run_varying, NULL, &l->oracle);
	if (!r)
		r = run_row(l, run_model, best_static, &l->fixed);
	if (r) {
		ladder_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void ladder_free(struct ladder *l)
{
	if (!l)
		return;
	ladder_row_free(&l->fixed);
	ladder_row_free(&l->oracle);
	free(l);
}

/* --- scores --------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What a bootstrap draws: group g has the mixes mix[first[g]] to mix[first[g + 1] - 1]. */
struct groups {
	size_t *mix, *first;
	size_t n;
};

/* The families that have mixes; or, of one family alone, each of its mixes as a group. */
static int group(const struct lab *lab, int only, struct groups *g)
{
	size_t at = 0;

	*g = (struct groups){ calloc(lab->n, sizeof(*g->mix)),
			      calloc(lab->n + 1, sizeof(*g->first)), 0 };
	if (!g->mix || !g->first)
		return -ENOMEM;
	for (unsigned int f = 0; f < lab->files.n * MIX_KINDS; f++) {
		if (only >= 0 && f != (unsigned int)only)
			continue;
		for (size_t i = 0; i < lab->n; i++) {
			if (lab->mix[i].family != f)
				continue;
			g->mix[at++] = i;
			if (only >= 0)
				g->first[++g->n] = at;
		}
		if (only < 0 && at > g->first[g->n])
			g->first[++g->n] = at;
	}
	return 0;
}

static void ungroup(struct groups *g)
{
	free(g->mix);
	free(g->first);
}

/* Adds up two values of each mix of a group. */
static void add_group(const struct groups *g, size_t which, const double *a, const double *b,
		      double sum[2], size_t *mixes)
{
	for (size_t i = g->first[which]; i < g->first[which + 1]; i++, ++*mixes) {
		sum[0] += a[g->mix[i]];
		sum[1] += b[g->mix[i]];
	}
}

/* share: 1 - sum a / sum b, else exp(mean a) - 1. */
static double statistic(const double sum[2], size_t mixes, bool share)
{
	return share ? 1 - sum[0] / fmax(sum[1], 1e-12) : expm1(sum[0] / mixes);
}

static void interval(const struct groups *g, const double *a, const double *b, bool share,
		     struct ladder_interval *out)
{
	static double value[BOOTSTRAPS];
	struct rng rng;

	rng_seed(&rng, 1);
	/* The last round is the set as it is. */
	for (int i = 0; i <= BOOTSTRAPS; i++) {
		double sum[2] = { 0 };
		size_t mixes = 0;

		for (size_t k = 0; k < g->n; k++)
			add_group(g, i < BOOTSTRAPS ? rng_below(&rng, g->n) : k, a, b, sum, &mixes);
		if (i < BOOTSTRAPS)
			value[i] = statistic(sum, mixes, share);
		else
			out->mean = statistic(sum, mixes, share);
	}
	qsort(value, BOOTSTRAPS, sizeof(*value), ascending);
	out->low = value[BOOTSTRAPS / 40];
	out->high = value[BOOTSTRAPS - 1 - BOOTSTRAPS / 40];
}

static double *difference(const struct ladder *l, const struct ladder_row *a,
			  const struct ladder_row *b)
{
	double *d = malloc(l->lab->n * sizeof(*d));

	for (size_t i = 0; d && i < l->lab->n; i++)
		d[i] = a->value[i][LADDER_COST] - b->value[i][LADDER_COST];
	return d;
}

void ladder_compare(const struct ladder *l, const struct ladder_row *a, const struct ladder_row *b,
		    struct ladder_interval *out)
{
	double *d = difference(l, a, b);
	struct groups g;

	*out = (struct ladder_interval){ NAN, NAN, NAN };
	if (!group(l->lab, -1, &g) && d)
		interval(&g, d, d, false, out);
	ungroup(&g);
	free(d);
}

void ladder_opportunity(const struct ladder *l, struct ladder_interval *out)
{
	ladder_compare(l, &l->fixed, &l->oracle, out);
}

/* The intervals of one family (-1: over all), and how many mixes it has. */
static size_t score(const struct ladder *l, const struct ladder_row *row, int family,
		    struct ladder_family *s, struct ladder_interval *over)
{
	double *to_oracle = difference(l, row, &l->oracle),
	       *to_fixed = difference(l, row, &l->fixed),
	       *gain = difference(l, &l->fixed, &l->oracle);
	struct groups g;

	memset(s, 0, sizeof(*s));
	if (!group(l->lab, family, &g) && g.n && to_oracle && to_fixed && gain) {
		interval(&g, to_oracle, to_oracle, false, over);
		interval(&g, to_fixed, to_fixed, false, &s->loss);
		interval(&g, to_oracle, gain, true, &s->captured);
		interval(&g, gain, gain, false, &s->opportunity);
		s->mixes = g.first[g.n];
	}
	ungroup(&g);
	free(to_oracle);
	free(to_fixed);
	free(gain);
	return s->mixes;
}

bool ladder_family(const struct ladder *l, const struct ladder_row *row, unsigned int family,
		   struct ladder_family *out)
{
	struct ladder_interval over;

	return score(l, row, family, out, &over);
}

/* The geometric mean over the mixes that have this value. */
static double mean_of(const struct lab *lab, const struct ladder_row *row, int value)
{
	double sum = 0, n = 0;

	for (size_t i = 0; i < lab->n; i++)
		if (!isnan(row->value[i][value])) {
			sum += row->value[i][value];
			n++;
		}
	return n > 0 ? exp(sum / n) : NAN;
}

/* The mean loss in the family where it is highest; without intervals, which nobody asks for. */
static double worst_family(const struct ladder *l, const struct ladder_row *row)
{
	double *loss = difference(l, row, &l->fixed), worst = -INFINITY;
	struct groups g;

	if (!group(l->lab, -1, &g) && loss)
		for (size_t k = 0; k < g.n; k++) {
			double sum[2] = { 0 };
			size_t mixes = 0;

			add_group(&g, k, loss, loss, sum, &mixes);
			worst = fmax(worst, statistic(sum, mixes, false));
		}
	ungroup(&g);
	free(loss);
	return worst;
}

void ladder_score(const struct ladder *l, const struct ladder_row *row, struct ladder_score *out)
{
	struct ladder_family s;

	memset(out, 0, sizeof(*out));
	out->worst_family = worst_family(l, row);
	score(l, row, -1, &s, &out->over);
	out->loss = s.loss;
	out->captured = s.captured;
	out->mice = mean_of(l->lab, row, LADDER_MICE);
	out->elephants = mean_of(l->lab, row, LADDER_ELEPHANTS);
	out->ecn = mean_of(l->lab, row, LADDER_ECN);
	out->nonecn = mean_of(l->lab, row, LADDER_NONECN);
}
