// SPDX-License-Identifier: GPL-2.0
#include "rl/ppo.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"
#include "nn/mlp.h"
#include "rl/blob.h"

#define LAYERS		3
#define BLOB_MAGIC	0x314f5050u	/* "PPO1" in memory order */
#define BLOB_VERSION	1
#define BLOB_PARTS	9
#define BLOB_CONTINUOUS	0x80000000u	/* in the number of outputs */
#define MAX_ACTIONS	1024
#define LAST_LAYER_SCALE	0.01f	/* a first policy that prefers nothing */
#define LOG_2PI		1.8378770664093453

struct net {
	struct mlp mlp;
	struct mlp_pass one, batch;
	struct adam adam;
	float *grad;		/* (n_params) */
};

struct lane {
	unsigned int used;	/* steps stored */
	bool waiting;		/* for the result of the latest action */
};

struct ppo {
	struct ppo_config config;
	struct net policy, value;
	struct adam std_adam;
	struct rng rng;
	struct lane *lanes;

	/* The store: step t of a lane at lane * horizon + t; S = lanes * horizon. */
	float *x;		/* (S, features) */
	uint8_t *feasible;	/* (S, actions) */
	unsigned int *index;	/* (S) discrete */
	float *action;		/* (S, actions) continuous */
	float *logp, *reward, *v, *next_v, *advantage, *ret;	/* (S) */
	uint8_t *ends;		/* (S) */
	unsigned int *order;	/* (S) */

	float *batch_x;		/* (minibatch, features) */
	float *grad_out;	/* (minibatch, actions) */
	float *grad_v;		/* (minibatch) */
	float *log_std, *grad_std, *grad_std_one;	/* (actions) */
};

static int net_init(struct net *n, const struct ppo_config *c, unsigned int outputs,
		    struct rng *rng)
{
	const unsigned int dim[LAYERS + 1] = { c->features, c->hidden[0], c->hidden[1], outputs };
	int r;

	if ((r = mlp_init(&n->mlp, dim, LAYERS)) < 0)
		return r;
	n->mlp.activation = MLP_TANH;
	mlp_randomize(&n->mlp, rng);
	n->grad = calloc(n->mlp.n_params, sizeof(*n->grad));
	if (!n->grad)
		return -ENOMEM;
	if ((r = mlp_pass_init(&n->one, &n->mlp, 1)) < 0 ||
	    (r = mlp_pass_init(&n->batch, &n->mlp, c->minibatch)) < 0)
		return r;
	return adam_init(&n->adam, n->mlp.n_params, c->learning_rate);
}

static void net_fini(struct net *n)
{
	mlp_fini(&n->mlp);
	mlp_pass_fini(&n->one);
	mlp_pass_fini(&n->batch);
	adam_fini(&n->adam);
	free(n->grad);
}

static bool config_ok(const struct ppo_config *c)
{
	const uint64_t steps = (uint64_t)c->lanes * c->horizon;

	return c->features && c->actions && c->actions <= MAX_ACTIONS && steps &&
	       steps <= UINT32_MAX && c->epochs && c->minibatch && steps % c->minibatch == 0 &&
	       c->gamma >= 0.0f && c->gamma < 1.0f && c->lambda >= 0.0f && c->lambda <= 1.0f &&
	       c->clip > 0.0f && c->clip < 1.0f && c->entropy >= 0.0f && c->learning_rate > 0.0f;
}

int ppo_new(const struct ppo_config *c, struct ppo **ret)
{
	const size_t n = (size_t)c->lanes * c->horizon;
	struct rng root, init;
	struct mlp *m;
	struct ppo *p;
	int r;

	if (!config_ok(c))
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->config = *c;
	rng_seed(&root, c->seed);
	rng_split(&root, 0, &init);
	rng_split(&root, 1, &p->rng);
	if ((r = net_init(&p->policy, c, c->actions, &init)) < 0 ||
	    (r = net_init(&p->value, c, 1, &init)) < 0 ||
	    (r = adam_init(&p->std_adam, c->actions, c->learning_rate)) < 0)
		goto fail;
	m = &p->policy.mlp;
	for (size_t i = m->w_off[LAYERS - 1]; i < m->b_off[LAYERS - 1]; i++)
		m->params[i] *= LAST_LAYER_SCALE;

	r = -ENOMEM;
	p->lanes = calloc(c->lanes, sizeof(*p->lanes));
	p->x = calloc(n * c->features, sizeof(float));
	p->feasible = calloc(n * c->actions, 1);
	p->index = calloc(n, sizeof(*p->index));
	p->action = calloc(n * (c->continuous ? c->actions : 1), sizeof(float));
	p->logp = calloc(n, sizeof(float));
	p->reward = calloc(n, sizeof(float));
	p->v = calloc(n, sizeof(float));
	p->next_v = calloc(n, sizeof(float));
	p->advantage = calloc(n, sizeof(float));
	p->ret = calloc(n, sizeof(float));
	p->ends = calloc(n, 1);
	p->order = calloc(n, sizeof(*p->order));
	p->batch_x = calloc((size_t)c->minibatch * c->features, sizeof(float));
	p->grad_out = calloc((size_t)c->minibatch * c->actions, sizeof(float));
	p->grad_v = calloc(c->minibatch, sizeof(float));
	p->log_std = calloc(c->actions, sizeof(float));
	p->grad_std = calloc(c->actions, sizeof(float));
	p->grad_std_one = calloc(c->actions, sizeof(float));
	if (!p->lanes || !p->x || !p->feasible || !p->index || !p->action || !p->logp ||
	    !p->reward || !p->v || !p->next_v || !p->advantage || !p->ret || !p->ends ||
	    !p->order || !p->batch_x || !p->grad_out || !p->grad_v || !p->log_std ||
	    !p->grad_std || !p->grad_std_one)
		goto fail;
	*ret = p;
	return 0;
fail:
	ppo_free(p);
	return r;
}

void ppo_free(struct ppo *p)
{
	if (!p)
		return;
	net_fini(&p->policy);
	net_fini(&p->value);
	adam_fini(&p->std_adam);
	free(p->lanes);
	free(p->x);
	free(p->feasible);
	free(p->index);
	free(p->action);
	free(p->logp);
	free(p->reward);
	free(p->v);
	free(p->next_v);
	free(p->advantage);
	free(p->ret);
	free(p->ends);
	free(p->order);
	free(p->batch_x);
	free(p->grad_out);
	free(p->grad_v);
	free(p->log_std);
	free(p->grad_std);
	free(p->grad_std_one);
	free(p);
}

/* Draws from the softmax over the feasible; -1 when there is none. */
static int draw(struct ppo *p, const float *logit, const uint8_t *feasible, float *logp)
{
	const unsigned int n = p->config.actions;
	double max = -INFINITY, sum = 0.0, at;
	int last = -1;

	for (unsigned int i = 0; i < n; i++)
		if (feasible[i])
			max = fmax(max, logit[i]);
	for (unsigned int i = 0; i < n; i++)
		if (feasible[i])
			sum += exp(logit[i] - max);
	at = rng_uniform(&p->rng) * sum;
	for (unsigned int i = 0; i < n && at >= 0.0; i++) {
		if (!feasible[i])
			continue;
		at -= exp(logit[i] - max);
		last = i;
	}
	if (last >= 0)
		*logp = logit[last] - max - log(sum);
	return last;
}

static void draw_normal(struct ppo *p, const float *mean, float *value, float *logp)
{
	double sum = 0.0;

	for (unsigned int i = 0; i < p->config.actions; i++) {
		const double z = rng_normal(&p->rng);

		value[i] = mean[i] + exp(p->log_std[i]) * z;
		sum -= 0.5 * z * z + p->log_std[i] + 0.5 * LOG_2PI;
	}
	*logp = sum;
}

int ppo_act(struct ppo *p, unsigned int lane, const float *x, const uint8_t *feasible,
	    float *value)
{
	const struct ppo_config *c = &p->config;
	struct lane *l = &p->lanes[lane];
	const size_t s = (size_t)lane * c->horizon + l->used;
	const float *out;
	int action = 0;

	if (l->used == c->horizon)
		return -ENOSPC;
	if (feasible)
		memcpy(p->feasible + s * c->actions, feasible, c->actions);
	else
		memset(p->feasible + s * c->actions, 1, c->actions);
	memcpy(p->x + s * c->features, x, c->features * sizeof(*x));
	out = mlp_forward(&p->policy.mlp, &p->policy.one, x, 1);
	if (c->continuous) {
		draw_normal(p, out, value, &p->logp[s]);
		memcpy(p->action + s * c->actions, value, c->actions * sizeof(*value));
	} else {
		action = draw(p, out, p->feasible + s * c->actions, &p->logp[s]);
		if (action < 0)
			return -ENOENT;
		p->index[s] = action;
	}
	p->v[s] = *mlp_forward(&p->value.mlp, &p->value.one, x, 1);
	l->waiting = true;
	return action;
}

void ppo_result(struct ppo *p, unsigned int lane, float reward, const float *next_x,
		bool terminated, bool truncated)
{
	struct lane *l = &p->lanes[lane];
	const size_t s = (size_t)lane * p->config.horizon + l->used;

	if (!l->waiting)
		return;
	p->reward[s] = reward;
	p->ends[s] = terminated || truncated;
	p->next_v[s] = terminated ? 0.0f :
		       *mlp_forward(&p->value.mlp, &p->value.one, next_x, 1);
	l->waiting = false;
	l->used++;
}

bool ppo_full(const struct ppo *p)
{
	for (unsigned int i = 0; i < p->config.lanes; i++)
		if (p->lanes[i].used < p->config.horizon)
			return false;
	return true;
}

static void advantages(struct ppo *p)
{
	const struct ppo_config *c = &p->config;

	for (unsigned int i = 0; i < c->lanes; i++) {
		const size_t s = (size_t)i * c->horizon;

		ppo_gae(c->horizon, p->reward + s, p->v + s, p->next_v + s, p->ends + s, c->gamma,
			c->lambda, p->advantage + s);
	}
	for (size_t s = 0; s < (size_t)c->lanes * c->horizon; s++)
		p->ret[s] = p->advantage[s] + p->v[s];
}

/* Advantages of a minibatch are taken relative to their mean, in units of their deviation. */
static void mean_and_scale(const struct ppo *p, const unsigned int *order, double *mean,
			   double *scale)
{
	const unsigned int n = p->config.minibatch;
	double sum = 0.0, squares = 0.0;

	for (unsigned int i = 0; i < n; i++)
		sum += p->advantage[order[i]];
	*mean = sum / n;
	for (unsigned int i = 0; i < n; i++)
		squares += pow(p->advantage[order[i]] - *mean, 2);
	*scale = 1.0 / (sqrt(squares / n) + 1e-8);
}

static int learn_minibatch(struct ppo *p, const unsigned int *order, struct ppo_stats *stats)
{
	const struct ppo_config *c = &p->config;
	struct net *pi = &p->policy, *v = &p->value;
	const float *out, *value;
	double mean, scale, loss = 0.0;

	for (unsigned int i = 0; i < c->minibatch; i++)
		memcpy(p->batch_x + (size_t)i * c->features,
		       p->x + (size_t)order[i] * c->features, c->features * sizeof(float));
	mean_and_scale(p, order, &mean, &scale);
	memset(p->grad_std, 0, c->actions * sizeof(float));
	memset(pi->grad, 0, pi->mlp.n_params * sizeof(float));
	memset(v->grad, 0, v->mlp.n_params * sizeof(float));
	out = mlp_forward(&pi->mlp, &pi->batch, p->batch_x, c->minibatch);
	value = mlp_forward(&v->mlp, &v->batch, p->batch_x, c->minibatch);
	for (unsigned int i = 0; i < c->minibatch; i++) {
		const size_t s = order[i];
		const struct ppo_sample sample = {
			.advantage = (p->advantage[s] - mean) * scale, .old_logp = p->logp[s],
			.clip = c->clip, .entropy = c->entropy,
		};
		const float *o = out + (size_t)i * c->actions;
		float *g = p->grad_out + (size_t)i * c->actions;

		if (c->continuous)
			loss += ppo_loss_continuous(&sample, c->actions, o, p->log_std,
						    p->action + s * c->actions, g,
						    p->grad_std_one, stats);
		else
			loss += ppo_loss_discrete(&sample, c->actions, o,
						  p->feasible + s * c->actions, p->index[s], g,
						  stats);
		for (unsigned int k = 0; k < c->actions; k++) {
			g[k] /= c->minibatch;
			p->grad_std[k] += p->grad_std_one[k] / c->minibatch;
		}
		p->grad_v[i] = (value[i] - p->ret[s]) / c->minibatch;
		stats->value_loss += 0.5 * pow(value[i] - p->ret[s], 2);
	}
	mlp_backward(&pi->mlp, &pi->batch, p->grad_out, pi->grad);
	mlp_backward(&v->mlp, &v->batch, p->grad_v, v->grad);
	if (!isfinite(loss) || !mlp_clip(pi->grad, pi->mlp.n_params, c->grad_clip) ||
	    !mlp_clip(v->grad, v->mlp.n_params, c->grad_clip) ||
	    !mlp_clip(p->grad_std, c->actions, c->grad_clip))
		return -EDOM;
	adam_step(&pi->adam, pi->mlp.params, pi->grad);
	adam_step(&v->adam, v->mlp.params, v->grad);
	if (c->continuous)
		adam_step(&p->std_adam, p->log_std, p->grad_std);
	return 0;
}

int ppo_update(struct ppo *p, struct ppo_stats *out)
{
	const struct ppo_config *c = &p->config;
	const unsigned int n = c->lanes * c->horizon;
	struct ppo_stats stats = { 0 };
	int r = 0;

	if (!ppo_full(p))
		return -EAGAIN;
	advantages(p);
	for (unsigned int i = 0; i < n; i++)
		p->order[i] = i;
	for (unsigned int e = 0; e < c->epochs; e++) {
		for (unsigned int i = n - 1; i > 0; i--) {
			const unsigned int j = rng_below(&p->rng, i + 1), swap = p->order[i];

			p->order[i] = p->order[j];
			p->order[j] = swap;
		}
		for (unsigned int i = 0; i < n; i += c->minibatch)
			if (learn_minibatch(p, p->order + i, &stats) < 0)
				r = -EDOM;
	}
	for (unsigned int i = 0; i < c->lanes; i++)
		p->lanes[i].used = 0;
	if (r < 0)
		return r;
	out->entropy = stats.entropy / c->epochs / n;
	out->clipped = stats.clipped / c->epochs / n;
	out->value_loss = stats.value_loss / c->epochs / n;
	return 0;
}

void ppo_set_learning_rate(struct ppo *p, float rate)
{
	p->policy.adam.rate = p->value.adam.rate = p->std_adam.rate = rate;
}

int ppo_greedy(struct ppo *p, const float *x, const uint8_t *feasible, float *value)
{
	const float *out = mlp_forward(&p->policy.mlp, &p->policy.one, x, 1);
	int best = -1;

	if (p->config.continuous) {
		memcpy(value, out, p->config.actions * sizeof(*value));
		return 0;
	}
	for (unsigned int i = 0; i < p->config.actions; i++)
		if ((!feasible || feasible[i]) && (best < 0 || out[i] > out[best]))
			best = i;
	return best < 0 ? -ENOENT : best;
}

int ppo_log_probabilities(struct ppo *p, const float *x, float *log_p)
{
	const float *out;
	float most = -INFINITY, sum = 0;

	if (p->config.continuous)
		return -EINVAL;
	out = mlp_forward(&p->policy.mlp, &p->policy.one, x, 1);
	for (unsigned int i = 0; i < p->config.actions; i++)
		most = fmaxf(most, out[i]);
	for (unsigned int i = 0; i < p->config.actions; i++)
		sum += expf(out[i] - most);
	for (unsigned int i = 0; i < p->config.actions; i++)
		log_p[i] = out[i] - most - logf(sum);
	return 0;
}

/* --- saving ------------------------------------------------------------------- */

static void blob_parts(const struct ppo *p, struct blob_part part[BLOB_PARTS])
{
	const struct net *net[] = { &p->policy, &p->value };
	size_t n = 0;

	for (int i = 0; i < 2; i++) {
		part[n++] = (struct blob_part){ net[i]->mlp.params, net[i]->mlp.n_params };
		part[n++] = (struct blob_part){ net[i]->adam.m, net[i]->mlp.n_params };
		part[n++] = (struct blob_part){ net[i]->adam.v, net[i]->mlp.n_params };
	}
	part[n++] = (struct blob_part){ p->log_std, p->config.actions };
	part[n++] = (struct blob_part){ p->std_adam.m, p->config.actions };
	part[n] = (struct blob_part){ p->std_adam.v, p->config.actions };
}

static struct blob_head blob_head(const struct ppo *p)
{
	return (struct blob_head) {
		.magic = BLOB_MAGIC,
		.version = BLOB_VERSION,
		.features = p->config.features,
		.outputs = p->config.actions | (p->config.continuous ? BLOB_CONTINUOUS : 0),
		.hidden = { p->config.hidden[0], p->config.hidden[1] },
		.n_params = p->policy.mlp.n_params + p->value.mlp.n_params,
		.updates = p->std_adam.t,
		.adam_steps = p->policy.adam.t,
	};
}

int ppo_save(const struct ppo *p, void **blob, size_t *size)
{
	const struct blob_head head = blob_head(p);
	struct blob_part part[BLOB_PARTS];

	blob_parts(p, part);
	return blob_save(&head, part, BLOB_PARTS, blob, size);
}

int ppo_load(struct ppo *p, const void *blob, size_t size)
{
	struct blob_head head = blob_head(p);
	struct blob_part part[BLOB_PARTS];
	int r;

	blob_parts(p, part);
	r = blob_load(&head, part, BLOB_PARTS, blob, size);
	if (r)
		return r;
	p->std_adam.t = head.updates;
	p->policy.adam.t = p->value.adam.t = head.adam_steps;
	return 0;
}
