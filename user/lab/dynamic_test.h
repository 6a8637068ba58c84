/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The experiments of dynamic.h. Each gives tables as JSON,
 * {"what", "seeds", "tables": [{"title", "rows"}]}, whose rows are objects in the order of their columns; a value is a word, a number, null (there is none),
 * or {"mean", "low", "high"}, the 95 % interval over seeds (stats.h). Seeds are of arrivals
 * and of whatever learns; thresholds that a result is compared with were chosen on other arrivals.
 */
#ifndef SLUICE_LAB_DYNAMIC_TEST_H
#define SLUICE_LAB_DYNAMIC_TEST_H

#include <jansson.h>

#include "lab/dynamic.h"
#include "lib/err.h"

#define DYNAMIC_MODELS	8
#define DYNAMIC_SEEDS	64
#define DYNAMIC_FIXED	0.25	/* [guard] static */
#define DYNAMIC_CONFIDENCE 0.95	/* [guard] confidence */

struct dynamic_options {
	struct par par;
	unsigned int seeds;
	uint64_t first_seed;
	double minutes;		/* of a scene of novel and ablations; 0: 20 and 120 */
	bool quick;		/* everything as short as it can be and still run */
	/* The caller's: models beside or in the place of the built-in ones. */
	const struct model *model;
	const char *const *name;
	size_t models;
};

int dynamic_transitions(const struct dynamic_options *o, json_t **ret, struct sl_err *e);
int dynamic_novel(const struct dynamic_options *o, json_t **ret, struct sl_err *e);
int dynamic_interference(const struct dynamic_options *o, json_t **ret, struct sl_err *e);
int dynamic_ablations(const struct dynamic_options *o, json_t **ret, struct sl_err *e);

/* --- for the experiments ---------------------------------------------------------------------- */

/* 100 Mbit/s, 2 ms, epochs of 50 ms. */
struct dynamic_scene dynamic_network(void);
/*
 * A tenth of the rate, ten times the time: the same C * RTT in packets, and hours of it can be
 * simulated. Epochs are of 10 RTT.
 */
struct dynamic_scene dynamic_network_slow(void);
/* The host with its defaults, without learning in the background. */
struct dynamic_system dynamic_host_of(const struct model *m);
/* The same without novelty test and watch: the policy alone. */
struct dynamic_system dynamic_alone(const struct model *m);
/* Finds workloads by name; -EINVAL. */
int dynamic_workloads(const char *const *name, size_t n, struct workload *ret, struct sl_err *e);
/* A result of that size for each of n runs, in memory that is the caller's to free whatever is returned. */
int dynamic_runs(const struct dynamic_options *o, size_t n, par_task *run, void *arg, size_t size,
		 void **ret, struct sl_err *e);
/* Of one value a seed; null where one is NAN, a number where there is one seed. */
json_t *dynamic_interval(const double *x, size_t n);
/* The same of means of logarithms: as a percentage more. */
json_t *dynamic_percent(const double *log_x, size_t n);
json_t *dynamic_number(double x);	/* null: NAN */
json_t *dynamic_table(const char *title, json_t *rows);

#endif
