// SPDX-License-Identifier: GPL-2.0
/* The ring buffer in which the program tells of flows. */
#include "lib/steer.h"

#include <bpf/libbpf.h>
#include <errno.h>

#include "lib/steer_priv.h"

static int on_event(void *ctx, void *data, size_t size)
{
	struct steer *s = ctx;

	if (s->each_event && size >= sizeof(struct sluice_flow_event))
		s->each_event(data, s->event_data);
	return 0;
}

static int ring_open(struct steer *s)
{
	if (!s->ring)
		s->ring = ring_buffer__new(s->map[STEER_MAP_events], on_event, s, NULL);
	return s->ring ? 0 : -errno;
}

int steer_event_fd(struct steer *s)
{
	int r = ring_open(s);

	return r ? r : ring_buffer__epoll_fd(s->ring);
}

int steer_event_drain(struct steer *s, void (*each)(const struct sluice_flow_event *, void *),
		      void *data)
{
	int r = ring_open(s);

	if (r)
		return r;
	s->each_event = each;
	s->event_data = data;
	r = ring_buffer__consume(s->ring);
	s->each_event = NULL;
	return r;
}
