// SPDX-License-Identifier: GPL-2.0
/*
 * Both learners need the values of all actions of an observation, and observations have any number
 * of rows: the rows of a batch are laid out one after the other, pass through the network at once,
 * and each observation finds its own by an offset.
 */
#include "rl/offline.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl/blob.h"
#include "rl/ddqn_priv.h"

#define BC_MAGIC	0x4f4c4342u	/* "BCLO" in memory order */
#define BC_VERSION	1
#define BC_PARTS	3		/* parameters, Adam's m and v */
#define LAYERS_MAX	4

/* A batch of whole observations. */
struct batch {
	unsigned int n;			/* observations */
	unsigned int rows;		/* of all of them */
	struct mlp_pass pass;		/* (n * max_rows, ...) */
	struct dataset_row *row;	/* (n) */
	unsigned int *at;		/* (n) first row */
	float *x;			/* (n * max_rows, features) */
	float *grad_out;		/* (n * max_rows, outputs) */
};

static int batch_init(struct batch *b, const struct mlp *m, unsigned int n, unsigned int max_rows)
{
	const size_t rows = (size_t)n * max_rows;

	if (rows > UINT32_MAX / 2)
		return -EINVAL;
	b->n = n;
	b->row = calloc(n, sizeof(*b->row));
	b->at = calloc(n, sizeof(*b->at));
	b->x = calloc(rows * m->dim[0], sizeof(*b->x));
	b->grad_out = calloc(rows * m->dim[m->layers], sizeof(*b->grad_out));
	if (!b->row || !b->at || !b->x || !b->grad_out)
		return -ENOMEM;
	return mlp_pass_init(&b->pass, m, rows);
}

static void batch_fini(struct batch *b)
{
	free(b->row);
	free(b->at);
	free(b->x);
	free(b->grad_out);
	mlp_pass_fini(&b->pass);
}

static void batch_draw(struct batch *b, const struct dataset *data, struct rng *rng)
{
	const unsigned int features = dataset_features(data);

	b->rows = 0;
	for (unsigned int i = 0; i < b->n; i++) {
		struct dataset_row *r = &b->row[i];

		dataset_get(data, rng_below(rng, dataset_size(data)), r);
		b->at[i] = b->rows;
		memcpy(b->x + (size_t)b->rows * features, r->obs.x,
		       (size_t)r->obs.rows * features * sizeof(float));
		b->rows += r->obs.rows;
	}
}

/* p = softmax of v over the feasible, 0 elsewhere. Returns log sum exp; -INFINITY if none is. */
static double softmax(const float *v, const uint8_t *feasible, unsigned int n, float *p)
{
	double max = -INFINITY, sum = 0.0;

	for (unsigned int i = 0; i < n; i++)
		if (!feasible || feasible[i])
			max = fmax(max, v[i]);
	for (unsigned int i = 0; i < n; i++) {
		p[i] = !feasible || feasible[i] ? exp(v[i] - max) : 0.0;
		sum += p[i];
	}
	for (unsigned int i = 0; i < n && sum > 0.0; i++)
		p[i] /= sum;
	return max + log(sum);
}

static bool same_shape(const struct dataset *data, unsigned int features, unsigned int outputs,
		       unsigned int max_rows)
{
	return dataset_size(data) && dataset_size(data) <= UINT32_MAX &&
	       dataset_features(data) == features && dataset_outputs(data) == outputs &&
	       dataset_max_rows(data) <= max_rows;
}

/* --- behaviour cloning ------------------------------------------------------------ */

struct bc {
	struct bc_config config;
	struct mlp mlp;
	struct mlp_pass pass;		/* (max_rows, ...) */
	struct batch batch;
	struct adam adam;
	struct rng rng;
	float *grad;			/* (n_params) */
};

int bc_new(const struct bc_config *c, struct bc **ret)
{
	unsigned int dim[LAYERS_MAX], layers = 0;
	struct rng root, init;
	struct bc *b;
	int r;

	if (!c->features || !c->outputs || !c->max_rows || !c->batch ||
	    !(c->learning_rate > 0.0f))
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->config = *c;
	dim[layers++] = c->features;
	for (int i = 0; i < 2; i++)
		if (c->hidden[i])
			dim[layers++] = c->hidden[i];
	dim[layers] = c->outputs;
	if ((r = mlp_init(&b->mlp, dim, layers)) < 0 ||
	    (r = mlp_pass_init(&b->pass, &b->mlp, c->max_rows)) < 0 ||
	    (r = batch_init(&b->batch, &b->mlp, c->batch, c->max_rows)) < 0 ||
	    (r = adam_init(&b->adam, b->mlp.n_params, c->learning_rate)) < 0)
		goto fail;
	b->grad = calloc(b->mlp.n_params, sizeof(*b->grad));
	r = -ENOMEM;
	if (!b->grad)
		goto fail;
	rng_seed(&root, c->seed);
	rng_split(&root, 0, &init);
	rng_split(&root, 1, &b->rng);
	mlp_randomize(&b->mlp, &init);
	*ret = b;
	return 0;
fail:
	bc_free(b);
	return r;
}

void bc_free(struct bc *b)
{
	if (!b)
		return;
	mlp_fini(&b->mlp);
	mlp_pass_fini(&b->pass);
	batch_fini(&b->batch);
	adam_fini(&b->adam);
	free(b->grad);
	free(b);
}

int bc_update(struct bc *b, const struct dataset *data, double *loss)
{
	const struct bc_config *c = &b->config;
	struct batch *batch = &b->batch;
	const float *out;
	double sum = 0.0;

	if (!same_shape(data, c->features, c->outputs, c->max_rows))
		return -EINVAL;
	batch_draw(batch, data, &b->rng);
	out = mlp_forward(&b->mlp, &batch->pass, batch->x, batch->rows);
	for (unsigned int i = 0; i < batch->n; i++) {
		const struct dataset_row *r = &batch->row[i];
		const size_t at = (size_t)batch->at[i] * c->outputs;
		const unsigned int n = r->obs.rows * c->outputs;
		float *g = batch->grad_out + at;

		/* d/dlogit of -log p(a) is p - 1 at a, p elsewhere. */
		sum += softmax(out + at, r->obs.feasible, n, g) - out[at + r->action];
		g[r->action] -= 1.0f;
		for (unsigned int k = 0; k < n; k++)
			g[k] /= batch->n;
	}
	memset(b->grad, 0, b->mlp.n_params * sizeof(float));
	mlp_backward(&b->mlp, &batch->pass, batch->grad_out, b->grad);
	if (!isfinite(sum) || !mlp_clip(b->grad, b->mlp.n_params, c->grad_clip))
		return -EDOM;
	adam_step(&b->adam, b->mlp.params, b->grad);
	*loss = sum / batch->n;
	return 0;
}

void bc_probabilities(struct bc *b, const struct ddqn_obs *o, float *p)
{
	const float *out = mlp_forward(&b->mlp, &b->pass, o->x, o->rows);

	softmax(out, o->feasible, o->rows * b->config.outputs, p);
}

int bc_greedy(struct bc *b, const struct ddqn_obs *o)
{
	const float *out = mlp_forward(&b->mlp, &b->pass, o->x, o->rows);

	return ddqn_argmax(out, o->feasible, o->rows * b->config.outputs);
}

static void bc_parts(const struct bc *b, struct blob_part part[BC_PARTS])
{
	part[0] = (struct blob_part){ b->mlp.params, b->mlp.n_params };
	part[1] = (struct blob_part){ b->adam.m, b->mlp.n_params };
	part[2] = (struct blob_part){ b->adam.v, b->mlp.n_params };
}

static struct blob_head bc_head(const struct bc *b)
{
	return (struct blob_head) {
		.magic = BC_MAGIC,
		.version = BC_VERSION,
		.features = b->config.features,
		.outputs = b->config.outputs,
		.hidden = { b->config.hidden[0], b->config.hidden[1] },
		.n_params = b->mlp.n_params,
		.updates = b->adam.t,
		.adam_steps = b->adam.t,
	};
}

int bc_save(const struct bc *b, void **blob, size_t *size)
{
	const struct blob_head head = bc_head(b);
	struct blob_part part[BC_PARTS];

	bc_parts(b, part);
	return blob_save(&head, part, BC_PARTS, blob, size);
}

int bc_load(struct bc *b, const void *blob, size_t size)
{
	struct blob_head head = bc_head(b);
	struct blob_part part[BC_PARTS];
	int r;

	bc_parts(b, part);
	r = blob_load(&head, part, BC_PARTS, blob, size);
	if (!r)
		b->adam.t = head.adam_steps;
	return r;
}

int bc_new_like(const struct ddqn *d, struct bc **ret)
{
	const struct ddqn_config *c = &d->config;

	return bc_new(&(struct bc_config){
		.features = c->features, .outputs = c->outputs, .max_rows = c->max_rows,
		.hidden = { c->hidden[0], c->hidden[1] }, .batch = c->batch,
		.learning_rate = c->learning_rate, .grad_clip = c->grad_clip, .seed = c->seed,
	}, ret);
}

static bool alike(const struct bc *b, const struct ddqn *d)
{
	return b->mlp.layers == d->online.layers &&
	       !memcmp(b->mlp.dim, d->online.dim, (b->mlp.layers + 1) * sizeof(b->mlp.dim[0]));
}

int bc_give(const struct bc *b, struct ddqn *d)
{
	const size_t size = b->mlp.n_params * sizeof(float);

	if (!alike(b, d))
		return -EINVAL;
	memcpy(d->online.params, b->mlp.params, size);
	memcpy(d->target.params, b->mlp.params, size);
	memcpy(d->adam.m, b->adam.m, size);
	memcpy(d->adam.v, b->adam.v, size);
	d->adam.t = d->updates = b->adam.t;
	return 0;
}

int bc_take(struct bc *b, const struct ddqn *d)
{
	const size_t size = b->mlp.n_params * sizeof(float);

	if (!alike(b, d))
		return -EINVAL;
	memcpy(b->mlp.params, d->online.params, size);
	memcpy(b->adam.m, d->adam.m, size);
	memcpy(b->adam.v, d->adam.v, size);
	b->adam.t = d->adam.t;
	return 0;
}

/* --- conservative Q-learning --------------------------------------------------------- */

struct cql {
	struct ddqn *ddqn;
	const struct dataset *data;
	float alpha;
	struct batch batch;
	struct rng rng;
};

int cql_new(struct ddqn *d, const struct dataset *data, float alpha, struct cql **ret)
{
	const struct ddqn_config *c = &d->config;
	struct dataset_row row;
	struct rng root;
	struct cql *n;
	int r;

	if (!same_shape(data, c->features, c->outputs, c->max_rows) ||
	    !(alpha >= 0.0f && isfinite(alpha)))
		return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->ddqn = d;
	n->data = data;
	n->alpha = alpha;
	rng_seed(&root, c->seed);
	rng_split(&root, 2, &n->rng);
	r = batch_init(&n->batch, &d->online, c->batch, c->max_rows);
	if (r < 0) {
		cql_free(n);
		return r;
	}
	for (size_t i = 0; i < dataset_size(data); i++) {
		dataset_get(data, i, &row);
		ddqn_bound(d, row.reward, row.discount);
	}
	*ret = n;
	return 0;
}

void cql_free(struct cql *c)
{
	if (!c)
		return;
	batch_fini(&c->batch);
	free(c);
}

int cql_update(struct cql *c, struct cql_loss *out)
{
	struct ddqn *d = c->ddqn;
	const unsigned int outputs = d->config.outputs;
	struct cql_loss loss = { 0 };
	struct batch *b = &c->batch;
	double size = 0.0;
	const float *q;
	int r;

	batch_draw(b, c->data, &c->rng);
	q = mlp_forward(&d->online, &b->pass, b->x, b->rows);
	for (unsigned int i = 0; i < b->n; i++) {
		const struct dataset_row *row = &b->row[i];
		const size_t at = (size_t)b->at[i] * outputs;
		const unsigned int n = row->obs.rows * outputs;
		const float taken = q[at + row->action];
		float *g = b->grad_out + at, slope;

		/* d/dQ of the gap is softmax(Q), less 1 at what was done. */
		loss.gap += (softmax(q + at, row->obs.feasible, n, g) - taken) / b->n;
		for (unsigned int k = 0; k < n; k++)
			g[k] *= c->alpha / b->n;
		loss.td += ddqn_huber(taken - ddqn_target(d, row->reward, row->discount,
							  &row->next), &slope) / b->n;
		g[row->action] += (slope - c->alpha) / b->n;
		size += fabsf(taken) / b->n;
	}
	memset(d->grad, 0, d->online.n_params * sizeof(float));
	mlp_backward(&d->online, &b->pass, b->grad_out, d->grad);
	r = ddqn_descend(d, loss.td + loss.gap, size);
	if (!r)
		r = ddqn_health(d);
	if (!r)
		*out = loss;
	return r;
}
