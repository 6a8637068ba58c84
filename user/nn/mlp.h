/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small multilayer perceptron in float32: dense layers, ReLU or tanh between
 * them, linear output; batched forward and backward passes and Adam (Kingma and Ba,
 * ICLR 2015). Shapes stand in comments, row-major, B being rows of a batch.
 *
 * Layer l maps dim[l] inputs to dim[l + 1] outputs. Its weights w are
 * (dim[l], dim[l + 1]), one row per *input*: then the inner loop of the forward
 * pass runs over contiguous outputs. Weights and biases of all layers lie in one
 * array "params", layer by layer, w before b; gradients and optimiser state have
 * the same layout.
 */
#ifndef SLUICE_NN_MLP_H
#define SLUICE_NN_MLP_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/rng.h"

#define MLP_MAX_LAYERS	4

enum mlp_activation { MLP_RELU, MLP_TANH };

struct mlp {
	unsigned int layers;
	enum mlp_activation activation;	/* of the hidden layers; set after mlp_init() */
	unsigned int dim[MLP_MAX_LAYERS + 1];
	size_t w_off[MLP_MAX_LAYERS];	/* of w in params */
	size_t b_off[MLP_MAX_LAYERS];
	size_t n_params;
	float *params;			/* (n_params) */
};

/* Activations of one batch, kept for the backward pass. */
struct mlp_pass {
	unsigned int max_rows;
	unsigned int rows;
	const float *x;				/* (B, dim[0]), the caller's */
	float *act[MLP_MAX_LAYERS];		/* (B, dim[l + 1]), after activation */
	float *grad_act[2];			/* (B, widest) scratch */
};

/* -EINVAL for a shape of no layers, too many, or an empty one. Parameters are 0. */
int mlp_init(struct mlp *m, const unsigned int *dim, unsigned int layers);
void mlp_fini(struct mlp *m);
/* w normal with variance 2 / inputs (He) for ReLU, 1 / inputs (LeCun) for tanh; b zero. */
void mlp_randomize(struct mlp *m, struct rng *rng);

int mlp_pass_init(struct mlp_pass *p, const struct mlp *m, unsigned int max_rows);
void mlp_pass_fini(struct mlp_pass *p);

/* Output (B, dim[layers]), which belongs to p. rows <= max_rows; x must stay until backward. */
const float *mlp_forward(const struct mlp *m, struct mlp_pass *p, const float *x,
			 unsigned int rows);
/* Adds d(loss)/d(params) to grad (n_params), given grad_out = d(loss)/d(output) of the pass. */
void mlp_backward(const struct mlp *m, struct mlp_pass *p, const float *grad_out, float *grad);

/* Scales grad to a 2-norm of at most max_norm (0: no limit). False: it was not finite. */
bool mlp_clip(float *grad, size_t n, float max_norm);

struct adam {
	size_t n;
	float *m, *v;		/* (n) first and second moment */
	unsigned long long t;	/* steps taken */
	float rate, beta1, beta2, eps;
};

int adam_init(struct adam *a, size_t n, float rate);
void adam_fini(struct adam *a);
void adam_step(struct adam *a, float *params, const float *grad);

#endif
