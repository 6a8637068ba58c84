// SPDX-License-Identifier: GPL-2.0
/* The network against a separate implementation in double, its gradient against differences. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "nn/mlp.h"

#define ROWS	5

/* Vectors of an implementation outside: outputs, gradient, and parameters after steps of Adam. */
struct golden {
	enum mlp_activation activation;
	float x[15], target[10], params[179];
	double out[10], grad[179], after[179];
};
#include "unit/mlp_golden.h"

static const unsigned int shapes[][4] = {
	{ 7, 12, 9, 4 },
	{ 3, 1, 17, 1 },
	{ 22, 32, 32, 90 },
};
#define SHAPES	(sizeof(shapes) / sizeof(shapes[0]))
static enum mlp_activation activation;	/* of the test that runs */

/* One row through layers of (inputs, outputs) weights followed by biases, params in double. */
static void reference(const unsigned int *dim, const double *params, const double *x, double *y)
{
	double in[128], out[128];

	for (unsigned int i = 0; i < dim[0]; i++)
		in[i] = x[i];
	for (int l = 0; l < 3; l++) {
		const double *b = params + dim[l] * dim[l + 1];

		for (unsigned int o = 0; o < dim[l + 1]; o++) {
			out[o] = b[o];
			for (unsigned int i = 0; i < dim[l]; i++)
				out[o] += params[i * dim[l + 1] + o] * in[i];
			if (l < 2)
				out[o] = activation == MLP_TANH ? tanh(out[o]) : fmax(out[o], 0.0);
		}
		memcpy(in, out, sizeof(in));
		params = b + dim[l + 1];
	}
	memcpy(y, out, dim[3] * sizeof(*y));
}

/* Sum over rows and outputs of weight * output: its gradient by output is the weights. */
static double reference_loss(const unsigned int *dim, const double *params, const float *x,
			     const float *weight)
{
	double loss = 0.0, xr[128], y[128];

	for (int r = 0; r < ROWS; r++) {
		for (unsigned int i = 0; i < dim[0]; i++)
			xr[i] = x[r * dim[0] + i];
		reference(dim, params, xr, y);
		for (unsigned int o = 0; o < dim[3]; o++)
			loss += weight[r * dim[3] + o] * y[o];
	}
	return loss;
}

static void setup(const unsigned int *dim, struct mlp *m, struct mlp_pass *p, float *x,
		  float *weight)
{
	struct rng rng;

	rng_seed(&rng, dim[0]);
	assert_int_equal(mlp_init(m, dim, 3), 0);
	m->activation = activation;
	assert_int_equal(mlp_pass_init(p, m, ROWS), 0);
	mlp_randomize(m, &rng);
	for (unsigned int l = 0; l < 3; l++)
		for (unsigned int o = 0; o < dim[l + 1]; o++)
			m->params[m->b_off[l] + o] = 0.1 * rng_normal(&rng);
	for (unsigned int i = 0; i < ROWS * dim[0]; i++)
		x[i] = i % 5 ? rng_normal(&rng) : 0.0;	/* also inputs that are exactly 0 */
	for (unsigned int i = 0; i < ROWS * dim[3]; i++)
		weight[i] = rng_normal(&rng);
}

static double *to_double(const struct mlp *m)
{
	double *d = malloc(m->n_params * sizeof(*d));

	assert_non_null(d);
	for (size_t i = 0; i < m->n_params; i++)
		d[i] = m->params[i];
	return d;
}

static void forward_matches_reference(void **state)
{
	(void)state;
	for (size_t s = 0; s < SHAPES; s++) {
		const unsigned int *dim = shapes[s];
		float x[ROWS * 128], weight[ROWS * 128];
		struct mlp m;
		struct mlp_pass p;
		const float *y;
		double *params;

		setup(dim, &m, &p, x, weight);
		params = to_double(&m);
		y = mlp_forward(&m, &p, x, ROWS);
		for (int r = 0; r < ROWS; r++) {
			double xr[128], want[128];

			for (unsigned int i = 0; i < dim[0]; i++)
				xr[i] = x[r * dim[0] + i];
			reference(dim, params, xr, want);
			for (unsigned int o = 0; o < dim[3]; o++)
				assert_true(fabs(y[r * dim[3] + o] - want[o]) <
					    1e-5 * (1.0 + fabs(want[o])));
		}
		free(params);
		mlp_pass_fini(&p);
		mlp_fini(&m);
	}
}

static void gradient_matches_differences(void **state)
{
	const double eps = 1e-5;

	(void)state;
	for (size_t s = 0; s < SHAPES; s++) {
		const unsigned int *dim = shapes[s];
		float x[ROWS * 128], weight[ROWS * 128], *grad;
		struct mlp m;
		struct mlp_pass p;
		double *params;

		setup(dim, &m, &p, x, weight);
		params = to_double(&m);
		grad = calloc(m.n_params, sizeof(*grad));
		assert_non_null(grad);
		mlp_forward(&m, &p, x, ROWS);
		mlp_backward(&m, &p, weight, grad);
		for (size_t i = 0; i < m.n_params; i++) {
			const double at = params[i];
			double up, down, want;

			params[i] = at + eps;
			up = reference_loss(dim, params, x, weight);
			params[i] = at - eps;
			down = reference_loss(dim, params, x, weight);
			params[i] = at;
			want = (up - down) / (2.0 * eps);
			if (fabs(grad[i] - want) > 1e-4 * (1.0 + fabs(want)))
				fail_msg("shape %zu parameter %zu: %g, differences give %g", s, i,
					 grad[i], want);
		}
		/* A second pass adds. */
		const float once = grad[m.b_off[2]];

		mlp_backward(&m, &p, weight, grad);
		assert_true(fabsf(grad[m.b_off[2]] - 2.0f * once) < 1e-5f);
		free(grad);
		free(params);
		mlp_pass_fini(&p);
		mlp_fini(&m);
	}
}

static void tanh_too(void **state)
{
	activation = MLP_TANH;
	forward_matches_reference(state);
	gradient_matches_differences(state);
	activation = MLP_RELU;
}

static void near(const char *what, size_t i, double got, double want, double tolerance)
{
	if (fabs(got - want) > tolerance * (1.0 + fabs(want)))
		fail_msg("%s %zu: %.8f, not %.8f", what, i, got, want);
}

static void golden_vectors(void **state)
{
	(void)state;
	for (size_t g = 0; g < sizeof(golden) / sizeof(golden[0]); g++) {
		const struct golden *v = &golden[g];
		float grad[GOLDEN_PARAMS], grad_out[GOLDEN_ROWS * 2];
		struct mlp_pass p;
		struct adam a;
		struct mlp m;

		assert_int_equal(mlp_init(&m, golden_dim, 3), 0);
		assert_int_equal(m.n_params, GOLDEN_PARAMS);
		m.activation = v->activation;
		memcpy(m.params, v->params, sizeof(v->params));
		assert_int_equal(mlp_pass_init(&p, &m, GOLDEN_ROWS), 0);
		assert_int_equal(adam_init(&a, m.n_params, 1e-2f), 0);
		for (int step = 0; step < GOLDEN_STEPS; step++) {
			const float *y = mlp_forward(&m, &p, v->x, GOLDEN_ROWS);

			for (size_t i = 0; i < GOLDEN_ROWS * 2; i++) {
				if (!step)
					near("output", i, y[i], v->out[i], 1e-5);
				grad_out[i] = (y[i] - v->target[i]) / GOLDEN_ROWS;
			}
			memset(grad, 0, sizeof(grad));
			mlp_backward(&m, &p, grad_out, grad);
			for (size_t i = 0; i < GOLDEN_PARAMS && !step; i++)
				near("gradient", i, grad[i], v->grad[i], 1e-5);
			assert_true(mlp_clip(grad, GOLDEN_PARAMS, 1.0f));
			adam_step(&a, m.params, grad);
		}
		/* Adam divides by the root of the squares: a tiny gradient's rounding shows. */
		for (size_t i = 0; i < GOLDEN_PARAMS; i++)
			near("parameter", i, m.params[i], v->after[i], 2e-4);
		adam_fini(&a);
		mlp_pass_fini(&p);
		mlp_fini(&m);
	}
}

static void clipping(void **state)
{
	float g[2] = { 3.0f, 4.0f };

	(void)state;
	assert_true(mlp_clip(g, 2, 5.0f));
	assert_true(g[0] == 3.0f && g[1] == 4.0f);
	assert_true(mlp_clip(g, 2, 0.0f));
	assert_true(g[0] == 3.0f && g[1] == 4.0f);
	assert_true(mlp_clip(g, 2, 1.0f));
	assert_true(fabsf(g[0] - 0.6f) < 1e-6f && fabsf(g[1] - 0.8f) < 1e-6f);
	g[1] = NAN;
	assert_false(mlp_clip(g, 2, 1.0f));
	g[1] = INFINITY;
	assert_false(mlp_clip(g, 2, 1.0f));
}

/* Three steps by hand: with a constant gradient each step of Adam is the rate, against its sign. */
static void adam_steps(void **state)
{
	float x[2] = { 1.0f, 1.0f };
	const float g[2] = { 0.5f, -2.0f };
	struct adam a;

	(void)state;
	assert_int_equal(adam_init(&a, 2, 0.1f), 0);
	for (int i = 1; i <= 3; i++) {
		adam_step(&a, x, g);
		assert_true(fabs(x[0] - (1.0 - 0.1 * i)) < 1e-4);
		assert_true(fabs(x[1] - (1.0 + 0.1 * i)) < 1e-4);
	}
	adam_fini(&a);
}

static void bad_shapes(void **state)
{
	static const unsigned int none[] = { 3, 0, 1 }, huge[] = { 3, 1u << 20, 1 };
	struct mlp m;

	(void)state;
	assert_int_equal(mlp_init(&m, none, 2), -EINVAL);
	assert_int_equal(mlp_init(&m, huge, 2), -EINVAL);
	assert_int_equal(mlp_init(&m, none, 0), -EINVAL);
	assert_int_equal(mlp_init(&m, shapes[0], MLP_MAX_LAYERS + 1), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward_matches_reference),
		cmocka_unit_test(gradient_matches_differences),
		cmocka_unit_test(tanh_too),
		cmocka_unit_test(golden_vectors),
		cmocka_unit_test(clipping),
		cmocka_unit_test(adam_steps),
		cmocka_unit_test(bad_shapes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
