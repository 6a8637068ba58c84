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
		"set label 'MAYBE' at %.0f,graph 1 offset 0,0.5 center\nset tmargin 1.5\n"
		"set label 'GO' at %.0f,graph 1 offset 0.5,0.5\n",
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

void report_plot_ladder(struct doc *doc, const struct report *r, struct report_pictures *pictures)
{
	const struct report_result *x = r->r;
	bool first = true, any = false;
	double far = 10, least = -5;
	struct plot p;

	for (size_t i = 0; i < x->rungs; i++) {
		any |= !isnan(x->rung[i].over.mean);
		far = fmax(far, 105 * x->rung[i].over.high);
		least = fmin(least, 105 * x->rung[i].over.low);
	}
	if (!any || !begin(&p, "ladder", 60 + ROW * x->rungs, doc, pictures))
		return;
	names_begin(&p);
	for (size_t i = 0; i < x->rungs; i++)
		named(&p, x->rung[i].name, -(int)i, &first);
	fprintf(p.script, ")\nset xrange [%.2f:%.2f]\nset yrange [%.1f:0.6]\n"
		"set xlabel 'J over the oracle, %%'\n", fmax(least, -50), widest(far, 200),
		-(double)x->rungs + 0.4);
	fputs("set arrow from 0,graph 0 to 0,graph 1 nohead lc rgb 'black' lw 0.7\n"
	      "plot '-' using 1:2:3:4 with xerrorbars pt 7 ps 0.7 lw 1.6 lc rgb '" BLUE "', "
	      "'-' using 1:2:3:4 with xerrorbars pt 7 ps 0.7 lw 1.6 lc rgb '" GREEN "'\n", p.script);
	for (int learned = 0; learned < 2; learned++) {
		for (size_t i = 0; i < x->rungs; i++)
			if ((x->rung[i].policy &&
			     report_is_learned(r->d, x->rung[i].policy - r->d->p)) == learned)
				interval_row(&p, &x->rung[i].over, -(int)i);
		/* A plot of nothing is an error. */
		fputs("NaN NaN NaN NaN\ne\n", p.script);
	}
	end(&p, "J over the oracle's with 95 % intervals; learned policies in green.", doc, pictures);
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

void report_plot_heat(struct doc *doc, const struct report *r, struct report_pictures *pictures)
{
	const struct report_data *d = r->d;
	size_t *column = malloc((d->policies + 1) * sizeof(*column)), n;
	bool first = true;
	struct plot p;

	if (!column)
		return;
	n = report_grid(d, column);
	for (size_t k = 0; k < d->policies; k++)
		if (d->p[k].role != LAB_STATIC && d->p[k].role != LAB_ORACLE)
			column[n++] = k;
	if (!n || !begin(&p, "heat", 130 + ROW * d->cases, doc, pictures)) {
		free(column);
		return;
	}
	fputs("set border 0\nset tics scale 0\nset xtics rotate by 40 right (", p.script);
	for (size_t i = 0; i < n; i++)
		named(&p, d->p[column[i]].name, i, &first);
	fputs(")\nset ytics (", p.script);
	first = true;
	for (size_t c = 0; c < d->cases; c++)
		named(&p, d->c[c].name, -(int)c, &first);
	/* Pale where it is cheap, and letters that both page colours and these bear. */
	fprintf(p.script, ")\nset xrange [-0.5:%.1f]\nset yrange [%.1f:0.5]\nset cbrange [0:100]\n"
		"set palette defined (0 '#d9efdf', 5 '#c8e6c0', 20 '#fbe6a1', 50 '#f4a261', 100 '#e0676a')\n"
		"unset colorbox\nplot '-' using 1:2:3 with image pixels, "
		"'-' using 1:2:3 with labels font ',9' tc rgb '#15181c'\n", n - 0.5, -(double)d->cases + 0.5);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t c = 0; c < d->cases; c++) {
			for (size_t i = 0; i < n; i++) {
				const double v = relative(d, c, column, n, i);

				if (pass && isnan(v))
					fprintf(p.script, "%zu %d \"\"\n", i, -(int)c);
				else if (pass)
					fprintf(p.script, "%zu %d \"%.0f\"\n", i, -(int)c, v);
				else if (isnan(v))
					fprintf(p.script, "%zu %d NaN\n", i, -(int)c);
				else
					fprintf(p.script, "%zu %d %.2f\n", i, -(int)c, fmin(v, 100));
			}
		}
		fputs("e\n", p.script);
	}
	free(column);
	end(&p, "J over the cheapest of the workload, in %, by threshold or policy (all trials).", doc,
	    pictures);
}

void report_plot_curves(struct doc *doc, const struct report *r, struct report_pictures *pictures)
{
	const struct report_data *d = r->d;
	const size_t shown = d->cases < CURVES_MAX ? d->cases : CURVES_MAX, rows = (shown + 3) / 4;
	size_t *step = malloc((d->policies + 1) * sizeof(*step)), n;
	struct plot p;

	if (!step)
		return;
	n = report_grid(d, step);
	if (n < 2 || !begin(&p, "curves", 40 + 150 * rows, doc, pictures)) {
		free(step);
		return;
	}
	/* Inside a multiplot a block is read once: data first. */
	for (size_t c = 0; c < shown; c++) {
		fprintf(p.script, "$d%zu << EOD\n", c);
		for (size_t i = 0; i < n; i++) {
			const double v = relative(d, c, step, n, i);

			if (!isnan(v))
				fprintf(p.script, "%.1f %.3f\n", d->p[step[i]].k_bytes / 1000, v);
		}
		fputs("EOD\n", p.script);
	}
	fprintf(p.script, "set multiplot layout %zu,4 margins 0.06,0.98,%.3f,%.3f spacing 0.05,%.3f\n"
		"set logscale x\nset yrange [0:150<*<150]\nset ytics 50\nset border 3\nset tics nomirror font ',9'\n"
		"set xtics (\"10\" 10, \"100\" 100, \"1000\" 1000)\n"
		"set title font ',10' offset 0,-0.7\n", rows, 30.0 / (40 + 150 * rows),
		1 - 22.0 / (40 + 150 * rows), 0.3 / rows);
	for (size_t c = 0; c < shown; c++) {
		fputs("set title ", p.script);
		plot_quoted(&p, d->c[c].name);
		fprintf(p.script, "\nplot $d%zu with linespoints pt 7 ps 0.4 lw 1.5 lc rgb '" BLUE "'\n", c);
	}
	fputs("unset multiplot\n", p.script);
	free(step);
	end(&p, shown < d->cases ? "J over the cheapest threshold's, in %, over K in KB (the first ones; cut at 150 %)." :
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
