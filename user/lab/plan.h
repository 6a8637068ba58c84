/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The plan of a campaign, as a file says it (Documentation/lab.md): workloads x configurations x
 * policies x trials, the objective, and the one primary endpoint. Everything in it is checked, and
 * refused with line and remedy, before anything runs.
 */
#ifndef SLUICE_LAB_PLAN_H
#define SLUICE_LAB_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lab/configuration.h"
#include "lab/objective.h"
#include "lab/policies.h"
#include "lab/workloads.h"
#include "lib/err.h"

#define PLAN_RUNS_MAX		100000
#define PLAN_NAME_MAX		64
#define PLAN_HASH_CHARS		64

const char *plan_executor_name(enum plan_executor x);

struct plan_workload {
	struct workload w;
	bool test;
};

struct plan_policy {
	char name[LAB_POLICY_MAX];	/* of an A/A plan NAME#I */
	struct lab_policy p;
};

struct plan {
	char name[PLAN_NAME_MAX];
	enum plan_executor executor;
	uint64_t seed;
	unsigned int trials, attempts_max;
	unsigned int block;		/* groups of a workload, a configuration and a trial in a boot */
	unsigned int series;		/* intervals of a run that are kept one by one; 0: none */
	unsigned int aa;		/* copies of the one policy; 0: no A/A plan */
	bool virtual_time;		/* the VM's clock counts instructions: kernel lab */
	bool fresh;			/* arrivals differ between policies: an A/A plan of the simulator */
	struct objective objective;
	char endpoint[32], endpoint_class[16], candidate[LAB_POLICY_MAX], reference[LAB_POLICY_MAX];
	struct plan_workload *workload;
	struct lab_configuration *configuration;
	struct plan_policy *policy;
	size_t workloads, configurations, policies;
	char *text;			/* of the file */
	char hash[PLAN_HASH_CHARS + 1];	/* of what it means */
};

int plan_read(const char *path, struct plan *ret, struct sl_err *e);
void plan_free(struct plan *p);
size_t plan_runs(const struct plan *p);
/* The same for all policies of a workload, configuration and trial, unless the plan has it otherwise. */
uint64_t plan_seed(const struct plan *p, unsigned int workload, unsigned int configuration,
		   unsigned int trial, unsigned int policy);

/* A run in the order in which they are done: blocks at random, and policies at random in each group. */
struct plan_run {
	unsigned int workload, configuration, policy, trial, block;
};
/* plan_runs() of them; the caller's memory. NULL: out of memory. */
struct plan_run *plan_order(const struct plan *p);

#endif
