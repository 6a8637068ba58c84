// SPDX-License-Identifier: GPL-2.0
/*
 * Targets whose CPU goes offline or comes back.
 *
 * The kernel keeps the cpumap entry of an offline CPU, and its thread runs on
 * some other CPU from then on, even when its own is back. So nothing is lost,
 * but steering there is steering to nowhere in particular. The buckets that had
 * it as their baseline get the other targets, in order through the hold; when nothing
 * is sent there any more the entry goes, and when the CPU is back there is a
 * new one, with a thread of its own, and the buckets return.
 */
#include <string.h>

#include "daemon/act.h"
#include "daemon/daemon.h"
#include "lib/log.h"

/* Longer than any ring takes to drain. */
#define IDLE_NS	500000000ULL

/* The next target that is in use, after cpu; -1: there is none. */
static int next_target(const struct link *l, int cpu)
{
	for (int i = 1; i <= SLUICE_MAX_CPUS; i++) {
		const int c = (cpu + i) % SLUICE_MAX_CPUS;

		if (l->target[c] == TARGET_IN_USE)
			return c;
	}
	return -1;
}

static void leave(struct link *l, unsigned int cpu, uint64_t now)
{
	struct sl_err e = { "" };
	unsigned int buckets = 0;
	int to = (int)cpu;

	l->target[cpu] = TARGET_LEAVING;
	l->idle_since_ns[cpu] = now;
	l->idle_packets[cpu] = l->now->cpu[cpu].packets;
	for (unsigned int b = 0; b < SLUICE_BUCKETS; b++) {
		const struct sluice_bucket *is = &l->now->bucket_target[b];

		if (!(is->flags & SLUICE_BUCKET_F_BASELINE) || is->cpu != cpu)
			continue;
		to = next_target(l, to < 0 ? (int)cpu : to);
		if (!l->home1[b])
			l->home1[b] = cpu + 1;
		act_baseline(l, b, to);
		buckets++;
	}
	if (act_unwant(l, cpu, &e) < 0)
		log_warning("%s: %s", l->ifname, e.text);
	log_notice("%s: CPU %u is offline: the %u buckets there go to the other targets", l->ifname,
		   cpu, buckets);
}

static void retire_if_idle(struct link *l, unsigned int cpu, uint64_t now)
{
	struct sl_err e = { "" };

	if (l->now->cpu[cpu].packets != l->idle_packets[cpu]) {
		l->idle_packets[cpu] = l->now->cpu[cpu].packets;
		l->idle_since_ns[cpu] = now;
	}
	if (now - l->idle_since_ns[cpu] < IDLE_NS)
		return;
	if (act_remove_target(l, cpu, &e) < 0)
		log_warning("%s: %s", l->ifname, e.text);
	l->target[cpu] = TARGET_GONE;
}

static void come_back(struct link *l, unsigned int cpu)
{
	struct sl_err e = { "" };

	if (act_add_target(l, cpu, &e) < 0) {
		log_warning("%s: CPU %u is online again, but no target: %s", l->ifname, cpu, e.text);
		l->target[cpu] = TARGET_NONE;
		return;
	}
	l->target[cpu] = TARGET_IN_USE;
	for (unsigned int b = 0; b < SLUICE_BUCKETS; b++) {
		if (l->home1[b] != cpu + 1)
			continue;
		act_baseline(l, b, (int)cpu);
		l->home1[b] = 0;
	}
	log_notice("%s: CPU %u is online again, and a target", l->ifname, cpu);
}

void link_cpus_follow(struct daemon *d, struct link *l, uint64_t now)
{
	for (unsigned int cpu = 0; cpu < SLUICE_MAX_CPUS; cpu++) {
		const bool online = d->cpu_now.cpu[cpu].online, entry = l->now->target[cpu];

		/* Whoever else makes or removes targets is right. */
		if (l->target[cpu] == TARGET_NONE && entry)
			l->target[cpu] = TARGET_IN_USE;
		if (l->target[cpu] == TARGET_IN_USE && !entry)
			l->target[cpu] = TARGET_NONE;
		if (l->target[cpu] == TARGET_IN_USE && !online)
			leave(l, cpu, now);
		else if (l->target[cpu] == TARGET_LEAVING)
			retire_if_idle(l, cpu, now);
		else if (l->target[cpu] == TARGET_GONE && online)
			come_back(l, cpu);
	}
}

void link_cpus_forget(struct link *l)
{
	memset(l->target, 0, sizeof(l->target));
	memset(l->home1, 0, sizeof(l->home1));
}
