// SPDX-License-Identifier: GPL-2.0
/* The report from top to bottom, and its head: the answer, and what stands in its way. */
#include "lab/report.h"

#include <errno.h>
#include <math.h>
#include <string.h>

const char *report_number(char buf[REPORT_TEXT], const char *format, double v)
{
	if (isnan(v))
		return "-";
	/* The format is a literal of the callers: one double. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(buf, REPORT_TEXT, format, v);
#pragma GCC diagnostic pop
	/* A zero has no sign. */
	if (buf[0] == '-' && strspn(buf + 1, "0.") == strlen(buf + 1))
		memmove(buf, buf + 1, strlen(buf));
	return buf;
}

const char *report_interval(char buf[REPORT_TEXT], const struct stats_interval *s, double scale)
{
	char a[REPORT_TEXT], b[REPORT_TEXT], c[REPORT_TEXT];

	if (isnan(s->mean))
		return "-";
	if (isnan(s->low))
		snprintf(buf, REPORT_TEXT, "%.15s [?]", report_number(a, "%.1f", scale * s->mean));
	else
		snprintf(buf, REPORT_TEXT, "%.15s [%.15s, %.15s]",
			 report_number(a, "%.1f", scale * s->mean),
			 report_number(b, "%.1f", scale * s->low),
			 report_number(c, "%.1f", scale * s->high));
	return buf;
}

/* --- the answer ------------------------------------------------------------------------------ */

static void opportunity(struct doc *doc, const struct report *r)
{
	const struct report_opportunity *o = &r->r->all;
	const enum report_band band = report_band(o->o.mean);
	char buf[REPORT_TEXT], also[120] = "";

	if (isnan(o->o.mean)) {
		doc_key(doc, 'n', "opportunity", "cannot be told: %s", r->d->select ?
			"no static threshold was measured in any workload" :
			"one trial only, and choosing and judging need different ones");
		return;
	}
	if (isnan(o->o.low))
		snprintf(also, sizeof(also), ", without an interval: one unit only");
	else if (report_band(o->o.low) != report_band(o->o.high))
		snprintf(also, sizeof(also), ", but the interval reaches from %s to %s",
			 report_band_name(report_band(o->o.low)),
			 report_band_name(report_band(o->o.high)));
	doc_key(doc, band == BAND_GO ? 'g' : band == BAND_MAYBE ? 'm' : 'b', "opportunity",
		"%s %% of the best baseline's J, over %s: %s%s", report_interval(buf, &o->o, 100),
		report_level_name(o->level), report_band_name(band), also);
}

static void endpoint(struct doc *doc, const struct report *r)
{
	const struct report_result *x = r->r;
	char buf[REPORT_TEXT], p[REPORT_TEXT], what[300], needed[120] = "";

	snprintf(what, sizeof(what), "%s of %s against %s", r->d->endpoint, r->d->candidate,
		 r->d->reference);
	if (!x->primary) {
		doc_key(doc, 'n', "primary endpoint", "%s: %s", what, x->primary_missing);
		return;
	}
	if (x->endpoint_verdict == VERDICT_UNDECIDED && x->endpoint_units)
		snprintf(needed, sizeof(needed), "; %zu %s would be enough", x->endpoint_units,
			 report_level_name(x->endpoint_level));
	else if (x->endpoint_verdict == VERDICT_UNDECIDED)
		snprintf(needed, sizeof(needed), "; no number of %s will decide that if it is as it looks",
			 report_level_name(x->endpoint_level));
	doc_key(doc, x->endpoint_verdict == VERDICT_HOLDS ? 'g' :
		x->endpoint_verdict == VERDICT_LOSES ? 'b' : 'm', "primary endpoint",
		"%s: %s %% (%s), p = %s by %zu pairs of runs", what,
		report_interval(buf, &x->endpoint, 100), report_level_name(x->endpoint_level),
		report_number(p, "%.2g", x->endpoint_p), x->endpoint_pairs);
	doc_key(doc, 'n', "", "not over %s %% with 95 %% confidence: %s%s",
		report_number(buf, "%.1f", 100 * x->endpoint.upper),
		x->endpoint_verdict == VERDICT_HOLDS ? "no loss over 5 %" :
		x->endpoint_verdict == VERDICT_LOSES ? "it loses" : "undecided", needed);
}

static const struct report_rung *candidate(const struct report *r)
{
	for (size_t i = 0; i < r->r->rungs; i++)
		if (r->r->rung[i].policy && !strcmp(r->r->rung[i].name, r->d->candidate))
			return &r->r->rung[i];
	return NULL;
}

static void captured(struct doc *doc, const struct report *r)
{
	const struct report_rung *c = candidate(r);
	char buf[REPORT_TEXT], own[REPORT_TEXT];

	if (!c)
		return;
	if (isnan(c->captured.mean))
		doc_key(doc, 'n', "captured by it", "cannot be told: the oracle gains hardly anything for "
			"sure over best static");
	else
		doc_key(doc, 'n', "captured by it", "%s %% of what the oracle gains over best static",
			report_interval(buf, &c->captured, 100));
	if (r->r->clear_families)
		doc_key(doc, 'n', "", "%s %% in the %zu families whose opportunity is above %.0f %% "
			"for sure", isnan(r->r->clear_captured.mean) ? "?" :
			report_interval(buf, &r->r->clear_captured, 100),
			r->r->clear_families, 100 * REPORT_CLEAR);
	else
		doc_key(doc, 'n', "", "no family's opportunity is above %.0f %% for sure",
			100 * REPORT_CLEAR);
	doc_key(doc, 'n', "its own decisions", "%s",
		isnan(c->own) ? "not recorded" : report_number(own, "%.1f %%", 100 * c->own));
}

/* --- what stands in its way ------------------------------------------------------------------ */

static void missing(struct doc *doc, const struct report *r)
{
	const struct report_data *d = r->d;

	for (size_t p = 0; p < d->policies; p++) {
		char where[300] = "";
		size_t n = 0, at = 0;

		for (size_t c = 0; c < d->cases; c++) {
			if (!isnan(report_mean(d, c, p, 0, d->trials)))
				continue;
			if (n++ < 3 && at < sizeof(where))
				at += snprintf(where + at, sizeof(where) - at, "%s%s", at ? ", " : "",
					       d->c[c].name);
		}
		if (n && n == d->cases)
			doc_note(doc, "%s has no valid run at all (%u absent, %u failed, %u invalid, %u "
				 "still to be done)", d->p[p].name, d->p[p].absent, d->p[p].failed,
				 d->p[p].invalid, d->p[p].pending);
		else if (n)
			doc_note(doc, "%s is missing in %zu of %zu cases (%s%s) and is compared in the "
				 "others only", d->p[p].name, n, d->cases, where, n > 3 ? ", ..." : "");
	}
}

static void notes_on_trials(struct doc *doc, const struct report *r)
{
	const struct report_data *d = r->d;
	size_t without = 0;

	if (!d->select)
		doc_note(doc, "There is one trial only. What is chosen must be judged by other trials than "
			 "it was chosen by, so there is no oracle, no best static threshold and no "
			 "verdict. Run the plan with trials = %d or more.", 2 * REPORT_FRESH);
	else if (r->r->fresh < REPORT_FRESH)
		doc_note(doc, "%zu trials are left to estimate by, %zu chose; below %d the intervals are "
			 "wide. Run the plan with more trials.", r->r->fresh, d->select, REPORT_FRESH);
	if (d->select && d->select < 5)
		doc_note(doc, "Only %zu trials choose: the oracle is then often not the best threshold, and the "
			 "opportunity larger than it looks. Run the plan with trials = %d or more.", d->select,
			 2 * REPORT_FRESH);
	for (size_t c = 0; c < d->cases; c++)
		without += r->r->oracle[c] == REPORT_NONE;
	if (without && d->select)
		doc_note(doc, "%zu of %zu cases have no oracle: no static threshold has a valid run there.",
			 without, d->cases);
	if (!r->r->held_out && d->select)
		doc_note(doc, "No workload is held out for the test: all of them count, and the best "
			 "static threshold of a workload is chosen by other families%s.",
			 d->families > 1 ? "" : ", of which there are none: by itself");
}

static void notes(struct doc *doc, const struct report *r)
{
	const struct report_data *d = r->d;
	unsigned int failed = 0, invalid = 0;

	if (d->pending)
		doc_note(doc, "%zu of %zu runs are still to be done: this is how it stands, and not the "
			 "result.", d->pending, d->runs);
	for (size_t p = 0; p < d->policies; p++) {
		failed += d->p[p].failed;
		invalid += d->p[p].invalid;
	}
	if (failed || invalid)
		doc_note(doc, "%u runs failed and %u were invalid for good. They have no J; the table of "
			 "outcomes says whose they are, and a policy that fails more is no better for it.",
			 failed, invalid);
	if (d->no_cost)
		doc_note(doc, "%zu valid runs have no J and count nowhere.", d->no_cost);
	if (d->censored_cost)
		doc_note(doc, "J of %zu runs is a lower bound, as flows had not finished.",
			 d->censored_cost);
	if (r->p)
		notes_on_trials(doc, r);
	missing(doc, r);
	if (!r->aa) {
		doc_note(doc, "No A/A campaign is given (--aa FILE): how much of the opportunity choosing "
			 "alone would show is not known.");
		return;
	}
	if (r->aa->cv > REPORT_CV)
		doc_note(doc, "The coefficient of variation of J is %.1f %%, over %.0f %%: lengthen runs or "
			 "lower the rate before small differences are believed.", 100 * r->aa->cv,
			 100 * REPORT_CV);
	if (r->r && r->r->all.o.mean <= r->aa->honest_upper)
		doc_note(doc, "The opportunity (%.1f %%) is not above what the instrument shows in one "
			 "campaign of twenty where there is nothing (%.1f %%).", 100 * r->r->all.o.mean,
			 100 * r->aa->honest_upper);
}

static void books(struct doc *doc, const struct report_data *d)
{
	char drain[REPORT_TEXT], cv[REPORT_TEXT];

	doc_key(doc, 'n', "plan", "%s (%s): %zu cases in %zu families, %zu policies, %zu trials", d->plan,
		d->executor, d->cases, d->families, d->policies, d->trials);
	doc_key(doc, 'n', "runs", "%zu valid of %zu, %zu attempts in %zu boots, %zu interrupted; least "
		"drain share %s, calibration varies by %s", d->valid, d->runs, d->attempts, d->boots,
		d->interrupted, report_number(drain, "%.3f", d->drain_least),
		report_number(cv, "%.1f %%", 100 * d->calibration_cv));
	doc_key(doc, 'n', "test workloads", "run %zu times; shown %zu times before this",
		d->test_evaluations, d->looks);
}

static void campaign(struct doc *doc, const struct report *r, bool page,
		     struct report_pictures *pictures)
{
	const struct report_data *d = r->d;
	char buf[REPORT_TEXT], mean[REPORT_TEXT], most[REPORT_TEXT];

	books(doc, d);
	if (report_is_steering(d)) {
		endpoint(doc, r);
		report_steering(doc, r);
		if (page)
			report_outcomes(doc, r);
		return;
	}
	opportunity(doc, r);
	endpoint(doc, r);
	captured(doc, r);
	if (r->aa)
		doc_key(doc, 'n', "instrument", "J varies by %s %% between copies; choosing where there is "
			"nothing shows %s %%, %s %% at most in 95 of 100",
			report_number(buf, "%.1f", 100 * r->aa->cv),
			report_number(mean, "%.1f", 100 * r->aa->honest_mean),
			report_number(most, "%.1f", 100 * r->aa->honest_upper));
	notes(doc, r);
	report_opportunity_tables(doc, r);
	if (page)
		report_plot_opportunity(doc, r, pictures);
	report_ladder_table(doc, r);
	if (page) {
		report_plot_ladder(doc, r, pictures);
		doc_brief(doc, false);
		report_landscape(doc, r, pictures);
		report_behaviour(doc, r);
		report_outcomes(doc, r);
	}
}

int report_doc(const struct report *r, bool page, struct doc **ret, struct report_pictures *pictures)
{
	char title[2 * REPORT_NAME];
	struct doc *doc;

	snprintf(title, sizeof(title), r->d->aa ? "%s: what the instrument shows" :
		 "%s: does learning pay?", r->d->plan);
	doc = doc_new(title);
	if (!doc)
		return -ENOMEM;
	*pictures = (struct report_pictures){ 0 };
	if (r->d->aa) {
		books(doc, r->d);
		notes(doc, r);
	} else {
		campaign(doc, r, page, pictures);
	}
	if (r->aa)
		report_instrument(doc, r, page ? pictures : NULL);
	doc_brief(doc, false);
	if (r->d->aa)
		report_outcomes(doc, r);
	doc_heading(doc, "The plan");
	doc_text(doc, "Measured by sluice %s on Linux %s.", *r->d->versions ? r->d->versions : "?",
		 *r->d->kernels ? r->d->kernels : "?");
	doc_pre(doc, r->d->plan_text);
	*ret = doc;
	return 0;
}
