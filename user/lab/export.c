// SPDX-License-Identifier: GPL-2.0
#include "lab/export.h"

#include <errno.h>
#include <string.h>

static void put_text(FILE *f, const char *text)
{
	if (!strpbrk(text, ",\"\n\r")) {
		fputs(text, f);
		return;
	}
	putc('"', f);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', f);
		putc(*text, f);
	}
	putc('"', f);
}

static void put_value(FILE *f, sqlite3_stmt *st, int i)
{
	switch (sqlite3_column_type(st, i)) {
	case SQLITE_NULL:
		break;
	case SQLITE_FLOAT:
		fprintf(f, "%.12g", sqlite3_column_double(st, i));
		break;
	case SQLITE_INTEGER:
		fprintf(f, "%lld", (long long)sqlite3_column_int64(st, i));
		break;
	default:
		put_text(f, (const char *)sqlite3_column_text(st, i));
	}
}

int export_csv(struct store *s, FILE *f, struct sl_err *e)
{
	sqlite3_stmt *st;
	int code, columns, r = store_look(s, "export", e);

	if (r)
		return r;
	if (sqlite3_prepare_v2(store_db(s), "SELECT * FROM tidy ORDER BY position, metric, class, "
			       "whole DESC, t0_s", -1, &st, NULL) != SQLITE_OK)
		return store_error(s, "exporting", e);
	columns = sqlite3_column_count(st);
	for (int i = 0; i < columns; i++)
		fprintf(f, "%s%s", i ? "," : "", sqlite3_column_name(st, i));
	putc('\n', f);
	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		for (int i = 0; i < columns; i++) {
			if (i)
				putc(',', f);
			put_value(f, st, i);
		}
		putc('\n', f);
	}
	if (code != SQLITE_DONE)
		r = store_error(s, "exporting", e);
	sqlite3_finalize(st);
	if (!r && (fflush(f) || ferror(f)))
		r = sl_err(e, -EIO, "cannot write the export: %s", strerror(errno));
	return r;
}
