// SPDX-License-Identifier: GPL-2.0
/*
 * How the step threshold K changes the times of DCTCP flows: in the simulator, and whether another
 * one (selftests/lab/ns3) orders the values of K alike.
 *
 *	ktrend flows [--rate-mbps R] [--rtt-us R] [--load PERCENT] [--seconds S] [--seed N]
 *		     [--endless N] [--incast N] SIZES
 *	ktrend run FLOWS [K]
 *	ktrend compare NAME OTHER OURS ...
 *
 * "flows" prints a workload: "# KEY VALUE" lines, then "start_ns bytes" for each flow in the order
 * of time, with arrivals at random and sizes from the file; --endless adds so many flows that do not
 * end, --incast ten times a second so many flows of 20 KB at once. "run" simulates it for each of
 * ten K, or for one, and prints a line per K. A line's cost is that of the ladder: the weighted
 * geometric mean of the mean slowdowns of the four classes of flow size. "compare" reads two such
 * outputs for each workload and prints Kendall's tau over the K between them, for the cost and for
 * the mean slowdowns of flows up to 100 KB and above, and what the best K of ours costs more
 * in the other one than its own best, and how many times the CPU seconds that one took.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/rank.h"
#include "lib/rng.h"
#include "sim/sim.h"

#define K_VALUES	10
#define K_LEAST		6000
#define K_FACTOR	1.8
#define LIMIT_BYTES	4000000
#define INCAST_BYTES	20000
#define INCAST_PER_S	10
#define ENDLESS_BYTES	1000000000000ULL

static const double class_weight[SIM_CLASSES] = { 0.3, 0.3, 0.2, 0.2 };

/* One line of output. */
struct point {
	double k, cost, small, large;
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "ktrend: %s: %s\n", what, why);
	return 1;
}

static double k_value(int i)
{
	return round(K_LEAST * pow(K_FACTOR, i));
}

/* --- flows ------------------------------------------------------------------------ */

static int flows(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rate-mbps", 1, NULL, 0 }, { "rtt-us", 1, NULL, 1 }, { "load", 1, NULL, 2 },
		{ "seconds", 1, NULL, 3 }, { "seed", 1, NULL, 4 }, { "endless", 1, NULL, 5 },
		{ "incast", 1, NULL, 6 }, { 0 },
	};
	double v[] = { 1000, 500, 60, 2, 1, 0, 0 }, now_s = 0, next_incast_s = 0.05, per_s;
	struct rng gaps, sizes, root;
	struct dist d;
	struct sl_err e;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == '?')
			return 2;
		v[c] = atof(optarg);
	}
	if (optind + 1 != argc || !(v[0] > 0 && v[1] > 0 && v[2] >= 0 && v[3] > 0))
		return fail("flows", "needs one file of flow sizes, and numbers above 0");
	if (dist_read(argv[optind], &d, &e))
		return fail("flows", e.text);
	rng_seed(&root, (uint64_t)v[4]);
	rng_split(&root, 1, &gaps);
	rng_split(&root, 2, &sizes);
	per_s = v[2] / 100 * v[0] * 1e6 / 8 / dist_mean(&d);
	printf("# rate_bps %.0f\n# rtt_ns %.0f\n# until_ns %.0f\n", v[0] * 1e6, v[1] * 1e3,
	       v[3] * 1.25e9);
	for (int i = 0; i < (int)v[5]; i++)
		printf("%d %llu\n", i * 1000, ENDLESS_BYTES);
	for (;;) {
		now_s += per_s > 0 ? -log(1 - rng_uniform(&gaps)) / per_s : v[3];
		while (v[6] > 0 && next_incast_s < fmin(now_s, v[3])) {
			for (int i = 0; i < (int)v[6]; i++)
				printf("%.0f %d\n", next_incast_s * 1e9, INCAST_BYTES);
			next_incast_s += 1.0 / INCAST_PER_S;
		}
		if (now_s >= v[3])
			break;
		printf("%.0f %.0f\n", now_s * 1e9,
		       fmax(floor(dist_quantile(&d, rng_uniform(&sizes))), 1));
	}
	dist_free(&d);
	return 0;
}

/* --- run -------------------------------------------------------------------------- */

struct workload {
	double rate_bps, rtt_ns, until_ns;
	double *start_ns, *bytes;
	size_t n;
};

static int read_workload(const char *path, struct workload *w)
{
	FILE *f = fopen(path, "re");
	char line[256];

	if (!f)
		return fail(path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		double a, b;

		if (sscanf(line, "# rate_bps %lf", &w->rate_bps) == 1 ||
		    sscanf(line, "# rtt_ns %lf", &w->rtt_ns) == 1 ||
		    sscanf(line, "# until_ns %lf", &w->until_ns) == 1)
			continue;
		if (sscanf(line, "%lf %lf", &a, &b) != 2 || a < 0 || b < 1 ||
		    (w->n && a < w->start_ns[w->n - 1])) {
			fclose(f);
			return fail(path, "a line is no setting and no flow, or flows are not in order");
		}
		w->start_ns = realloc(w->start_ns, (w->n + 1) * sizeof(*w->start_ns));
		w->bytes = realloc(w->bytes, (w->n + 1) * sizeof(*w->bytes));
		if (!w->start_ns || !w->bytes)
			abort();
		w->start_ns[w->n] = a;
		w->bytes[w->n++] = b;
	}
	fclose(f);
	return w->rate_bps > 0 && w->rtt_ns > 0 && w->n ? 0 : fail(path, "not a workload");
}

static struct sim *simulate(const struct workload *w, double k)
{
	const struct sim_stage_params there = {
		.rate_bps = w->rate_bps, .delay_ns = (uint64_t)(w->rtt_ns / 2),
		.limit_bytes = LIMIT_BYTES, .aqm = { (uint32_t)k, (uint32_t)k, SLUICE_AQM_PPM },
	};
	const struct sim_stage_params back = { .delay_ns = (uint64_t)(w->rtt_ns / 2) };
	struct sim_flow_params flow = { .ack_path = 1, .cc = SIM_DCTCP, .ecn = true };
	struct sim *s = sim_new(1);
	int r = s && sim_add_stage(s, &there) >= 0 && sim_add_stage(s, &back) >= 0 &&
		sim_add_path(s, (uint16_t[]){ 0 }, 1) >= 0 &&
		sim_add_path(s, (uint16_t[]){ 1 }, 1) >= 0 ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < w->n; i++) {
		r = sim_run(s, (uint64_t)w->start_ns[i]);
		flow.bytes = (uint64_t)w->bytes[i];
		r = r ? r : sim_add_flow(s, &flow);
	}
	if (r >= 0)
		r = sim_run(s, (uint64_t)w->until_ns);
	if (r >= 0)
		return s;
	sim_free(s);
	return NULL;
}

static void print_point(const struct sim *s, double k, double seconds)
{
	double cost = 0, weights = 0, sum[2] = { 0 }, n[2] = { 0 };
	struct sim_flow_stats f;

	sim_flow_read(s, &f);
	for (int i = 0; i < SIM_CLASSES; i++) {
		const struct sim_class_stats *c = &f.class[i];

		if (!c->flows)
			continue;
		cost += class_weight[i] * log(c->slowdown_sum / c->flows);
		weights += class_weight[i];
		sum[i / 2] += c->slowdown_sum;
		n[i / 2] += c->flows;
	}
	printf("%.0f %.5f %.5f %.5f %llu %llu %.4f\n", k, exp(cost / weights),
	       n[0] > 0 ? sum[0] / n[0] : 0, n[1] > 0 ? sum[1] / n[1] : 0,
	       (unsigned long long)f.finished, (unsigned long long)f.unfinished, seconds);
	fflush(stdout);
}

static int run(int argc, char **argv)
{
	struct workload w = { 0 };
	int r = argc < 2 ? fail("run", "needs a file of flows") : read_workload(argv[1], &w);

	for (int i = 0; !r && i < (argc > 2 ? 1 : K_VALUES); i++) {
		const double k = argc > 2 ? atof(argv[2]) : k_value(i);
		const clock_t begin = clock();
		struct sim *s = simulate(&w, k);

		if (!s)
			r = fail("run", "out of memory");
		else
			print_point(s, k, (double)(clock() - begin) / CLOCKS_PER_SEC);
		sim_free(s);
	}
	free(w.start_ns);
	free(w.bytes);
	return r;
}

/* --- compare ----------------------------------------------------------------------- */

static int read_points(const char *path, struct point p[K_VALUES], double *seconds)
{
	FILE *f = fopen(path, "re");
	double used;
	int n = 0;

	if (!f)
		return fail(path, strerror(errno));
	*seconds = 0;
	while (n < K_VALUES && fscanf(f, "%lf %lf %lf %lf %*f %*f %lf", &p[n].k, &p[n].cost,
				      &p[n].small, &p[n].large, &used) == 5) {
		*seconds += used;
		n++;
	}
	fclose(f);
	return n == K_VALUES ? 0 : fail(path, "does not have ten lines of 'run'");
}

static double tau(const struct point *a, const struct point *b, size_t member)
{
	double x[K_VALUES], y[K_VALUES];

	for (int i = 0; i < K_VALUES; i++) {
		memcpy(&x[i], (const char *)&a[i] + member, sizeof(double));
		memcpy(&y[i], (const char *)&b[i] + member, sizeof(double));
	}
	return rank_kendall(x, y, K_VALUES);
}

/* Without flows of a size there is nothing to compare. */
static void print_tau(const struct point *a, const struct point *b, size_t member)
{
	const double t = tau(a, b, member);

	if (isnan(t))
		printf(" %9s", "-");
	else
		printf(" %9.2f", t);
}

static int best(const struct point *p)
{
	int b = 0;

	for (int i = 1; i < K_VALUES; i++)
		if (p[i].cost < p[b].cost)
			b = i;
	return b;
}

static int compare(int argc, char **argv)
{
	if (argc < 4 || argc % 3 != 1)
		return fail("compare", "needs names with two outputs each");
	printf("%-26s %9s %9s %9s   %8s %8s %8s   %8s\n", "workload", "tau cost", "small",
	       "large", "best K", "of ours", "regret", "speed");
	for (int a = 1; a < argc; a += 3) {
		struct point other[K_VALUES], ours[K_VALUES];
		double other_s, ours_s;

		if (read_points(argv[a + 1], other, &other_s) ||
		    read_points(argv[a + 2], ours, &ours_s))
			return 1;
		for (int i = 0; i < K_VALUES; i++)
			if (other[i].k != ours[i].k)
				return fail(argv[a + 2], "has other values of K");
		printf("%-26s", argv[a]);
		print_tau(other, ours, offsetof(struct point, cost));
		print_tau(other, ours, offsetof(struct point, small));
		print_tau(other, ours, offsetof(struct point, large));
		printf("   %8.0f %8.0f %6.1f %%   %6.0f x\n", other[best(other)].k, ours[best(ours)].k,
		       100 * (other[best(ours)].cost / other[best(other)].cost - 1),
		       other_s / fmax(ours_s, 1e-3));
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(int argc, char **argv); } verbs[] = {
		{ "flows", flows }, { "run", run }, { "compare", compare },
	};

	for (size_t i = 0; argc > 1 && i < 3; i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	return fail("usage", "ktrend flows|run|compare ...");
}
