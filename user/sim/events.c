// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>

#include "sim/sim_priv.h"

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->order < b->order);
}

int heap_push(struct sim_heap *h, uint64_t time_ns, enum sim_kind kind, uint32_t index)
{
	const struct sim_event new = { time_ns, h->order++, index, kind };
	size_t i, up;

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
		if (!before(&new, &h->event[up]))
			break;
		h->event[i] = h->event[up];
	}
	h->event[i] = new;
	return 0;
}

void heap_pop(struct sim_heap *h, struct sim_event *out)
{
	const struct sim_event last = h->event[--h->n];
	size_t i = 0;

	*out = h->event[0];
	for (;;) {
		size_t child = i * 4 + 1, end = child + 4, least = child;

		if (child >= h->n)
			break;
		if (end > h->n)
			end = h->n;
		while (++child < end)
			if (before(&h->event[child], &h->event[least]))
				least = child;
		if (!before(&h->event[least], &last))
			break;
		h->event[i] = h->event[least];
		i = least;
	}
	h->event[i] = last;
}
