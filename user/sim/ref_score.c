// SPDX-License-Identifier: GPL-2.0
#include "sim/ref_score.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "lib/rank.h"

/* Sorts the values. */
static void sum_up(double *slowdown, size_t n, struct ref_figures *ret)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += slowdown[i];
	ret->mean = sum / n;
	ret->p99 = rank_quantile(slowdown, n, 0.99);
}

int ref_outcome(const struct ref_run *run, const double *fct_ns, size_t n, struct ref_outcome *ret)
{
	struct ref_outcome out = { 0 };
	double *ns3 = calloc(4 * n, sizeof(*ns3)), *sim = ns3 + n, *maxmin = sim + n;
	double *err = maxmin + n;

	if (!ns3)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct ref_flow *f = &run->flow[i];

		if (f->ns3_ns < 0)
			continue;
		if (!(fct_ns[i] > 0)) {
			out.unended++;
			continue;
		}
		if (f->maxmin_ns < 0)
			continue;
		ns3[out.flows] = f->ns3_ns / f->ideal_ns;
		sim[out.flows] = fct_ns[i] / f->ideal_ns;
		maxmin[out.flows] = fmax(f->maxmin_ns / f->ideal_ns, 1);
		err[out.flows++] = fabs(fct_ns[i] / f->ns3_ns - 1);
	}
	if (out.flows) {
		sum_up(ns3, out.flows, &out.ns3);
		sum_up(sim, out.flows, &out.sim);
		sum_up(maxmin, out.flows, &out.maxmin);
		out.flow_err = rank_quantile(err, out.flows, 0.5);
		*ret = out;
	}
	free(ns3);
	return out.flows ? 0 : -EINVAL;
}

int ref_score(const struct ref_outcome *outcome, size_t n, enum ref_model model,
	      enum ref_part part, struct ref_score *ret)
{
	const size_t step = part == REF_ALL ? 1 : 2;
	double *a = calloc(5 * (n + 1), sizeof(*a)), *b = a + n, *c = b + n, *d = c + n;
	double *err = d + n;
	size_t k = 0;

	if (!a)
		return -ENOMEM;
	for (size_t i = part == REF_ODD; i < n; i += step) {
		const struct ref_figures *f = model == REF_SIM ? &outcome[i].sim :
					      &outcome[i].maxmin;

		a[k] = outcome[i].ns3.mean;
		b[k] = f->mean;
		c[k] = outcome[i].ns3.p99;
		d[k++] = f->p99;
	}
	ret->runs = k;
	ret->spearman_mean = rank_spearman(a, b, k);
	ret->spearman_p99 = rank_spearman(c, d, k);
	for (size_t i = 0; i < k; i++)
		err[i] = fabs(b[i] / a[i] - 1);
	ret->median_rel_err_mean = rank_quantile(err, k, 0.5);
	for (size_t i = 0; i < k; i++)
		err[i] = fabs(d[i] / c[i] - 1);
	ret->median_rel_err_p99 = rank_quantile(err, k, 0.5);
	free(a);
	return 0;
}
