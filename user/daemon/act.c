// SPDX-License-Identifier: GPL-2.0
#include "daemon/act.h"

#include <errno.h>
#include <sluice/tree.h>

#include "lib/inside.h"
#include "lib/log.h"

/* A lease is renewed when a quarter of it is over: three more chances. */
static bool renewal_due(uint64_t renewed_ns, unsigned int lease_ms, uint64_t now)
{
	return now - renewed_ns >= lease_ms * 1000000ULL / 4;
}

int act_queue(struct daemon *d, struct queue *q, const struct qdisc_triple *t, uint64_t now,
	      struct sl_err *e)
{
	uint32_t generation = d->generation + 1;
	int r;

	if (generation == 0)
		generation = 1;	/* 0 means a baseline */
	if (q->now.backend == ECN_SLUICE)
		r = qdisc_write_learned(&q->now.id, &q->learned_file, t,
					d->settings.ecn_lease_ms, generation, e);
	else
		r = act_stock_write(d, q, t, e);
	if (r < 0)
		return r;
	d->generation = generation;
	q->learned = true;
	q->triple = *t;
	q->generation = generation;
	q->renewed_ns = now;
	return 0;
}

int act_queue_renew(struct daemon *d, struct queue *q, uint64_t now, struct sl_err *e)
{
	int r;

	if (!q->learned || q->now.backend != ECN_SLUICE ||
	    !renewal_due(q->renewed_ns, d->settings.ecn_lease_ms, now))
		return 0;
	r = qdisc_write_learned(&q->now.id, &q->learned_file, &q->triple,
				d->settings.ecn_lease_ms, q->generation, e);
	if (r == 0)
		q->renewed_ns = now;
	return r;
}

/* A block that speaks of the tree that is loaded. */
static int about_tree(const struct queue *q, uint32_t lease_ms)
{
	struct sluice_tree t = { .h = { .generation = q->tree.generation, .lease_ms = lease_ms } };

	sluice_tree_seal(&t);
	return qdisc_write_tree(&q->now.id, &t, t.h.size, NULL);
}

int act_tree(struct daemon *d, struct queue *q, const struct sluice_tree *t, uint64_t now,
	     struct sl_err *e)
{
	int r = qdisc_write_tree(&q->now.id, t, t->h.size, e);

	if (r < 0)
		return r;
	d->generation = t->h.generation;
	q->tree.generation = t->h.generation;
	q->tree.renewed_ns = now;
	q->tree.seen = false;
	return 0;
}

void act_tree_renew(struct daemon *d, struct queue *q, uint64_t now)
{
	if (!renewal_due(q->tree.renewed_ns, d->settings.ecn_lease_ms, now))
		return;
	if (about_tree(q, d->settings.ecn_lease_ms) == 0)
		q->tree.renewed_ns = now;
	else
		q->tree.generation = 0;	/* it is not there any more, or about to run out */
}

void act_tree_end(struct queue *q)
{
	/* One that fails leaves the lease to run out, which ends the same way. */
	if (q->tree.generation)
		about_tree(q, 0);
	q->tree.generation = 0;
}

void act_queue_release(struct daemon *d, struct queue *q)
{
	static const struct qdisc_triple none;

	act_tree_end(q);
	if (q->now.backend != ECN_SLUICE)
		act_stock_release(d, q);
	else if (q->learned)
		/* One that fails leaves the lease to run out, which ends the same way. */
		qdisc_write_learned(&q->now.id, &q->learned_file, &none, 0, q->generation, NULL);
	q->learned = false;
}

int act_link_config(struct daemon *d, struct link *l, struct sl_err *e)
{
	const struct settings *s = &d->settings;
	/* The order of one flow in 64 is checked: what is promised is also measured. */
	struct sluice_steer_config c = { .flags = SLUICE_STEER_F_ORDER, .order_mask = 63 };

	if (s->steer_sample) {
		c.flags |= SLUICE_STEER_F_SAMPLE;
		c.sample_mask = s->steer_sample - 1;
	}
	if (settings_steer_admits(s) && !l->guard.paused) {
		c.flags |= SLUICE_STEER_F_ADMIT;
		c.announce_mask = s->steer_announce - 1;
		c.report_packets = s->steer_report;
	}
	inside_parse(s->steer_inside, &c.inside, NULL);	/* checked when it was read */
	return steer_set_config(l->steer, &c, e);
}

int act_link_open(struct daemon *d, struct link *l, struct sl_err *e)
{
	const struct settings *s = &d->settings;
	__u16 cpus[SLUICE_MAX_CPUS];
	struct steer_options o = {
		.mode = (enum steer_mode)s->steer_mode,
		.force = s->steer_force,
		.cpus = cpus,
	};
	struct steer *steer = NULL;
	bool targets = false;
	unsigned int i;
	int n, r;

	n = settings_cpus(s, cpus, e);
	if (n < 0)
		return n;
	o.n_cpus = (size_t)n;

	r = steer_adopt(l->ifname, &steer, e);
	if (r == 0)
		r = steer_read(steer, l->now, e);
	/* Pins of the interface that was here before; the program went with it. */
	if (r == 0 && l->gone && !l->now->attached) {
		steer_close(steer);
		steer = NULL;
		r = steer_unload(l->ifname, e);
		if (r == 0)
			r = -ENOENT;
	}
	l->adopted = r == 0;
	if (r == -ENOENT && !steer) {
		r = steer_load(l->ifname, &o, &steer, e);
		if (r == 0)
			r = steer_read(steer, l->now, e);
	}
	if (r < 0)
		goto fail;
	l->gone = false;
	/*
	 * What an operator attached by hand steers nowhere yet. Targets that are
	 * there stay: replacing a cpumap entry under traffic reorders packets.
	 */
	for (i = 0; i < SLUICE_MAX_CPUS; i++)
		targets |= l->now->target[i];
	if (!targets) {
		r = steer_set_cpus(steer, cpus, (size_t)n, 0, s->steer_force, e);
		if (r < 0)
			goto fail;
	}
	l->steer = steer;
	r = act_link_config(d, l, e);
	if (r == 0)
		r = steer_read(steer, l->now, e);
	if (r == 0)
		return 0;
	l->steer = NULL;
fail:
	steer_close(steer);
	return r;
}

int act_link_lease(struct daemon *d, struct link *l, uint64_t now, struct sl_err *e)
{
	int r;

	if (l->leased && !renewal_due(l->renewed_ns, d->settings.steer_lease_ms, now))
		return 0;
	r = steer_lease_renew(l->steer, d->settings.steer_lease_ms, d->generation, e);
	if (r < 0)
		return r;
	l->leased = true;
	l->renewed_ns = now;
	return 0;
}

int act_link_tree(struct daemon *d, struct link *l, const struct sluice_tree *t, struct sl_err *e)
{
	struct sluice_tree ours;
	int r;

	l->tree_generation = 0;
	if (!t)
		return steer_tree_drop(l->steer, e);
	ours = *t;
	if (++d->generation == 0)
		d->generation = 1;
	ours.h.generation = d->generation;
	sluice_tree_seal(&ours);
	r = steer_tree_publish(l->steer, &ours, e);
	if (r == 0)
		l->tree_generation = ours.h.generation;
	return r;
}

int act_link_loads(struct link *l, const struct steer_cpu_load *load, size_t n, uint32_t flow_ppm,
		   struct sl_err *e)
{
	return steer_tree_loads(l->steer, load, n, flow_ppm, e);
}

void act_link_lapse(struct link *l)
{
	struct sl_err e;

	if (l->tree_generation && steer_tree_drop(l->steer, &e) < 0)
		log_warning("%s: the tree could not be given up and ends with the lease: %s",
			    l->ifname, e.text);
	l->tree_generation = 0;
	if (steer_lease_renew(l->steer, 0, 0, &e) < 0)
		log_warning("%s: the lease could not be ended and runs out by itself: %s",
			    l->ifname, e.text);
	l->leased = false;
}

void act_link_release(struct link *l)
{
	if (l->steer && l->leased)
		act_link_lapse(l);
	l->leased = false;
	l->tree_generation = 0;
	steer_close(l->steer);
	l->steer = NULL;
}

int act_bucket(struct daemon *d, struct link *l, unsigned int bucket, int cpu)
{
	return steer_bucket_set_learned(l->steer, bucket, cpu, ++d->generation);
}

int act_flow(struct daemon *d, struct link *l, const struct sluice_flow_key *key, uint16_t cpu)
{
	return steer_flow_set(l->steer, key, cpu, SLUICE_FLOW_LEARNED, ++d->generation, NULL);
}

int act_flow_delete(struct link *l, const struct sluice_flow_key *key)
{
	return steer_flow_delete(l->steer, key, NULL);
}

void act_baseline(struct link *l, unsigned int bucket, int cpu)
{
	steer_bucket_set_baseline(l->steer, bucket, cpu);
}

int act_unwant(struct link *l, unsigned int cpu, struct sl_err *e)
{
	return steer_unwant(l->steer, cpu, e);
}

int act_add_target(struct link *l, unsigned int cpu, struct sl_err *e)
{
	return steer_add_target(l->steer, cpu, e);
}

int act_remove_target(struct link *l, unsigned int cpu, struct sl_err *e)
{
	return steer_remove_target(l->steer, cpu, e);
}
