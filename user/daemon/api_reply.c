// SPDX-License-Identifier: GPL-2.0
/* What the daemon tells about itself, as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/background.h"
#include "daemon/daemon.h"
#include "lib/clock.h"
#include "lib/hist.h"
#include "lib/json_number.h"
#include "lib/steer_tree.h"

static const char *const ecn_policies[] = ECN_POLICY_NAMES;
static const char *const steer_deciders[] = STEER_POLICY_NAMES;

/* The names of what a backend lacks. */
static json_t *lacks_json(unsigned int lacks)
{
	json_t *list = json_array();
	unsigned int bit;

	for (bit = 0; bit < ECN_LACK_N; bit++)
		if (lacks & (1u << bit))
			json_array_append_new(list, json_string(ecn_lack_name(bit)));
	return list;
}

/* As of the latest decision; null where it is not known. */
static json_t *flows_json(const struct queue_flows *f)
{
	const double now = (double)monotonic_ns();

	if (!f->at_ns)
		return json_null();
	return json_pack("{s:f, s:f, s:o, s:o, s:o}",
			 "active", f->active, "age_s", (now - (double)f->at_ns) / 1e9,
			 "elephant_share", json_number(f->elephant_share),
			 "ect_share", json_number(f->ect_share),
			 "shares_age_s", isnan(f->elephant_share) ? json_null() :
			 json_real((now - (double)f->table_ns) / 1e9));
}

static json_t *queue_json(const struct daemon *d, const struct queue *q)
{
	const struct ecn_backend *b = ecn_backend(q->now.backend);
	const struct sluice_qdisc_stats *s = &q->now.stats;

	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:f, s:o, s:i, s:i, s:i, s:i, s:I, s:I}",
			 "dev", q->now.id.ifname, "parent", q->now.id.parent,
			 "backend", b->name, "lacks", lacks_json(b->lacks),
			 "state", queue_state_name(q->state), "text", queue_text(q),
			 "capacity_bps", queue_capacity(d, q) * 8, "flows", flows_json(&q->flows),
			 "qth_min", s->qth_min, "qth_max", s->qth_max, "max_p", s->max_p,
			 "generation", s->generation,
			 "decisions", (json_int_t)q->decisions, "changes", (json_int_t)q->changes);
}

/* The tree that places flows, and what became of those admitted; null: none decides. */
static json_t *tree_json(const struct link *l)
{
	struct steer_tree_state s;
	const struct sluice_tree_stats *n = &s.stats;

	if (!l->steer || !l->tree_generation || steer_tree_read(l->steer, &s, NULL) < 0)
		return json_null();
	return json_pack("{s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "generation", (json_int_t)s.generation, "leased", s.leased,
			 "targets", (json_int_t)s.n_targets, "mean_ppm", (json_int_t)s.mean_ppm,
			 "home", (json_int_t)n->home, "other", (json_int_t)n->other,
			 "alone", (json_int_t)n->alone, "held", (json_int_t)n->held,
			 "lapsed", (json_int_t)n->lapsed, "torn", (json_int_t)n->torn);
}

static json_t *link_json(const struct link *l)
{
	json_t *cpus = json_array();
	unsigned int i;

	for (i = 0; l->steer && i < SLUICE_MAX_CPUS; i++)
		if (l->now->target[i])
			json_array_append_new(cpus, json_integer(i));
	return json_pack("{s:s, s:b, s:b, s:b, s:s, s:b, s:s, s:o, s:I, s:I, s:i, s:I, s:I, s:o}",
			 "dev", l->ifname, "steering", l->steer != NULL,
			 "paused", l->guard.paused,
			 "attached", l->steer && l->now->attached,
			 "mode", !l->steer ? "none" : l->now->generic ? "generic" : "native",
			 "adopted", l->adopted, "problem", l->problem.text, "cpus", cpus,
			 "decisions", (json_int_t)l->decisions, "moves", (json_int_t)l->moves,
			 "flows", l->n_flows, "flows_admitted", (json_int_t)l->admitted,
			 "lapsed_packets", (json_int_t)l->now->stats.lapsed,
			 "tree", tree_json(l));
}

static void problem(json_t *list, const char *object, const char *what)
{
	json_array_append_new(list, json_pack("{s:s, s:s}", "object", object, "what", what));
}

static bool watches_stock(const struct daemon *d)
{
	unsigned int i;

	for (i = 0; i < d->n_queues; i++)
		if (d->queues[i].used && d->queues[i].now.backend != ECN_SLUICE)
			return true;
	return false;
}

/* What is wrong and what to do about it. */
static json_t *problems_json(const struct daemon *d)
{
	json_t *list = json_array();
	unsigned int i;

	if (!d->module_loaded && d->settings.ecn_backend <= ECN_CHOICE_FIRST && !watches_stock(d))
		problem(list, "module", "sch_sluice is not loaded: 'modprobe sch_sluice'");
	if (*d->reader_problem.text)
		problem(list, "qdiscs", d->reader_problem.text);
	if (*d->place.problem.text)
		problem(list, "tree", d->place.problem.text);
	if (d->checkpoint_failed)
		problem(list, "checkpoint", "it could not be written; the log says why");
	for (i = 0; i < d->n_links; i++) {
		const struct link *l = d->links[i];

		if (*l->problem.text)
			problem(list, l->ifname, l->problem.text);
		else if (l->steer && !l->now->attached)
			problem(list, l->ifname,
				"the program is not attached: 'sluice unload DEV' and let the "
				"daemon load it again");
	}
	for (i = 0; i < d->n_queues; i++) {
		const struct queue *q = &d->queues[i];
		char object[48];

		if (!q->used || (q->state != QUEUE_no_capacity && q->state != QUEUE_blocked &&
				 q->state != QUEUE_write_failed))
			continue;
		snprintf(object, sizeof(object), "%s %s", q->now.id.ifname, q->now.id.parent);
		problem(list, object, queue_text(q));
	}
	return list;
}

json_t *api_status(const struct daemon *d)
{
	json_t *queues = json_array(), *links = json_array();
	unsigned int i;

	for (i = 0; i < d->n_queues; i++)
		if (d->queues[i].used)
			json_array_append_new(queues, queue_json(d, &d->queues[i]));
	for (i = 0; i < d->n_links; i++)
		json_array_append_new(links, link_json(d->links[i]));
	return json_pack("{s:s, s:i, s:f, s:s, s:i, s:I, s:I, s:{s:f, s:f}, s:b, s:f,"
			 " s:{s:s, s:s, s:o}, s:{s:s, s:o}, s:o}",
			 "version", SLUICE_VERSION, "pid", (int)getpid(),
			 "uptime_s", (double)(monotonic_ns() - d->started_ns) / 1e9,
			 "config", d->config_path ? d->config_path : "",
			 "epoch_ms", d->settings.epoch_ms, "epochs", (json_int_t)d->epochs,
			 "epochs_skipped", (json_int_t)d->skipped, "epochs_late_us",
			 "p50", hist_quantile_ns(d->late, NULL, 0.5) / 1e3,
			 "p99", hist_quantile_ns(d->late, NULL, 0.99) / 1e3,
			 "module_loaded", d->module_loaded,
			 "checkpoint_age_s", d->checkpoint_ns ?
				(double)(monotonic_ns() - d->checkpoint_ns) / 1e9 : -1.0,
			 "ecn", "policy", ecn_policies[d->settings.ecn_policy],
			 "backend", d->settings.ecn_backend == ECN_CHOICE_AUTO ? "auto" :
			 ecn_backend((enum ecn_kind)(d->settings.ecn_backend -
						     ECN_CHOICE_FIRST))->name,
			 "queues", queues,
			 "steer", "policy", steer_deciders[d->settings.steer_policy],
			 "interfaces", links,
			 "problems", problems_json(d));
}

static json_t *verdicts_json(const struct daemon *d)
{
	json_t *o = json_object();
	unsigned int i;

	for (i = 0; i < GUARD_N; i++)
		json_object_set_new(o, guard_verdict_name((enum guard_verdict)i),
				    json_integer((json_int_t)d->decisions.by_verdict[i]));
	return o;
}

/* The agent's counters; of a rule, that has none, what the interfaces count. */
static void steer_counters(const struct daemon *d, struct steer_agent_stats *ret)
{
	steer_agent_stats(d->steer_agent, ret);
	if (!d->greedy)
		return;
	*ret = (struct steer_agent_stats){ 0 };
	for (unsigned int i = 0; i < d->n_links; i++) {
		ret->decisions += d->links[i]->decisions;
		ret->moves += d->links[i]->moves;
	}
}

json_t *api_agent(const struct daemon *d)
{
	struct ecn_agent_stats ecn;
	struct steer_agent_stats steer;

	ecn_agent_stats(d->ecn, &ecn);
	steer_counters(d, &steer);
	return json_pack("{s:{s:s, s:b, s:b, s:I, s:I, s:I, s:f, s:f, s:f},"
			 " s:{s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:f, s:f},"
			 " s:o, s:o, s:o, s:I, s:I, s:o, s:o}",
			 "ecn", "policy", ecn_policies[d->settings.ecn_policy],
			 "learning", d->settings.learn, "exploring", d->settings.ecn_explore,
			 "decisions", (json_int_t)ecn.decisions, "explored",
			 (json_int_t)ecn.explored, "updates", (json_int_t)ecn.updates,
			 "loss", ecn.loss, "reward_mean", ecn.reward_mean, "regret_spent",
			 ecn.regret_spent,
			 "steer", "policy", steer_deciders[d->settings.steer_policy],
			 "learning", d->settings.learn, "exploring", d->settings.steer_explore,
			 "decisions", (json_int_t)steer.decisions, "moves",
			 (json_int_t)steer.moves, "explored", (json_int_t)steer.explored,
			 "updates", (json_int_t)steer.updates, "loss", steer.loss,
			 "reward_mean", steer.reward_mean,
			 "background", background_json(d),
			 "paused", operator_pauses_json(d),
			 "stand_downs", operator_stands_json(d),
			 "decisions", (json_int_t)d->decisions.total,
			 "carried_out", (json_int_t)d->decisions.carried_out,
			 "guard", verdicts_json(d), "latest", decisions_json(&d->decisions));
}
