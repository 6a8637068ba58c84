// SPDX-License-Identifier: GPL-2.0
/*
 * Two tenants on one queue: each alone, then both. "Alone" has the same arrivals as "together": the other
 * tenant's are thinned to next to nothing. What each system costs over the best static threshold of the same
 * traffic (chosen on other arrivals), and by how much a tenant's flows are slower than alone, under
 * the same system. The best threshold of both together need not be that of either.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/dynamic_test.h"

#define PAIRS		4
#define SCENES		3	/* of each pair: first alone, second alone, both */
#define BOTH		2
#define SYSTEMS_MAX	(8 + DYNAMIC_MODELS)
#define NOTHING		1e-9	/* of a load */
#define SELECTION_SEED	0x50000000u

static const struct {
	const char *name[DYNAMIC_TENANTS];
	double load[DYNAMIC_TENANTS];	/* times the table's: together at most 0.85 of the rate */
} pairs[PAIRS] = {
	{ { "request-response", "web" }, { 0.6, 0.6 } },
	{ { "request-response", "video" }, { 0.6, 0.6 } },
	{ { "request-response", "elephants-mice" }, { 0.6, 1 } },
	{ { "web", "incast-32" }, { 0.7, 0.7 } },
};

enum { ORACLE, GUARD };		/* the first two systems */

struct outcome_of {
	double total, tenant[DYNAMIC_TENANTS];	/* ln J, ln slowdown; NAN: no flows */
	double fallback;
};

struct experiment {
	const struct dynamic_options *o;
	struct dynamic_scene scene;
	struct workload w[PAIRS][DYNAMIC_TENANTS];
	unsigned int best[PAIRS][SCENES], arrivals;
	struct model shipped, tree, guard;
	struct dynamic_system system[SYSTEMS_MAX];
	const char *name[SYSTEMS_MAX];
	size_t systems;
	struct outcome_of *out;		/* (systems, PAIRS, SCENES, seeds) */
};

static struct dynamic_scene scene_of(const struct experiment *x, size_t pair, size_t which)
{
	struct dynamic_scene s = x->scene;

	s.parts = DYNAMIC_TENANTS;
	for (unsigned int t = 0; t < DYNAMIC_TENANTS; t++)
		s.part[t] = (struct dynamic_part){
			&x->w[pair][t], 0, s.length_s,
			which == BOTH || which == t ? pairs[pair].load[t] : NOTHING, t,
		};
	return s;
}

/* Flows that never end are not thinned: a tenant that has some is left out where it is to be silent. */
static void silence(struct dynamic_scene *s, size_t which)
{
	if (which != BOTH && s->part[!which].workload->endless) {
		if (which == 1)
			s->part[0] = s->part[1];
		s->parts = 1;
	}
}

/* --- thresholds ------------------------------------------------------------------------------------ */

static int try_one(void *ctx, size_t i, void *result)
{
	const struct experiment *x = ctx;
	const unsigned int step = i / x->arrivals % LAB_STEPS;
	const size_t which = i / x->arrivals / LAB_STEPS % SCENES;
	struct dynamic_scene s = scene_of(x, i / x->arrivals / LAB_STEPS / SCENES, which);
	struct dynamic_system system = { .kind = DYNAMIC_STEPS };
	struct dynamic_result *out = malloc(sizeof(*out));
	int r;

	if (!out)
		return -ENOMEM;
	silence(&s, which);
	s.seed = SELECTION_SEED + i % x->arrivals;
	for (unsigned int t = 0; t < DYNAMIC_TENANTS; t++)
		system.k_bytes[t] = lab_step_bytes(step);
	r = dynamic_run(&s, &system, out);
	*(double *)result = log(out->total);
	free(out);
	return r;
}

static int choose(struct experiment *x)
{
	const size_t n = PAIRS * SCENES * LAB_STEPS * x->arrivals;
	double *cost = calloc(n, sizeof(*cost));
	int r = cost ? par_run(&x->o->par, n, try_one, x, cost, sizeof(*cost)) : -ENOMEM;

	for (size_t i = 0; !r && i < PAIRS * SCENES; i++) {
		double least = INFINITY;

		for (unsigned int k = 0; k < LAB_STEPS; k++) {
			double sum = 0;

			for (unsigned int a = 0; a < x->arrivals; a++)
				sum += cost[(i * LAB_STEPS + k) * x->arrivals + a];
			if (sum < least) {
				least = sum;
				x->best[i / SCENES][i % SCENES] = k;
			}
		}
	}
	free(cost);
	return r;
}

/* --- runs ------------------------------------------------------------------------------------------- */

static int run_one(void *ctx, size_t i, void *result)
{
	const struct experiment *x = ctx;
	const size_t which = i / x->o->seeds % SCENES, pair = i / x->o->seeds / SCENES % PAIRS;
	struct dynamic_system system = x->system[i / x->o->seeds / SCENES / PAIRS];
	struct dynamic_scene s = scene_of(x, pair, which);
	struct dynamic_result *out = malloc(sizeof(*out));
	struct outcome_of *to = result;
	int r;

	if (!out)
		return -ENOMEM;
	silence(&s, which);
	s.seed = system.seed = x->o->first_seed + i % x->o->seeds;
	for (unsigned int t = 0; t < DYNAMIC_TENANTS; t++)
		system.k_bytes[t] = lab_step_bytes(x->best[pair][which]);
	r = dynamic_run(&s, &system, out);
	to->total = log(out->total);
	for (unsigned int t = 0; t < DYNAMIC_TENANTS; t++)
		to->tenant[t] = log(out->tenant_cost[t]);
	to->fallback = out->fallback / fmax(out->active, 1);
	free(out);
	return r;
}

static const struct outcome_of *of(const struct experiment *x, size_t system, size_t pair, size_t which,
				   size_t seed)
{
	return &x->out[((system * PAIRS + pair) * SCENES + which) * x->o->seeds + seed];
}

static json_t *over(const struct experiment *x, size_t system, size_t pair, size_t which)
{
	double v[DYNAMIC_SEEDS];

	for (size_t s = 0; s < x->o->seeds; s++)
		v[s] = of(x, system, pair, which, s)->total - of(x, ORACLE, pair, which, s)->total;
	return dynamic_percent(v, x->o->seeds);
}

static json_t *slower(const struct experiment *x, size_t system, size_t pair, unsigned int tenant)
{
	double v[DYNAMIC_SEEDS];

	for (size_t s = 0; s < x->o->seeds; s++)
		v[s] = of(x, system, pair, BOTH, s)->tenant[tenant] -
		       of(x, system, pair, tenant, s)->tenant[tenant];
	return dynamic_percent(v, x->o->seeds);
}

static json_t *table(const struct experiment *x, size_t pair)
{
	const char *const *name = pairs[pair].name;
	json_t *rows = json_array();
	char title[256];

	for (size_t i = 0; i < x->systems; i++) {
		double fallback = 0;

		for (size_t s = 0; s < x->o->seeds; s++)
			fallback += 100 * of(x, i, pair, BOTH, s)->fallback / x->o->seeds;
		json_array_append_new(rows, json_pack(
			"{s:s s:o s:o s:o s:o s:o s:f}", "system", x->name[i], "first alone, %",
			over(x, i, pair, 0), "second alone, %", over(x, i, pair, 1), "both, %",
			over(x, i, pair, BOTH), "first slower, %", slower(x, i, pair, 0),
			"second slower, %", slower(x, i, pair, 1), "fallback, both, %", fallback));
	}
	snprintf(title, sizeof(title), "%s (%g x) and %s (%g x): cost over the best threshold, which is %.0f, "
		 "%.0f and both %.0f KB", name[0], pairs[pair].load[0], name[1], pairs[pair].load[1],
		 lab_step_bytes(x->best[pair][0]) / 1e3, lab_step_bytes(x->best[pair][1]) / 1e3,
		 lab_step_bytes(x->best[pair][BOTH]) / 1e3);
	return dynamic_table(title, rows);
}

/* --- the experiment --------------------------------------------------------------------------------- */

static void add(struct experiment *x, const char *name, struct dynamic_system s)
{
	x->name[x->systems] = name;
	x->system[x->systems++] = s;
}

static int prepare(struct experiment *x, struct sl_err *e)
{
	const double fixed = DYNAMIC_FIXED;
	int r = 0;

	for (size_t p = 0; !r && p < PAIRS; p++)
		r = dynamic_workloads(pairs[p].name, DYNAMIC_TENANTS, x->w[p], e);
	if (!r)
		r = model_read(MODEL_SHIPPED, &x->shipped, e);
	if (!r)
		r = model_read(MODEL_SHIPPED_TREE, &x->tree, e);
	if (!r && model_set_numbers(&x->guard, policy_bdp.name, &fixed, 1))
		r = sl_err(e, -ENOMEM, "out of memory");
	if (r)
		return r;
	x->scene.length_s = x->scene.window_s = x->o->quick ? 20 : 300;
	x->arrivals = x->o->quick ? 1 : 3;
	add(x, "best static of this traffic", (struct dynamic_system){ .kind = DYNAMIC_STEPS });
	add(x, "guard's static", dynamic_alone(&x->guard));
	add(x, MODEL_SHIPPED, dynamic_alone(&x->shipped));
	add(x, "shipped, novelty, watch", dynamic_host_of(&x->shipped));
	add(x, MODEL_SHIPPED_TREE, dynamic_alone(&x->tree));
	for (size_t i = 0; i < x->o->models; i++)
		add(x, x->o->name[i], dynamic_alone(&x->o->model[i]));
	r = choose(x);
	return r ? sl_err(e, r, "the static thresholds: %s", strerror(-r)) : 0;
}

int dynamic_interference(const struct dynamic_options *o, json_t **ret, struct sl_err *e)
{
	struct experiment *x = calloc(1, sizeof(*x));
	json_t *tables;
	int r;

	if (!x)
		return sl_err(e, -ENOMEM, "out of memory");
	x->o = o;
	x->scene = dynamic_network_slow();
	r = prepare(x, e);
	if (!r)
		r = dynamic_runs(o, x->systems * PAIRS * SCENES * o->seeds, run_one, x, sizeof(*x->out),
				 (void **)&x->out, e);
	tables = json_array();
	for (size_t p = 0; !r && p < PAIRS; p++)
		json_array_append_new(tables, table(x, p));
	if (!r)
		*ret = json_pack("{s:s s:i s:O}", "what", "interference", "seeds", (int)o->seeds, "tables",
				 tables);
	json_decref(tables);
	model_free(&x->shipped);
	model_free(&x->tree);
	model_free(&x->guard);
	free(x->out);
	free(x);
	return r;
}
