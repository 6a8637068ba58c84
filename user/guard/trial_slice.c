// SPDX-License-Identifier: GPL-2.0
/*
 * One queue's slice: what counts of it, when it is ended early, and whether that was the arm's fault.
 *
 * Ending slices when J happens to be low would make every arm but the static look worse than it
 * is. So the rule is one for all arms: it compares with the static arm's mean as it was when the block
 * began, and the static arm's slice counts as if it had been ended, too.
 */
#include "guard/trial_priv.h"

#include <math.h>

#define COUNTED_S_MIN	1.0	/* before a mean says anything */
#define REPORTED_MIN	0.5	/* share of a slice */
#define WATCH_FORGETS	0.05	/* of a harmful slice, for each slice without harm */
#define SLACK_S		1e-6

static void mean_add(struct trial_mean *m, double seconds, double reward)
{
	m->sum += seconds * reward;
	m->seconds += seconds;
}

static double mean(const struct trial_mean *m)
{
	return m->seconds > 0.0 ? m->sum / m->seconds : NAN;
}

/* In the watch a block is long: there the latest is compared with. */
static double reference(const struct trial_config *c, const struct trial_queue *q)
{
	return c->watch ? q->reference : q->block_reference;
}

/* The static arm has been measured since: was it the arm or the load? */
static void judge(const struct trial_config *c, struct trial_queue *q, double now_static,
		  struct trial_sums *s)
{
	for (unsigned int i = 0; i < q->n_pending; i++) {
		const struct trial_strike *p = &q->pending[i];

		if (!(now_static - p->reward > c->harm))
			continue;
		q->in_row[p->arm] += !p->passed;
		q->in_all[p->arm] += 1.0;
		q->struck = true;
		s->harmful[p->arm]++;
		s->harm_s += p->seconds;
		s->worst = fmin(s->worst, p->reward - now_static);
	}
	q->n_pending = 0;
}

void trial_slice_open(const struct trial_config *c, struct trial_queue *q, enum trial_arm arm,
		      uint64_t start_ns, uint64_t now_ns)
{
	(void)c;
	q->arm = q->acting = arm;
	q->slice_ns = start_ns;
	q->acting_ns = now_ns;
	q->reported = q->counted = q->afterwards = q->all = (struct trial_mean){ 0 };
	q->ended = false;
	/* Nothing to compare with: then nobody may do harm. */
	if (isnan(reference(c, q)) && arm != TRIAL_STATIC) {
		q->acting = TRIAL_STATIC;
		q->is_void = true;
	}
}

void trial_slice_add(const struct trial_config *c, struct trial_queue *q, uint64_t now_ns,
		     double seconds, double reward, struct trial_sums *s)
{
	double begin_s, ended_s;

	if (seconds > c->slice_s) {
		q->is_void = true;	/* the machine slept, or the caller did */
		return;
	}
	q->reported.seconds += seconds;
	begin_s = (double)(int64_t)(now_ns - q->acting_ns) * 1e-9 - seconds;
	if (begin_s < c->discard * c->slice_s - SLACK_S)
		return;
	if (q->acting != q->arm) {
		mean_add(&q->afterwards, seconds, reward);
		return;
	}
	mean_add(&q->all, seconds, reward);
	if (q->ended)
		return;
	mean_add(&q->counted, seconds, reward);
	if (q->counted.seconds < COUNTED_S_MIN - SLACK_S ||
	    !(mean(&q->counted) < reference(c, q) - c->harm))
		return;
	q->ended = true;
	ended_s = (double)(int64_t)(now_ns - q->slice_ns) * 1e-9;
	if (q->arm == TRIAL_STATIC)
		return;
	q->acting = TRIAL_STATIC;
	q->acting_ns = now_ns;
	if (q->n_pending == TRIAL_PENDING)
		judge(c, q, q->reference, s);
	q->pending[q->n_pending++] = (struct trial_strike){
		.arm = q->arm, .reward = mean(&q->counted), .seconds = ended_s,
	};
}

void trial_slice_close(const struct trial_config *c, struct trial_queue *q, struct trial_sums *s)
{
	bool measured = q->counted.seconds > 0.0 &&
			q->reported.seconds >= REPORTED_MIN * c->slice_s - SLACK_S;

	if (q->arm != q->acting && !q->ended)
		;	/* the static arm stood in for it: void already */
	else if (measured) {
		q->reward[q->arm] += mean(&q->counted);
		q->slices[q->arm]++;
		s->slices[q->arm]++;
		s->reward[q->arm] += mean(&q->counted);
	} else {
		q->is_void = true;
	}
	if (q->acting == TRIAL_STATIC) {
		const struct trial_mean *m = q->arm == TRIAL_STATIC ? &q->all : &q->afterwards;

		if (m->seconds >= COUNTED_S_MIN - SLACK_S)
			judge(c, q, q->reference = mean(m), s);
		else if (q->arm == TRIAL_STATIC)
			judge(c, q, q->reference, s);	/* no news: the old one has to do */
	}
	if (q->arm != TRIAL_STATIC && measured && !q->ended) {
		q->in_row[q->arm] = 0;
		for (unsigned int i = 0; i < q->n_pending; i++)
			q->pending[i].passed |= q->pending[i].arm == q->arm;
		if (c->watch)
			q->in_all[q->arm] = fmax(q->in_all[q->arm] - WATCH_FORGETS, 0.0);
	}
}

unsigned int trial_in_row(const struct trial_config *c)
{
	return c->watch ? TRIAL_WATCH_ROW * c->strikes : c->strikes;
}

bool trial_harm_over(const struct trial_config *c, const struct trial_queue *q,
		     enum trial_arm arm)
{
	return q->in_row[arm] >= trial_in_row(c) ||
	       q->in_all[arm] >= (double)TRIAL_HARM_TOTAL * c->strikes;
}
