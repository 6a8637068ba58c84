// SPDX-License-Identifier: GPL-2.0
/* Opening, closing and the plan of a database. Runs are in store_run.c. */
#include "lab/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "lab/store_priv.h"

#define BUSY_MS		10000
#define LOCK_TRIES	20
#define LOCK_WAIT_US	50000

sqlite3 *store_db(struct store *s)
{
	return s->db;
}

int store_error(struct store *s, const char *what, struct sl_err *e)
{
	const int code = s->db ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
	const char *text = s->db ? sqlite3_errmsg(s->db) : "out of memory";

	switch (code & 0xff) {
	case SQLITE_FULL:
		return sl_err(e, -ENOSPC, "%s: the disk of %s is full; nothing that was measured "
			      "before is lost: free some space and give the same command again",
			      what, s->path);
	case SQLITE_IOERR:
		return sl_err(e, -EIO, "%s: %s cannot be written or read (%s); nothing that was "
			      "measured before is lost: mend the disk and give the same command again",
			      what, s->path, text);
	case SQLITE_NOTADB:
		return sl_err(e, -EBADMSG, "%s is no database of sluice lab; name another file", s->path);
	case SQLITE_CORRUPT:
		return sl_err(e, -EBADMSG, "%s is damaged or was written half (%s); restore a copy, or "
			      "save what is left by 'sqlite3 %s .recover'", s->path, text, s->path);
	case SQLITE_CANTOPEN:
		return sl_err(e, -ENOENT, "%s cannot be opened; is its directory there, and may you "
			      "write in it?", s->path);
	case SQLITE_READONLY:
		return sl_err(e, -EROFS, "%s: %s may not be written; its file and its directory must be "
			      "yours to write", what, s->path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return sl_err(e, -EBUSY, "%s: another program has locked %s; wait for it", what, s->path);
	case SQLITE_NOMEM:
		return sl_err(e, -ENOMEM, "out of memory");
	default:
		return sl_err(e, -EIO, "%s: %s: %s", what, s->path, text);
	}
}

int store_exec(struct store *s, const char *sql, const char *what, struct sl_err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : store_error(s, what, e);
}

int store_prepare(struct store *s, const char *sql, sqlite3_stmt **ret, const char *what,
		  struct sl_err *e)
{
	*ret = NULL;
	return sqlite3_prepare_v2(s->db, sql, -1, ret, NULL) == SQLITE_OK ? 0 :
		store_error(s, what, e);
}

int store_finish(struct store *s, sqlite3_stmt *st, const char *what, struct sl_err *e)
{
	const int code = sqlite3_step(st);
	const int r = code == SQLITE_DONE || code == SQLITE_ROW ? 0 : store_error(s, what, e);

	sqlite3_finalize(st);
	return r;
}

int store_number(struct store *s, const char *sql, int64_t *ret, struct sl_err *e)
{
	sqlite3_stmt *st;
	int r = store_prepare(s, sql, &st, "reading", e);

	if (r)
		return r;
	if (sqlite3_step(st) == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	else
		r = store_error(s, "reading", e);
	sqlite3_finalize(st);
	return r;
}

int store_commit(struct store *s, int r, const char *what, struct sl_err *e)
{
	if (!r)
		r = store_exec(s, "COMMIT", what, e);
	/* After some errors SQLite has done so by itself. */
	if (r && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

static int new_store(const char *path, struct store **ret, struct sl_err *e)
{
	struct store *s = calloc(1, sizeof(*s));
	struct utsname u;

	if (s) {
		s->lock = -1;
		s->path = strdup(path);
	}
	if (!s || !s->path) {
		free(s);
		return sl_err(e, -ENOMEM, "out of memory");
	}
	if (!uname(&u)) {
		snprintf(s->host, sizeof(s->host), "%.63s", u.nodename);
		snprintf(s->kernel, sizeof(s->kernel), "%.63s", u.release);
	}
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	sqlite3_close(s->db);
	if (s->locked) {
		char name[4096];

		snprintf(name, sizeof(name), "%s.lock", s->path);
		unlink(name);
	}
	if (s->lock >= 0)
		close(s->lock);
	free(s->path);
	free(s);
}

static bool is_at(int fd, const char *name)
{
	struct stat a, b;

	return !fstat(fd, &a) && !stat(name, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* A lock of its own: to open the database's file a second time would undo SQLite's. */
static int take_lock(struct store *s, struct sl_err *e)
{
	char name[4096], who[32] = "";
	ssize_t n;
	int r = 0;

	snprintf(name, sizeof(name), "%s.lock", s->path);
again:
	s->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (s->lock < 0)
		return sl_err(e, -errno, "cannot make %s: %s", name, strerror(errno));
	/* Simulations of a runner that was killed hold it until they have died, too. */
	for (int i = 0; i < LOCK_TRIES && (r = flock(s->lock, LOCK_EX | LOCK_NB)); i++)
		usleep(LOCK_WAIT_US);
	if (r) {
		n = pread(s->lock, who, sizeof(who) - 1, 0);
		who[n > 0 ? strcspn(who, "\n") : 0] = '\0';
		return sl_err(e, -EBUSY, "another 'sluice lab run' (process %s) works on %s; wait for it "
			      "or stop it", *who ? who : "unknown", s->path);
	}
	/* Whoever had it before has removed it meanwhile. */
	if (!is_at(s->lock, name)) {
		close(s->lock);
		goto again;
	}
	s->locked = true;
	snprintf(who, sizeof(who), "%d\n", getpid());
	if (ftruncate(s->lock, 0) || pwrite(s->lock, who, strlen(who), 0) < 0)
		return sl_err(e, -errno, "cannot write %s: %s", name, strerror(errno));
	return 0;
}

/* *fresh: nothing is in it yet, not even of a runner that was killed at its first step. */
static int check(struct store *s, bool *fresh, struct sl_err *e)
{
	int64_t id = 0, version = 0, objects = 0;
	int r = store_number(s, "SELECT count(*) FROM sqlite_master", &objects, e);

	if (!r)
		r = store_number(s, "PRAGMA application_id", &id, e);
	if (!r)
		r = store_number(s, "PRAGMA user_version", &version, e);
	if (r)
		return r;
	*fresh = !objects && !id;
	if (*fresh)
		return 0;
	if (id != STORE_APPLICATION_ID)
		return sl_err(e, -EBADMSG, "%s is a database of another program; name another file",
			      s->path);
	if (version != STORE_VERSION)
		return sl_err(e, -EBADMSG, "%s has version %lld of the schema and this sluice %s has %d; "
			      "use the sluice that began it, or another file", s->path,
			      (long long)version, SLUICE_VERSION, STORE_VERSION);
	return 0;
}

static int open_db(struct store *s, int flags, bool *fresh, struct sl_err *e)
{
	int r = 0;

	if (sqlite3_open_v2(s->path, &s->db, flags, NULL) != SQLITE_OK)
		return store_error(s, "opening", e);
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	r = check(s, fresh, e);
	if (!r)
		r = store_exec(s, "PRAGMA foreign_keys = ON", "opening", e);
	return r;
}

int store_open(const char *path, struct store **ret, struct sl_err *e)
{
	struct store *s;
	bool fresh;
	int r;

	if (access(path, R_OK))
		return sl_err(e, -errno, "cannot read %s: %s; 'sluice lab run' makes databases", path,
			      strerror(errno));
	r = new_store(path, &s, e);
	if (r)
		return r;
	r = open_db(s, access(path, W_OK) ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, &fresh, e);
	if (!r && fresh)
		r = sl_err(e, -EBADMSG, "%s is empty: 'sluice lab run' has not begun it", path);
	if (r)
		store_close(s);
	else
		*ret = s;
	return r;
}

static int check_plan(struct store *s, const struct plan *p, struct sl_err *e)
{
	sqlite3_stmt *st;
	int r = store_prepare(s, "SELECT hash, name FROM plan", &st, "reading the plan", e);

	if (r)
		return r;
	if (sqlite3_step(st) != SQLITE_ROW)
		r = sl_err(e, -EBADMSG, "%s has no plan: it was written half; remove it", s->path);
	else if (strcmp((const char *)sqlite3_column_text(st, 0), p->hash))
		r = sl_err(e, -ESTALE, "%s holds runs of another plan, '%s', or this one was changed "
			   "since: name another database, or go on with the plan it was begun with, "
			   "which 'sluice lab status --plan %s' prints", s->path,
			   (const char *)sqlite3_column_text(st, 1), s->path);
	sqlite3_finalize(st);
	return r;
}

/* What is damaged is found before anything is added to it. */
static int check_pages(struct store *s, struct sl_err *e)
{
	sqlite3_stmt *st;
	int r = store_prepare(s, "PRAGMA quick_check(1)", &st, "checking", e);

	if (r)
		return r;
	if (sqlite3_step(st) != SQLITE_ROW)
		r = store_error(s, "checking", e);
	else if (strcmp((const char *)sqlite3_column_text(st, 0), "ok"))
		r = sl_err(e, -EBADMSG, "%s is damaged or was written half: its pages do not fit together; "
			   "restore a copy, or save what is left by 'sqlite3 %s .recover'", s->path,
			   s->path);
	sqlite3_finalize(st);
	return r;
}

static int resume(struct store *s, const struct plan *p, unsigned int *interrupted,
		  struct sl_err *e)
{
	int r = check_pages(s, e);

	if (!r)
		r = check_plan(s, p, e);
	if (!r)
		r = store_exec(s, "UPDATE attempts SET state = 'interrupted', error = 'the runner was "
			       "killed' WHERE state = 'running'", "resuming", e);
	if (!r)
		*interrupted = sqlite3_changes(s->db);
	return r;
}

int store_begin_work(const char *path, const struct plan *p, struct store **ret,
		     unsigned int *interrupted, struct sl_err *e)
{
	struct store *s;
	bool fresh = false;
	struct stat st;
	int r;

	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return sl_err(e, -EINVAL, "%s is no file; name another", path);
	r = new_store(path, &s, e);
	if (r)
		return r;
	*interrupted = 0;
	s->attempts_max = p->attempts_max;
	r = take_lock(s, e);
	if (!r)
		r = open_db(s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &fresh, e);
	if (!r)
		r = store_exec(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", "opening", e);
	if (!r)
		r = fresh ? store_create(s, p, e) : resume(s, p, interrupted, e);
	if (r)
		store_close(s);
	else
		*ret = s;
	return r;
}
