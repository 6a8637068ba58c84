// SPDX-License-Identifier: GPL-2.0
/*
 * What a campaign of the native lab says: each way of steering against the plan's reference, trial by trial.
 * Nothing is chosen there, so all trials count.
 */
#include "lab/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>


struct column {
	const char *metric, *head, *format;
	double scale;
};

/* As they are, on average; "-": not there. */
static const struct column columns[] = {
	{ "packets_per_s", "packets/s", "%.0f", 1 },
	{ "rr_p50_us", "p50 ms", "%.2f", 1e-3 },
	{ "rr_p99_us", "p99 ms", "%.1f", 1e-3 },
	{ "imbalance", "imbalance", "%.2f", 1 },
	{ "ring_wait_p50_us", "ring p50 us", "%.0f", 1 },
	{ "ring_drops", "ring drops", "%.1f", 1 },
	{ "backlog_drops", "other drops", "%.1f", 1 },
	{ "reordered_packets", "reordered", "%.1f", 1 },
	{ "retransmits", "again", "%.1f", 1 },
	{ "moves", "moves", "%.1f", 1 },
};
#define COLUMNS	(sizeof(columns) / sizeof(columns[0]))

bool report_is_steering(const struct report_data *d)
{
	return !strcmp(d->executor, "native");
}

static size_t reference(const struct report_data *d)
{
	size_t p = 0;

	while (p < d->policies && strcmp(d->p[p].name, d->reference))
		p++;
	return p;
}

/* exp of the mean ln(policy / reference) - 1 over trials of cases [from, to), and how many pairs those are. */
static size_t against(const struct report_data *d, size_t m, size_t p, size_t from, size_t to,
		      struct stats_interval *ret)
{
	const size_t other = reference(d);
	double *x = calloc((to - from) * d->trials + 1, sizeof(*x));
	size_t n = 0;

	*ret = (struct stats_interval){ NAN, NAN, NAN, NAN, NAN };
	for (size_t c = from; x && c < to && m < d->metrics && other < d->policies && p != other; c++)
		for (size_t t = 0; t < d->trials; t++) {
			const double a = d->m[m].value[report_at(d, c, p, t)];
			const double b = d->m[m].value[report_at(d, c, other, t)];

			if (a > 0 && b > 0)
				x[n++] = log(a / b);
		}
	if (n) {
		stats_interval_mean(x, n, ret);
		ret->mean = expm1(ret->mean);
		ret->low = expm1(ret->low);
		ret->high = expm1(ret->high);
	}
	free(x);
	return n;
}

static void rows_against(struct doc *doc, const struct report_data *d, size_t from, size_t to)
{
	static const char *const names[] = { "cpu_ns_per_packet", "rr_p50_us", "rr_p99_us", "J" };
	char text[4][REPORT_TEXT];

	doc_table(doc, "policy\trole\tpairs\tCPU time %\tp50 %\tp99 %\tJ %");
	for (size_t p = 0; p < d->policies; p++) {
		struct stats_interval x;
		const char *shown[4];
		size_t pairs = 0;

		for (int i = 0; i < 4; i++) {
			const size_t n = against(d, report_metric_find(d, names[i]), p, from, to, &x);

			pairs = i ? pairs : n;
			shown[i] = report_interval(text[i], &x, 100);
		}
		doc_row(doc, "%s\t%s\t%zu\t%s\t%s\t%s\t%s", d->p[p].name, lab_role_name(d->p[p].role), pairs,
			shown[0], shown[1], shown[2], shown[3]);
	}
}

/* Where CPU time goes, and the other figures of a case. */
static void rows_of_case(struct doc *doc, const struct report_data *d, size_t c)
{
	static const char *const parts[] = { "", " senders", " servers", " cpumap", " daemon" };
	char head[400] = "policy\tns a packet\tsenders\tservers\tcpumap\tdaemon";
	char row[800], number[REPORT_TEXT], name[64];

	for (size_t k = 0; k < COLUMNS; k++) {
		strncat(head, "\t", sizeof(head) - strlen(head) - 1);
		strncat(head, columns[k].head, sizeof(head) - strlen(head) - 1);
	}
	doc_table(doc, head);
	for (size_t p = 0; p < d->policies; p++) {
		size_t used = snprintf(row, sizeof(row), "%s", d->p[p].name);

		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
			snprintf(name, sizeof(name), "cpu_ns_per_packet%s", parts[i]);
			used += snprintf(row + used, sizeof(row) - used, "\t%s",
					 report_number(number, "%.0f", report_metric_mean(
						       d, report_metric_find(d, name), c, p, 0, d->trials)));
		}
		for (size_t k = 0; k < COLUMNS; k++) {
			const size_t m = report_metric_find(d, columns[k].metric);

			used += snprintf(row + used, sizeof(row) - used, "\t%s",
					 report_number(number, columns[k].format, columns[k].scale *
						       report_metric_mean(d, m, c, p, 0, d->trials)));
		}
		doc_row(doc, "%s", row);
	}
}

void report_steering(struct doc *doc, const struct report *r)
{
	const struct report_data *d = r->d;

	if (d->pending)
		doc_note(doc, "%zu of %zu runs are still to be done: this is how it stands, and not the result.",
			 d->pending, d->runs);
	doc_heading(doc, "Ways of steering");
	doc_text(doc, "Against %s in the same trial, in %% with 95 %% intervals over pairs. CPU time: of all who "
		 "take part, by packet; rps and rfs receive in interrupts that are in nobody's account, so "
		 "theirs is a lower bound. p50, p99: until a request is answered. J: of the flows.", d->reference);
	rows_against(doc, d, 0, d->cases);
	for (size_t c = 0; c < d->cases; c++) {
		doc_heading(doc, d->c[c].name);
		if (d->cases > 1)
			rows_against(doc, d, c, c + 1);
		doc_text(doc, "Means. CPU time in ns by packet, and whose it is; again: segments that were sent again.");
		rows_of_case(doc, d, c);
	}
}
