// SPDX-License-Identifier: GPL-2.0
/*
 * Which CPUs are targets, and which of them the buckets want.
 *
 * A cpumap entry that is removed, or replaced by one with another ring or
 * program, must not have packets of places that go on elsewhere: a
 * replacement starts a new ring and thread while the old one still drains. So
 * such a CPU is evacuated first. Nothing wants it any more, the hold moves what
 * is there, and when nothing has been sent to it for as long as its ring can
 * take to drain, the entry is idle. (A place that has been idle for so long
 * itself may be there by name still; the gap rule lets it go.)
 */
#include "lib/steer.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/steer_priv.h"

#define EVACUATION_MS	3000	/* after which we give up */
#define POLL_MS		5

struct retarget {
	struct steer *s;
	const __u16 *cpus;
	size_t n;
	__u32 qsize;
	bool wanted[SLUICE_MAX_CPUS];
	bool had[SLUICE_MAX_CPUS];	/* an entry, before */
	bool stale[SLUICE_MAX_CPUS];	/* that entry is to be replaced */
	bool made[SLUICE_MAX_CPUS];
};

static __u32 prog_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* An entry that is as wanted is left alone. qsize 0 wants any. */
static bool as_wanted(const struct retarget *t, const struct bpf_cpumap_val *v)
{
	return v->bpf_prog.id == prog_id(steer_deliver_fd(t->s)) &&
	       (!t->qsize || v->qsize == t->qsize);
}

static int survey(struct retarget *t, struct sl_err *e)
{
	struct steer *s = t->s;
	struct bpf_cpumap_val v;

	for (size_t i = 0; i < t->n; i++) {
		if (t->cpus[i] >= s->n_targets || t->cpus[i] >= s->n_possible)
			return sl_err(e, -EINVAL, "there is no CPU %u to steer to", t->cpus[i]);
		t->wanted[t->cpus[i]] = true;
	}
	for (__u32 cpu = 0; cpu < s->n_targets; cpu++) {
		t->had[cpu] = !bpf_map_lookup_elem(steer_cpumap_fd(s), &cpu, &v);
		t->stale[cpu] = t->had[cpu] && t->wanted[cpu] && !as_wanted(t, &v);
	}
	return 0;
}

static int write_target(struct retarget *t, __u32 cpu, struct sl_err *e)
{
	struct bpf_cpumap_val v = { .qsize = t->qsize ? t->qsize : SLUICE_CPUMAP_QSIZE };
	int r;

	v.bpf_prog.fd = steer_deliver_fd(t->s);
	r = bpf_map_update_elem(steer_cpumap_fd(t->s), &cpu, &v, 0);
	if (r)
		return sl_err(e, r, "cannot make a cpumap entry of %u packets for CPU %u: %s",
			      v.qsize, cpu, strerror(-r));
	return 0;
}

/* Entries where there is none yet; all or none. */
static int make_missing(struct retarget *t, struct sl_err *e)
{
	int r = 0;

	for (__u32 cpu = 0; cpu < SLUICE_MAX_CPUS && !r; cpu++) {
		if (!t->wanted[cpu] || t->had[cpu])
			continue;
		r = write_target(t, cpu, e);
		t->made[cpu] = !r;
	}
	for (__u32 cpu = 0; cpu < SLUICE_MAX_CPUS && r; cpu++)
		if (t->made[cpu])
			bpf_map_delete_elem(steer_cpumap_fd(t->s), &cpu);
	return r;
}

/* --- buckets and flows ------------------------------------------------------ */

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

/* Round-robin over those of the CPUs that are not avoided; none: no baseline. */
static void write_baselines(struct retarget *t, const bool *avoid)
{
	__u16 cpus[SLUICE_MAX_CPUS];
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		if (!avoid || !avoid[t->cpus[i]])
			cpus[n++] = t->cpus[i];
	for (unsigned int i = 0; i < SLUICE_BUCKETS; i++) {
		struct sluice_bucket b = { .flags = n ? SLUICE_BUCKET_F_BASELINE : 0 };

		b.cpu = n ? cpus[i % n] : 0;
		bucket_modify(t->s, i, &b, SLUICE_BUCKET_F_BASELINE, true);
	}
}

struct leaving {
	struct steer *s;
	const bool *cpu;
};

static int unassign(const struct steer_flow *f, void *data)
{
	const struct leaving *l = data;
	struct sluice_ctl ctl = { .op = SLUICE_CTL_FLOW_ASSIGN, .key = f->key };

	if (f->flow.assign.flags && f->flow.assign.cpu < SLUICE_MAX_CPUS &&
	    l->cpu[f->flow.assign.cpu])
		steer_ctl_run(l->s, &ctl);	/* if it has gone meanwhile, all the better */
	return 0;
}

/* Nothing learned or assigned wants these CPUs from now on. */
static int take_away(struct steer *s, const bool *cpu, struct sl_err *e)
{
	struct leaving l = { s, cpu };
	struct steer_scan scan = { 0 };
	int r;

	steer_tree_forget(s, cpu);
	for (unsigned int i = 0; i < SLUICE_BUCKETS; i++)
		if (s->buckets[i].flags & SLUICE_BUCKET_F_LEARNED &&
		    s->buckets[i].learned_cpu < SLUICE_MAX_CPUS && cpu[s->buckets[i].learned_cpu])
			steer_bucket_set_learned(s, i, -1, 0);
	do
		r = steer_flow_scan(s, &scan, 1 << 16, unassign, &l, e);
	while (r > 0);
	return r;
}

/* --- evacuation ------------------------------------------------------------- */

static __u64 sent_to(const struct steer *s, unsigned int cpu)
{
	__u64 sum = 0;

	for (unsigned int rxq = 0; rxq < s->n_rxqs; rxq++)
		sum += s->sent[rxq * SLUICE_MAX_CPUS + cpu].packets;
	return sum;
}

static void wait_ms(unsigned int ms)
{
	const struct timespec ts = { .tv_nsec = ms * 1000000L };

	nanosleep(&ts, NULL);
}

/* Until nothing was sent to these CPUs for a gap. -EBUSY, and which, when that takes too long. */
static int wait_until_idle(struct steer *s, const bool *cpu, struct sl_err *e)
{
	struct sluice_steer_config c;
	unsigned int idle_ms, gap_ms, ms;
	__u64 before, now;
	__u32 ticks;
	int r;

	r = steer_get_config(s, &c, e);
	if (r)
		return r;
	r = steer_ticks(s, 1, &ticks);
	if (r)
		return sl_err(e, r, "cannot measure the kernel's clock: %s", strerror(-r));
	gap_ms = (c.gap_ticks ? c.gap_ticks : SLUICE_GAP_TICKS) * 1000 / s->hz + 1;
	for (unsigned int i = 0; i < SLUICE_MAX_CPUS; i++) {
		before = sent_to(s, i);
		if (!cpu[i] || !before)
			continue;
		for (ms = idle_ms = 0; idle_ms <= gap_ms; ms += POLL_MS) {
			if (ms > EVACUATION_MS + gap_ms)
				return sl_err(e, -EBUSY, "CPU %u still gets packets of flows that "
					      "cannot leave it in order; its cpumap entry stays as "
					      "it was. Nothing new is sent there: try again later",
					      i);
			wait_ms(POLL_MS);
			now = sent_to(s, i);
			idle_ms = now == before ? idle_ms + POLL_MS : 0;
			before = now;
		}
	}
	return 0;
}

static int replace_stale(struct retarget *t, struct sl_err *e)
{
	bool any = false;
	int r;

	for (unsigned int cpu = 0; cpu < SLUICE_MAX_CPUS; cpu++)
		any |= t->stale[cpu];
	if (!any)
		return 0;
	write_baselines(t, t->stale);
	r = take_away(t->s, t->stale, e);
	if (!r)
		r = wait_until_idle(t->s, t->stale, e);
	for (unsigned int cpu = 0; cpu < SLUICE_MAX_CPUS && !r; cpu++)
		if (t->stale[cpu])
			r = write_target(t, cpu, e);
	return r;
}

static int remove_others(struct retarget *t, struct sl_err *e)
{
	bool gone[SLUICE_MAX_CPUS], any = false;
	int r;

	for (unsigned int cpu = 0; cpu < SLUICE_MAX_CPUS; cpu++) {
		gone[cpu] = t->had[cpu] && !t->wanted[cpu];
		any |= gone[cpu];
	}
	if (!any)
		return 0;
	r = take_away(t->s, gone, e);
	if (!r)
		r = wait_until_idle(t->s, gone, e);
	for (__u32 cpu = 0; cpu < SLUICE_MAX_CPUS && !r; cpu++)
		if (gone[cpu])
			bpf_map_delete_elem(steer_cpumap_fd(t->s), &cpu);
	return r;
}

int steer_write_targets(struct steer *s, const __u16 *cpus, size_t n, __u32 qsize,
			struct sl_err *e)
{
	struct retarget t = { .s = s, .cpus = cpus, .n = n, .qsize = qsize };
	int r;

	r = survey(&t, e);
	if (!r)
		r = make_missing(&t, e);
	if (!r)
		r = replace_stale(&t, e);
	if (r && r != -EBUSY)
		return r;
	write_baselines(&t, NULL);
	return r ? r : remove_others(&t, e);
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

/* --- one at a time, for who waits himself ----------------------------------- */

int steer_add_target(struct steer *s, unsigned int cpu, struct sl_err *e)
{
	struct retarget t = { .s = s };
	struct bpf_cpumap_val v;

	if (cpu >= s->n_targets || cpu >= s->n_possible)
		return sl_err(e, -EINVAL, "there is no CPU %u to steer to", cpu);
	for (__u32 i = 0; i < s->n_targets && !t.qsize; i++)
		if (!bpf_map_lookup_elem(steer_cpumap_fd(s), &i, &v))
			t.qsize = v.qsize;
	return write_target(&t, cpu, e);
}

int steer_remove_target(struct steer *s, unsigned int cpu, struct sl_err *e)
{
	__u32 key = cpu;
	int r = bpf_map_delete_elem(steer_cpumap_fd(s), &key);

	return r ? sl_err(e, r, "cannot remove the cpumap entry of CPU %u: %s", cpu, strerror(-r)) : 0;
}

int steer_unwant(struct steer *s, unsigned int cpu, struct sl_err *e)
{
	bool gone[SLUICE_MAX_CPUS] = { false };

	if (cpu >= SLUICE_MAX_CPUS)
		return sl_err(e, -EINVAL, "there is no CPU %u", cpu);
	gone[cpu] = true;
	return take_away(s, gone, e);
}

int steer_bucket_set_baseline(struct steer *s, unsigned int bucket, int cpu)
{
	struct sluice_bucket b = { 0 };

	if (bucket >= SLUICE_BUCKETS || cpu >= (int)s->n_targets)
		return -EINVAL;
	if (cpu >= 0) {
		b.flags = SLUICE_BUCKET_F_BASELINE;
		b.cpu = cpu;
	}
	bucket_modify(s, bucket, &b, SLUICE_BUCKET_F_BASELINE, true);
	return 0;
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

