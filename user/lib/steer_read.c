// SPDX-License-Identifier: GPL-2.0
/*
 * Reading counters. Nearly all are in memory-mapped arrays, one block per RX
 * queue; their sums are what a reader wants. A block is written while it is
 * read, by one packet at a time, so that numbers of different fields can be a
 * packet apart.
 */
#include "lib/steer.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/steer_attach.h"
#include "lib/steer_priv.h"

static void add(struct sluice_counter *sum, const struct sluice_counter *c)
{
	sum->packets += c->packets;
	sum->bytes += c->bytes;
}

static void add_stats(struct sluice_steer_stats *sum, const struct sluice_steer_stats *stats)
{
	const __u64 *in = (const __u64 *)stats;
	__u64 *out = (__u64 *)sum;

	for (size_t i = 0; i < sizeof(*stats) / sizeof(__u64); i++)
		out[i] += in[i];
}

static void read_block(struct steer *s, unsigned int rxq, struct steer_snapshot *out)
{
	const struct sluice_bucket_state *b = &s->bucket_state[rxq * SLUICE_BUCKETS];

	for (unsigned int i = 0; i < SLUICE_BUCKETS; i++) {
		out->bucket[i].packets += b[i].packets;
		out->bucket[i].bytes += b[i].bytes;
	}
	for (unsigned int i = 0; i < SLUICE_MAX_CPUS; i++)
		add(&out->cpu[i], &s->sent[rxq * SLUICE_MAX_CPUS + i]);
	for (unsigned int i = 0; i < SLUICE_PASS_MAX; i++)
		add(&out->pass[i], &s->passed[rxq * SLUICE_PASS_SLOTS + i]);
	add_stats(&out->stats, &s->steer_stats[rxq]);
}

int steer_read_counters(struct steer *s, struct steer_snapshot *out, struct sl_err *e)
{
	struct sluice_ctl clock = { .op = SLUICE_CTL_CLOCK };
	const volatile __u64 *from = (const volatile __u64 *)s->buckets;
	struct bpf_cpumap_val entry;
	__u32 zero = 0;
	__u64 word;
	int r;

	memset(out, 0, sizeof(*out));
	out->frags = s->frags;
	out->time_ns = monotonic_ns();
	/* Delivered before sent, so that their difference is never negative. */
	memcpy(out->deliver, s->deliver, sizeof(out->deliver));
	for (unsigned int i = 0; i < SLUICE_BUCKETS; i++) {
		word = from[i];
		memcpy(&out->bucket_target[i], &word, sizeof(word));
	}
	for (unsigned int rxq = 0; rxq < s->n_rxqs; rxq++)
		read_block(s, rxq, out);
	for (unsigned int i = 0; i < SLUICE_MAX_CPUS; i++)
		out->seen += out->cpu[i].packets;
	for (unsigned int i = 0; i < SLUICE_PASS_MAX; i++)
		out->seen += out->pass[i].packets;
	r = bpf_map_lookup_elem(s->map[STEER_MAP_control], &zero, &out->control);
	if (!r)
		r = steer_ctl_run(s, &clock);
	if (r)
		return sl_err(e, r, "cannot read the maps of %s: %s", s->dev.ifname, strerror(-r));
	out->jiffies = clock.jiffies;
	for (__u32 cpu = 0; cpu < s->n_targets && cpu < s->n_possible; cpu++)
		out->target[cpu] = !bpf_map_lookup_elem(steer_cpumap_fd(s), &cpu, &entry);
	return 0;
}

/* Whether a program of ours has the maps that s has; where it cannot be asked, it is said to. */
static bool has_our_maps(const struct steer *s, __u32 prog_id)
{
	int fd = bpf_prog_get_fd_by_id(prog_id), map[STEER_MAP_MAX];
	bool same = true;

	if (fd >= 0 && steer_open_maps_of(fd, map) == 0) {
		same = steer_map_id(map[STEER_MAP_buckets]) ==
		       steer_map_id(s->map[STEER_MAP_buckets]);
		steer_close_maps(map);
	}
	if (fd >= 0)
		close(fd);
	return same;
}

/* What was attached anew counts elsewhere, and follows other tables than those of s. */
static int check_attached(struct steer *s, const struct steer_attached *at, struct sl_err *e)
{
	if (at->whose != STEER_OURS || at->prog_id == s->attached_id)
		return 0;
	if (!has_our_maps(s, at->prog_id))
		return sl_err(e, -ESTALE, "the steering program of %s was replaced by another one of "
			      "ours (id %u), with tables of its own", s->dev.ifname, at->prog_id);
	s->attached_id = at->prog_id;
	return 0;
}

int steer_read(struct steer *s, struct steer_snapshot *out, struct sl_err *e)
{
	struct steer_attached at;
	int r;

	r = steer_attached(s->dev.ifindex, &at, e);
	if (!r)
		r = check_attached(s, &at, e);
	if (r)
		return r;
	r = steer_read_counters(s, out, e);
	if (r)
		return r;
	out->attached = at.whose == STEER_OURS;
	out->generic = out->attached && at.generic;
	out->dispatcher_id = out->attached ? at.dispatcher_id : 0;
	return 0;
}

int steer_recent_buckets(struct steer *s, unsigned int ms, __u64 recent[SLUICE_BUCKETS / 64],
			 struct sl_err *e)
{
	struct sluice_ctl clock = { .op = SLUICE_CTL_CLOCK };
	__u32 ticks = 0;
	int r;

	r = steer_ticks(s, ms, &ticks);
	if (!r)
		r = steer_ctl_run(s, &clock);
	if (r)
		return sl_err(e, r, "cannot read the clock of %s: %s", s->dev.ifname, strerror(-r));
	for (unsigned int rxq = 0; rxq < s->n_rxqs; rxq++) {
		const struct sluice_bucket_state *b = &s->bucket_state[rxq * SLUICE_BUCKETS];

		/* Signed, as there may be packets after the clock was read. */
		for (unsigned int i = 0; i < SLUICE_BUCKETS; i++)
			if (b[i].packets &&
			    (__s32)((__u32)clock.jiffies - b[i].place.ticks) <= (__s32)ticks)
				recent[i / 64] |= 1ULL << i % 64;
	}
	return 0;
}

int steer_wait_measurable(const struct steer_snapshot *snap)
{
	__u64 samples = 0, delivered = 0;

	for (unsigned int cpu = 0; cpu < SLUICE_MAX_CPUS; cpu++) {
		samples += snap->deliver[cpu].wait_samples;
		delivered += snap->deliver[cpu].packets;
	}
	if (samples)
		return 1;
	if (!snap->stats.sampled)
		return snap->stats.meta_failed ? 0 : -1;
	/* A first sample may still be in a ring, unless as much came out as went in before it. */
	return delivered ? 0 : -1;
}
