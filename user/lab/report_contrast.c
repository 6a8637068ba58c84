// SPDX-License-Identifier: GPL-2.0
/* Differences of two picks, trial by trial, and what they are independent samples of. */
#include "lab/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool both(const size_t *a, const size_t *b, const bool *use, size_t c)
{
	return use[c] && a[c] != REPORT_NONE && b[c] != REPORT_NONE;
}

static double difference(const struct report_data *d, const double *cost, const size_t *a,
			 const size_t *b, size_t c, size_t trial)
{
	return cost[report_at(d, c, a[c], trial)] - cost[report_at(d, c, b[c], trial)];
}

/* Trials of a case in which both were measured. */
static size_t pairs_in(const struct report_data *d, const double *cost, const size_t *a,
		       const size_t *b, const bool *use, size_t c)
{
	size_t n = 0;

	for (size_t t = d->select; both(a, b, use, c) && t < d->trials; t++)
		n += !isnan(difference(d, cost, a, b, c, t));
	return n;
}

/* Two families say next to nothing of a third one: then it is the cases, or the trials. */
static enum report_level level_of(const struct report_data *d, const double *cost, const size_t *a,
				  const size_t *b, const bool *use)
{
	size_t cases = 0, families = 0;

	for (size_t f = 0; f < d->families; f++) {
		const size_t before = cases;

		for (size_t c = 0; c < d->cases; c++)
			cases += d->c[c].family == f && pairs_in(d, cost, a, b, use, c);
		families += cases > before;
	}
	return families >= REPORT_UNITS ? LEVEL_FAMILIES : cases >= REPORT_UNITS ? LEVEL_CASES :
	       cases ? LEVEL_TRIALS : LEVEL_NONE;
}

static size_t units_of(const struct report_data *d, enum report_level level)
{
	return level == LEVEL_FAMILIES ? d->families : level == LEVEL_CASES ? d->cases :
	       level == LEVEL_TRIALS ? d->trials : 0;
}

/* The n-th value of a mean. */
static void add_to_mean(double *mean, size_t n, double v)
{
	*mean = n == 1 ? v : *mean + (v - *mean) / n;
}

/* Means of cases are means of their trials, means of families those of their cases. */
int report_contrast(const struct report_data *d, const double *cost, const size_t *a,
		    const size_t *b, const bool *use, struct report_contrast *ret)
{
	const size_t all = d->cases * d->trials + 1, most = d->families + d->cases + d->trials + 1;
	struct report_contrast k = {
		.level = level_of(d, cost, a, b, use),
		.unit = malloc(most * sizeof(double)), .list = malloc(most * sizeof(double)),
		.pair = malloc(all * sizeof(double)), .weight = malloc(all * sizeof(double)),
	};
	size_t *cases_in = calloc(d->families + 1, sizeof(*cases_in));
	size_t *cases_at = calloc(d->trials + 1, sizeof(*cases_at));

	if (!k.unit || !k.list || !k.pair || !k.weight || !cases_in || !cases_at) {
		free(cases_in);
		free(cases_at);
		report_contrast_free(&k);
		return -ENOMEM;
	}
	k.slots = units_of(d, k.level);
	for (size_t i = 0; i < k.slots; i++)
		k.unit[i] = NAN;
	for (size_t c = 0; c < d->cases; c++) {
		const size_t first = k.pairs;
		double sum = 0;

		for (size_t t = d->select; both(a, b, use, c) && t < d->trials; t++) {
			const double v = difference(d, cost, a, b, c, t);

			if (isnan(v))
				continue;
			if (k.level == LEVEL_TRIALS)
				add_to_mean(&k.unit[t], ++cases_at[t], v);
			k.pair[k.pairs++] = v;
			sum += v;
		}
		if (first == k.pairs)
			continue;
		for (size_t i = first; i < k.pairs; i++)
			k.weight[i] = 1.0 / (k.pairs - first);
		k.cases++;
		cases_in[d->c[c].family]++;
		sum /= k.pairs - first;
		if (k.level == LEVEL_CASES)
			k.unit[c] = sum;
		if (k.level == LEVEL_FAMILIES)
			add_to_mean(&k.unit[d->c[c].family], cases_in[d->c[c].family], sum);
	}
	/* A family weighs the same, however many cases it has. */
	for (size_t c = 0, i = 0; k.level == LEVEL_FAMILIES && c < d->cases; c++) {
		size_t n = pairs_in(d, cost, a, b, use, c);

		for (; n; n--)
			k.weight[i++] /= cases_in[d->c[c].family];
	}
	for (size_t i = 0; i < k.slots; i++)
		if (!isnan(k.unit[i]))
			k.list[k.units++] = k.unit[i];
	free(cases_in);
	free(cases_at);
	*ret = k;
	return 0;
}

void report_contrast_free(struct report_contrast *k)
{
	free(k->unit);
	free(k->list);
	free(k->pair);
	free(k->weight);
	*k = (struct report_contrast){ 0 };
}

void report_contrast_interval(const struct report_contrast *k, struct stats_interval *ret)
{
	stats_interval_mean(k->list, k->units, ret);
}

int report_contrast_ratio(const struct report_contrast *a, const struct report_contrast *b,
			  struct stats_interval *ret)
{
	double *x, *y;
	size_t n = 0;
	int r = 0;

	*ret = (struct stats_interval){ NAN, NAN, NAN, NAN, NAN };
	if (a->level != b->level)
		return 0;
	x = malloc((a->slots + 1) * sizeof(*x));
	y = malloc((a->slots + 1) * sizeof(*y));
	for (size_t i = 0; x && y && i < a->slots; i++) {
		if (!isnan(a->unit[i]) && !isnan(b->unit[i])) {
			x[n] = a->unit[i];
			y[n++] = b->unit[i];
		}
	}
	if (x && y)
		stats_interval_ratio(x, y, n, ret);
	else
		r = -ENOMEM;
	free(x);
	free(y);
	return r;
}
