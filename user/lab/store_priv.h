/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SLUICE_LAB_STORE_PRIV_H
#define SLUICE_LAB_STORE_PRIV_H

#include "lab/store.h"

struct store {
	sqlite3 *db;
	char *path;
	int lock;		/* file descriptor; -1: none */
	bool locked;		/* and it is ours */
	char host[64];		/* this host's name */
	char kernel[64];	/* and its kernel */
	unsigned int attempts_max;
};

/* Statements without results; returns as store_error(). */
int store_exec(struct store *s, const char *sql, const char *what, struct sl_err *e);
int store_prepare(struct store *s, const char *sql, sqlite3_stmt **ret, const char *what,
		  struct sl_err *e);
/* Steps a statement that gives no row, and finishes it; st may be NULL after an error r. */
int store_finish(struct store *s, sqlite3_stmt *st, const char *what, struct sl_err *e);
/* One number; sql has no parameters. */
int store_number(struct store *s, const char *sql, int64_t *ret, struct sl_err *e);
/* Ends a transaction: commits, or, where r is an error, takes it back. */
int store_commit(struct store *s, int r, const char *what, struct sl_err *e);

int store_create(struct store *s, const struct plan *p, struct sl_err *e);

#endif
