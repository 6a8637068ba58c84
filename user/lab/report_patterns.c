// SPDX-License-Identifier: GPL-2.0
/* The landscape: how much a setting matters where, which ones serve whom, what goes with J. */
#include "lab/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_sort.h>

#include "lib/rng.h"

#define SHARE_MIN	0.8	/* of runs that must have a metric for it to be correlated */
#define DRAWS_MIN	199
#define DRAWS_MAX	999
#define DRAWS_WORK	2e8	/* values shuffled for all metrics together */

/* --- what a setting matters --------------------------------------------------------------- */

static void range_of(const struct report_data *d, size_t c, const size_t *step, size_t n,
		     size_t chosen, struct report_range *out)
{
	double low = INFINITY, high = -INFINITY, beside = 0;
	size_t there = 0, near = 0, sides = 0;

	*out = (struct report_range){ .top = { REPORT_NONE, REPORT_NONE, REPORT_NONE } };
	for (size_t i = 0; i < n; i++) {
		const double v = report_mean(d, c, step[i], 0, d->trials);

		if (isnan(v))
			continue;
		there++;
		low = fmin(low, v);
		high = fmax(high, v);
		for (int k = 0; k < 3; k++) {
			if (out->top[k] == REPORT_NONE ||
			    v < report_mean(d, c, out->top[k], 0, d->trials)) {
				memmove(&out->top[k + 1], &out->top[k], (2 - k) * sizeof(*out->top));
				out->top[k] = step[i];
				break;
			}
		}
	}
	for (size_t i = 0; i < n; i++) {
		const double v = report_mean(d, c, step[i], 0, d->trials);

		near += v <= low + log1p(REPORT_MARGIN);
		/* What the choice of the one trials costs in the others, a step beside it. */
		if (step[i] != chosen)
			continue;
		for (int side = -1; side <= 1; side += 2) {
			const size_t k = i + side;
			const double other = k < n ? report_mean(d, c, step[k], d->select, d->trials) :
						     NAN;

			if (!isnan(other)) {
				beside += other - report_mean(d, c, chosen, d->select, d->trials);
				sides++;
			}
		}
	}
	out->settings = there;
	out->range = there ? exp(high - low) : NAN;
	out->within = there ? near / (double)there : NAN;
	out->step = sides ? expm1(beside / sides) : NAN;
}

/* --- whose optimum serves whom -------------------------------------------------------------- */

/* How much dearer the other's threshold is than the own one, in the worse of both directions. */
static double apart(const struct report_data *d, const struct report_result *r, size_t a, size_t b)
{
	const size_t x = r->oracle[a], y = r->oracle[b];
	double ab, ba;

	if (x == REPORT_NONE || y == REPORT_NONE)
		return INFINITY;
	ab = report_mean(d, a, y, d->select, d->trials) - report_mean(d, a, x, d->select, d->trials);
	ba = report_mean(d, b, x, d->select, d->trials) - report_mean(d, b, y, d->select, d->trials);
	return isnan(ab) || isnan(ba) ? INFINITY : fmax(0, fmax(ab, ba));
}

static int clusters(const struct report_data *d, const struct report_result *r,
		    struct report_patterns *p)
{
	double *distance = malloc((d->cases * d->cases + 1) * sizeof(*distance));
	unsigned int *cluster = malloc((d->cases + 1) * sizeof(*cluster));
	bool *use = calloc(d->cases + 1, sizeof(*use));
	int n = -ENOMEM;

	if (distance && cluster && use) {
		for (size_t a = 0; a < d->cases; a++)
			for (size_t b = 0; b < d->cases; b++)
				distance[a * d->cases + b] = a == b ? 0 : apart(d, r, a, b);
		n = stats_cluster(distance, d->cases, log1p(REPORT_MARGIN), cluster);
	}
	p->cluster_pick = malloc((d->cases + 1) * sizeof(*p->cluster_pick));
	if (!p->cluster_pick)
		n = -ENOMEM;
	for (size_t c = 0; n >= 0 && c < d->cases; c++)
		p->range[c].cluster = cluster[c];
	for (int k = 0; k < n; k++) {
		for (size_t c = 0; c < d->cases; c++)
			use[c] = cluster[c] == (unsigned int)k;
		p->cluster_pick[k] = report_halve(d, d->cost, use, report_is_static, d->select);
	}
	p->clusters = n > 0 ? n : 0;
	free(distance);
	free(cluster);
	free(use);
	return n < 0 ? n : 0;
}

/*
 * Shares of the variance of ln J over cases and static thresholds. What all thresholds gain or lose
 * together in a case nobody can set; what a threshold gains in all cases a static one has; what is left, the
 * interaction, is what there is for a policy that adapts.
 */
static void shares(const struct report_data *d, const size_t *step, size_t n,
		   struct report_patterns *out)
{
	double all = 0, by_case = 0, by_step = 0, cells = 0, noise = 0, grand = 0;
	size_t cases = 0, runs = 0;
	double *mean = calloc(d->cases * n + 1, sizeof(*mean)), *step_mean = calloc(n + 1, sizeof(*mean));
	bool *whole = calloc(d->cases + 1, sizeof(*whole));

	out->share_workload = out->share_setting = out->share_interaction = out->share_noise = NAN;
	/* Of cases that have all thresholds: else the shares are not apart. */
	for (size_t c = 0; mean && step_mean && whole && c < d->cases; c++) {
		whole[c] = n > 0;
		for (size_t i = 0; i < n; i++) {
			mean[c * n + i] = report_mean(d, c, step[i], 0, d->trials);
			whole[c] &= !isnan(mean[c * n + i]);
		}
		for (size_t i = 0; whole[c] && i < n; i++) {
			grand += mean[c * n + i];
			step_mean[i] += mean[c * n + i];
		}
		cases += whole[c];
	}
	if (cases > 1 && n > 1) {
		grand /= cases * n;
		for (size_t i = 0; i < n; i++) {
			step_mean[i] /= cases;
			by_step += cases * (step_mean[i] - grand) * (step_mean[i] - grand);
		}
		for (size_t c = 0; c < d->cases; c++) {
			double own = 0;

			for (size_t i = 0; whole[c] && i < n; i++) {
				own += mean[c * n + i] / n;
				cells += (mean[c * n + i] - grand) * (mean[c * n + i] - grand);
				for (size_t t = 0; t < d->trials; t++) {
					const double v = d->cost[report_at(d, c, step[i], t)] -
							 mean[c * n + i];

					noise += isnan(v) ? 0 : v * v;
					runs += !isnan(v);
				}
			}
			by_case += whole[c] ? n * (own - grand) * (own - grand) : 0;
		}
		noise *= runs ? cases * n / (double)runs : 0;
		all = cells + noise;
		out->share_workload = by_case / all;
		out->share_setting = by_step / all;
		out->share_interaction = fmax(0, cells - by_case - by_step) / all;
		out->share_noise = noise / all;
	}
	free(mean);
	free(step_mean);
	free(whole);
}

/* --- what goes with J ----------------------------------------------------------------------- */

/* Values of the runs of a case and trial follow each other; block[i] is where those of i begin. */
struct pairs {
	double *x, *y;
	size_t *block, n;
};

/* What differs between policies that met the same arrivals, in cases [from, to). */
static void gather(const struct report_data *d, size_t m, size_t from, size_t to, struct pairs *q)
{
	q->n = 0;
	for (size_t c = from; c < to; c++) {
		for (size_t t = 0; t < d->trials; t++) {
			const size_t first = q->n;
			double x = 0, y = 0;

			for (size_t p = 0; p < d->policies; p++) {
				const size_t at = report_at(d, c, p, t);

				if (isnan(d->m[m].value[at]) || isnan(d->cost[at]))
					continue;
				q->x[q->n] = d->m[m].value[at];
				q->y[q->n] = d->cost[at];
				q->block[q->n] = first;
				x += q->x[q->n];
				y += q->y[q->n++];
			}
			for (size_t i = first; i < q->n; i++) {
				/* Relative to the others' mean: cases differ in size. */
				q->x[i] = x != 0 ? q->x[i] * (q->n - first) / x - 1 : 0;
				q->y[i] -= y / (q->n - first);
			}
		}
	}
}

static void ranks(const double *v, size_t n, double *rank, size_t *order)
{
	gsl_sort_index(order, v, 1, n);
	for (size_t i = 0; i < n;) {
		size_t j = i;

		while (j < n && v[order[j]] == v[order[i]])
			j++;
		for (size_t k = i; k < j; k++)
			rank[order[k]] = (i + j) / 2.0 - n / 2.0;
		i = j;
	}
}

/* Two-sided: shuffled within their blocks, how often is the rank correlation as large? */
static double shuffled_p(const struct pairs *q, unsigned int draws, struct rng *rng)
{
	size_t *order = malloc((q->n + 1) * sizeof(*order));
	double *x = malloc((q->n + 1) * sizeof(*x)), *y = malloc((q->n + 1) * sizeof(*y));
	unsigned int as_large = 1;
	double sample = 0, p = NAN;

	if (order && x && y) {
		ranks(q->x, q->n, x, order);
		ranks(q->y, q->n, y, order);
		for (size_t i = 0; i < q->n; i++)
			sample += x[i] * y[i];
		for (unsigned int k = 0; k < draws; k++) {
			double sum = 0;

			for (size_t i = 0; i < q->n; i++) {
				const size_t j = q->block[i] + rng_below(rng, i - q->block[i] + 1);
				const double v = x[i];

				x[i] = x[j];
				x[j] = v;
			}
			for (size_t i = 0; i < q->n; i++)
				sum += x[i] * y[i];
			as_large += fabs(sum) >= fabs(sample) * (1 - 1e-12);
		}
		p = as_large / (draws + 1.0);
	}
	free(order);
	free(x);
	free(y);
	return p;
}

/* J itself, and what the policy is rather than what the network did. */
static bool no_symptom(const char *name)
{
	return !strcmp(name, "J") || !strncmp(name, "decisions", 9) || !strcmp(name, "inference_ns");
}

static int by_strength(const void *a, const void *b)
{
	const struct report_correlation *x = a, *y = b;

	return (fabs(x->spearman) < fabs(y->spearman)) - (fabs(x->spearman) > fabs(y->spearman));
}

static int correlations(const struct report_data *d, struct report_patterns *out)
{
	const size_t most = d->cases * d->policies * d->trials + 1;
	const double work = DRAWS_WORK / ((double)d->valid * (d->metrics + 1));
	const unsigned int draws = fmin(DRAWS_MAX, fmax(DRAWS_MIN, work));
	struct pairs q = { .x = malloc(most * sizeof(double)), .y = malloc(most * sizeof(double)),
			   .block = malloc(most * sizeof(size_t)) };
	double *p = malloc((d->metrics + 1) * sizeof(*p));
	struct rng rng;
	int r = -ENOMEM;

	out->correlation = calloc(d->metrics + 1, sizeof(*out->correlation));
	out->by_case = malloc(((d->metrics + 1) * d->cases + 1) * sizeof(*out->by_case));
	rng_seed(&rng, 1);
	if (!q.x || !q.y || !q.block || !p || !out->correlation || !out->by_case)
		goto out;
	for (size_t m = 0; m < d->metrics; m++) {
		struct report_correlation *k = &out->correlation[out->correlations];

		if (no_symptom(d->m[m].name) || d->m[m].values < SHARE_MIN * d->valid)
			continue;
		gather(d, m, 0, d->cases, &q);
		*k = (struct report_correlation){ m, q.n, stats_pearson(q.x, q.y, q.n),
						  stats_spearman(q.x, q.y, q.n), NAN };
		if (isnan(k->spearman))
			continue;
		k->p = shuffled_p(&q, draws, &rng);
		p[out->correlations++] = k->p;
	}
	r = stats_holm(p, out->correlations);
	for (size_t i = 0; !r && i < out->correlations; i++)
		out->correlation[i].p = p[i];
	qsort(out->correlation, out->correlations, sizeof(*out->correlation), by_strength);
	for (size_t i = 0; !r && i < out->correlations; i++) {
		for (size_t c = 0; c < d->cases; c++) {
			gather(d, out->correlation[i].metric, c, c + 1, &q);
			out->by_case[i * d->cases + c] = stats_spearman(q.x, q.y, q.n);
		}
	}
out:
	free(q.x);
	free(q.y);
	free(q.block);
	free(p);
	return r;
}

int report_patterns(const struct report_data *d, const struct report_result *r,
		    struct report_patterns **ret)
{
	struct report_patterns *p = calloc(1, sizeof(*p));
	size_t *step = malloc((d->policies + 1) * sizeof(*step)), n = 0;
	int err = p && step ? 0 : -ENOMEM;

	if (!err)
		p->range = calloc(d->cases + 1, sizeof(*p->range));
	if (!err && !p->range)
		err = -ENOMEM;
	if (!err)
		n = report_grid(d, step);
	for (size_t c = 0; !err && c < d->cases; c++)
		range_of(d, c, step, n, r->oracle[c], &p->range[c]);
	if (!err)
		err = clusters(d, r, p);
	if (!err) {
		shares(d, step, n, p);
		err = correlations(d, p);
	}
	if (!err)
		err = report_findings(d, r, p);
	if (!err)
		err = report_failures(d, r, p);
	free(step);
	if (err) {
		report_patterns_free(p);
		return err;
	}
	*ret = p;
	return 0;
}

void report_patterns_free(struct report_patterns *p)
{
	if (!p)
		return;
	free(p->range);
	free(p->cluster_pick);
	free(p->correlation);
	free(p->by_case);
	free(p->finding);
	free(p->failure);
	free(p);
}
