// SPDX-License-Identifier: GPL-2.0
/* Attempts of runs, as they begin and end. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lab/store_priv.h"

static double now_unix_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void bind_text(sqlite3_stmt *st, int i, const char *text)
{
	if (text && *text)
		sqlite3_bind_text(st, i, text, -1, SQLITE_TRANSIENT);
}

static void bind_real(sqlite3_stmt *st, int i, double v)
{
	if (isfinite(v))
		sqlite3_bind_double(st, i, v);
}

/* *ret: its number; -1: there is none. */
static int next_block(struct store *s, const unsigned int *under_way, unsigned int blocks,
		      int64_t *ret, struct sl_err *e)
{
	sqlite3_stmt *st;
	int code, r = store_prepare(s, "SELECT DISTINCT block FROM runs WHERE state = 'pending' "
				    "ORDER BY block", &st, "reading runs", e);

	if (r)
		return r;
	*ret = -1;
	while ((code = sqlite3_step(st)) == SQLITE_ROW && *ret < 0) {
		*ret = sqlite3_column_int64(st, 0);
		for (unsigned int i = 0; i < blocks; i++)
			if (*ret == under_way[i])
				*ret = -1;
	}
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		r = store_error(s, "reading runs", e);
	sqlite3_finalize(st);
	return r;
}

int store_next_block(struct store *s, const unsigned int *under_way, unsigned int blocks,
		     struct store_run **ret, size_t *n, struct sl_err *e)
{
	struct store_run *run = NULL, *more;
	size_t used = 0;
	sqlite3_stmt *st;
	int64_t block = -1;
	int code = SQLITE_DONE, r;

	r = next_block(s, under_way, blocks, &block, e);
	if (!r)
		r = store_prepare(s, "SELECT id, workload, configuration, policy, trial, block, seed, "
				  "(SELECT count(*) FROM attempts a WHERE a.run = runs.id AND a.state IN "
				  "('failed', 'invalid')) FROM runs WHERE state = 'pending' AND block = ? "
				  "ORDER BY position", &st, "reading runs", e);
	if (r)
		return r;
	sqlite3_bind_int64(st, 1, block);
	while (!r && (code = sqlite3_step(st)) == SQLITE_ROW) {
		more = reallocarray(run, used + 1, sizeof(*run));
		if (!more) {
			r = sl_err(e, -ENOMEM, "out of memory");
			break;
		}
		run = more;
		run[used++] = (struct store_run){
			.id = sqlite3_column_int64(st, 0), .workload = sqlite3_column_int64(st, 1) - 1,
			.configuration = sqlite3_column_int64(st, 2) - 1,
			.policy = sqlite3_column_int64(st, 3) - 1, .trial = sqlite3_column_int64(st, 4),
			.block = sqlite3_column_int64(st, 5), .seed = sqlite3_column_int64(st, 6),
			.attempts = sqlite3_column_int64(st, 7),
		};
	}
	if (!r && code != SQLITE_DONE)
		r = store_error(s, "reading runs", e);
	sqlite3_finalize(st);
	if (r) {
		free(run);
		return r;
	}
	*ret = run;
	*n = used;
	return 0;
}

int store_begin(struct store *s, const struct store_run *run, int64_t *attempt, struct sl_err *e)
{
	sqlite3_stmt *st;
	int r = store_prepare(s, "INSERT INTO attempts (run, number, state, started_unix_s, sluice, "
			      "kernel, host) SELECT ?1, 1 + coalesce(max(number), 0), 'running', ?2, "
			      "?3, ?4, ?5 FROM attempts WHERE run = ?1", &st, "beginning a run", e);

	if (r)
		return r;
	sqlite3_bind_int64(st, 1, run->id);
	sqlite3_bind_double(st, 2, now_unix_s());
	bind_text(st, 3, SLUICE_VERSION);
	bind_text(st, 4, s->kernel);
	bind_text(st, 5, s->host);
	r = store_finish(s, st, "beginning a run", e);
	if (!r)
		*attempt = sqlite3_last_insert_rowid(s->db);
	return r;
}

static int insert_metrics(struct store *s, int64_t attempt, const struct record *rec,
			  struct sl_err *e)
{
	sqlite3_stmt *st;
	int r = store_prepare(s, "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &st,
			      "writing metrics", e);

	if (r)
		return r;
	for (size_t i = 0; !r && i < rec->n; i++) {
		const struct metric *m = &rec->metric[i];

		sqlite3_clear_bindings(st);
		sqlite3_bind_int64(st, 1, attempt);
		sqlite3_bind_text(st, 2, m->name, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 3, m->class, -1, SQLITE_STATIC);
		sqlite3_bind_double(st, 4, m->t0_s);
		sqlite3_bind_double(st, 5, m->t1_s);
		sqlite3_bind_int(st, 6, m->whole);
		bind_real(st, 7, m->value);
		sqlite3_bind_int64(st, 8, m->n);
		sqlite3_bind_int64(st, 9, m->censored);
		sqlite3_bind_text(st, 10, metric_status_name(m->status), -1, SQLITE_STATIC);
		if (sqlite3_step(st) != SQLITE_DONE)
			r = store_error(s, "writing metrics", e);
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	return r;
}

static int update_attempt(struct store *s, int64_t attempt, const struct record *rec,
			  struct sl_err *e)
{
	sqlite3_stmt *st;
	int r = store_prepare(s, "UPDATE attempts SET state = ?2, duration_s = ?3, clock_step_s = ?4, "
			      "error = ?5, log = ?6, boot = ?7, kernel = coalesce(?8, kernel), "
			      "calibration = ?9, drain_share = ?10 WHERE id = ?1 AND state = 'running'",
			      &st, "ending a run", e);

	if (r)
		return r;
	sqlite3_bind_int64(st, 1, attempt);
	bind_text(st, 2, record_state_name(rec->state));
	sqlite3_bind_double(st, 3, rec->duration_s);
	sqlite3_bind_double(st, 4, rec->clock_step_s);
	bind_text(st, 5, rec->error);
	bind_text(st, 6, rec->log);
	sqlite3_bind_text(st, 7, rec->boot, -1, SQLITE_STATIC);
	bind_text(st, 8, rec->kernel);
	bind_real(st, 9, rec->calibration);
	bind_real(st, 10, rec->drain_share);
	return store_finish(s, st, "ending a run", e);
}

/* What becomes of the run; NULL: it stays to be done. */
static const char *next_state(const struct store *s, const struct store_run *run,
			      const struct record *rec)
{
	const bool last = run->attempts + 1 >= s->attempts_max;

	switch (rec->state) {
	case RECORD_VALID:
		return "done";
	case RECORD_ABSENT:
		return "absent";
	case RECORD_FAILED:
		return last ? "failed" : NULL;
	case RECORD_INVALID:
		return last ? "invalid" : NULL;
	default:
		return NULL;
	}
}

static void bind_cell(sqlite3_stmt *st, const struct store_run *run)
{
	sqlite3_bind_int64(st, 1, run->workload + 1);
	sqlite3_bind_int64(st, 2, run->configuration + 1);
	sqlite3_bind_int64(st, 3, run->policy + 1);
}

static int insert_choice(struct store *s, const struct store_run *run, const struct record *rec,
			 struct sl_err *e)
{
	sqlite3_stmt *st;
	int r = store_prepare(s, "INSERT OR IGNORE INTO choices VALUES (?, ?, ?, ?, ?, ?)", &st,
			      "writing a choice", e);

	if (r)
		return r;
	bind_cell(st, run);
	sqlite3_bind_double(st, 4, rec->choice_k_bytes);
	bind_real(st, 5, rec->choice_cost);
	sqlite3_bind_int64(st, 6, rec->choice_runs);
	return store_finish(s, st, "writing a choice", e);
}

int store_end(struct store *s, const struct store_run *run, int64_t attempt,
	      const struct record *rec, bool *again, struct sl_err *e)
{
	const char *state = next_state(s, run, rec);
	sqlite3_stmt *st;
	int r = store_exec(s, "BEGIN IMMEDIATE", "ending a run", e);

	if (r)
		return r;
	r = update_attempt(s, attempt, rec, e);
	if (!r)
		r = insert_metrics(s, attempt, rec, e);
	if (!r && isfinite(rec->choice_k_bytes))
		r = insert_choice(s, run, rec, e);
	if (!r && state)
		r = store_prepare(s, "UPDATE runs SET state = ? WHERE id = ?", &st, "ending a run", e);
	if (!r && state) {
		bind_text(st, 1, state);
		sqlite3_bind_int64(st, 2, run->id);
		r = store_finish(s, st, "ending a run", e);
	}
	r = store_commit(s, r, "ending a run", e);
	if (!r)
		*again = !state;
	return r;
}

int store_progress(struct store *s, struct store_progress *ret, struct sl_err *e)
{
	unsigned int *const to[] = { &ret->runs, &ret->done, &ret->failed, &ret->invalid, &ret->absent,
				     &ret->pending, &ret->attempts };
	sqlite3_stmt *st;
	int r = store_prepare(s, "SELECT count(*), sum(state = 'done'), sum(state = 'failed'), "
			      "sum(state = 'invalid'), sum(state = 'absent'), sum(state = 'pending'), "
			      "(SELECT count(*) FROM attempts), (SELECT coalesce(avg(duration_s), 0) FROM "
			      "attempts WHERE state IN ('valid', 'invalid', 'failed')) FROM runs", &st,
			      "reading progress", e);

	if (r)
		return r;
	if (sqlite3_step(st) == SQLITE_ROW) {
		for (int i = 0; i < 7; i++)
			*to[i] = sqlite3_column_int64(st, i);
		ret->attempt_s = sqlite3_column_double(st, 7);
	} else {
		r = store_error(s, "reading progress", e);
	}
	sqlite3_finalize(st);
	return r;
}

int store_choice(struct store *s, const struct store_run *run, double *k_bytes, struct sl_err *e)
{
	sqlite3_stmt *st;
	int code, r = store_prepare(s, "SELECT k_bytes FROM choices WHERE workload = ? AND "
				    "configuration = ? AND policy = ?", &st, "reading choices", e);

	if (r)
		return r;
	bind_cell(st, run);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		*k_bytes = sqlite3_column_double(st, 0);
	else
		r = code == SQLITE_DONE ? 1 : store_error(s, "reading choices", e);
	sqlite3_finalize(st);
	return r;
}

int store_look(struct store *s, const char *what, struct sl_err *e)
{
	sqlite3_stmt *st;
	int r = store_prepare(s, "INSERT INTO looks (at_unix_s, what, evaluations) SELECT ?, ?, "
			      "coalesce(sum(evaluations), 0) FROM test_evaluations", &st,
			      "noting a look", e);

	if (r)
		return r;
	sqlite3_bind_double(st, 1, now_unix_s());
	bind_text(st, 2, what);
	return store_finish(s, st, "noting a look", e);
}
