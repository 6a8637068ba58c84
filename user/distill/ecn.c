// SPDX-License-Identifier: GPL-2.0
#include "distill/ecn.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/reward_ecn.h"
#include "policy/network.h"
#include "policy/qtree.h"

#define WINDOWS		64
#define GENERATION	1
#define LEASE_MS	60000

/* --- what the teacher says -------------------------------------------------------------- */

/* Between a[1] and a[2] of four in a row: by a cubic. */
static double middle(const double *a)
{
	return (9 * (a[1] + a[2]) - a[0] - a[3]) / 16;
}

static void interpolate(const double regret[POLICY_TEMPLATES], double *cost)
{
	for (int c = 0; c < DISTILL_CLASSES; c++) {
		const int k = c / DISTILL_PER_TEMPLATE;

		if (c % DISTILL_PER_TEMPLATE == 0)
			cost[c] = regret[k];
		else if (k > 0 && k + 2 < POLICY_TEMPLATES)
			cost[c] = middle(regret + k - 1);
		else
			cost[c] = (regret[k] + regret[k + 1]) / 2;
	}
}

static double octaves(const struct ecn_interval *in, double bytes)
{
	return log2(fmax(bytes, 1) / policy_bdp_bytes(in)) + POLICY_BELOW;
}

int distill_ecn_label(struct policy *teacher, const struct ecn_interval *in,
		      const double x[FEATURES], double next_bytes, double *cost)
{
	double regret[POLICY_TEMPLATES];
	int r = network_regret(teacher, x, regret);

	if (!r) {
		interpolate(regret, cost);
	} else if (r == -EINVAL) {
		for (int c = 0; c < DISTILL_CLASSES; c++) {
			const double away = distill_template(c) - octaves(in, next_bytes);

			cost[c] = away * away;
		}
		r = 0;
	}
	return r;
}

static unsigned int best_class(const double *cost)
{
	unsigned int best = 0;

	for (unsigned int c = 1; c < DISTILL_CLASSES; c++)
		if (cost[c] < cost[best])
			best = c;
	return best;
}

/* --- a run -------------------------------------------------------------------------------- */

struct visited {
	double x[DISTILL_F_NR], cost[DISTILL_CLASSES];
	double now, takes;	/* octaves, as of templates: the setting in force, the answer */
	struct distill_queue queue;
};

struct run {
	struct outcome out;
	size_t n;
	struct visited at[WINDOWS];
};

struct acting {
	const struct distill_ecn *d;
	const struct cart *tree;	/* NULL: the teacher acts */
	struct policy *teacher;
	struct sluice_tree block;
	struct distill_queue queue;	/* that the block is for */
	struct sluice_tree_sample sample;
	struct policy_watch watch;
};

int distill_ecn_tree(const struct distill_ecn *d, const struct cart *tree,
		     const struct distill_queue *q, uint32_t generation, uint32_t lease_ms,
		     struct sluice_tree *ret, size_t *changed, struct sl_err *e)
{
	int r = distill_compile(tree, q, generation, lease_ms, ret, e);

	*changed = 0;
	if (r || !d->limits || !d->limits->rules)
		return r;
	r = verify_repair(ret, d->limits, changed);
	return r ? sl_err(e, r, "the tree cannot be made to keep the rules: %s", strerror(-r)) : 0;
}

static int follow_capacity(struct acting *a, const struct ecn_interval *in)
{
	const struct distill_queue now = distill_queue_of(in);
	size_t changed;

	if (!qtree_stale(&a->queue, &now))
		return 0;
	a->queue = now;
	return a->tree ? distill_ecn_tree(a->d, a->tree, &now, GENERATION, LEASE_MS, &a->block,
					  &changed, NULL) : 0;
}

static struct qdisc_triple by_block(const struct acting *a)
{
	__u32 feature[SLUICE_TREE_F_NR];
	const struct sluice_tree_action *found;

	sluice_tree_features(&a->sample, feature);
	found = &a->block.cell[sluice_tree_walk(&a->block, feature)].action;
	return (struct qdisc_triple){ found->qth_min, found->qth_max, found->max_p };
}

/* An epoch has ended; *t becomes the next setting. */
static int act(struct acting *a, const struct ecn_interval *in, struct qdisc_triple *t,
	       struct run *run)
{
	struct qdisc_triple teachers = *t, next;
	double x[FEATURES];
	bool seen;
	int r = follow_capacity(a, in);

	distill_sample_add(&a->sample, in);
	if (!r)
		r = policy_decide(a->teacher, in, &teachers);
	if (r < 0)
		return r;
	seen = ecn_interval_active(in) && policy_watch(&a->watch, in, x);
	if (!a->tree)
		*t = teachers;
	if (!seen)
		return 0;
	next = a->tree ? by_block(a) : teachers;
	*t = next;
	if (run->n < WINDOWS) {
		struct visited *at = &run->at[run->n++];

		distill_features(&a->queue, &a->sample, at->x);
		at->queue = a->queue;
		at->now = octaves(in, in->setting.qth_min);
		at->takes = octaves(in, next.qth_min);
		r = distill_ecn_label(a->teacher, in, x, teachers.qth_min, at->cost);
	}
	a->sample = (struct sluice_tree_sample){ 0 };
	return r;
}

static int run_mix(const struct mix_files *files, const struct mix *m, struct acting *a,
		   struct run *run)
{
	struct ecn_interval in;
	struct qdisc_triple t;
	struct world *w;
	int last, r;

	world_interval(m, &in);
	policy_reset(a->teacher);
	t = policy_start(a->teacher, &in);
	r = world_new(files, m, 0, &t, &w);
	if (r)
		return r;
	do {
		r = last = world_epoch(w, &in);
		if (r >= 0)
			r = act(a, &in, &t, run);
		if (r >= 0)
			world_set(w, &t);
	} while (r >= 0 && !last);
	if (r >= 0)
		r = world_end(w, &run->out);
	world_free(w);
	return r;
}

struct round {
	const struct distill_ecn *d;
	const struct cart *tree;
	uint64_t seed;
	size_t first;
};

static int run_task(void *ctx, size_t i, void *result)
{
	const struct round *round = ctx;
	struct acting a = { .d = round->d, .tree = round->tree };
	struct mix m;
	int r = policy_new(round->d->teacher, &a.teacher, NULL);

	if (r)
		return r;
	mix_draw(&round->d->files, round->seed, round->first + i, &m);
	r = run_mix(&round->d->files, &m, &a, result);
	policy_free(a.teacher);
	return r;
}

/* The caller frees what is returned; NULL: *r says why. */
static struct run *run_all(const struct distill_ecn *d, const struct cart *tree, uint64_t seed,
			   size_t first, size_t mixes, int *r)
{
	struct round round = { d, tree, seed, first };
	struct run *run = calloc(mixes, sizeof(*run));

	*r = run ? par_run(&d->par, mixes, run_task, &round, run, sizeof(*run)) : -ENOMEM;
	if (*r) {
		free(run);
		return NULL;
	}
	return run;
}

/* --- the task ------------------------------------------------------------------------------- */

static int visit(void *ctx, unsigned int round, const struct cart *tree, struct viper_rows *rows)
{
	struct distill_ecn *d = ctx;
	const struct viper_task task = distill_ecn_task(d);
	struct viper_rows *to = tree ? rows : &d->first;
	struct run *run = NULL;
	int r = 0;

	if (tree || !d->first.n) {
		run = run_all(d, tree, d->seed, round * d->mixes, d->mixes, &r);
		if (!run)
			return r;
	}
	for (size_t i = 0; run && i < d->mixes; i++)
		for (size_t j = 0; !r && j < run[i].n; j++) {
			struct visited *at = &run[i].at[j];

			for (int c = 0; c < DISTILL_CLASSES; c++)
				at->cost[c] += d->calm * pow(distill_template(c) - at->now, 2);
			r = viper_rows_add(&task, to, at->x, at->cost);
		}
	free(run);
	for (size_t i = 0; !r && !tree && i < d->first.n; i++)
		r = viper_rows_add(&task, rows, d->first.x + i * DISTILL_F_NR,
				   d->first.cost + i * DISTILL_CLASSES);
	return r;
}

static int judge(void *ctx, const struct cart *tree, double *cost)
{
	struct distill_ecn *d = ctx;
	double sum = 0;
	int r;
	struct run *run = run_all(d, tree, d->judge_seed, 0, d->judge_mixes, &r);

	if (!run)
		return r;
	for (size_t i = 0; i < d->judge_mixes; i++)
		sum += log(run[i].out.cost);
	*cost = sum / d->judge_mixes;
	free(run);
	return 0;
}

struct viper_task distill_ecn_task(struct distill_ecn *d)
{
	return (struct viper_task){ DISTILL_F_NR, DISTILL_CLASSES, d, visit, judge };
}

void distill_ecn_fini(struct distill_ecn *d)
{
	viper_rows_free(&d->first);
}

static double in_octaves(const struct distill_queue *q, unsigned int class)
{
	return log2(fmax(distill_action(q, class).qth_min, 1) / distill_bdp_bytes(q)) +
	       POLICY_BELOW;
}

/* A tree is known by its settings: what the clamps of a queue make alike is alike. */
static void score_states(const struct run *run, size_t mixes, struct distill_score *s)
{
	size_t all = 0;

	for (size_t i = 0; i < mixes; i++)
		for (size_t j = 0; j < run[i].n; j++, all++) {
			const struct visited *at = &run[i].at[j];
			const unsigned int best = best_class(at->cost);
			const double mine = fmin(fmax(round(at->takes * DISTILL_PER_TEMPLATE), 0),
						 DISTILL_CLASSES - 1);
			double most = at->cost[0];

			for (int c = 1; c < DISTILL_CLASSES; c++)
				most = fmax(most, at->cost[c]);
			s->regret += at->cost[(int)mine] - at->cost[best];
			if (most - at->cost[best] <= DISTILL_GAP)
				continue;
			s->states++;
			s->same += fabs(at->takes - in_octaves(&at->queue, best)) <=
				   1.0 / DISTILL_PER_TEMPLATE + 0.01;
		}
	s->regret /= fmax(all, 1);
	s->same /= fmax(s->states, 1);
}

int distill_ecn_score(const struct distill_ecn *d, const struct mix_files *files,
		      const struct cart *tree, uint64_t seed, size_t mixes,
		      struct distill_score *score)
{
	struct distill_score s = { .mixes = mixes };
	struct distill_ecn test = *d;
	struct run *ours = NULL, *teachers;
	double squares = 0;
	int r;

	test.files = *files;
	teachers = run_all(&test, NULL, seed, 0, mixes, &r);
	if (teachers)
		ours = run_all(&test, tree, seed, 0, mixes, &r);
	for (size_t i = 0; ours && i < mixes; i++) {
		const double loss = log(ours[i].out.cost / teachers[i].out.cost);

		s.loss += loss / mixes;
		squares += loss * loss / mixes;
	}
	if (ours) {
		s.loss_se = sqrt(fmax(squares - s.loss * s.loss, 0) / fmax(mixes - 1.0, 1));
		score_states(ours, mixes, &s);
		*score = s;
	}
	free(teachers);
	free(ours);
	return r;
}
