/* SPDX-License-Identifier: GPL-2.0 */
/* Independent tasks in a few processes: what a task returns does not depend on how many. */
#ifndef SLUICE_POLICY_PAR_H
#define SLUICE_POLICY_PAR_H

#include <stddef.h>

/* Fills its result (size bytes, zeroed before); 0 or -errno. In a child: keeps nothing else. */
typedef int par_task(void *ctx, size_t i, void *result);
/* May be NULL; called in the parent. */
typedef void par_tick(void *arg, size_t done, size_t n);

struct par {
	unsigned int jobs;	/* processes */
	par_tick *tick;
	void *arg;
};

/* results: (n, size). The first error of any task; -ECHILD: a process died. */
int par_run(const struct par *p, size_t n, par_task *task, void *ctx, void *results, size_t size);

#endif
