// SPDX-License-Identifier: GPL-2.0
#include "nn/mlp.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bounds every index computation; two orders of magnitude above what is used. */
#define MAX_WIDTH	65536
#define TINY		1e-30f

int mlp_init(struct mlp *m, const unsigned int *dim, unsigned int layers)
{
	struct mlp n = { .layers = layers };

	if (layers < 1 || layers > MLP_MAX_LAYERS)
		return -EINVAL;
	for (unsigned int l = 0; l <= layers; l++) {
		if (dim[l] < 1 || dim[l] > MAX_WIDTH)
			return -EINVAL;
		n.dim[l] = dim[l];
	}
	for (unsigned int l = 0; l < layers; l++) {
		n.w_off[l] = n.n_params;
		n.b_off[l] = n.w_off[l] + (size_t)dim[l] * dim[l + 1];
		n.n_params = n.b_off[l] + dim[l + 1];
	}
	n.params = calloc(n.n_params, sizeof(*n.params));
	if (!n.params)
		return -ENOMEM;
	*m = n;
	return 0;
}

void mlp_fini(struct mlp *m)
{
	free(m->params);
	m->params = NULL;
}

void mlp_randomize(struct mlp *m, struct rng *rng)
{
	memset(m->params, 0, m->n_params * sizeof(*m->params));
	for (unsigned int l = 0; l < m->layers; l++) {
		double sigma = sqrt((m->activation == MLP_RELU ? 2.0 : 1.0) / m->dim[l]);

		for (size_t i = m->w_off[l]; i < m->b_off[l]; i++)
			m->params[i] = sigma * rng_normal(rng);
	}
}

int mlp_pass_init(struct mlp_pass *p, const struct mlp *m, unsigned int max_rows)
{
	struct mlp_pass n = { .max_rows = max_rows };
	unsigned int widest = 0;

	for (unsigned int l = 0; l < m->layers; l++) {
		if (m->dim[l + 1] > widest)
			widest = m->dim[l + 1];
		n.act[l] = calloc((size_t)max_rows * m->dim[l + 1], sizeof(float));
		if (!n.act[l])
			goto nomem;
	}
	for (int i = 0; i < 2; i++) {
		n.grad_act[i] = calloc((size_t)max_rows * widest, sizeof(float));
		if (!n.grad_act[i])
			goto nomem;
	}
	*p = n;
	return 0;
nomem:
	mlp_pass_fini(&n);
	return -ENOMEM;
}

void mlp_pass_fini(struct mlp_pass *p)
{
	for (int l = 0; l < MLP_MAX_LAYERS; l++) {
		free(p->act[l]);
		p->act[l] = NULL;
	}
	for (int i = 0; i < 2; i++) {
		free(p->grad_act[i]);
		p->grad_act[i] = NULL;
	}
}

/*
 * Eight floats at once, in whatever registers there are. Where a processor has wider ones is found
 * out at run time; every sum has the same order either way (and no multiply-add is fused), so
 * that a seed gives the same numbers on both.
 */
typedef float vec __attribute__((vector_size(32), aligned(4), may_alias));
#define VEC	8
#define ROWS_AT_ONCE	4	/* that share what was loaded of w */
#ifdef __x86_64__
#define WIDEST	__attribute__((target_clones("avx2", "default")))
#else
#define WIDEST
#endif

/* Outputs o to o + 2 * VEC of "rows" rows, y = b + x w. */
static inline __attribute__((always_inline))
void dense_tile(const float *x, const float *w, const float *b, float *y, const unsigned int rows,
		unsigned int n_in, unsigned int n_out, unsigned int o)
{
	vec acc[ROWS_AT_ONCE][2];

	for (unsigned int r = 0; r < rows; r++) {
		acc[r][0] = *(const vec *)(b + o);
		acc[r][1] = *(const vec *)(b + o + VEC);
	}
	for (unsigned int i = 0; i < n_in; i++) {
		const vec w0 = *(const vec *)(w + (size_t)i * n_out + o);
		const vec w1 = *(const vec *)(w + (size_t)i * n_out + o + VEC);

		for (unsigned int r = 0; r < rows; r++) {
			const float xi = x[(size_t)r * n_in + i];

			acc[r][0] += xi * w0;
			acc[r][1] += xi * w1;
		}
	}
	for (unsigned int r = 0; r < rows; r++) {
		*(vec *)(y + (size_t)r * n_out + o) = acc[r][0];
		*(vec *)(y + (size_t)r * n_out + o + VEC) = acc[r][1];
	}
}

/* x (B, n_in), w (n_in, n_out), y (B, n_out); n_out >= 2 * VEC. The last tile may repeat some. */
WIDEST static void dense_wide(const float *x, const float *w, const float *b, float *y,
			      unsigned int rows, unsigned int n_in, unsigned int n_out)
{
	const unsigned int last = n_out - 2 * VEC;

	for (unsigned int o = 0;; o = o + 2 * VEC < last ? o + 2 * VEC : last) {
		unsigned int r = 0;

		for (; r + ROWS_AT_ONCE <= rows; r += ROWS_AT_ONCE)
			dense_tile(x + (size_t)r * n_in, w, b, y + (size_t)r * n_out,
				   ROWS_AT_ONCE, n_in, n_out, o);
		for (; r < rows; r++)
			dense_tile(x + (size_t)r * n_in, w, b, y + (size_t)r * n_out, 1, n_in,
				   n_out, o);
		if (o == last)
			break;
	}
}

/* One output: a dot product in VEC sums. */
WIDEST static void dense_one(const float *x, const float *w, float b, float *y, unsigned int rows,
			     unsigned int n_in)
{
	for (unsigned int r = 0; r < rows; r++, x += n_in) {
		unsigned int i = 0;
		vec acc = { b };

		for (; i + VEC <= n_in; i += VEC)
			acc += *(const vec *)(x + i) * *(const vec *)(w + i);
		for (; i < n_in; i++)
			acc[i % VEC] += x[i] * w[i];
		y[r] = ((acc[0] + acc[4]) + (acc[1] + acc[5])) +
		       ((acc[2] + acc[6]) + (acc[3] + acc[7]));
	}
}

static void dense(const float *x, const float *w, const float *b, float *y, unsigned int rows,
		  unsigned int n_in, unsigned int n_out)
{
	if (n_out == 1) {
		dense_one(x, w, *b, y, rows, n_in);
		return;
	}
	if (n_out >= 2 * VEC) {
		dense_wide(x, w, b, y, rows, n_in, n_out);
		return;
	}
	for (unsigned int r = 0; r < rows; r++, x += n_in, y += n_out) {
		memcpy(y, b, n_out * sizeof(*y));
		for (unsigned int i = 0; i < n_in; i++)
			for (unsigned int o = 0; o < n_out; o++)
				y[o] += x[i] * w[(size_t)i * n_out + o];
	}
}

const float *mlp_forward(const struct mlp *m, struct mlp_pass *p, const float *x,
			 unsigned int rows)
{
	const float *in = x;

	p->x = x;
	p->rows = rows;
	for (unsigned int l = 0; l < m->layers; l++) {
		const size_t n = (size_t)rows * m->dim[l + 1];
		float *restrict out = p->act[l];		/* (B, n_out) */

		dense(in, m->params + m->w_off[l], m->params + m->b_off[l], out, rows, m->dim[l],
		      m->dim[l + 1]);
		in = out;
		if (l + 1 == m->layers)
			break;
		if (m->activation == MLP_TANH)
			for (size_t i = 0; i < n; i++)
				out[i] = tanhf(out[i]);
		else
			for (size_t i = 0; i < n; i++)
				out[i] = out[i] > 0.0f ? out[i] : 0.0f;
	}
	return in;
}

void mlp_backward(const struct mlp *m, struct mlp_pass *p, const float *grad_out, float *grad)
{
	const bool relu = m->activation == MLP_RELU;
	const float *gy = grad_out;	/* (B, n_out): d(loss)/d(pre-activation) of layer l */

	for (unsigned int l = m->layers; l-- > 0;) {
		const unsigned int n_in = m->dim[l], n_out = m->dim[l + 1];
		const float *w = m->params + m->w_off[l];
		const float *in = l ? p->act[l - 1] : p->x;	/* (B, n_in) */
		float *gw = grad + m->w_off[l], *gb = grad + m->b_off[l];
		float *gx = p->grad_act[l & 1];			/* (B, n_in) */

		for (unsigned int r = 0; r < p->rows; r++) {
			const float *restrict xr = in + (size_t)r * n_in;
			const float *restrict gr = gy + (size_t)r * n_out;

			for (unsigned int o = 0; o < n_out; o++)
				gb[o] += gr[o];
			for (unsigned int i = 0; i < n_in; i++) {
				const float xi = xr[i];
				const float *restrict wi = w + (size_t)i * n_out;
				float *restrict gwi = gw + (size_t)i * n_out;
				float sum = 0.0f;

				/* Also where ReLU is flat: neither side of the product counts. */
				if (xi == 0.0f && (relu || !l)) {
					if (l)
						gx[(size_t)r * n_in + i] = 0.0f;
					continue;
				}
				for (unsigned int o = 0; o < n_out; o++)
					gwi[o] += xi * gr[o];
				if (!l)
					continue;
				for (unsigned int o = 0; o < n_out; o++)
					sum += wi[o] * gr[o];
				gx[(size_t)r * n_in + i] = relu ? sum : sum * (1.0f - xi * xi);
			}
		}
		gy = gx;
	}
}

bool mlp_clip(float *grad, size_t n, float max_norm)
{
	double norm = 0.0;
	float scale;

	for (size_t i = 0; i < n; i++)
		norm += (double)grad[i] * grad[i];
	if (!isfinite(norm))
		return false;
	norm = sqrt(norm);
	if (max_norm <= 0.0f || norm <= max_norm)
		return true;
	scale = max_norm / norm;
	for (size_t i = 0; i < n; i++)
		grad[i] *= scale;
	return true;
}

int adam_init(struct adam *a, size_t n, float rate)
{
	struct adam b = { .n = n, .rate = rate, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f };

	b.m = calloc(n, sizeof(*b.m));
	b.v = calloc(n, sizeof(*b.v));
	if (!b.m || !b.v) {
		adam_fini(&b);
		return -ENOMEM;
	}
	*a = b;
	return 0;
}

void adam_fini(struct adam *a)
{
	free(a->m);
	free(a->v);
	a->m = a->v = NULL;
}

void adam_step(struct adam *a, float *params, const float *grad)
{
	const float b1 = a->beta1, b2 = a->beta2, eps = a->eps;
	float step, root;

	a->t++;
	/* The bias corrections, folded into the step as the paper's section 2 suggests. */
	root = sqrt(1.0 - pow(b2, a->t));
	step = a->rate * root / (1.0 - pow(b1, a->t));
	for (size_t i = 0; i < a->n; i++) {
		float m = b1 * a->m[i] + (1.0f - b1) * grad[i];
		float v = b2 * a->v[i] + (1.0f - b2) * grad[i] * grad[i];

		/*
		 * The moments of a unit that has gone silent decay into denormals and would stay
		 * there, where arithmetic is a hundred times slower.
		 */
		a->m[i] = fabsf(m) > TINY ? m : 0.0f;
		a->v[i] = v > TINY ? v : 0.0f;
		params[i] -= step * a->m[i] / (sqrtf(a->v[i]) + eps * root);
	}
}
