// SPDX-License-Identifier: GPL-2.0
/*
 * What each part of the host is worth: one long scene of twice twelve kinds of traffic, some of it
 * such as no model was made from; and the host with its defaults, then with one thing otherwise at a time.
 * Costs are of fifths of a part, over an oracle that has each part's best threshold at once; against the
 * default they are compared seed by seed.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/dynamic_test.h"
#include "lab/stats.h"

#define KINDS_MAX	16
#define SYSTEMS_MAX	(24 + DYNAMIC_MODELS)
#define PART_WINDOWS	5
#define MINUTES		120
#define STEPS_PER_EPOCH	0.2		/* one a second */
#define BACKGROUND_S	600.0		/* [learn] background_minutes */

static const char *const names[] = {
	"request-response", "web", "mixed-ecn", "high-rate", "video", "incast-64", "uniform-1500",
	"bursty", "mixed-packets", "low-rate", "switching", "key-value",
};
static const char *const quick_names[] = { "request-response", "mixed-ecn", "web" };

enum { ORACLE, BEST_STATIC, GUARD_STATIC, DEFAULT };	/* the first systems */

struct outcome_of {
	double over[DYNAMIC_WINDOWS];	/* ln J by window */
	unsigned int windows;
	double novel, fallback, static_turns;	/* shares */
	double candidates, trials, promoted, taken_back;
};

struct experiment {
	const struct dynamic_options *o;
	struct dynamic_scene scene;
	struct workload w[KINDS_MAX];
	struct dynamic_reference ref[KINDS_MAX];
	size_t kinds;
	unsigned int best_static;	/* step, over all parts */
	struct model shipped, tree, guard;
	struct dynamic_system system[SYSTEMS_MAX];
	char name[SYSTEMS_MAX][48];
	size_t systems;
	struct outcome_of *out;		/* (systems, seeds) */
};

/* --- the variants ------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 3, 4)))
add(struct experiment *x, struct dynamic_system system, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(x->name[x->systems], sizeof(x->name[0]), format, ap);
	va_end(ap);
	x->system[x->systems++] = system;
}

static struct dynamic_system by_default(const struct model *m)
{
	struct dynamic_system s = dynamic_host_of(m);

	s.background_s = BACKGROUND_S;
	s.steps_per_epoch = STEPS_PER_EPOCH;
	return s;
}

static void add_confidences(struct experiment *x, struct dynamic_system s)
{
	static const double confidence[] = { 0.70, 0.75, 0.80, 0.85, 0.90 };

	for (size_t i = 0; i < sizeof(confidence) / sizeof(*confidence); i++) {
		s.confidence = confidence[i];
		add(x, s, "novelty at %.2f", confidence[i]);
	}
}

static void add_learning(struct experiment *x, const struct dynamic_system *by)
{
	static const double minutes[] = { 1, 60 }, steps[] = { 0.02, 2 };
	struct dynamic_system s = *by;

	s.background_s = 0;
	add(x, s, "no learning in the background");
	for (int i = 0; i < 2; i++) {
		s = *by;
		s.background_s = minutes[i] * 60;
		add(x, s, "a candidate every %.0f min", minutes[i]);
	}
	for (int i = 0; i < 2; i++) {
		s = *by;
		s.steps_per_epoch = steps[i];
		add(x, s, "%.1f gradient steps a second", steps[i] / x->scene.epoch_s);
	}
}

static void add_systems(struct experiment *x)
{
	const struct dynamic_system steps = { .kind = DYNAMIC_STEPS };
	const struct dynamic_system def = by_default(&x->shipped);
	struct dynamic_system s = def;

	add(x, steps, "oracle");
	add(x, steps, "best static of all parts");
	add(x, dynamic_alone(&x->guard), "guard's static, K = %g C RTT", DYNAMIC_FIXED);
	add(x, def, "default");
	s.confidence = 0;
	add(x, s, "no novelty test");
	if (x->o->quick)
		return;
	add_confidences(x, def);
	add_learning(x, &def);
	s = def;
	s.watch = false;
	add(x, s, "no watch");
	add(x, dynamic_alone(&x->shipped), "the model alone");
	add(x, by_default(&x->tree), MODEL_SHIPPED_TREE);
	for (size_t i = 0; i < x->o->models; i++)
		add(x, by_default(&x->o->model[i]), "%.47s", x->o->name[i]);
}

/* --- runs ----------------------------------------------------------------------------------------- */

static void set_steps(const struct experiment *x, size_t which, struct dynamic_system *s)
{
	for (size_t i = 0; i < x->scene.parts; i++)
		s->k_bytes[i] = lab_step_bytes(which == ORACLE ? x->ref[i % x->kinds].best :
					       x->best_static);
}

static double share(double part, double whole)
{
	return part / fmax(whole, 1);
}

static int run_one(void *ctx, size_t i, void *result)
{
	const struct experiment *x = ctx;
	struct dynamic_system system = x->system[i / x->o->seeds];
	struct dynamic_result *out = malloc(sizeof(*out));
	struct dynamic_scene s = x->scene;
	struct outcome_of *to = result;
	int r;

	if (!out)
		return -ENOMEM;
	s.seed = system.seed = x->o->first_seed + i % x->o->seeds;
	if (system.kind == DYNAMIC_STEPS)
		set_steps(x, i / x->o->seeds, &system);
	r = dynamic_run(&s, &system, out);
	for (unsigned int k = 0; !r && k < out->windows; k++)
		to->over[to->windows++] = log(out->cost[k]);
	to->novel = share(out->novel, out->states);
	to->fallback = share(out->fallback, out->active);
	to->static_turns = share(out->static_turns, out->active);
	to->candidates = out->candidates;
	to->trials = out->trials;
	to->promoted = out->promoted;
	to->taken_back = out->taken_back;
	free(out);
	return r;
}

/* --- what came of it -------------------------------------------------------------------------------- */

static const struct outcome_of *of(const struct experiment *x, size_t system, size_t seed)
{
	return &x->out[system * x->o->seeds + seed];
}

/* Mean ln of one system's J over another's; of windows with one kind of traffic, or kind -1 of all. */
static double over(const struct experiment *x, size_t system, size_t other, size_t seed, int kind)
{
	const struct outcome_of *a = of(x, system, seed), *b = of(x, other, seed);
	double sum = 0, n = 0;

	for (unsigned int i = 0; i < a->windows; i++) {
		const size_t at = i * x->scene.window_s / x->scene.part[0].length_s;

		if (!isfinite(a->over[i]) || !isfinite(b->over[i]) ||
		    (kind >= 0 && at % x->kinds != (size_t)kind))
			continue;
		sum += a->over[i] - b->over[i];
		n++;
	}
	return sum / fmax(n, 1);
}

static json_t *row(const struct experiment *x, size_t system)
{
	double oracle[DYNAMIC_SEEDS], def[DYNAMIC_SEEDS], alike[DYNAMIC_SEEDS], mean[7] = { 0 };
	const double n = x->o->seeds;

	for (size_t s = 0; s < x->o->seeds; s++) {
		const struct outcome_of *o = of(x, system, s);
		const double value[7] = { 100 * o->novel, 100 * o->fallback, 100 * o->static_turns,
					  o->candidates, o->trials, o->promoted, o->taken_back };

		oracle[s] = over(x, system, ORACLE, s, -1);
		def[s] = over(x, system, DEFAULT, s, -1);
		alike[s] = 1;
		for (int i = 0; i < 7; i++)
			mean[i] += value[i] / n;
	}
	return json_pack("{s:s s:o s:o s:o s:f s:f s:f s:f s:f s:f s:f}", "system", x->name[system],
			 "over oracle, %", dynamic_percent(oracle, n), "over default, %",
			 dynamic_percent(def, n), "p", dynamic_number(
			 system == DEFAULT ? NAN : stats_sign_test(def, alike, n, 1)), "new, %", mean[0],
			 "fallback, %", mean[1], "static's turn, %", mean[2], "candidates", mean[3],
			 "trials", mean[4], "promoted", mean[5], "taken back", mean[6]);
}

static json_t *kind_row(const struct experiment *x, size_t kind)
{
	static const size_t shown[] = { BEST_STATIC, GUARD_STATIC, DEFAULT, DEFAULT + 1 };
	json_t *row = json_pack("{s:s s:f}", "traffic", x->w[kind].name, "best K, KB",
				lab_step_bytes(x->ref[kind].best) / 1e3);

	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
		double log_cost[DYNAMIC_SEEDS];

		for (size_t s = 0; s < x->o->seeds; s++)
			log_cost[s] = over(x, shown[i], ORACLE, s, kind);
		json_object_set_new(row, x->name[shown[i]], dynamic_percent(log_cost, x->o->seeds));
	}
	return row;
}

static json_t *tell(const struct experiment *x)
{
	json_t *rows = json_array(), *kinds = json_array();
	char title[160];

	for (size_t i = 0; i < x->systems; i++)
		json_array_append_new(rows, row(x, i));
	for (size_t i = 0; i < x->kinds; i++)
		json_array_append_new(kinds, kind_row(x, i));
	snprintf(title, sizeof(title), "%g minutes, other traffic each %g s, %u seeds",
		 x->scene.length_s / 60, x->scene.part[0].length_s, x->o->seeds);
	return json_pack("{s:s s:i s:[o o]}", "what", "ablations", "seeds", (int)x->o->seeds, "tables",
			 dynamic_table(title, rows), dynamic_table("over oracle, %, by traffic", kinds));
}

/* --- the experiment ----------------------------------------------------------------------------------- */

static void choose_static(struct experiment *x)
{
	double least = INFINITY;

	for (unsigned int k = 0; k < LAB_STEPS; k++) {
		double sum = 0;

		for (size_t i = 0; i < x->kinds; i++)
			sum += x->ref[i].cost[k];
		if (sum < least) {
			least = sum;
			x->best_static = k;
		}
	}
}

static void lay_out(struct experiment *x)
{
	const unsigned int rounds = x->o->quick ? 1 : 2;
	const double length_s = x->o->quick ? 10 :
				(x->o->minutes > 0 ? x->o->minutes : MINUTES) * 60 / (x->kinds * rounds);

	x->scene.window_s = length_s / PART_WINDOWS;
	x->scene.parts = x->kinds * rounds;
	x->scene.length_s = x->scene.parts * length_s;
	for (size_t i = 0; i < x->scene.parts; i++)
		x->scene.part[i] = (struct dynamic_part){ &x->w[i % x->kinds], i * length_s, length_s,
							  1, 0 };
}

static int prepare(struct experiment *x, struct sl_err *e)
{
	const char *const *name = x->o->quick ? quick_names : names;
	const double fixed = DYNAMIC_FIXED;
	int r;

	x->kinds = x->o->quick ? sizeof(quick_names) / sizeof(*name) : sizeof(names) / sizeof(*name);
	r = dynamic_workloads(name, x->kinds, x->w, e);
	if (!r)
		r = model_read(MODEL_SHIPPED, &x->shipped, e);
	if (!r)
		r = model_read(MODEL_SHIPPED_TREE, &x->tree, e);
	if (!r && model_set_numbers(&x->guard, policy_bdp.name, &fixed, 1))
		r = sl_err(e, -ENOMEM, "out of memory");
	if (r)
		return r;
	r = dynamic_references(&x->o->par, &x->scene, x->w, x->kinds, x->o->quick ? 1 : 3,
			       x->o->quick ? 10 : 60, x->ref);
	if (r)
		return sl_err(e, r, "the static thresholds: %s", strerror(-r));
	choose_static(x);
	lay_out(x);
	add_systems(x);
	return 0;
}

int dynamic_ablations(const struct dynamic_options *o, json_t **ret, struct sl_err *e)
{
	struct experiment *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return sl_err(e, -ENOMEM, "out of memory");
	x->o = o;
	x->scene = dynamic_network_slow();
	r = prepare(x, e);
	if (!r)
		r = dynamic_runs(o, x->systems * o->seeds, run_one, x, sizeof(*x->out),
				 (void **)&x->out, e);
	if (!r)
		*ret = tell(x);
	model_free(&x->shipped);
	model_free(&x->tree);
	model_free(&x->guard);
	free(x->out);
	free(x);
	return r;
}
