/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pictures by gnuplot, which is called as a program: its script, with the data in it, on standard
 * input. What it gives is SVG to stand in a page: no reference to anything outside, and black lines
 * and letters that the page's style sheet may colour.
 */
#ifndef SLUICE_LAB_PLOT_H
#define SLUICE_LAB_PLOT_H

#include <stdio.h>

#include "lib/err.h"

struct plot {
	FILE *script;
	char name[16];
};

/* A new script that begins with a terminal of this size; name tells pictures of a page apart. -errno. */
int plot_begin(struct plot *p, const char *name, unsigned int width, unsigned int height,
	       struct sl_err *e);
/* A text that may stand between double quotes in the script. */
void plot_quoted(struct plot *p, const char *text);
/*
 * Runs it and ends p. -ENOENT: there is no gnuplot; -EIO: it failed. *svg is the caller's to free.
 */
int plot_end(struct plot *p, char **svg, struct sl_err *e);
void plot_abort(struct plot *p);

#endif
