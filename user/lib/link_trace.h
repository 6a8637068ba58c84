/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the rate of a link varies: constant pieces, repeated or with a last one that stays. A file is
 * one of two, lines that begin with # and empty ones aside:
 *
 *   one number a line    the millisecond at which a packet of 1500 bytes may leave, not decreasing:
 *                        Mahimahi's format (Netravali et al., ATC 2015). Here the packets of one
 *                        millisecond are spread over it. Repeats after the last millisecond.
 *   two numbers a line   a millisecond, and the rate in kbit/s from then on. The first millisecond is
 *                        0, they increase, and the last rate stays; it is not 0.
 */
#ifndef SLUICE_LIB_LINK_TRACE_H
#define SLUICE_LIB_LINK_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct link_piece {
	uint64_t from_ns;
	double rate_bps;
	double bytes_before;	/* what could leave before from_ns */
};

struct link_trace {
	struct link_piece *piece;	/* the first one begins at 0 */
	size_t n;
	uint64_t period_ns;		/* 0: does not repeat */
	double mean_bps;		/* over a period; without one, of the last piece */
};

/* An error names the file, the line and what is wrong. */
int link_trace_read(const char *path, struct link_trace *ret, struct sl_err *e);
/* Between a rate and another one, each for so long. */
int link_trace_steps(double rate_bps, double other_bps, uint64_t each_ns, struct link_trace *ret);
void link_trace_free(struct link_trace *t);
void link_trace_scale(struct link_trace *t, double factor);
/*
 * A part of another one, made coarse: n pieces of each_ns from from_ns on, repeated. Each has its
 * mean rate there, but no less than "least" of the mean of all. -EINVAL: all of them are 0.
 */
int link_trace_part(const struct link_trace *t, uint64_t from_ns, uint64_t each_ns, size_t n,
		    double least, struct link_trace *ret);
/* Until it repeats, or stays. */
uint64_t link_trace_length_ns(const struct link_trace *t);

/* What can leave until then. */
double link_trace_bytes(const struct link_trace *t, uint64_t until_ns);
/*
 * When the last of so many bytes has left, if the first one begins at now_ns. The cursor is the
 * caller's, 0 at first: where the last call has looked.
 */
uint64_t link_trace_sent_ns(const struct link_trace *t, size_t *cursor, uint64_t now_ns, double bytes);

#endif
