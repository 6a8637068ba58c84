// SPDX-License-Identifier: GPL-2.0
/* What "sluice policy" asks for. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/policies_priv.h"
#include "lib/clock.h"
#include "lib/json_number.h"

#define NO_POLICIES "[ecn] policy is neither model nor learn, so there is nothing to try"

static json_t *entry_json(const struct entry *e)
{
	char crc[16];

	if (e->kind == ENTRY_NONE)
		return json_null();
	snprintf(crc, sizeof(crc), "%08x", e->crc);
	return json_pack("{s:s, s:s, s:s}", "name", e->name, "kind", entry_kind_name(e), "crc", crc);
}

static json_t *trial_json(const struct policies *p)
{
	static const char *const against[] = { "against_incumbent", "against_static" };
	struct trial_report r;
	json_t *o, *arms;

	if (!p->trial)
		return json_null();
	trial_report(p->trial, &r);
	o = json_pack("{s:s, s:I, s:I, s:b, s:i, s:o, s:f}", "verdict",
		      trial_verdict_name(r.verdict), "blocks", (json_int_t)r.blocks, "voided",
		      (json_int_t)r.voided, "canary", r.canary, "queues", (int)r.queues, "worst",
		      json_number(r.worst), "harm_s", r.harm_s);
	arms = json_object();
	for (int i = 0; o && i < 2; i++)
		json_object_set_new(o, against[i],
				    json_pack("{s:o, s:o, s:o}", "mean", json_number(r.mean[i]), "low",
					      json_number(r.low[i]), "high", json_number(r.high[i])));
	for (int i = 0; o && i < TRIAL_ARMS; i++)
		json_object_set_new(arms, trial_arm_name(i),
				    json_pack("{s:o, s:I, s:I}", "reward", json_number(r.reward[i]),
					      "slices", (json_int_t)r.slices[i], "harmful",
					      (json_int_t)r.harmful[i]));
	if (o)
		json_object_set(o, "arms", arms);
	json_decref(arms);
	return o;
}

static json_t *decided_json(const struct policies *p)
{
	json_t *o = json_object();

	for (int i = 0; i < TRIAL_ARMS; i++)
		json_object_set_new(o, trial_arm_name(i), json_integer((json_int_t)p->decided[i]));
	return o;
}

json_t *policies_show(const struct daemon *d)
{
	static const char *const stages[] = STAGE_NAMES;
	const struct policies *p = d->policies;
	const uint64_t now = monotonic_ns();

	if (!p)
		return json_pack("{s:s}", "error", NO_POLICIES);
	return json_pack("{s:s, s:f, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:f,"
			 " s:I, s:I, s:o, s:I}",
			 "stage", stages[p->stage], "stage_s", (double)(now - p->since_ns) / 1e9,
			 "pinned", p->pinned, "incumbent", entry_json(&p->incumbent), "candidate",
			 entry_json(&p->candidate), "previous", entry_json(&p->previous), "static",
			 entry_json(&p->fixed), "trial", trial_json(p), "expected",
			 json_number(p->expected), "retry_s", !p->retry_ns ? json_null() :
			 json_real(((double)p->retry_ns - (double)now) / 1e9),
			 "error_budget", p->settings.trials.error_budget, "error_budget_used",
			 policies_budget_used(p), "alpha", p->settings.trials.alpha,
			 "states", (json_int_t)p->states, "novel", (json_int_t)p->novel,
			 "decided", decided_json(p), "fell_back", (json_int_t)p->fell_back);
}

json_t *policies_history(const struct daemon *d)
{
	return d->policies ? json_pack("{s:O}", "history", d->policies->history) : policies_show(d);
}

static int promote(struct daemon *d, const json_t *request, struct sl_err *e)
{
	const char *file = json_string_value(json_object_get(request, "file"));
	struct model m = { 0 };
	int r;

	if (!file)
		return sl_err(e, -EINVAL, "promote needs a file");
	r = model_read(file, &m, e);
	if (r == 0 && json_is_true(json_object_get(request, "now")))
		r = policies_promote(d, &m, file, e);
	else if (r == 0)
		r = policies_offer(d, &m, file, "the operator", NAN, e);
	model_free(&m);
	return r;
}

int policies_request(struct daemon *d, const json_t *request, json_t **reply, struct sl_err *e)
{
	const char *name = json_string_value(json_object_get(request, "request"));
	int r = 0;

	if (!d->policies)
		return sl_err(e, -EPERM, NO_POLICIES);
	if (!strcmp(name, "policy promote"))
		r = promote(d, request, e);
	else if (!strcmp(name, "policy rollback"))
		policies_rollback(d, "the operator's wish");
	else
		policies_pin(d, !strcmp(name, "policy pin"));
	*reply = policies_show(d);
	return r;
}
