// SPDX-License-Identifier: GPL-2.0
/* The pictures of the page. A plot that cannot be made is left out, and the page says so. */
#include "lab/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/plot.h"

#define WIDTH		860
#define ROW		20	/* of a list, in pixels */
#define CURVES_MAX	24	/* small pictures of J over K */
#define BINS		24
#define METRICS_MAX	18	/* in the picture of correlations */
#define TITLE_MAX	34	/* letters over a small picture, of four in a row */

#define BLUE		"#2f74c0"
#define RED		"#d1495b"
#define GREEN		"#2e9e5b"

static bool begin(struct plot *p, const char *name, unsigned int height, struct doc *doc,
		  struct report_pictures *pictures)
{
	struct sl_err e;

	/* Without gnuplot the page says so where the first picture would be. */
	if (*pictures->missing && !pictures->n)
		return false;
	if (!plot_begin(p, name, WIDTH, height, &e))
		return true;
	snprintf(pictures->missing, sizeof(pictures->missing), "%s", e.text);
	doc_note(doc, "A plot is missing here: %s", e.text);
	return false;
}

static void end(struct plot *p, const char *caption, struct doc *doc,
		struct report_pictures *pictures)
{
	struct sl_err e;
	char *svg;

	if (!plot_end(p, &svg, &e)) {
		doc_svg(doc, caption, svg);
		free(svg);
		pictures->n++;
		return;
	}
	if (!*pictures->missing)
		doc_note(doc, "%s missing: %s.", pictures->n ? "A plot is" : "All plots are", e.text);
	snprintf(pictures->missing, sizeof(pictures->missing), "%s", e.text);
}

/* A list of names on the vertical axis, the first on top. */
static void names_begin(struct plot *p)
{
	fputs("set grid xtics lc rgb 'gray' dt 3\nset ytics nomirror scale 0\nset border 1\n"
	      "set xtics nomirror\nset ytics (", p->script);
}

static void named(struct plot *p, const char *name, int at, bool *first)
{
	if (!*first)
		fputs(", ", p->script);
	*first = false;
	plot_quoted(p, name);
	fprintf(p->script, " %d", at);
}

/* A wide interval must not squeeze the others: beyond that it is cut. */
static double widest(double far, double limit)
{
	return fmin(fmax(far, 1), limit);
}

static void interval_row(struct plot *p, const struct stats_interval *s, int at)
{
	if (isnan(s->mean))
		return;
	fprintf(p->script, "%.4f %d %.4f %.4f\n", 100 * s->mean, at,
		100 * (isnan(s->low) ? s->mean : s->low), 100 * (isnan(s->high) ? s->mean : s->high));
}

void report_plot_opportunity(struct doc *doc, const struct report *r,
			     struct report_pictures *pictures)
{
	const struct report_data *d = r->d;
	double far = 30, least = -5;
	bool first = true;
	struct plot p;
	int at = 0;

	if (isnan(r->r->all.o.mean) || !begin(&p, "opportunity", 70 + ROW * (d->cases + 1), doc, pictures))
		return;
	for (size_t c = 0; c < d->cases; c++) {
		far = fmax(far, 105 * r->r->by_case[c].o.high);
		least = fmin(least, 105 * r->r->by_case[c].o.low);
	}
	names_begin(&p);
	named(&p, "all that count", 0, &first);
	for (size_t c = 0; c < d->cases; c++)
		named(&p, d->c[c].name, -(int)c - 1, &first);
	fprintf(p.script, ")\nset xrange [%.2f:%.2f]\nset yrange [%.1f:0.6]\nset xlabel 'opportunity, %%'\n",
		fmax(least, -100), widest(far, 100), -(double)d->cases - 0.6);
	fprintf(p.script, "set arrow from 0,graph 0 to 0,graph 1 nohead lc rgb 'black' lw 0.7\n"
		"set arrow from %.0f,graph 0 to %.0f,graph 1 nohead lc rgb '" RED "' dt 2\n"
		"set arrow from %.0f,graph 0 to %.0f,graph 1 nohead lc rgb '" GREEN "' dt 2\n"
		"set label 'MAYBE' at %.0f,graph 1 offset 0,0.5 center font ',9'\nset tmargin 1.5\n"
		"set label 'GO' at %.0f,graph 1 offset 2,0.5 font ',9'\n",
		100 * REPORT_MAYBE, 100 * REPORT_MAYBE, 100 * REPORT_GO, 100 * REPORT_GO,
		50 * (REPORT_MAYBE + REPORT_GO), 100 * REPORT_GO);
	fputs("plot '-' using 1:2:3:4 with xerrorbars pt 7 ps 0.7 lw 1.6 lc rgb '" BLUE "'\n", p.script);
	interval_row(&p, &r->r->all.o, at);
	for (size_t c = 0; c < d->cases; c++)
		interval_row(&p, &r->r->by_case[c].o, --at);
	fputs("e\n", p.script);
	end(&p, "Opportunity by workload with 95 % intervals; the dashed lines are the bands' borders.", doc,
	    pictures);
}

static bool single(const struct report_rung *g)
{
	return g->policy && g->policy->role == LAB_STATIC;
}

void report_plot_ladder(struct doc *doc, const struct report *r, struct report_pictures *pictures)
{
	const struct report_result *x = r->r;
	size_t *list = malloc((x->rungs + 1) * sizeof(*list)), n = 0;
	bool first = true, any = false;
	double far = 10, least = -5;
	struct plot p;

	if (!list)
		return;
	for (size_t i = 0; i < x->rungs; i++) {
		if (single(&x->rung[i]))
			continue;
		list[n++] = i;
		any |= !isnan(x->rung[i].over.mean);
		far = fmax(far, 105 * x->rung[i].over.high);
		least = fmin(least, 105 * x->rung[i].over.low);
	}
	if (!any || !begin(&p, "ladder", 60 + ROW * n, doc, pictures)) {
		free(list);
		return;
	}
	names_begin(&p);
	for (size_t i = 0; i < n; i++)
		named(&p, x->rung[list[i]].name, -(int)i, &first);
	fprintf(p.script, ")\nset xrange [%.2f:%.2f]\nset yrange [%.1f:0.6]\n"
		"set xlabel 'J over the oracle, %%'\n", fmax(least, -50), widest(far, 200),
		-(double)n + 0.4);
	fputs("set arrow from 0,graph 0 to 0,graph 1 nohead lc rgb 'black' lw 0.7\n"
	      "plot '-' using 1:2:3:4 with xerrorbars pt 7 ps 0.7 lw 1.6 lc rgb '" BLUE "', "
	      "'-' using 1:2:3:4 with xerrorbars pt 7 ps 0.7 lw 1.6 lc rgb '" GREEN "'\n", p.script);
	for (int learned = 0; learned < 2; learned++) {
		for (size_t i = 0; i < n; i++)
			if ((x->rung[list[i]].policy &&
			     report_is_learned(r->d, x->rung[list[i]].policy - r->d->p)) == learned)
				interval_row(&p, &x->rung[list[i]].over, -(int)i);
		/* A plot of nothing is an error. */
		fputs("NaN NaN NaN NaN\ne\n", p.script);
	}
	free(list);
	end(&p, "J over the oracle's with 95 % intervals, cut where they are very wide; learned policies in "
	    "green. Single thresholds are in the landscape.", doc, pictures);
}

/* J over the cheapest of the case, by all trials. */
static double relative(const struct report_data *d, size_t c, const size_t *column, size_t n, size_t i)
{
	double least = INFINITY;

	for (size_t k = 0; k < n; k++) {
		const double v = report_mean(d, c, column[k], 0, d->trials);

		least = v < least ? v : least;
	}
	return 100 * expm1(report_mean(d, c, column[i], 0, d->trials) - least);
}

/* Cells with a number in them; what has none stays empty. */
struct heat {
	const char *name, *caption, *palette, *format;
	size_t rows, columns;
	const char *(*column_name)(const struct report *r, const size_t *column, size_t i);
	double (*value)(const struct report *r, const size_t *column, size_t n, size_t row, size_t i);
	double least, most;		/* where colours end */
};

static void heat(const struct heat *h, const struct report *r, const size_t *column, struct doc *doc,
		 struct report_pictures *pictures)
{
	bool first = true, any = false;
	struct plot p;

	for (size_t c = 0; c < h->rows; c++)
		for (size_t i = 0; i < h->columns; i++)
			any |= !isnan(h->value(r, column, h->columns, c, i));
	if (!any || !begin(&p, h->name, 130 + ROW * h->rows, doc, pictures))
		return;
	fputs("set border 0\nset tics scale 0\nset xtics rotate by 40 right (", p.script);
	for (size_t i = 0; i < h->columns; i++)
		named(&p, h->column_name(r, column, i), i, &first);
	fputs(")\nset ytics (", p.script);
	first = true;
	for (size_t c = 0; c < h->rows; c++)
		named(&p, r->d->c[c].name, -(int)c, &first);
	/* Pale colours, and letters that they bear on both pages. */
	fprintf(p.script, ")\nset xrange [-0.5:%.1f]\nset yrange [%.1f:0.5]\nset cbrange [%g:%g]\n"
		"set palette defined (%s)\nunset colorbox\nset style fill solid 1 noborder\n"
		"plot '-' using 1:2:(0.5):(0.5):3 with boxxyerror lc palette, "
		"'-' using 1:2:3 with labels font ',9' tc rgb '#15181c'\n", h->columns - 0.5,
		-(double)h->rows + 0.5, h->least, h->most, h->palette);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t c = 0; c < h->rows; c++) {
			for (size_t i = 0; i < h->columns; i++) {
				const double v = h->value(r, column, h->columns, c, i);
				char text[REPORT_TEXT];

				if (isnan(v))
					continue;
				if (pass)
					fprintf(p.script, "%zu %d \"%s\"\n", i, -(int)c,
						report_number(text, h->format, v));
				else
					fprintf(p.script, "%zu %d %.3f\n", i, -(int)c,
						fmax(h->least, fmin(v, h->most)));
			}
		}
		fputs("e\n", p.script);
	}
	end(&p, h->caption, doc, pictures);
}

static const char *policy_name(const struct report *r, const size_t *column, size_t i)
{
	return r->d->p[column[i]].name;
}

static double relative_of(const struct report *r, const size_t *column, size_t n, size_t row, size_t i)
{
	return relative(r->d, row, column, n, i);
}

void report_plot_heat(struct doc *doc, const struct report *r, struct report_pictures *pictures)
{
	const struct report_data *d = r->d;
	size_t *column = malloc((d->policies + 1) * sizeof(*column)), n;

	if (!column)
		return;
	n = report_grid(d, column);
	for (size_t k = 0; k < d->policies; k++)
		if (d->p[k].role != LAB_STATIC && d->p[k].role != LAB_ORACLE)
			column[n++] = k;
	heat(&(struct heat){ "heat", "J over the cheapest of the workload, in %, by threshold or policy (all "
			     "trials). Green: nothing lost; red: 100 % or more.",
			     "0 '#d9efdf', 5 '#c8e6c0', 20 '#fbe6a1', 50 '#f4a261', 100 '#e0676a'", "%.0f",
			     d->cases, n, policy_name, relative_of, 0, 100 }, r, column, doc, pictures);
	free(column);
}

static const char *metric_name(const struct report *r, const size_t *column, size_t i)
{
	return r->d->m[r->p->correlation[column[i]].metric].name;
}

static double correlation_of(const struct report *r, const size_t *column, size_t n, size_t row, size_t i)
{
	(void)n;
	return r->p->by_case[column[i] * r->d->cases + row];
}

/* Where a metric goes with J in one case and against it in another: its interaction with the workload. */
void report_plot_metrics(struct doc *doc, const struct report *r, struct report_pictures *pictures)
{
	size_t column[METRICS_MAX], n = 0;

	while (n < METRICS_MAX && n < r->p->correlations) {
		column[n] = n;
		n++;
	}
	heat(&(struct heat){ "metrics", "Rank correlation of metrics with J, by workload, the strongest metrics "
			     "first. Red: more of it goes with a dearer run; blue: with a cheaper one. A column "
			     "with both colours means another thing in another workload.",
			     "-1 '#8db7e8', 0 '#f1f1ee', 1 '#ef9a8d'", "%.1f", r->d->cases, n, metric_name,
			     correlation_of, -1, 1 }, r, column, doc, pictures);
}

void report_plot_curves(struct doc *doc, const struct report *r, struct report_pictures *pictures)
{
	const struct report_data *d = r->d;
	size_t *step = malloc((d->policies + 1) * sizeof(*step)), n, per_row = 4, rows;
	size_t list[CURVES_MAX], shown = 0, all = 0;
	struct plot p;

	if (!step)
		return;
	n = report_grid(d, step);
	/* A picture of nothing is an error. */
	for (size_t c = 0; c < d->cases; c++) {
		size_t there = 0;

		for (size_t i = 0; i < n; i++)
			there += !isnan(relative(d, c, step, n, i));
		all += there > 1;
		if (there > 1 && shown < CURVES_MAX)
			list[shown++] = c;
		if (there > 1 && strlen(d->c[c].name) > TITLE_MAX)
			per_row = 3;
	}
	rows = (shown + per_row - 1) / per_row;
	if (!shown || !begin(&p, "curves", 40 + 150 * rows, doc, pictures)) {
		free(step);
		return;
	}
	/* Inside a multiplot a block is read once: data first. */
	for (size_t k = 0; k < shown; k++) {
		fprintf(p.script, "$d%zu << EOD\n", k);
		for (size_t i = 0; i < n; i++) {
			const double v = relative(d, list[k], step, n, i);

			if (!isnan(v))
				fprintf(p.script, "%.1f %.3f\n", d->p[step[i]].k_bytes / 1000, v);
		}
		fputs("EOD\n", p.script);
	}
	fprintf(p.script, "set multiplot layout %zu,%zu margins 0.06,0.98,%.3f,%.3f spacing 0.05,%.3f\n"
		"set logscale x\nset yrange [0:150<*<150]\nset ytics 50\nset border 3\nset tics nomirror font ',9'\n"
		"set xtics (\"10\" 10, \"100\" 100, \"1000\" 1000)\n"
		"set title font ',10' offset 0,-0.7\n", rows, per_row, 30.0 / (40 + 150 * rows),
		1 - 22.0 / (40 + 150 * rows), 0.3 / rows);
	for (size_t k = 0; k < shown; k++) {
		fputs("set title ", p.script);
		plot_quoted(&p, d->c[list[k]].name);
		fprintf(p.script, "\nplot $d%zu with linespoints pt 7 ps 0.4 lw 1.5 lc rgb '" BLUE "'\n", k);
	}
	fputs("unset multiplot\n", p.script);
	free(step);
	end(&p, shown < all ? "J over the cheapest threshold's, in %, over K in KB (the first ones; cut at 150 %)." :
	    "J over the cheapest threshold's, in %, over K in KB (cut at 150 %).", doc, pictures);
}

void report_plot_copies(struct doc *doc, const struct report *r, struct report_pictures *pictures)
{
	const struct report_data *d = r->aa_data;
	unsigned int bin[BINS] = { 0 };
	double *v = malloc((d->policies + 1) * sizeof(*v)), widest_of = 0.001;
	struct plot p;

	/* Relative to the mean of its case and trial: how far off is a run? */
	for (int pass = 0; v && pass < 2; pass++) {
		for (size_t i = 0; i < d->cases * d->trials; i++) {
			size_t n = 0;
			double mean;

			for (size_t k = 0; k < d->policies; k++) {
				const double x = d->cost[report_at(d, i / d->trials, k, i % d->trials)];

				if (!isnan(x))
					v[n++] = x;
			}
			mean = stats_mean(v, n);
			for (size_t k = 0; k < n; k++) {
				const double off = v[k] - mean;

				if (!pass)
					widest_of = fmax(widest_of, fabs(off));
				else
					bin[(int)fmin(BINS - 1, (off / widest_of + 1) / 2 * BINS)]++;
			}
		}
	}
	free(v);
	if (!begin(&p, "copies", 240, doc, pictures))
		return;
	fputs("set border 3\nset tics nomirror\nset style fill solid 0.7\nset yrange [0:*]\n"
	      "set xlabel 'J of a run over the mean of its case and trial, %'\nset ylabel 'runs'\n", p.script);
	fprintf(p.script, "set boxwidth %.5f\nplot '-' using 1:2 with boxes lc rgb '" BLUE "'\n",
		200 * widest_of / BINS * 0.9);
	for (int i = 0; i < BINS; i++)
		fprintf(p.script, "%.5f %u\n", 100 * widest_of * (2 * (i + 0.5) / BINS - 1), bin[i]);
	fputs("e\n", p.script);
	end(&p, "The copies of the A/A campaign: this is noise.", doc, pictures);
}
