// SPDX-License-Identifier: GPL-2.0
/* What stands first: the answer, the figures it is made of, and what stands in its way. */
#include "lab/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CAPTURE_GOAL	0.70	/* of what the oracle gains */

static const struct report_rung *candidate(const struct report *r)
{
	for (size_t i = 0; i < r->r->rungs; i++)
		if (r->r->rung[i].policy && !strcmp(r->r->rung[i].name, r->d->candidate))
			return &r->r->rung[i];
	return NULL;
}

/* "undecided: some 440 runs of each would be enough (10 families, 4 now)" */
static void needed(char *buf, size_t size, size_t units_needed, size_t units, size_t pairs,
		   enum report_level level)
{
	if (units_needed)
		snprintf(buf, size, "undecided: some %zu runs of each would be enough (%zu %s, %zu now)",
			 report_pairs_needed(units_needed, units, pairs), units_needed,
			 report_level_name(level), units);
	else
		snprintf(buf, size, "undecided: if it is as it looks, no number of %s will decide it",
			 report_level_name(level));
}

/* Where the interval of an opportunity reaches. */
static void bands(const struct report_opportunity *o, char *buf, size_t size)
{
	const enum report_band low = report_band(o->o.low), high = report_band(o->o.high);

	if (isnan(o->o.low))
		snprintf(buf, size, "%s, without an interval", report_band_name(report_band(o->o.mean)));
	else if (low == high)
		snprintf(buf, size, "%s for sure", report_band_name(low));
	else
		snprintf(buf, size, "%s, but anything from %s to %s by the interval",
			 report_band_name(report_band(o->o.mean)), report_band_name(low),
			 report_band_name(high));
}

static char tone_of(enum report_verdict v)
{
	return v == VERDICT_HOLDS ? 'g' : v == VERDICT_LOSES ? 'b' : v == VERDICT_UNDECIDED ? 'm' : 'n';
}

static const char *bounds(char buf[REPORT_TEXT], const struct stats_interval *s)
{
	char low[REPORT_TEXT], high[REPORT_TEXT];

	if (isnan(s->low))
		return "no interval";
	snprintf(buf, REPORT_TEXT, "[%.20s, %.20s]", report_number(low, "%.1f", 100 * s->low),
		 report_number(high, "%.1f", 100 * s->high));
	return buf;
}

/* --- the answer ------------------------------------------------------------------------------ */

static const char *why_not(const struct report *r)
{
	return !r->d->select ? "one trial only, and choosing and judging need different ones" :
	       !r->r->fresh ? "no trial is left to judge by" :
	       "no static threshold was measured where anything else was";
}

static void answer(struct doc *doc, const struct report *r, const struct report_rung *c)
{
	const struct report_opportunity *o = &r->r->all;
	char text[900], number[REPORT_TEXT], most[REPORT_TEXT], band[80], more[300];
	const bool known = !isnan(o->o.mean);
	size_t at;

	if (!known) {
		doc_answer(doc, 'n', "Cannot be told yet: %s. What was measured is below.", why_not(r));
		return;
	}
	bands(o, band, sizeof(band));
	/* Below zero: something that is no threshold at all is better than every threshold. */
	at = snprintf(text, sizeof(text), "%s%s. %s the best threshold of each workload would be %s %% %s in J "
		      "than %s, the best simple setting.", r->d->pending ? "So far: " : "", band,
		      o->o.mean < 0 ? "Even whoever knew" : "Whoever knew",
		      report_number(number, "%.1f", 100 * fabs(o->o.mean)),
		      o->o.mean < 0 ? "dearer" : "cheaper", r->r->best_baseline_name);
	if (c && c->verdict == VERDICT_HOLDS)
		at += snprintf(text + at, sizeof(text) - at, " %s does no harm: at most %s %% dearer than the "
			       "best static threshold%s.", c->name,
			       report_number(most, "%.1f", 100 * fmax(0, c->loss.upper)),
			       c->loss.upper < 0 ? ", and for sure cheaper" : "");
	else if (c && c->verdict == VERDICT_LOSES)
		at += snprintf(text + at, sizeof(text) - at, " %s loses: for sure more than %.0f %% dearer "
			       "than the best static threshold.", c->name, 100 * REPORT_MARGIN);
	else if (c && c->verdict == VERDICT_UNDECIDED) {
		needed(more, sizeof(more), c->units_needed, c->units, c->pairs, c->level);
		at += snprintf(text + at, sizeof(text) - at, " Whether %s costs more than the best static "
			       "threshold is %s.", c->name, more);
	}
	if (c && !isnan(c->own) && at < sizeof(text))
		snprintf(text + at, sizeof(text) - at, " It took %.0f %% of the decisions itself.",
			 100 * c->own);
	doc_answer(doc, report_band(o->o.mean) == BAND_GO ? 'g' : report_band(o->o.mean) == BAND_MAYBE ?
		   'm' : 'b', "%s", text);
}

static void tile_opportunity(struct doc *doc, const struct report *r)
{
	const struct report_opportunity *o = &r->r->all;
	const enum report_band band = report_band(o->o.mean);
	char big[2 * REPORT_TEXT], number[REPORT_TEXT], range[REPORT_TEXT];

	if (isnan(o->o.mean)) {
		doc_tile(doc, 'n', "to be won: opportunity", "?", "cannot be told: %s", why_not(r));
		return;
	}
	snprintf(big, sizeof(big), "%s %% %s", report_number(number, "%.1f", 100 * o->o.mean),
		 report_band_name(band));
	doc_tile(doc, band == BAND_GO ? 'g' : band == BAND_MAYBE ? 'm' : 'b', "to be won: opportunity", big,
		 "%s over %s. Oracle against %s. GO above %.0f %%, NO-GO below %.0f %%.",
		 bounds(range, &o->o), report_level_name(o->level), r->r->best_baseline_name,
		 100 * REPORT_GO, 100 * REPORT_MAYBE);
}

static void tile_loss(struct doc *doc, const struct report *r, const struct report_rung *c)
{
	char title[REPORT_NAME + 40], big[2 * REPORT_TEXT], range[REPORT_TEXT], number[REPORT_TEXT],
		more[300];

	snprintf(title, sizeof(title), "%s against best static", c->name);
	if (isnan(c->loss.mean)) {
		doc_tile(doc, 'n', title, "?", "cannot be told: %s", isnan(r->r->all.o.mean) ? why_not(r) :
			 "it has no valid run in a trial that judges");
		return;
	}
	snprintf(big, sizeof(big), "%s %%", report_number(number, "%+.1f", 100 * c->loss.mean));
	if (c->verdict == VERDICT_UNDECIDED)
		needed(more, sizeof(more), c->units_needed, c->units, c->pairs, c->level);
	else
		snprintf(more, sizeof(more), "%s", c->verdict == VERDICT_HOLDS ? "no loss over 5 %: it holds" :
			 c->verdict == VERDICT_LOSES ? "over 5 % for sure: it loses" :
			 c->pairs == 1 ? "of one pair of runs there is no verdict" : "they are the same runs");
	doc_tile(doc, tone_of(c->verdict), title, big, "%s over %s; at most %s %% with 95 %% confidence: %s.",
		 bounds(range, &c->loss), report_level_name(c->level),
		 report_number(number, "%.1f", 100 * c->loss.upper), more);
}

static void tile_captured(struct doc *doc, const struct report *r, const struct report_rung *c)
{
	const bool clear = r->r->clear_families && !isnan(r->r->clear_captured.mean);
	const struct stats_interval *s = clear ? &r->r->clear_captured : &c->captured;
	char big[2 * REPORT_TEXT], range[REPORT_TEXT], where[160];

	if (isnan(s->mean)) {
		doc_tile(doc, 'n', "captured of it", "?", "cannot be told: %s", isnan(r->r->all.o.mean) ?
			 why_not(r) : isnan(c->loss.mean) ? "it has no valid run in a trial that judges" :
			 "the oracle gains hardly anything for sure over best static");
		return;
	}
	if (clear)
		snprintf(where, sizeof(where), "in the %zu families whose opportunity is above %.0f %% for sure",
			 r->r->clear_families, 100 * REPORT_CLEAR);
	else
		snprintf(where, sizeof(where), "in all that count; no family's opportunity is above %.0f %% "
			 "for sure", 100 * REPORT_CLEAR);
	report_number(range, "%.0f %%", 100 * s->mean);
	snprintf(big, sizeof(big), "%s", range);
	doc_tile(doc, s->mean >= CAPTURE_GOAL ? 'g' : 'm', "captured of it", big, "%s of what the oracle gains "
		 "over best static, %s. Goal: %.0f %%.", bounds(range, s), where, 100 * CAPTURE_GOAL);
}

static void tile_own(struct doc *doc, const struct report_rung *c)
{
	char big[REPORT_TEXT];

	doc_tile(doc, isnan(c->own) ? 'n' : c->own >= 0.5 ? 'g' : 'm', "its own decisions",
		 isnan(c->own) ? "?" : report_number(big, "%.0f %%", 100 * c->own), "%s", isnan(c->own) ?
		 "not recorded by this executor" : "taken by the policy itself; the others by its fallback");
}

void report_endpoint(struct doc *doc, const struct report *r)
{
	const struct report_result *x = r->r;
	char buf[REPORT_TEXT], p[REPORT_TEXT], what[300], more[300];

	snprintf(what, sizeof(what), "%s of %s against %s", r->d->endpoint, r->d->candidate,
		 r->d->reference);
	if (!x->primary) {
		doc_key(doc, 'n', "primary endpoint", "%s: %s", what, x->primary_missing);
		return;
	}
	if (isnan(x->endpoint.upper)) {
		doc_key(doc, 'n', "primary endpoint", "%s: %s %% by one pair of runs, which decides nothing",
			what, report_number(buf, "%+.1f", 100 * x->endpoint.mean));
		return;
	}
	if (x->endpoint_verdict == VERDICT_UNDECIDED)
		needed(more, sizeof(more), x->endpoint_units, x->endpoint_units_now, x->endpoint_pairs,
		       x->endpoint_level);
	else
		snprintf(more, sizeof(more), "%s", x->endpoint_verdict == VERDICT_HOLDS ? "no loss over 5 %" :
			 x->endpoint_verdict == VERDICT_LOSES ? "it loses" : "they are the same runs");
	doc_key(doc, tone_of(x->endpoint_verdict), "primary endpoint", "%s: %s %% (%s)", what,
		report_interval(buf, &x->endpoint, 100), report_level_name(x->endpoint_level));
	doc_key(doc, 'n', "", "at most %s %% with 95 %% confidence: %s. p of no difference on these "
		"workloads: %s, by %zu pairs of runs", report_number(buf, "%.1f", 100 * x->endpoint.upper),
		more, report_number(p, "%.2g", x->endpoint_p), x->endpoint_pairs);
}

void report_head(struct doc *doc, const struct report *r)
{
	const struct report_rung *c = candidate(r);

	answer(doc, r, c);
	tile_opportunity(doc, r);
	if (c) {
		tile_loss(doc, r, c);
		tile_captured(doc, r, c);
		tile_own(doc, c);
	}
	report_endpoint(doc, r);
}

void report_words(struct doc *doc, const struct report *r)
{
	doc_word(doc, "J", "what a run costs, one number, low is good: the weighted geometric mean of the "
		 "mean slowdowns of flows by size (up to 10 KB, 100 KB, 1 MB, larger) and of the link's rate "
		 "over the goodput. 10 %% more of it is 10 %% worse.");
	doc_word(doc, "slowdown", "time that a flow took over the time it would have taken alone.");
	doc_word(doc, "workload, family", "a kind of traffic; families are related kinds. Intervals over "
		 "families speak of traffic that was not measured, too.");
	doc_word(doc, "case", "a workload under a configuration (link rate, round-trip time). All policies of "
		 "a case met the same arrivals in a trial.");
	doc_word(doc, "K, threshold", "queue length in bytes from which packets are marked (ECN). static:12112 "
		 "is a fixed one of 12,112 bytes.");
	doc_word(doc, "oracle", "of each case, the static threshold that is best there. Nobody can know it "
		 "before; it is chosen by the first %zu trials, and only the others count.", r->d->select);
	doc_word(doc, "best static", "the one threshold that does best on the training workloads of other "
		 "families: what an operator could have set.");
	doc_word(doc, "best baseline", "the best of all that does not learn: kernel defaults, rules as bdp "
		 "(K = rate x RTT / 7), thresholds. One for all cases.");
	doc_word(doc, "opportunity", "(best baseline - oracle) / best baseline: what there is for a policy that "
		 "adapts. GO above %.0f %%, MAYBE from %.0f %%, NO-GO below.", 100 * REPORT_GO,
		 100 * REPORT_MAYBE);
	doc_word(doc, "loss", "policy / best static - 1. It holds if at most %.0f %% with 95 %% confidence.",
		 100 * REPORT_MARGIN);
	doc_word(doc, "captured", "(best static - policy) / (best static - oracle): 100 %% is as good as the "
		 "oracle, 0 %% as best static, below is worse than that.");
	doc_word(doc, "1.2 [0.3, 2.1]", "a mean and its 95 %% interval: where it would mostly be if all were "
		 "measured again, with other families, cases or trials as it says.");
	doc_word(doc, "p", "how often chance alone makes such a difference on these workloads. Holm: made "
		 "larger, as many were looked at.");
}

/* --- what stands in its way ------------------------------------------------------------------ */

static void missing(struct doc *doc, const struct report *r)
{
	const struct report_data *d = r->d;

	for (size_t p = 0; p < d->policies; p++) {
		char where[300] = "";
		size_t n = 0, at = 0;

		for (size_t c = 0; c < d->cases; c++) {
			/* What is still to be done is told as that. */
			if (!isnan(report_mean(d, c, p, 0, d->trials)) ||
			    (d->open && d->open[c * d->policies + p] &
			     (d->select ? REPORT_OPEN_SELECT : REPORT_OPEN)))
				continue;
			if (n++ < 3 && at < sizeof(where))
				at += snprintf(where + at, sizeof(where) - at, "%s%s", at ? "; " : "",
					       d->c[c].name);
		}
		if (n && n == d->cases)
			doc_note(doc, "%s has no valid run at all (%u absent, %u failed, %u invalid, %u "
				 "still to be done)", d->p[p].name, d->p[p].absent, d->p[p].failed,
				 d->p[p].invalid, d->p[p].pending);
		else if (n)
			doc_note(doc, "%s is missing in %zu of %zu cases (%s%s) and is compared in the "
				 "others only", d->p[p].name, n, d->cases, where, n > 3 ? "; ..." : "");
	}
}

static void notes_on_trials(struct doc *doc, const struct report *r)
{
	const struct report_data *d = r->d;
	size_t without = 0;

	if (!d->select)
		doc_note(doc, "There is one trial only%s. What is chosen must be judged by other trials than "
			 "it was chosen by, so there is no oracle, no best static threshold and no "
			 "verdict. Run the plan with trials = %d or more.", d->trials > 1 ?
			 " so far" : "", 2 * REPORT_FRESH);
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

void report_notes(struct doc *doc, const struct report *r)
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

