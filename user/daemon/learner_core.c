// SPDX-License-Identifier: GPL-2.0
#include "daemon/learner_core.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ecn_agent.h"
#include "policy/learned.h"
#include "policy/policy.h"
#include "rl/dataset.h"
#include "rl/offline.h"

/* One row in so many is not learned from: by those a candidate is judged. */
#define KEPT		10
/* The data set is made anew when this part of the window is new. */
#define FRESH_PART	8
/* K / (C * RTT) of a queue before anything was observed: DCTCP's rule. */
#define START		(1.0 / 7)
#define STOP_ROWS	64	/* rows that are looked at between two questions */
#define MEAN_WEIGHT	0.01

struct kept_row {
	struct translog_row row;	/* whose pointers are into the window */
	uint64_t number;		/* of all that came: which are kept does not change by age */
};

struct learner_core {
	struct learner_config config;
	struct model start;		/* copied, empty for none */
	struct translog_shape shape;
	size_t width;			/* numbers of an observation with all rows */
	struct kept_row *rows;
	float *x;			/* (window, 2, max_rows, features) */
	size_t n;
	uint64_t added, in_data;
	struct ecn_agent *agent;
	struct dataset *data;
	struct cql *cql;
	uint64_t steps, candidates;
	bool has_loss;
	double td, gap;
};

const char *learner_verdict_name(enum learner_verdict v)
{
	static const char *const names[] = {
#define X(name, text) #name,
		LEARNER_VERDICTS(X)
#undef X
	};
	return v < LEARNER_VERDICT_N ? names[v] : "?";
}

const char *learner_verdict_text(enum learner_verdict v)
{
	static const char *const texts[] = {
#define X(name, text) text,
		LEARNER_VERDICTS(X)
#undef X
	};
	return v < LEARNER_VERDICT_N ? texts[v] : "?";
}

void learner_config_default(struct learner_config *c)
{
	*c = (struct learner_config){
		.cpu_percent = 5, .period_ns = 600 * 1000000000ULL, .window = LEARNER_WINDOW,
		.rows_min = LEARNER_ROWS_MIN, .steps_min = LEARNER_STEPS_MIN, .alpha = 0.1,
		.differs_min = 0.01, .seed = 1,
	};
}

static int copy_model(const struct model *from, struct model *to)
{
	*to = *from;
	to->data = malloc(from->size ? from->size : 1);
	if (!to->data)
		return -ENOMEM;
	if (from->size)
		memcpy(to->data, from->data, from->size);
	return 0;
}

static void forget_data(struct learner_core *k)
{
	cql_free(k->cql);
	dataset_free(k->data);
	k->cql = NULL;
	k->data = NULL;
}

/* The network as it begins. */
static int begin(struct learner_core *k, struct sl_err *e)
{
	struct ecn_agent_config c;
	const void *blob;
	double first;
	size_t size;
	int r;

	forget_data(k);
	ecn_agent_free(k->agent);
	k->agent = NULL;
	k->steps = 0;
	k->has_loss = false;
	ecn_agent_config_default(&c);
	c.explore = c.learn = false;
	c.seed = k->config.seed;
	r = ecn_agent_new(&c, &k->agent);
	if (r)
		return sl_err(e, r, "out of memory");
	if (!k->start.data)
		return 0;
	blob = strcmp(k->start.kind, policy_ddqn.name) ? NULL :
	       learned_blob(&k->start, &first, &size);
	if (!blob || ecn_agent_load(k->agent, blob, size))
		return sl_err(e, -EINVAL, "a model of kind %s is none that learning in the background "
			      "can begin with", k->start.kind);
	return 0;
}

int learner_core_new(const struct learner_config *c, struct learner_core **ret, struct sl_err *e)
{
	struct learner_core *k = calloc(1, sizeof(*k));
	int r = 0;

	if (!k)
		return sl_err(e, -ENOMEM, "out of memory");
	k->config = *c;
	ecn_agent_shape(&k->shape);
	k->width = (size_t)k->shape.max_rows * k->shape.n_features;
	k->rows = calloc(c->window, sizeof(*k->rows));
	k->x = calloc(c->window, 2 * k->width * sizeof(*k->x));
	if (!k->rows || !k->x)
		r = sl_err(e, -ENOMEM, "out of memory");
	if (!r && c->start && copy_model(c->start, &k->start))
		r = sl_err(e, -ENOMEM, "out of memory");
	if (!r)
		r = begin(k, e);
	if (r) {
		learner_core_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

void learner_core_free(struct learner_core *k)
{
	if (!k)
		return;
	forget_data(k);
	ecn_agent_free(k->agent);
	model_free(&k->start);
	free(k->rows);
	free(k->x);
	free(k);
}

/* --- the window -------------------------------------------------------------- */

static bool all_finite(const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return false;
	return true;
}

static bool row_ok(const struct learner_core *k, const struct translog_row *row)
{
	const size_t features = k->shape.n_features;

	return row->rows && row->rows <= k->shape.max_rows &&
	       row->next_rows <= k->shape.max_rows && row->action < row->rows &&
	       row->probability >= 0 && row->probability <= 1 && isfinite(row->reward) &&
	       row->discount >= 0 && row->discount < 1 &&
	       all_finite(row->x, row->rows * features) &&
	       all_finite(row->next_x, row->next_rows * features);
}

int learner_core_add(struct learner_core *k, const struct translog_row *row)
{
	const size_t at = k->added % k->config.window, row_bytes = k->shape.n_features * sizeof(float);
	float *x = k->x + at * 2 * k->width, *next = x + k->width;
	struct kept_row *one = &k->rows[at];

	if (!row_ok(k, row))
		return -EINVAL;
	memcpy(x, row->x, row->rows * row_bytes);
	if (row->next_rows)
		memcpy(next, row->next_x, row->next_rows * row_bytes);
	one->row = *row;
	one->row.x = x;
	one->row.next_x = next;
	one->row.mask = one->row.next_mask = NULL;
	one->number = k->added++;
	if (k->n < k->config.window)
		k->n++;
	return 0;
}

size_t learner_core_rows(const struct learner_core *k)
{
	return k->n;
}

/* --- learning ---------------------------------------------------------------- */

static bool is_judge(const struct kept_row *one)
{
	return one->number % KEPT == KEPT - 1;
}

static int make_data(struct learner_core *k)
{
	const struct translog_shape *s = &k->shape;
	struct dataset *data = NULL;
	struct cql *cql = NULL;
	int r = dataset_new(s->n_features, s->outputs, s->max_rows, &data);

	for (size_t i = 0; i < k->n && !r; i++) {
		const struct translog_row *row = &k->rows[i].row;
		const struct dataset_row one = {
			.obs = { row->x, NULL, row->rows }, .action = row->action,
			.behaviour = row->probability, .reward = row->reward * s->reward_scale,
			.discount = row->discount, .next = { row->next_x, NULL, row->next_rows },
		};

		if (!is_judge(&k->rows[i]))
			r = dataset_add(data, &one);
	}
	if (!r)
		r = cql_new(ecn_agent_network(k->agent), data, (float)k->config.alpha, &cql);
	if (r) {
		dataset_free(data);
		return r;
	}
	forget_data(k);
	k->data = data;
	k->cql = cql;
	k->in_data = k->added;
	return 0;
}

int learner_core_step(struct learner_core *k, double *td, double *gap)
{
	struct cql_loss loss;
	int r;

	if (k->n < k->config.rows_min)
		return -EAGAIN;
	if (!k->cql || (k->added - k->in_data) * FRESH_PART >= k->config.window) {
		r = make_data(k);
		if (r)
			return r;
	}
	r = cql_update(k->cql, &loss);
	if (r == -EDOM) {
		begin(k, NULL);
		return r;
	}
	if (r)
		return r;
	k->steps++;
	k->td += (k->has_loss ? MEAN_WEIGHT : 1) * (loss.td - k->td);
	k->gap += (k->has_loss ? MEAN_WEIGHT : 1) * (loss.gap - k->gap);
	k->has_loss = true;
	*td = k->td;
	*gap = k->gap;
	return 0;
}

uint64_t learner_core_steps(const struct learner_core *k)
{
	return k->steps;
}

/* --- candidates -------------------------------------------------------------- */

/*
 * What is handed over. Today the network itself; a tree that is distilled from its values on the
 * window's states is made here.
 */
static int make_model(const struct learner_core *k, struct model *m)
{
	void *blob;
	size_t size;
	int r = ecn_agent_save(k->agent, &blob, &size);

	if (r)
		return r;
	r = learned_set(m, policy_ddqn.name, START, blob, size);
	free(blob);
	if (r)
		return r;
	snprintf(m->command, sizeof(m->command), "sluiced background cql alpha %g seed %llu rows %zu "
		 "steps %llu", k->config.alpha, (unsigned long long)k->config.seed, k->n,
		 (unsigned long long)k->steps);
	return 0;
}

struct judging {
	uint64_t plain, differs;	/* not explored; of these */
	uint64_t judged, supported;
	double logged, sum, weights, squares;
};

static void judge_row(struct judging *j, const struct kept_row *one, int choice)
{
	const struct translog_row *row = &one->row;
	const bool explored = row->flags & TRANSLOG_EXPLORED;
	const bool agrees = choice == (int)row->action;

	if (!explored) {
		j->plain++;
		j->differs += !agrees;
	}
	if (!is_judge(one))
		return;
	j->judged++;
	j->logged += row->reward;
	if (!(row->probability > 0))
		return;
	/* Where chance had a hand in it, every candidate had one. */
	j->supported += agrees || explored || row->probability < 1;
	if (agrees) {
		double w = 1 / row->probability;

		j->sum += w * row->reward;
		j->weights += w;
		j->squares += w * w;
	}
}

static void fill_report(const struct learner_core *k, const struct judging *j,
			struct learner_report *report)
{
	*report = (struct learner_report){
		.number = k->candidates, .rows = k->n, .steps = k->steps, .td = k->td,
		.gap = k->gap,
		.differs = j->plain ? (double)j->differs / (double)j->plain : 0,
		.support = j->judged ? (double)j->supported / (double)j->judged : 0,
		.ess = j->squares > 0 ? j->weights * j->weights / j->squares : 0,
		.logged = j->judged ? j->logged / (double)j->judged : NAN,
		.estimate = j->weights > 0 ? j->sum / j->weights : NAN,
	};
	for (size_t i = 0; i < k->n; i++) {
		report->known += k->rows[i].row.probability > 0;
		report->explored += (k->rows[i].row.flags & TRANSLOG_EXPLORED) != 0;
	}
}

/* 0, or -EDOM: a value is not finite; -EINTR. */
static int judge(struct learner_core *k, bool (*stop)(void *data), void *data, struct judging *j)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct translog_row *row = &k->rows[i].row;
		int choice = ecn_agent_prefers(k->agent, row->x, (int)row->rows);

		if (choice < 0)
			return -EDOM;
		if (i % STOP_ROWS == 0 && stop(data))
			return -EINTR;
		judge_row(j, &k->rows[i], choice);
	}
	return 0;
}

int learner_core_candidate(struct learner_core *k, bool (*stop)(void *data), void *data,
			   struct model *m, struct learner_report *report,
			   enum learner_verdict *verdict)
{
	struct judging j = { 0 };
	struct model made = { 0 };
	struct policy *p;
	int r = ecn_agent_health(k->agent) ? -EDOM : judge(k, stop, data, &j);

	if (r && r != -EDOM)
		return r;
	k->candidates++;
	fill_report(k, &j, report);
	if (r == -EDOM) {
		begin(k, NULL);
		*verdict = LEARNER_not_finite;
		return 0;
	}
	if (!(report->differs >= k->config.differs_min)) {
		*verdict = LEARNER_same;
		return 0;
	}
	r = make_model(k, &made);
	if (!r)
		r = policy_new(&made, &p, NULL);
	if (r) {
		model_free(&made);
		if (r == -ENOMEM)
			return r;
		*verdict = LEARNER_unusable;
		return 0;
	}
	policy_free(p);
	*m = made;
	*verdict = LEARNER_handed_over;
	return 0;
}
