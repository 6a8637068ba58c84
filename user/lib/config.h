/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Configuration files ("[section]", "key = value") read by a table: one row a
 * key, with its type, bounds, default, unit and help. The parser, the help
 * text and the tests all read the row.
 *
 * Anything the table does not know is an error that names file, line and the
 * nearest key; a file with an error yields nothing.
 */
#ifndef SLUICE_LIB_CONFIG_H
#define SLUICE_LIB_CONFIG_H

#include <stddef.h>
#include <stdio.h>

#include "lib/err.h"

enum config_type {
	CONFIG_UINT,	/* unsigned int */
	CONFIG_REAL,	/* double */
	CONFIG_BOOL,	/* bool: yes or no */
	CONFIG_WORD,	/* unsigned int: index into words */
	CONFIG_TEXT,	/* char[size] */
};

struct config_row {
	const char *section, *key;
	enum config_type type;
	double min, max;		/* CONFIG_UINT, CONFIG_REAL */
	const char *def;		/* as it would be written in the file */
	const char *unit;		/* or "" */
	const char *help;
	const char *const *words;	/* CONFIG_WORD, ends with NULL */
	/* CONFIG_TEXT: refuses what is no such list; may be NULL. The sentence goes into e. */
	int (*check)(const char *text, struct sl_err *e);
	size_t offset, size;		/* in the structure that is filled */
};

/* Writes every default. The table's own mistakes are -EINVAL. */
int config_defaults(const struct config_row *rows, size_t n, void *out, struct sl_err *e);
/* Defaults, then the file. out stays as it was when anything is wrong. size: of *out. */
int config_load(const char *path, const struct config_row *rows, size_t n, void *out,
		size_t size, struct sl_err *e);
/* One key a paragraph: bounds, default, help. */
void config_help(FILE *f, const struct config_row *rows, size_t n);

#endif
