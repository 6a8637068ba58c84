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
/* The answer in a sentence or two; the figures that matter, each with a title and what it means. */
void doc_answer(struct doc *d, char tone, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void doc_tile(struct doc *d, char tone, const char *title, const char *big, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* A word of the report and its meaning; those in a row are folded into one box, on the page alone. */
void doc_word(struct doc *d, const char *word, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void doc_pre(struct doc *d, const char *text);
void doc_svg(struct doc *d, const char *caption, const char *svg);

/* -ENOMEM, -EIO. */
int doc_print(const struct doc *d, FILE *to);
int doc_html(const struct doc *d, FILE *to);

#endif
