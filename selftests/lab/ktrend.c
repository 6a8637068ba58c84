// SPDX-License-Identifier: GPL-2.0
/*
 * How the step threshold K changes the times of DCTCP flows: in the simulator, and whether another
 * one (selftests/lab/ns3) or Linux in the lab (selftests/lab/ktrend_kernel.sh) order the values of K alike.
 *
 *	ktrend flows [--rate-mbps R] [--rtt-us R] [--load PERCENT] [--seconds S] [--seed N]
 *		     [--endless N] [--incast N] [--lab-burst BYTES] SIZES
 *	ktrend run FLOWS [K]
 *	ktrend plan FLOWS
 *	ktrend measured FLOWS K TIMES SECONDS
 *	ktrend mean OUTPUT ...
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
 *
 * --lab-burst is for a workload of the kernel lab, whose TBF has that burst. It has other values of K, and
 * "run" then simulates what selftests/lab/topology.sh builds: the whole round trip is on the way
 * back, connections begin with a handshake, and a flow's time is until its answer is here. "plan"
 * prints what loadgen replays, without the endless flows ("# endless N" says how many); "measured"
 * makes a line like those of "run" from what loadgen --times wrote. "mean" averages outputs of the same
 * K, from several seeds, in the order of K.
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
#define LAB_K_LEAST	3000
#define LAB_HEADER	8	/* loadgen's, before the payload */
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

static double k_value(int i, bool lab)
{
	return round((lab ? LAB_K_LEAST : K_LEAST) * pow(K_FACTOR, i));
}

/* --- flows ------------------------------------------------------------------------ */

static int flows(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rate-mbps", 1, NULL, 0 }, { "rtt-us", 1, NULL, 1 }, { "load", 1, NULL, 2 },
		{ "seconds", 1, NULL, 3 }, { "seed", 1, NULL, 4 }, { "endless", 1, NULL, 5 },
		{ "incast", 1, NULL, 6 }, { "lab-burst", 1, NULL, 7 }, { 0 },
	};
	double v[] = { 1000, 500, 60, 2, 1, 0, 0, 0 }, now_s = 0, next_incast_s = 0.05, per_s;
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
	if (v[7] > 0)
		printf("# list_ns %.0f\n# endless %.0f\n# burst_bytes %.0f\n", v[3] * 1e9, v[5],
		       v[7]);
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
	double list_ns, burst_bytes;	/* the lab's, else 0 */
	size_t endless;
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
		    sscanf(line, "# until_ns %lf", &w->until_ns) == 1 ||
		    sscanf(line, "# list_ns %lf", &w->list_ns) == 1 ||
		    sscanf(line, "# burst_bytes %lf", &w->burst_bytes) == 1 ||
		    !strncmp(line, "# endless ", 10))
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
		w->endless += b >= ENDLESS_BYTES;
	}
	fclose(f);
	return w->rate_bps > 0 && w->rtt_ns > 0 && w->n ? 0 : fail(path, "not a workload");
}

static bool is_lab(const struct workload *w)
{
	return w->burst_bytes > 0;
}

/* What the lab measures of a flow: connection and answer take a round trip each. */
static void count_lab(const struct workload *w, double bytes, double fct_ns, struct sim_flow_stats *f)
{
	const double frames = ceil((bytes + LAB_HEADER) / SIM_MSS);
	const double alone_ns = 2 * w->rtt_ns + (bytes + LAB_HEADER + frames * SIM_HEADERS) * 8e9 / w->rate_bps;
	struct sim_class_stats *c = &f->class[sim_class_of((uint64_t)bytes)];

	f->finished++;
	c->flows++;
	c->slowdown_sum += fct_ns / alone_ns;
}

struct lab_watch {
	const struct workload *w;
	struct sim_flow_stats *f;
};

static void flow_ended(void *arg, const struct sim_flow_record *r)
{
	const struct lab_watch *l = arg;

	if (r->ended_ns)
		count_lab(l->w, (double)r->bytes - LAB_HEADER,
			  (double)(r->ended_ns - r->started_ns) + l->w->rtt_ns, l->f);
}

static int add_network(struct sim *s, const struct workload *w, double k)
{
	const uint64_t back_ns = (uint64_t)(is_lab(w) ? w->rtt_ns : w->rtt_ns / 2);
	const struct sim_stage_params there = {
		.rate_bps = w->rate_bps, .delay_ns = is_lab(w) ? 0 : back_ns,
		.limit_bytes = LIMIT_BYTES, .burst_bytes = (uint32_t)w->burst_bytes,
		.aqm = { (uint32_t)k, (uint32_t)k, SLUICE_AQM_PPM },
	};
	const struct sim_stage_params back = { .delay_ns = back_ns };

	return sim_add_stage(s, &there) >= 0 && sim_add_stage(s, &back) >= 0 &&
	       sim_add_path(s, (uint16_t[]){ 0 }, 1) >= 0 &&
	       sim_add_path(s, (uint16_t[]){ 1 }, 1) >= 0 ? 0 : -ENOMEM;
}

static int simulate(const struct workload *w, double k, struct sim_flow_stats *out)
{
	struct sim_flow_params flow = {
		.ack_path = 1, .cc = SIM_DCTCP, .ecn = true, .handshake = is_lab(w),
	};
	struct sim_flow_stats measured = { 0 };
	struct lab_watch watch = { w, &measured };
	struct sim *s = sim_new(1);
	int r = s ? add_network(s, w, k) : -ENOMEM;

	if (!r && is_lab(w))
		sim_watch_flows(s, flow_ended, &watch);
	for (size_t i = 0; r >= 0 && i < w->n; i++) {
		r = sim_run(s, (uint64_t)w->start_ns[i]);
		flow.bytes = (uint64_t)w->bytes[i] + (is_lab(w) ? LAB_HEADER : 0);
		r = r ? r : sim_add_flow(s, &flow);
	}
	if (r >= 0)
		r = sim_run(s, (uint64_t)w->until_ns);
	if (r >= 0)
		sim_flow_read(s, out);
	sim_free(s);
	if (is_lab(w)) {
		measured.unfinished = w->n - w->endless - measured.finished;
		*out = measured;
	}
	return r < 0 ? r : 0;
}

static void print_point(const struct sim_flow_stats *f, double k, double seconds)
{
	double cost = 0, weights = 0, sum[2] = { 0 }, n[2] = { 0 };

	for (int i = 0; i < SIM_CLASSES; i++) {
		const struct sim_class_stats *c = &f->class[i];

		if (!c->flows)
			continue;
		cost += class_weight[i] * log(c->slowdown_sum / c->flows);
		weights += class_weight[i];
		sum[i / 2] += c->slowdown_sum;
		n[i / 2] += c->flows;
	}
	printf("%.0f %.5f %.5f %.5f %llu %llu %.4f\n", k, exp(cost / weights),
	       n[0] > 0 ? sum[0] / n[0] : 0, n[1] > 0 ? sum[1] / n[1] : 0,
	       (unsigned long long)f->finished, (unsigned long long)f->unfinished, seconds);
	fflush(stdout);
}

static void free_workload(struct workload *w)
{
	free(w->start_ns);
	free(w->bytes);
}

static int run(int argc, char **argv)
{
	struct workload w = { 0 };
	int r = argc < 2 ? fail("run", "needs a file of flows") : read_workload(argv[1], &w);

	for (int i = 0; !r && i < (argc > 2 ? 1 : K_VALUES); i++) {
		const double k = argc > 2 ? atof(argv[2]) : k_value(i, is_lab(&w));
		const clock_t begin = clock();
		struct sim_flow_stats f;

		if (simulate(&w, k, &f))
			r = fail("run", "out of memory");
		else
			print_point(&f, k, (double)(clock() - begin) / CLOCKS_PER_SEC);
	}
	free_workload(&w);
	return r;
}

/* --- the lab ----------------------------------------------------------------------- */

static int plan(int argc, char **argv)
{
	struct workload w = { 0 };
	int r = argc != 2 ? fail("plan", "needs a file of flows") : read_workload(argv[1], &w);

	if (!r && !is_lab(&w))
		r = fail(argv[1], "was not made with --lab-burst");
	if (!r)
		printf("# duration_us=%.0f\n", w.list_ns / 1e3);
	for (size_t i = 0; !r && i < w.n; i++)
		if (w.bytes[i] < ENDLESS_BYTES)
			printf("%.0f %.0f %zu\n", w.start_ns[i] / 1e3, w.bytes[i], i % 2);
	free_workload(&w);
	return r;
}

static int measured(int argc, char **argv)
{
	struct sim_flow_stats f = { 0 };
	struct workload w = { 0 };
	double bytes, fct_ns;
	FILE *times;
	int r;

	if (argc != 5)
		return fail("measured", "needs flows, K, times and seconds");
	r = read_workload(argv[1], &w);
	times = r ? NULL : fopen(argv[3], "re");
	if (!r && !times)
		r = fail(argv[3], strerror(errno));
	while (!r && fscanf(times, "%*f %lf %lf", &bytes, &fct_ns) == 2) {
		if (fct_ns > 0)
			count_lab(&w, bytes, fct_ns, &f);
		else
			f.unfinished++;
	}
	if (times)
		fclose(times);
	free_workload(&w);
	if (!r && !f.finished)
		r = fail(argv[3], "no flow has finished");
	if (!r)
		print_point(&f, atof(argv[2]), atof(argv[4]));
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

static int by_k(const void *a, const void *b)
{
	const double *x = a, *y = b;	/* struct point's first member */

	return (*x > *y) - (*x < *y);
}

static int mean(int argc, char **argv)
{
	struct point sum[K_VALUES] = { 0 }, p[K_VALUES];
	double seconds = 0, used;
	const int n = argc - 1;

	if (n < 1)
		return fail("mean", "needs outputs");
	for (int a = 1; a < argc; a++) {
		if (read_points(argv[a], p, &used))
			return 1;
		qsort(p, K_VALUES, sizeof(*p), by_k);
		seconds += used;
		for (int i = 0; i < K_VALUES; i++) {
			if (a > 1 && p[i].k != sum[i].k)
				return fail(argv[a], "has other values of K");
			sum[i].k = p[i].k;
			sum[i].cost += p[i].cost / n;
			sum[i].small += p[i].small / n;
			sum[i].large += p[i].large / n;
		}
	}
	for (int i = 0; i < K_VALUES; i++)
		printf("%.0f %.5f %.5f %.5f 0 0 %.4f\n", sum[i].k, sum[i].cost, sum[i].small,
		       sum[i].large, seconds / K_VALUES);
	return 0;
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
		{ "flows", flows }, { "run", run }, { "plan", plan },
		{ "measured", measured }, { "mean", mean }, { "compare", compare },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	return fail("usage", "ktrend flows|run|plan|measured|mean|compare ...");
}
