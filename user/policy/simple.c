// SPDX-License-Identifier: GPL-2.0
/*
 * Policies that a person can write down, each with one to three numbers.
 *
 * "queued", the share of bytes that were sent while there was a backlog, is what pi and rules
 * hold on to: thresholds that are too low show as a queue that is empty while there are marks.
 */
#include <errno.h>
#include <math.h>

#include "policy/policy.h"

#define FEW_MARKS	0.001

struct simple {
	struct policy policy;
	struct policy_watch watch;
	double number[4];
	double last_error;	/* of pi */
};

static int take(struct policy *p, const struct model *m, size_t n)
{
	struct simple *s = (struct simple *)p;
	size_t have;
	const double *number = model_numbers(m, &have);

	if (!number || have != n)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		s->number[i] = number[i];
	return 0;
}

static int init_one(struct policy *p, const struct model *m)
{
	const struct simple *s = (struct simple *)p;
	int r = take(p, m, 1);

	return r ? r : s->number[0] > 0 ? 0 : -EBADMSG;
}

static struct qdisc_triple start_static(struct policy *p, const struct ecn_interval *in)
{
	return policy_step(in, ((struct simple *)p)->number[0]);
}

static struct qdisc_triple start_bdp(struct policy *p, const struct ecn_interval *in)
{
	return policy_step(in, ((struct simple *)p)->number[0] * policy_bdp_bytes(in));
}

static struct qdisc_triple start_time(struct policy *p, const struct ecn_interval *in)
{
	return policy_step(in, ((struct simple *)p)->number[0] * in->capacity_bps);
}

static int decide_as_at_first(struct policy *p, const struct ecn_interval *in,
			      struct qdisc_triple *t)
{
	*t = p->ops->start(p, in);
	return 0;
}

static void reset(struct policy *p)
{
	struct simple *s = (struct simple *)p;

	s->watch = (struct policy_watch){ 0 };
	s->last_error = 0;
}

/* --- both controllers: number[2] is K / (C RTT) at first ------------------------------ */

static int init_controller(struct policy *p, const struct model *m)
{
	const struct simple *s = (struct simple *)p;
	int r = take(p, m, 3);

	return r ? r : s->number[2] > 0 ? 0 : -EBADMSG;
}

static struct qdisc_triple start_controller(struct policy *p, const struct ecn_interval *in)
{
	return policy_step(in, ((struct simple *)p)->number[2] * policy_bdp_bytes(in));
}

/* The target of "queued", and the gain in octaves of K per unit of error. */
static int decide_pi(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t)
{
	struct simple *s = (struct simple *)p;
	const double k = fmax(in->setting.qth_min, 1);
	double x[FEATURES], error;

	if (!policy_watch(&s->watch, in, x))
		return 0;
	error = s->number[0] - x[FEATURE_queued];
	*t = policy_step(in, fmin(k * exp2(s->number[1] * (error + error - s->last_error)),
				  POLICY_K_MAX));
	s->last_error = error;
	return 0;
}

/* "queued" that is too low, and sojourn p95 / RTT that is too high. */
static int decide_rules(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t)
{
	struct simple *s = (struct simple *)p;
	double x[FEATURES], k = in->setting.qth_min;

	if (!policy_watch(&s->watch, in, x))
		return 0;
	if (x[FEATURE_marked] < FEW_MARKS)
		return 0;			/* the threshold is not felt */
	if (x[FEATURE_queued] < s->number[0])
		k *= 2;				/* senders slow down before the link is full */
	else if ((exp2(x[FEATURE_delay]) - 1) / 8 > s->number[1])
		k /= 2;				/* it is full, and others wait */
	*t = policy_step(in, fmin(k, POLICY_K_MAX));
	return 0;
}

#define SIMPLE(kind, init_kind, start_kind, decide_kind)				\
	const struct policy_ops policy_##kind = {					\
		.name = #kind, .size = sizeof(struct simple), .init = init_kind,	\
		.start = start_kind, .decide = decide_kind, .reset = reset,		\
	}

SIMPLE(static, init_one, start_static, decide_as_at_first);
SIMPLE(bdp, init_one, start_bdp, decide_as_at_first);
SIMPLE(time, init_one, start_time, decide_as_at_first);
SIMPLE(pi, init_controller, start_controller, decide_pi);
SIMPLE(rules, init_controller, start_controller, decide_rules);
