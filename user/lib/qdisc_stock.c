// SPDX-License-Identifier: GPL-2.0
#include "lib/qdisc_stock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/gen_stats.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include "lib/clock.h"

/*
 * One qdisc between two dumps. The kernel counts some things in 32 bits and the backlog's integral
 * not at all, so sums are kept here.
 */
struct track {
	bool seen;			/* in this dump */
	int ifindex;
	__u32 parent, handle;
	enum ecn_kind backend;
	__u64 time_ns, bytes, packets, backlog;
	__u32 ce_packets, early_drops, limit_drops;	/* as the kernel counts */
	__u64 ce_packets_sum, ce_bytes_sum, early_drops_sum, limit_drops_sum;
	__u64 backlog_byte_us, backlogged_ns, backlog_max;
};

/* The bfifo within a RED. */
struct child {
	int ifindex;
	__u32 parent, limit;
};

struct stock {
	struct track *tracks;
	__u64 time_ns, time_error_ns;	/* of the dump */
	size_t n, room, next;		/* next: where the dump should go on, as the last one did */
	struct child *children;
	size_t n_children, children_room;
};

struct stock *stock_new(void)
{
	return calloc(1, sizeof(struct stock));
}

void stock_free(struct stock *k)
{
	if (!k)
		return;
	free(k->tracks);
	free(k->children);
	free(k);
}

void stock_begin(struct stock *k)
{
	size_t i;

	if (!k)
		return;
	k->time_ns = monotonic_ns();
	k->next = k->n_children = 0;
	for (i = 0; i < k->n; i++)
		k->tracks[i].seen = false;
}

/*
 * The kernel fills the first message while it is asked, so its counters are of some moment in that.
 * When we come to read them says less: who is kept from the CPU then would see a rate that never
 * was.
 */
void stock_sent(struct stock *k)
{
	if (!k)
		return;
	k->time_error_ns = (monotonic_ns() - k->time_ns) / 2;
	k->time_ns += k->time_error_ns;
}

/* Doubles an array that is full. */
static int grow(void **array, size_t n, size_t *room, size_t size)
{
	size_t bigger = *room ? 2 * *room : 16;
	void *p;

	if (n < *room)
		return 0;
	p = realloc(*array, bigger * size);
	if (!p)
		return -ENOMEM;
	*array = p;
	*room = bigger;
	return 0;
}

static struct track *find_track(struct stock *k, const struct qdisc_sample *s)
{
	size_t i, at;

	for (i = 0; i < k->n; i++) {
		struct track *t;

		at = (k->next + i) % k->n;
		t = &k->tracks[at];
		if (t->ifindex != s->ifindex || t->parent != s->parent ||
		    t->handle != s->handle || t->backend != s->backend)
			continue;
		k->next = at + 1;
		return t;
	}
	if (grow((void **)&k->tracks, k->n, &k->room, sizeof(*k->tracks)) < 0)
		return NULL;
	k->tracks[k->n] = (struct track) {
		.ifindex = s->ifindex,
		.parent = s->parent,
		.handle = s->handle,
		.backend = s->backend,
	};
	k->next = k->n;
	return &k->tracks[k->n++];
}

/* Adds what happened since the last dump. */
static void track_add(struct track *t, const struct sluice_qdisc_stats *st)
{
	__u64 ns = st->time_ns - t->time_ns, packets = st->packets - t->packets;
	__u32 marked = (__u32)st->ce_packets - t->ce_packets;

	t->ce_packets_sum += marked;
	if (packets)
		t->ce_bytes_sum += (__u64)((double)(st->bytes - t->bytes) / (double)packets *
					   marked);
	t->early_drops_sum += (__u32)((__u32)st->early_drops - t->early_drops);
	t->limit_drops_sum += (__u32)((__u32)st->limit_drops - t->limit_drops);
	t->backlog_byte_us += (t->backlog + st->backlog_bytes) / 2 * ns / 1000;
	t->backlogged_ns += ns / 2 * (!!t->backlog + !!st->backlog_bytes);
}

static void track_take(struct track *t, const struct sluice_qdisc_stats *st)
{
	t->seen = true;
	t->time_ns = st->time_ns;
	t->bytes = st->bytes;
	t->packets = st->packets;
	t->backlog = st->backlog_bytes;
	t->ce_packets = (__u32)st->ce_packets;
	t->early_drops = (__u32)st->early_drops;
	t->limit_drops = (__u32)st->limit_drops;
	if (t->backlog > t->backlog_max)
		t->backlog_max = t->backlog;
}

static void track_tell(const struct track *t, struct sluice_qdisc_stats *st)
{
	st->ce_packets = t->ce_packets_sum;
	st->ce_bytes = t->ce_bytes_sum;
	st->early_drops = t->early_drops_sum;
	st->limit_drops = t->limit_drops_sum;
	st->backlog_byte_us = t->backlog_byte_us;
	st->backlogged_ns = t->backlogged_ns;
	st->backlog_max_bytes = t->backlog_max;
}

static void read_stats(struct sluice_qdisc_stats *st, struct nlattr **stats)
{
	struct gnet_stats_basic basic;
	struct gnet_stats_queue queue;

	/* Without the padding at its end, as the kernel sends it. */
	if (stats[TCA_STATS_BASIC] && nla_len(stats[TCA_STATS_BASIC]) >= 12) {
		memcpy(&basic, nla_data(stats[TCA_STATS_BASIC]), 12);
		st->bytes = basic.bytes;
		st->packets = basic.packets;
	}
	if (stats[TCA_STATS_PKT64])
		st->packets = nla_get_u64(stats[TCA_STATS_PKT64]);
	if (stats[TCA_STATS_QUEUE] && nla_len(stats[TCA_STATS_QUEUE]) >= (int)sizeof(queue)) {
		memcpy(&queue, nla_data(stats[TCA_STATS_QUEUE]), sizeof(queue));
		st->backlog_bytes = queue.backlog;
		st->backlog_packets = queue.qlen;
	}
}

static void read_size_table(struct qdisc_sample *s, struct nlattr *attr)
{
	struct nlattr *tb[TCA_STAB_MAX + 1];

	if (!attr)
		return;
	/* The table's data cannot be read, and a change would have to repeat them. */
	s->blocked = ECN_BLOCK_size_table;
	if (nla_parse_nested(tb, TCA_STAB_MAX, attr, NULL) < 0 || !tb[TCA_STAB_BASE] ||
	    nla_len(tb[TCA_STAB_BASE]) < (int)sizeof(s->size))
		return;
	memcpy(&s->size, nla_data(tb[TCA_STAB_BASE]), sizeof(s->size));
	s->has_size = s->size.tsize == 0;
	if (s->has_size)
		s->blocked = ECN_BLOCK_none;
}

int stock_sample(struct stock *k, struct qdisc_sample *s, struct nlattr **tb,
		 struct nlattr **stats)
{
	struct sluice_qdisc_stats *st = &s->stats;
	struct track *t;

	st->abi_version = SLUICE_ABI_VERSION;
	st->time_ns = k->time_ns;
	s->time_error_ns = k->time_error_ns;
	read_stats(st, stats);
	read_size_table(s, tb[TCA_STAB]);
	if (!ecn_backend(s->backend)->parse(s, tb[TCA_OPTIONS], stats[TCA_STATS_APP]))
		return 0;
	if (TC_H_MAJ(s->handle) == 0)
		s->blocked = ECN_BLOCK_default_qdisc;
	t = find_track(k, s);
	if (!t)
		return -ENOMEM;
	/* Counters that went back belong to a new qdisc of the same name. */
	if (t->time_ns && (st->bytes < t->bytes || st->packets < t->packets))
		*t = (struct track) {
			.ifindex = s->ifindex,
			.parent = s->parent,
			.handle = s->handle,
			.backend = s->backend,
		};
	if (t->time_ns)
		track_add(t, st);
	track_take(t, st);
	track_tell(t, st);
	return 1;
}

int stock_child(struct stock *k, const struct tcmsg *tc, struct nlattr **tb)
{
	struct tc_fifo_qopt fifo;

	if (strcmp(nla_get_string(tb[TCA_KIND]), "bfifo") || !tb[TCA_OPTIONS] ||
	    nla_len(tb[TCA_OPTIONS]) < (int)sizeof(fifo))
		return 0;
	memcpy(&fifo, nla_data(tb[TCA_OPTIONS]), sizeof(fifo));
	if (grow((void **)&k->children, k->n_children, &k->children_room,
		 sizeof(*k->children)) < 0)
		return -ENOMEM;
	k->children[k->n_children++] = (struct child) {
		.ifindex = tc->tcm_ifindex,
		.parent = TC_H_MAJ(tc->tcm_parent),
		.limit = fifo.limit,
	};
	return 0;
}

void stock_end(struct stock *k, struct qdisc_sample *samples, size_t n)
{
	size_t i, j;

	if (!k)
		return;
	for (i = 0; i < k->n_children; i++)
		for (j = 0; j < n; j++)
			if (samples[j].backend == ECN_RED &&
			    samples[j].ifindex == k->children[i].ifindex &&
			    samples[j].handle == k->children[i].parent)
				samples[j].stats.limit_bytes = k->children[i].limit;
	for (i = j = 0; i < k->n; i++)
		if (k->tracks[i].seen)
			k->tracks[j++] = k->tracks[i];
	k->n = j;
}
