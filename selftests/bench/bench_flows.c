// SPDX-License-Identifier: GPL-2.0
/*
 * What the daemon's knowledge of flows costs, one line per figure: a look at the buckets, which
 * there is in every decision of a queue, and the way through a flow table with 100,000 entries,
 * without and with the large flows' bytes summed up on it. The way is made for ageing in any case;
 * of it 4096 entries each 250 ms.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/flow_census.h"
#include "objects.h"

#define ENTRIES		100000
#define SLICE		4096
#define SLICES_PER_S	4
#define PASSES		9
#define LOOKS		2000

struct walk {
	struct flow_census *census;	/* NULL: only look */
	unsigned int large;		/* one entry in so many is of a large flow */
	unsigned int n;
};

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int each(const struct steer_flow *f, void *data)
{
	struct walk *w = data;
	struct sluice_flow flow = f->flow;

	w->n++;
	if (!w->census)
		return 0;
	if (w->n % w->large == 0)
		flow.bytes = 1000000;
	return flow_census_see(w->census, &f->key, &flow);
}

/* One whole pass in slices: nanoseconds of CPU time per entry, the least of several. */
static int walk(struct steer *s, const char *name, struct flow_census *census, unsigned int large,
		struct sl_err *e)
{
	double best = 0, ns;
	int r = 0;

	for (unsigned int i = 0; i < PASSES; i++) {
		struct walk w = { .census = census, .large = large };
		struct steer_scan scan = { 0 };

		ns = cpu_ns();
		do
			r = steer_flow_scan(s, &scan, SLICE, each, &w, e);
		while (r > 0);
		if (r < 0)
			return r;
		if (census)
			flow_census_end(census, (i + 1) * 1000000000ULL, i, i);
		ns = (cpu_ns() - ns) / w.n;
		if (!best || ns < best)
			best = ns;
	}
	printf("flows/%s/entry_ns %.1f  (%d entries: %.2f ms of CPU time a second, and a pass takes "
	       "%.1f s)\n", name, best, ENTRIES, best * SLICE * SLICES_PER_S / 1e6,
	       (double)ENTRIES / SLICE / SLICES_PER_S);
	return 0;
}

static int look(struct steer *s, struct sl_err *e)
{
	struct bucket_set busy = { { 0 } };
	volatile double flows;
	double ns = cpu_ns();

	for (unsigned int i = 0; i < LOOKS; i++) {
		int r = steer_recent_buckets(s, 2, busy.word, e);

		if (r < 0)
			return r;
		flows = bucket_set_flows(&busy);
	}
	(void)flows;
	ns = (cpu_ns() - ns) / LOOKS;
	printf("flows/in_progress/look_ns %.0f  (%u RX queues: %.2f ms of CPU time a second with an "
	       "epoch of 50 ms)\n", ns, s->n_rxqs, ns * 20 / 1e6);
	return 0;
}

int main(void)
{
	struct flow_census census = { 0 };
	struct sl_err e = { "" };
	struct steer *s;
	int r;

	if (geteuid()) {
		fprintf(stderr, "bench_flows: run it as root\n");
		return 1;
	}
	s = instance_new(1 << 17, 1, 0, &e);
	r = s ? instance_fill(s, ENTRIES, false, &e) : -1;
	if (r == 0)
		r = look(s, &e);
	if (r == 0)
		r = walk(s, "walk", NULL, 1, &e);
	if (r == 0)
		r = walk(s, "walk_census_2_percent_large", &census, 50, &e);
	if (r == 0)
		r = walk(s, "walk_census_all_large", &census, 1, &e);
	flow_census_reset(&census);
	steer_close(s);
	if (r < 0)
		fprintf(stderr, "bench_flows: %s\n", e.text);
	return r < 0;
}
