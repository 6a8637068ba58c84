/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the thread of learner.h learns with: a window of transitions, conservative Q-learning on it
 * (rl/offline.h), and the making and checking of a candidate. No thread, no clock, no lock.
 */
#ifndef SLUICE_DAEMON_LEARNER_CORE_H
#define SLUICE_DAEMON_LEARNER_CORE_H

#include "daemon/learner.h"

struct learner_core;

int learner_core_new(const struct learner_config *c, struct learner_core **ret, struct sl_err *e);
void learner_core_free(struct learner_core *k);	/* accepts NULL */
/* Copies it over the oldest row when the window is full. -EINVAL: it is not well-formed. */
int learner_core_add(struct learner_core *k, const struct translog_row *row);
size_t learner_core_rows(const struct learner_core *k);
/*
 * One gradient step, or what must go before it. -EAGAIN: the window has too few rows; -EDOM: it
 * diverged, and begins anew; -ENOMEM.
 */
int learner_core_step(struct learner_core *k, double *td, double *gap);
uint64_t learner_core_steps(const struct learner_core *k);
/*
 * Makes a candidate and looks at it; *m is filled when it is LEARNER_handed_over. stop(data) is asked
 * now and then; true ends it with -EINTR. -ENOMEM.
 */
int learner_core_candidate(struct learner_core *k, bool (*stop)(void *data), void *data,
			   struct model *m, struct learner_report *report,
			   enum learner_verdict *verdict);

#endif
