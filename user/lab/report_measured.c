// SPDX-License-Identifier: GPL-2.0
/*
 * What was measured, as it is: no choice, no test. It is all that can be said of a single trial, and
 * tells who knows milliseconds and kilobytes what a J is made of.
 */
#include "lab/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* times: of values that are never 0, their geometric mean: cases differ by orders of magnitude. */
static const struct column {
	const char *title, *metric;
	double scale;
	const char *format;
	bool times;
} columns[] = {
	{ "J", "J", 1, "%.3g", true },
	{ "goodput, % of link", "goodput_share", 100, "%.1f", false },
	{ "FCT to 10 KB, ms", "fct_mean_us 10k", 1e-3, "%.4g", true },
	{ "FCT to 100 KB, ms", "fct_mean_us 100k", 1e-3, "%.4g", true },
	{ "FCT to 1 MB, ms", "fct_mean_us 1m", 1e-3, "%.4g", true },
	{ "FCT larger, ms", "fct_mean_us large", 1e-3, "%.4g", true },
	{ "FCT p99, ms", "fct_p99_us all", 1e-3, "%.4g", true },
	{ "queue, KB", "queue_bytes", 1e-3, "%.3g", false },
	{ "delay p50, ms", "latency_p50_us", 1e-3, "%.3g", false },
	{ "delay p99, ms", "latency_p99_us", 1e-3, "%.3g", false },
	{ "marked, %", "marks_share", 100, "%.2g", false },
	{ "dropped, %", "drops_share", 100, "%.2g", false },
	{ "retransmits", "retransmits", 1, "%.3g", false },
	{ "reordered", "reordered_packets", 1, "%.3g", false },
	{ "CPU, %", "cpu_share all", 100, "%.1f", false },
	{ "K, KB", "k_bytes", 1e-3, "%.4g", true },
};
#define COLUMNS	(sizeof(columns) / sizeof(columns[0]))

/* Cases that everybody was measured in who was measured at all; where there are none, all. */
static bool *common(const struct report *r)
{
	const struct report_data *d = r->d;
	bool *use = calloc(d->cases + 1, sizeof(*use)), *there = calloc(d->policies + 1, sizeof(*there));
	size_t n = 0;

	for (size_t c = 0; use && there && c < d->cases; c++)
		for (size_t p = 0; r->r->headline[c] && p < d->policies; p++)
			there[p] |= !isnan(report_mean(d, c, p, 0, d->trials));
	for (size_t c = 0; use && there && c < d->cases; c++) {
		use[c] = r->r->headline[c];
		for (size_t p = 0; p < d->policies; p++)
			use[c] &= !there[p] || !isnan(report_mean(d, c, p, 0, d->trials));
		n += use[c];
	}
	for (size_t c = 0; use && !n && c < d->cases; c++)
		use[c] = r->r->headline[c];
	free(there);
	return use;
}

static double value(const struct report_data *d, const struct column *k, const bool *use, size_t p)
{
	const size_t m = report_metric_find(d, k->metric);
	double sum = 0;
	size_t n = 0;

	for (size_t c = 0; c < d->cases; c++) {
		const double v = report_metric_mean(d, m, c, p, 0, d->trials);

		if (!use[c] || isnan(v) || (k->times && !(v > 0)))
			continue;
		sum += k->times ? log(v) : v;
		n++;
	}
	return n ? k->scale * (k->times ? exp(sum / n) : sum / n) : NAN;
}

void report_measured(struct doc *doc, const struct report *r)
{
	const struct report_data *d = r->d;
	bool *use = common(r), has[COLUMNS] = { false };
	char line[1000], buf[REPORT_TEXT];
	size_t at, cases = 0;

	if (!use)
		return;
	for (size_t c = 0; c < d->cases; c++)
		cases += use[c];
	for (size_t i = 0; i < COLUMNS; i++)
		for (size_t p = 0; p < d->policies; p++)
			has[i] |= !isnan(value(d, &columns[i], use, p));
	doc_heading(doc, "What was measured");
	doc_text(doc, "Means over all trials of the %zu cases%s in which all of these policies were measured, "
		 "of J, times and thresholds geometric ones. No choice and no test: small differences may be "
		 "noise. FCT: flow completion time by size of flow; delay: in the queue; K: threshold in force.",
		 cases, r->r->held_out ? " for the test" : "");
	at = snprintf(line, sizeof(line), "policy\truns");
	for (size_t i = 0; i < COLUMNS; i++)
		if (has[i])
			at += snprintf(line + at, sizeof(line) - at, "\t%s", columns[i].title);
	doc_table(doc, line);
	for (size_t p = 0; p < d->policies; p++) {
		if (!d->p[p].done)
			continue;
		at = snprintf(line, sizeof(line), "%s\t%u", d->p[p].name, d->p[p].done);
		for (size_t i = 0; i < COLUMNS; i++)
			if (has[i])
				at += snprintf(line + at, sizeof(line) - at, "\t%s",
					       report_number(buf, columns[i].format,
							     value(d, &columns[i], use, p)));
		doc_row(doc, "%s", line);
	}
	free(use);
}
