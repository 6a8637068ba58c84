// SPDX-License-Identifier: GPL-2.0
#include "policy/bayes.h"

#include <errno.h>
#include <math.h>

#define LENGTH	0.2	/* of the kernel */
#define NOISE	0.05	/* variance, where that of the values is 1 */
#define GRID	64
#define N	BAYES_SAMPLES_MAX

struct process {
	unsigned int n;
	double x[N], y[N];
	double mean, spread;
	double chol[N][N], weight[N];	/* K = L L', K^-1 y */
};

static double kernel(double a, double b)
{
	return exp(-(a - b) * (a - b) / (2 * LENGTH * LENGTH));
}

/* Solves L z = v in place, and then L' z = v. */
static void forward(const struct process *p, double *v)
{
	for (unsigned int i = 0; i < p->n; i++) {
		for (unsigned int j = 0; j < i; j++)
			v[i] -= p->chol[i][j] * v[j];
		v[i] /= p->chol[i][i];
	}
}

static void backward(const struct process *p, double *v)
{
	for (unsigned int i = p->n; i-- > 0;) {
		for (unsigned int j = i + 1; j < p->n; j++)
			v[i] -= p->chol[j][i] * v[j];
		v[i] /= p->chol[i][i];
	}
}

static void condition(struct process *p)
{
	double squares = 0;

	p->mean = 0;
	for (unsigned int i = 0; i < p->n; i++)
		p->mean += p->y[i] / p->n;
	for (unsigned int i = 0; i < p->n; i++)
		squares += (p->y[i] - p->mean) * (p->y[i] - p->mean) / p->n;
	p->spread = fmax(sqrt(squares), 1e-9);
	for (unsigned int i = 0; i < p->n; i++) {
		p->weight[i] = (p->y[i] - p->mean) / p->spread;
		for (unsigned int j = 0; j <= i; j++) {
			double v = kernel(p->x[i], p->x[j]) + (i == j ? NOISE : 0);

			for (unsigned int k = 0; k < j; k++)
				v -= p->chol[i][k] * p->chol[j][k];
			p->chol[i][j] = i == j ? sqrt(v) : v / p->chol[j][j];
		}
	}
	forward(p, p->weight);
	backward(p, p->weight);
}

/* In units of the spread. */
static void believe(const struct process *p, double x, double *mean, double *deviation)
{
	double k[N], variance = 1;

	*mean = 0;
	for (unsigned int i = 0; i < p->n; i++) {
		k[i] = kernel(x, p->x[i]);
		*mean += k[i] * p->weight[i];
	}
	forward(p, k);
	for (unsigned int i = 0; i < p->n; i++)
		variance -= k[i] * k[i];
	*deviation = sqrt(fmax(variance, 1e-12));
}

static double improvement(const struct process *p, double x, double least)
{
	double mean, deviation, z;

	believe(p, x, &mean, &deviation);
	z = (least - mean) / deviation;
	return (least - mean) * erfc(-z * M_SQRT1_2) / 2 +
	       deviation * exp(-z * z / 2) * M_2_SQRTPI * M_SQRT1_2 / 2;
}

static double least_mean(const struct process *p, double *at)
{
	double least = INFINITY, mean, deviation;

	for (int i = 0; i <= GRID; i++) {
		believe(p, (double)i / GRID, &mean, &deviation);
		if (mean < least) {
			least = mean;
			*at = (double)i / GRID;
		}
	}
	return least;
}

static double next(const struct process *p)
{
	double at = 0, most = -1;
	const double least = least_mean(p, &at);

	if (p->n < 3)
		return (1 + 2 * p->n) / 6.0;
	for (int i = 0; i <= GRID; i++) {
		const double gain = improvement(p, (double)i / GRID, least);

		if (gain > most) {
			most = gain;
			at = (double)i / GRID;
		}
	}
	return at;
}

int bayes_minimise(bayes_cost *cost, void *arg, unsigned int samples, double *best)
{
	struct process p = { 0 };
	int r;

	if (samples < 3 || samples > N)
		return -EINVAL;
	while (p.n < samples) {
		p.x[p.n] = next(&p);
		r = cost(arg, p.n, p.x[p.n], &p.y[p.n]);
		if (r)
			return r;
		if (!isfinite(p.y[p.n]))
			return -EDOM;
		p.n++;
		condition(&p);
	}
	least_mean(&p, best);
	return 0;
}
