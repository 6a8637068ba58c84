/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Places of a ring with one writer and one reader, which may be two threads; what lies in the places
 * is the owner's. No lock, no system call, and nobody waits: a full ring refuses.
 *
 *	writer	i = spsc_room(); if (i >= 0) { fill place i; spsc_push(); }
 *	reader	i = spsc_next(); if (i >= 0) { use place i; spsc_pop(); }
 */
#ifndef SLUICE_DAEMON_SPSC_H
#define SLUICE_DAEMON_SPSC_H

#include <stdatomic.h>

struct spsc {
	unsigned int size;		/* places, a power of two */
	_Alignas(64) atomic_uint head;	/* written so far; the writer's */
	_Alignas(64) atomic_uint tail;	/* read so far; the reader's */
};

static inline int spsc_room(struct spsc *s)
{
	unsigned int head = atomic_load_explicit(&s->head, memory_order_relaxed);
	/* The reader is done with the place before it may be written again. */
	unsigned int tail = atomic_load_explicit(&s->tail, memory_order_acquire);

	return head - tail == s->size ? -1 : (int)(head & (s->size - 1));
}

static inline void spsc_push(struct spsc *s)
{
	atomic_fetch_add_explicit(&s->head, 1, memory_order_release);
}

static inline int spsc_next(struct spsc *s)
{
	unsigned int tail = atomic_load_explicit(&s->tail, memory_order_relaxed);
	unsigned int head = atomic_load_explicit(&s->head, memory_order_acquire);

	return head == tail ? -1 : (int)(tail & (s->size - 1));
}

static inline void spsc_pop(struct spsc *s)
{
	atomic_fetch_add_explicit(&s->tail, 1, memory_order_release);
}

#endif
