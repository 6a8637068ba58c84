// SPDX-License-Identifier: GPL-2.0
/* The report from top to bottom. */
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

static void books(struct doc *doc, const struct report_data *d)
{
	char drain[REPORT_TEXT], cv[REPORT_TEXT];

	doc_key(doc, 'n', "plan", "%s (%s): %zu case%s in %zu famil%s, %zu policies, %zu trial%s",
		d->plan, d->executor, d->cases, d->cases == 1 ? "" : "s", d->families,
		d->families == 1 ? "y" : "ies", d->policies, d->trials, d->trials == 1 ? "" : "s");
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

	if (report_is_steering(d)) {
		report_endpoint(doc, r);
		books(doc, d);
		report_steering(doc, r);
		if (page)
			report_outcomes(doc, r);
		return;
	}
	report_head(doc, r);
	if (r->aa)
		doc_key(doc, 'n', "instrument", "J varies by %s %% between copies; choosing where there is "
			"nothing shows %s %%, %s %% at most in 95 of 100",
			report_number(buf, "%.1f", 100 * r->aa->cv),
			report_number(mean, "%.1f", 100 * r->aa->honest_mean),
			report_number(most, "%.1f", 100 * r->aa->honest_upper));
	books(doc, d);
	report_notes(doc, r);
	if (page)
		report_words(doc, r);
	if (d->select) {
		report_opportunity_tables(doc, r);
		if (page)
			report_plot_opportunity(doc, r, pictures);
		report_ladder_table(doc, r);
		if (page)
			report_plot_ladder(doc, r, pictures);
	}
	doc_brief(doc, !d->select);
	report_measured(doc, r);
	doc_brief(doc, false);
	if (page) {
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
		report_notes(doc, r);
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
