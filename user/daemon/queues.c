// SPDX-License-Identifier: GPL-2.0
/* Decisions on each qdisc under control: which (qth_min, qth_max, max_p) from now on. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/act.h"
#include "daemon/background.h"
#include "daemon/daemon.h"
#include "daemon/offload.h"
#include "daemon/policies.h"
#include "lib/clock.h"
#include "lib/hist.h"
#include "lib/log.h"

/* DCTCP's own filter takes about this many round trips to answer. */
#define RTTS_PER_DECISION	10
/* Where the backlog is looked at once an epoch, its average over fewer says nothing. */
#define LOOKS_PER_DECISION	8
#define WRITE_RETRY_NS		10000000000ULL
/* The rule K = C * RTT / 7 follows C only when K moves by more than this share. */
#define BDP_DEADBAND		0.1

double queue_capacity(const struct daemon *d, const struct queue *q)
{
	(void)d;
	return q->configured_bps > 0 ? q->configured_bps : capacity_get(&q->capacity);
}

static bool is_operators(enum queue_state state)
{
	return state == QUEUE_hold || state == QUEUE_stand_down || state == QUEUE_paused;
}

/* Logs a change of state, and only changes. */
static void set_state(struct queue *q, enum queue_state state)
{
	bool operators = is_operators(state) || is_operators(q->state);

	if (q->state == state)
		return;
	q->state = state;
	log_line(operators ? LOG_NOTICE : LOG_INFO, "%s %s: %s", q->now.id.ifname,
		 q->now.id.parent, queue_text(q));
}

uint64_t queue_interval_ns(const struct settings *s, const struct queue *q)
{
	bool looks = ecn_backend(q->now.backend)->lacks & ECN_LACK(backlog);
	uint64_t epoch = s->epoch_ms * 1000000ULL * (looks ? LOOKS_PER_DECISION : 1);
	uint64_t rtts = RTTS_PER_DECISION * (s->rtt_us * 1000ULL);

	return epoch > rtts ? epoch : rtts;
}

static struct qdisc_triple in_force(const struct qdisc_sample *s)
{
	return (struct qdisc_triple){ s->stats.qth_min, s->stats.qth_max, s->stats.max_p };
}

static bool same_triple(const struct qdisc_triple *a, const struct qdisc_triple *b)
{
	return a->qth_min == b->qth_min && a->qth_max == b->qth_max && a->max_p == b->max_p;
}

static void make_interval(const struct daemon *d, const struct queue *q, struct ecn_interval *in)
{
	const struct sluice_qdisc_stats *a = &q->start.stats, *b = &q->now.stats;
	double us = (double)(b->time_ns - a->time_ns) / 1e3, p95;

	p95 = hist_quantile_ns(b->sojourn_hist, a->sojourn_hist, 0.95);
	/* By Little's law, with a mean in the place of the quantile. */
	if (p95 < 0 && (ecn_backend(q->now.backend)->lacks & ECN_LACK(sojourn)))
		p95 = (double)(b->backlog_byte_us - a->backlog_byte_us) / us /
		      queue_capacity(d, q) * 1e9;
	*in = (struct ecn_interval){
		.seconds = us / 1e6,
		.capacity_bps = queue_capacity(d, q),
		.rtt_s = d->settings.rtt_us / 1e6,
		.mtu_bytes = q->mtu,
		.limit_bytes = b->limit_bytes,
		.tx_bytes = (double)(b->bytes - a->bytes),
		.ce_bytes = (double)(b->ce_bytes - a->ce_bytes),
		.backlogged_s = (double)(b->backlogged_ns - a->backlogged_ns) / 1e9,
		.avg_backlog_bytes = (double)(b->backlog_byte_us - a->backlog_byte_us) / us,
		.sojourn_p95_s = p95 < 0 ? -1 : p95 / 1e9,
		.elephant_share = NAN,
		.ect_share = NAN,
		.setting = in_force(&q->now),
		.link = q->now.ifindex,
	};
}

/* The rule to beat: a step at K = C * RTT / 7, but not below two packets. */
static void bdp_decide(const struct ecn_interval *in, struct ecn_decision *out)
{
	double k = in->capacity_bps * in->rtt_s / 7;

	if (k < 2.0 * in->mtu_bytes)
		k = 2.0 * in->mtu_bytes;
	if (k > in->limit_bytes)
		k = in->limit_bytes;
	if (fabs(in->setting.qth_min - k) <= BDP_DEADBAND * k &&
	    in->setting.qth_min == in->setting.qth_max)
		k = in->setting.qth_min;
	memset(out, 0, sizeof(*out));
	out->triple.qth_min = out->triple.qth_max = (uint32_t)k;
	out->triple.max_p = 1000000;
	snprintf(out->reason, sizeof(out->reason), "K = C * RTT / 7, C %.1f Mbit/s",
		 in->capacity_bps * 8 / 1e6);
}

static void record(struct daemon *d, const struct queue *q, const struct qdisc_triple *before,
		   const struct ecn_decision *want, const struct qdisc_triple *t,
		   enum guard_verdict verdict)
{
	struct decision one = {
		.verdict = verdict,
		.explored = want->explored,
		.reward = want->reward,
		.reward_valid = want->reward_valid,
	};

	snprintf(one.object, sizeof(one.object), "%s %s", q->now.id.ifname, q->now.id.parent);
	snprintf(one.change, sizeof(one.change), "qth %u-%u max_p %u -> %u-%u %u", before->qth_min,
		 before->qth_max, before->max_p, t->qth_min, t->qth_max, t->max_p);
	snprintf(one.reason, sizeof(one.reason), "%s", want->reason);
	decisions_add(&d->decisions, &one);
}

static void write_failed(struct queue *q, uint64_t now, int r, const struct sl_err *e)
{
	q->learned = false;
	if (r == -EBUSY)
		return;		/* held since the dump: the next one says so */
	q->retry_ns = now + WRITE_RETRY_NS;
	if (q->state != QUEUE_write_failed)
		log_error("%s", e->text);
	q->state = QUEUE_write_failed;
}

/* Puts into force what the guard makes of a wish; -errno: a write failed. */
static int carry_out(struct daemon *d, struct queue *q, const struct guard_queue *gq,
		     const struct ecn_decision *want, uint64_t now, enum guard_verdict *verdict)
{
	struct qdisc_triple t;
	struct sl_err e;
	int r;

	*verdict = guard_triple(&d->guard, &q->guard, gq, &want->triple, &t);
	if (guard_go(*verdict)) {
		r = act_queue(d, q, &t, now, &e);
		if (r < 0) {
			write_failed(q, now, r, &e);
			return r;
		}
		q->changes++;
		/* The interval that begins now is one of the new setting. */
		q->start.stats.qth_min = t.qth_min;
		q->start.stats.qth_max = t.qth_max;
		q->start.stats.max_p = t.max_p;
	}
	record(d, q, &gq->current, want, guard_go(*verdict) ? &t : &want->triple, *verdict);
	return 0;
}

/* The setting in force after it. */
static struct qdisc_triple after(const struct queue *q, const struct guard_queue *gq,
				 enum guard_verdict verdict)
{
	return guard_go(verdict) ? q->triple : gq->current;
}

static void decide(struct daemon *d, struct queue *q, const struct guard_queue *gq, uint64_t now)
{
	struct ecn_interval in;
	struct ecn_decision want;
	enum guard_verdict verdict;
	struct qdisc_triple t;
	bool as_decided;

	make_interval(d, q, &in);
	q->start = q->now;
	/* Without traffic there is nothing to observe and nothing to improve. */
	if (in.tx_bytes <= 0)
		return;
	queue_flows_observe(d, q, &in, now);
	if (!d->policies)
		bdp_decide(&in, &want);
	else if (policies_decide(d, q, &in, now, &want) < 0)
		return;
	q->decisions++;
	t = gq->current;
	if (offload_decides(q)) {
		policies_applied(d, q, &t, false);
		return;
	}
	if (carry_out(d, q, gq, &want, now, &verdict) == 0)
		t = after(q, gq, verdict);
	else
		verdict = GUARD_N;
	as_decided = verdict == GUARD_allowed || verdict == GUARD_unchanged;
	if (d->policies)
		policies_applied(d, q, &t, as_decided);
	/* Of what the agent itself decides it makes transitions anyway. */
	if (d->settings.ecn_policy != ECN_POLICY_LEARN)
		background_follow(d, (unsigned int)(q - d->queues), &in, &t, &want);
}

/*
 * Another arm's turn: it goes on from the setting that it left. False: that is not in force, so
 * nobody's turn it is.
 */
static bool turn(struct daemon *d, struct queue *q, const struct guard_queue *gq,
		 enum trial_arm arm, uint64_t now)
{
	enum guard_verdict verdict;
	struct ecn_decision want;
	struct qdisc_triple t;
	struct ecn_interval in = {
		.seconds = d->settings.epoch_ms / 1e3,
		.capacity_bps = queue_capacity(d, q),
		.rtt_s = d->settings.rtt_us / 1e6,
		.mtu_bytes = q->mtu,
		.limit_bytes = q->now.stats.limit_bytes,
		.sojourn_p95_s = -1,
		.elephant_share = NAN,
		.ect_share = NAN,
		.setting = gq->current,
		.link = q->now.ifindex,
	};

	q->have_start = false;
	if (q->acting == TRIAL_ARMS && (!q->have_last || q->now.stats.bytes == q->last.stats.bytes))
		return false;	/* it was idle and is */
	act_tree_end(q);
	if (policies_resume(d, q, arm, &in, &want) < 0 ||
	    carry_out(d, q, gq, &want, now, &verdict) < 0 ||
	    (!guard_go(verdict) && verdict != GUARD_unchanged)) {
		policies_interrupt(d, q);
		return false;
	}
	t = after(q, gq, verdict);
	q->acting = arm;
	policies_applied(d, q, &t, false);
	return true;
}

/* Whether the queue may be touched; sets its state, and gives up what we hold if not. */
static bool may_control(struct daemon *d, struct queue *q, const struct guard_queue *gq,
			uint64_t now)
{
	enum guard_verdict verdict = operator_watch(d, q, gq);
	enum queue_state state = QUEUE_deciding;

	if (!observe_selected(&d->settings, &q->now))
		state = QUEUE_not_selected;
	else if (d->settings.ecn_policy == ECN_POLICY_FIXED)
		state = QUEUE_fixed;
	else if (q->now.blocked)
		state = QUEUE_blocked;
	else if (verdict == GUARD_paused)
		state = QUEUE_paused;
	else if (verdict == GUARD_hold)
		state = QUEUE_hold;
	else if (!guard_go(verdict))
		state = QUEUE_stand_down;
	else if (queue_capacity(d, q) <= 0)
		state = QUEUE_no_capacity;
	else if (now < q->retry_ns)
		return false;
	set_state(q, state);
	if (state == QUEUE_deciding)
		return true;
	/* A write of ours may have crossed the operator's: take it back. */
	act_queue_release(d, q);
	policies_interrupt(d, q);
	q->have_start = false;
	return false;
}

static void queue_epoch(struct daemon *d, struct queue *q, uint64_t now)
{
	const struct sluice_qdisc_stats *s = &q->now.stats;
	struct guard_queue gq = {
		.now_ns = now,
		/* Where another's tree decides, a learned triple would be in force nowhere. */
		.hold = s->source == SLUICE_SRC_HOLD ||
			(s->source == SLUICE_SRC_TREE && !offload_decides(q)),
		.manual_gen = s->manual_gen,
		.limit_bytes = s->limit_bytes,
		.current = in_force(&q->now),
		.learned = s->source == SLUICE_SRC_LEARNED,
	};
	struct qdisc_triple started;
	enum trial_arm arm;
	struct sl_err e;
	int r;

	if (!may_control(d, q, &gq, now))
		return;
	/* The daemon before us left this; go on from it. */
	if (gq.learned && !q->learned) {
		q->learned = true;
		q->triple = gq.current;
		q->generation = s->generation;
	}
	arm = d->policies ? policies_arm(d, q, now) : q->acting;
	started = in_force(&q->start);
	if (arm != q->acting && !turn(d, q, &gq, arm, now)) {
		;	/* another time */
	} else if (!q->have_start || !same_triple(&started, &gq.current)) {
		/* One interval has one setting. */
		q->start = q->now;
		q->have_start = true;
		q->next_decision_ns = now + queue_interval_ns(&d->settings, q);
	} else if (epoch_due(d, now, q->next_decision_ns)) {
		q->next_decision_ns = now + queue_interval_ns(&d->settings, q);
		decide(d, q, &gq, now);
	}
	offload_epoch(d, q, now);
	r = act_queue_renew(d, q, now, &e);
	if (r < 0)
		write_failed(q, now, r, &e);
}

void queues_epoch(struct daemon *d, uint64_t now)
{
	unsigned int i;

	for (i = 0; i < d->n_queues; i++)
		if (d->queues[i].used && d->queues[i].present)
			queue_epoch(d, &d->queues[i], now);
}

void queues_release(struct daemon *d)
{
	bool stock = false;
	unsigned int i;

	/* An operator's change since the last epoch must not be taken for ours. */
	for (i = 0; i < d->n_queues; i++)
		stock |= d->queues[i].used && d->queues[i].stock.ours;
	if (stock)
		observe_queues(d, monotonic_ns());
	for (i = 0; i < d->n_queues; i++)
		if (d->queues[i].used)
			act_queue_release(d, &d->queues[i]);
}
