// SPDX-License-Identifier: GPL-2.0
/* The table of qdiscs under control, kept up with what each epoch's dump says. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/act.h"
#include "daemon/daemon.h"
#include "daemon/policies.h"
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

const char *queue_text(const struct queue *q)
{
	if (q->state == QUEUE_blocked)
		return ecn_block_text(q->now.blocked);
	if (q->state == QUEUE_stand_down && q->guard.until_released)
		return "left alone until 'sluice agent release': the operator wrote a knob";
	return queue_state_text(q->state);
}

bool observe_selected(const struct settings *s, const struct qdisc_sample *q)
{
	if (s->ecn_backend != ECN_CHOICE_AUTO)
		return (enum ecn_kind)(s->ecn_backend - ECN_CHOICE_FIRST) == q->backend &&
		       settings_list_has(s->ecn_interfaces, q->id.ifname);
	/* A qdisc that is there for other reasons must not be changed just because we run. */
	return q->backend == ECN_SLUICE ? settings_list_has(s->ecn_interfaces, q->id.ifname) :
					  settings_list_names(s->ecn_interfaces, q->id.ifname);
}

static int is_name(const char *word, void *data)
{
	(void)data;
	return strcmp(word, "*") != 0;
}

/* Whether the settings can select any stock qdisc: otherwise the dump is spared them. */
static bool may_select_stock(const struct settings *s)
{
	return s->ecn_backend > ECN_CHOICE_FIRST ||
	       (s->ecn_backend == ECN_CHOICE_AUTO &&
		settings_list_each(s->ecn_interfaces, is_name, NULL));
}

void observe_module(struct daemon *d)
{
	bool loaded = sysfs_exists("/sys/module/sch_sluice");

	if (d->module_known && loaded == d->module_loaded)
		return;
	if (d->settings.ecn_backend > ECN_CHOICE_FIRST)
		;	/* nothing needs it */
	else if (!loaded && may_select_stock(&d->settings))
		log_warning("the module sch_sluice is not loaded, so only stock qdiscs are "
			    "controlled; 'modprobe sch_sluice'");
	else if (!loaded)
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
			log_warning("more than %d qdiscs to control: the rest is left alone",
				    QUEUES_MAX);
		d->too_many_queues = true;
		return NULL;
	}
	q = &d->queues[i];
	memset(q, 0, sizeof(*q));
	q->used = true;
	q->acting = TRIAL_ARMS;
	if (i >= d->n_queues)
		d->n_queues = i + 1;

	snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", s->id.ifname);
	if (sysfs_read_u32(path, &q->mtu) < 0)
		q->mtu = DEFAULT_MTU;
	q->mtu += ETHERNET_HEADER;
	q->configured_bps = settings_rate(&d->settings, s->id.ifname);
	log_info("%s %s: a %s qdisc", s->id.ifname, s->id.parent, ecn_backend(s->backend)->name);
	return q;
}

void observe_reconfigure(struct daemon *d)
{
	for (unsigned int i = 0; i < d->n_queues; i++)
		if (d->queues[i].used)
			d->queues[i].configured_bps =
				settings_rate(&d->settings, d->queues[i].now.id.ifname);
}

/* Whether the qdisc was replaced by another one at the same place. */
static bool was_replaced(const struct qdisc_sample *before, const struct qdisc_sample *now)
{
	return before->handle != now->handle || before->backend != now->backend ||
	       now->stats.bytes < before->stats.bytes ||
	       now->stats.backlogged_ns < before->stats.backlogged_ns ||
	       /* Of a stock qdisc it is not the sample's but ours. */
	       (now->backend == ECN_SLUICE &&
		now->stats.manual_gen < before->stats.manual_gen);
}

static void forget_queue(struct daemon *d, struct queue *q)
{
	if (q->now.backend == ECN_SLUICE || observe_selected(&d->settings, &q->now))
		log_info("%s %s: the %s qdisc is gone%s", q->now.id.ifname, q->now.id.parent,
			 ecn_backend(q->now.backend)->name,
			 q->now.backend == ECN_SLUICE ? "" : ", or gives way to another one");
	act_stock_gone(d, q);
	operator_gone(d, q);
	sysfs_close_kept(&q->learned_file);
	ecn_agent_forget(d->ecn, (unsigned int)(q - d->queues));
	policies_forget(d, q);
	q->used = false;
	d->too_many_queues = false;
}

static void update_capacity(struct queue *q, uint64_t now)
{
	const struct sluice_qdisc_stats *a = &q->last.stats, *b = &q->now.stats;
	double bytes = (double)(b->bytes - a->bytes), ns = (double)(b->time_ns - a->time_ns);
	double backlogged_ns = (double)(b->backlogged_ns - a->backlogged_ns);

	if (q->now.backend == ECN_SLUICE)
		capacity_update(&q->capacity, now, bytes, ns, backlogged_ns);
	else
		capacity_span_add(&q->capacity, &q->stock.span, now, bytes, ns, backlogged_ns,
				  (double)(q->last.time_error_ns > q->now.time_error_ns ?
					   q->last.time_error_ns : q->now.time_error_ns));
}

static void take_sample(struct daemon *d, const struct qdisc_sample *s, uint64_t now)
{
	struct queue *q = find_queue(d, s);

	/* One that was selected until the configuration changed is released first. */
	if (s->backend != ECN_SLUICE && !observe_selected(&d->settings, s) &&
	    !(q && q->stock.ours))
		return;
	if (q && was_replaced(&q->now, s)) {
		forget_queue(d, q);
		q = NULL;
	}
	if (!q) {
		q = new_queue(d, s);
		if (!q)
			return;
	} else {
		if (strcmp(q->now.id.ifname, s->id.ifname))	/* it was renamed */
			q->configured_bps = settings_rate(&d->settings, s->id.ifname);
		q->last = q->now;
		q->have_last = true;
	}
	q->now = *s;
	q->present = true;
	act_stock_observe(d, q);
	if (q->have_last)
		update_capacity(q, now);
	else
		operator_adopt(d, q);
	if (s->stats.source == SLUICE_SRC_LEARNED && s->stats.generation > d->generation)
		d->generation = s->stats.generation;	/* of the daemon before us */
}

/*
 * Whether a stock qdisc is not for us because of another one: within one that is controlled already
 * (fq_codel in a RED, say) it would be a second hand on the same packets, and where ours is on the
 * interface, auto means ours.
 */
static bool gives_way(const struct settings *settings, const struct qdisc_sample *samples,
		      size_t n, const struct qdisc_sample *s)
{
	bool automatic = settings->ecn_backend == ECN_CHOICE_AUTO;
	size_t i;

	for (i = 0; i < n; i++) {
		bool inside = samples[i].handle && samples[i].handle == TC_H_MAJ(s->parent) &&
			      s->parent != TC_H_ROOT;

		if (samples[i].ifindex == s->ifindex &&
		    (inside || (automatic && samples[i].backend == ECN_SLUICE)) &&
		    observe_selected(settings, &samples[i]))
			return true;
	}
	return false;
}

/* What was under control until another qdisc came. Not seen again, it will be forgotten. */
static void let_go(struct daemon *d, const struct qdisc_sample *s)
{
	struct queue *q = find_queue(d, s);

	if (q && q->stock.ours && !was_replaced(&q->now, s))
		act_queue_release(d, q);
}

/* Says, when their numbers change, which qdiscs could be controlled and are not. */
static void tell_alone(struct daemon *d, const unsigned int alone[ECN_KINDS])
{
	if (d->settings.ecn_backend != ECN_CHOICE_AUTO ||
	    !memcmp(alone, d->told_alone, sizeof(d->told_alone)))
		return;
	memcpy(d->told_alone, alone, sizeof(d->told_alone));
	log_info("left alone: %u red, %u fq_codel and %u fq qdiscs; with backend auto, [ecn] "
		 "interfaces has to name an interface for its stock qdiscs to be controlled",
		 alone[ECN_RED], alone[ECN_FQ_CODEL], alone[ECN_FQ]);
}

static bool controls_stock(const struct daemon *d)
{
	unsigned int i;

	for (i = 0; i < d->n_queues; i++)
		if (d->queues[i].used && d->queues[i].stock.ours)
			return true;
	return false;
}

/* One dump; the first one also puts right what a daemon before us left. */
static int read_queues(struct daemon *d, const struct qdisc_sample **samples, size_t *n,
		       struct sl_err *e)
{
	bool first = !d->recovered;
	int r;

	qdisc_reader_stock(d->reader,
			   first || may_select_stock(&d->settings) || controls_stock(d));
	r = qdisc_read(d->reader, samples, n, e);
	if (r < 0 || !first)
		return r;
	d->recovered = true;
	return act_stock_recover(d, *samples, *n) ? qdisc_read(d->reader, samples, n, e) : 0;
}

void observe_queues(struct daemon *d, uint64_t now)
{
	unsigned int alone[ECN_KINDS] = { 0 };
	const struct qdisc_sample *samples;
	struct sl_err e = { "" };
	bool first = !d->recovered;
	size_t n, j;
	unsigned int i;

	if (read_queues(d, &samples, &n, &e) < 0) {
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
	for (j = 0; j < n; j++) {
		if (samples[j].backend != ECN_SLUICE &&
		    observe_selected(&d->settings, &samples[j]) &&
		    gives_way(&d->settings, samples, n, &samples[j]))
			let_go(d, &samples[j]);
		else
			take_sample(d, &samples[j], now);
		alone[samples[j].backend] += !observe_selected(&d->settings, &samples[j]);
	}
	alone[ECN_SLUICE] = 0;
	if (first || may_select_stock(&d->settings))
		tell_alone(d, alone);
	for (i = 0; i < d->n_queues; i++)
		if (d->queues[i].used && !d->queues[i].present)
			forget_queue(d, &d->queues[i]);
	while (d->n_queues && !d->queues[d->n_queues - 1].used)
		d->n_queues--;
}
