// SPDX-License-Identifier: GPL-2.0
#include "policy/curve.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH	640
#define HEIGHT	320
#define MARGIN	50

int curve_add(struct curve *c, const struct curve_point *p)
{
	struct curve_point *more = realloc(c->point, (c->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	c->point = more;
	c->point[c->n++] = *p;
	return 0;
}

void curve_free(struct curve *c)
{
	free(c->point);
	*c = (struct curve){ 0 };
}

static void write_csv(const struct curve *c, const struct curve_names *names, FILE *f)
{
	fprintf(f, "episode,%s,%s\n", names->beside, names->plotted);
	for (size_t i = 0; i < c->n; i++)
		fprintf(f, "%" PRIu64 ",%.6f,%.6f\n", c->point[i].episode, c->point[i].beside,
			c->point[i].plotted);
}

static void write_svg(const struct curve *c, const struct curve_names *names, FILE *f)
{
	const double episodes = c->n ? c->point[c->n - 1].episode : 1;
	const double width = WIDTH - 2 * MARGIN, height = HEIGHT - 2 * MARGIN;
	double top = 0.1, bottom = 0;

	for (size_t i = 0; i < c->n; i++) {
		top = fmax(top, c->point[i].plotted);
		bottom = fmin(bottom, c->point[i].plotted);
	}
	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
		"<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"black\"/>\n"
		"<path d=\"M%d %.1fH%d\" fill=\"none\" stroke=\"silver\"/>\n",
		WIDTH, HEIGHT, MARGIN, MARGIN, HEIGHT - MARGIN, WIDTH - MARGIN, MARGIN,
		HEIGHT - MARGIN + height * bottom / (top - bottom), WIDTH - MARGIN);
	fprintf(f, "<text x=\"%d\" y=\"%d\">%s, %.2f to %.2f</text>\n"
		"<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.0f episodes</text>\n"
		"<polyline fill=\"none\" stroke=\"steelblue\" stroke-width=\"2\" points=\"", MARGIN,
		MARGIN - 10, names->text, bottom, top, WIDTH - MARGIN, HEIGHT - MARGIN + 20,
		episodes);
	for (size_t i = 0; i < c->n; i++)
		fprintf(f, "%.1f,%.1f ", MARGIN + width * c->point[i].episode / episodes,
			HEIGHT - MARGIN -
			height * (c->point[i].plotted - bottom) / (top - bottom));
	fputs("\"/>\n</svg>\n", f);
}

static int write_one(const struct curve *c, const struct curve_names *names, const char *name,
		     const char *ending,
		     void (*content)(const struct curve *, const struct curve_names *, FILE *),
		     struct sl_err *e)
{
	char path[4096];
	FILE *f;
	int r = 0;

	if (snprintf(path, sizeof(path), "%s.%s", name, ending) >= (int)sizeof(path))
		return sl_err(e, -ENAMETOOLONG, "%s: the name is too long", name);
	f = fopen(path, "we");
	if (!f)
		return sl_err(e, -errno, "%s: %s", path, strerror(errno));
	content(c, names, f);
	if (ferror(f))
		r = -EIO;
	if (fclose(f) && !r)
		r = -errno;
	return r ? sl_err(e, r, "%s: %s", path, strerror(-r)) : 0;
}

int curve_write(const struct curve *c, const struct curve_names *names, const char *name,
		struct sl_err *e)
{
	int r = write_one(c, names, name, "csv", write_csv, e);

	return r ? r : write_one(c, names, name, "svg", write_svg, e);
}
