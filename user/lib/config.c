// SPDX-License-Identifier: GPL-2.0
#include "lib/config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct parse {
	const char *path;
	FILE *file;
	const struct config_row *rows;
	size_t n;
	unsigned int *seen;	/* line on which a row was set, by row */
	char *out;
	unsigned int line;
	struct sl_err err;
	int error;
};

/* Levenshtein distance of two short names; what is longer counts as far. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[40], diagonal, above, i, j;
	size_t n = strlen(b);

	if (n >= 40 || strlen(a) >= 40)
		return 40;
	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 1; a[i - 1]; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= n; j++) {
			unsigned int change = diagonal + (a[i - 1] != b[j - 1]);

			above = row[j];
			row[j] = row[j - 1] + 1;
			if (above + 1 < row[j])
				row[j] = above + 1;
			if (change < row[j])
				row[j] = change;
			diagonal = above;
		}
	}
	return row[n];
}

static int fail(struct parse *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first error counts; 0 tells inih that a line is bad. */
static int fail(struct parse *p, const char *format, ...)
{
	char text[320];
	va_list ap;

	if (p->error)
		return 0;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	p->error = sl_err(&p->err, -EINVAL, "%s:%u: %s", p->path, p->line, text);
	return 0;
}

static bool section_known(const struct parse *p, const char *section)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (!strcmp(p->rows[i].section, section))
			return true;
	return false;
}

static int fail_section(struct parse *p, const char *section)
{
	char list[160] = "";
	size_t i, used = 0;

	for (i = 0; i < p->n && used < sizeof(list); i++)
		if (!i || strcmp(p->rows[i].section, p->rows[i - 1].section))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s[%s]",
						 used ? ", " : "", p->rows[i].section);
	return fail(p, "unknown section [%s]; the sections are %s", section, list);
}

static int fail_key(struct parse *p, const char *section, const char *key)
{
	const struct config_row *best = NULL;
	unsigned int least = UINT_MAX, changes, d;
	char list[260] = "";
	size_t i, longer, used = 0;

	/* The right key in the wrong section is nearer than any other. */
	for (i = 0; i < p->n; i++) {
		changes = distance(key, p->rows[i].key);
		longer = strlen(p->rows[i].key);
		if (strlen(key) > longer)
			longer = strlen(key);
		d = 2 * changes + !!strcmp(section, p->rows[i].section);
		if (changes <= longer / 3 + 1 && d < least) {
			least = d;
			best = &p->rows[i];
		}
	}
	if (best)
		return fail(p, "unknown key '%s' in [%s]; did you mean '%s' in [%s]?", key, section,
			    best->key, best->section);
	for (i = 0; i < p->n && used < sizeof(list); i++)
		if (!strcmp(p->rows[i].section, section))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
						 used ? ", " : "", p->rows[i].key);
	return fail(p, "unknown key '%s' in [%s]; its keys are %s%s", key, section, list,
		    used < sizeof(list) ? "" : "...");
}

static void words_list(const struct config_row *row, char *buf, size_t size)
{
	size_t i, used = 0;

	buf[0] = '\0';
	for (i = 0; row->words[i] && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
					 row->words[i]);
}

static int set_bool(const char *value, bool *out)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };
	size_t i;

	for (i = 0; i < 4; i++) {
		if (!strcasecmp(value, yes[i])) {
			*out = true;
			return 0;
		}
		if (!strcasecmp(value, no[i])) {
			*out = false;
			return 0;
		}
	}
	return -EINVAL;
}

/* Converts and stores one value, or says what would have been right. */
static int set_value(const struct config_row *row, const char *value, char *out, struct sl_err *e)
{
	void *field = out + row->offset;
	char list[160], *end;
	const char *key = row->key;
	double number;
	size_t i;

	switch (row->type) {
	case CONFIG_UINT:
	case CONFIG_REAL:
		number = strtod(value, &end);
		if (end == value || *end || !isfinite(number) ||
		    (row->type == CONFIG_UINT && number != floor(number)))
			return sl_err(e, -EINVAL, "%s = '%s' is not %s; it takes %.10g..%.10g%s%s",
				      key, value,
				      row->type == CONFIG_UINT ? "a whole number" : "a number",
				      row->min, row->max, *row->unit ? " " : "", row->unit);
		if (number < row->min || number > row->max)
			return sl_err(e, -EINVAL,
				      "%s = %s is out of range; it takes %.10g..%.10g%s%s", key,
				      value, row->min, row->max, *row->unit ? " " : "", row->unit);
		if (row->type == CONFIG_UINT)
			*(unsigned int *)field = (unsigned int)number;
		else
			*(double *)field = number;
		return 0;
	case CONFIG_BOOL:
		if (set_bool(value, field) < 0)
			return sl_err(e, -EINVAL, "%s = '%s' is neither yes nor no", key, value);
		return 0;
	case CONFIG_WORD:
		for (i = 0; row->words[i]; i++) {
			if (!strcmp(row->words[i], value)) {
				*(unsigned int *)field = (unsigned int)i;
				return 0;
			}
		}
		words_list(row, list, sizeof(list));
		return sl_err(e, -EINVAL, "%s = '%s' is none of %s", key, value, list);
	case CONFIG_TEXT:
		if (strlen(value) >= row->size)
			return sl_err(e, -EINVAL, "%s is longer than %zu characters", key,
				      row->size - 1);
		if (row->check) {
			struct sl_err why = { "" };

			if (row->check(value, &why) < 0)
				return sl_err(e, -EINVAL, "%s = '%s': %.200s", key, value,
					      why.text);
		}
		memset(field, 0, row->size);
		memcpy(field, value, strlen(value));
		return 0;
	}
	return -EINVAL;
}

static int on_key(void *user, const char *section, const char *key, const char *value)
{
	struct parse *p = user;
	struct sl_err why;
	size_t i;

	if (!*section)
		return fail(p, "'%s' stands before the first [section]", key);
	if (!section_known(p, section))
		return fail_section(p, section);
	for (i = 0; i < p->n; i++)
		if (!strcmp(p->rows[i].section, section) && !strcmp(p->rows[i].key, key))
			break;
	if (i == p->n)
		return fail_key(p, section, key);
	if (p->seen[i])
		return fail(p, "%s in [%s] was already set on line %u", key, section, p->seen[i]);
	p->seen[i] = p->line;
	if (set_value(&p->rows[i], value, p->out, &why) < 0)
		return fail(p, "%s", why.text);
	return 1;
}

/*
 * inih's line source: counts lines, which the library as Debian builds it does
 * not tell, and keeps an indented line from being read as a continuation.
 */
static char *read_line(char *buf, int size, void *stream)
{
	struct parse *p = stream;
	size_t n, blanks;
	char *close, *r;

	r = fgets(buf, size, p->file);
	if (!r)
		return NULL;
	p->line++;
	n = strlen(buf);
	if (n == (size_t)size - 1 && buf[n - 1] != '\n' && !feof(p->file)) {
		fail(p, "the line is longer than %d characters", size - 2);
		return NULL;
	}
	blanks = strspn(buf, " \t");
	memmove(buf, buf + blanks, n - blanks + 1);
	/* A section without keys never reaches on_key(). */
	if (buf[0] == '[') {
		close = strchr(buf, ']');
		if (!close) {
			fail(p, "the section lacks its closing ']'");
			return buf;
		}
		*close = '\0';
		if (!section_known(p, buf + 1))
			fail_section(p, buf + 1);
		*close = ']';
	}
	return buf;
}

int config_defaults(const struct config_row *rows, size_t n, void *out, struct sl_err *e)
{
	struct sl_err why;
	size_t i;
	int r;

	for (i = 0; i < n; i++) {
		r = set_value(&rows[i], rows[i].def, out, &why);
		if (r < 0)
			return sl_err(e, r, "default of [%s] %s: %.300s", rows[i].section,
				      rows[i].key, why.text);
	}
	return 0;
}

int config_load(const char *path, const struct config_row *rows, size_t n, void *out,
		size_t size, struct sl_err *e)
{
	struct parse p = { .path = path, .rows = rows, .n = n };
	int r;

	p.file = fopen(path, "re");
	if (!p.file)
		return sl_err(e, -errno, "cannot read %s: %s", path, strerror(errno));
	p.out = malloc(size);
	p.seen = calloc(n, sizeof(*p.seen));
	if (!p.out || !p.seen) {
		r = sl_err(e, -ENOMEM, "out of memory");
		goto out;
	}
	memcpy(p.out, out, size);
	r = config_defaults(rows, n, p.out, e);
	if (r < 0)
		goto out;
	r = ini_parse_stream(read_line, &p, on_key, &p);
	if (r > 0 && !p.error) {
		/* Of lines that are neither section nor key, inih tells the first. */
		p.line = (unsigned int)r;
		fail(&p, "neither '[section]' nor 'key = value'");
	}
	if (ferror(p.file) && !p.error)
		p.error = sl_err(&p.err, -EIO, "cannot read %s: it is not a readable file", path);
	r = p.error;
	if (r == 0)
		memcpy(out, p.out, size);
	else
		sl_err(e, r, "%s", p.err.text);
out:
	fclose(p.file);
	free(p.out);
	free(p.seen);
	return r;
}

void config_help(FILE *f, const struct config_row *rows, size_t n)
{
	const struct config_row *row;
	char list[160];
	size_t i;

	for (i = 0; i < n; i++) {
		row = &rows[i];
		if (!i || strcmp(row->section, rows[i - 1].section))
			fprintf(f, "%s[%s]\n", i ? "\n" : "", row->section);
		fprintf(f, "%s =%s%s\n\t", row->key, *row->def ? " " : "", row->def);
		if (row->type == CONFIG_UINT || row->type == CONFIG_REAL)
			fprintf(f, "%.10g..%.10g%s%s. ", row->min, row->max, *row->unit ? " " : "",
				row->unit);
		if (row->type == CONFIG_BOOL)
			fprintf(f, "yes or no. ");
		if (row->type == CONFIG_WORD) {
			words_list(row, list, sizeof(list));
			fprintf(f, "One of %s. ", list);
		}
		fprintf(f, "%s\n", row->help);
	}
}
