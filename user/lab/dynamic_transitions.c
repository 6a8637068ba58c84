// SPDX-License-Identifier: GPL-2.0
/*
 * From one workload to another in one run: when a system's thresholds are among the three best of the new
 * workload's grid, or within 5 % of the best, to stay; and what it costs until then, against an oracle
 * which has the new best threshold from the first epoch on. Only pairs are looked at of which the first
 * workload's best threshold is none of the second one's three, and whose first one can end.
 *
 * A threshold settles for two reasons, and not always where it should: "to own level" is when K is within an
 * octave of what it is on average in the last third of the run, to stay.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/dynamic_test.h"
#include "lab/stats.h"

#define WORKLOADS_MAX	8
#define PAIRS_MAX	(WORKLOADS_MAX * WORKLOADS_MAX)
#define SYSTEMS_MAX	(8 + DYNAMIC_MODELS)
#define EARLY_S		5
#define LEVEL_OCTAVES	1

static const char *const names[] = {
	"request-response", "web", "video", "incast-32", "high-rate", "elephants-mice", "elephants-rpc",
	"bursty",
};
static const char *const quick_names[] = { "request-response", "video", "elephants-mice" };

enum { ORACLE, KEPT };		/* the first two systems */

enum { TOP, NEAR, LEVEL, GOALS };	/* where K may be */

struct pair {
	unsigned int a, b;
};

struct transition {
	double since_s[GOALS];		/* it stays; the rest of the run: it does not */
	bool never[GOALS];
	double share[GOALS];		/* of the epochs after EARLY_S */
	double log_cost[DYNAMIC_WINDOWS];	/* after the change */
	unsigned int windows;
};

struct experiment {
	const struct dynamic_options *o;
	struct dynamic_scene scene;
	double before_s, after_s;
	struct workload w[WORKLOADS_MAX];
	struct dynamic_reference ref[WORKLOADS_MAX];
	size_t workloads;
	struct pair pair[PAIRS_MAX];
	size_t pairs;
	struct model shipped, tree;
	struct dynamic_system system[SYSTEMS_MAX];
	const char *name[SYSTEMS_MAX];
	size_t systems;
	struct transition *t;		/* (systems, pairs, seeds) */
};

/* --- one run ------------------------------------------------------------------------------------- */

/* From the last epoch that was not there; the setting of an epoch is that of its beginning. */
static double stays_since(const bool *in, unsigned int n, double epoch_s, bool *never)
{
	unsigned int since = n;

	while (since > 0 && in[since - 1])
		since--;
	*never = since == n;
	return since * epoch_s;
}

/* Octaves, of the last third. */
static double own_level(const struct dynamic_result *out, unsigned int change)
{
	const unsigned int from = out->epochs - (out->epochs - change) / 3;
	double sum = 0;

	for (unsigned int i = from; i < out->epochs; i++)
		sum += log2(out->k[i]) / (out->epochs - from);
	return sum;
}

static void follow(const struct experiment *x, const struct pair *p, const struct dynamic_result *out,
		   struct transition *t)
{
	const unsigned int change = round(x->before_s / x->scene.epoch_s);
	const unsigned int early = change + EARLY_S / x->scene.epoch_s;
	const struct dynamic_reference *ref = &x->ref[p->b];
	const double level = own_level(out, change);
	bool in[GOALS][DYNAMIC_EPOCHS];
	unsigned int n = 0;

	/* k[i] is in force from epoch i + 1 on. */
	for (unsigned int i = change - 1; i + 1 < out->epochs; i++, n++) {
		in[TOP][n] = dynamic_is_top(ref, out->k[i]);
		in[NEAR][n] = dynamic_regret(ref, out->k[i]) <= log1p(DYNAMIC_NEAR);
		in[LEVEL][n] = fabs(log2(out->k[i]) - level) <= LEVEL_OCTAVES;
		for (int g = 0; g < GOALS && i + 1 >= early; g++)
			t->share[g] += in[g][n];
	}
	for (int g = 0; g < GOALS; g++)
		t->share[g] /= out->epochs - early;
	for (int g = 0; g < GOALS; g++)
		t->since_s[g] = stays_since(in[g], n, x->scene.epoch_s, &t->never[g]);
	for (unsigned int i = round(x->before_s / x->scene.window_s); i < out->windows; i++)
		t->log_cost[t->windows++] = log(out->cost[i]);
}

static int run_one(void *ctx, size_t i, void *result)
{
	const struct experiment *x = ctx;
	const unsigned int seed = i % x->o->seeds;
	const struct pair *p = &x->pair[i / x->o->seeds % x->pairs];
	struct dynamic_system system = x->system[i / x->o->seeds / x->pairs];
	struct dynamic_scene s = x->scene;
	struct dynamic_result *out = malloc(sizeof(*out));
	int r;

	if (!out)
		return -ENOMEM;
	s.seed = x->o->first_seed + seed;
	s.length_s = x->before_s + x->after_s;
	s.parts = 2;
	s.part[0] = (struct dynamic_part){ &x->w[p->a], 0, x->before_s, 1, 0 };
	s.part[1] = (struct dynamic_part){ &x->w[p->b], x->before_s, x->after_s, 1, 0 };
	if (system.kind == DYNAMIC_STEPS) {
		const bool kept = i / x->o->seeds / x->pairs == KEPT;

		system.k_bytes[0] = lab_step_bytes(x->ref[p->a].best);
		system.k_bytes[1] = lab_step_bytes(x->ref[kept ? p->a : p->b].best);
	}
	system.seed = s.seed;
	r = dynamic_run(&s, &system, out);
	if (!r)
		follow(x, p, out, result);
	free(out);
	return r;
}

/* --- what came of it ------------------------------------------------------------------------------- */

static const struct transition *of(const struct experiment *x, size_t system, size_t pair, size_t seed)
{
	return &x->t[(system * x->pairs + pair) * x->o->seeds + seed];
}

/* Over the oracle, from one window to another: J seconds, and the mean logarithm. */
static void excess(const struct experiment *x, size_t system, size_t pair, size_t seed,
		   unsigned int from, unsigned int to, double *j_s, double *log_mean)
{
	const struct transition *t = of(x, system, pair, seed), *best = of(x, ORACLE, pair, seed);
	double n = 0;

	*j_s = *log_mean = 0;
	for (unsigned int i = from; i < to && i < t->windows; i++) {
		if (!isfinite(t->log_cost[i]) || !isfinite(best->log_cost[i]))
			continue;
		*j_s += (exp(t->log_cost[i]) - exp(best->log_cost[i])) * x->scene.window_s;
		*log_mean += t->log_cost[i] - best->log_cost[i];
		n++;
	}
	*log_mean /= fmax(n, 1);
}

/* Pairs first and last are of all of them, or one. */
static json_t *times(const struct experiment *x, size_t system, size_t first, size_t last, int goal)
{
	const size_t n = (last - first) * x->o->seeds;
	double *value = calloc(n, sizeof(*value)), never = 0, q50, q90;
	bool *censored = calloc(n, sizeof(*censored));
	char text[64];
	size_t at = 0;

	if (!value || !censored) {
		free(value);
		free(censored);
		return NULL;
	}
	for (size_t p = first; p < last; p++)
		for (size_t s = 0; s < x->o->seeds; s++, at++) {
			const struct transition *t = of(x, system, p, s);

			value[at] = t->since_s[goal];
			censored[at] = t->never[goal];
			never += censored[at];
		}
	q50 = stats_km_quantile(value, censored, n, 0.5);
	q90 = stats_km_quantile(value, censored, n, 0.9);
	free(value);
	free(censored);
	snprintf(text, sizeof(text), isnan(q50) ? "-" : "%.1f", q50);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), isnan(q90) ? " / -" : " / %.1f", q90);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), " (%.0f %%)", 100 * never / n);
	return json_string(text);
}

static json_t *row(const struct experiment *x, size_t system, size_t first, size_t last,
		   const char *name)
{
	const unsigned int early = EARLY_S / x->scene.window_s;
	const double n = last - first;
	double j_s[DYNAMIC_SEEDS] = { 0 }, soon[DYNAMIC_SEEDS] = { 0 }, late[DYNAMIC_SEEDS] = { 0 };
	double top = 0, near = 0;

	for (size_t s = 0; s < x->o->seeds; s++)
		for (size_t p = first; p < last; p++) {
			double j, unused, log_mean;

			excess(x, system, p, s, 0, DYNAMIC_WINDOWS, &j, &log_mean);
			j_s[s] += j / n;
			excess(x, system, p, s, 0, early, &unused, &log_mean);
			soon[s] += log_mean / n;
			excess(x, system, p, s, early, DYNAMIC_WINDOWS, &unused, &log_mean);
			late[s] += log_mean / n;
			top += of(x, system, p, s)->share[TOP];
			near += of(x, system, p, s)->share[NEAR];
		}
	return json_pack("{s:s s:o s:f s:o s:f s:o s:o s:o s:o}", "system", name, "to top 3, s",
			 times(x, system, first, last, TOP), "in it, %", 100 * top / n / x->o->seeds, "to 5 %, s",
			 times(x, system, first, last, NEAR), "within, %",
			 100 * near / n / x->o->seeds,
			 "to own level, s", times(x, system, first, last, LEVEL), "excess, J s",
			 dynamic_interval(j_s, x->o->seeds), "first 5 s, %",
			 dynamic_percent(soon, x->o->seeds), "later, %",
			 dynamic_percent(late, x->o->seeds));
}

static json_t *references(const struct experiment *x)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < x->workloads; i++) {
		const struct dynamic_reference *r = &x->ref[i];
		char top[80] = "", near[80] = "";

		for (unsigned int k = 0; k < LAB_STEPS; k++) {
			char kb[16];

			snprintf(kb, sizeof(kb), " %.0f", lab_step_bytes(k) / 1e3);
			if (r->top[k])
				strncat(top, kb, sizeof(top) - strlen(top) - 1);
			if (r->cost[k] - r->cost[r->best] <= log1p(DYNAMIC_NEAR))
				strncat(near, kb, sizeof(near) - strlen(near) - 1);
		}
		json_array_append_new(rows, json_pack(
			"{s:s s:f s:s s:s s:f}", "workload", x->w[i].name, "best K, KB",
			lab_step_bytes(r->best) / 1e3, "top 3", top + !!*top, "within 5 %", near + !!*near,
			"worst of the grid, %",
			100 * expm1(fmax(r->cost[0], r->cost[LAB_STEPS - 1]) - r->cost[r->best])));
	}
	return dynamic_table("static thresholds, each workload alone", rows);
}

static json_t *tell(const struct experiment *x)
{
	json_t *rows = json_array(), *pairs = json_array(), *tables;
	char title[160];
	size_t shown = KEPT + 1;

	for (size_t i = ORACLE; i < x->systems; i++)
		json_array_append_new(rows, row(x, i, 0, x->pairs, x->name[i]));
	for (size_t p = 0; p < x->pairs; p++) {
		char name[128];

		snprintf(name, sizeof(name), "%s > %s", x->w[x->pair[p].a].name, x->w[x->pair[p].b].name);
		json_array_append_new(pairs, row(x, shown, p, p + 1, name));
	}
	snprintf(title, sizeof(title), "%zu transitions, %u seeds, %g s after each; times are median / 90 %% "
		 "(share that never settles)", x->pairs, x->o->seeds, x->after_s);
	tables = json_pack("[o o]", references(x), dynamic_table(title, rows));
	snprintf(title, sizeof(title), "%s, by transition", x->name[shown]);
	json_array_append_new(tables, dynamic_table(title, pairs));
	return json_pack("{s:s s:i s:o}", "what", "transitions", "seeds", (int)x->o->seeds, "tables",
			 tables);
}

/* --- the experiment --------------------------------------------------------------------------------- */

static void add(struct experiment *x, const char *name, struct dynamic_system system)
{
	x->name[x->systems] = name;
	x->system[x->systems++] = system;
}

static void add_systems(struct experiment *x)
{
	const struct dynamic_system steps = { .kind = DYNAMIC_STEPS },
				    agent = { .kind = DYNAMIC_AGENT, .fixed = DYNAMIC_FIXED,
					      .steps_per_epoch = 2 };

	add(x, "oracle", steps);
	add(x, "best static of before", steps);
	add(x, MODEL_SHIPPED, dynamic_alone(&x->shipped));
	add(x, "shipped, novelty, watch", dynamic_host_of(&x->shipped));
	add(x, MODEL_SHIPPED_TREE, dynamic_alone(&x->tree));
	if (!x->o->quick)
		add(x, "agent from scratch", agent);
	for (size_t i = 0; i < x->o->models; i++)
		add(x, x->o->name[i], dynamic_alone(&x->o->model[i]));
}

static void choose_pairs(struct experiment *x)
{
	for (unsigned int a = 0; a < x->workloads; a++)
		for (unsigned int b = 0; b < x->workloads; b++)
			if (a != b && !x->w[a].endless && !x->ref[b].top[x->ref[a].best])
				x->pair[x->pairs++] = (struct pair){ a, b };
}

static int prepare(struct experiment *x, struct sl_err *e)
{
	const char *const *name = x->o->quick ? quick_names : names;
	int r;

	x->workloads = x->o->quick ? sizeof(quick_names) / sizeof(*name) : sizeof(names) / sizeof(*name);
	x->before_s = x->o->quick ? 4 : 20;
	x->after_s = x->o->quick ? 8 : 30;
	r = dynamic_workloads(name, x->workloads, x->w, e);
	if (!r)
		r = model_read(MODEL_SHIPPED, &x->shipped, e);
	if (!r)
		r = model_read(MODEL_SHIPPED_TREE, &x->tree, e);
	if (r)
		return r;
	add_systems(x);
	r = dynamic_references(&x->o->par, &x->scene, x->w, x->workloads, x->o->quick ? 1 : 3,
			       x->o->quick ? 5 : 20, x->ref);
	if (r)
		return sl_err(e, r, "the static thresholds: %s", strerror(-r));
	choose_pairs(x);
	return x->pairs ? 0 : sl_err(e, -ENODATA, "no two of the workloads have other thresholds");
}

int dynamic_transitions(const struct dynamic_options *o, json_t **ret, struct sl_err *e)
{
	struct experiment *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return sl_err(e, -ENOMEM, "out of memory");
	x->o = o;
	x->scene = dynamic_network();
	r = prepare(x, e);
	if (!r)
		r = dynamic_runs(o, x->systems * x->pairs * o->seeds, run_one, x, sizeof(*x->t),
				 (void **)&x->t, e);
	if (!r)
		*ret = tell(x);
	model_free(&x->shipped);
	model_free(&x->tree);
	free(x->t);
	free(x);
	return r;
}
