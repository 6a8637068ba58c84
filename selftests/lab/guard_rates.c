// SPDX-License-Identifier: GPL-2.0
/*
 * How often the guard errs, and how long it takes: simulated trials (guard_sim.h), a row for each sort.
 * Rates come with Clopper and Pearson's 95 % interval. "guard_rates [TRIALS [SPAN]]": A/A trials per row,
 * 10,000 if not told otherwise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard/confseq.h"
#include "lab/guard_sim.h"
#include "policy/par.h"

#define MAX_TRIALS	100000

static struct guard_sim_result results[MAX_TRIALS];

struct task {
	struct guard_sim g;
	double scale;
};

static int one(void *ctx, size_t i, void *result)
{
	struct task t = *(struct task *)ctx;

	t.g.seed = rng_mix64(t.g.seed + i);
	return guard_sim_run(&t.g, t.scale, result);
}

static void run(const struct guard_sim *g, size_t n)
{
	struct task t = { .g = *g, .scale = guard_sim_scale(g) };
	struct par p = { .jobs = 2 };

	memset(results, 0, n * sizeof(*results));
	if (par_run(&p, n, one, &t, results, sizeof(*results)) < 0) {
		fprintf(stderr, "guard_rates: the trials could not be run\n");
		exit(1);
	}
}

/* P(X <= k) of a binomial. */
static double binomial_cdf(unsigned int k, unsigned int n, double p)
{
	double sum = 0.0;

	for (unsigned int i = 0; i <= k; i++)
		sum += exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) + i * log(p) +
			   (n - i) * log1p(-p));
	return sum;
}

/* The p at which P(X <= k) is "at". */
static double binomial_p(unsigned int k, unsigned int n, double at)
{
	double low = 0.0, high = 1.0;

	for (int i = 0; i < 60; i++) {
		double mid = (low + high) / 2.0;

		if (binomial_cdf(k, n, mid) > at)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t n, double q)
{
	return n ? sorted[(size_t)(q * (double)(n - 1) + 0.5)] : NAN;
}

static void row(const char *what, const struct guard_sim *g, size_t n, enum trial_verdict timed)
{
	static double seconds[MAX_TRIALS];
	unsigned int count[TRIAL_VERDICT_N] = { 0 };
	double harm_s = 0.0, low, high;
	size_t k = 0;

	run(g, n);
	for (size_t i = 0; i < n; i++) {
		enum trial_verdict v = results[i].report.verdict;

		count[v]++;
		harm_s = fmax(harm_s, results[i].harm_s);
		if (v == timed || timed == TRIAL_RUNNING)
			seconds[k++] = results[i].seconds / 60.0;
	}
	qsort(seconds, k, sizeof(*seconds), by_value);
	low = count[TRIAL_BETTER] ?
	      binomial_p(count[TRIAL_BETTER] - 1, (unsigned int)n, 0.975) : 0.0;
	high = count[TRIAL_BETTER] < n ?
	       binomial_p(count[TRIAL_BETTER], (unsigned int)n, 0.025) : 1.0;
	printf("| %s | %zu | %.2f %% (%.2f .. %.2f) | %.1f | %.1f | %.1f | ", what, n,
	       100.0 * count[TRIAL_BETTER] / (double)n, 100.0 * low, 100.0 * high,
	       100.0 * count[TRIAL_WORSE] / (double)n, 100.0 * count[TRIAL_HARMFUL] / (double)n,
	       100.0 * (count[TRIAL_UNDECIDED] + count[TRIAL_RUNNING]) / (double)n);
	if (k)
		printf("%.1f / %.1f", quantile(seconds, k, 0.5), quantile(seconds, k, 0.9));
	else
		printf("-");
	printf(" | %.0f |\n", harm_s);
	fflush(stdout);
}

static void head(const char *title, const char *timed)
{
	printf("\n%s\n\n| | trials | BETTER (95 %% interval) | WORSE %% | HARMFUL %% | UNDECIDED %% "
	       "| minutes to %s: median / 90 %% | most seconds of harm |\n"
	       "|---|---|---|---|---|---|---|---|\n", title, timed);
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000, few;
	static const double gains[] = { 0.02, 0.05, 0.1, 0.2 }, sds[] = { 0.1, 0.2, 0.3 };
	static const double losses[] = { -0.03, -0.1, -0.3, -0.6, -1.0, -3.0 };
	struct guard_sim base = { .queues = 1, .sd = 0.2, .memory_s = 20.0, .hours_max = 12.0,
				  .seed = 1 };
	char what[96];

	if (n < 10 || n > MAX_TRIALS) {
		fprintf(stderr, "guard_rates: 10 to %d trials\n", MAX_TRIALS);
		return 2;
	}
	few = n / 20 > 10 ? n / 20 : 10;
	trial_config_default(&base.trial);
	base.trial.max_blocks = 200;
	if (argc > 2)
		base.trial.span = strtod(argv[2], NULL);
	printf("slices of %g s, %u blocks at most, alpha %g, span %g, harm %g; harm on one queue is over "
	       "after %g s (steady: %g s)\n", base.trial.slice_s, base.trial.max_blocks,
	       base.trial.alpha, base.trial.span, base.trial.harm, trial_worst(&base.trial),
	       trial_worst_steady(&base.trial));

	head("A/A: the candidate is the incumbent and the static arm", "a verdict");
	for (int two = 0; two < 2; two++) {
		struct guard_sim g = base;

		g.trial.incumbent_is_static = two;
		snprintf(what, sizeof(what), "%s arms, sd 0.2", two ? "two" : "three");
		row(what, &g, n, TRIAL_RUNNING);
		g.drift = -2.0;
		g.swing = 0.5;
		g.period_s = 37.0;
		g.memory_s = 60.0;
		snprintf(what, sizeof(what), "%s arms, drift, swing, slow load", two ? "two" : "three");
		row(what, &g, n, TRIAL_RUNNING);
	}
	{
		struct guard_sim g = base;

		g.trial.incumbent_is_static = true;
		g.sd = 0.4;
		g.skew = 8.0;
		row("two arms, sd 0.4, slumps", &g, n, TRIAL_RUNNING);
	}

	head("Power: better than incumbent and static", "BETTER");
	for (size_t s = 0; s < 3; s++)
		for (size_t i = 0; i < 4; i++) {
			struct guard_sim g = base;

			g.effect[TRIAL_CANDIDATE] = gains[i];
			g.sd = sds[s];
			snprintf(what, sizeof(what), "+%.0f %%, sd %.1f", 100 * gains[i], sds[s]);
			row(what, &g, few, TRIAL_BETTER);
		}

	head("Bad ones", "the verdict");
	for (size_t i = 0; i < 6; i++) {
		struct guard_sim g = base;

		g.effect[TRIAL_CANDIDATE] = losses[i];
		snprintf(what, sizeof(what), "%+.0f %%, sd 0.2", 100 * losses[i]);
		row(what, &g, few, TRIAL_RUNNING);
	}

	head("The watch, of 20 slices one static: a day", "the alarm");
	for (size_t i = 0; i < 5; i++) {
		static const double change[] = { 0.1, 0.0, -0.05, -0.1, -0.3 };
		struct guard_sim g = base;

		g.trial.watch = true;
		g.trial.watch_slices = 20;
		g.trial.alpha = 0.02;
		g.effect[TRIAL_INCUMBENT] = change[i];
		g.hours_max = 24.0;
		snprintf(what, sizeof(what), "%+.0f %%, sd 0.2, tolerance 5 %%, alpha 2 %%", 100 * change[i]);
		row(what, &g, few, change[i] < -0.05 ? TRIAL_WORSE : TRIAL_RUNNING);
	}
	return 0;
}
