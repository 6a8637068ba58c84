// SPDX-License-Identifier: GPL-2.0
#include "lab/dynamic_host.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/learner_core.h"
#include "daemon/reward_ecn.h"
#include "guard/offpolicy.h"
#include "guard/trial.h"
#include "policy/novelty.h"

#define QUEUE		0
#define RTTS_PER_SLICE	50	/* as policies.c */
#define SLICE_S		5.0

struct entry {
	struct model model;		/* a copy */
	struct novelty *novelty;	/* NULL: no calibration */
};

struct arm {
	struct policy *policy;
	struct novelty_watch watch;
	struct qdisc_triple triple;
	bool known, novel;
};

struct dynamic_host {
	struct dynamic_system s;
	struct ecn_agent_config objective;	/* J of trials: [guard] objective */
	struct entry entry[TRIAL_ARMS];
	bool has_candidate, incumbent_is_static;
	struct arm arm[TRIAL_ARMS];
	enum trial_arm acting;
	struct trial *trial;
	bool watching;
	unsigned int trials;
	struct ecn_agent *follower;
	struct learner_core *learner;
	double steps_due, next_candidate_s;
	struct dynamic_result told;
};

/* --- entries and arms ------------------------------------------------------------------------ */

static void entry_free(struct entry *e)
{
	model_free(&e->model);
	novelty_free(e->novelty);
	*e = (struct entry){ .novelty = NULL };
}

static int entry_set(struct entry *e, const struct model *m)
{
	struct entry now = { .novelty = NULL };
	int r = model_copy(m, &now.model);

	if (!r)
		r = novelty_of(m, &now.novelty);
	if (r) {
		entry_free(&now);
		return r;
	}
	entry_free(e);
	*e = now;
	return 0;
}

static void arm_forget(struct arm *a)
{
	policy_free(a->policy);
	*a = (struct arm){ .policy = NULL };
}

static int arm_policy(struct dynamic_host *h, enum trial_arm arm)
{
	struct arm *a = &h->arm[arm];

	return a->policy ? 0 : policy_new(&h->entry[arm].model, &a->policy, NULL);
}

static int set_static(struct dynamic_host *h, enum trial_arm arm)
{
	struct model m = { 0 };
	int r = model_set_numbers(&m, policy_bdp.name, &h->s.fixed, 1);

	if (!r)
		r = entry_set(&h->entry[arm], &m);
	model_free(&m);
	return r;
}

/* --- learning in the background ---------------------------------------------------------------- */

static void on_transition(void *data, const struct translog_row *row)
{
	struct dynamic_host *h = data;

	learner_core_add(h->learner, row);
}

static int begin_learning(struct dynamic_host *h)
{
	struct ecn_agent_config follower;
	struct learner_config c;
	int r;

	ecn_agent_config_default(&follower);
	follower.learn = follower.explore = false;
	learner_config_default(&c);
	c.seed = h->s.seed;
	/* As background.c: a network goes on from the model, if that is one. */
	if (!strcmp(h->s.model->kind, policy_ddqn.name))
		c.start = h->s.model;
	r = ecn_agent_new(&follower, &h->follower);
	if (!r)
		r = learner_core_new(&c, &h->learner, NULL);
	if (!r)
		ecn_agent_watch(h->follower, on_transition, h);
	h->next_candidate_s = h->s.background_s;
	return r;
}

static bool never(void *data)
{
	(void)data;
	return false;
}

/* By the data alone it would lose: background.c does not offer it. */
static bool loses(const struct learner_report *r)
{
	return r->ess >= OFFPOLICY_ESS_MIN && r->support >= OFFPOLICY_SUPPORT_MIN &&
	       r->estimate < r->logged;
}

static int begin_trial(struct dynamic_host *h, bool watch, double rtt_s)
{
	struct trial_config c;

	trial_free(h->trial);
	h->trial = NULL;
	trial_config_default(&c);
	c.watch = watch;
	c.incumbent_is_static = h->incumbent_is_static;
	c.slice_s = fmax(SLICE_S, RTTS_PER_SLICE * rtt_s);
	c.canary_blocks = 8;	/* the defaults of [guard] */
	c.watch_slices = 20;
	c.seed = h->s.seed + 1000003 * ++h->trials;
	h->watching = watch;
	h->told.trials += !watch;
	return trial_new(&c, &h->trial);
}

static int stand_by(struct dynamic_host *h, double rtt_s)
{
	trial_free(h->trial);
	h->trial = NULL;
	return h->s.watch && !h->incumbent_is_static ? begin_trial(h, true, rtt_s) : 0;
}

static int offer(struct dynamic_host *h, double rtt_s)
{
	struct learner_report report;
	enum learner_verdict verdict;
	struct model m = { 0 };
	int r = learner_core_candidate(h->learner, never, NULL, &m, &report, &verdict);

	if (r || verdict != LEARNER_handed_over)
		return r;
	h->told.candidates++;
	if (!h->has_candidate && !loses(&report)) {
		r = entry_set(&h->entry[TRIAL_CANDIDATE], &m);
		arm_forget(&h->arm[TRIAL_CANDIDATE]);
		h->has_candidate = !r;
		if (!r)
			r = begin_trial(h, false, rtt_s);
	}
	model_free(&m);
	return r;
}

static int learn(struct dynamic_host *h, double now_s, const struct ecn_interval *in,
		 const struct qdisc_triple *next)
{
	const struct ecn_followed what = { .next = *next, .probability = 1 };
	double td, gap;
	int r;

	if (!h->learner)
		return 0;
	r = ecn_agent_follow(h->follower, QUEUE, in, &what);
	for (h->steps_due += h->s.steps_per_epoch; !r && h->steps_due >= 1; h->steps_due--) {
		r = learner_core_step(h->learner, &td, &gap);
		r = r == -EAGAIN || r == -EDOM ? 0 : r;	/* too few rows; it began anew */
	}
	if (r || now_s < h->next_candidate_s)
		return r;
	h->next_candidate_s += h->s.background_s;
	return learner_core_steps(h->learner) < LEARNER_STEPS_MIN ? 0 : offer(h, in->rtt_s);
}

/* --- trials ------------------------------------------------------------------------------------ */

static int take_over(struct dynamic_host *h)
{
	entry_free(&h->entry[TRIAL_INCUMBENT]);
	h->entry[TRIAL_INCUMBENT] = h->entry[TRIAL_CANDIDATE];
	h->entry[TRIAL_CANDIDATE] = (struct entry){ .novelty = NULL };
	arm_forget(&h->arm[TRIAL_INCUMBENT]);
	h->arm[TRIAL_INCUMBENT] = h->arm[TRIAL_CANDIDATE];
	h->arm[TRIAL_CANDIDATE] = (struct arm){ .policy = NULL };
	h->incumbent_is_static = false;
	h->told.promoted++;
	return 0;
}

static int take_back(struct dynamic_host *h)
{
	arm_forget(&h->arm[TRIAL_INCUMBENT]);
	h->incumbent_is_static = true;
	h->told.taken_back++;
	return set_static(h, TRIAL_INCUMBENT);
}

static int judge(struct dynamic_host *h, double rtt_s)
{
	struct trial_report report;
	int r = 0;

	if (!h->trial)
		return 0;
	trial_report(h->trial, &report);
	if (report.verdict == TRIAL_RUNNING)
		return 0;
	if (h->watching)
		r = take_back(h);
	else if (report.verdict == TRIAL_BETTER)
		r = take_over(h);
	if (!h->watching) {
		entry_free(&h->entry[TRIAL_CANDIDATE]);
		arm_forget(&h->arm[TRIAL_CANDIDATE]);
		h->has_candidate = false;
	}
	h->acting = TRIAL_ARMS;		/* it has to be told what is in force now */
	return r ? r : stand_by(h, rtt_s);
}

/* --- an epoch ------------------------------------------------------------------------------------ */

static int decide(struct dynamic_host *h, const struct ecn_interval *in, struct qdisc_triple *t)
{
	const struct novelty *novelty = h->entry[h->acting].novelty;
	struct arm *a = &h->arm[h->acting];
	int r = policy_decide(a->policy, in, t);

	if (r || !novelty || h->s.confidence <= 0)
		return r;
	if (novelty_epoch(novelty, &a->watch, in)) {
		a->novel = a->watch.p < novelty_significance(h->s.confidence);
		h->told.states++;
		h->told.novel += a->novel;
	}
	if (!a->novel)
		return 0;
	r = arm_policy(h, TRIAL_STATIC);
	if (!r)
		*t = policy_start(h->arm[TRIAL_STATIC].policy, in);
	h->told.fallback += ecn_interval_active(in);
	return r;
}

/* The arm whose turn it is goes on from where it was, or acts on if it was its turn already. */
static int act(struct dynamic_host *h, double now_s, const struct ecn_interval *in,
	       struct qdisc_triple *t)
{
	const enum trial_arm arm = h->trial ? trial_arm(h->trial, QUEUE, now_s * 1e9, NULL) :
				   TRIAL_INCUMBENT;
	struct arm *a = &h->arm[arm];
	int r = arm_policy(h, arm);

	if (r)
		return r;
	h->told.static_turns += arm == TRIAL_STATIC && ecn_interval_active(in);
	if (arm != h->acting) {
		h->acting = arm;
		*t = a->known ? a->triple : policy_start(a->policy, in);
	} else {
		/* Of an arm's first interval the slice before may have a part. */
		if (h->trial && ecn_interval_active(in))
			trial_observe(h->trial, QUEUE, now_s * 1e9, in->seconds,
				      ecn_reward(&h->objective, in));
		r = decide(h, in, t);
	}
	a->triple = *t;
	a->known = true;
	return r;
}

int dynamic_host_epoch(struct dynamic_host *h, double now_s, const struct ecn_interval *in,
		       struct qdisc_triple *t)
{
	int r = judge(h, in->rtt_s);

	h->told.active += ecn_interval_active(in);
	if (!r)
		r = act(h, now_s, in, t);
	return r ? r : learn(h, now_s, in, t);
}

/* --- the whole ----------------------------------------------------------------------------------- */

int dynamic_host_new(const struct dynamic_system *s, struct dynamic_host **ret)
{
	struct dynamic_host *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->s = *s;
	h->acting = TRIAL_INCUMBENT;
	ecn_agent_config_default(&h->objective);
	h->objective.reward = ECN_REWARD_BALANCE;
	r = entry_set(&h->entry[TRIAL_INCUMBENT], s->model);
	if (!r)
		r = set_static(h, TRIAL_STATIC);
	if (!r)
		r = arm_policy(h, TRIAL_INCUMBENT);
	if (!r && s->background_s > 0)
		r = begin_learning(h);
	if (r) {
		dynamic_host_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

void dynamic_host_free(struct dynamic_host *h)
{
	if (!h)
		return;
	for (int i = 0; i < TRIAL_ARMS; i++) {
		arm_forget(&h->arm[i]);
		entry_free(&h->entry[i]);
	}
	trial_free(h->trial);
	learner_core_free(h->learner);
	ecn_agent_free(h->follower);
	free(h);
}

struct qdisc_triple dynamic_host_start(struct dynamic_host *h, const struct ecn_interval *in)
{
	struct arm *a = &h->arm[TRIAL_INCUMBENT];

	stand_by(h, in->rtt_s);
	policy_reset(a->policy);
	a->triple = policy_start(a->policy, in);
	a->known = true;
	return a->triple;
}

void dynamic_host_tell(const struct dynamic_host *h, struct dynamic_result *ret)
{
	ret->states = h->told.states;
	ret->novel = h->told.novel;
	ret->active = h->told.active;
	ret->fallback = h->told.fallback;
	ret->static_turns = h->told.static_turns;
	ret->candidates = h->told.candidates;
	ret->trials = h->told.trials;
	ret->promoted = h->told.promoted;
	ret->taken_back = h->told.taken_back;
}
