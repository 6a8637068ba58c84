// SPDX-License-Identifier: GPL-2.0
/*
 * The in-kernel fast tier: a loaded tree (include/sluice/tree.h) looks at its own
 * queue's counters and chooses the triple.
 *
 * It is lazy. There is no timer that could outlive the qdisc, and no work for an
 * idle queue: the packet that comes or goes when the interval has passed pays for
 * the evaluation (a dozen divisions and at most 20 comparisons). So an
 * interval is at least tree_interval_ms long, and longer if nothing moved.
 */
#include <linux/ktime.h>

#include "sluice.h"

/* The difference of a counter since the previous evaluation, which becomes this one. */
static u64 advance(u64 *then, u64 now)
{
	u64 delta = now - *then;

	*then = now;
	return delta;
}

static void take_sample(struct sluice_sched *q, u64 now_ns, struct sluice_tree_sample *s)
{
	const struct sluice_counters *c = &q->stats;

	s->elapsed_ns = advance(&q->tree.then.time_ns, now_ns);
	s->bytes = advance(&q->tree.then.bytes, c->bytes);
	s->ce_bytes = advance(&q->tree.then.ce_bytes, c->ce_bytes);
	s->limit_drops = advance(&q->tree.then.limit_drops, c->limit_drops);
	s->backlog_byte_us = advance(&q->tree.then.backlog_byte_us, sluice_stats_byte_us(c));
	s->backlogged_ns = advance(&q->tree.then.backlogged_ns, c->backlogged_ns);
	s->sojourn_samples = advance(&q->tree.then.sojourn_samples, c->sojourn_samples);
	s->sojourn_sum_ns = advance(&q->tree.then.sojourn_sum_ns, c->sojourn_sum_ns);
	s->backlog_bytes = q->sch->qstats.backlog;
}

static void triple_in_force(struct sluice_sched *q, struct sluice_set *set,
			    struct sluice_tree_sample *s)
{
	if (q->tree.choice.decided) {
		s->qth_min = q->tree.choice.params.qth_min;
		s->qth_max = q->tree.choice.params.qth_max;
		s->max_p = q->tree.choice.params.max_p;
	} else if (sluice_learned_in_force(q, set)) {
		s->qth_min = set->learned_params.qth_min;
		s->qth_max = set->learned_params.qth_max;
		s->max_p = set->learned_params.max_p;
	} else {
		s->qth_min = set->knob[SLUICE_KNOB_qth_min];
		s->qth_max = set->knob[SLUICE_KNOB_qth_max];
		s->max_p = set->knob[SLUICE_KNOB_max_p];
	}
}

static void choose(struct sluice_sched *q, struct sluice_set *set,
		   const struct sluice_tree_sample *s)
{
	const struct sluice_tree *t = &set->tree->block;
	struct sluice_tree_choice *choice = &q->tree.choice;
	u32 feature[SLUICE_TREE_F_NR];
	const struct sluice_tree_action *a;

	sluice_tree_features(s, feature);
	choice->cell = sluice_tree_walk(t, feature);
	a = &t->cell[choice->cell].action;
	choice->params.qth_min = a->qth_min;
	choice->params.qth_max = a->qth_max;
	choice->params.max_p = a->max_p;
	choice->generation = set->tree_lease.generation;
	choice->decided = true;
	choice->evaluations++;
	sluice_aqm_configure(&q->tree.force.aqm, &choice->params);
	q->tree.force.key = SLUICE_FORCE_KEY(SLUICE_SRC_TREE, choice->generation);
}

void sluice_tree_run(struct sluice_sched *q, struct sluice_set *set, u64 now_ns)
{
	struct sluice_tree_state *state = &q->tree;
	struct sluice_tree_sample sample;
	bool same = state->choice.epoch == set->tree_epoch;

	if ((same && now_ns < state->next_ns) || !sluice_tree_loaded(q, set))
		return;

	/* Brings the integrals up to now. */
	sluice_stats_begin(&q->stats, now_ns);
	if (!same) {
		state->choice.epoch = set->tree_epoch;
		state->choice.decided = false;
	}
	triple_in_force(q, set, &sample);
	take_sample(q, now_ns, &sample);
	/* A tree that was just loaded has seen no interval yet. */
	if (same)
		choose(q, set, &sample);
	state->next_ns = now_ns + (u64)set->knob[SLUICE_KNOB_tree_interval_ms] * NSEC_PER_MSEC;
	sluice_stats_end(&q->stats, q->sch);
}
