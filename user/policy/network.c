// SPDX-License-Identifier: GPL-2.0
#include "policy/network.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"
#include "nn/mlp.h"
#include "policy/policy.h"

#define HIDDEN		32
#define LAYERS		3
#define HEAD		(1 + 2 * FEATURES)
#define X_MOST		4.0f	/* standard deviations: no further, however odd a queue is */

#define STEPS		8000
#define BATCH		64
#define RATE		1e-3f	/* at first; goes to 0 in a straight line */
#define DECAY		3e-3f
/* How bad a bad threshold is matters little: regrets are bent so that they stay below. */
#define REGRET_MOST	0.2
#define GRAD_CLIP	5.0f

static const unsigned int shape[LAYERS + 1] = { FEATURES, HIDDEN, HIDDEN, POLICY_TEMPLATES };

/* Of the model: number[0] is the start. */
static void normalise(const double *number, const double *x, float *to)
{
	for (int i = 0; i < FEATURES; i++)
		to[i] = fminf(fmaxf((x[i] - number[1 + i]) * number[1 + FEATURES + i], -X_MOST),
			      X_MOST);
}

/* --- the policy ---------------------------------------------------------------------- */

struct network {
	struct policy policy;
	struct policy_watch watch;
	double head[HEAD];
	struct mlp mlp;
	struct mlp_pass pass;
};

static int init(struct policy *p, const struct model *m)
{
	struct network *n = (struct network *)p;
	size_t have;
	const double *number = model_numbers(m, &have);
	int r = mlp_init(&n->mlp, shape, LAYERS);

	if (r)
		return r;
	if (!number || have != HEAD + n->mlp.n_params || !(number[0] > 0))
		return -EBADMSG;
	memcpy(n->head, number, sizeof(n->head));
	for (size_t i = 0; i < n->mlp.n_params; i++)
		n->mlp.params[i] = number[HEAD + i];
	return mlp_pass_init(&n->pass, &n->mlp, 1);
}

static void fini(struct policy *p)
{
	struct network *n = (struct network *)p;

	mlp_fini(&n->mlp);
	mlp_pass_fini(&n->pass);
}

static void reset(struct policy *p)
{
	((struct network *)p)->watch = (struct policy_watch){ 0 };
}

static struct qdisc_triple start(struct policy *p, const struct ecn_interval *in)
{
	return policy_step(in, ((struct network *)p)->head[0] * policy_bdp_bytes(in));
}

/* Where the parabola through the least of them and its neighbours is least. */
static double least(const float *regret)
{
	int best = 0;
	double a, b, c;

	for (int k = 1; k < POLICY_TEMPLATES; k++)
		if (regret[k] < regret[best])
			best = k;
	if (best == 0 || best == POLICY_TEMPLATES - 1)
		return best;
	a = regret[best - 1];
	b = regret[best];
	c = regret[best + 1];
	return a - 2 * b + c > 1e-6 ? best + (a - c) / (2 * (a - 2 * b + c)) : best;
}

static int forward(struct network *n, const double *x, const float **regret)
{
	float row[FEATURES];

	normalise(n->head, x, row);
	*regret = mlp_forward(&n->mlp, &n->pass, row, 1);
	for (int k = 0; k < POLICY_TEMPLATES; k++)
		if (!isfinite((*regret)[k]))	/* parameters that were finite and far too large */
			return -EDOM;
	return 0;
}

static int decide(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t)
{
	struct network *n = (struct network *)p;
	double x[FEATURES];
	const float *regret;
	int r;

	if (!policy_watch(&n->watch, in, x))
		return 0;
	r = forward(n, x, &regret);
	if (!r)
		policy_move(&n->watch, in, least(regret) - POLICY_BELOW, t);
	return r;
}

const struct policy_ops policy_network = {
	.name = "network", .size = sizeof(struct network), .init = init, .start = start,
	.decide = decide, .reset = reset, .fini = fini,
};

int network_regret(struct policy *p, const double *x, double *regret)
{
	const float *out;
	int r = p->ops == &policy_network ? forward((struct network *)p, x, &out) : -EINVAL;

	for (int k = 0; !r && k < POLICY_TEMPLATES; k++)
		regret[k] = out[k];
	return r;
}

/* --- the fit --------------------------------------------------------------------------- */

struct fitting {
	const double *x, *regret;
	size_t n;
	struct mlp mlp;
	struct mlp_pass pass;
	struct adam adam;
	float *grad;
	struct rng rng;
};

static int head_of(const struct fitting *f, double start, double head[HEAD])
{
	head[0] = start;
	for (int i = 0; i < FEATURES; i++) {
		double sum = 0, squares = 0;

		for (size_t j = 0; j < f->n; j++) {
			sum += f->x[j * FEATURES + i] / f->n;
			squares += f->x[j * FEATURES + i] * f->x[j * FEATURES + i] / f->n;
		}
		head[1 + i] = sum;
		head[1 + FEATURES + i] = 1 / fmax(sqrt(fmax(squares - sum * sum, 0)), 1e-3);
		if (!isfinite(sum) || !isfinite(squares))
			return -EDOM;
	}
	return 0;
}

/* One batch, drawn from all samples: half the squared error of the bent regrets. */
static int batch(struct fitting *f, const double *head)
{
	float x[BATCH * FEATURES], grad_out[BATCH * POLICY_TEMPLATES];
	size_t which[BATCH];
	const float *out;

	for (int b = 0; b < BATCH; b++) {
		which[b] = rng_below(&f->rng, f->n);
		normalise(head, f->x + which[b] * FEATURES, x + b * FEATURES);
	}
	out = mlp_forward(&f->mlp, &f->pass, x, BATCH);
	for (int i = 0; i < BATCH * POLICY_TEMPLATES; i++) {
		const double *regret = f->regret + which[i / POLICY_TEMPLATES] * POLICY_TEMPLATES;
		const double want = tanh(regret[i % POLICY_TEMPLATES] / REGRET_MOST) * REGRET_MOST;

		grad_out[i] = (out[i] - want) / BATCH;
	}
	memset(f->grad, 0, f->mlp.n_params * sizeof(*f->grad));
	mlp_backward(&f->mlp, &f->pass, grad_out, f->grad);
	for (size_t i = 0; i < f->mlp.n_params; i++)
		f->grad[i] += DECAY * f->mlp.params[i];
	if (!mlp_clip(f->grad, f->mlp.n_params, GRAD_CLIP))
		return -EDOM;
	adam_step(&f->adam, f->mlp.params, f->grad);
	return 0;
}

static int begin(struct fitting *f, uint64_t seed)
{
	int r = mlp_init(&f->mlp, shape, LAYERS);

	if (!r)
		r = mlp_pass_init(&f->pass, &f->mlp, BATCH);
	if (!r)
		r = adam_init(&f->adam, f->mlp.n_params, RATE);
	if (r)
		return r;
	f->grad = calloc(f->mlp.n_params, sizeof(*f->grad));
	if (!f->grad)
		return -ENOMEM;
	rng_seed(&f->rng, seed);
	mlp_randomize(&f->mlp, &f->rng);
	return 0;
}

static int write_numbers(const struct fitting *f, const double head[HEAD], struct model *m)
{
	double *number = malloc((HEAD + f->mlp.n_params) * sizeof(*number));
	int r;

	if (!number)
		return -ENOMEM;
	memcpy(number, head, HEAD * sizeof(*head));
	for (size_t i = 0; i < f->mlp.n_params; i++)
		number[HEAD + i] = f->mlp.params[i];
	r = model_set_numbers(m, policy_network.name, number, HEAD + f->mlp.n_params);
	free(number);
	return r;
}

int network_fit(const double *x, const double *regret, size_t n, double first, uint64_t seed,
		struct model *m)
{
	struct fitting f = { .x = x, .regret = regret, .n = n };
	double head[HEAD];
	int r = begin(&f, seed);

	if (!r)
		r = head_of(&f, first, head);
	for (int s = 0; !r && s < STEPS; s++) {
		f.adam.rate = RATE * (1 - (float)s / STEPS);
		r = batch(&f, head);
	}
	if (!r)
		r = write_numbers(&f, head, m);
	mlp_fini(&f.mlp);
	mlp_pass_fini(&f.pass);
	adam_fini(&f.adam);
	free(f.grad);
	return r;
}
