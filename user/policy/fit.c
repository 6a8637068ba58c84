// SPDX-License-Identifier: GPL-2.0
#include "policy/fit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/cart.h"
#include "policy/fitted.h"
#include "policy/network.h"

#define TREE_DEPTH	5
#define TREE_LEAF	0.02	/* share of the samples in a leaf, at least */
#define RIDGE		1e-3
#define CANDIDATES	LAB_STEPS

const char *fit_name(enum fit_kind kind)
{
	static const char *const name[] = {
#define X(k, text) text,
		FIT_KINDS(X)
#undef X
	};

	return name[kind];
}

static double bdp(const struct mix *m)
{
	return m->rate_bps / 8 * m->rtt_s;
}

/* --- one number, chosen on the grid ------------------------------------------------------ */

enum unit { BYTES, BDPS, SECONDS };

static double bytes_of(const struct mix *m, enum unit unit, double v)
{
	return fmax(unit == BYTES ? v : unit == BDPS ? v * bdp(m) : v * m->rate_bps / 8,
		    lab_step_bytes(0));
}

static double choose(const struct lab *l, enum unit unit, double low, double factor, int n)
{
	double best = low, least = INFINITY;

	for (int i = 0; i < n; i++) {
		const double v = low * pow(factor, i);
		double sum = 0;

		for (size_t m = 0; m < l->n; m++)
			sum += lab_regret(l, m, bytes_of(&l->mix[m], unit, v));
		if (sum < least) {
			least = sum;
			best = v;
		}
	}
	return best;
}

double fit_ratio(const struct lab *l)
{
	return choose(l, BDPS, 1.0 / 32, M_SQRT2, 2 * LAB_STEPS);
}

static int set_one(struct model *m, const char *kind, double v)
{
	return model_set_numbers(m, kind, &v, 1);
}

/* --- controllers, by trying -------------------------------------------------------------- */

struct tuning {
	const struct lab *lab;
	struct model candidate[CANDIDATES];
};

static int try_one(void *ctx, size_t i, void *result)
{
	const struct tuning *t = ctx;
	const size_t mix = i / CANDIDATES;
	struct outcome out;
	struct policy *p;
	int r = policy_new(&t->candidate[i % CANDIDATES], &p, NULL);

	if (r)
		return r;
	r = lab_run(&t->lab->files, &t->lab->mix[mix], 0, p, NULL, NULL, &out);
	*(double *)result = log(out.cost);
	policy_free(p);
	return r;
}

static int tune(struct lab *l, const char *kind, const double (*number)[2], struct model *m)
{
	double *cost = calloc(l->n * CANDIDATES, sizeof(*cost)), sum[CANDIDATES] = { 0 };
	struct tuning t = { .lab = l };
	int r = cost ? 0 : -ENOMEM, best = 0;

	for (int i = 0; !r && i < CANDIDATES; i++)
		r = model_set_numbers(&t.candidate[i], kind,
				      (double[]){ number[i][0], number[i][1], fit_ratio(l) }, 3);
	if (!r)
		r = par_run(&l->par, l->n * CANDIDATES, try_one, &t, cost, sizeof(*cost));
	for (size_t i = 0; !r && i < l->n * CANDIDATES; i++)
		sum[i % CANDIDATES] += cost[i];
	for (int i = 1; i < CANDIDATES; i++)
		if (sum[i] < sum[best])
			best = i;
	if (!r) {
		l->runs += l->n * CANDIDATES;
		*m = t.candidate[best];
		t.candidate[best] = (struct model){ 0 };
	}
	for (int i = 0; i < CANDIDATES; i++)
		model_free(&t.candidate[i]);
	free(cost);
	return r;
}

/* Target of "queued" and gain; least "queued" and most sojourn p95 / RTT. */
static const double pi_numbers[CANDIDATES][2] = {
	{ 0.5, 0.5 }, { 0.5, 2 }, { 0.65, 0.5 }, { 0.65, 2 }, { 0.75, 0.5 },
	{ 0.75, 2 }, { 0.85, 0.5 }, { 0.85, 2 }, { 0.93, 0.5 }, { 0.93, 2 },
};
static const double rules_numbers[CANDIDATES][2] = {
	{ 0.4, 0.5 }, { 0.4, 1 }, { 0.4, 2 }, { 0.6, 0.5 }, { 0.6, 1 },
	{ 0.6, 2 }, { 0.75, 0.5 }, { 0.75, 1 }, { 0.75, 2 }, { 0.85, 1 },
};

/* --- samples ------------------------------------------------------------------------------ */

/* Of mixes with one phase: of others a window does not tell what the whole run cost. */
struct samples {
	double *x;		/* (n, F) */
	double *regret;		/* (n, T) */
	size_t n;
};

static int best_of(const double *regret)
{
	int best = 0;

	for (int k = 1; k < POLICY_TEMPLATES; k++)
		if (regret[k] < regret[best])
			best = k;
	return best;
}

static void template_regrets(const struct lab *l, size_t mix, double regret[POLICY_TEMPLATES])
{
	for (int k = 0; k < POLICY_TEMPLATES; k++)
		regret[k] = lab_regret(l, mix, bytes_of(&l->mix[mix], BDPS,
							exp2(k - POLICY_BELOW)));
}

/* A mean over a run's windows; false when it had none. */
static bool mean_window(const struct lab_cell *c, double x[FEATURES])
{
	memset(x, 0, FEATURES * sizeof(*x));
	for (unsigned int w = 0; w < c->windows; w++)
		for (int i = 0; i < FEATURES; i++)
			x[i] += c->x[w][i] / c->windows;
	return c->windows;
}

static int collect(const struct lab *l, bool means, struct samples *s)
{
	const size_t most = l->n * LAB_STEPS * (means ? 1 : LAB_WINDOWS);

	*s = (struct samples){ .x = calloc(most, FEATURES * sizeof(double)),
			       .regret = calloc(most, POLICY_TEMPLATES * sizeof(double)) };
	if (!s->x || !s->regret)
		return -ENOMEM;
	for (size_t m = 0; m < l->n; m++) {
		double regret[POLICY_TEMPLATES];

		template_regrets(l, m, regret);
		for (int k = 0; k < LAB_STEPS && l->mix[m].phases == 1; k++) {
			const struct lab_cell *c = &l->cell[m][k];

			for (unsigned int w = 0; w < (means ? 1 : c->windows); w++) {
				double *x = s->x + s->n * FEATURES;

				if (!means)
					memcpy(x, c->x[w], sizeof(c->x[w]));
				else if (!mean_window(c, x))
					continue;
				memcpy(s->regret + s->n * POLICY_TEMPLATES, regret,
				       sizeof(regret));
				s->n++;
			}
		}
	}
	return s->n ? 0 : -ENODATA;
}

static void samples_free(struct samples *s)
{
	free(s->x);
	free(s->regret);
}

/* 1 / standard deviation. */
static void scales(const struct samples *s, double scale[FEATURES])
{
	for (int i = 0; i < FEATURES; i++) {
		double sum = 0, squares = 0;

		for (size_t j = 0; j < s->n; j++) {
			sum += s->x[j * FEATURES + i];
			squares += s->x[j * FEATURES + i] * s->x[j * FEATURES + i];
		}
		scale[i] = 1 / fmax(sqrt(fmax(squares / s->n - sum / s->n * sum / s->n, 0)), 1e-3);
	}
}

/* --- fits ----------------------------------------------------------------------------------- */

static int fit_tree(const struct lab *l, const struct samples *s, bool labels, struct model *m)
{
	struct cart_samples cs = { .x = s->x, .cost = s->regret, .n = s->n, .features = FEATURES,
				   .classes = POLICY_TEMPLATES };
	struct cart tree = { 0 };
	double *number = NULL, *cost = NULL;
	int r;

	if (labels) {
		cost = malloc(s->n * POLICY_TEMPLATES * sizeof(*cost));
		if (!cost)
			return -ENOMEM;
		for (size_t i = 0; i < s->n * POLICY_TEMPLATES; i++)
			cost[i] = 1;
		for (size_t i = 0; i < s->n; i++)
			cost[i * POLICY_TEMPLATES + best_of(s->regret + i * POLICY_TEMPLATES)] = 0;
		cs.cost = cost;
	}
	r = cart_fit(&cs, TREE_DEPTH, s->n * TREE_LEAF, &tree);
	if (!r)
		number = malloc((1 + tree.n * FITTED_NODE) * sizeof(*number));
	if (!r && !number)
		r = -ENOMEM;
	if (!r) {
		number[0] = fit_ratio(l);
		for (size_t i = 0; i < tree.n; i++) {
			const struct cart_node *node = &tree.node[i];
			const double v[FITTED_NODE] = { node->feature, node->below, node->above,
							node->class, node->at };

			memcpy(number + 1 + i * FITTED_NODE, v, sizeof(v));
		}
		r = model_set_numbers(m, "tree", number, 1 + tree.n * FITTED_NODE);
	}
	cart_free(&tree);
	free(number);
	free(cost);
	return r;
}

/* Solves a (n, n + 1) system in place by Gauss and Jordan with pivots; the diagonal is positive. */
static void solve(double *a, int n)
{
	for (int i = 0; i < n; i++) {
		int pivot = i;

		for (int j = i + 1; j < n; j++)
			if (fabs(a[j * (n + 1) + i]) > fabs(a[pivot * (n + 1) + i]))
				pivot = j;
		for (int k = 0; k <= n; k++) {
			const double v = a[i * (n + 1) + k];

			a[i * (n + 1) + k] = a[pivot * (n + 1) + k];
			a[pivot * (n + 1) + k] = v;
		}
		for (int j = 0; j < n; j++) {
			const double f = a[j * (n + 1) + i] / a[i * (n + 1) + i];

			for (int k = i; k <= n && j != i; k++)
				a[j * (n + 1) + k] -= f * a[i * (n + 1) + k];
		}
	}
	for (int i = 0; i < n; i++)
		a[i * (n + 1) + n] /= a[i * (n + 1) + i];
}

static int fit_linear(const struct lab *l, const struct samples *s, struct model *m)
{
	enum { N = 1 + FEATURES };
	double a[N * (N + 1)] = { 0 }, number[1 + N] = { fit_ratio(l) };

	for (size_t j = 0; j < s->n; j++) {
		double x[N + 1] = { 1 };

		memcpy(x + 1, s->x + j * FEATURES, FEATURES * sizeof(*x));
		x[N] = best_of(s->regret + j * POLICY_TEMPLATES) - POLICY_BELOW;
		for (int i = 0; i < N; i++)
			for (int k = 0; k <= N; k++)
				a[i * (N + 1) + k] += x[i] * x[k] / s->n;
	}
	for (int i = 0; i < N; i++)
		a[i * (N + 1) + i] += RIDGE;
	solve(a, N);
	for (int i = 0; i < N; i++)
		number[1 + i] = a[i * (N + 1) + N];
	return model_set_numbers(m, "linear", number, 1 + N);
}

static int fit_lookup(const struct lab *l, const struct samples *s, struct model *m)
{
	const size_t n = 1 + FEATURES + s->n * FITTED_ROW;
	double *number = malloc(n * sizeof(*number)), *row;
	int r;

	if (!number)
		return -ENOMEM;
	number[0] = fit_ratio(l);
	scales(s, number + 1);
	row = number + 1 + FEATURES;
	for (size_t j = 0; j < s->n; j++, row += FITTED_ROW) {
		memcpy(row, s->x + j * FEATURES, FEATURES * sizeof(*row));
		row[FEATURES] = best_of(s->regret + j * POLICY_TEMPLATES) - POLICY_BELOW;
	}
	r = model_set_numbers(m, "lookup", number, n);
	free(number);
	return r;
}

static int fit_identify(const struct lab *l, const struct samples *s, struct model *m)
{
	double *number = calloc(1 + FEATURES + l->n * FITTED_MIX, sizeof(*number)), *mix;
	size_t n = 0;
	int r;

	if (!number)
		return -ENOMEM;
	number[0] = fit_ratio(l);
	scales(s, number + 1);
	/* A quarter of the spread over mixes is about what windows of one mix differ by. */
	for (int i = 0; i < FEATURES; i++)
		number[1 + i] *= i == FEATURE_setting ? 0 : 4;
	for (size_t i = 0; i < l->n; i++) {
		bool whole = l->mix[i].phases == 1;

		mix = number + 1 + FEATURES + n * FITTED_MIX;
		for (int k = 0; whole && k < LAB_STEPS; k++)
			whole = mean_window(&l->cell[i][k], mix + k * FEATURES);
		template_regrets(l, i, mix + LAB_STEPS * FEATURES);
		n += whole;
	}
	r = n ? model_set_numbers(m, "identify", number, 1 + FEATURES + n * FITTED_MIX) : -ENODATA;
	free(number);
	return r;
}

int fit(struct lab *l, enum fit_kind kind, uint64_t seed, struct model *m)
{
	struct samples s = { 0 };
	int r;

	switch (kind) {
	case FIT_STATIC:
		return set_one(m, "static", choose(l, BYTES, lab_step_bytes(0), 2, LAB_STEPS));
	case FIT_BDP7:
		return set_one(m, "bdp", 1.0 / 7);
	case FIT_BDP:
		return set_one(m, "bdp", fit_ratio(l));
	case FIT_TIME:
		return set_one(m, "time", choose(l, SECONDS, 20e-6, M_SQRT2, 2 * LAB_STEPS));
	case FIT_PI:
		return tune(l, "pi", pi_numbers, m);
	case FIT_RULES:
		return tune(l, "rules", rules_numbers, m);
	default:
		break;
	}
	r = collect(l, kind == FIT_LOOKUP, &s);
	if (!r)
		r = kind == FIT_LOOKUP ? fit_lookup(l, &s, m) :
		    kind == FIT_LINEAR ? fit_linear(l, &s, m) :
		    kind == FIT_NETWORK ? network_fit(s.x, s.regret, s.n, fit_ratio(l), seed, m) :
		    kind == FIT_IDENTIFY ? fit_identify(l, &s, m) :
		    fit_tree(l, &s, kind == FIT_LABELS, m);
	samples_free(&s);
	return r;
}
