/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The database of a campaign: SQLite, one file, tables and views as schema.sql documents them. Who
 * evaluates reads it with SQL through store_db(); who measures writes it through the functions here.
 *
 * Whatever a function has returned from is on the disk. A runner that was killed has left an attempt
 * in state 'running', which store_begin_work() calls interrupted; nothing else can be half-written.
 *
 * Functions return 0 or -errno and leave a sentence: -EBUSY another runner has it, -EBADMSG it is no
 * such database, a damaged one or of another version, -ESTALE it has another plan, -ENOSPC disk full.
 */
#ifndef SLUICE_LAB_STORE_H
#define SLUICE_LAB_STORE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "lab/plan.h"
#include "lab/record.h"
#include "lib/err.h"

#define STORE_APPLICATION_ID	0x736c6162
#define STORE_VERSION		1

struct store;

/* To look at: it must exist, and nothing of it is changed but by store_look(). */
int store_open(const char *path, struct store **ret, struct sl_err *e);
/*
 * To measure: created where there is none, the plan written and its runs drawn; where there is one, it
 * must have this plan. One process at a time. *interrupted: attempts that a killed runner has left.
 */
int store_begin_work(const char *path, const struct plan *p, struct store **ret,
		     unsigned int *interrupted, struct sl_err *e);
void store_close(struct store *s);	/* accepts NULL */
sqlite3 *store_db(struct store *s);

/* What SQLite said last, as a sentence with a remedy; returns what stands above. */
int store_error(struct store *s, const char *what, struct sl_err *e);

/* A run that is still to be done. The indices are the plan's. */
struct store_run {
	int64_t id;
	unsigned int workload, configuration, policy, trial, block;
	uint64_t seed;
	unsigned int attempts;		/* that count */
};
/*
 * The pending runs of the first block that has some and is not among those under way, in order. *n 0:
 * there is none. The caller frees *ret.
 */
int store_next_block(struct store *s, const unsigned int *under_way, unsigned int blocks,
		     struct store_run **ret, size_t *n, struct sl_err *e);

/* *attempt: its number in the table. */
int store_begin(struct store *s, const struct store_run *run, int64_t *attempt, struct sl_err *e);
/* Writes what was measured, and what becomes of the run; *again: it stays to be done. */
int store_end(struct store *s, const struct store_run *run, int64_t attempt,
	      const struct record *r, bool *again, struct sl_err *e);

struct store_progress {
	unsigned int runs, done, failed, invalid, absent, pending, attempts;
	double attempt_s;		/* mean duration of an attempt; 0: none yet */
};
int store_progress(struct store *s, struct store_progress *ret, struct sl_err *e);

/* An oracle's choice; 1: there is none yet. */
int store_choice(struct store *s, const struct store_run *run, double *k_bytes, struct sl_err *e);

/* Results of test workloads are about to be shown. */
int store_look(struct store *s, const char *what, struct sl_err *e);

#endif
