/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Errors of library code: a negative errno is returned, and the sentence a
 * person needs goes into an optional struct sl_err, as extack does for
 * netlink. The sentence says what happened, to which object, and what to do.
 * Library code neither logs nor exits.
 */
#ifndef SLUICE_LIB_ERR_H
#define SLUICE_LIB_ERR_H

struct sl_err {
	char text[400];
};

/* Fills e (may be NULL) and returns r, so that "return sl_err(e, -EINVAL, ...)" reads well. */
int sl_err(struct sl_err *e, int r, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
