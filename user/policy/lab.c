// SPDX-License-Identifier: GPL-2.0
#include "policy/lab.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/reward_ecn.h"

double lab_step_bytes(unsigned int step)
{
	return 3028.0 * (1u << step);
}

int lab_run(const struct mix_files *files, const struct mix *m, uint64_t seed, struct policy *p,
	    lab_observe *observe, void *arg, struct outcome *out)
{
	struct ecn_interval in;
	struct qdisc_triple t;
	struct world *w;
	int last, r;

	world_interval(m, &in);
	policy_reset(p);
	t = policy_start(p, &in);
	r = world_new(files, m, seed, &t, &w);
	if (r)
		return r;
	do {
		r = last = world_epoch(w, &in);
		if (r >= 0 && observe)
			observe(arg, &in);
		if (r >= 0)
			r = policy_decide(p, &in, &t);
		if (r >= 0)
			world_set(w, &t);
	} while (r >= 0 && !last);
	if (r >= 0)
		r = world_end(w, out);
	world_free(w);
	return r;
}

int lab_run_model(const struct mix_files *files, const struct mix *m, uint64_t seed,
		  const struct model *model, struct outcome *out)
{
	struct policy *p;
	int r = policy_new(model, &p, NULL);

	if (r)
		return r;
	r = lab_run(files, m, seed, p, NULL, NULL, out);
	policy_free(p);
	return r;
}

struct watching {
	struct lab_cell *cell;
	struct policy_watch watch;
	double active;
};

static void watch(void *arg, const struct ecn_interval *in)
{
	struct watching *w = arg;
	struct lab_cell *c = w->cell;

	if (!ecn_interval_active(in))
		return;
	w->active++;
	for (int i = 0; i < GATE_REWARDS; i++)
		c->reward[i] += gate_reward(i, in);
	if (c->windows < LAB_WINDOWS && policy_watch(&w->watch, in, c->x[c->windows]))
		c->windows++;
}

static int run_cell(void *ctx, size_t i, void *result)
{
	const struct lab *l = ctx;
	const size_t mix = i / LAB_STEPS;
	const double k = lab_step_bytes(i % LAB_STEPS);
	struct watching w = { .cell = result, .watch.skip = true };
	struct model m = { 0 };
	struct policy *p = NULL;
	int r = model_set_numbers(&m, "static", &k, 1);

	if (!r)
		r = policy_new(&m, &p, NULL);
	if (!r)
		r = lab_run(&l->files, &l->mix[mix], 0, p, watch, &w, &w.cell->out);
	for (int j = 0; j < GATE_REWARDS; j++)
		w.cell->reward[j] /= fmax(w.active, 1);
	policy_free(p);
	model_free(&m);
	return r;
}

int lab_new_of(const struct mix_files *files, const struct par *par, const struct mix *mix, size_t n,
	       struct lab **ret)
{
	struct lab *l = calloc(1, sizeof(*l));
	int r = -ENOMEM;

	if (!l)
		return r;
	*l = (struct lab){ .files = *files, .par = *par, .n = n };
	l->mix = calloc(n, sizeof(*l->mix));
	l->cell = calloc(n, sizeof(*l->cell));
	if (l->mix && l->cell) {
		memcpy(l->mix, mix, n * sizeof(*mix));
		r = par_run(par, n * LAB_STEPS, run_cell, l, l->cell, sizeof(**l->cell));
	}
	if (r) {
		lab_free(l);
		return r;
	}
	l->runs = n * LAB_STEPS;
	for (size_t i = 0; i < l->runs; i++)
		l->packets += l->cell[i / LAB_STEPS][i % LAB_STEPS].out.packets;
	*ret = l;
	return 0;
}

int lab_new(const struct mix_files *files, const struct par *par, uint64_t seed, size_t n,
	    struct lab **ret)
{
	struct mix *mix = calloc(n, sizeof(*mix));
	int r;

	if (!mix)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		mix_draw(files, seed, i, &mix[i]);
	r = lab_new_of(files, par, mix, n, ret);
	free(mix);
	if (!r)
		(*ret)->seed = seed;
	return r;
}

int lab_part(const struct lab *l, const bool *use, struct lab **ret)
{
	struct lab *part = calloc(1, sizeof(*part));

	if (!part)
		return -ENOMEM;
	*part = (struct lab){ .files = l->files, .par = l->par, .seed = l->seed };
	part->mix = calloc(l->n, sizeof(*part->mix));
	part->cell = calloc(l->n, sizeof(*part->cell));
	if (!part->mix || !part->cell) {
		lab_free(part);
		return -ENOMEM;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (!use[i])
			continue;
		part->mix[part->n] = l->mix[i];
		memcpy(part->cell[part->n++], l->cell[i], sizeof(*l->cell));
	}
	part->runs = part->n * LAB_STEPS;
	*ret = part;
	return 0;
}

void lab_free(struct lab *l)
{
	if (!l)
		return;
	free(l->mix);
	free(l->cell);
	free(l);
}

unsigned int lab_best(const struct lab *l, size_t mix)
{
	unsigned int best = 0;

	for (unsigned int k = 1; k < LAB_STEPS; k++)
		if (l->cell[mix][k].out.cost < l->cell[mix][best].out.cost)
			best = k;
	return best;
}

double lab_regret(const struct lab *l, size_t mix, double k_bytes)
{
	const double at = fmin(fmax(log2(k_bytes / lab_step_bytes(0)), 0), LAB_STEPS - 1);
	const unsigned int below = fmin(floor(at), LAB_STEPS - 2);
	const struct lab_cell *c = l->cell[mix];
	const double a = log(c[below].out.cost), b = log(c[below + 1].out.cost);

	return a + (at - below) * (b - a) - log(c[lab_best(l, mix)].out.cost);
}
