/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A queue's J for trials: what the load does to it (drift, an autoregressive process that all arms meet),
 * plus what an arm does. Used by the unit test and by guard_rates, so that both speak of the same.
 */
#ifndef SLUICE_LAB_GUARD_SIM_H
#define SLUICE_LAB_GUARD_SIM_H

#include <math.h>
#include <stdint.h>

#include "guard/trial.h"
#include "lib/rng.h"

#define GUARD_SIM_QUEUES	16

struct guard_sim {
	struct trial_config trial;
	double effect[TRIAL_ARMS];
	double sd;		/* of the difference of two slices' means */
	double memory_s;	/* of the load */
	double drift;		/* per hour: J's slope */
	double swing, period_s;	/* a periodic load: amplitude */
	double skew;		/* above 0: now and then a slump of so many sd */
	unsigned int queues;
	double hours_max;
	uint64_t seed;
};

struct guard_sim_result {
	struct trial_report report;
	double seconds;		/* until the verdict */
	double harm_s;		/* of the judged arm, on the worst queue: J below the static's by more than harm */
	unsigned int slices;	/* in which it acted, on that queue */
};

static inline double guard_sim_load(double *state, const struct guard_sim *g, double scale,
				    struct rng *r)
{
	double rho = exp(-1.0 / g->memory_s), white = rng_normal(r);

	*state = rho * *state + sqrt(1.0 - rho * rho) * rng_normal(r);
	if (g->skew > 0.0 && rng_uniform(r) < 0.01)
		*state -= g->skew;
	return scale * (*state + white);
}

/* What to multiply the unit process with for the difference of two slices to have the sd asked for. */
static inline double guard_sim_scale(const struct guard_sim *g)
{
	unsigned int steps = (unsigned int)g->trial.slice_s, drop, n = 4000;
	double state = 0.0, sum2 = 0.0, last = 0.0;
	struct rng r;

	drop = (unsigned int)ceil(g->trial.discard * g->trial.slice_s);
	rng_seed(&r, 1);
	for (unsigned int i = 0; i < n; i++) {
		double mean = 0.0;

		for (unsigned int k = 0; k < steps; k++) {
			double x = guard_sim_load(&state, g, 1.0, &r);

			mean += k < drop ? 0.0 : x / (steps - drop);
		}
		if (i % 2)
			sum2 += (mean - last) * (mean - last);
		last = mean;
	}
	return g->sd / sqrt(sum2 / (n / 2));
}

/* In steps of a second, with slices of whole ones. */
static inline int guard_sim_run(const struct guard_sim *g, double scale,
				struct guard_sim_result *out)
{
	double state[GUARD_SIM_QUEUES] = { 0 }, harm[GUARD_SIM_QUEUES] = { 0 }, phase;
	enum trial_arm watched = g->trial.watch ? TRIAL_INCUMBENT : TRIAL_CANDIDATE;
	unsigned int slices[GUARD_SIM_QUEUES] = { 0 };
	uint64_t end = (uint64_t)(g->hours_max * 3600.0), s;
	struct trial_config c = g->trial;
	struct trial *t;
	struct rng r;
	int ret;

	c.seed = rng_mix64(g->seed ^ 0x5eed);
	rng_seed(&r, g->seed);
	ret = trial_new(&c, &t);
	if (ret < 0)
		return ret;
	phase = rng_uniform(&r);
	for (unsigned int q = 0; q < g->queues; q++)
		state[q] = rng_normal(&r);
	trial_report(t, &out->report);
	for (s = 0; s < end && out->report.verdict == TRIAL_RUNNING; s++) {
		uint64_t now_ns = s * 1000000000;

		for (unsigned int q = 0; q < g->queues; q++) {
			enum trial_arm arm = trial_arm(t, q, now_ns, NULL);
			double J = guard_sim_load(&state[q], g, scale, &r);

			J += g->drift * (double)s / 3600.0 + g->effect[arm];
			if (g->swing > 0.0)
				J += g->swing * sin(6.2831853 * ((double)s / g->period_s + phase));
			trial_observe(t, q, now_ns + 1000000000, 1.0, J);
			if (arm != watched)
				continue;
			slices[q] += !(s % (uint64_t)c.slice_s);
			if (g->effect[arm] < g->effect[TRIAL_STATIC] - c.harm)
				harm[q] += 1.0;
		}
		trial_report(t, &out->report);
	}
	out->seconds = (double)s;
	out->harm_s = 0.0;
	out->slices = 0;
	for (unsigned int q = 0; q < g->queues; q++) {
		out->harm_s = fmax(out->harm_s, harm[q]);
		out->slices = slices[q] > out->slices ? slices[q] : out->slices;
	}
	trial_free(t);
	return 0;
}

#endif
