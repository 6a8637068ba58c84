// SPDX-License-Identifier: GPL-2.0
#include "lab/doc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#define COLUMNS		100	/* of the terminal */
#define KEYS		23	/* of these, for what stands before a value */
#define CELLS_MAX	24
#define LONG		36	/* letters of a cell that is prose */

/* An array of objects: kind, text, brief, and what else the kind has. */
struct doc {
	json_t *part;
	bool brief, no_memory;
	char title[200];
};

struct doc *doc_new(const char *title)
{
	struct doc *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->part = json_array();
	d->brief = true;
	d->no_memory = !d->part;
	snprintf(d->title, sizeof(d->title), "%s", title);
	return d;
}

void doc_free(struct doc *d)
{
	if (!d)
		return;
	json_decref(d->part);
	free(d);
}

void doc_brief(struct doc *d, bool brief)
{
	d->brief = brief;
}

static void add(struct doc *d, json_t *part)
{
	if (json_array_append_new(d->part, part))
		d->no_memory = true;
}

/* Names come from a database, in whatever bytes. */
static json_t *string(const char *text)
{
	json_t *s = json_string(text);

	if (!s && text) {
		char *clean = strdup(text);

		for (char *c = clean; c && *c; c++)
			*c = *c & 0x80 ? '?' : *c;
		s = clean ? json_string(clean) : NULL;
		free(clean);
	}
	return s;
}

static void put(struct doc *d, const char *kind, const char *text, const char *key,
		const char *value)
{
	json_t *part = json_pack("{s:s s:o s:b}", "kind", kind, "text", string(text), "brief", d->brief);

	if (part && key && json_object_set_new(part, key, string(value)))
		d->no_memory = true;
	add(d, part);
}

static char *formatted(const char *format, va_list ap)
{
	char *text;

	return vasprintf(&text, format, ap) < 0 ? NULL : text;
}

void doc_heading(struct doc *d, const char *text)
{
	put(d, "heading", text, NULL, NULL);
}

#define PUT(kind, key, value) do {			\
	va_list ap;					\
	char *text_;					\
	va_start(ap, format);				\
	text_ = formatted(format, ap);			\
	va_end(ap);					\
	put(d, kind, text_, key, value);		\
	free(text_);					\
} while (0)

void doc_text(struct doc *d, const char *format, ...)
{
	PUT("text", NULL, NULL);
}

void doc_note(struct doc *d, const char *format, ...)
{
	PUT("note", NULL, NULL);
}

void doc_key(struct doc *d, char tone, const char *key, const char *format, ...)
{
	PUT(tone == 'g' ? "good" : tone == 'b' ? "bad" : tone == 'm' ? "maybe" : "key", "key", key);
}

void doc_answer(struct doc *d, char tone, const char *format, ...)
{
	const char word[] = { tone, 0 };

	PUT("answer", "tone", word);
}

void doc_tile(struct doc *d, char tone, const char *title, const char *big, const char *format, ...)
{
	const char word[] = { tone, 0 };
	json_t *part;

	PUT("tile", "tile", title);
	part = json_array_get(d->part, json_array_size(d->part) - 1);
	if (json_object_set_new(part, "big", string(big)) ||
	    json_object_set_new(part, "tone", string(word)))
		d->no_memory = true;
}

void doc_word(struct doc *d, const char *word, const char *format, ...)
{
	PUT("word", "word", word);
}

void doc_pre(struct doc *d, const char *text)
{
	put(d, "pre", text, NULL, NULL);
}

void doc_svg(struct doc *d, const char *caption, const char *svg)
{
	put(d, "svg", caption, "svg", svg);
}

void doc_table(struct doc *d, const char *columns)
{
	json_t *part = json_pack("{s:s s:o s:b s:[]}", "kind", "table", "text", string(columns), "brief",
				 d->brief, "rows");

	add(d, part);
}

void doc_row(struct doc *d, const char *format, ...)
{
	json_t *table = json_array_get(d->part, json_array_size(d->part) - 1);
	char *text;
	va_list ap;

	va_start(ap, format);
	text = formatted(format, ap);
	va_end(ap);
	if (!text || json_array_append_new(json_object_get(table, "rows"), string(text)))
		d->no_memory = true;
	free(text);
}

static const char *get(const json_t *part, const char *key)
{
	const char *s = json_string_value(json_object_get(part, key));

	return s ? s : "";
}

static bool is(const json_t *part, const char *kind)
{
	return !strcmp(get(part, "kind"), kind);
}

/* --- for a terminal -------------------------------------------------------------------------- */

/* Words in lines of COLUMNS, of which so many are taken; those after the first stand further in. */
static void wrapped_after(FILE *to, const char *text, int taken, int indent)
{
	int at = taken;

	while (*text) {
		const size_t n = strcspn(text, " ");

		if (at == taken && at == indent) {
			;
		} else if (at && at + 1 + (int)n > COLUMNS) {
			fprintf(to, "\n%*s", indent, "");
			at = indent;
		} else if (at) {
			fputc(' ', to);
			at++;
		}
		fprintf(to, "%.*s", (int)n, text);
		at += n;
		text += n + (text[n] == ' ');
	}
	fputc('\n', to);
}

static void wrapped(FILE *to, const char *text, int indent)
{
	wrapped_after(to, text, 0, indent);
}

static void print_key(FILE *to, const char *key, const char *big, const char *text)
{
	char all[2000];

	fprintf(to, "%-*s ", KEYS - 1, key);
	snprintf(all, sizeof(all), "%s%s%s", big, *big && *text ? "; " : "", text);
	wrapped_after(to, all, KEYS, KEYS);
}

static size_t cell(const char **row, const char **ret)
{
	const size_t n = strcspn(*row, "\t");

	*ret = *row;
	*row += n + ((*row)[n] == '\t');
	return n;
}

static void widths(const char *row, size_t *width, size_t *n)
{
	const char *c;
	size_t i = 0;

	while (*row && i < CELLS_MAX) {
		const size_t len = cell(&row, &c);

		if (i == *n)
			width[(*n)++] = 0;
		if (len > width[i])
			width[i] = len;
		i++;
	}
}

static void print_row(FILE *to, const char *row, const size_t *width)
{
	const char *c;

	for (size_t i = 0; *row && i < CELLS_MAX; i++) {
		const int len = cell(&row, &c);

		if (i)
			fprintf(to, "  %*.*s", (int)width[i], len, c);
		else
			fprintf(to, "%.*s%*s", len, c, (int)width[0] - len, "");
	}
	fputc('\n', to);
}

static void print_table(FILE *to, const json_t *part)
{
	const json_t *rows = json_object_get(part, "rows"), *row;
	size_t width[CELLS_MAX], n = 0, i;

	widths(get(part, "text"), width, &n);
	json_array_foreach(rows, i, row)
		widths(json_string_value(row), width, &n);
	print_row(to, get(part, "text"), width);
	json_array_foreach(rows, i, row)
		print_row(to, json_string_value(row), width);
}

int doc_print(const struct doc *d, FILE *to)
{
	const json_t *part;
	size_t i;

	if (d->no_memory)
		return -ENOMEM;
	json_array_foreach(d->part, i, part) {
		if (!json_is_true(json_object_get(part, "brief")))
			continue;
		if (is(part, "heading"))
			fprintf(to, "\n%s\n", get(part, "text"));
		else if (is(part, "table"))
			print_table(to, part);
		else if (json_object_get(part, "key"))
			print_key(to, get(part, "key"), "", get(part, "text"));
		else if (is(part, "tile"))
			print_key(to, get(part, "tile"), get(part, "big"), get(part, "text"));
		else if (is(part, "answer"))
			wrapped(to, get(part, "text"), 0), fputc('\n', to);
		else if (is(part, "note"))
			fputs("! ", to), wrapped(to, get(part, "text"), 2);
		else if (is(part, "text"))
			wrapped(to, get(part, "text"), 0);
	}
	return ferror(to) ? -EIO : 0;
}

/* --- as a page ------------------------------------------------------------------------------- */

static void escaped(FILE *to, const char *text, size_t n)
{
	for (size_t i = 0; i < n && text[i]; i++) {
		switch (text[i]) {
		case '&': fputs("&amp;", to); break;
		case '<': fputs("&lt;", to); break;
		case '>': fputs("&gt;", to); break;
		case '"': fputs("&quot;", to); break;
		default: fputc(text[i], to);
		}
	}
}

/* Columns with prose in them: they may have several lines, and begin at the left. */
static void prose(const json_t *part, bool *is_prose)
{
	const json_t *row;
	size_t i;

	memset(is_prose, 0, CELLS_MAX * sizeof(*is_prose));
	json_array_foreach(json_object_get(part, "rows"), i, row) {
		const char *at = json_string_value(row), *c;

		for (size_t k = 0; *at && k < CELLS_MAX; k++)
			is_prose[k] |= cell(&at, &c) > LONG && k;
	}
}

static void html_row(FILE *to, const char *row, const char *tag, const bool *is_prose)
{
	const char *c;

	fputs("<tr>", to);
	for (size_t k = 0; *row && k < CELLS_MAX; k++) {
		const size_t n = cell(&row, &c);

		fprintf(to, is_prose[k] ? "<%s class=\"long\">" : "<%s>", tag);
		escaped(to, c, n);
		fprintf(to, "</%s>", tag);
	}
	fputs("</tr>\n", to);
}

static void html_table(FILE *to, const json_t *part)
{
	bool is_prose[CELLS_MAX];
	const json_t *row;
	size_t i;

	prose(part, is_prose);
	fputs("<div class=\"wide\"><table><thead>", to);
	html_row(to, get(part, "text"), "th", is_prose);
	fputs("</thead><tbody>\n", to);
	json_array_foreach(json_object_get(part, "rows"), i, row)
		html_row(to, json_string_value(row), "td", is_prose);
	fputs("</tbody></table></div>\n", to);
}

static const char head[] =
	"<meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
	":root{color-scheme:light dark;--line:#c9ced6;--soft:#f2f4f7;--dim:#5b6470;--good:#1a7f37;"
	"--bad:#b42318;--key:#8a6100;--note:#fff6dd;--back:#fff;--fore:#1b1f24}\n"
	"@media(prefers-color-scheme:dark){:root{--line:#3d444d;--soft:#1c2128;--dim:#9aa4b0;"
	"--good:#4ac26b;--bad:#ff7b72;--key:#e3b341;--note:#342a10;--back:#0f1318;--fore:#e3e8ee}}\n"
	"body{font:15px/1.5 system-ui,\"DejaVu Sans\",sans-serif;max-width:66rem;margin:2rem auto;"
	"padding:0 1rem;background:var(--back);color:var(--fore)}\n"
	"h1{font-size:1.7rem;line-height:1.25;margin:0 0 .5rem}h2{font-size:1.2rem;margin:2.4rem 0 .6rem;"
	"border-bottom:1px solid var(--line);padding-bottom:.2rem}p{margin:.5rem 0;max-width:52rem}\n"
	"nav{font-size:13px;margin:1rem 0}nav a{color:var(--dim);margin-right:1rem}\n"
	".wide{overflow-x:auto;margin:.7rem 0}table{border-collapse:collapse;font-size:13px;"
	"font-variant-numeric:tabular-nums}th,td{padding:.22rem .6rem;text-align:right;"
	"white-space:nowrap;border-bottom:1px solid var(--line)}th{background:var(--soft);"
	"font-weight:600;vertical-align:bottom;white-space:normal}th:first-child,td:first-child{text-align:left;position:sticky;"
	"left:0;background:var(--back)}th:first-child{background:var(--soft)}"
	"th.long,td.long{text-align:left;white-space:normal;min-width:11rem}\n"
	".keys{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.2rem;margin:1rem 0}"
	".keys b{color:var(--dim);font-weight:500}.good,.bad,.maybe{font-weight:600}"
	".good{color:var(--good)}.bad{color:var(--bad)}.maybe{color:var(--key)}\n"
	".answer{font-size:1.1rem;border-left:5px solid var(--dim);padding:.5rem 1rem;max-width:none;"
	"background:var(--soft)}.answer.g{border-color:var(--good)}.answer.m{border-color:var(--key)}"
	".answer.b{border-color:var(--bad)}\n"
	".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:.8rem;margin:1rem 0}"
	".tile{border:1px solid var(--line);border-radius:6px;padding:.6rem .8rem;font-size:13px;"
	"color:var(--dim)}.tile b{display:block;font-weight:500}.tile strong{display:block;font-size:1.55rem;"
	"line-height:1.3;color:var(--fore)}.tile.g strong{color:var(--good)}.tile.b strong{color:var(--bad)}"
	".tile.m strong{color:var(--key)}\n"
	".note{background:var(--note);border-left:4px solid var(--key);padding:.4rem .8rem}"
	"pre{background:var(--soft);padding:.8rem;overflow-x:auto;font-size:12.5px}"
	"figure{margin:1rem 0;overflow-x:auto}figcaption{color:var(--dim);font-size:13px}"
	"details{margin:1rem 0}summary{cursor:pointer;font-weight:600}dl{display:grid;"
	"grid-template-columns:max-content 1fr;gap:.3rem 1.2rem;font-size:14px}dt{font-weight:600}dd{margin:0}\n"
	"svg{width:100%;min-width:40rem;height:auto;display:block}svg text,svg tspan{font-family:inherit}"
	"svg [color=black]{color:inherit}svg [stroke=black]{stroke:currentColor}"
	"svg [stroke=\"rgb(  0,   0,   0)\"]{stroke:currentColor}svg [fill=black]{fill:currentColor}"
	"svg [stroke=gray]{stroke:var(--line)}\n"
	"@media(max-width:44rem){body{margin:1rem auto;padding:0 .6rem}.keys,dl{grid-template-columns:1fr;"
	"gap:.1rem}.keys span,dd{margin-bottom:.5rem}h1{font-size:1.35rem}th:first-child,td:first-child{"
	"max-width:9rem;white-space:normal}}\n"
	"</style>\n";

/* What stands together in a box of its own; NULL: nothing. */
static const struct box {
	const char *key, *before, *after;
} boxes[] = {
	{ "key", "<div class=\"keys\">\n", "</div>\n" },
	{ "tile", "<div class=\"tiles\">\n", "</div>\n" },
	{ "word", "<details><summary>What the words mean</summary><dl>\n", "</dl></details>\n" },
};

static const struct box *box_of(const json_t *part)
{
	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++)
		if (json_object_get(part, boxes[i].key))
			return &boxes[i];
	return NULL;
}

static void html_text(FILE *to, const char *before, const char *text, const char *after)
{
	fputs(before, to);
	escaped(to, text, strlen(text));
	fputs(after, to);
}

static void html_part(FILE *to, const json_t *part, size_t at)
{
	const char *text = get(part, "text"), *kind = get(part, "kind");

	if (is(part, "table")) {
		html_table(to, part);
	} else if (is(part, "svg")) {
		fprintf(to, "<figure>%s", get(part, "svg"));
		html_text(to, "<figcaption>", text, "</figcaption></figure>\n");
	} else if (is(part, "heading")) {
		fprintf(to, "<h2 id=\"s%zu\">", at);
		html_text(to, "", text, "</h2>\n");
	} else if (is(part, "tile")) {
		fprintf(to, "<div class=\"tile %s\">", get(part, "tone"));
		html_text(to, "<b>", get(part, "tile"), "</b>");
		html_text(to, "<strong>", get(part, "big"), "</strong>");
		html_text(to, "", text, "</div>\n");
	} else if (is(part, "word")) {
		html_text(to, "<dt>", get(part, "word"), "</dt>");
		html_text(to, "<dd>", text, "</dd>\n");
	} else if (json_object_get(part, "key")) {
		html_text(to, "<b>", get(part, "key"), "</b>");
		fprintf(to, "<span class=\"%s\">", kind);
		html_text(to, "", text, "</span>\n");
	} else {
		const char *tag = is(part, "pre") ? "pre" : "p";

		fprintf(to, "<%s class=\"%s %s\">", tag, kind, get(part, "tone"));
		escaped(to, text, strlen(text));
		fprintf(to, "</%s>\n", tag);
	}
}

static void html_contents(FILE *to, const struct doc *d)
{
	const json_t *part;
	size_t i;

	fputs("<nav>", to);
	json_array_foreach(d->part, i, part) {
		if (!is(part, "heading"))
			continue;
		fprintf(to, "<a href=\"#s%zu\">", i);
		html_text(to, "", get(part, "text"), "</a> ");
	}
	fputs("</nav>\n", to);
}

int doc_html(const struct doc *d, FILE *to)
{
	const struct box *box = NULL;
	const json_t *part;
	bool contents = false;
	size_t i;

	if (d->no_memory)
		return -ENOMEM;
	fputs("<!doctype html>\n<html lang=\"en\"><head>", to);
	fputs(head, to);
	html_text(to, "<title>", d->title, "</title></head><body>\n");
	html_text(to, "<h1>", d->title, "</h1>\n");
	json_array_foreach(d->part, i, part) {
		const struct box *own = box_of(part);

		if (own != box) {
			fputs(box ? box->after : "", to);
			fputs(own ? own->before : "", to);
			box = own;
		}
		if (!contents && is(part, "heading")) {
			html_contents(to, d);
			contents = true;
		}
		html_part(to, part, i);
	}
	fputs(box ? box->after : "", to);
	fputs("</body></html>\n", to);
	return ferror(to) ? -EIO : 0;
}
