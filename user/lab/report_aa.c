// SPDX-License-Identifier: GPL-2.0
/*
 * The instrument: copies of one policy. They differ by noise alone, so whatever is found to be won
 * between them is what choosing finds where there is nothing. Campaigns of another one's shape are
 * dealt from their runs, at random and with replacement, and go through the same code.
 */
#include "lab/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"

#define DEALS		400
#define CASES_DEALT	8	/* where nothing says how many */

void report_shape_of(const struct report_data *d, struct report_shape *ret)
{
	size_t candidates = 0;

	for (size_t p = 0; p < d->policies; p++)
		candidates += d->aa || d->p[p].role == LAB_STATIC;
	*ret = (struct report_shape){ d->cases, candidates, d->trials, d->select };
	if (d->aa) {
		ret->cases = d->cases > CASES_DEALT ? d->cases : CASES_DEALT;
		ret->candidates = candidates > 10 ? 10 : candidates;
		ret->trials = 2 * REPORT_FRESH;
		ret->select = REPORT_FRESH;
	}
}

/*
 * Of ln J, which is the coefficient of variation of J as long as it is small. Copies that met the
 * same arrivals differ by the instrument; between trials the arrivals differ, too, unless the plan
 * gave every copy its own.
 */
static int spread(const struct report_data *d, struct report_aa *out)
{
	const size_t most = d->policies * d->trials + 1;
	double *j = malloc(most * sizeof(*j)), *diff = malloc(d->cases * most * sizeof(*diff));
	size_t cases = 0, diffs = 0;

	if (!j || !diff) {
		free(j);
		free(diff);
		return -ENOMEM;
	}
	for (size_t c = 0; c < d->cases; c++) {
		double squares = 0, freedom = 0, cv;
		size_t n = 0;

		for (size_t t = 0; t < d->trials; t++) {
			double before = NAN;
			size_t first = n;

			for (size_t p = 0; p < d->policies; p++) {
				const double v = d->cost[report_at(d, c, p, t)];

				if (isnan(v))
					continue;
				j[n++] = v;
				if (!isnan(before))
					diff[diffs++] = v - before;
				before = isnan(before) ? v : NAN;
			}
			if (n > first + 1) {
				const double sd = stats_sd(j + first, n - first);

				squares += sd * sd * (n - first - 1);
				freedom += n - first - 1;
			}
		}
		out->samples += n;
		if (!freedom)
			continue;
		cv = sqrt(squares / freedom);
		out->cv += cv;
		out->cv_trial += stats_sd(j, n);
		cases++;
		if (!(cv <= out->cv_worst)) {
			out->cv_worst = cv;
			out->worst = c;
		}
	}
	out->cv = cases ? out->cv / cases : NAN;
	out->cv_trial = cases ? out->cv_trial / cases : NAN;
	if (diffs > 1) {
		const double mean = stats_mean(diff, diffs);

		for (size_t i = 0; i < diffs; i++)
			diff[i] -= mean;
		out->trials_needed = stats_units_needed(diff, diffs, log1p(REPORT_MARGIN));
	}
	free(j);
	free(diff);
	return 0;
}

/* A campaign of nothing but copies; false: a trial had no run. */
static bool deal(const struct report_data *from, struct rng *rng, struct report_data *to)
{
	for (size_t c = 0; c < to->cases; c++) {
		for (size_t t = 0; t < to->trials; t++) {
			const size_t source = c % from->cases;
			size_t trial = 0, there = 0, tries = 0;

			while (!there && tries++ < 100) {
				trial = rng_below(rng, from->trials);
				for (size_t p = 0; p < from->policies; p++)
					there += !isnan(from->cost[report_at(from, source, p, trial)]);
			}
			if (!there)
				return false;
			for (size_t p = 0; p < to->policies; p++) {
				size_t nth = rng_below(rng, there), k = 0;

				for (;; k++)
					if (!isnan(from->cost[report_at(from, source, k, trial)]) && !nth--)
						break;
				to->cost[report_at(to, c, p, t)] =
					from->cost[report_at(from, source, k, trial)];
			}
		}
	}
	return true;
}

/* 1 - exp(mean of ln oracle - ln best static) */
static double opportunity(const struct report_data *d, size_t *a, size_t *b, const bool *use)
{
	const size_t best = report_halve(d, d->cost, use, report_is_static, d->select);
	struct report_contrast k;
	double sum = 0;
	size_t n;

	for (size_t c = 0; c < d->cases; c++)
		b[c] = best;
	if (report_oracle(d, d->cost, a) || report_contrast(d, d->cost, a, b, use, &k))
		return NAN;
	n = k.units;
	for (size_t i = 0; i < n; i++)
		sum += k.list[i];
	report_contrast_free(&k);
	return n ? -expm1(sum / n) : NAN;
}

/* What a table would show whose minima are taken and judged in the same runs. */
static double naive(const struct report_data *d)
{
	double fixed = INFINITY, chosen = 0;

	for (size_t p = 0; p < d->policies; p++) {
		double sum = 0;

		for (size_t c = 0; c < d->cases; c++)
			sum += report_mean(d, c, p, 0, d->trials);
		fixed = fmin(fixed, sum / d->cases);
	}
	for (size_t c = 0; c < d->cases; c++) {
		double least = INFINITY;

		for (size_t p = 0; p < d->policies; p++)
			least = fmin(least, report_mean(d, c, p, 0, d->trials));
		chosen += least / d->cases;
	}
	return -expm1(chosen - fixed);
}

int report_aa(const struct report_data *copies, const struct report_shape *shape,
	      struct report_aa *ret)
{
	struct report_aa out = { .copies = copies->policies, .shape = *shape };
	struct report_data d = {
		.cases = shape->cases, .policies = shape->candidates, .trials = shape->trials,
		.families = shape->cases, .select = shape->select,
	};
	const size_t cells = d.cases * d.policies * d.trials;
	size_t *a = malloc((d.cases + 1) * sizeof(*a)), *b = malloc((d.cases + 1) * sizeof(*b));
	bool *use = malloc((d.cases + 1) * sizeof(*use));
	double honest_of[DEALS], naive_of[DEALS];
	size_t n = 0;
	struct rng rng;
	int err = spread(copies, &out);

	d.c = calloc(d.cases + 1, sizeof(*d.c));
	d.p = calloc(d.policies + 1, sizeof(*d.p));
	d.cost = malloc((cells + 1) * sizeof(*d.cost));
	if (!err && (!a || !b || !use || !d.c || !d.p || !d.cost))
		err = -ENOMEM;
	for (size_t c = 0; !err && c < d.cases; c++) {
		d.c[c].family = c;
		use[c] = true;
	}
	for (size_t p = 0; !err && p < d.policies; p++)
		d.p[p].role = LAB_STATIC;
	rng_seed(&rng, 1);
	for (int k = 0; !err && d.policies > 1 && d.trials > 1 && k < DEALS; k++) {
		if (!deal(copies, &rng, &d))
			break;
		honest_of[n] = opportunity(&d, a, b, use);
		naive_of[n] = naive(&d);
		n += isfinite(honest_of[n]) && isfinite(naive_of[n]);
	}
	out.honest_mean = stats_mean(honest_of, n);
	out.honest_upper = stats_quantile(honest_of, n, 0.95);
	out.naive_mean = stats_mean(naive_of, n);
	out.naive_upper = stats_quantile(naive_of, n, 0.95);
	free(d.c);
	free(d.p);
	free(d.cost);
	free(a);
	free(b);
	free(use);
	if (!err)
		*ret = out;
	return err;
}
