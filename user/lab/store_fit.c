// SPDX-License-Identifier: GPL-2.0
/* The table "fits". */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "lab/fits_priv.h"
#include "lab/store_priv.h"

int fit_kept(struct store *s, struct fit_wanted *w, struct sl_err *e)
{
	sqlite3_stmt *st;
	int code, r = store_prepare(s, "SELECT kind, payload, command, crc FROM fits WHERE fit = ? AND "
				    "family = ?", &st, "reading fits", e);

	if (r)
		return r;
	sqlite3_bind_text(st, 1, w->fit, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, w->family, -1, SQLITE_STATIC);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		snprintf(w->model.command, sizeof(w->model.command), "%s", sqlite3_column_text(st, 2));
		if (model_set(&w->model, (const char *)sqlite3_column_text(st, 0),
			      sqlite3_column_blob(st, 1), sqlite3_column_bytes(st, 1)))
			r = sl_err(e, -ENOMEM, "out of memory");
		else if (model_crc(&w->model) != (uint32_t)sqlite3_column_int64(st, 3))
			r = sl_err(e, -EBADMSG, "the model %s without '%s' in the table fits is damaged: delete "
				   "that row, and it is made again", w->fit, w->family);
	} else if (code != SQLITE_DONE) {
		r = store_error(s, "reading fits", e);
	}
	sqlite3_finalize(st);
	return r;
}

/* The families of its sources, with blanks between. */
static void others(const struct plan *p, const struct fit_wanted *w, char *text, size_t size)
{
	bool use[p->workloads];
	size_t n = 0;

	text[0] = '\0';
	fit_sources(p, w->workload, use);
	for (unsigned int i = 0; i < p->workloads && n < size; i++) {
		bool seen = !use[i];

		for (unsigned int k = 0; k < i; k++)
			seen |= use[k] && !strcmp(p->workload[k].w.family, p->workload[i].w.family);
		if (!seen)
			n += snprintf(text + n, size - n, "%s%s", n ? " " : "", p->workload[i].w.family);
	}
}

int fit_keep(struct store *s, const struct plan *p, const struct fit_wanted *w, struct sl_err *e)
{
	char families[512];
	struct timespec now;
	sqlite3_stmt *st;
	int r = store_prepare(s, "INSERT OR REPLACE INTO fits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			      &st, "writing fits", e);

	if (r)
		return r;
	others(p, w, families, sizeof(families));
	clock_gettime(CLOCK_REALTIME, &now);
	sqlite3_bind_text(st, 1, w->fit, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, w->family, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 3, families, -1, SQLITE_TRANSIENT);
	sqlite3_bind_text(st, 4, w->model.kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 5, w->model.command, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 6, w->model.data, w->model.size, SQLITE_STATIC);
	sqlite3_bind_int64(st, 7, model_crc(&w->model));
	sqlite3_bind_int64(st, 8, w->mixes);
	sqlite3_bind_int64(st, 9, w->runs);
	sqlite3_bind_double(st, 10, w->seconds);
	sqlite3_bind_double(st, 11, now.tv_sec + now.tv_nsec / 1e9);
	return store_finish(s, st, "writing fits", e);
}
