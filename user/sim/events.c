// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>

#include "sim/sim_priv.h"

/* As one number, which compilers compare without a branch. */
static unsigned __int128 key(const struct sim_event *e)
{
	return (unsigned __int128)e->time_ns << 64 | e->order;
}

/* Puts an event where the root is missing, and lets it sink. */
static void sink(struct sim_heap *h, const struct sim_event *new)
{
	const unsigned __int128 mine = key(new);
	size_t i = 0;

	for (;;) {
		size_t child = i * 4 + 1, end = child + 4, least = child;
		unsigned __int128 best;

		if (child >= h->n)
			break;
		if (end > h->n)
			end = h->n;
		best = key(&h->event[child]);
		while (++child < end) {
			const unsigned __int128 k = key(&h->event[child]);

			least = k < best ? child : least;
			best = k < best ? k : best;
		}
		if (best > mine)
			break;
		h->event[i] = h->event[least];
		i = least;
	}
	h->event[i] = *new;
}

/* An event mostly brings about another one: so its place is filled only when somebody needs it. */
static void fill_root(struct sim_heap *h)
{
	struct sim_event last;

	h->no_root = false;
	last = h->event[--h->n];
	if (h->n)
		sink(h, &last);
}

int heap_push(struct sim_heap *h, uint64_t time_ns, enum sim_kind kind, uint32_t index)
{
	const struct sim_event new = { time_ns, h->order++, index, kind };
	size_t i, up;

	if (h->no_root) {
		h->no_root = false;
		sink(h, &new);
		return 0;
	}
	if (h->n == h->room) {
		const size_t room = h->room ? h->room * 2 : 1024;
		struct sim_event *more = realloc(h->event, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		h->event = more;
		h->room = room;
	}
	for (i = h->n++; i; i = up) {
		up = (i - 1) / 4;
		if (key(&new) > key(&h->event[up]))
			break;
		h->event[i] = h->event[up];
	}
	h->event[i] = new;
	return 0;
}

bool heap_pop(struct sim_heap *h, uint64_t until_ns, struct sim_event *out)
{
	if (h->no_root)
		fill_root(h);
	if (!h->n || h->event[0].time_ns > until_ns)
		return false;
	*out = h->event[0];
	h->no_root = true;
	return true;
}
