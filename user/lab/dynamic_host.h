/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What sluiced does on one queue, epoch by epoch, from the parts it is made of: the policy of a model
 * (policy.h), the test whether a state is a new one and the static policy meanwhile (novelty.h), the
 * transitions and what the learner makes of them (learner_core.h), the trial of a candidate and the
 * watch over the incumbent (guard/trial.h). What differs from the daemon is in
 * Documentation/lab-dynamic.md.
 */
#ifndef SLUICE_LAB_DYNAMIC_HOST_H
#define SLUICE_LAB_DYNAMIC_HOST_H

#include "lab/dynamic.h"

struct dynamic_host;

int dynamic_host_new(const struct dynamic_system *s, struct dynamic_host **ret);
void dynamic_host_free(struct dynamic_host *h);	/* accepts NULL */
struct qdisc_triple dynamic_host_start(struct dynamic_host *h, const struct ecn_interval *in);
/* An epoch has ended at now_s; *t is the setting in force, and becomes the next. */
int dynamic_host_epoch(struct dynamic_host *h, double now_s, const struct ecn_interval *in,
		       struct qdisc_triple *t);
/* Its counters. */
void dynamic_host_tell(const struct dynamic_host *h, struct dynamic_result *ret);

#endif
