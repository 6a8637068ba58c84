// SPDX-License-Identifier: GPL-2.0
#include "guard/offpolicy.h"

#include <errno.h>
#include <math.h>

#define Z95 1.959964

/* Weight of a row: NAN if it is unusable. */
static double weight(const struct offpolicy_row *r)
{
	if (!isfinite(r->reward) || !(r->behaviour > 0.0) || !(r->behaviour <= 1.0) ||
	    !(r->candidate >= 0.0) || !(r->candidate <= 1.0))
		return NAN;
	return r->candidate / r->behaviour;
}

static void snips(const struct offpolicy_row *row, size_t n, double sum_w, double sum_wr,
		  struct offpolicy_estimate *e)
{
	double mean = sum_wr / sum_w, var = 0.0, half;

	/* The delta method for a ratio of two means. */
	for (size_t i = 0; i < n; i++) {
		double w = weight(&row[i]);

		if (w > 0.0)
			var += w * w * (row[i].reward - mean) * (row[i].reward - mean);
	}
	half = Z95 * sqrt(var) / sum_w;
	e->snips = mean;
	e->snips_low = mean - half;
	e->snips_high = mean + half;
}

/* The model says what the candidate earns; where it took the same action, the weighted error corrects that. */
static void doubly_robust(const struct offpolicy_row *row, size_t n,
			  struct offpolicy_estimate *e)
{
	double mean = 0.0, m2 = 0.0, half;
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		double w = weight(&row[i]), v, d;

		if (isnan(w))
			continue;
		v = row[i].value_candidate + w * (row[i].reward - row[i].value_taken);
		if (!isfinite(v))	/* no model of some rows is no model */
			return;
		d = v - mean;
		mean += d / (double)++k;
		m2 += d * (v - mean);
	}
	if (k < 2)
		return;
	half = Z95 * sqrt(m2 / (double)(k - 1) / (double)k);
	e->dr = mean;
	e->dr_low = mean - half;
	e->dr_high = mean + half;
}

int offpolicy_estimate(const struct offpolicy_row *row, size_t n, struct offpolicy_estimate *out)
{
	struct offpolicy_estimate e = {
		.support = NAN, .behaviour = NAN, .snips = NAN, .snips_low = NAN,
		.snips_high = NAN, .dr = NAN, .dr_low = NAN, .dr_high = NAN,
	};
	double sum_w = 0.0, sum_w2 = 0.0, sum_wr = 0.0, sum_r = 0.0, unknown_w = 0.0;
	size_t supported = 0, unknown = 0;

	for (size_t i = 0; i < n; i++) {
		double w = weight(&row[i]);

		if (isnan(w))
			continue;
		e.n++;
		sum_r += row[i].reward;
		sum_w += w;
		sum_w2 += w * w;
		sum_wr += w * row[i].reward;
		if (isnan(row[i].support)) {
			unknown++;
			unknown_w += w;
		} else if (row[i].support > 0.0) {
			supported++;
		}
	}
	if (e.n) {
		/* Where nobody knows, the weights do: their mean is the share of the
		 * candidate's choices that had a chance. */
		double share = unknown ? fmin(unknown_w / (double)unknown, 1.0) : 0.0;

		e.behaviour = sum_r / (double)e.n;
		e.support = ((double)supported + share * (double)unknown) / (double)e.n;
	}
	if (sum_w2 > 0.0) {
		e.ess = sum_w * sum_w / sum_w2;
		snips(row, n, sum_w, sum_wr, &e);
		doubly_robust(row, n, &e);
	}
	*out = e;
	if (e.n && e.support < OFFPOLICY_SUPPORT_MIN)
		return -EDOM;
	if (e.ess < OFFPOLICY_ESS_MIN)
		return -ENODATA;
	return 0;
}
