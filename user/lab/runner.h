/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Does what a plan asks for and the store has not, block by block, until all is done or it is told to
 * stop. What an attempt gives is stored when it comes; a failed one comes again at the end of its block,
 * as often as the plan permits.
 */
#ifndef SLUICE_LAB_RUNNER_H
#define SLUICE_LAB_RUNNER_H

#include <signal.h>
#include <stdbool.h>

#include "lab/fits.h"
#include "lab/plan.h"
#include "lab/record.h"
#include "lab/store.h"
#include "lib/err.h"

struct runner {
	struct store *store;
	const struct plan *plan;
	unsigned int jobs;			/* processes of the simulator, or VMs in virtual time */
	const volatile sig_atomic_t *stop;	/* becomes true: leave, and take running attempts back */
	/* An attempt has ended (rec, and its run), or something is to be said (text). */
	void (*tell)(void *arg, const struct store_run *run, const struct record *rec, const char *text);
	void *arg;
	struct fits *fits;			/* runner_run()'s own */
};

/* 0: all is done; -EINTR: it was told to stop. */
int runner_run(struct runner *r, struct sl_err *e);

/* --- for executors ------------------------------------------------------------------ */

struct attempt {
	const struct store_run *run;	/* NULL: none is under way */
	int64_t id;
	double monotonic_s, wall_s;
};
int runner_begin(struct runner *r, const struct store_run *run, struct attempt *a, struct sl_err *e);
/* Stores it, with its duration; a->run is NULL then. */
int runner_end(struct runner *r, struct attempt *a, struct record *rec, struct sl_err *e);
void runner_say(struct runner *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Do what is to be done, as runner_run(): block by block, but the kernel lab several at a time. */
int simulator_run(struct runner *r, struct sl_err *e);
int kernel_run(struct runner *r, struct sl_err *e);
int native_run(struct runner *r, struct sl_err *e);

#endif
