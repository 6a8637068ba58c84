// SPDX-License-Identifier: GPL-2.0
#include "daemon/background.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/learner.h"
#include "daemon/policies.h"
#include "guard/offpolicy.h"
#include "lib/clock.h"
#include "lib/json_number.h"
#include "lib/log.h"
#include "policy/policy.h"

struct background {
	struct daemon *daemon;
	struct learner *learner;
	sd_event_source *source;
	bool has_latest;
	struct learner_report latest;
};

/*
 * Making a transition takes the main loop's time, and many queues would fill the window within
 * seconds: so many are followed at a time, and after a while the next ones.
 */
#define FOLLOWED	8
#define TURN_NS		60000000000ULL

static bool is_followed(struct daemon *d, unsigned int queue)
{
	const unsigned int turns = (d->n_queues + FOLLOWED - 1) / FOLLOWED;
	bool now;

	if (d->transitions || turns < 2)	/* the log has all */
		return true;
	now = queue % turns == monotonic_ns() / TURN_NS % turns;
	if (d->queues[queue].followed && !now)
		ecn_agent_forget(d->ecn, queue);
	d->queues[queue].followed = now;
	return now;
}

void background_feed(struct background *b, const struct translog_row *row)
{
	learner_feed(b->learner, row);
}

void background_follow(struct daemon *d, unsigned int queue, const struct ecn_interval *in,
		       const struct qdisc_triple *next, const struct ecn_decision *want)
{
	struct ecn_followed what = {
		.next = *next,
		/* Who throws no dice had no choice. */
		.probability = want->probability > 0 ? want->probability : 1,
		.explored = want->explored,
	};

	if ((d->background || d->transitions) && is_followed(d, queue))
		ecn_agent_follow(d->ecn, queue, in, &what);
}

/* What the data says of it by itself, if it has a say: the gain in reward, or NAN. */
static double expected_gain(const struct learner_report *r)
{
	if (r->ess < OFFPOLICY_ESS_MIN || r->support < OFFPOLICY_SUPPORT_MIN)
		return NAN;
	return r->estimate - r->logged;
}

/* The data is a screen only: what passes it goes into the shadow and on trial. Gives the model away. */
static void offer(struct daemon *d, struct model *m, const struct learner_report *report)
{
	const double gain = expected_gain(report);
	char name[32], why[120];
	struct sl_err e;

	snprintf(name, sizeof(name), "learned %llu", (unsigned long long)report->number);
	snprintf(why, sizeof(why), "learned in the background; it differs in %.0f %% of the states, "
		 "support %.0f %%, effective sample %.0f", 100 * report->differs,
		 100 * report->support, report->ess);
	if (gain < 0)
		log_info("%s is not offered: by the data it would lose %.3f in reward", name, -gain);
	else if (policies_offer(d, m, name, why, gain, &e) < 0)
		log_info("%s is not offered: %s", name, e.text);
	model_free(m);
}

static int on_candidate(sd_event_source *s, int fd, uint32_t events, void *data)
{
	struct background *b = data;
	struct learner_report report;
	struct model m;

	(void)s;
	(void)fd;
	(void)events;
	while (learner_take(b->learner, &m, &report)) {
		b->latest = report;
		b->has_latest = true;
		offer(b->daemon, &m, &report);
	}
	return 0;
}

/* The network to begin with: that of the model that is named, if it is one of those. */
static bool names_start(const struct settings *s)
{
	return s->ecn_policy == ECN_POLICY_MODEL || s->ecn_policy == ECN_POLICY_LEARN;
}

void background_start(struct daemon *d)
{
	const struct settings *s = &d->settings;
	struct learner_config c;
	struct background *b;
	struct model start = { 0 };
	struct sl_err e = { "out of memory" };
	int r = -1;

	if (!s->background)
		return;
	learner_config_default(&c);
	c.cpu_percent = s->background_cpu;
	c.period_ns = s->background_minutes * 60000000000ULL;
	c.seed = s->seed;
	if (names_start(s) && model_read(s->ecn_model, &start, NULL) == 0 &&
	    !strcmp(start.kind, policy_ddqn.name))
		c.start = &start;
	b = calloc(1, sizeof(*b));
	if (b) {
		b->daemon = d;
		r = learner_start(&c, &b->learner, &e);
	}
	model_free(&start);
	if (r == 0)
		r = sd_event_add_io(d->event, &b->source, learner_fd(b->learner), EPOLLIN,
				    on_candidate, b);
	if (r < 0) {
		log_error("nothing is learned in the background: %s", e.text);
		if (b)
			learner_stop(b->learner);
		free(b);
		return;
	}
	/* Candidates can wait; epochs cannot. */
	sd_event_source_set_priority(b->source, SD_EVENT_PRIORITY_IDLE);
	d->background = b;
}

void background_stop(struct daemon *d)
{
	struct background *b = d->background;

	if (!b)
		return;
	sd_event_source_disable_unref(b->source);
	learner_stop(b->learner);
	free(b);
	d->background = NULL;
}

static json_t *report_json(const struct learner_report *r)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o, s:o, s:f}",
			 "number", (json_int_t)r->number, "rows", (json_int_t)r->rows,
			 "known", (json_int_t)r->known, "explored", (json_int_t)r->explored,
			 "steps", (json_int_t)r->steps, "differs", r->differs,
			 "support", r->support, "ess", r->ess, "logged", json_number(r->logged),
			 "estimate", json_number(r->estimate), "cpu_s", r->cpu_s);
}

json_t *background_json(const struct daemon *d)
{
	const struct background *b = d->background;
	json_t *verdicts = json_object();
	struct learner_stats s;

	if (!b) {
		json_decref(verdicts);
		return json_null();
	}
	learner_stats(b->learner, &s);
	for (int i = 0; i < LEARNER_VERDICT_N; i++)
		json_object_set_new(verdicts, learner_verdict_name((enum learner_verdict)i),
				    json_integer((json_int_t)s.verdicts[i]));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:f, s:f, s:f, s:o, s:o}",
			 "fed", (json_int_t)s.fed, "lost", (json_int_t)s.lost,
			 "bad", (json_int_t)s.bad, "rows", (json_int_t)s.rows,
			 "steps", (json_int_t)s.steps, "td", json_number(s.td), "gap", json_number(s.gap),
			 "cpu_s", s.cpu_s,
			 "cpu_percent", s.wall_s > 0 ? 100 * s.cpu_s / s.wall_s : 0.0,
			 "cpu_budget_percent", d->settings.background_cpu, "candidates", verdicts,
			 "latest", b->has_latest ? report_json(&b->latest) : json_null());
}
