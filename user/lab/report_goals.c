// SPDX-License-Identifier: GPL-2.0
/*
 * J weighs several things against each other. Here each of them is asked for alone: if flow
 * completion times (or goodput, or delay) were all that mattered, what would there be to win? And
 * what learns is looked at family by family.
 */
#include "lab/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const goals[][2] = {
	{ "J", "J" },
	{ "fct_mean_us all", "mean FCT, all flows" },
	{ "fct_mean_us 10k", "mean FCT, to 10 KB" },
	{ "fct_mean_us 100k", "mean FCT, to 100 KB" },
	{ "fct_mean_us 1m", "mean FCT, to 1 MB" },
	{ "fct_mean_us large", "mean FCT, larger" },
	{ "fct_p99_us all", "p99 FCT, all flows" },
	{ "fct_p99_us 10k", "p99 FCT, to 10 KB" },
	{ "slowdown_mean all", "mean slowdown, all flows" },
	{ "goodput_bps", "goodput" },
	{ "latency_p99_us", "p99 delay in the queue" },
};
#define GOALS	(sizeof(goals) / sizeof(goals[0]))

static bool excess_of(const struct report_data *d, const double *cost, const size_t *pick,
		      const size_t *reference, const bool *use, struct report_goal *g)
{
	struct report_contrast k;
	struct stats_interval s;

	if (report_contrast(d, cost, pick, reference, use, &k))
		return false;
	report_contrast_interval(&k, &s);
	g->loss = (struct stats_interval){ expm1(s.mean), expm1(s.low), expm1(s.high), expm1(s.upper),
					   expm1(s.lower) };
	g->loss_level = k.level;
	report_contrast_free(&k);
	return true;
}

static int goal(const struct report_data *d, const struct report_result *r, const double *cost,
		struct report_goal *g)
{
	const size_t room = (d->cases + 1) * sizeof(size_t);
	size_t *oracle = malloc(room), *baseline = malloc(room), *candidate = malloc(room);
	int err = oracle && baseline && candidate ? report_oracle(d, cost, oracle) : -ENOMEM;

	if (!err) {
		size_t p = 0;

		while (p < d->policies && strcmp(d->p[p].name, d->candidate))
			p++;
		g->baseline = report_halve(d, cost, r->headline, report_is_baseline, d->select);
		for (size_t c = 0; c < d->cases; c++) {
			baseline[c] = g->baseline;
			candidate[c] = p < d->policies ? p : REPORT_NONE;
		}
		err = report_opportunity_of(d, cost, oracle, baseline, r->headline, &g->o);
	}
	if (!err && !excess_of(d, cost, candidate, r->best_static, r->headline, g))
		err = -ENOMEM;
	free(oracle);
	free(baseline);
	free(candidate);
	return err;
}

int report_goals(const struct report_data *d, struct report_result *r)
{
	int err = 0;

	r->goal = calloc(GOALS, sizeof(*r->goal));
	if (!r->goal)
		return -ENOMEM;
	for (size_t i = 0; !err && i < GOALS; i++) {
		struct report_goal *g = &r->goal[r->goals];
		double *cost = report_costs(d, report_metric_find(d, goals[i][0]));

		snprintf(g->name, sizeof(g->name), "%s", goals[i][1]);
		err = cost ? goal(d, r, cost, g) : -ENOMEM;
		/* Too few flows for a quantile, or not measured by this executor: no row. */
		r->goals += !err && !isnan(g->o.o.mean);
		free(cost);
	}
	return err;
}

int report_by_family(const struct report_data *d, struct report_result *r)
{
	bool *use = calloc(d->cases + 1, sizeof(*use));
	size_t most = d->families * r->rungs;
	int err = 0;

	r->part = calloc(most + 1, sizeof(*r->part));
	r->part_family = calloc(most + 1, sizeof(*r->part_family));
	if (!use || !r->part || !r->part_family)
		err = -ENOMEM;
	for (size_t f = 0; !err && f < d->families; f++) {
		size_t cases = 0;

		for (size_t c = 0; c < d->cases; c++) {
			use[c] = r->headline[c] && d->c[c].family == f;
			cases += use[c];
		}
		for (size_t i = 0; !err && cases && i < r->rungs; i++) {
			struct report_rung *part = &r->part[r->parts];

			if (!r->rung[i].policy || !report_is_learned(d, r->rung[i].policy - d->p))
				continue;
			*part = r->rung[i];
			err = report_climb(d, r, use, part);
			r->part_family[r->parts] = f;
			r->parts += !err && part->cases;
		}
	}
	free(use);
	return err;
}
