// SPDX-License-Identifier: GPL-2.0
#include "lib/link_trace.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_NS		1000000ULL
#define PACKET_BITS	12000.0		/* Mahimahi's, of 1500 bytes */
#define MS_MAX		1000000000000.0
#define KBPS_MAX	1e9

struct reader {
	const char *path;
	unsigned int line;
	int columns;		/* 0: no line yet */
	uint64_t ms;		/* of the last line */
	struct link_trace t;
	size_t room;
};

static int append(struct reader *r, uint64_t from_ns, double rate_bps, struct sl_err *e)
{
	struct link_trace *t = &r->t;

	if (t->n == r->room) {
		const size_t room = r->room ? r->room * 2 : 64;
		struct link_piece *more = realloc(t->piece, room * sizeof(*more));

		if (!more)
			return sl_err(e, -ENOMEM, "out of memory");
		t->piece = more;
		r->room = room;
	}
	t->piece[t->n++] = (struct link_piece){ .from_ns = from_ns, .rate_bps = rate_bps };
	return 0;
}

/* A packet may leave in that millisecond; the last piece is always the one that is being filled. */
static int opportunity(struct reader *r, uint64_t ms, struct sl_err *e)
{
	struct link_piece *last = r->t.n ? &r->t.piece[r->t.n - 1] : NULL;
	const double bps = PACKET_BITS * 1000;
	int err = 0;

	if (last && ms == r->ms) {
		last->rate_bps += bps;
		return 0;
	}
	/* Nothing leaves between the end of the last one's millisecond and this one's. */
	if ((last ? r->ms + 1 : 0) < ms)
		err = append(r, (last ? r->ms + 1 : 0) * MS_NS, 0, e);
	return err ? err : append(r, ms * MS_NS, bps, e);
}

static int read_line(struct reader *r, const char *line, struct sl_err *e)
{
	double ms, kbps = 0;
	char rest;
	int columns, err;

	line += strspn(line, " \t");
	if (*line == '#' || *line == '\n' || *line == '\r' || !*line)
		return 0;
	columns = sscanf(line, "%lf %lf %c", &ms, &kbps, &rest);
	if (columns != 1 && columns != 2)
		return sl_err(e, -EINVAL, "%s:%u: neither 'ms' nor 'ms kbit/s'", r->path, r->line);
	if (columns == 1 && sscanf(line, "%lf %c", &ms, &rest) != 1)
		return sl_err(e, -EINVAL, "%s:%u: neither 'ms' nor 'ms kbit/s'", r->path, r->line);
	if (r->columns && columns != r->columns)
		return sl_err(e, -EINVAL, "%s:%u: %d number%s, but lines before have %d", r->path,
			      r->line, columns, columns == 1 ? "" : "s", r->columns);
	if (!(ms >= 0 && ms <= MS_MAX) || ms != (double)(uint64_t)ms)
		return sl_err(e, -EINVAL, "%s:%u: the millisecond must be a whole number, 0 to 1e12",
			      r->path, r->line);
	if (columns == 2 && !(kbps >= 0 && kbps <= KBPS_MAX))
		return sl_err(e, -EINVAL, "%s:%u: the rate must be 0 to 1e9 kbit/s", r->path, r->line);
	if (r->columns && ms < r->ms)
		return sl_err(e, -EINVAL, "%s:%u: milliseconds must not decrease", r->path, r->line);
	if (columns == 2 && (r->columns ? ms <= r->ms : ms > 0))
		return sl_err(e, -EINVAL, "%s:%u: milliseconds must begin with 0 and increase", r->path,
			      r->line);
	if (columns == 1)
		err = opportunity(r, ms, e);
	else
		err = append(r, ms * MS_NS, kbps * 1e3, e);
	r->columns = columns;
	r->ms = ms;
	return err;
}

static void sum_up(struct link_trace *t)
{
	double bytes = 0;

	for (size_t i = 0; i < t->n; i++) {
		const uint64_t end = i + 1 < t->n ? t->piece[i + 1].from_ns : t->period_ns;

		t->piece[i].bytes_before = bytes;
		if (end)
			bytes += t->piece[i].rate_bps * (end - t->piece[i].from_ns) / 8e9;
	}
	t->mean_bps = t->period_ns ? bytes * 8e9 / t->period_ns : t->piece[t->n - 1].rate_bps;
}

int link_trace_read(const char *path, struct link_trace *ret, struct sl_err *e)
{
	struct reader r = { .path = path };
	FILE *f = fopen(path, "re");
	size_t room = 0;
	char *line = NULL;
	int err = 0;

	if (!f)
		return sl_err(e, -errno, "%s: %s", path, strerror(errno));
	while (!err && getline(&line, &room, f) >= 0) {
		r.line++;
		err = read_line(&r, line, e);
	}
	if (!err && ferror(f))
		err = sl_err(e, -EIO, "%s: cannot be read", path);
	free(line);
	fclose(f);
	if (!err && !r.t.n)
		err = sl_err(e, -EINVAL, "%s: has no line 'ms' or 'ms kbit/s'", path);
	else if (!err && r.columns == 2 && r.t.piece[r.t.n - 1].rate_bps <= 0)
		err = sl_err(e, -EINVAL, "%s:%u: the last rate stays, so it must not be 0", path, r.line);
	if (err) {
		link_trace_free(&r.t);
		return err;
	}
	if (r.columns == 1)
		r.t.period_ns = (r.ms + 1) * MS_NS;
	sum_up(&r.t);
	*ret = r.t;
	return 0;
}

int link_trace_steps(double rate_bps, double other_bps, uint64_t each_ns, struct link_trace *ret)
{
	struct link_piece *piece;

	if (!(rate_bps >= 0 && other_bps >= 0 && rate_bps + other_bps > 0) || !each_ns)
		return -EINVAL;
	piece = calloc(2, sizeof(*piece));
	if (!piece)
		return -ENOMEM;
	piece[0].rate_bps = rate_bps;
	piece[1] = (struct link_piece){ .from_ns = each_ns, .rate_bps = other_bps };
	*ret = (struct link_trace){ .piece = piece, .n = 2, .period_ns = 2 * each_ns };
	sum_up(ret);
	return 0;
}

void link_trace_free(struct link_trace *t)
{
	free(t->piece);
	*t = (struct link_trace){ 0 };
}

void link_trace_scale(struct link_trace *t, double factor)
{
	for (size_t i = 0; i < t->n; i++) {
		t->piece[i].rate_bps *= factor;
		t->piece[i].bytes_before *= factor;
	}
	t->mean_bps *= factor;
}

int link_trace_part(const struct link_trace *t, uint64_t from_ns, uint64_t each_ns, size_t n,
		    double least, struct link_trace *ret)
{
	const double bytes = link_trace_bytes(t, from_ns + n * each_ns) -
			     link_trace_bytes(t, from_ns);
	struct link_piece *piece;

	if (!n || !each_ns || !(bytes > 0))
		return -EINVAL;
	piece = calloc(n, sizeof(*piece));
	if (!piece)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const uint64_t at_ns = from_ns + i * each_ns;
		double mine = link_trace_bytes(t, at_ns + each_ns) - link_trace_bytes(t, at_ns);

		mine = mine > least * bytes / n ? mine : least * bytes / n;
		piece[i] = (struct link_piece){ .from_ns = i * each_ns,
						.rate_bps = mine * 8e9 / each_ns };
	}
	*ret = (struct link_trace){ .piece = piece, .n = n, .period_ns = n * each_ns };
	sum_up(ret);
	return 0;
}

uint64_t link_trace_length_ns(const struct link_trace *t)
{
	return t->period_ns ? t->period_ns : t->piece[t->n - 1].from_ns;
}

/* The piece that a time within the period lies in: near the cursor, or by bisection. */
static size_t find(const struct link_trace *t, size_t near, uint64_t at_ns)
{
	size_t low = 0, high = t->n;

	if (near < t->n && t->piece[near].from_ns <= at_ns) {
		if (near + 1 == t->n || at_ns < t->piece[near + 1].from_ns)
			return near;
		low = near + 1;
	}
	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (t->piece[middle].from_ns <= at_ns)
			low = middle;
		else
			high = middle;
	}
	return low;
}

double link_trace_bytes(const struct link_trace *t, uint64_t until_ns)
{
	const uint64_t laps = t->period_ns ? until_ns / t->period_ns : 0;
	const uint64_t at_ns = until_ns - laps * t->period_ns;
	const struct link_piece *p = &t->piece[find(t, 0, at_ns)];

	return laps * (t->mean_bps * t->period_ns / 8e9) + p->bytes_before +
	       p->rate_bps * (at_ns - p->from_ns) / 8e9;
}

uint64_t link_trace_sent_ns(const struct link_trace *t, size_t *cursor, uint64_t now_ns, double bytes)
{
	uint64_t lap_ns = t->period_ns ? now_ns - now_ns % t->period_ns : 0, at_ns = now_ns - lap_ns;
	size_t i = find(t, *cursor, at_ns);

	for (;;) {
		const struct link_piece *p = &t->piece[i];
		const bool last = i + 1 == t->n;
		const uint64_t end_ns = last ? t->period_ns : p[1].from_ns;
		const double room = (double)(end_ns - at_ns) * p->rate_bps / 8e9;

		if (p->rate_bps > 0 && (!end_ns || bytes <= room)) {
			*cursor = i;
			return lap_ns + at_ns + (uint64_t)(bytes * 8e9 / p->rate_bps + 0.5);
		}
		bytes -= room;
		at_ns = end_ns;
		i++;
		if (last) {
			lap_ns += t->period_ns;
			at_ns = 0;
			i = 0;
		}
	}
}
