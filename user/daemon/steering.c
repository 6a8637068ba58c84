// SPDX-License-Identifier: GPL-2.0
/*
 * Which CPU takes each bucket and each admitted flow. The interfaces share the
 * CPUs, so all are decided in one go: deciding each on its own would herd
 * their load onto the same idle CPU.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/act.h"
#include "daemon/daemon.h"
#include "daemon/steer_view.h"
#include "lib/log.h"

/* Objects of one decision; the agent looks at the heaviest of them. */
#define OBJECTS_MAX	8192
#define MOVES_MAX	64

/* The agent's name of an object: the interface's index above, bucket or flow below. */
#define OBJECT_ID(link, index)	((uint32_t)(link) << 16 | (index))
#define OBJECT_LINK(id)		((id) >> 16)
#define OBJECT_INDEX(id)	((id) & 0xffff)

static double seconds_of(const struct link *l)
{
	return steer_view_seconds(l->before, l->now);
}

/* Whether an interface is decided on and has two readings, one interval apart. */
static bool is_observed(const struct link *l)
{
	return l->steer && !l->guard.paused && l->have_before && seconds_of(l) > 0;
}

static size_t observe_cpus(struct daemon *d, double seconds, struct steer_cpu_obs *cpus)
{
	size_t n = 0;
	unsigned int cpu, i;

	for (cpu = 0; cpu < SLUICE_MAX_CPUS; cpu++) {
		const struct procstat_cpu *a = &d->cpu_before.cpu[cpu], *b = &d->cpu_now.cpu[cpu];
		bool target = false;

		for (i = 0; i < d->n_links; i++)
			target |= is_observed(d->links[i]) &&
				  d->links[i]->target[cpu] == TARGET_IN_USE;
		if (!target || !d->guard.cpu_allowed[cpu] || !b->online)
			continue;
		cpus[n] = steer_view_cpu(cpu, a, b, seconds);
		for (i = 0; i < d->n_links; i++)
			if (is_observed(d->links[i]))
				steer_view_sent(d->links[i]->before, d->links[i]->now, &cpus[n]);
		n++;
	}
	return n;
}

static size_t observe_objects(struct daemon *d, unsigned int link, uint64_t now,
			      struct steer_object *objects, size_t max)
{
	struct link *l = d->links[link];
	double seconds = seconds_of(l);
	size_t n = steer_view_buckets(l->before, l->now, objects, max), i;

	link_flows_refresh(d, l, now, objects, &n, max);
	for (i = 0; i < n; i++) {
		objects[i].id = OBJECT_ID(link, objects[i].id);
		objects[i].pps /= seconds;
		objects[i].bps /= seconds;
	}
	return n;
}

static void record(struct daemon *d, const struct link *l, const struct steer_move *m,
		   enum guard_verdict verdict, double reward)
{
	struct decision one = {
		.verdict = verdict,
		.explored = m->explored,
		.reward = reward,
		.reward_valid = !d->greedy,
	};
	char flow[112];

	if (m->is_flow) {
		steer_flow_format(&l->flows[OBJECT_INDEX(m->id)].key, flow, sizeof(flow));
		snprintf(one.object, sizeof(one.object), "%s %s", l->ifname, flow);
	} else {
		snprintf(one.object, sizeof(one.object), "%s bucket %u", l->ifname,
			 OBJECT_INDEX(m->id));
	}
	snprintf(one.change, sizeof(one.change), "cpu %u -> %u", m->from, m->to);
	if (d->settings.steer_policy == STEER_POLICY_GREEDY)
		snprintf(one.reason, sizeof(one.reason), "from the busiest CPU to the idlest");
	else if (d->greedy)
		snprintf(one.reason, sizeof(one.reason), "%s", d->greedy->ops->text);
	else
		snprintf(one.reason, sizeof(one.reason), "%s, value %+.3f against staying",
			 m->explored ? "exploring" : "best", (double)m->gain);
	decisions_add(&d->decisions, &one);
}

static int carry_out(struct daemon *d, struct link *l, const struct steer_move *m)
{
	unsigned int index = OBJECT_INDEX(m->id);
	int r;

	if (m->is_flow) {
		r = act_flow(d, l, &l->flows[index].key, m->to);
		if (r == 0)
			l->flows[index].cpu = m->to;
		return r;
	}
	r = act_bucket(d, l, index, m->to);
	/* Flows that are admitted before the next snapshot follow it. */
	if (r == 0) {
		l->now->bucket_target[index].learned_cpu = m->to;
		l->now->bucket_target[index].flags |= SLUICE_BUCKET_F_LEARNED;
	}
	return r;
}

static bool apply(struct daemon *d, const struct steer_interval *in, const struct steer_move *m,
		  uint64_t now, unsigned int moves, double reward)
{
	struct link *l = d->links[OBJECT_LINK(m->id)];
	enum guard_verdict verdict;
	bool hold = false;
	int r;

	if (!m->is_flow)
		hold = l->now->bucket_target[OBJECT_INDEX(m->id)].flags & SLUICE_BUCKET_F_HOLD;
	/* Another interface's target need not be one of this one's. */
	if (m->to >= SLUICE_MAX_CPUS || l->target[m->to] != TARGET_IN_USE)
		verdict = GUARD_cpu_not_allowed;
	else if (d->settings.steer_refuse_losing && steer_view_loses(in, m))
		verdict = GUARD_loses;
	else
		verdict = guard_move(&d->guard, &l->guard, now, hold, moves, m->from, m->to);
	record(d, l, m, verdict, reward);
	if (!guard_go(verdict))
		return false;
	r = carry_out(d, l, m);
	if (r < 0) {
		log_debug("%s: the move failed: %s", l->ifname, strerror(-r));
		return false;
	}
	l->moves++;
	return true;
}

/* Reads CPU time and all interfaces; the seconds since the reading before, 0: none. */
static double observe(struct daemon *d, uint64_t now)
{
	double seconds = d->steering_ns ? (double)(now - d->steering_ns) / 1e9 : 0;
	struct steer_snapshot *swap;
	struct sl_err e;
	unsigned int i;

	d->steering_ns = now;
	d->cpu_before = d->cpu_now;
	if (procstat_read(&d->cpu_now, &e) < 0)
		log_error("%s", e.text);
	for (i = 0; i < d->n_links; i++) {
		struct link *l = d->links[i];
		int r;

		if (!l->steer)
			continue;
		swap = l->before;
		l->before = l->now;
		l->now = swap;
		r = steer_read(l->steer, l->now, &e);
		if (r == 0 && !if_nametoindex(l->ifname)) {
			l->gone = true;
			r = sl_err(&e, -ENODEV, "the interface is gone");
		}
		if (r < 0)
			link_failed(l, now, &e);
		if (r == 0 && l->read_once && l->before->attached != l->now->attached)
			log_warning("%s: the XDP program %s", l->ifname, l->now->attached ?
				    "is attached again" : "was detached: nothing is steered");
		l->have_before = r == 0 && l->read_once;
		l->read_once = r == 0;
		if (r == 0 && d->cpu_now.n_cpus)
			link_cpus_follow(d, l, now);
		if (l->have_before) {
			l->problem.text[0] = '\0';
			l->failures = 0;
		}
	}
	return seconds;
}

void steering_decide(struct daemon *d, uint64_t now)
{
	static struct steer_object objects[OBJECTS_MAX];
	struct steer_cpu_obs cpus[SLUICE_MAX_CPUS];
	struct steer_move moves[MOVES_MAX];
	bool applied[MOVES_MAX];
	unsigned int done = 0, i;
	struct steer_interval in = {
		.seconds = observe(d, now),
		.cpus = cpus,
		.objects = objects,
	};
	double reward = 0;
	int n, m;

	if (d->settings.steer_policy == STEER_POLICY_STATIC || in.seconds <= 0)
		return;
	in.n_cpus = observe_cpus(d, in.seconds, cpus);
	for (i = 0; i < d->n_links; i++)
		if (is_observed(d->links[i])) {
			link_tree_loads(d, d->links[i], cpus, in.n_cpus);
			link_flows_age(d, d->links[i]);
			in.n_objects += observe_objects(d, i, now, objects + in.n_objects,
							OBJECTS_MAX - in.n_objects);
		}
	if (in.n_cpus < 2 || !in.n_objects)
		return;
	if (d->greedy)
		n = d->greedy->ops->decide(d->greedy, &(struct steer_scene){ .in = in }, moves,
					   MOVES_MAX);
	else
		n = steer_agent_decide(d->steer_agent, &in, moves, MOVES_MAX, &reward);
	if (n < 0)
		return;
	for (i = 0; i < d->n_links; i++)
		d->links[i]->decisions += is_observed(d->links[i]);
	for (m = 0; m < n; m++) {
		applied[m] = apply(d, &in, &moves[m], now, done, reward);
		done += applied[m];
	}
	if (!d->greedy)
		steer_agent_applied(d->steer_agent, applied, (size_t)n);
}
