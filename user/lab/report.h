/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a campaign's database (schema.sql) says: does learning pay here?
 *
 * A case is a workload under a configuration. Within a case all policies met the same arrivals in a
 * trial, so policies are compared trial by trial, by the logarithm of J. Choosing and judging are
 * done on different trials: the first ones select (the oracle's threshold of a case, the best static
 * threshold, the best baseline, findings), the others estimate; what was chosen for being good in
 * some trials looks worse in others, and only the others count.
 *
 *	oracle		of a case, the static threshold that successive halving left over
 *	best static	of a case, the same over all cases of other families that are not for the
 *			test; where there are none, of other families; where there are none, of all:
 *			what one could have set before
 *	best baseline	of whatever does not learn, the same over all cases that count: the one that
 *			turns out to be best, so that a bad choice does not pass for an opportunity
 *	opportunity	(best baseline - oracle) / best baseline
 *	captured	(static - policy) / (static - oracle), of logarithms
 *	loss		policy / static - 1
 *
 * Intervals are over families where there are three or more, else over cases (three), else over
 * trials. The tests are over runs: could the sign of each paired difference as well be the other?
 */
#ifndef SLUICE_LAB_REPORT_H
#define SLUICE_LAB_REPORT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>

#include "lab/doc.h"
#include "lab/policies.h"
#include "lab/stats.h"
#include "lib/err.h"

#define REPORT_GO		0.25	/* opportunity above: learning has something to win */
#define REPORT_MAYBE		0.15	/* below: it has not */
#define REPORT_CLEAR		0.10	/* opportunity whose interval lies above is worth capturing */
#define REPORT_MARGIN		0.05	/* loss that is none; near enough to the oracle */
#define REPORT_UNITS		3	/* families or cases to have an interval over them, at least */
#define REPORT_FRESH		10	/* trials to estimate by, at least */
#define REPORT_CV		0.05	/* of J, at most, for an instrument that resolves the margin */
#define REPORT_NAME		LAB_POLICY_MAX

#define REPORT_OPEN		1	/* one is */
#define REPORT_OPEN_SELECT	2	/* of a trial that selects */

struct report_case {
	/* The workload, and of the configuration what is not the same in all. */
	char name[2 * REPORT_NAME], workload_name[REPORT_NAME], setting[REPORT_NAME];
	int64_t workload, configuration;
	size_t family;
	bool test;
};

struct report_policy {
	char name[REPORT_NAME];
	int64_t id;
	enum lab_role role;
	double k_bytes;			/* NAN: no threshold of its own */
	unsigned int runs, done, failed, invalid, absent, pending;
	unsigned int failed_attempts, invalid_attempts;
};

struct report_metric {
	char name[REPORT_NAME];		/* with its class: 'fct_p99_us 10k' */
	size_t values, censored, absent, few;
	double *value;			/* as cells */
};

/* The threshold in force in an interval of a run: as near to single decisions as the record goes. */
struct report_interval_k {
	size_t at;			/* cell, as report_at() */
	double k_bytes;
};

/* Everything of the database that is looked at, in arrays by case, policy, trial. */
struct report_data {
	char plan[REPORT_NAME], executor[16], endpoint[REPORT_NAME], candidate[REPORT_NAME],
		reference[REPORT_NAME], kernels[200], versions[100], *plan_text;
	bool aa;
	double weight[5];		/* of the objective */
	size_t cases, policies, trials, families, metrics;
	size_t reached;			/* trials of which half or more is done */
	struct report_case *c;
	struct report_policy *p;
	char (*family)[REPORT_NAME];
	struct report_metric *m;
	double *cost;			/* ln J; NAN: there is none */
	struct report_interval_k *k;
	size_t ks;
	unsigned char *open;		/* by case and policy: REPORT_OPEN..., of runs still to be done */
	double *endpoint_cost;		/* ln of the endpoint's metric, where low is good */
	size_t runs, valid, pending, no_cost, censored_cost, attempts, interrupted, clock_steps;
	size_t looks, test_evaluations, boots;
	double drain_least, calibration_cv;
	size_t select;			/* trials before this one select, the others estimate */
};

static inline size_t report_at(const struct report_data *d, size_t c, size_t p, size_t trial)
{
	return (c * d->policies + p) * d->trials + trial;
}

/*
 * -EBADMSG: it is no such database, or of another version; -ENODATA: nothing valid in it.
 */
int report_read(sqlite3 *db, const char *path, struct report_data **ret, struct sl_err *e);
void report_data_free(struct report_data *d);	/* accepts NULL */
size_t report_metric_find(const struct report_data *d, const char *name);	/* or d->metrics */
/* ln of a metric, such that low is good, as cost; of one that is not there all NAN. To be freed. */
double *report_costs(const struct report_data *d, size_t m);
/* Mean ln J of a cell over trials [from, to); NAN: none. */
double report_mean(const struct report_data *d, size_t c, size_t p, size_t from, size_t to);
/* Of a metric. */
double report_metric_mean(const struct report_data *d, size_t m, size_t c, size_t p, size_t from,
			  size_t to);

/* --- report_select.c: what is chosen, on the trials for it ------------------------------- */

#define REPORT_NONE	SIZE_MAX

typedef bool report_which(const struct report_data *d, size_t policy);
bool report_is_static(const struct report_data *d, size_t policy);
bool report_is_baseline(const struct report_data *d, size_t policy);
bool report_is_learned(const struct report_data *d, size_t policy);
/* The static thresholds in ascending order; their number. */
size_t report_grid(const struct report_data *d, size_t *step);

/*
 * Successive halving: all candidates have one trial, the better half another one, a quarter two
 * more, and so on. Of the cases that use[] names; a candidate that lacks one of them is out.
 * cost: as d->cost. REPORT_NONE: there is none.
 */
size_t report_halve(const struct report_data *d, const double *cost, const bool *use,
		    report_which *which, size_t select);
/* By case: the oracle's; the best of "which" as a policy that has not seen the family. */
int report_oracle(const struct report_data *d, const double *cost, size_t *pick);
int report_best(const struct report_data *d, report_which *which, size_t *pick);

/* --- report_judge.c: how much better, and is that sure? ---------------------------------- */

enum report_level { LEVEL_FAMILIES, LEVEL_CASES, LEVEL_TRIALS, LEVEL_NONE };
const char *report_level_name(enum report_level l);

/* Differences of ln cost between two picks on the trials that estimate. */
struct report_contrast {
	enum report_level level;
	size_t cases, units, pairs, slots;
	double *unit;			/* slots of them, by family, case or trial; NAN: nothing */
	double *list;			/* those that are there */
	double *pair, *weight;		/* paired runs and what each weighs in the mean */
};
int report_contrast(const struct report_data *d, const double *cost, const size_t *a,
		    const size_t *b, const bool *use, struct report_contrast *ret);
void report_contrast_free(struct report_contrast *c);
void report_contrast_interval(const struct report_contrast *c, struct stats_interval *ret);
/* Of the units that both have: sum of a over sum of b. */
int report_contrast_ratio(const struct report_contrast *a, const struct report_contrast *b,
			  struct stats_interval *ret);

enum report_band { BAND_NO_GO, BAND_MAYBE, BAND_GO };
enum report_verdict { VERDICT_NONE, VERDICT_HOLDS, VERDICT_LOSES, VERDICT_UNDECIDED };
const char *report_band_name(enum report_band b);
const char *report_verdict_name(enum report_verdict v);
enum report_band report_band(double opportunity);
/* Pairs of runs that it takes to have that many units, if each has as many as now. */
size_t report_pairs_needed(size_t units_needed, size_t units, size_t pairs);

/* (best baseline - oracle) / best baseline somewhere. */
struct report_opportunity {
	struct stats_interval o;
	enum report_level level;
	size_t cases;
	double p;			/* of no difference; of single cases after Holm */
};

/* A step of the ladder. */
struct report_rung {
	char name[REPORT_NAME];
	const struct report_policy *policy;	/* NULL: a procedure, as the oracle */
	size_t *pick;
	size_t cases;				/* where it and best static were both measured */
	enum report_level level;
	struct stats_interval over, loss, captured;	/* captured.mean NAN: nothing to capture */
	enum report_verdict verdict;		/* on the loss */
	size_t units, pairs;			/* that the loss is of */
	size_t units_needed;			/* undecided: families, cases or trials; 0: more do not help */
	double p;				/* of no difference to best static, after Holm */
	/* Share of decisions whose threshold is the oracle's, or one within 5 % of its J there. */
	double same, alike;
	double near;				/* share of runs within 5 % of the oracle's J in the same trial */
	double own;				/* share of decisions that were its own; NAN: not recorded */
	double inference_ns, cv;
};

/* The same question of a metric: its own oracle and best baseline, and what J's candidate does to it. */
struct report_goal {
	char name[REPORT_NAME];
	struct report_opportunity o;
	size_t baseline;			/* REPORT_NONE: none */
	struct stats_interval loss;		/* the candidate against best static, both as chosen by J */
	enum report_level loss_level;
};

struct report_result {
	size_t *oracle, *best_static, *best_baseline;	/* by case */
	bool *headline;				/* the cases that count: of the test, if there are any */
	bool held_out;
	const char *best_baseline_name;		/* that of the cases that count */
	struct report_opportunity all, *by_case, *by_family;
	struct report_rung *rung;
	size_t rungs, fresh;			/* trials to estimate by */
	struct report_goal *goal;
	size_t goals;
	/* Who learns, by family that counts; family[i] of part[i]. */
	struct report_rung *part;
	size_t *part_family, parts;
	/* captured where the family's opportunity lies above REPORT_CLEAR, of the candidate */
	size_t clear_families;
	struct stats_interval clear_captured;
	/* the primary endpoint */
	bool primary;
	char primary_missing[400];
	struct stats_interval endpoint;		/* candidate / reference - 1 */
	enum report_level endpoint_level;
	enum report_verdict endpoint_verdict;
	size_t endpoint_units, endpoint_units_now, endpoint_pairs;
	double endpoint_p;
};
int report_opportunity_of(const struct report_data *d, const double *cost, const size_t *oracle,
			  const size_t *baseline, const bool *use, struct report_opportunity *ret);
/* All of a rung over these cases, but for Holm. */
int report_climb(const struct report_data *d, const struct report_result *r, const bool *use,
		 struct report_rung *rung);
int report_judge(const struct report_data *d, struct report_result **ret);
void report_result_free(struct report_result *r);	/* accepts NULL */

/* --- report_goals.c: the same for what operators call performance, and by family --------- */

int report_goals(const struct report_data *d, struct report_result *r);
int report_by_family(const struct report_data *d, struct report_result *r);

/* --- report_aa.c: what the instrument shows where there is nothing ------------------------ */

struct report_shape {
	size_t cases, candidates, trials, select;
};
struct report_aa {
	size_t copies, samples;
	double cv, cv_worst, cv_trial;	/* of J, of copies in the same trial; of all in a case */
	size_t worst;			/* case */
	struct report_shape shape;		/* of the campaigns that were dealt */
	double naive_mean, naive_upper;		/* opportunity: chosen and judged by the same trials */
	double honest_mean, honest_upper;	/* by others; 95 % quantiles */
	size_t trials_needed;			/* of a case, to resolve REPORT_MARGIN; 0: unknown */
};
/* Campaigns of that shape are dealt from the copies, trial by trial, each case a family. */
int report_aa(const struct report_data *copies, const struct report_shape *shape,
	      struct report_aa *ret);
void report_shape_of(const struct report_data *d, struct report_shape *ret);

/* --- report_patterns.c, report_findings.c: what else is to be seen ------------------------- */

struct report_range {
	size_t top[3], settings;	/* REPORT_NONE: fewer thresholds than that */
	double range;			/* dearest static threshold over the cheapest */
	double within;			/* share of them within REPORT_MARGIN of the cheapest */
	double step;			/* what one step beside the cheapest costs, on average; NAN */
	unsigned int cluster;
};
struct report_correlation {
	size_t metric, runs;
	double pearson, spearman, p;	/* p after Holm */
};
struct report_finding {
	char what[1200], check[200];
	int holds;			/* 1, 0; -1: could not be checked */
};
struct report_failure {
	size_t rung, cases, lost;	/* cases where it loses over REPORT_MARGIN for sure */
	size_t worst;
	double worst_loss;		/* over the oracle */
	double octaves, octaves_sd;	/* of its K over the oracle's there; NAN: unknown */
	char how[240], fix[240];
};
struct report_patterns {
	struct report_range *range;
	unsigned int clusters;
	size_t *cluster_pick;		/* a threshold that serves the cluster */
	double share_workload, share_setting, share_interaction, share_noise;
	struct report_correlation *correlation;
	size_t correlations;
	double *by_case;		/* Spearman, of correlation i in case c: i * cases + c; NAN */
	struct report_finding *finding;
	size_t findings;
	struct report_failure *failure;
	size_t failures;
};
int report_patterns(const struct report_data *d, const struct report_result *r,
		    struct report_patterns **ret);
void report_patterns_free(struct report_patterns *p);
int report_findings(const struct report_data *d, const struct report_result *r,
		    struct report_patterns *p);
int report_failures(const struct report_data *d, const struct report_result *r,
		    struct report_patterns *p);

/* --- what people and programs read ------------------------------------------------------- */

struct report {
	const char *path;
	const struct report_data *d;
	const struct report_result *r;		/* NULL of an A/A campaign */
	const struct report_patterns *p;	/* NULL of an A/A campaign */
	const struct report_aa *aa;		/* may be NULL */
	const char *aa_path;
	const struct report_data *aa_data;
};
json_t *report_json(const struct report *r);	/* NULL: out of memory */

/* --- report_doc.c, report_tables.c, report_plots.c: for people ------------------------------ */

struct report_pictures {
	unsigned int n;
	char missing[400];		/* why there are none, or not all */
};
/* With everything for a page, or with what a terminal shows. -ENOMEM. */
int report_doc(const struct report *r, bool page, struct doc **ret, struct report_pictures *pictures);
void report_head(struct doc *d, const struct report *r);
void report_endpoint(struct doc *d, const struct report *r);
void report_words(struct doc *d, const struct report *r);
void report_notes(struct doc *d, const struct report *r);
void report_ladder_table(struct doc *d, const struct report *r);
/* --- report_steer.c: a campaign of the native lab, which has no thresholds ----------------- */

bool report_is_steering(const struct report_data *d);
void report_steering(struct doc *d, const struct report *r);

void report_opportunity_tables(struct doc *d, const struct report *r);
void report_landscape(struct doc *d, const struct report *r, struct report_pictures *pictures);
void report_behaviour(struct doc *d, const struct report *r);
void report_measured(struct doc *d, const struct report *r);
void report_outcomes(struct doc *d, const struct report *r);
void report_instrument(struct doc *d, const struct report *r, struct report_pictures *pictures);

void report_plot_opportunity(struct doc *d, const struct report *r, struct report_pictures *pictures);
void report_plot_ladder(struct doc *d, const struct report *r, struct report_pictures *pictures);
void report_plot_heat(struct doc *d, const struct report *r, struct report_pictures *pictures);
void report_plot_curves(struct doc *d, const struct report *r, struct report_pictures *pictures);
void report_plot_metrics(struct doc *d, const struct report *r, struct report_pictures *pictures);
void report_plot_copies(struct doc *d, const struct report *r, struct report_pictures *pictures);

#define REPORT_TEXT	64
#define REPORT_CASES_BRIEF	12	/* more are not for a terminal */
/* "1.2 [0.3, 2.1]", times scale; "-" where there is none. */
const char *report_interval(char buf[REPORT_TEXT], const struct stats_interval *s, double scale);
const char *report_number(char buf[REPORT_TEXT], const char *format, double v);

#endif
