// SPDX-License-Identifier: GPL-2.0
/* Policies that were fitted to training mixes; fit.c does that. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/fitted.h"

#define FORGET	0.8	/* of what spoke for a mix, each time something new does */

struct fitted {
	struct policy policy;
	struct policy_watch watch;
	double *number;
	size_t n;
	float *rows;		/* of lookup */
	double *belief;		/* of identify: log of the odds of each mix */
};

static int init(struct policy *p, const struct model *m, size_t head, size_t each)
{
	struct fitted *f = (struct fitted *)p;
	const double *number = model_numbers(m, &f->n);

	if (!number || f->n < head + each || (f->n - head) % each || !(number[0] > 0))
		return -EBADMSG;
	f->number = malloc(m->size);
	if (!f->number)
		return -ENOMEM;
	memcpy(f->number, number, m->size);
	return 0;
}

static void fini(struct policy *p)
{
	struct fitted *f = (struct fitted *)p;

	free(f->number);
	free(f->rows);
	free(f->belief);
}

static void reset(struct policy *p)
{
	struct fitted *f = (struct fitted *)p;

	f->watch = (struct policy_watch){ 0 };
	if (f->belief)
		memset(f->belief, 0, (f->n - 1 - FEATURES) / FITTED_MIX * sizeof(*f->belief));
}

static struct qdisc_triple start(struct policy *p, const struct ecn_interval *in)
{
	return policy_step(in, ((struct fitted *)p)->number[0] * policy_bdp_bytes(in));
}

/* --- linear ------------------------------------------------------------------------ */

static int init_linear(struct policy *p, const struct model *m)
{
	return m->size == (2 + FEATURES) * sizeof(double) ? init(p, m, 1, 1 + FEATURES) : -EBADMSG;
}

static int decide_linear(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t)
{
	struct fitted *f = (struct fitted *)p;
	double x[FEATURES], log_ratio = f->number[1];

	if (!policy_watch(&f->watch, in, x))
		return 0;
	for (int i = 0; i < FEATURES; i++)
		log_ratio += f->number[2 + i] * x[i];
	/* No further than the templates reach. */
	log_ratio = fmin(fmax(log_ratio, -POLICY_BELOW), POLICY_TEMPLATES - 1 - POLICY_BELOW);
	policy_move(&f->watch, in, log_ratio, t);
	return 0;
}

/* --- tree -------------------------------------------------------------------------- */

static bool whole_below(double v, size_t n)
{
	return v >= 0 && v < n && v == floor(v);
}

static int init_tree(struct policy *p, const struct model *m)
{
	const struct fitted *f = (struct fitted *)p;
	int r = init(p, m, 1, FITTED_NODE);
	size_t nodes;

	if (r)
		return r;
	nodes = (f->n - 1) / FITTED_NODE;
	for (size_t i = 0; i < nodes; i++) {
		const double *v = f->number + 1 + i * FITTED_NODE;

		/* Children come after their node: a walk ends. */
		if (v[0] < 0 ? !whole_below(v[3], POLICY_TEMPLATES) :
		    !whole_below(v[0], FEATURES) || !whole_below(v[1], nodes) || v[1] <= i ||
		    !whole_below(v[2], nodes) || v[2] <= i)
			return -EBADMSG;
	}
	return 0;
}

static int decide_tree(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t)
{
	struct fitted *f = (struct fitted *)p;
	const double *node = f->number + 1;
	double x[FEATURES];

	if (!policy_watch(&f->watch, in, x))
		return 0;
	while (node[0] >= 0)
		node = f->number + 1 +
		       FITTED_NODE * (size_t)(x[(int)node[0]] <= node[4] ? node[1] : node[2]);
	policy_move(&f->watch, in, node[3] - POLICY_BELOW, t);
	return 0;
}

/* --- lookup ------------------------------------------------------------------------ */

/* Features of the rows, scaled, as floats in whole vectors: a decision looks at all of them. */
#define LOOKUP_WIDTH	((FEATURES + 3) / 4 * 4)

static void scale_row(const struct fitted *f, const double *x, float to[LOOKUP_WIDTH])
{
	for (int i = 0; i < LOOKUP_WIDTH; i++)
		to[i] = i < FEATURES ? x[i] * f->number[1 + i] : 0;
}

static int init_lookup(struct policy *p, const struct model *m)
{
	struct fitted *f = (struct fitted *)p;
	int r = init(p, m, 1 + FEATURES, FITTED_ROW);
	size_t rows;

	if (r)
		return r;
	rows = (f->n - 1 - FEATURES) / FITTED_ROW;
	f->rows = malloc(rows * LOOKUP_WIDTH * sizeof(*f->rows));
	if (!f->rows)
		return -ENOMEM;
	for (size_t i = 0; i < rows; i++)
		scale_row(f, f->number + 1 + FEATURES + i * FITTED_ROW, f->rows + i * LOOKUP_WIDTH);
	return 0;
}

static float square(float x)
{
	return x * x;
}

/* The mean of the nearest rows: one alone would be as good as its luck. */
static int decide_lookup(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t)
{
	struct fitted *f = (struct fitted *)p;
	const double *row = f->number + 1 + FEATURES, *end = f->number + f->n;
	const float *scaled = f->rows;
	float near[FITTED_NEIGHBOURS], at_x[LOOKUP_WIDTH], furthest = INFINITY;
	double k[FITTED_NEIGHBOURS], x[FEATURES], sum = 0;
	int n = 0;

	if (!policy_watch(&f->watch, in, x))
		return 0;
	scale_row(f, x, at_x);
	for (; row < end; row += FITTED_ROW, scaled += LOOKUP_WIDTH) {
		float d = 0;
		int at;

		/* Most rows are too far by a few features already. */
		for (int i = 0; i < LOOKUP_WIDTH && d < furthest; i += 4)
			d += square(at_x[i] - scaled[i]) + square(at_x[i + 1] - scaled[i + 1]) +
			     square(at_x[i + 2] - scaled[i + 2]) +
			     square(at_x[i + 3] - scaled[i + 3]);
		if (d >= furthest)
			continue;
		at = n < FITTED_NEIGHBOURS ? n++ : n - 1;
		for (; at > 0 && near[at - 1] > d; at--) {
			near[at] = near[at - 1];
			k[at] = k[at - 1];
		}
		near[at] = d;
		k[at] = row[FEATURES];
		if (n == FITTED_NEIGHBOURS)
			furthest = near[n - 1];
	}
	for (int i = 0; i < n; i++)
		sum += k[i] / n;
	policy_move(&f->watch, in, sum, t);
	return 0;
}

/* --- identify ------------------------------------------------------------------------ */

static double distance(const double *scale, const double *a, const double *b)
{
	double sum = 0;

	for (int i = 0; i < FEATURES; i++)
		sum += (a[i] - b[i]) * (a[i] - b[i]) * scale[i] * scale[i];
	return sum;
}

static int init_identify(struct policy *p, const struct model *m)
{
	struct fitted *f = (struct fitted *)p;
	int r = init(p, m, 1 + FEATURES, FITTED_MIX);

	if (r)
		return r;
	f->belief = calloc((f->n - 1 - FEATURES) / FITTED_MIX, sizeof(*f->belief));
	return f->belief ? 0 : -ENOMEM;
}

/* What x says for a mix: the log of a normal density around what was seen there at this setting. */
static double evidence(const double *scale, const double *mix, const double x[FEATURES])
{
	const double *nearest = mix;

	for (int s = 1; s < LAB_STEPS; s++) {
		const double *row = mix + s * FEATURES;

		if (fabs(row[FEATURE_setting] - x[FEATURE_setting]) <
		    fabs(nearest[FEATURE_setting] - x[FEATURE_setting]))
			nearest = row;
	}
	return -distance(scale, x, nearest) / 2;
}

static int decide_identify(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t)
{
	struct fitted *f = (struct fitted *)p;
	const double *mixes = f->number + 1 + FEATURES;
	const size_t n = (f->n - 1 - FEATURES) / FITTED_MIX;
	double x[FEATURES], regret[POLICY_TEMPLATES] = { 0 }, most = -INFINITY;
	int best = 0;

	if (!policy_watch(&f->watch, in, x))
		return 0;
	for (size_t i = 0; i < n; i++) {
		f->belief[i] = FORGET * f->belief[i] +
			       evidence(f->number + 1, mixes + i * FITTED_MIX, x);
		most = fmax(most, f->belief[i]);
	}
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < POLICY_TEMPLATES; k++)
			regret[k] += exp(f->belief[i] - most) *
				     mixes[i * FITTED_MIX + LAB_STEPS * FEATURES + k];
	for (int k = 1; k < POLICY_TEMPLATES; k++)
		if (regret[k] < regret[best])
			best = k;
	policy_move(&f->watch, in, best - POLICY_BELOW, t);
	return 0;
}

/* --- bandit --------------------------------------------------------------------------- */

void fitted_context(const double x[FEATURES], double context[FITTED_CONTEXT])
{
	static const double unit[FEATURES] = {
		[FEATURE_bdp] = 8, [FEATURE_used] = 1, [FEATURE_queued] = 1, [FEATURE_backlog] = 4,
		[FEATURE_marked] = 1, [FEATURE_delay] = 6, [FEATURE_setting] = 5,
		[FEATURE_elephants] = 1, [FEATURE_ect] = 1,
	};

	for (int i = 0; i < FEATURES; i++)
		context[i] = fmin(fmax(x[i] / unit[i], -2), 2);
	context[FEATURES] = 1;
}

static int init_bandit(struct policy *p, const struct model *m)
{
	return m->size == FITTED_BANDIT * sizeof(double) ? init(p, m, 1, FITTED_CONTEXT) : -EBADMSG;
}

static int decide_bandit(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t)
{
	struct fitted *f = (struct fitted *)p;
	double x[FEATURES], context[FITTED_CONTEXT], most = -INFINITY;
	int best = 0;

	if (!policy_watch(&f->watch, in, x))
		return 0;
	fitted_context(x, context);
	for (int k = 0; k < POLICY_TEMPLATES; k++) {
		double worth = 0;

		for (int i = 0; i < FITTED_CONTEXT; i++)
			worth += f->number[1 + k * FITTED_CONTEXT + i] * context[i];
		if (worth > most) {
			most = worth;
			best = k;
		}
	}
	policy_move(&f->watch, in, best - POLICY_BELOW, t);
	return 0;
}

#define FITTED(kind)									\
	const struct policy_ops policy_##kind = {					\
		.name = #kind, .size = sizeof(struct fitted), .init = init_##kind,	\
		.start = start, .decide = decide_##kind, .reset = reset, .fini = fini,	\
	}

FITTED(linear);
FITTED(tree);
FITTED(lookup);
FITTED(identify);
FITTED(bandit);
