// SPDX-License-Identifier: GPL-2.0
/* How much better, and is that sure? All of it on the trials that estimate. */
#include "lab/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED	1	/* of all that is drawn */
/* Gain of the oracle over best static, for sure: a share of what may be nothing is any number. */
#define CAPTURE_LEAST	0.01

const char *report_level_name(enum report_level l)
{
	static const char *const name[] = { "families", "cases", "trials", "nothing" };

	return name[l];
}

const char *report_band_name(enum report_band b)
{
	static const char *const name[] = { "NO-GO", "MAYBE", "GO" };

	return name[b];
}

const char *report_verdict_name(enum report_verdict v)
{
	static const char *const name[] = { "", "holds", "loses", "undecided" };

	return name[v];
}

enum report_band report_band(double opportunity)
{
	return opportunity > REPORT_GO ? BAND_GO :
	       opportunity >= REPORT_MAYBE ? BAND_MAYBE : BAND_NO_GO;
}

size_t report_pairs_needed(size_t units_needed, size_t units, size_t pairs)
{
	return units ? (units_needed * pairs + units - 1) / units : 0;
}

/* --- bounds and verdicts --------------------------------------------------------------------- */

/* exp(x) - 1 of all of it. */
static struct stats_interval excess(const struct stats_interval *s)
{
	return (struct stats_interval){ expm1(s->mean), expm1(s->low), expm1(s->high),
					expm1(s->upper), expm1(s->lower) };
}

/* 1 - exp(x): what was a loss is a gain, so the bounds change places. */
static struct stats_interval gain(const struct stats_interval *s)
{
	return (struct stats_interval){ -expm1(s->mean), -expm1(s->high), -expm1(s->low),
					-expm1(s->lower), -expm1(s->upper) };
}

static enum report_verdict verdict(const struct report_contrast *k, const struct stats_interval *s,
				   size_t *needed)
{
	const double margin = log1p(REPORT_MARGIN);
	bool differ = false;

	*needed = 0;
	for (size_t i = 0; i < k->pairs; i++)
		differ |= k->pair[i] != 0;
	/* Of one unit there is no bound, and of the same runs nothing to judge. */
	if (!differ || isnan(s->upper))
		return VERDICT_NONE;
	if (s->upper <= margin)
		return VERDICT_HOLDS;
	if (s->lower > margin)
		return VERDICT_LOSES;
	*needed = stats_units_needed(k->list, k->units, margin);
	return VERDICT_UNDECIDED;
}

/* --- what is to be won ---------------------------------------------------------------------- */

int report_opportunity_of(const struct report_data *d, const double *cost, const size_t *oracle,
			  const size_t *baseline, const bool *use, struct report_opportunity *ret)
{
	struct report_contrast k;
	struct stats_interval s;
	int err = report_contrast(d, cost, oracle, baseline, use, &k);

	if (err)
		return err;
	report_contrast_interval(&k, &s);
	*ret = (struct report_opportunity){ gain(&s), k.level, k.cases,
					    stats_sign_test(k.pair, k.weight, k.pairs, SEED) };
	report_contrast_free(&k);
	return err;
}

static int opportunity(const struct report_data *d, const struct report_result *r, const bool *use,
		       struct report_opportunity *ret)
{
	return report_opportunity_of(d, d->cost, r->oracle, r->best_baseline, use, ret);
}

static int opportunities(const struct report_data *d, struct report_result *r)
{
	bool *use = calloc(d->cases + 1, sizeof(*use));
	double *p = malloc((d->cases + 1) * sizeof(*p));
	int err = use && p ? opportunity(d, r, r->headline, &r->all) : -ENOMEM;

	for (size_t c = 0; !err && c < d->cases; c++) {
		use[c] = true;
		err = opportunity(d, r, use, &r->by_case[c]);
		p[c] = r->by_case[c].p;
		use[c] = false;
	}
	if (!err)
		err = stats_holm(p, d->cases);
	for (size_t c = 0; !err && c < d->cases; c++)
		r->by_case[c].p = p[c];
	for (size_t f = 0; !err && f < d->families; f++) {
		for (size_t c = 0; c < d->cases; c++)
			use[c] = d->c[c].family == f && r->headline[c];
		err = opportunity(d, r, use, &r->by_family[f]);
	}
	free(use);
	free(p);
	return err;
}

/* (static - policy) / (static - oracle) over some cases. */
static int captured(const struct report_data *d, const struct report_result *r, const size_t *pick,
		    const bool *use, struct stats_interval *ret)
{
	struct report_contrast a = { 0 }, b = { 0 };
	struct stats_interval there;
	bool *shared = calloc(d->cases + 1, sizeof(*shared));
	int err = shared ? 0 : -ENOMEM;

	for (size_t c = 0; shared && c < d->cases; c++)
		shared[c] = use[c] && pick[c] != REPORT_NONE && r->oracle[c] != REPORT_NONE;
	if (!err)
		err = report_contrast(d, d->cost, r->best_static, pick, shared, &a);
	if (!err)
		err = report_contrast(d, d->cost, r->best_static, r->oracle, shared, &b);
	*ret = (struct stats_interval){ NAN, NAN, NAN, NAN, NAN };
	if (!err)
		report_contrast_interval(&b, &there);
	if (!err && there.low > CAPTURE_LEAST)
		err = report_contrast_ratio(&a, &b, ret);
	report_contrast_free(&a);
	report_contrast_free(&b);
	free(shared);
	return err;
}

/* --- the ladder ----------------------------------------------------------------------------- */

/* Which step of the grid is next to a threshold of this size. */
static size_t next_static(const struct report_data *d, double k_bytes)
{
	size_t best = REPORT_NONE;

	for (size_t p = 0; p < d->policies; p++) {
		if (d->p[p].role != LAB_STATIC || !(d->p[p].k_bytes > 0))
			continue;
		if (best == REPORT_NONE || fabs(log(d->p[p].k_bytes / k_bytes)) <
					   fabs(log(d->p[best].k_bytes / k_bytes)))
			best = p;
	}
	return best;
}

/* One decision: is it the oracle's, or as good as that? */
static void decision(const struct report_data *d, const struct report_result *r, size_t c, double k_bytes,
		     size_t *same, size_t *alike, size_t *all)
{
	const size_t o = r->oracle[c], own = next_static(d, k_bytes);

	if (o == REPORT_NONE || own == REPORT_NONE || d->p[o].role != LAB_STATIC || !(k_bytes > 0))
		return;
	++*all;
	*same += own == o;
	*alike += report_mean(d, c, own, d->select, d->trials) -
		  report_mean(d, c, o, d->select, d->trials) <= log1p(REPORT_MARGIN);
}

/* How often it decided what the oracle would have: by interval where they are recorded, else by run. */
static void decisions(const struct report_data *d, const struct report_result *r, const bool *use,
		      struct report_rung *rung)
{
	const size_t k = report_metric_find(d, "k_bytes");
	size_t same = 0, alike = 0, all = 0;
	bool by_run;

	for (size_t i = 0; i < d->ks; i++) {
		const size_t at = d->k[i].at, t = at % d->trials;
		const size_t p = at / d->trials % d->policies, c = at / d->trials / d->policies;

		if (use[c] && rung->pick[c] == p && t >= d->select)
			decision(d, r, c, d->k[i].k_bytes, &same, &alike, &all);
	}
	by_run = !all;
	for (size_t c = 0; by_run && c < d->cases; c++) {
		const size_t p = rung->pick[c];

		for (size_t t = d->select; use[c] && p != REPORT_NONE && t < d->trials; t++) {
			const size_t at = report_at(d, c, p, t);

			if (!isnan(d->cost[at]))
				decision(d, r, c, k < d->metrics ? d->m[k].value[at] : d->p[p].k_bytes, &same,
					 &alike, &all);
		}
	}
	rung->same = all ? same / (double)all : NAN;
	rung->alike = all ? alike / (double)all : NAN;
}

/* How its runs were, and what it said of its decisions. */
static void describe(const struct report_data *d, const struct report_result *r, const bool *use,
		     struct report_rung *rung)
{
	const size_t all = report_metric_find(d, "decisions");
	const size_t own = report_metric_find(d, "decisions_own");
	const size_t inference = report_metric_find(d, "inference_ns");
	size_t near = 0, runs = 0, timed = 0, cvs = 0;
	double decided = 0, decided_own = 0, ns = 0, cv = 0, *v = malloc((d->trials + 1) * sizeof(*v));

	for (size_t c = 0; c < d->cases; c++) {
		const size_t p = rung->pick[c], o = r->oracle[c];
		size_t n = 0;

		for (size_t t = d->select; use[c] && p != REPORT_NONE && t < d->trials; t++) {
			const size_t at = report_at(d, c, p, t);
			const double gap = o == REPORT_NONE ? NAN :
				d->cost[at] - d->cost[report_at(d, c, o, t)];

			if (isnan(d->cost[at]))
				continue;
			if (v)
				v[n++] = exp(d->cost[at]);
			if (!isnan(gap)) {
				runs++;
				near += gap <= log1p(REPORT_MARGIN);
			}
			if (all < d->metrics && own < d->metrics && d->m[all].value[at] > 0 &&
			    !isnan(d->m[own].value[at])) {
				decided += d->m[all].value[at];
				decided_own += d->m[own].value[at];
			}
			if (inference < d->metrics && !isnan(d->m[inference].value[at])) {
				ns += d->m[inference].value[at];
				timed++;
			}
		}
		if (n > 1) {
			cv += stats_cv(v, n);
			cvs++;
		}
	}
	free(v);
	decisions(d, r, use, rung);
	rung->near = runs ? near / (double)runs : NAN;
	/* A rule has no fallback. */
	rung->own = decided > 0 && rung->policy && report_is_learned(d, rung->policy - d->p) ?
		    decided_own / decided : NAN;
	rung->inference_ns = timed ? ns / timed : NAN;
	rung->cv = cvs ? cv / cvs : NAN;
}

int report_climb(const struct report_data *d, const struct report_result *r, const bool *use,
		 struct report_rung *rung)
{
	struct report_contrast k;
	struct stats_interval s;
	int err = report_contrast(d, d->cost, rung->pick, r->oracle, use, &k);

	if (err)
		return err;
	report_contrast_interval(&k, &s);
	rung->over = excess(&s);
	report_contrast_free(&k);
	if (!err)
		err = report_contrast(d, d->cost, rung->pick, r->best_static, use, &k);
	if (err)
		return err;
	report_contrast_interval(&k, &s);
	rung->loss = excess(&s);
	rung->level = k.level;
	rung->cases = k.cases;
	rung->units = k.units;
	rung->pairs = k.pairs;
	rung->verdict = verdict(&k, &s, &rung->units_needed);
	rung->p = NAN;
	for (size_t i = 0; i < k.pairs; i++)
		if (k.pair[i] != 0)
			rung->p = stats_sign_test(k.pair, k.weight, k.pairs, SEED);
	report_contrast_free(&k);
	if (!err)
		err = captured(d, r, rung->pick, use, &rung->captured);
	describe(d, r, use, rung);
	return err;
}

static int add_rung(const struct report_data *d, struct report_result *r, const char *name,
		    const struct report_policy *p, const size_t *pick)
{
	struct report_rung *rung = &r->rung[r->rungs];

	rung->pick = malloc((d->cases + 1) * sizeof(*pick));
	if (!rung->pick)
		return -ENOMEM;
	r->rungs++;
	snprintf(rung->name, sizeof(rung->name), "%s", name);
	rung->policy = p;
	for (size_t c = 0; c < d->cases; c++)
		rung->pick[c] = pick ? pick[c] : (size_t)(p - d->p);
	return report_climb(d, r, r->headline, rung);
}

static int ladder(const struct report_data *d, struct report_result *r)
{
	double *p;
	int err = add_rung(d, r, "best static", NULL, r->best_static);

	if (!err)
		err = add_rung(d, r, "best baseline", NULL, r->best_baseline);
	for (size_t i = 0; !err && i < d->policies; i++)
		err = add_rung(d, r, d->p[i].name, &d->p[i], NULL);
	if (!err)
		err = add_rung(d, r, "oracle", NULL, r->oracle);
	p = malloc((r->rungs + 1) * sizeof(*p));
	if (err || !p) {
		free(p);
		return err ? err : -ENOMEM;
	}
	/* The oracle is no policy whose gain is in question. */
	for (size_t i = 0; i < r->rungs; i++)
		p[i] = r->rung[i].policy ? r->rung[i].p : NAN;
	err = stats_holm(p, r->rungs);
	for (size_t i = 0; i < r->rungs; i++)
		r->rung[i].p = p[i];
	free(p);
	return err;
}

/* --- the primary endpoint -------------------------------------------------------------------- */

static size_t policy_named(const struct report_data *d, const char *name)
{
	for (size_t p = 0; p < d->policies; p++)
		if (!strcmp(d->p[p].name, name))
			return p;
	return REPORT_NONE;
}

static int primary(const struct report_data *d, struct report_result *r)
{
	const size_t candidate = policy_named(d, d->candidate);
	const size_t reference = policy_named(d, d->reference);
	size_t *a = malloc((d->cases + 1) * sizeof(*a)), *b = malloc((d->cases + 1) * sizeof(*b));
	bool *clear = calloc(d->cases + 1, sizeof(*clear));
	struct report_contrast k = { 0 };
	struct stats_interval s;
	int err = a && b && clear ? 0 : -ENOMEM;

	for (size_t c = 0; !err && c < d->cases; c++) {
		a[c] = candidate;
		b[c] = reference == REPORT_NONE && !strcmp(d->reference, "best-static") ?
		       r->best_static[c] : reference;
		clear[c] = r->headline[c] && r->by_family[d->c[c].family].o.low > REPORT_CLEAR;
	}
	for (size_t f = 0; !err && f < d->families; f++)
		r->clear_families += r->by_family[f].o.low > REPORT_CLEAR;
	r->clear_captured = (struct stats_interval){ NAN, NAN, NAN, NAN, NAN };
	if (!err && candidate != REPORT_NONE && r->clear_families)
		err = captured(d, r, a, clear, &r->clear_captured);
	if (!err)
		err = report_contrast(d, d->endpoint_cost, a, b, r->headline, &k);
	if (!err)
		report_contrast_interval(&k, &s);
	if (!err && k.pairs) {
		r->primary = true;
		r->endpoint = excess(&s);
		r->endpoint_level = k.level;
		r->endpoint_pairs = k.pairs;
		r->endpoint_units_now = k.units;
		r->endpoint_verdict = verdict(&k, &s, &r->endpoint_units);
		r->endpoint_p = stats_sign_test(k.pair, k.weight, k.pairs, SEED);
	} else if (!err) {
		snprintf(r->primary_missing, sizeof(r->primary_missing),
			 "no trial after the first %zu has %s of both %s and %s", d->select,
			 d->endpoint, d->candidate, d->reference);
	}
	report_contrast_free(&k);
	free(a);
	free(b);
	free(clear);
	return err;
}

int report_judge(const struct report_data *d, struct report_result **ret)
{
	struct report_result *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->oracle = malloc((d->cases + 1) * sizeof(*r->oracle));
	r->best_static = malloc((d->cases + 1) * sizeof(*r->best_static));
	r->best_baseline = malloc((d->cases + 1) * sizeof(*r->best_baseline));
	r->headline = calloc(d->cases + 1, sizeof(*r->headline));
	r->by_case = calloc(d->cases + 1, sizeof(*r->by_case));
	r->by_family = calloc(d->families + 1, sizeof(*r->by_family));
	r->rung = calloc(d->policies + 3, sizeof(*r->rung));
	err = r->oracle && r->best_static && r->best_baseline && r->headline && r->by_case &&
	      r->by_family && r->rung ? 0 : -ENOMEM;
	for (size_t c = 0; !err && c < d->cases; c++)
		r->held_out |= d->c[c].test;
	for (size_t c = 0; !err && c < d->cases; c++)
		r->headline[c] = d->c[c].test == r->held_out;
	r->fresh = d->reached > d->select ? d->reached - d->select : 0;
	if (!err)
		err = report_oracle(d, d->cost, r->oracle);
	if (!err)
		err = report_best(d, report_is_static, r->best_static);
	for (size_t c = 0, best = 0; !err && c < d->cases; c++) {
		if (!c)
			best = report_halve(d, d->cost, r->headline, report_is_baseline, d->select);
		r->best_baseline[c] = best;
	}
	r->best_baseline_name = d->cases && r->best_baseline[0] != REPORT_NONE ?
				d->p[r->best_baseline[0]].name : "-";
	if (!err)
		err = opportunities(d, r);
	if (!err)
		err = ladder(d, r);
	if (!err)
		err = primary(d, r);
	if (!err)
		err = report_goals(d, r);
	if (!err)
		err = report_by_family(d, r);
	if (err) {
		report_result_free(r);
		return err;
	}
	*ret = r;
	return 0;
}

void report_result_free(struct report_result *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->rungs; i++)
		free(r->rung[i].pick);
	free(r->rung);
	free(r->goal);
	free(r->part);
	free(r->part_family);
	free(r->oracle);
	free(r->best_static);
	free(r->best_baseline);
	free(r->headline);
	free(r->by_case);
	free(r->by_family);
	free(r);
}
