// SPDX-License-Identifier: GPL-2.0
/*
 * Traffic that is like nothing a model was made from: what the model costs there at once, with and
 * without the novelty test, over the best static threshold; how much of its decisions the test gives to the static
 * policy; and what learning makes of it as time goes on. "Known" traffic stands beside it for comparison.
 *
 * A learner has converged when its cost of a window (a twentieth of the run) is within 10 % of the
 * oracle's, to stay.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/dynamic_test.h"
#include "lab/stats.h"

#define KINDS		8
#define SYSTEMS_MAX	(8 + DYNAMIC_MODELS)
#define CONVERGED	0.10
#define MINUTES		20
#define WINDOWS		20
#define STEPS		1.0	/* gradient steps an epoch of those that learn */

/* What differs from the table's. Of the mixes of the built-in models none is like those not "known". */
static const struct {
	const char *name, *workload;
	bool known;
	double cubic, ecn_cubic;	/* shares; negative: the table's */
	unsigned int endless, incast;	/* 0: the table's */
	double load;			/* times the table's */
} kinds[] = {
	{ "web", "web", true, -1, -1, 0, 0, 1 },
	{ "one size of 20 KB", "request-response", false, -1, -1, 0, 0, 1 },
	{ "CUBIC without ECN", "mid-rate", false, 1, 0, 0, 0, 1 },
	{ "CUBIC with ECN", "mid-rate", false, 0, 1, 0, 0, 1 },
	{ "64 endless flows", "elephants-rpc", false, -1, -1, 64, 0, 1 },
	{ "incast of 256", "incast-64", false, -1, -1, 0, 256, 1 },
	{ "flows of 64 B", "uniform-64", false, -1, -1, 0, 0, 1 },
	{ "load of 2 %", "low-rate", false, -1, -1, 0, 0, 0.2 },
};

enum { ORACLE, GUARD, ALONE, TESTED, BACKGROUND, AGENT };	/* systems, in this order */

struct outcome_of {
	double log_cost[DYNAMIC_WINDOWS], total;
	unsigned int windows;
	double novel, fallback;
	unsigned int promoted;
};

struct experiment {
	const struct dynamic_options *o;
	struct dynamic_scene scene;
	struct workload w[KINDS];
	struct dynamic_reference ref[KINDS];
	struct model shipped, guard;
	struct dynamic_system system[SYSTEMS_MAX];
	const char *name[SYSTEMS_MAX];
	size_t systems;
	struct outcome_of *out;		/* (systems, KINDS, seeds) */
};

static int run_one(void *ctx, size_t i, void *result)
{
	const struct experiment *x = ctx;
	const size_t kind = i / x->o->seeds % KINDS;
	struct dynamic_system system = x->system[i / x->o->seeds / KINDS];
	struct dynamic_result *out = malloc(sizeof(*out));
	struct dynamic_scene s = x->scene;
	struct outcome_of *to = result;
	int r;

	if (!out)
		return -ENOMEM;
	s.seed = system.seed = x->o->first_seed + i % x->o->seeds;
	s.parts = 1;
	s.part[0] = (struct dynamic_part){ &x->w[kind], 0, s.length_s, 1, 0 };
	system.k_bytes[0] = lab_step_bytes(x->ref[kind].best);
	r = dynamic_run(&s, &system, out);
	for (unsigned int k = 0; !r && k < out->windows; k++)
		to->log_cost[to->windows++] = log(out->cost[k]);
	to->total = log(out->total);
	to->novel = out->novel / fmax(out->states, 1);
	to->fallback = out->fallback / fmax(out->active, 1);
	to->promoted = out->promoted;
	free(out);
	return r;
}

static const struct outcome_of *of(const struct experiment *x, size_t system, size_t kind, size_t seed)
{
	return &x->out[(system * KINDS + kind) * x->o->seeds + seed];
}

/* Over the oracle, from minute "from" on. */
static double over(const struct experiment *x, size_t system, size_t kind, size_t seed, unsigned int from)
{
	const struct outcome_of *a = of(x, system, kind, seed), *b = of(x, ORACLE, kind, seed);
	double sum = 0, n = 0;

	for (unsigned int i = from; i < a->windows; i++)
		if (isfinite(a->log_cost[i]) && isfinite(b->log_cost[i])) {
			sum += a->log_cost[i] - b->log_cost[i];
			n++;
		}
	return n > 0 ? sum / n : NAN;
}

static json_t *cost(const struct experiment *x, size_t system, size_t kind, unsigned int from)
{
	double v[DYNAMIC_SEEDS];

	for (size_t s = 0; s < x->o->seeds; s++)
		v[s] = over(x, system, kind, s, from);
	return dynamic_percent(v, x->o->seeds);
}

/* Minutes until it is converged to stay: median over seeds, and how many never are. */
static json_t *converged(const struct experiment *x, size_t system, size_t kind)
{
	double minutes[DYNAMIC_SEEDS], median;
	bool never[DYNAMIC_SEEDS];
	unsigned int lost = 0;
	char text[48];

	for (size_t s = 0; s < x->o->seeds; s++) {
		const struct outcome_of *a = of(x, system, kind, s), *b = of(x, ORACLE, kind, s);
		unsigned int since = a->windows;

		while (since > 0 && !(a->log_cost[since - 1] - b->log_cost[since - 1] > log1p(CONVERGED)))
			since--;
		minutes[s] = since * x->scene.window_s / 60;
		never[s] = since == a->windows;
		lost += never[s];
	}
	median = stats_km_quantile(minutes, never, x->o->seeds, 0.5);
	if (isnan(median))
		snprintf(text, sizeof(text), "- (%u of %u never)", lost, x->o->seeds);
	else
		snprintf(text, sizeof(text), "%.1f (%u of %u never)", median, lost, x->o->seeds);
	return json_string(text);
}

static json_t *zero_shot(const struct experiment *x)
{
	json_t *rows = json_array();

	for (size_t k = 0; k < KINDS; k++) {
		double novel = 0, fallback = 0;
		json_t *row;

		for (size_t s = 0; s < x->o->seeds; s++) {
			novel += 100 * of(x, TESTED, k, s)->novel / x->o->seeds;
			fallback += 100 * of(x, TESTED, k, s)->fallback / x->o->seeds;
		}
		row = json_pack("{s:s s:s s:f s:o s:o s:o s:f s:f}", "traffic", kinds[k].name, "known",
				kinds[k].known ? "yes" : "no", "best K, KB",
				lab_step_bytes(x->ref[k].best) / 1e3, "guard's static, %",
				cost(x, GUARD, k, 0), "the model alone, %", cost(x, ALONE, k, 0),
				"with the novelty test, %", cost(x, TESTED, k, 0), "new, %", novel,
				"fallback, %", fallback);
		for (size_t i = AGENT + 1; i < x->systems; i++)
			json_object_set_new(row, x->name[i], cost(x, i, k, 0));
		json_array_append_new(rows, row);
	}
	return dynamic_table("zero-shot: cost over the oracle", rows);
}

static json_t *learning(const struct experiment *x)
{
	const unsigned int half = x->scene.length_s / x->scene.window_s / 2;
	json_t *rows = json_array();
	char title[160];

	for (size_t k = 0; k < KINDS; k++) {
		double promoted = 0;

		for (size_t s = 0; s < x->o->seeds; s++)
			promoted += of(x, BACKGROUND, k, s)->promoted / (double)x->o->seeds;
		json_array_append_new(rows, json_pack(
			"{s:s s:o s:o s:o s:f s:o s:o s:o}", "traffic", kinds[k].name,
			"model, later half, %", cost(x, TESTED, k, half), "background, later half, %",
			cost(x, BACKGROUND, k, half), "converged, min", converged(x, BACKGROUND, k),
			"promoted", promoted, "agent, all, %", cost(x, AGENT, k, 0),
			"agent, later half, %", cost(x, AGENT, k, half), "agent converged, min",
			converged(x, AGENT, k)));
	}
	snprintf(title, sizeof(title), "with learning on, %g minutes; converged: within %.0f %% of the "
		 "oracle, to stay", x->scene.length_s / 60, 100 * CONVERGED);
	return dynamic_table(title, rows);
}

static void alter(struct workload *w, size_t k)
{
	if (kinds[k].cubic >= 0) {
		w->cubic = kinds[k].cubic;
		w->ecn_cubic = kinds[k].ecn_cubic;
	}
	w->phase[0].load *= kinds[k].load;
	if (kinds[k].endless)
		w->endless = kinds[k].endless;
	if (kinds[k].incast)
		w->phase[0].incast = kinds[k].incast;
}

static void add(struct experiment *x, const char *name, struct dynamic_system s)
{
	x->name[x->systems] = name;
	x->system[x->systems++] = s;
}

static void add_systems(struct experiment *x)
{
	struct dynamic_system learns = dynamic_host_of(&x->shipped);

	learns.background_s = x->scene.length_s / 10;
	learns.steps_per_epoch = STEPS;
	add(x, "oracle", (struct dynamic_system){ .kind = DYNAMIC_STEPS });
	add(x, "guard's static", dynamic_alone(&x->guard));
	add(x, "the model alone", dynamic_alone(&x->shipped));
	add(x, "with the novelty test", dynamic_host_of(&x->shipped));
	add(x, "learning in the background", learns);
	add(x, "agent", (struct dynamic_system){ .kind = DYNAMIC_AGENT, .fixed = DYNAMIC_FIXED,
						 .steps_per_epoch = STEPS });
	for (size_t i = 0; i < x->o->models; i++)
		add(x, x->o->name[i], dynamic_host_of(&x->o->model[i]));
}

static int prepare(struct experiment *x, struct sl_err *e)
{
	const char *name[KINDS];
	const double fixed = DYNAMIC_FIXED;
	int r;

	for (size_t k = 0; k < KINDS; k++)
		name[k] = kinds[k].workload;
	r = dynamic_workloads(name, KINDS, x->w, e);
	for (size_t k = 0; !r && k < KINDS; k++)
		alter(&x->w[k], k);
	if (!r)
		r = model_read(MODEL_SHIPPED, &x->shipped, e);
	if (!r && model_set_numbers(&x->guard, policy_bdp.name, &fixed, 1))
		r = sl_err(e, -ENOMEM, "out of memory");
	if (r)
		return r;
	x->scene.length_s = x->o->quick ? 20 : (x->o->minutes > 0 ? x->o->minutes : MINUTES) * 60;
	x->scene.window_s = x->scene.length_s / WINDOWS;
	add_systems(x);
	r = dynamic_references(&x->o->par, &x->scene, x->w, KINDS, x->o->quick ? 1 : 3,
			       x->o->quick ? 10 : 60, x->ref);
	return r ? sl_err(e, r, "the static thresholds: %s", strerror(-r)) : 0;
}

int dynamic_novel(const struct dynamic_options *o, json_t **ret, struct sl_err *e)
{
	struct experiment *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return sl_err(e, -ENOMEM, "out of memory");
	x->o = o;
	x->scene = dynamic_network_slow();
	r = prepare(x, e);
	if (!r)
		r = dynamic_runs(o, x->systems * KINDS * o->seeds, run_one, x, sizeof(*x->out),
				 (void **)&x->out, e);
	if (!r)
		*ret = json_pack("{s:s s:i s:[o o]}", "what", "novel", "seeds", (int)o->seeds, "tables",
				 zero_shot(x), learning(x));
	model_free(&x->shipped);
	model_free(&x->guard);
	free(x->out);
	free(x);
	return r;
}
