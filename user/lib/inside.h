/* SPDX-License-Identifier: GPL-2.0 */
/* The names of the tunnels that can be looked into (SLUICE_TUNNELS) and their bits. */
#ifndef SLUICE_LIB_INSIDE_H
#define SLUICE_LIB_INSIDE_H

#include <stddef.h>
#include <linux/sluice.h>

#include "lib/err.h"

#define INSIDE_TEXT	64	/* all names */

/* Names separated by commas or blanks; "none", or no name, is 0. -EINVAL for another word. */
int inside_parse(const char *text, __u32 *mask, struct sl_err *e);
/* "gre,vxlan", or "none". */
void inside_format(__u32 mask, char buf[INSIDE_TEXT]);

#endif
