// SPDX-License-Identifier: GPL-2.0
#include "lab/dynamic.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define ARRIVALS_SEED	0x40000000u	/* of the first arrivals that are chosen by */

struct job {
	const struct dynamic_scene *s;
	const struct workload *w;
	unsigned int arrivals;
	double seconds;
};

static int run_one(void *ctx, size_t i, void *result)
{
	const struct job *j = ctx;
	const unsigned int arrival = i % j->arrivals, step = i / j->arrivals % LAB_STEPS;
	const size_t which = i / j->arrivals / LAB_STEPS;
	struct dynamic_scene s = *j->s;
	const struct dynamic_system system = { .kind = DYNAMIC_STEPS,
					       .k_bytes = { lab_step_bytes(step) } };
	struct dynamic_result *out = malloc(sizeof(*out));
	int r;

	if (!out)
		return -ENOMEM;
	s.length_s = s.window_s = j->seconds;
	s.seed = ARRIVALS_SEED + arrival;
	s.parts = 1;
	s.part[0] = (struct dynamic_part){ &j->w[which], 0, j->seconds, 1, 0 };
	r = dynamic_run(&s, &system, out);
	*(double *)result = r ? NAN : log(out->total);
	free(out);
	return r;
}

static void judge(struct dynamic_reference *r)
{
	for (unsigned int k = 0; k < LAB_STEPS; k++)
		if (r->cost[k] < r->cost[r->best])
			r->best = k;
	for (unsigned int k = 0; k < LAB_STEPS; k++) {
		unsigned int better = 0;

		for (unsigned int other = 0; other < LAB_STEPS; other++)
			better += r->cost[other] < r->cost[k];
		r->top[k] = better < DYNAMIC_TOP;
	}
}

int dynamic_references(const struct par *par, const struct dynamic_scene *s,
		       const struct workload *w, size_t n, unsigned int arrivals, double seconds,
		       struct dynamic_reference *ret)
{
	const struct job j = { s, w, arrivals, seconds };
	double *cost = calloc(n * LAB_STEPS * arrivals, sizeof(*cost));
	int r = cost ? par_run(par, n * LAB_STEPS * arrivals, run_one, (void *)&j, cost, sizeof(*cost)) :
		-ENOMEM;

	for (size_t i = 0; !r && i < n; i++) {
		ret[i] = (struct dynamic_reference){ .best = 0 };
		for (unsigned int k = 0; k < LAB_STEPS; k++)
			for (unsigned int a = 0; a < arrivals; a++)
				ret[i].cost[k] += cost[(i * LAB_STEPS + k) * arrivals + a] / arrivals;
		judge(&ret[i]);
	}
	free(cost);
	return r;
}

static double place(double k_bytes)
{
	return fmin(fmax(log2(k_bytes / lab_step_bytes(0)), 0), LAB_STEPS - 1);
}

bool dynamic_is_top(const struct dynamic_reference *r, double k_bytes)
{
	return r->top[(int)round(place(k_bytes))];
}

double dynamic_regret(const struct dynamic_reference *r, double k_bytes)
{
	const double at = place(k_bytes);
	const unsigned int below = fmin(floor(at), LAB_STEPS - 2);

	return r->cost[below] + (at - below) * (r->cost[below + 1] - r->cost[below]) - r->cost[r->best];
}
