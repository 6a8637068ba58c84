// SPDX-License-Identifier: GPL-2.0
#include "rl/bandit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARMS	4096
#define MAX_FEATURES	1024

int bandit_init(struct bandit *p, const struct bandit_config *c)
{
	const size_t d = c->features, n = c->arms;
	struct bandit new = { .config = *c };

	if (!n || n > MAX_ARMS || !d || d > MAX_FEATURES ||
	    !(c->alpha >= 0.0 && isfinite(c->alpha)))
		return -EINVAL;
	rng_seed(&new.rng, c->seed);
	new.inverse = calloc(n * d * d, sizeof(*new.inverse));
	new.b = calloc(n * d, sizeof(*new.b));
	new.theta = calloc(n * d, sizeof(*new.theta));
	new.scratch = calloc(d, sizeof(*new.scratch));
	new.pulls = calloc(n, sizeof(*new.pulls));
	if (!new.inverse || !new.b || !new.theta || !new.scratch || !new.pulls) {
		bandit_fini(&new);
		return -ENOMEM;
	}
	for (size_t a = 0; a < n; a++)
		for (size_t i = 0; i < d; i++)
			new.inverse[(a * d + i) * d + i] = 1.0;
	*p = new;
	return 0;
}

void bandit_fini(struct bandit *p)
{
	free(p->inverse);
	free(p->b);
	free(p->theta);
	free(p->scratch);
	free(p->pulls);
	memset(p, 0, sizeof(*p));
}

static double dot(const double *a, const double *b, size_t n)
{
	double sum = 0.0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

void bandit_belief(const struct bandit *p, unsigned int arm, const double *x, double *mean,
		   double *width)
{
	const size_t d = p->config.features;
	const double *inverse = p->inverse + arm * d * d;
	double variance = 0.0;

	for (size_t i = 0; i < d; i++)
		variance += x[i] * dot(inverse + i * d, x, d);
	*mean = dot(p->theta + arm * d, x, d);
	*width = sqrt(fmax(variance, 0.0));
}

int bandit_choose(struct bandit *p, const double *x, const uint8_t *feasible)
{
	const struct bandit_config *c = &p->config;
	double best_value = 0.0;
	int best = -ENOENT;

	for (unsigned int a = 0; a < c->arms; a++) {
		/* Drawn for every arm, so that a mask does not shift later draws. */
		const double draw = c->kind == BANDIT_THOMPSON ? rng_normal(&p->rng) : 1.0;
		double mean, width, value;

		if (feasible && !feasible[a])
			continue;
		bandit_belief(p, a, x, &mean, &width);
		value = mean + c->alpha * draw * width;
		if (best < 0 || value > best_value) {
			best = a;
			best_value = value;
		}
	}
	return best;
}

int bandit_greedy(const struct bandit *p, const double *x, const uint8_t *feasible)
{
	double best_value = 0.0;
	int best = -ENOENT;

	for (unsigned int a = 0; a < p->config.arms; a++) {
		const double value = dot(p->theta + (size_t)a * p->config.features, x,
					 p->config.features);

		if ((!feasible || feasible[a]) && (best < 0 || value > best_value)) {
			best = a;
			best_value = value;
		}
	}
	return best;
}

int bandit_learn(struct bandit *p, unsigned int arm, const double *x, double reward)
{
	const size_t d = p->config.features;
	double *inverse, *b, *u = p->scratch, scale;

	if (arm >= p->config.arms || !isfinite(reward))
		return -EINVAL;
	for (size_t i = 0; i < d; i++)
		if (!isfinite(x[i]))
			return -EINVAL;
	inverse = p->inverse + arm * d * d;
	b = p->b + arm * d;
	/* (A + x x')^-1 = A^-1 - u u' / (1 + x . u), u = A^-1 x */
	for (size_t i = 0; i < d; i++)
		u[i] = dot(inverse + i * d, x, d);
	scale = 1.0 / (1.0 + dot(x, u, d));
	for (size_t i = 0; i < d; i++)
		for (size_t j = 0; j < d; j++)
			inverse[i * d + j] -= scale * u[i] * u[j];
	for (size_t i = 0; i < d; i++)
		b[i] += reward * x[i];
	for (size_t i = 0; i < d; i++)
		p->theta[arm * d + i] = dot(inverse + i * d, b, d);
	p->pulls[arm]++;
	return 0;
}
