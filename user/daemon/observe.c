// SPDX-License-Identifier: GPL-2.0
/* The table of sluice qdiscs, kept up with what each epoch's dump says. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/daemon.h"
#include "lib/log.h"
#include "lib/sysfs.h"

#define ETHERNET_HEADER	14
#define DEFAULT_MTU	1500

const char *queue_state_name(enum queue_state s)
{
	static const char *const names[] = {
#define X(name, text) #name,
		QUEUE_STATES(X)
#undef X
	};
	return s < QUEUE_STATE_N ? names[s] : "?";
}

const char *queue_state_text(enum queue_state s)
{
	static const char *const texts[] = {
#define X(name, text) text,
		QUEUE_STATES(X)
#undef X
	};
	return s < QUEUE_STATE_N ? texts[s] : "?";
}

void observe_module(struct daemon *d)
{
	bool loaded = sysfs_exists("/sys/module/sch_sluice");

	if (d->module_known && loaded == d->module_loaded)
		return;
	if (!loaded)
		log_warning("the module sch_sluice is not loaded, so no queue is controlled; "
			    "'modprobe sch_sluice' (steering works without it)");
	else if (d->module_known)
		log_notice("the module sch_sluice is loaded now");
	d->module_known = true;
	d->module_loaded = loaded;
}

static struct queue *find_queue(struct daemon *d, const struct qdisc_sample *s)
{
	unsigned int i;

	for (i = 0; i < d->n_queues; i++)
		if (d->queues[i].used && d->queues[i].now.ifindex == s->ifindex &&
		    !strcmp(d->queues[i].now.id.parent, s->id.parent))
			return &d->queues[i];
	return NULL;
}

static struct queue *new_queue(struct daemon *d, const struct qdisc_sample *s)
{
	struct queue *q;
	char path[64];
	unsigned int i;

	for (i = 0; i < QUEUES_MAX && d->queues[i].used; i++)
		;
	if (i == QUEUES_MAX) {
		if (!d->too_many_queues)
			log_warning("more than %d sluice qdiscs: the rest is left alone",
				    QUEUES_MAX);
		d->too_many_queues = true;
		return NULL;
	}
	q = &d->queues[i];
	memset(q, 0, sizeof(*q));
	q->used = true;
	if (i >= d->n_queues)
		d->n_queues = i + 1;

	snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", s->id.ifname);
	if (sysfs_read_u32(path, &q->mtu) < 0)
		q->mtu = DEFAULT_MTU;
	q->mtu += ETHERNET_HEADER;
	log_info("%s %s: a sluice qdisc", s->id.ifname, s->id.parent);
	return q;
}

/* Whether the qdisc was replaced by another one at the same place. */
static bool was_replaced(const struct qdisc_sample *before, const struct qdisc_sample *now)
{
	return before->handle != now->handle || now->stats.bytes < before->stats.bytes ||
	       now->stats.backlogged_ns < before->stats.backlogged_ns ||
	       now->stats.manual_gen < before->stats.manual_gen;
}

static void forget_queue(struct daemon *d, struct queue *q)
{
	log_info("%s %s: the sluice qdisc is gone", q->now.id.ifname, q->now.id.parent);
	ecn_agent_forget(d->ecn, (unsigned int)(q - d->queues));
	q->used = false;
	d->too_many_queues = false;
}

static void take_sample(struct daemon *d, const struct qdisc_sample *s, uint64_t now)
{
	struct queue *q = find_queue(d, s);

	if (q && was_replaced(&q->now, s)) {
		forget_queue(d, q);
		q = NULL;
	}
	if (!q) {
		q = new_queue(d, s);
		if (!q)
			return;
	} else {
		q->last = q->now;
		q->have_last = true;
	}
	q->now = *s;
	q->present = true;
	if (q->have_last)
		capacity_update(&q->capacity, now, (double)(s->stats.bytes - q->last.stats.bytes),
				(double)(s->stats.time_ns - q->last.stats.time_ns),
				(double)(s->stats.backlogged_ns - q->last.stats.backlogged_ns));
	if (s->stats.source == SLUICE_SRC_LEARNED && s->stats.generation > d->generation)
		d->generation = s->stats.generation;	/* of the daemon before us */
}

void observe_queues(struct daemon *d, uint64_t now)
{
	const struct qdisc_sample *samples;
	struct sl_err e = { "" };
	unsigned int i;
	size_t n;

	if (qdisc_read(d->reader, &samples, &n, &e) < 0) {
		if (strcmp(e.text, d->reader_problem.text))
			log_error("%s", e.text);
		d->reader_problem = e;
		return;
	}
	if (*d->reader_problem.text)
		log_notice("the qdiscs can be read again");
	d->reader_problem.text[0] = '\0';

	for (i = 0; i < d->n_queues; i++)
		d->queues[i].present = false;
	while (n--)
		take_sample(d, samples++, now);
	for (i = 0; i < d->n_queues; i++)
		if (d->queues[i].used && !d->queues[i].present)
			forget_queue(d, &d->queues[i]);
	while (d->n_queues && !d->queues[d->n_queues - 1].used)
		d->n_queues--;
}
