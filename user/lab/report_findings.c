// SPDX-License-Identifier: GPL-2.0
/*
 * What one would not expect, found by rules on the trials that select and checked on the others: a
 * finding that is only luck mostly does not come back. And how each baseline fails, and whether a
 * factor on its threshold would mend it.
 */
#include "lab/report.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX	40
#define DIP		0.05	/* a hill between two valleys of J over K, at least */
#define VARIANCE	3.0	/* times the usual standard deviation */
#define ORDERS_DIFFER	0.3	/* rank correlation below this */
#define SIGN_CLEAR	0.5	/* correlations beyond this with both signs */

static struct report_finding *add(struct report_patterns *p, int holds)
{
	struct report_finding *f;

	if (p->findings == FINDINGS_MAX)
		return NULL;
	f = &p->finding[p->findings++];
	f->holds = holds;
	return f;
}

/* How high it is between a step and the best ones to both sides of it. */
static double hill(const struct report_data *d, size_t c, const size_t *step, size_t n, size_t top,
		   size_t from, size_t to)
{
	const double v = report_mean(d, c, step[top], from, to);
	double left = INFINITY, right = INFINITY;

	for (size_t i = 0; i < n; i++) {
		const double other = report_mean(d, c, step[i], from, to);

		if (i < top && other < left)
			left = other;
		if (i > top && other < right)
			right = other;
	}
	return isfinite(left) && isfinite(right) ? v - fmax(left, right) : -INFINITY;
}

static void two_valleys(const struct report_data *d, const size_t *step, size_t n, size_t c,
			struct report_patterns *p)
{
	size_t top = 0;
	double most = DIP;

	for (size_t i = 1; i + 1 < n; i++) {
		const double h = hill(d, c, step, n, i, 0, d->select);

		if (h > most) {
			most = h;
			top = i;
		}
	}
	if (top) {
		const double again = hill(d, c, step, n, top, d->select, d->trials);
		struct report_finding *f = add(p, !isfinite(again) ? -1 : again > DIP / 2);

		if (!f)
			return;
		snprintf(f->what, sizeof(f->what), "%s: J has two valleys over K: at %s it is %.0f %% "
			 "dearer than the best to both sides", d->c[c].name, d->p[step[top]].name,
			 100 * expm1(most));
		snprintf(f->check, sizeof(f->check), "in the other trials %.0f %%", 100 * expm1(again));
	}
}

static size_t costs_of(const struct report_data *d, size_t c, size_t p, size_t from, size_t to,
		       double *v)
{
	size_t n = 0;

	for (size_t t = from; t < to; t++) {
		const double x = d->cost[report_at(d, c, p, t)];

		if (!isnan(x))
			v[n++] = x;
	}
	return n;
}

/* A policy whose runs of a case differ far more than the others' do. */
static void erratic(const struct report_data *d, size_t c, double *v, struct report_patterns *p)
{
	double *sd = malloc((d->policies + 1) * sizeof(*sd)), usual, worst = 0;
	size_t n = 0, too_many = 0, at = 0;

	if (!sd || d->select < 3) {
		free(sd);
		return;
	}
	for (size_t k = 0; k < d->policies; k++) {
		const size_t runs = costs_of(d, c, k, 0, d->select, v);

		if (runs > 2)
			sd[n++] = stats_sd(v, runs);
	}
	usual = stats_quantile(sd, n, 0.5);
	/* The worst of the case: neighbours on the grid are much alike. */
	for (size_t k = 0; n > 2 && k < d->policies; k++) {
		const size_t runs = costs_of(d, c, k, 0, d->select, v);
		const double own = runs > 2 ? stats_sd(v, runs) : 0;

		/* Below a per cent nobody minds. */
		too_many += own > VARIANCE * usual && own > 0.01;
		if (own > worst) {
			worst = own;
			at = k;
		}
	}
	if (too_many) {
		const size_t k = at;
		const double own = worst;
		struct report_finding *f;
		double *rest;
		size_t fresh, others = 0;
		double pv;

		rest = malloc((d->policies * d->trials + 1) * sizeof(*rest));
		if (!rest) {
			free(sd);
			return;
		}
		for (size_t o = 0; o < d->policies; o++) {
			const size_t got = o == k ? 0 : costs_of(d, c, o, d->select, d->trials, v);
			const double m = stats_mean(v, got);

			for (size_t i = 0; i < got; i++)
				rest[others++] = v[i] - m;
		}
		fresh = costs_of(d, c, k, d->select, d->trials, v);
		pv = stats_variance_test(v, fresh, rest, others);
		f = add(p, isnan(pv) ? -1 : pv < 0.01);
		if (f) {
			char also[80] = "";

			if (too_many > 1)
				snprintf(also, sizeof(also), " (and those of %zu more over %.0f times)",
					 too_many - 1, VARIANCE);
			snprintf(f->what, sizeof(f->what), "%s: runs of %s differ %.0f times as much "
				 "as the usual policy's%s", d->c[c].name, d->p[k].name, own / usual, also);
			snprintf(f->check, sizeof(f->check), "F test in the other trials: p = %.2g", pv);
		}
		free(rest);
	}
	free(sd);
}

/* Does it differ between thresholds at all, by a tenth? */
static bool differs(const struct report_data *d, size_t m, size_t c, const size_t *step, size_t n)
{
	double least = INFINITY, most = -INFINITY;

	for (size_t i = 0; i < n; i++) {
		const double v = report_metric_mean(d, m, c, step[i], 0, d->select);

		least = v < least ? v : least;
		most = v > most ? v : most;
	}
	return most > 1.1 * least;
}

static double order_alike(const struct report_data *d, size_t m, double sign, size_t c,
			  const size_t *step, size_t n, size_t from, size_t to)
{
	double *x = malloc((n + 1) * sizeof(*x)), *y = malloc((n + 1) * sizeof(*y)), r = NAN;
	size_t got = 0;

	for (size_t i = 0; x && y && i < n; i++) {
		x[got] = sign * report_metric_mean(d, m, c, step[i], from, to);
		y[got] = report_mean(d, c, step[i], from, to);
		got += !isnan(x[got]) && !isnan(y[got]);
	}
	if (x && y && got > 3)
		r = stats_spearman(x, y, got);
	free(x);
	free(y);
	return r;
}

/* Where J and what an operator may care for disagree about the order of thresholds. */
static void other_orders(const struct report_data *d, const size_t *step, size_t n, size_t c,
			 struct report_patterns *p)
{
	static const struct {
		const char *metric;
		double sign;
	} looked_at[] = {
		{ "fct_p99_us 10k", 1 }, { "fct_mean_us all", 1 }, { "goodput_share", -1 },
		{ "latency_p99_us", 1 },
	};

	for (size_t k = 0; k < sizeof(looked_at) / sizeof(looked_at[0]); k++) {
		const size_t m = report_metric_find(d, looked_at[k].metric);
		const double before = order_alike(d, m, looked_at[k].sign, c, step, n, 0, d->select);
		const double after = order_alike(d, m, looked_at[k].sign, c, step, n, d->select,
						 d->trials);
		struct report_finding *f;

		if (!(before < ORDERS_DIFFER && differs(d, m, c, step, n)))
			continue;
		f = add(p, isnan(after) ? -1 : after < ORDERS_DIFFER);
		if (!f)
			return;
		snprintf(f->what, sizeof(f->what), "%s: J and %s order the thresholds differently "
			 "(rank correlation %.2f)", d->c[c].name, looked_at[k].metric, before);
		snprintf(f->check, sizeof(f->check), "in the other trials %.2f", after);
	}
}

/* Within a case, over its thresholds. */
static double within(const struct report_data *d, size_t m, size_t c, const size_t *step, size_t n,
		     size_t from, size_t to)
{
	return order_alike(d, m, 1, c, step, n, from, to);
}

/* A metric that is good news in one case and bad news in another. */
static void two_signs(const struct report_data *d, const size_t *step, size_t n, size_t m,
		      struct report_patterns *p)
{
	size_t up = REPORT_NONE, down = REPORT_NONE;
	double most = SIGN_CLEAR, least = -SIGN_CLEAR, a, b;
	struct report_finding *f;

	for (size_t c = 0; c < d->cases; c++) {
		const double v = within(d, m, c, step, n, 0, d->select);

		if (v > most) {
			most = v;
			up = c;
		}
		if (v < least) {
			least = v;
			down = c;
		}
	}
	if (up == REPORT_NONE || down == REPORT_NONE)
		return;
	a = within(d, m, up, step, n, d->select, d->trials);
	b = within(d, m, down, step, n, d->select, d->trials);
	f = add(p, isnan(a) || isnan(b) ? -1 : a > SIGN_CLEAR && b < -SIGN_CLEAR);
	if (!f)
		return;
	snprintf(f->what, sizeof(f->what), "more %s goes with a dearer run in %s (%.2f), with a cheaper "
		 "one in %s (%.2f): no rule on it alone serves both", d->m[m].name, d->c[up].name, most,
		 d->c[down].name, least);
	snprintf(f->check, sizeof(f->check), "in the other trials %.2f and %.2f", a, b);
}

int report_findings(const struct report_data *d, const struct report_result *r,
		    struct report_patterns *p)
{
	size_t *step = malloc((d->policies + 1) * sizeof(*step)), n;
	double *v = malloc((d->trials + 1) * sizeof(*v));
	size_t told = 0;

	p->finding = calloc(FINDINGS_MAX, sizeof(*p->finding));
	if (!p->finding || !step || !v) {
		free(step);
		free(v);
		return -ENOMEM;
	}
	(void)r;
	n = report_grid(d, step);
	for (size_t c = 0; d->select && c < d->cases; c++) {
		two_valleys(d, step, n, c, p);
		erratic(d, c, v, p);
		other_orders(d, step, n, c, p);
	}
	/* The strongest ones tell most. */
	for (size_t i = 0; d->select && i < p->correlations && told < 5; i++) {
		const size_t before = p->findings;

		two_signs(d, step, n, p->correlation[i].metric, p);
		told += p->findings - before;
	}
	free(step);
	free(v);
	return 0;
}

/* --- how a baseline fails ------------------------------------------------------------------- */

/* What is worse than under the oracle, of what J is made of. */
static void how(const struct report_data *d, size_t policy, size_t oracle, size_t c, char *buf,
		size_t size)
{
	static const char *const part[] = { "slowdown_mean 10k", "slowdown_mean 100k",
					    "slowdown_mean 1m", "slowdown_mean large",
					    "goodput_share" };
	static const char *const name[] = { "flows up to 10 KB", "flows up to 100 KB",
					    "flows up to 1 MB", "larger flows", "goodput" };
	double most = 0;

	snprintf(buf, size, "J has no parts recorded");
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		const size_t m = report_metric_find(d, part[i]);
		const double own = report_metric_mean(d, m, c, policy, d->select, d->trials);
		const double best = report_metric_mean(d, m, c, oracle, d->select, d->trials);
		const double ln = i == 4 ? log(best / own) : log(own / best);

		if (d->weight[i] * ln > most) {
			most = d->weight[i] * ln;
			snprintf(buf, size, "mostly %s: %s %+.0f %%", name[i],
				 i == 4 ? "goodput" : "mean slowdown", 100 * (own / best - 1));
		}
	}
}

/* Would it be near the oracle where it fails with its K times this factor? By the next step. */
static double mended(const struct report_data *d, const struct report_result *r, size_t policy,
		     size_t k, double octaves, const bool *lost)
{
	double sum = 0;
	size_t n = 0;

	for (size_t c = 0; c < d->cases; c++) {
		size_t step = REPORT_NONE;
		double want;

		if (!lost[c])
			continue;
		want = report_metric_mean(d, k, c, policy, 0, d->trials) * exp2(-octaves);
		for (size_t p = 0; p < d->policies; p++)
			if (d->p[p].role == LAB_STATIC && d->p[p].k_bytes > 0 &&
			    (step == REPORT_NONE || fabs(log(d->p[p].k_bytes / want)) <
						    fabs(log(d->p[step].k_bytes / want))))
				step = p;
		if (step == REPORT_NONE)
			return NAN;
		sum += report_mean(d, c, step, d->select, d->trials) -
		       report_mean(d, c, r->oracle[c], d->select, d->trials);
		n++;
	}
	return n ? expm1(sum / n) : NAN;
}

static int failure(const struct report_data *d, const struct report_result *r, size_t rung,
		   struct report_failure *out)
{
	const size_t k = report_metric_find(d, "k_bytes");
	const struct report_rung *g = &r->rung[rung];
	bool *lost = calloc(d->cases + 1, sizeof(*lost)), *one = calloc(d->cases + 1, sizeof(*one));
	double *octave = malloc((d->cases + 1) * sizeof(*octave)), total = 0;
	size_t octaves = 0, pairs = 0;
	int err = lost && one && octave ? 0 : -ENOMEM;

	*out = (struct report_failure){ .rung = rung, .worst = REPORT_NONE, .octaves = NAN,
					.octaves_sd = NAN };
	for (size_t c = 0; !err && c < d->cases; c++) {
		struct report_contrast x;
		struct stats_interval s;

		one[c] = true;
		err = report_contrast(d, d->cost, g->pick, r->oracle, one, &x);
		one[c] = false;
		if (err)
			break;
		report_contrast_interval(&x, &s);
		out->cases += x.pairs > 0;
		lost[c] = x.pairs && s.lower > log1p(REPORT_MARGIN);
		if (lost[c]) {
			const double own = report_metric_mean(d, k, c, g->pick[c], 0, d->trials);
			const double best = d->p[r->oracle[c]].k_bytes;

			out->lost++;
			total += s.mean;
			pairs++;
			if (out->worst == REPORT_NONE || expm1(s.mean) > out->worst_loss) {
				out->worst = c;
				out->worst_loss = expm1(s.mean);
			}
			if (own > 0 && best > 0)
				octave[octaves++] = log2(own / best);
		}
		report_contrast_free(&x);
	}
	if (!err && out->lost) {
		how(d, g->pick[out->worst], r->oracle[out->worst], out->worst, out->how,
		    sizeof(out->how));
		if (octaves == out->lost) {
			out->octaves = stats_mean(octave, octaves);
			out->octaves_sd = stats_sd(octave, octaves);
		}
		if (isnan(out->octaves)) {
			snprintf(out->fix, sizeof(out->fix), "it has no threshold to compare");
		} else if (fabs(out->octaves) < 0.5 && !(out->octaves_sd >= 0.5)) {
			snprintf(out->fix, sizeof(out->fix), "its K is the oracle's on average: it is "
				 "something else, as how it gets there");
		} else {
			const double left = mended(d, r, g->pick[out->worst], k, out->octaves, lost);

			snprintf(out->fix, sizeof(out->fix), "K times %.*f would leave it %.0f %% over "
				 "the oracle there, instead of %.0f %%: %s", out->octaves < -3 ? 0 :
				 out->octaves > 1 ? 3 : 1, exp2(-out->octaves),
				 100 * left, 100 * expm1(total / pairs),
				 left <= REPORT_MARGIN ? "yes, by a factor" :
				 out->octaves_sd > 1 ? "no, it errs in different directions or degrees" :
				 "not by a factor alone");
		}
	}
	free(lost);
	free(one);
	free(octave);
	return err;
}

int report_failures(const struct report_data *d, const struct report_result *r,
		    struct report_patterns *p)
{
	int err = 0;

	p->failure = calloc(r->rungs + 1, sizeof(*p->failure));
	if (!p->failure)
		return -ENOMEM;
	for (size_t i = 0; !err && i < r->rungs; i++) {
		const struct report_policy *q = r->rung[i].policy;

		/* Each single threshold fails somewhere; the best of them stands for all. */
		if (q ? q->role == LAB_STATIC || q->role == LAB_ORACLE : i != 0)
			continue;
		err = failure(d, r, i, &p->failure[p->failures]);
		p->failures += !err;
	}
	return err;
}
