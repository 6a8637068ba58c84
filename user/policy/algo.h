/* SPDX-License-Identifier: GPL-2.0 */
/* All ways to make a model, by one name each: fits to a grid (fit.h), and learners (learn.h). */
#ifndef SLUICE_POLICY_ALGO_H
#define SLUICE_POLICY_ALGO_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/fit.h"
#include "policy/learn.h"

#define ALGO_MAX	((int)FIT_MAX + (int)LEARN_MAX)

/* An enum fit_kind, or FIT_MAX + an enum learn_kind; -1: there is none of this name. */
int algo_find(const char *name);
const char *algo_name(int algo);
/* Models of other seeds are others. */
bool algo_seeded(int algo);
/* All names, with blanks between. */
void algo_list(char *buf, size_t size);

#endif
