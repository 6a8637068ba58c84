// SPDX-License-Identifier: GPL-2.0
#include "policy/offline_learn.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "daemon/ecn_agent.h"
#include "policy/learned.h"
#include "policy/steer_model.h"
#include "rl/offline.h"
#include "rl/translog.h"

#define KEPT	10	/* one part in so many */
/* K / (C * RTT) of a queue before anything was observed: no log says it, so DCTCP's rule. */
#define START	(1.0 / 7)

/* --- the logs --------------------------------------------------------------------------- */

static int same_shape(const char *path, const struct translog_shape *have,
		      const struct translog_shape *want, struct sl_err *e)
{
	if (strcmp(have->agent, want->agent))
		return sl_err(e, -EINVAL, "%s: a log of the agent '%s', not of '%s'", path,
			      have->agent, want->agent);
	if (have->n_features != want->n_features || have->outputs != want->outputs ||
	    have->max_rows != want->max_rows)
		return sl_err(e, -EINVAL, "%s: its header has %u features and %u actions at most, "
			      "this version's agent %u and %u; it is of another version", path,
			      have->n_features, have->max_rows * have->outputs, want->n_features,
			      want->max_rows * want->outputs);
	for (uint32_t i = 0; i < want->n_features; i++)
		if (strcmp(have->feature[i].name, want->feature[i].name) ||
		    strcmp(have->feature[i].unit, want->feature[i].unit))
			return sl_err(e, -EINVAL, "%s: its feature %u is %s [%s], this version's "
				      "%s [%s]; it is of another version", path, i,
				      have->feature[i].name, have->feature[i].unit,
				      want->feature[i].name, want->feature[i].unit);
	if (have->reward_scale != want->reward_scale)
		return sl_err(e, -EINVAL, "%s: its rewards are learned times %g, this version's "
			      "times %g; it is of another version", path,
			      (double)have->reward_scale, (double)want->reward_scale);
	return 0;
}

struct filling {
	struct offline_data *data;
	struct translog_shape shape;
	size_t rows;		/* so far, of all files */
	size_t learn;		/* so many are learned from; 0: they are being counted */
	uLong crc;
};

static int take_row(struct filling *f, const struct translog_row *row)
{
	const struct dataset_row r = {
		.obs = { row->x, row->mask, row->rows },
		.action = row->action, .behaviour = row->probability,
		.reward = row->reward * f->shape.reward_scale, .discount = row->discount,
		.next = { row->next_x, row->next_mask, row->next_rows },
	};
	const float numbers[] = { row->reward, row->discount, row->probability };

	f->rows++;
	if (!f->learn)
		return 0;
	f->crc = crc32_z(f->crc, (const Bytef *)row->x,
			 (size_t)row->rows * f->shape.n_features * sizeof(float));
	f->crc = crc32_z(f->crc, (const Bytef *)numbers, sizeof(numbers)) + row->action;
	return dataset_add(f->rows > f->learn ? f->data->judge : f->data->learn, &r);
}

static int read_file(struct filling *f, const char *path, struct sl_err *e)
{
	struct translog_reader *log;
	struct translog_row row;
	size_t at = 0;
	int r = translog_read_open(path, &log, e);

	if (r)
		return r;
	r = same_shape(path, translog_read_shape(log), &f->shape, e);
	while (!r && (r = translog_read_next(log, &row, e)) == 1) {
		at++;
		r = take_row(f, &row);
		if (r)
			r = sl_err(e, r, r == -ENOMEM ? "out of memory" :
				   "%s: nothing can be learned from transition %zu: its discount "
				   "is not below 1, or a number is too large", path, at);
	}
	if (!r && f->learn)
		f->data->torn += translog_read_torn(log);
	translog_read_close(log);
	return r;
}

int offline_read(const char *const *paths, size_t n, bool steer, struct offline_data *out,
		 struct sl_err *e)
{
	struct offline_data d = { .steer = steer };
	struct filling f = { .data = &d };
	int r = 0;

	if (steer)
		steer_agent_shape(&f.shape);
	else
		ecn_agent_shape(&f.shape);
	for (size_t i = 0; i < n && !r; i++)
		r = read_file(&f, paths[i], e);
	if (!r && !f.rows)
		r = sl_err(e, -EINVAL, "%s%s: no transitions to learn from", n ? paths[0] : "no log",
			   n > 1 ? " and the others" : "");
	if (r)
		return r;
	f.learn = f.rows - f.rows / KEPT;
	f.rows = 0;
	d.reward_scale = f.shape.reward_scale;
	if (dataset_new(f.shape.n_features, f.shape.outputs, f.shape.max_rows, &d.learn) ||
	    dataset_new(f.shape.n_features, f.shape.outputs, f.shape.max_rows, &d.judge))
		r = sl_err(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n && !r; i++)
		r = read_file(&f, paths[i], e);
	d.crc = (uint32_t)f.crc;
	if (r)
		offline_free(&d);
	else
		*out = d;
	return r;
}

void offline_free(struct offline_data *d)
{
	dataset_free(d->learn);
	dataset_free(d->judge);
	*d = (struct offline_data){ 0 };
}

/* --- the agent that learns --------------------------------------------------------------- */

struct learner {
	struct offline_config config;
	struct ecn_agent *ecn;		/* one of both */
	struct steer_agent *steer;
	struct cql *cql;		/* one of both */
	struct bc *bc;
};

const struct curve_names offline_names[] = {
	[OFFLINE_CQL] = { "td_loss", "gap", "loss against the target of a step" },
	[OFFLINE_BC] = { "cross_entropy", "none", "cross-entropy with what was done" },
};

static struct ddqn *network(const struct learner *l)
{
	return l->ecn ? ecn_agent_network(l->ecn) : steer_agent_network(l->steer);
}

static void free_learner(void *learner)
{
	struct learner *l = learner;

	if (!l)
		return;
	cql_free(l->cql);
	bc_free(l->bc);
	ecn_agent_free(l->ecn);
	steer_agent_free(l->steer);
	free(l);
}

static int new_agent(bool steer, uint64_t seed, struct ecn_agent **ecn, struct steer_agent **ret)
{
	struct steer_agent_config sc;
	struct ecn_agent_config ec;

	ecn_agent_config_default(&ec);
	steer_agent_config_default(&sc);
	ec.seed = sc.seed = seed;
	ec.explore = ec.learn = sc.explore = sc.learn = false;
	return steer ? steer_agent_new(&sc, ret) : ecn_agent_new(&ec, ecn);
}

static int make(const void *config, void **ret)
{
	const struct offline_config *c = config;
	struct learner *l;
	int r;

	if (c->kind == OFFLINE_BC && c->data->steer)
		return -EINVAL;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->config = *c;
	r = new_agent(c->data->steer, c->seed, &l->ecn, &l->steer);
	if (!r)
		r = c->kind == OFFLINE_BC ? bc_new_like(network(l), &l->bc) :
		    cql_new(network(l), c->data->learn, (float)c->alpha, &l->cql);
	if (r)
		free_learner(l);
	else
		*ret = l;
	return r;
}

static int episode(void *learner, uint64_t n, double *plotted, double *beside)
{
	struct learner *l = learner;
	double sum = 0, gap = 0;
	int r = 0;

	(void)n;
	for (int i = 0; i < OFFLINE_STEPS && !r; i++) {
		struct cql_loss loss = { 0 };

		r = l->bc ? bc_update(l->bc, l->config.data->learn, &loss.td) :
		    cql_update(l->cql, &loss);
		sum += loss.td;
		gap += loss.gap;
	}
	if (!r && l->bc)
		r = bc_give(l->bc, network(l));
	if (r)
		return r;
	*plotted = sum / OFFLINE_STEPS;
	*beside = gap / OFFLINE_STEPS;
	return isfinite(sum) && isfinite(gap) ? 0 : -EDOM;
}

static int model(const void *learner, struct model *m)
{
	const struct learner *l = learner;
	void *blob;
	size_t size;
	int r;

	if (l->steer)
		return steer_model_set(m, NULL, l->steer);
	r = ecn_agent_save(l->ecn, &blob, &size);
	if (r)
		return r;
	r = learned_set(m, "ddqn", START, blob, size);
	free(blob);
	return r;
}

/* Of a learner's or another's; nothing is changed when it fails. */
static int load(const struct model *m, struct ecn_agent *ecn, struct steer_agent *steer)
{
	const void *blob;
	double start;
	size_t size;

	if (steer)
		return steer_model_load(m, steer, NULL);
	blob = strcmp(m->kind, "ddqn") ? NULL : learned_blob(m, &start, &size);
	return blob ? ecn_agent_load(ecn, blob, size) : -EBADMSG;
}

static int restore(void *learner, const struct model *m)
{
	struct learner *l = learner;
	int r = load(m, l->ecn, l->steer);

	if (!r && l->bc)
		r = bc_take(l->bc, network(l));
	return r && r != -ENOMEM ? -EBADMSG : r;
}

const struct trainer_ops offline_ops = {
	.make = make, .free = free_learner, .episode = episode, .model = model, .restore = restore,
};

void offline_describe(const struct offline_config *c, uint64_t episodes, char *text, size_t size)
{
	snprintf(text, size, "offline %s %s alpha %g seed %" PRIu64 " transitions %zu %08x "
		 "episodes %" PRIu64, c->data->steer ? "steer" : "ecn",
		 c->kind == OFFLINE_BC ? "bc" : "cql", c->alpha, c->seed,
		 dataset_size(c->data->learn), c->data->crc, episodes);
}

/* --- judging ------------------------------------------------------------------------------ */

int offline_judge(const struct offline_data *d, const struct model *m,
		  struct offline_verdict *out, struct sl_err *e)
{
	double all = 0, sum = 0, weights = 0, squares = 0;
	struct steer_agent *steer = NULL;
	struct ecn_agent *ecn = NULL;
	int r = new_agent(d->steer, 1, &ecn, &steer);

	if (!r)
		r = load(m, ecn, steer);
	for (size_t i = 0; i < dataset_size(d->judge) && !r; i++) {
		struct dataset_row row;
		struct ddqn *q = ecn ? ecn_agent_network(ecn) : steer_agent_network(steer);
		double w;

		dataset_get(d->judge, i, &row);
		all += row.reward;
		if (!(row.behaviour > 0) || ddqn_greedy(q, &row.obs) != (int)row.action)
			continue;
		w = 1 / row.behaviour;
		sum += w * row.reward;
		weights += w;
		squares += w * w;
	}
	ecn_agent_free(ecn);
	steer_agent_free(steer);
	if (r)
		return sl_err(e, r, "the model cannot be judged: %s", strerror(-r));
	*out = (struct offline_verdict){
		.n = dataset_size(d->judge),
		.logged = all / fmax((double)dataset_size(d->judge), 1) / d->reward_scale,
		.model = weights > 0 ? sum / weights / d->reward_scale : NAN,
		.worth = squares > 0 ? weights * weights / squares : 0,
	};
	return 0;
}
