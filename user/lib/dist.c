// SPDX-License-Identifier: GPL-2.0
#include "lib/dist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int append(struct dist *d, double bytes, double share)
{
	double *b, *s;

	b = realloc(d->bytes, (d->n + 1) * sizeof(*b));
	if (b)
		d->bytes = b;
	s = realloc(d->share, (d->n + 1) * sizeof(*s));
	if (s)
		d->share = s;
	if (!b || !s)
		return -ENOMEM;
	d->bytes[d->n] = bytes;
	d->share[d->n++] = share;
	return 0;
}

static int read_line(const char *line, const char *path, unsigned int number, struct dist *d,
		     struct sl_err *e)
{
	double bytes, share;
	char rest;

	line += strspn(line, " \t");
	if (*line == '#' || *line == '\n' || !*line)
		return 0;
	if (sscanf(line, "%lf %lf %c", &bytes, &share, &rest) != 2)
		return sl_err(e, -EINVAL, "%s:%u: not 'bytes cumulative'", path, number);
	if (!(bytes >= 0 && bytes < 1e15 && share >= 0 && share <= 100))
		return sl_err(e, -EINVAL, "%s:%u: bytes must be 0 to 1e15, shares 0 to 100", path,
			      number);
	if (d->n && (bytes < d->bytes[d->n - 1] || share < d->share[d->n - 1]))
		return sl_err(e, -EINVAL, "%s:%u: sizes and shares must not decrease", path, number);
	return append(d, bytes, share) ? sl_err(e, -ENOMEM, "out of memory") : 0;
}

int dist_read(const char *path, struct dist *ret, struct sl_err *e)
{
	struct dist d = { 0 };
	FILE *f = fopen(path, "re");
	unsigned int number = 0;
	char line[256];
	double all;
	int r = 0;

	if (!f)
		return sl_err(e, -errno, "%s: %s", path, strerror(errno));
	while (!r && fgets(line, sizeof(line), f))
		r = read_line(line, path, ++number, &d, e);
	fclose(f);
	if (!r && (d.n < 2 || d.share[d.n - 1] <= 0 || d.bytes[d.n - 1] <= 0))
		r = sl_err(e, -EINVAL, "%s: needs two or more lines 'bytes cumulative'", path);
	if (r) {
		dist_free(&d);
		return r;
	}
	/* Whatever the last share is called (1, 100), it is all flows. */
	all = d.share[d.n - 1];
	for (size_t i = 0; i < d.n; i++)
		d.share[i] /= all;
	*ret = d;
	return 0;
}

void dist_free(struct dist *d)
{
	free(d->bytes);
	free(d->share);
	*d = (struct dist){ 0 };
}

double dist_mean(const struct dist *d)
{
	double sum = d->share[0] * d->bytes[0];

	for (size_t i = 1; i < d->n; i++)
		sum += (d->share[i] - d->share[i - 1]) * (d->bytes[i] + d->bytes[i - 1]) / 2;
	return sum;
}

double dist_quantile(const struct dist *d, double u)
{
	double share;
	size_t i;

	if (u <= d->share[0])
		return d->bytes[0];
	for (i = 1; i < d->n - 1 && u > d->share[i]; i++)
		;
	share = d->share[i] - d->share[i - 1];
	return d->bytes[i - 1] +
	       (share > 0 ? (u - d->share[i - 1]) / share : 0) * (d->bytes[i] - d->bytes[i - 1]);
}
