// SPDX-License-Identifier: GPL-2.0
#include "lab/arrivals.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rng.h"

#define SENDERS		2
#define BLOCK_BYTES	20000	/* of an incast sender */
#define INCAST_SHARE	0.1	/* of the rate */
#define ARRIVALS_MAX	2000000

struct arrival {
	double at_s, bytes;
	unsigned int sender, list, order;
};

struct drawing {
	const struct workload *w;
	double rate_bps, seconds;
	struct arrival *a;
	size_t n, room;
	struct rng gaps, sizes, who, kind, incast;
};

static const char *const list_name[ARRIVALS_LISTS] = { "dctcp", "cubic", "plain" };

const char *arrivals_list_name(enum arrivals_list l)
{
	return list_name[l];
}

static int add(struct drawing *d, double at_s, double bytes, unsigned int sender, unsigned int list)
{
	if (d->n == ARRIVALS_MAX)
		return -E2BIG;
	if (d->n == d->room) {
		const size_t room = d->room ? 2 * d->room : 1024;
		void *more = reallocarray(d->a, room, sizeof(*d->a));

		if (!more)
			return -ENOMEM;
		d->a = more;
		d->room = room;
	}
	d->a[d->n] = (struct arrival){ at_s, fmax(bytes, 1), sender, list, d->n };
	d->n++;
	return 0;
}

static unsigned int phase_at(const struct workload *w, double t_s)
{
	return w->phases > 1 ? (unsigned int)(t_s / w->phase_s) % w->phases : 0;
}

static double phase_end(const struct drawing *d, double t_s)
{
	const struct workload *w = d->w;

	return w->phases > 1 ? fmin((floor(t_s / w->phase_s) + 1) * w->phase_s, d->seconds) : d->seconds;
}

static double exponential(struct rng *rng, double mean)
{
	return -log(1 - rng_uniform(rng)) * mean;
}

static int draw_flow(struct drawing *d, double t_s, const struct dist *sizes)
{
	const double kind = rng_uniform(&d->kind);
	const double bytes = dist_quantile(sizes, rng_uniform(&d->sizes));
	const unsigned int sender = rng_below(&d->who, SENDERS);

	if (kind < d->w->cubic)
		return add(d, t_s, bytes, 1, ARRIVALS_PLAIN);
	if (kind < d->w->cubic + d->w->ecn_cubic)
		return add(d, t_s, bytes, 0, ARRIVALS_CUBIC);
	return add(d, t_s, bytes, sender, ARRIVALS_DCTCP);
}

static int draw_phase(struct drawing *d, double from_s, struct sl_err *e)
{
	const unsigned int phase = phase_at(d->w, from_s + 1e-9);
	const struct workload_phase *p = &d->w->phase[phase];
	const double end_s = phase_end(d, from_s + 1e-9);
	struct dist sizes;
	double gap_s, t_s = from_s;
	int r = workload_sizes(d->w, phase, d->rate_bps, &sizes, e);

	if (r)
		return r;
	gap_s = dist_mean(&sizes) * 8 / (p->kernel_load * d->rate_bps);
	while (!r && (t_s += exponential(&d->gaps, gap_s)) < end_s)
		r = draw_flow(d, t_s, &sizes);
	dist_free(&sizes);
	t_s = from_s;
	gap_s = p->incast * BLOCK_BYTES * 8 / (INCAST_SHARE * d->rate_bps);
	while (!r && p->incast && (t_s += exponential(&d->incast, gap_s)) < end_s)
		for (unsigned int i = 0; !r && i < p->incast; i++)
			r = add(d, t_s, BLOCK_BYTES, i % SENDERS, ARRIVALS_DCTCP);
	return r ? sl_err(e, r, r == -E2BIG ? "a run has more than %d flows: make it shorter, or its "
			  "rate lower" : "out of memory", ARRIVALS_MAX) : 0;
}

static int by_time(const void *a, const void *b)
{
	const struct arrival *x = a, *y = b;

	if (x->at_s != y->at_s)
		return x->at_s < y->at_s ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int write_list(const struct drawing *d, unsigned int list, uint64_t seed, const char *base,
		      struct sl_err *e)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s.%s", base, list_name[list]);
	f = fopen(path, "we");
	if (!f)
		return sl_err(e, -errno, "cannot write %s: %s", path, strerror(errno));
	fprintf(f, "# duration_us=%.0f seed=%" PRIu64 " workload=%s\n", d->seconds * 1e6, seed, d->w->name);
	for (size_t i = 0; i < d->n; i++)
		if (d->a[i].list == list)
			fprintf(f, "%.0f %.0f %u\n", d->a[i].at_s * 1e6, d->a[i].bytes, d->a[i].sender);
	return fclose(f) ? sl_err(e, -errno, "cannot write %s: %s", path, strerror(errno)) : 0;
}

int arrivals_write(const struct workload *w, double rate_bps, double seconds, uint64_t seed,
		   const char *base, struct sl_err *e)
{
	struct drawing d = { .w = w, .rate_bps = rate_bps, .seconds = seconds };
	struct rng root;
	int r = 0;

	rng_seed(&root, seed);
	rng_split(&root, 1, &d.gaps);
	rng_split(&root, 2, &d.sizes);
	rng_split(&root, 3, &d.who);
	rng_split(&root, 4, &d.kind);
	rng_split(&root, 5, &d.incast);
	for (double t_s = 0; !r && t_s < seconds - 1e-9; t_s = phase_end(&d, t_s + 1e-9))
		r = draw_phase(&d, t_s, e);
	if (!r)
		qsort(d.a, d.n, sizeof(*d.a), by_time);
	for (unsigned int l = 0; !r && l < ARRIVALS_LISTS; l++)
		if (l == ARRIVALS_DCTCP || (l == ARRIVALS_CUBIC ? w->ecn_cubic : w->cubic) > 0)
			r = write_list(&d, l, seed, base, e);
	free(d.a);
	return r;
}
