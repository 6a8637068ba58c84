// SPDX-License-Identifier: GPL-2.0
#include "rl/ddqn.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl/blob.h"
#include "rl/ddqn_priv.h"

#define BLOB_MAGIC	0x4e514444u	/* "DDQN" in memory order */
#define BLOB_VERSION	2
#define BLOB_ARRAYS	5		/* online, target, Adam's m and v, the bounds */

/* dim[] of the network: features, the hidden layers that exist, outputs. Returns the layers. */
static unsigned int shape(const struct ddqn_config *c, unsigned int dim[4])
{
	unsigned int n = 0;

	dim[n++] = c->features;
	for (int i = 0; i < 2; i++)
		if (c->hidden[i])
			dim[n++] = c->hidden[i];
	dim[n] = c->outputs;
	return n;
}

int ddqn_new(const struct ddqn_config *c, struct ddqn **ret)
{
	struct rng root, init;
	unsigned int dim[4], layers;
	struct ddqn *d;
	int r = -ENOMEM;

	if (!c->features || !c->outputs || !c->max_rows || !c->batch || !c->replay_size ||
	    !(c->gamma >= 0.0f && c->gamma < 1.0f) || !(c->tau > 0.0f && c->tau <= 1.0f) ||
	    !(c->learning_rate > 0.0f) || !(c->priority_beta >= 0.0f && c->priority_beta <= 1.0f))
		return -EINVAL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->config = *c;
	layers = shape(c, dim);

	if ((r = mlp_init(&d->online, dim, layers)) < 0 ||
	    (r = mlp_init(&d->target, dim, layers)) < 0 ||
	    (r = mlp_pass_init(&d->pass, &d->online, c->max_rows)) < 0 ||
	    (r = mlp_pass_init(&d->batch_pass, &d->online, c->batch)) < 0 ||
	    (r = adam_init(&d->adam, d->online.n_params, c->learning_rate)) < 0 ||
	    (r = replay_init(&d->replay, c->features, c->outputs, c->replay_size)) < 0 ||
	    (c->priority_alpha != 0.0f &&
	     (r = replay_prioritise(&d->replay, c->priority_alpha)) < 0))
		goto fail;

	r = -ENOMEM;
	d->batch_x = calloc((size_t)c->batch * c->features, sizeof(*d->batch_x));
	d->grad_out = calloc((size_t)c->batch * c->outputs, sizeof(*d->grad_out));
	d->grad = calloc(d->online.n_params, sizeof(*d->grad));
	d->q = calloc((size_t)c->max_rows * c->outputs, sizeof(*d->q));
	d->y = calloc(c->batch, sizeof(*d->y));
	d->weight = calloc(c->batch, sizeof(*d->weight));
	d->index = calloc(c->batch, sizeof(*d->index));
	if (!d->batch_x || !d->grad_out || !d->grad || !d->q || !d->y || !d->weight || !d->index)
		goto fail;

	rng_seed(&root, c->seed);
	rng_split(&root, 0, &init);
	rng_split(&root, 1, &d->rng);
	mlp_randomize(&d->online, &init);
	memcpy(d->target.params, d->online.params, d->online.n_params * sizeof(float));
	*ret = d;
	return 0;
fail:
	ddqn_free(d);
	return r;
}

void ddqn_free(struct ddqn *d)
{
	if (!d)
		return;
	mlp_fini(&d->online);
	mlp_fini(&d->target);
	mlp_pass_fini(&d->pass);
	mlp_pass_fini(&d->batch_pass);
	adam_fini(&d->adam);
	replay_fini(&d->replay);
	free(d->batch_x);
	free(d->grad_out);
	free(d->grad);
	free(d->q);
	free(d->y);
	free(d->weight);
	free(d->index);
	free(d);
}

void ddqn_q(struct ddqn *d, const struct ddqn_obs *o, float *q)
{
	const float *out = mlp_forward(&d->online, &d->pass, o->x, o->rows);

	memcpy(q, out, (size_t)o->rows * d->config.outputs * sizeof(*q));
}

int ddqn_argmax(const float *q, const uint8_t *feasible, unsigned int n)
{
	int best = -1;

	for (unsigned int a = 0; a < n; a++)
		if ((!feasible || feasible[a]) && (best < 0 || q[a] > q[best]))
			best = a;
	return best;
}

int ddqn_greedy(struct ddqn *d, const struct ddqn_obs *o)
{
	ddqn_q(d, o, d->q);
	return ddqn_argmax(d->q, o->feasible, o->rows * d->config.outputs);
}

static bool all_finite(const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return false;
	return true;
}

void ddqn_store(struct ddqn *d, const struct ddqn_transition *t)
{
	const struct ddqn_config *c = &d->config;
	const struct replay_item item = {
		.row_x = t->row_x, .output = t->output, .reward = t->reward,
		.discount = t->discount, .policy = d->updates, .next_x = t->next.x,
		.next_feasible = t->next.feasible, .next_rows = t->next.rows,
	};

	/* One bad number would spread through every weight: such a transition is left out. */
	if (t->output >= c->outputs || t->next.rows > c->max_rows || !isfinite(t->reward) ||
	    !(t->discount >= 0.0f && t->discount < 1.0f) || !all_finite(t->row_x, c->features) ||
	    !all_finite(t->next.x, (size_t)t->next.rows * c->features))
		return;
	ddqn_bound(d, t->reward, t->discount);
	/* Out of memory: learning goes on with what the ring holds. */
	(void)replay_add(&d->replay, &item);
}

void ddqn_remember(struct ddqn *d, const float *row_x, unsigned int output, float reward,
		   const struct ddqn_obs *next)
{
	ddqn_store(d, &(struct ddqn_transition){
		.row_x = row_x, .output = output, .reward = reward,
		.discount = d->config.gamma, .next = *next,
	});
}

void ddqn_bound(struct ddqn *d, float reward, float discount)
{
	const float sum = reward / (1.0f - discount);

	d->bound[0] = fminf(d->bound[0], sum);
	d->bound[1] = fmaxf(d->bound[1], sum);
}

float ddqn_target(struct ddqn *d, float reward, float discount, const struct ddqn_obs *next)
{
	const struct ddqn_config *c = &d->config;
	int best = -1;
	float value;

	if (next->rows)
		best = ddqn_argmax(mlp_forward(&d->online, &d->pass, next->x, next->rows),
				     next->feasible, next->rows * c->outputs);
	if (best < 0)
		return reward;
	/* Of the target network only the chosen row is needed. */
	value = mlp_forward(&d->target, &d->pass,
			    next->x + (size_t)(best / c->outputs) * c->features,
			    1)[best % c->outputs];
	return reward + discount * fminf(fmaxf(value, d->bound[0]), d->bound[1]);
}

float ddqn_huber(float error, float *derivative)
{
	const float size = fabsf(error);

	*derivative = size <= 1.0f ? error : copysignf(1.0f, error);
	return size <= 1.0f ? 0.5f * error * error : size - 0.5f;
}

/*
 * What is drawn too often counts less: (N P(i))^-beta, over the largest of the batch, so that
 * weights only ever shrink a step.
 */
static void draw_batch(struct ddqn *d)
{
	const struct ddqn_config *c = &d->config;
	const double past = c->beta_updates ? fmin(1.0, (double)d->updates / c->beta_updates) : 0.0;
	const double beta = c->priority_beta + (1.0 - c->priority_beta) * past;
	float largest = 0.0f;

	for (unsigned int i = 0; i < c->batch; i++) {
		double ratio;

		d->index[i] = replay_draw(&d->replay, &d->rng, i, c->batch, &ratio);
		d->weight[i] = pow(ratio, -beta);
		largest = fmaxf(largest, d->weight[i]);
	}
	d->policy_age = 0.0;
	for (unsigned int i = 0; i < c->batch; i++) {
		const struct replay_entry *e = &d->replay.entries[d->index[i]];

		d->weight[i] /= largest;
		memcpy(d->batch_x + (size_t)i * c->features, e->row_x,
		       c->features * sizeof(float));
		d->y[i] = ddqn_target(d, e->reward, e->discount, &(struct ddqn_obs){
					e->next_x, e->next_feasible, e->next_rows });
		d->policy_age += (double)(int64_t)(d->updates - e->policy) / c->batch;
	}
}

static void target_follow(struct ddqn *d)
{
	const struct ddqn_config *c = &d->config;

	if (!c->target_period) {
		for (size_t i = 0; i < d->online.n_params; i++)
			d->target.params[i] += c->tau * (d->online.params[i] - d->target.params[i]);
	} else if (d->updates % c->target_period == 0) {
		memcpy(d->target.params, d->online.params, d->online.n_params * sizeof(float));
	}
}

float ddqn_update(struct ddqn *d)
{
	const struct ddqn_config *c = &d->config;
	const float *q;		/* (batch, outputs) */
	double loss = 0.0, size = 0.0;

	if (!d->replay.used || d->replay.used < c->warmup)
		return -1.0f;
	draw_batch(d);

	q = mlp_forward(&d->online, &d->batch_pass, d->batch_x, c->batch);
	memset(d->grad_out, 0, (size_t)c->batch * c->outputs * sizeof(float));
	for (unsigned int i = 0; i < c->batch; i++) {
		const size_t at = (size_t)i * c->outputs + d->replay.entries[d->index[i]].output;
		const float err = q[at] - d->y[i], w = d->weight[i] / c->batch;
		float slope;

		loss += w * ddqn_huber(err, &slope);
		d->grad_out[at] = w * slope;
		size += fabsf(q[at]) / c->batch;
		replay_set_priority(&d->replay, d->index[i], err);
	}
	memset(d->grad, 0, d->online.n_params * sizeof(float));
	mlp_backward(&d->online, &d->batch_pass, d->grad_out, d->grad);
	return ddqn_descend(d, loss, size) < 0 ? -1.0f : loss;
}

/* Ten times: a network that has seen little may be wrong about values without running away. */
#define DIVERGED	10.0

int ddqn_descend(struct ddqn *d, double loss, double size)
{
	d->sick = !(size <= DIVERGED * (1.0 + fmaxf(-d->bound[0], d->bound[1])));
	/* A gradient that overflowed is not applied; the weights stay finite. */
	if (!isfinite(loss) || !mlp_clip(d->grad, d->online.n_params, d->config.grad_clip)) {
		d->sick = true;
		return -EDOM;
	}
	adam_step(&d->adam, d->online.params, d->grad);
	d->updates++;
	target_follow(d);
	return 0;
}

int ddqn_health(const struct ddqn *d)
{
	return d->sick ? -EDOM : 0;
}

void ddqn_set_learning_rate(struct ddqn *d, float rate)
{
	d->adam.rate = rate;
}

double ddqn_policy_age(const struct ddqn *d)
{
	return d->policy_age;
}

uint64_t ddqn_updates(const struct ddqn *d)
{
	return d->updates;
}

/* The parameter arrays in the order in which a blob holds them. */
static void blob_parts(const struct ddqn *d, struct blob_part part[BLOB_ARRAYS])
{
	part[0] = (struct blob_part){ d->online.params, d->online.n_params };
	part[1] = (struct blob_part){ d->target.params, d->online.n_params };
	part[2] = (struct blob_part){ d->adam.m, d->online.n_params };
	part[3] = (struct blob_part){ d->adam.v, d->online.n_params };
	part[4] = (struct blob_part){ (float *)d->bound, 2 };
}

static struct blob_head blob_head(const struct ddqn *d)
{
	return (struct blob_head) {
		.magic = BLOB_MAGIC,
		.version = BLOB_VERSION,
		.features = d->config.features,
		.outputs = d->config.outputs,
		.hidden = { d->config.hidden[0], d->config.hidden[1] },
		.n_params = d->online.n_params,
		.updates = d->updates,
		.adam_steps = d->adam.t,
	};
}

int ddqn_save(const struct ddqn *d, void **blob, size_t *size)
{
	const struct blob_head head = blob_head(d);
	struct blob_part part[BLOB_ARRAYS];

	blob_parts(d, part);
	return blob_save(&head, part, BLOB_ARRAYS, blob, size);
}

int ddqn_load(struct ddqn *d, const void *blob, size_t size)
{
	struct blob_head head = blob_head(d);
	struct blob_part part[BLOB_ARRAYS];
	int r;

	blob_parts(d, part);
	r = blob_load(&head, part, BLOB_ARRAYS, blob, size);
	if (r)
		return r;
	d->updates = head.updates;
	d->adam.t = head.adam_steps;
	d->sick = false;
	return 0;
}
