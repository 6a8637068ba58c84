/* SPDX-License-Identifier: GPL-2.0 */
/* The view "tidy" as CSV (RFC 4180, but lines end with a newline alone); what is NULL is empty. */
#ifndef SLUICE_LAB_EXPORT_H
#define SLUICE_LAB_EXPORT_H

#include <stdio.h>

#include "lab/store.h"

/* Counts as a look at the test workloads. -EIO: f cannot be written. */
int export_csv(struct store *s, FILE *f, struct sl_err *e);

#endif
