// SPDX-License-Identifier: GPL-2.0
#include "daemon/capacity.h"

void capacity_update(struct capacity *c, uint64_t now_ns, double bytes, double ns,
		     double backlogged_ns)
{
	double rate;

	if (ns <= 0 || bytes <= 0)
		return;
	if (backlogged_ns >= CAPACITY_BACKLOGGED * ns) {
		/*
		 * The window moves only when there is something new to measure:
		 * a quiet night must not make C forgotten.
		 */
		if (now_ns - c->half_start_ns >= CAPACITY_HALF_NS) {
			c->half[1] = c->half[0];
			c->half[0] = 0;
			c->half_start_ns = now_ns;
		}
		rate = bytes / (backlogged_ns / 1e9);
	} else if (capacity_get(c) > 0) {
		rate = bytes / (ns / 1e9);
	} else {
		return;
	}
	if (rate > c->half[0])
		c->half[0] = rate;
}

void capacity_span_add(struct capacity *c, struct capacity_span *s, uint64_t now_ns, double bytes,
		       double ns, double backlogged_ns, double error_ns)
{
	if (ns <= 0 || backlogged_ns < CAPACITY_BACKLOGGED * ns) {
		*s = (struct capacity_span) { 0 };
		return;
	}
	/* Errors within cancel out; those of both ends are no more than twice the largest. */
	s->bytes += bytes;
	s->ns += ns;
	if (error_ns > s->error_ns)
		s->error_ns = error_ns;
	if (s->ns < CAPACITY_SPAN_NS)
		return;
	ns = s->ns + 2 * s->error_ns;
	capacity_update(c, now_ns, s->bytes, ns, ns);
	*s = (struct capacity_span) { 0 };
}

double capacity_get(const struct capacity *c)
{
	return c->half[0] > c->half[1] ? c->half[0] : c->half[1];
}
