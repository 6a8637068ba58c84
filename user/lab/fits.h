/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Policies that the runner makes by itself, so that none is judged on a family of workloads that it was
 * made from: "fit:KIND", and what "learn-on" begins from. For each family there is another model, made in
 * the simulator by the algorithms of user/policy (algo.h) from
 *
 *	the plan's workloads to train of all other families; or, where there are none,
 *	all its workloads of other families
 *
 * under all its configurations, on arrivals that no trial has. All are made before the first run, once:
 * they are kept in the table "fits". One that cannot be made is a failure of its policy's runs.
 */
#ifndef SLUICE_LAB_FITS_H
#define SLUICE_LAB_FITS_H

#include <stdbool.h>

#include "lab/plan.h"
#include "policy/model.h"

struct runner;
struct fits;

/* Whether there is something to make it from. */
bool fits_possible(const struct plan *p, unsigned int workload);

/* 0: *ret has all that could be made; NULL if the plan needs none. -EINTR: the runner was told to stop. */
int fits_make(struct runner *r, struct fits **ret, struct sl_err *e);
void fits_free(struct fits *f);	/* accepts NULL */
/* What a policy is on a workload; NULL: the policy needs nothing, or *why (else NULL) it was not made. */
const struct model *fits_find(const struct fits *f, const struct plan *p, unsigned int policy,
			      unsigned int workload, const char **why);

#endif
