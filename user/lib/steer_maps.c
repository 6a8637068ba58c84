// SPDX-License-Identifier: GPL-2.0
/* Reading counters, writing targets, buckets, configuration and the lease. */
#include "lib/steer.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/steer_attach.h"
#include "lib/steer_priv.h"

static __u64 monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* --- read ----------------------------------------------------------------- */

/* All n entries of an array map at once; per-CPU ones with a value for each possible CPU. */
static int read_whole(int fd, void *values, __u32 n)
{
	__u32 keys[SLUICE_BUCKETS], last, count = n;
	int r = bpf_map_lookup_batch(fd, NULL, &last, keys, values, &count, NULL);

	if (r == -ENOENT && count == n)		/* "that was the last" */
		r = 0;
	return r;
}

/* Values of u64 fields only, so that they add up word by word. */
static int read_sum(struct steer *s, enum steer_map map, void *out, __u32 n, size_t value_size)
{
	const size_t words = value_size / sizeof(__u64);
	const __u64 *in = s->percpu;
	__u64 *sum = out;
	int r;

	r = read_whole(s->map[map], s->percpu, n);
	if (r)
		return r;
	memset(out, 0, n * value_size);
	for (__u32 i = 0; i < n; i++, sum += words)
		for (unsigned int cpu = 0; cpu < s->n_possible; cpu++)
			for (size_t w = 0; w < words; w++)
				sum[w] += *in++;
	return 0;
}

static void read_mapped(struct steer *s, struct steer_snapshot *out)
{
	const volatile __u64 *from = (const volatile __u64 *)s->buckets;
	__u64 word;

	for (unsigned int i = 0; i < SLUICE_BUCKETS; i++) {
		word = from[i];
		memcpy(&out->bucket_target[i], &word, sizeof(word));
	}
	memcpy(out->deliver, s->deliver, sizeof(out->deliver));
}

int steer_read_counters(struct steer *s, struct steer_snapshot *out, struct sl_err *e)
{
	struct sluice_ctl clock = { .op = SLUICE_CTL_CLOCK };
	struct bpf_cpumap_val entry;
	__u32 zero = 0;
	int r;

	memset(out, 0, sizeof(*out));
	out->frags = s->frags;
	out->time_ns = monotonic_ns();

	/* Delivered before sent, so that their difference is never negative. */
	read_mapped(s, out);
	r = read_sum(s, STEER_MAP_steer_stats, &out->stats, 1, sizeof(out->stats));
	if (!r)
		r = read_sum(s, STEER_MAP_pass_stats, out->pass, SLUICE_PASS_MAX,
			     sizeof(out->pass[0]));
	if (!r)
		r = read_sum(s, STEER_MAP_bucket_stats, out->bucket, SLUICE_BUCKETS,
			     sizeof(out->bucket[0]));
	if (!r)
		r = read_sum(s, STEER_MAP_cpu_stats, out->cpu, SLUICE_MAX_CPUS,
			     sizeof(out->cpu[0]));
	if (!r)
		r = bpf_map_lookup_elem(s->map[STEER_MAP_lease], &zero, &out->lease);
	if (!r)
		r = steer_ctl_run(s, &clock);
	if (r)
		return sl_err(e, r, "cannot read the maps of %s: %s", s->dev.ifname, strerror(-r));
	out->jiffies = clock.jiffies;
	for (__u32 cpu = 0; cpu < s->n_targets && cpu < s->n_possible; cpu++)
		out->target[cpu] = !bpf_map_lookup_elem(steer_cpumap_fd(s), &cpu, &entry);
	return 0;
}

int steer_read(struct steer *s, struct steer_snapshot *out, struct sl_err *e)
{
	struct steer_attached at;
	int r;

	r = steer_attached(s->dev.ifindex, &at, e);
	if (r)
		return r;
	r = steer_read_counters(s, out, e);
	if (r)
		return r;
	out->attached = at.whose == STEER_OURS;
	out->generic = out->attached && at.generic;
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

/* --- targets and buckets -------------------------------------------------- */

static __u32 prog_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/*
 * An update makes a new ring and thread while the old one still drains, which
 * reorders: an entry that is as wanted is left alone. qsize 0 wants any.
 */
static int write_target(struct steer *s, __u32 cpu, __u32 qsize, __u32 deliver_id)
{
	struct bpf_cpumap_val v;
	int fd = steer_cpumap_fd(s);

	if (!bpf_map_lookup_elem(fd, &cpu, &v) && v.bpf_prog.id == deliver_id &&
	    (!qsize || v.qsize == qsize))
		return 0;
	v.qsize = qsize ? qsize : SLUICE_CPUMAP_QSIZE;
	v.bpf_prog.fd = steer_deliver_fd(s);
	return bpf_map_update_elem(fd, &cpu, &v, 0);
}

static void bucket_modify(struct steer *s, unsigned int i, const struct sluice_bucket *set,
			  __u16 flags_clear, bool baseline)
{
	__u64 *slot = (__u64 *)&s->buckets[i], old, new;
	struct sluice_bucket b;

	old = __atomic_load_n(slot, __ATOMIC_RELAXED);
	do {
		memcpy(&b, &old, sizeof(b));
		b.flags = (b.flags & ~flags_clear) | set->flags;
		if (baseline) {
			b.cpu = set->cpu;
		} else {
			b.learned_cpu = set->learned_cpu;
			b.generation = set->generation;
		}
		memcpy(&new, &b, sizeof(new));
	} while (!__atomic_compare_exchange_n(slot, &old, new, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

int steer_write_targets(struct steer *s, const __u16 *cpus, size_t n, __u32 qsize,
			struct sl_err *e)
{
	bool wanted[SLUICE_MAX_CPUS] = { 0 }, made[SLUICE_MAX_CPUS] = { 0 };
	__u32 deliver_id = prog_id(steer_deliver_fd(s));
	struct bpf_cpumap_val v;
	int r;

	for (size_t i = 0; i < n; i++) {
		__u32 cpu = cpus[i];

		if (cpu >= s->n_targets || cpu >= s->n_possible) {
			r = sl_err(e, -EINVAL, "there is no CPU %u to steer to", cpu);
			goto undo;
		}
		made[cpu] |= bpf_map_lookup_elem(steer_cpumap_fd(s), &cpu, &v) != 0;
		r = write_target(s, cpu, qsize, deliver_id);
		if (r) {
			made[cpu] = false;
			r = sl_err(e, r, "cannot make a cpumap entry of %u packets for CPU %u: %s",
				   qsize ? qsize : SLUICE_CPUMAP_QSIZE, cpu, strerror(-r));
			goto undo;
		}
		wanted[cpu] = true;
	}
	for (unsigned int i = 0; i < SLUICE_BUCKETS; i++) {
		struct sluice_bucket b = { .flags = SLUICE_BUCKET_F_BASELINE };

		b.cpu = n ? cpus[i % n] : 0;
		if (!n)
			b.flags = 0;
		bucket_modify(s, i, &b, SLUICE_BUCKET_F_BASELINE, true);
	}
	/* Only now, when no baseline points there; what is in their rings is still delivered. */
	for (__u32 cpu = 0; cpu < s->n_targets; cpu++)
		if (!wanted[cpu])
			bpf_map_delete_elem(steer_cpumap_fd(s), &cpu);
	return 0;
undo:
	for (__u32 cpu = 0; cpu < SLUICE_MAX_CPUS; cpu++)
		if (made[cpu])
			bpf_map_delete_elem(steer_cpumap_fd(s), &cpu);
	return r;
}

int steer_set_cpus(struct steer *s, const __u16 *cpus, size_t n, __u32 qsize, bool force,
		   struct sl_err *e)
{
	int r;

	if (n && !force) {
		r = netdev_check_redirect(&s->dev, e);
		if (r)
			return r;
	}
	return steer_write_targets(s, cpus, n, qsize, e);
}

int steer_bucket_set_learned(struct steer *s, unsigned int bucket, int cpu, __u32 generation)
{
	struct sluice_bucket b = { 0 };

	if (bucket >= SLUICE_BUCKETS || cpu >= (int)s->n_targets)
		return -EINVAL;
	if (cpu >= 0) {
		b.flags = SLUICE_BUCKET_F_LEARNED;
		b.learned_cpu = cpu;
		b.generation = generation;
	}
	bucket_modify(s, bucket, &b, SLUICE_BUCKET_F_LEARNED, false);
	return 0;
}

/* --- configuration and lease ---------------------------------------------- */

static bool is_mask(__u32 m)
{
	return !(m & (m + 1));
}

int steer_set_config(struct steer *s, const struct sluice_steer_config *c, struct sl_err *e)
{
	__u32 zero = 0;
	int r;

	if (c->flags & ~(SLUICE_STEER_F_SAMPLE | SLUICE_STEER_F_ANNOUNCE) ||
	    !is_mask(c->sample_mask) || !is_mask(c->announce_mask))
		return sl_err(e, -EINVAL, "flags %#x, sample_mask %#x, announce_mask %#x: a mask "
			      "must be a power of two less one", c->flags, c->sample_mask,
			      c->announce_mask);
	r = bpf_map_update_elem(s->map[STEER_MAP_config], &zero, c, BPF_ANY);
	if (r)
		return sl_err(e, r, "cannot write the configuration of %s: %s", s->dev.ifname,
			      strerror(-r));
	return 0;
}

int steer_get_config(struct steer *s, struct sluice_steer_config *c, struct sl_err *e)
{
	struct sluice_steer_config now;
	__u32 zero = 0;
	int r;

	r = bpf_map_lookup_elem(s->map[STEER_MAP_config], &zero, &now);
	if (r)
		return sl_err(e, r, "cannot read the configuration of %s: %s", s->dev.ifname,
			      strerror(-r));
	*c = now;
	return 0;
}

/*
 * User space cannot see HZ, but both clocks through steer_ctl. 120 ms are 30
 * ticks at 250 and 36 at 300, so that a tick more or less does not deceive.
 */
static int measure_hz(struct steer *s)
{
	static const unsigned int known[] = { 100, 250, 300, 1000 };
	const __u64 span_ns = 120 * 1000 * 1000;
	struct sluice_ctl now = { .op = SLUICE_CTL_CLOCK };
	double hz, best = 1e9;
	int r;

	r = steer_ctl_run(s, &now);
	if (r)
		return r;
	if (now.time_ns - s->clock.time_ns < span_ns) {
		struct timespec rest = { .tv_nsec = span_ns - (now.time_ns - s->clock.time_ns) };

		nanosleep(&rest, NULL);
		r = steer_ctl_run(s, &now);
		if (r)
			return r;
	}
	hz = (now.jiffies - s->clock.jiffies) * 1e9 / (now.time_ns - s->clock.time_ns);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		double off = hz > known[i] ? hz / known[i] : known[i] / hz;

		if (off < best) {
			best = off;
			s->hz = known[i];
		}
	}
	return 0;
}

int steer_lease_renew(struct steer *s, unsigned int ms, __u32 generation, struct sl_err *e)
{
	struct sluice_ctl ctl = { .op = SLUICE_CTL_LEASE, .generation = generation };
	int r = 0;

	if (ms && (ms < SLUICE_LEASE_MS_MIN || ms > SLUICE_LEASE_MS_MAX))
		return sl_err(e, -EINVAL, "a lease is %u to %u ms, not %u", SLUICE_LEASE_MS_MIN,
			      SLUICE_LEASE_MS_MAX, ms);
	if (ms && !s->hz)
		r = measure_hz(s);
	if (!r) {
		ctl.lease_jiffies = ((__u64)ms * s->hz + 999) / 1000;
		r = steer_ctl_run(s, &ctl);
	}
	if (r)
		return sl_err(e, r, "cannot renew the lease on %s: %s", s->dev.ifname,
			      strerror(-r));
	return 0;
}
