/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bayesian optimisation in one dimension: a Gaussian process with a squared exponential kernel
 * over x in [0, 1], of values whose mean and spread are taken from the samples, and the expected
 * improvement (Jones, Schonlau, Welch, "Efficient global optimization of expensive black-box
 * functions", 1998) on a grid. The first three samples are at 1/6, 1/2 and 5/6.
 */
#ifndef SLUICE_POLICY_BAYES_H
#define SLUICE_POLICY_BAYES_H

#define BAYES_SAMPLES_MAX	16

/* The cost at x; 0 or -errno. */
typedef int bayes_cost(void *arg, unsigned int sample, double x, double *cost);
/* *best: where the mean of what is believed is least. samples: 3 to BAYES_SAMPLES_MAX. */
int bayes_minimise(bayes_cost *cost, void *arg, unsigned int samples, double *best);

#endif
