// SPDX-License-Identifier: GPL-2.0
#include "distill/ecn.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/reward_ecn.h"
#include "policy/lab.h"
#include "policy/learned.h"
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
	double regret[POLICY_TEMPLATES], gap = 1;
	int r = network_regret(teacher, x, regret);

	if (r == -EINVAL)
		r = learned_log_odds(teacher, x, regret);
	if (!r) {
		interpolate(regret, cost);
		return 0;
	}
	if (r != -EINVAL)
		return r;
	r = learned_q_gap(teacher, &gap);
	if (r && r != -EINVAL)
		return r;
	for (int c = 0; c < DISTILL_CLASSES; c++) {
		const double away = distill_template(c) - octaves(in, next_bytes);

		cost[c] = gap * away * away;
	}
	return 0;
}

/* --- what the simulator says ---------------------------------------------------------------- */

/* A lab of one mix, which knows what each static threshold costs on it. */
struct oracle {
	struct lab lab;
	struct mix mix;
	struct lab_cell cell[LAB_STEPS];
};

static int ask_oracle(const struct mix_files *files, const struct mix *m, struct oracle **ret)
{
	struct oracle *o = calloc(1, sizeof(*o));
	int r = o ? 0 : -ENOMEM;

	for (unsigned int k = 0; !r && k < LAB_STEPS; k++) {
		const double bytes = lab_step_bytes(k);
		struct model step = { 0 };

		r = model_set_numbers(&step, policy_static.name, &bytes, 1);
		if (!r)
			r = lab_run_model(files, m, 0, &step, &o->cell[k].out);
		model_free(&step);
	}
	if (r) {
		free(o);
		return r;
	}
	o->mix = *m;
	o->lab = (struct lab){ .files = *files, .n = 1, .mix = &o->mix, .cell = &o->cell };
	*ret = o;
	return 0;
}

static void oracle_label(const struct oracle *o, const struct distill_queue *q, double *cost)
{
	for (int c = 0; c < DISTILL_CLASSES; c++)
		cost[c] = lab_regret(&o->lab, 0, distill_action(q, c).qth_min);
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
	struct oracle *oracle;		/* NULL: it is the teacher who is asked */
	unsigned int step;		/* that is in force where the oracle acts */
	struct sluice_tree block;
	struct distill_queue queue;	/* that the block is for */
	struct sluice_tree_sample sample;
	struct policy_watch watch;
	bool unlabelled;		/* nothing is known of the states of this run */
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
	if (a->d->oracle)
		teachers = policy_step(in, lab_step_bytes(a->step));
	seen = ecn_interval_active(in) && policy_watch(&a->watch, in, x);
	if (!a->tree)
		*t = teachers;
	if (!seen)
		return 0;
	next = a->tree ? by_block(a) : teachers;
	*t = next;
	if (run->n < WINDOWS && !a->unlabelled) {
		struct visited *at = &run->at[run->n++];

		distill_features(&a->queue, &a->sample, at->x);
		at->queue = a->queue;
		at->now = octaves(in, in->setting.qth_min);
		at->takes = octaves(in, next.qth_min);
		if (a->oracle)
			oracle_label(a->oracle, &a->queue, at->cost);
		else
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
	if (a->d->oracle && !a->tree)
		t = policy_step(&in, lab_step_bytes(a->step));
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

/* A cost is all that judging asks for; scoring asks for labels, too. */
enum why { JUDGE, SCORE, LEARN };

struct round {
	const struct distill_ecn *d;
	const struct cart *tree;
	uint64_t seed;
	size_t first;
	enum why why;
};

/*
 * The oracle acts by one threshold for all of a run: to learn from, each in its turn, to be judged
 * against, the best. What a state of a mix with two phases costs it does not know.
 */
static int consult(const struct round *round, const struct mix *m, size_t i, struct acting *a)
{
	const bool standard = round->why == JUDGE && !round->tree;
	int r;

	if (!round->d->oracle)
		return 0;
	a->unlabelled = m->phases > 1 || round->why == JUDGE;
	a->step = i % LAB_STEPS;
	if (a->unlabelled && !standard)
		return 0;
	r = ask_oracle(&round->d->files, m, &a->oracle);
	if (!r && standard)
		a->step = lab_best(&a->oracle->lab, 0);
	return r;
}

static int run_task(void *ctx, size_t i, void *result)
{
	const struct round *round = ctx;
	struct acting a = { .d = round->d, .tree = round->tree };
	struct mix m;
	int r = policy_new(round->d->teacher, &a.teacher, NULL);

	if (r)
		return r;
	mix_draw(&round->d->files, round->seed, round->first + i, &m);
	r = consult(round, &m, round->first + i, &a);
	if (!r)
		r = run_mix(&round->d->files, &m, &a, result);
	policy_free(a.teacher);
	free(a.oracle);
	return r;
}

/* The caller frees what is returned; NULL: *r says why. */
static struct run *run_all(const struct distill_ecn *d, const struct cart *tree, uint64_t seed,
			   size_t first, size_t mixes, enum why why, int *r)
{
	struct round round = { d, tree, seed, first, why };
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
		run = run_all(d, tree, d->seed, round * d->mixes, d->mixes, LEARN, &r);
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
	struct run *run = run_all(d, tree, d->judge_seed, 0, d->judge_mixes, JUDGE, &r);

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
	teachers = run_all(&test, NULL, seed, 0, mixes, JUDGE, &r);
	if (teachers)
		ours = run_all(&test, tree, seed, 0, mixes, SCORE, &r);
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
