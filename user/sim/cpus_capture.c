// SPDX-License-Identifier: GPL-2.0
/*
 * Captures as traffic: the times, sizes and flow keys of the packets that the XDP program would
 * steer, told by the program's own parser.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/hash.h>

#include "lib/capture.h"
#include "lib/frame_key.h"
#include "sim/cpus_traffic.h"

/* Flows by key: open addressing, at most half full. */
struct index {
	uint32_t *flow;		/* + 1; 0: free */
	size_t room;		/* a power of two */
};

static size_t find(const struct cpus_capture *c, const struct index *x,
		   const struct sluice_flow_key *key)
{
	size_t i = sluice_flow_hash(key) & (x->room - 1);

	while (x->flow[i] && memcmp(&c->key[x->flow[i] - 1], key, sizeof(*key)))
		i = (i + 1) & (x->room - 1);
	return i;
}

static int grow(struct cpus_capture *c, struct index *x)
{
	const size_t room = x->room ? x->room * 2 : 1024;
	struct index bigger = { calloc(room, sizeof(*bigger.flow)), room };
	struct sluice_flow_key *keys = realloc(c->key, room / 2 * sizeof(*keys));

	if (keys)
		c->key = keys;
	if (!bigger.flow || !keys) {
		free(bigger.flow);
		return -ENOMEM;
	}
	for (size_t f = 0; f < c->n_flows; f++)
		bigger.flow[find(c, &bigger, &c->key[f])] = (uint32_t)f + 1;
	free(x->flow);
	*x = bigger;
	return 0;
}

/* The index of the flow with this key, or -ENOMEM. */
static int64_t flow_of(struct cpus_capture *c, struct index *x, const struct sluice_flow_key *key)
{
	size_t i;

	if (c->n_flows * 2 >= x->room && grow(c, x))
		return -ENOMEM;
	i = find(c, x, key);
	if (!x->flow[i]) {
		c->key[c->n_flows++] = *key;
		x->flow[i] = (uint32_t)c->n_flows;
	}
	return x->flow[i] - 1;
}

static int append(struct cpus_capture *c, size_t *room, const struct cpus_record *p)
{
	if (c->n_packets == *room) {
		const size_t more = *room ? *room * 2 : 4096;
		struct cpus_record *bigger = realloc(c->packet, more * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		c->packet = bigger;
		*room = more;
	}
	c->packet[c->n_packets++] = *p;
	return 0;
}

int cpus_capture_read(const char *path, struct cpus_capture *ret, struct sl_err *e)
{
	struct cpus_capture c = { 0 };
	struct sluice_flow_key key;
	struct capture_frame f;
	struct index x = { 0 };
	struct capture *in;
	uint64_t begin = 0, latest = 0;
	size_t room = 0;
	int r = capture_open(path, &in, e);

	if (r < 0)
		return r;
	while ((r = capture_next(in, &f, e)) > 0) {
		/* With the Ethernet header that stands for the capture's own. */
		struct cpus_record p = { .bytes = f.wire + f.bytes - f.captured };
		int64_t flow;

		if (!f.data || frame_key(f.data, f.bytes, 0, &key) != FRAME_KEY_FOUND) {
			c.not_steered++;
			continue;
		}
		if (!c.n_packets)
			begin = latest = f.time_ns;
		/* Captures of several interfaces, or after a step of the clock, may go back. */
		if (f.time_ns > latest)
			latest = f.time_ns;
		p.time_ns = latest - begin;
		flow = flow_of(&c, &x, &key);
		p.flow = (uint32_t)flow;
		if (flow < 0 || append(&c, &room, &p)) {
			r = sl_err(e, -ENOMEM, "out of memory");
			break;
		}
	}
	capture_close(in);
	free(x.flow);
	c.duration_ns = latest - begin;
	if (!r && (c.n_packets < 2 || !c.duration_ns))
		r = sl_err(e, -EINVAL, "capture %s has fewer than two packets to steer, or all "
			   "at one time", path);
	if (r < 0) {
		cpus_capture_free(&c);
		return r;
	}
	*ret = c;
	return 0;
}

void cpus_capture_free(struct cpus_capture *c)
{
	free(c->packet);
	free(c->key);
	*c = (struct cpus_capture){ 0 };
}
