// SPDX-License-Identifier: GPL-2.0
/* What is chosen, and by which trials. */
#include "lab/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

bool report_is_static(const struct report_data *d, size_t policy)
{
	return d->p[policy].role == LAB_STATIC;
}

bool report_is_baseline(const struct report_data *d, size_t policy)
{
	return d->p[policy].role <= LAB_BASELINE;
}

bool report_is_learned(const struct report_data *d, size_t policy)
{
	return d->p[policy].role == LAB_LEARNED || d->p[policy].role == LAB_ONLINE;
}

static bool is_oracle(const struct report_data *d, size_t policy)
{
	return d->p[policy].role == LAB_ORACLE;
}

size_t report_grid(const struct report_data *d, size_t *step)
{
	size_t n = 0;

	for (size_t p = 0; p < d->policies; p++) {
		size_t at = n;

		if (d->p[p].role != LAB_STATIC)
			continue;
		for (; at && d->p[step[at - 1]].k_bytes > d->p[p].k_bytes; at--)
			step[at] = step[at - 1];
		step[at] = p;
		n++;
	}
	return n;
}

/* Mean over the cases of their means over the first trials; NAN: it was not measured in all. */
static double score(const struct report_data *d, const double *cost, const bool *use, size_t policy,
		    size_t trials)
{
	double sum = 0;
	size_t cases = 0;

	for (size_t c = 0; c < d->cases; c++) {
		double own = 0;
		size_t n = 0;

		if (!use[c])
			continue;
		for (size_t t = 0; t < trials; t++) {
			const double v = cost[report_at(d, c, policy, t)];

			if (!isnan(v)) {
				own += v;
				n++;
			}
		}
		if (!n)
			return NAN;
		sum += own / n;
		cases++;
	}
	return cases ? sum / cases : NAN;
}

/*
 * Without cases that nobody was measured in, and those of a campaign under way that do not have
 * all candidates yet: they would put out every candidate, or whoever has bad luck with the order.
 */
static bool *comparable(const struct report_data *d, const double *cost, const bool *use,
			report_which *which, size_t select)
{
	bool *ret = calloc(d->cases + 1, sizeof(*ret));

	for (size_t c = 0; ret && c < d->cases; c++) {
		bool any = false, open = false;

		for (size_t p = 0; use[c] && p < d->policies; p++) {
			size_t t = 0;

			if (!which(d, p))
				continue;
			while (t < select && isnan(cost[report_at(d, c, p, t)]))
				t++;
			if (t < select)
				any = true;
			else
				open |= d->open && d->open[c * d->policies + p] & REPORT_OPEN_SELECT;
		}
		ret[c] = any && !open;
	}
	return ret;
}

size_t report_halve(const struct report_data *d, const double *cost, const bool *cases,
		    report_which *which, size_t select)
{
	double *value = malloc((d->policies + 1) * sizeof(*value));
	bool *use = comparable(d, cost, cases, which, select);
	size_t left = 0, rounds = 0, best = REPORT_NONE;

	if (!value || !use) {
		free(value);
		free(use);
		return REPORT_NONE;
	}
	/* Who was not measured everywhere cannot be compared. */
	for (size_t p = 0; p < d->policies; p++) {
		value[p] = which(d, p) ? score(d, cost, use, p, select) : NAN;
		left += !isnan(value[p]);
	}
	while ((1UL << rounds) < left)
		rounds++;
	for (size_t round = 0; round < rounds; round++) {
		const size_t trials = select * (round + 1) / rounds;
		size_t out = left / 2;

		for (size_t p = 0; p < d->policies; p++) {
			const double early = isnan(value[p]) ? NAN :
				score(d, cost, use, p, trials ? trials : 1);

			/* One that has nothing in so few trials is judged by all of them. */
			if (!isnan(value[p]))
				value[p] = isnan(early) ? score(d, cost, use, p, select) : early;
		}
		while (out--) {
			size_t worst = REPORT_NONE;

			/* Of equal ones the first stays: where more K changes nothing, the least. */
			for (size_t p = 0; p < d->policies; p++)
				if (!isnan(value[p]) && (worst == REPORT_NONE || value[p] >= value[worst]))
					worst = p;
			value[worst] = NAN;
			left--;
		}
	}
	for (size_t p = 0; p < d->policies; p++)
		if (!isnan(value[p]) && (best == REPORT_NONE || value[p] < value[best]))
			best = p;
	free(value);
	free(use);
	return best;
}

int report_oracle(const struct report_data *d, const double *cost, size_t *pick)
{
	bool *use = calloc(d->cases + 1, sizeof(*use));

	if (!use)
		return -ENOMEM;
	for (size_t c = 0; c < d->cases; c++) {
		use[c] = true;
		pick[c] = report_halve(d, cost, use, report_is_static, d->select);
		/* A plan without a grid may have an oracle that chose by runs of its own. */
		if (pick[c] == REPORT_NONE)
			pick[c] = report_halve(d, cost, use, is_oracle, d->select);
		use[c] = false;
	}
	free(use);
	return 0;
}

int report_best(const struct report_data *d, report_which *which, size_t *pick)
{
	bool *use = calloc(d->cases + 1, sizeof(*use));

	if (!use)
		return -ENOMEM;
	for (size_t c = 0; c < d->cases; c++) {
		size_t best = REPORT_NONE;

		/* First only training workloads of other families, then less strict. */
		for (int strict = 2; strict >= 0 && best == REPORT_NONE; strict--) {
			for (size_t k = 0; k < d->cases; k++)
				use[k] = strict == 2 ? !d->c[k].test && d->c[k].family != d->c[c].family :
					 strict == 1 ? d->c[k].family != d->c[c].family : true;
			best = report_halve(d, d->cost, use, which, d->select);
		}
		pick[c] = best;
	}
	free(use);
	return 0;
}
