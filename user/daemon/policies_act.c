// SPDX-License-Identifier: GPL-2.0
/* What a queue does of the arm whose turn it is. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/policies_priv.h"
#include "daemon/reward_ecn.h"

static unsigned int index_of(const struct daemon *d, const struct queue *q)
{
	return (unsigned int)(q - d->queues);
}

static struct entry *entry_of(struct policies *p, enum trial_arm arm)
{
	return arm == TRIAL_STATIC ? &p->fixed : arm == TRIAL_CANDIDATE ? &p->candidate :
	       &p->incumbent;
}

static const char *turn_of(const struct policies *p, enum trial_arm arm)
{
	return p->stage == STAGE_TRIAL && arm == TRIAL_CANDIDATE ? ", on trial" :
	       arm == TRIAL_STATIC ? ", the static one's turn" : "";
}

enum trial_arm policies_arm(struct daemon *d, const struct queue *q, uint64_t now)
{
	struct policies *p = d->policies;

	return p->trial ? trial_arm(p->trial, index_of(d, q), now, NULL) : TRIAL_INCUMBENT;
}

static int make_policy(struct queue_arm *a, const struct entry *entry)
{
	if (a->policy || entry->kind != ENTRY_MODEL)
		return 0;
	return policy_new(&entry->model, &a->policy, NULL);
}

static struct qdisc_triple baseline(const struct queue *q)
{
	const struct sluice_qdisc_stats *s = &q->now.stats;

	return (struct qdisc_triple){ s->base_qth_min, s->base_qth_max, s->base_max_p };
}

/* Where an arm's entry begins. */
static struct qdisc_triple start_of(const struct entry *entry, struct queue_arm *a,
				    const struct queue *q, const struct ecn_interval *in)
{
	if (entry->kind == ENTRY_MODEL)
		return policy_start(a->policy, in);
	return entry->kind == ENTRY_BASELINE ? baseline(q) : in->setting;
}

int policies_resume(struct daemon *d, struct queue *q, enum trial_arm arm,
		    const struct ecn_interval *in, struct ecn_decision *out)
{
	struct policies *p = d->policies;
	const struct entry *entry = entry_of(p, arm);
	struct queue_arm *a = &q->arm[arm];
	int r = make_policy(a, entry);

	if (r)
		return r;
	memset(out, 0, sizeof(*out));
	out->action = -1;
	if (entry->kind == ENTRY_AGENT)
		ecn_agent_forget(d->ecn, index_of(d, q));
	out->triple = a->known ? a->triple : start_of(entry, a, q, in);
	snprintf(out->reason, sizeof(out->reason), "%.64s %s%s", entry->name,
		 a->known ? "goes on" : "begins", turn_of(p, arm));
	return 0;
}

/* What the candidate would do; nothing comes of it. */
static void run_shadow(struct daemon *d, struct queue *q, const struct ecn_interval *in)
{
	struct policies *p = d->policies;
	struct queue_arm *a = &q->arm[TRIAL_CANDIDATE];
	struct qdisc_triple t = in->setting;

	if (p->candidate.kind != ENTRY_MODEL) {
		p->shadow.decisions++;
		return;
	}
	if (make_policy(a, &p->candidate) || policy_decide(a->policy, in, &t)) {
		p->shadow.failed++;
		return;
	}
	p->shadow.decisions++;
	p->shadow.clamped += t.qth_min < d->guard.qth_low || t.qth_max > d->guard.qth_high ||
			     t.max_p < d->guard.max_p_low || t.max_p > d->guard.max_p_high;
	p->shadow.octaves += fabs(log2((t.qth_min + 1.0) / (in->setting.qth_min + 1.0)));
}

/* A state like none that the policy was made from: nothing is known of what it does there. */
static bool is_novel(struct policies *p, struct queue_arm *a, const struct entry *entry,
		     const struct ecn_interval *in)
{
	const double confidence = p->settings.trials.confidence;

	if (!entry->novelty || confidence <= 0)
		return false;
	if (novelty_epoch(entry->novelty, &a->watch, in)) {
		a->novel = a->watch.p < novelty_significance(confidence);
		if (entry == &p->incumbent) {
			p->states++;
			p->novel += a->novel;
		}
	}
	return a->novel;
}

/* The static arm's setting in the place of the decision. */
static int fall_back(struct daemon *d, struct queue *q, const struct ecn_interval *in,
		     struct ecn_decision *out)
{
	struct policies *p = d->policies;
	struct queue_arm *a = &q->arm[TRIAL_STATIC];
	int r = make_policy(a, &p->fixed);

	if (r)
		return r;
	out->triple = start_of(&p->fixed, a, q, in);
	snprintf(out->reason, sizeof(out->reason), "a state that %.48s does not know (p %.3f): static",
		 entry_of(p, q->acting)->name, q->arm[q->acting].watch.p);
	return 0;
}

int policies_decide(struct daemon *d, struct queue *q, const struct ecn_interval *in,
		    uint64_t now, struct ecn_decision *out)
{
	struct policies *p = d->policies;
	const struct entry *entry = entry_of(p, q->acting);
	struct queue_arm *a = &q->arm[q->acting];
	const double reward = ecn_reward(&p->reward, in);
	int r = make_policy(a, entry);

	if (p->trial && ecn_interval_active(in))
		trial_observe(p->trial, index_of(d, q), now, in->seconds, reward);
	if (p->stage == STAGE_SHADOW)
		run_shadow(d, q, in);
	if (r)
		return r;
	p->decided[q->acting]++;
	if (entry->kind == ENTRY_AGENT)
		return ecn_agent_decide(d->ecn, index_of(d, q), in, out);
	memset(out, 0, sizeof(*out));
	out->action = -1;
	out->triple = entry->kind == ENTRY_BASELINE ? baseline(q) : in->setting;
	out->reward = reward;
	out->reward_valid = ecn_interval_active(in);
	snprintf(out->reason, sizeof(out->reason), "%s %.64s%s", entry_kind_name(entry), entry->name,
		 turn_of(p, q->acting));
	if (a->policy)
		r = policy_decide(a->policy, in, &out->triple);
	if (r)
		return r;
	if (!is_novel(p, a, entry, in))
		return 0;
	p->fell_back++;
	return fall_back(d, q, in, out);
}

void policies_applied(struct daemon *d, struct queue *q, const struct qdisc_triple *in_force,
		      bool as_decided)
{
	struct policies *p = d->policies;

	q->arm[q->acting].triple = *in_force;
	q->arm[q->acting].known = true;
	if (entry_of(p, q->acting)->kind == ENTRY_AGENT)
		ecn_agent_applied(d->ecn, index_of(d, q), as_decided);
}

const struct model *policies_tree(const struct daemon *d, const struct queue *q, uint32_t *crc)
{
	const struct entry *e;

	if (q->acting == TRIAL_ARMS || q->arm[q->acting].novel)
		return NULL;
	e = entry_of(d->policies, q->acting);
	if (e->kind != ENTRY_MODEL || strcmp(e->model.kind, policy_qtree.name))
		return NULL;
	*crc = e->crc;
	return &e->model;
}

void policies_interrupt(struct daemon *d, struct queue *q)
{
	if (d->policies && d->policies->trial)
		trial_interrupt(d->policies->trial, index_of(d, q));
	q->acting = TRIAL_ARMS;
}

void policies_forget(struct daemon *d, struct queue *q)
{
	policies_interrupt(d, q);
	for (int i = 0; i < TRIAL_ARMS; i++)
		policy_free(q->arm[i].policy);
	memset(q->arm, 0, sizeof(q->arm));
}

void policies_leave(struct daemon *d)
{
	for (unsigned int i = 0; i < d->n_queues; i++)
		policies_forget(d, &d->queues[i]);
}
