// SPDX-License-Identifier: GPL-2.0
/* Stages of a candidate, and verdicts. What a queue does of an arm is in policies_act.c. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ecn_model.h"
#include "daemon/policies_priv.h"
#include "lib/clock.h"
#include "lib/log.h"

#define CHECK_NS	1000000000ULL
/* What a candidate must have said in the shadow, and how much of it the guard may have clamped. */
#define SHADOW_DECISIONS	5
#define SHADOW_CLAMPED_MAX	0.5
#define RTTS_PER_SLICE		50
/* The time until another chance doubles each time, so often. */
#define RETRIES_MAX		8

/* --- entries ---------------------------------------------------------------------- */

const char *entry_kind_name(const struct entry *e)
{
	switch (e->kind) {
	case ENTRY_MODEL:
		return e->model.kind;
	case ENTRY_AGENT:
		return "agent";
	case ENTRY_BASELINE:
		return "baseline";
	default:
		return "none";
	}
}

void entry_free(struct entry *e)
{
	model_free(&e->model);
	novelty_free(e->novelty);
	*e = (struct entry){ 0 };
}

/* "from" is empty afterwards. */
static void entry_move(struct entry *to, struct entry *from)
{
	entry_free(to);
	*to = *from;
	*from = (struct entry){ 0 };
}

static int entry_copy(struct entry *to, const struct entry *from)
{
	struct entry copy = { .kind = from->kind };
	struct model m;
	int r;

	if (from->kind == ENTRY_MODEL) {
		r = model_copy(&from->model, &m);
		if (r == 0)
			r = entry_of_model(&m, from->name, &copy, NULL);
		if (r < 0) {
			model_free(&m);
			return r;
		}
	} else {
		memcpy(copy.name, from->name, sizeof(copy.name));
	}
	entry_move(to, &copy);
	return 0;
}

static bool same_entry(const struct entry *a, const struct entry *b)
{
	return a->kind == b->kind && (a->kind != ENTRY_MODEL || a->crc == b->crc);
}

int entry_of_model(struct model *m, const char *name, struct entry *ret, struct sl_err *e)
{
	struct novelty *novelty;
	struct policy *p;
	struct sl_err why;
	int r = policy_new(m, &p, &why);

	if (r)
		return sl_err(e, r, "%s: %s", name, why.text);
	policy_free(p);
	r = novelty_of(m, &novelty);
	if (r)
		return sl_err(e, r, "%s: its calibration is none of a '%s'", name, m->kind);
	*ret = (struct entry){ .kind = ENTRY_MODEL, .model = *m, .novelty = novelty,
			       .crc = model_crc(m) };
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	*m = (struct model){ 0 };
	return 0;
}

/* [guard] static: the operator's baseline, or a share of C * RTT. */
static int make_fixed(const struct settings *s, struct entry *ret, struct sl_err *e)
{
	const double share = strtod(s->trials.fixed, NULL);
	struct model m = { 0 };
	char name[96];

	if (!strcmp(s->trials.fixed, "baseline")) {
		*ret = (struct entry){ .kind = ENTRY_BASELINE, .name = "baseline" };
		return 0;
	}
	if (model_set_numbers(&m, policy_bdp.name, &share, 1))
		return sl_err(e, -ENOMEM, "out of memory");
	snprintf(name, sizeof(name), "K = %g C RTT", share);
	return entry_of_model(&m, name, ret, e);
}

static int make_incumbent(const struct settings *s, struct entry *ret, struct sl_err *e)
{
	struct model m = { 0 };
	int r;

	if (s->ecn_policy == ECN_POLICY_LEARN) {
		*ret = (struct entry){ .kind = ENTRY_AGENT, .name = "agent" };
		return 0;
	}
	r = ecn_model_read(s, &m, e);
	if (r == 0)
		r = entry_of_model(&m, s->ecn_model, ret, e);
	model_free(&m);
	return r;
}

/* --- making them -------------------------------------------------------------------- */

int policies_new(const struct settings *s, struct policies **ret, struct sl_err *e)
{
	struct policies *p;
	struct sl_err why;
	int r;

	*ret = NULL;
	if (s->ecn_policy != ECN_POLICY_MODEL && s->ecn_policy != ECN_POLICY_LEARN)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return sl_err(e, -ENOMEM, "out of memory");
	p->settings = *s;
	p->expected = NAN;
	p->history = json_array();
	settings_ecn_agent(s, &p->reward);
	p->reward.reward = (enum ecn_reward)s->trials.objective;
	r = p->history ? make_fixed(s, &p->fixed, e) : sl_err(e, -ENOMEM, "out of memory");
	if (r == 0)
		r = make_incumbent(s, &p->incumbent, e);
	if (r < 0) {
		policies_free(p);
		return r;
	}
	p->configured_crc = p->incumbent.crc;
	r = policies_load(p, &why);
	if (r < 0 && r != -ENOENT)
		log_warning("%s; policies begin with what the configuration names", why.text);
	*ret = p;
	return 0;
}

void policies_free(struct policies *p)
{
	if (!p)
		return;
	trial_free(p->trial);
	entry_free(&p->fixed);
	entry_free(&p->incumbent);
	entry_free(&p->previous);
	entry_free(&p->candidate);
	json_decref(p->history);
	free(p);
}

int policies_differ(const struct policies *p, const struct settings *s, struct sl_err *e)
{
	struct model m = { 0 };
	uint32_t crc = 0;
	int r;

	if (!p)
		return s->ecn_policy == ECN_POLICY_MODEL || s->ecn_policy == ECN_POLICY_LEARN;
	if (s->ecn_policy != p->settings.ecn_policy || s->rtt_us != p->settings.rtt_us ||
	    s->grid != p->settings.grid ||
	    memcmp(&s->trials, &p->settings.trials, sizeof(s->trials)))
		return 1;
	if (s->ecn_policy == ECN_POLICY_MODEL) {
		r = model_read(s->ecn_model, &m, e);
		if (r < 0)
			return r;
		crc = model_crc(&m);
		model_free(&m);
	}
	return crc != p->configured_crc;
}

/* --- stages ------------------------------------------------------------------------- */

/* Policies of an arm are of another entry now. */
static void drop_arm(struct daemon *d, enum trial_arm arm)
{
	for (unsigned int i = 0; i < d->n_queues; i++) {
		struct queue_arm *a = &d->queues[i].arm[arm];

		policy_free(a->policy);
		*a = (struct queue_arm){ 0 };
	}
}

static void begin_shadow(struct policies *p, uint64_t now)
{
	p->shadow = (struct shadow){ 0 };
	p->stage = STAGE_SHADOW;
	p->since_ns = now;
}

static int begin_trial(struct policies *p, bool watch, uint64_t now)
{
	const struct settings_trials *s = &p->settings.trials;
	const double rtts = RTTS_PER_SLICE * p->settings.rtt_us / 1e6;
	struct trial_config c;
	struct trial *t;
	int r;

	trial_config_default(&c);
	c.watch = watch;
	c.incumbent_is_static = same_entry(&p->incumbent, &p->fixed);
	c.slice_s = s->slice_s > rtts ? s->slice_s : rtts;
	c.alpha = s->alpha;
	c.harm = s->harm;
	c.tolerance = s->tolerance;
	c.canary_blocks = s->canary_blocks;
	c.max_blocks = s->trial_blocks;
	c.watch_slices = s->watch_slices;
	c.seed = p->settings.seed + 1000003 * ++p->trials;
	r = trial_new(&c, &t);
	if (r < 0)
		return r;
	trial_free(p->trial);
	p->trial = t;
	p->stage = watch ? STAGE_WATCH : STAGE_TRIAL;
	p->since_ns = now;
	return 0;
}

/* What goes on where there is no candidate. */
static void stand_by(struct policies *p, uint64_t now)
{
	trial_free(p->trial);
	p->trial = NULL;
	p->stage = STAGE_QUIET;
	p->since_ns = now;
	/* Without memory there is no watch until there is: policies_epoch() comes back. */
	if (p->settings.trials.watch_slices && !p->pinned && !same_entry(&p->incumbent, &p->fixed))
		begin_trial(p, true, now);
}

static void drop_candidate(struct daemon *d)
{
	entry_free(&d->policies->candidate);
	d->policies->expected = NAN;
	drop_arm(d, TRIAL_CANDIDATE);
}

/* The candidate becomes the incumbent, whose place becomes the previous one's. */
static void take_over(struct daemon *d, uint64_t now)
{
	struct policies *p = d->policies;

	entry_move(&p->previous, &p->incumbent);
	p->previous_bad = false;
	entry_move(&p->incumbent, &p->candidate);
	p->expected = NAN;
	p->retry_ns = 0;
	p->retries = 0;
	p->states = p->novel = 0;
	for (unsigned int i = 0; i < d->n_queues; i++) {
		struct queue *q = &d->queues[i];

		policy_free(q->arm[TRIAL_INCUMBENT].policy);
		q->arm[TRIAL_INCUMBENT] = q->arm[TRIAL_CANDIDATE];
		q->arm[TRIAL_CANDIDATE] = (struct queue_arm){ 0 };
		if (q->acting != TRIAL_INCUMBENT)
			q->acting = TRIAL_ARMS;		/* it has to be told what is in force now */
	}
	stand_by(p, now);
}

/* The incumbent goes: to the one before it, or to what does not learn. */
static void take_back(struct daemon *d, uint64_t now)
{
	struct policies *p = d->policies;
	struct entry bad = p->incumbent;

	p->incumbent = (struct entry){ 0 };
	if (p->previous.kind != ENTRY_NONE && !p->previous_bad)
		entry_move(&p->incumbent, &p->previous);
	else if (entry_copy(&p->incumbent, &p->fixed))
		p->incumbent = (struct entry){ .kind = ENTRY_BASELINE, .name = "baseline" };
	entry_move(&p->previous, &bad);
	p->previous_bad = true;
	p->states = p->novel = 0;
	drop_candidate(d);
	drop_arm(d, TRIAL_INCUMBENT);
	for (unsigned int i = 0; i < d->n_queues; i++)
		d->queues[i].acting = TRIAL_ARMS;
	p->retry_ns = 0;
	if (p->settings.trials.retry_s)
		p->retry_ns = now + (p->settings.trials.retry_s * 1000000000ULL << p->retries);
	p->retries += p->retries < RETRIES_MAX;
	stand_by(p, now);
}

static void judge_shadow(struct daemon *d, uint64_t now)
{
	struct policies *p = d->policies;
	const struct shadow *s = &p->shadow;
	char why[160];

	if (now - p->since_ns < p->settings.trials.shadow_s * 1000000000ULL ||
	    s->decisions + s->failed < SHADOW_DECISIONS)
		return;
	if (s->failed || s->clamped > SHADOW_CLAMPED_MAX * (double)s->decisions) {
		snprintf(why, sizeof(why),
			 "in the shadow %llu of %llu decisions failed, %llu were out of bounds",
			 (unsigned long long)s->failed,
			 (unsigned long long)(s->decisions + s->failed),
			 (unsigned long long)s->clamped);
		policies_event(d, "refused", &p->candidate, why, NULL);
		drop_candidate(d);
		stand_by(p, now);
		policies_save(p);
	} else if (begin_trial(p, false, now) == 0) {
		snprintf(why, sizeof(why), "after %llu decisions in the shadow, on average %.1f "
			 "octaves from what was in force", (unsigned long long)s->decisions,
			 s->octaves / (double)s->decisions);
		policies_spend(p, p->settings.trials.alpha);
		policies_event(d, "trial", &p->candidate, why, NULL);
		policies_save(p);
	}
}

static void judge_trial(struct daemon *d, uint64_t now)
{
	struct policies *p = d->policies;
	struct trial_report report;
	const char *why;

	trial_report(p->trial, &report);
	if (report.verdict == TRIAL_RUNNING)
		return;
	why = trial_verdict_text(report.verdict);
	if (p->stage == STAGE_WATCH) {
		policies_event(d, "taken back", &p->incumbent, why, &report);
		take_back(d, now);
	} else if (report.verdict == TRIAL_BETTER) {
		policies_event(d, "promoted", &p->candidate, why, &report);
		take_over(d, now);
	} else {
		policies_event(d, "rejected", &p->candidate, why, &report);
		drop_candidate(d);
		stand_by(p, now);
	}
	policies_save(p);
}

/* Takes the entry, or leaves it where it is refused. */
static int offer_entry(struct daemon *d, struct entry *one, const char *by, double expected,
		       struct sl_err *e)
{
	struct policies *p = d->policies;
	const double used = policies_budget_used(p), alpha = p->settings.trials.alpha;

	if (p->pinned)
		return sl_err(e, -EPERM, "%s is pinned: 'sluice policy unpin' first",
			      p->incumbent.name);
	if (p->candidate.kind != ENTRY_NONE)
		return sl_err(e, -EBUSY, "%s is on trial; 'sluice policy rollback' ends that",
			      p->candidate.name);
	if (used + alpha > p->settings.trials.error_budget + 1e-9)
		return sl_err(e, -EPERM, "the error budget is used up: %g of %g in the latest "
			      "seven days", used, p->settings.trials.error_budget);
	if (same_entry(one, &p->incumbent))
		return sl_err(e, -EINVAL, "%s is the incumbent already", one->name);
	entry_move(&p->candidate, one);
	trial_free(p->trial);
	p->trial = NULL;
	p->expected = expected;
	drop_arm(d, TRIAL_CANDIDATE);
	begin_shadow(p, monotonic_ns());
	policies_event(d, "offered", &p->candidate, by, NULL);
	policies_save(p);
	return 0;
}

/* The one that was taken back may have been right for what comes now. */
static void another_chance(struct daemon *d, uint64_t now)
{
	struct policies *p = d->policies;
	struct entry again = { 0 };

	if (!p->retry_ns || now < p->retry_ns || p->candidate.kind != ENTRY_NONE)
		return;
	p->retry_ns = now + (p->settings.trials.retry_s * 1000000000ULL << p->retries);
	p->retries += p->retries < RETRIES_MAX;
	if (!p->previous_bad || entry_copy(&again, &p->previous))
		return;
	offer_entry(d, &again, "another chance", NAN, NULL);
	entry_free(&again);
}

void policies_epoch(struct daemon *d, uint64_t now)
{
	struct policies *p = d->policies;

	if (!p || now - p->checked_ns < CHECK_NS)
		return;
	p->checked_ns = now;
	if (p->stage == STAGE_QUIET && p->candidate.kind != ENTRY_NONE) {
		begin_shadow(p, now);	/* kept from before a restart */
	} else if (p->stage == STAGE_QUIET) {
		stand_by(p, now);
	}
	if (p->stage == STAGE_SHADOW)
		judge_shadow(d, now);
	else if (p->stage != STAGE_QUIET)
		judge_trial(d, now);
	another_chance(d, now);
}

/* --- what others ask for --------------------------------------------------------------- */

int policies_offer(struct daemon *d, struct model *m, const char *name, const char *by,
		   double expected, struct sl_err *e)
{
	struct entry one = { 0 };
	int r;

	if (!d->policies)
		return sl_err(e, -EPERM, "[ecn] policy is neither model nor learn");
	r = entry_of_model(m, name, &one, e);
	if (r == 0)
		r = offer_entry(d, &one, by, expected, e);
	entry_free(&one);
	return r;
}

int policies_promote(struct daemon *d, struct model *m, const char *name, struct sl_err *e)
{
	struct policies *p = d->policies;
	struct entry one = { 0 };
	int r;

	r = entry_of_model(m, name, &one, e);
	if (r < 0)
		return r;
	drop_candidate(d);
	entry_move(&p->candidate, &one);
	policies_event(d, "promoted", &p->candidate, "the operator's wish, without a trial", NULL);
	take_over(d, monotonic_ns());
	policies_save(p);
	return 0;
}

void policies_rollback(struct daemon *d, const char *why)
{
	struct policies *p = d->policies;

	if (p->candidate.kind != ENTRY_NONE) {
		policies_event(d, "rejected", &p->candidate, why, NULL);
		drop_candidate(d);
		stand_by(p, monotonic_ns());
	} else {
		policies_event(d, "taken back", &p->incumbent, why, NULL);
		take_back(d, monotonic_ns());
		p->retry_ns = 0;	/* the operator knows */
	}
	policies_save(p);
}

void policies_pin(struct daemon *d, bool pin)
{
	struct policies *p = d->policies;

	if (p->pinned == pin)
		return;
	p->pinned = pin;
	policies_event(d, pin ? "pinned" : "unpinned", &p->incumbent, "the operator's wish", NULL);
	if (pin)
		drop_candidate(d);
	stand_by(p, monotonic_ns());
	policies_save(p);
}
