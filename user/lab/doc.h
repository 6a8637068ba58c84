/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A report as headings, paragraphs, tables and pictures, written once and rendered for a terminal
 * and as one HTML page. What runs out of memory on the way shows when it is rendered.
 */
#ifndef SLUICE_LAB_DOC_H
#define SLUICE_LAB_DOC_H

#include <stdbool.h>
#include <stdio.h>

struct doc;

struct doc *doc_new(const char *title);
void doc_free(struct doc *d);	/* accepts NULL */

/* What follows is for the page alone, or for the terminal, too. */
void doc_brief(struct doc *d, bool brief);
void doc_heading(struct doc *d, const char *text);
void doc_text(struct doc *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What must not be overlooked. */
void doc_note(struct doc *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Large, with a word before it; tone: 'g'ood, 'b'ad, 'm'aybe, 'n'one. */
void doc_key(struct doc *d, char tone, const char *key, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Cells are separated by tabs; a row is that of the last table. */
void doc_table(struct doc *d, const char *columns);
void doc_row(struct doc *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doc_pre(struct doc *d, const char *text);
void doc_svg(struct doc *d, const char *caption, const char *svg);

/* -ENOMEM, -EIO. */
int doc_print(const struct doc *d, FILE *to);
int doc_html(const struct doc *d, FILE *to);

#endif
