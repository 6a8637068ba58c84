/* SPDX-License-Identifier: GPL-2.0 */
/* Learning curves. */
#ifndef SLUICE_POLICY_CURVE_H
#define SLUICE_POLICY_CURVE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct curve_point {
	uint64_t episode;
	double plotted, beside;	/* means since the last point */
};

struct curve {
	struct curve_point *point;
	size_t n;
};

struct curve_names {
	const char *plotted, *beside;	/* columns */
	const char *text;		/* what the picture shows */
};

int curve_add(struct curve *c, const struct curve_point *p);
void curve_free(struct curve *c);
/* NAME.csv, and NAME.svg with what is plotted over the episodes. */
int curve_write(const struct curve *c, const struct curve_names *names, const char *name,
		struct sl_err *e);

#endif
