// SPDX-License-Identifier: GPL-2.0
/* What a decision and a gradient step of the learning core cost. One line per figure. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/rng.h"
#include "rl/ddqn.h"

#define MAX_ROWS	64
#define MAX_FEATURES	32

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int bench(const char *name, unsigned int features, unsigned int rows, unsigned int outputs,
		 unsigned int hidden)
{
	const struct ddqn_config c = {
		.features = features, .outputs = outputs, .max_rows = rows,
		.hidden = { hidden, hidden }, .replay_size = 1024, .batch = 32, .warmup = 32,
		.gamma = 0.8f, .tau = 0.02f, .learning_rate = 1e-3f, .grad_clip = 1.0f, .seed = 1,
	};
	const unsigned int n_q = 2000, n_update = 300;
	float x[MAX_ROWS * MAX_FEATURES], *q;
	struct ddqn_obs o = { .x = x, .rows = rows };
	struct ddqn *d = NULL;
	struct rng rng;
	double t0, t1, t2;

	q = malloc((size_t)rows * outputs * sizeof(*q));
	if (!q || ddqn_new(&c, &d) < 0) {
		free(q);
		return 1;
	}
	rng_seed(&rng, 1);
	for (unsigned int i = 0; i < c.replay_size; i++) {
		for (unsigned int j = 0; j < rows * features; j++)
			x[j] = rng_uniform(&rng);
		ddqn_remember(d, x, rng_below(&rng, outputs), -x[0], &o);
	}
	t0 = now_ns();
	for (unsigned int i = 0; i < n_q; i++)
		ddqn_q(d, &o, q);
	t1 = now_ns();
	for (unsigned int i = 0; i < n_update; i++)
		ddqn_update(d);
	t2 = now_ns();
	printf("learn/%s/q_ns %.0f\n", name, (t1 - t0) / n_q);
	printf("learn/%s/update_batch32_ns %.0f\n", name, (t2 - t1) / n_update);
	ddqn_free(d);
	free(q);
	return 0;
}

int main(void)
{
	return bench("fixed_1x90_64x64", 22, 1, 90, 64) | bench("ecn_7x1_32x32", 22, 7, 1, 32) |
	       bench("steer_4x1_32x32", 16, 4, 1, 32) | bench("steer_64x1_32x32", 16, 64, 1, 32);
}
