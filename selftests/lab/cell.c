// SPDX-License-Identifier: GPL-2.0
/*
 * The record of one run in the kernel lab, as a line of JSON (user/lab/record.h), from what block.sh has
 * left in a directory:
 *
 *	times.LIST load.LIST	of loadgen; flows in the order of the job's list of arrivals
 *	queue			of qwatch
 *	sluice			of watch, where the qdisc is ours
 *	policy			"sluice -j policy show", where the daemon decided
 *	cpu.0 cpu.1 tcp.0 tcp.1	/proc/stat, and the senders' netstat, before and after
 *
 *	cell JOB DIRECTORY			what was measured
 *	cell JOB DIRECTORY failed|absent TEXT	why nothing was
 *
 * A flow alone takes two round-trip times, of which one is the handshake's, and its bytes' time on the link.
 */
#include "job.h"

#include "lab/arrivals.h"
#include "lab/objective.h"
#include "lab/sim_run.h"

#define DRAIN_S		5	/* that loadgen gives open flows */
#define SEGMENT		1448.0
#define HEADERS		66
#define SWITCH_S	0.3	/* around a change of the rate nothing is concluded from it */
#define CPUS_MAX	64

/* Number i of a list of words. */
static double nth(const char *list, unsigned int i)
{
	char *end;
	double v = strtod(list, &end);

	while (i-- && *end)
		v = strtod(end, &end);
	return v;
}

static unsigned int words(const char *list)
{
	unsigned int n = 0;

	for (const char *at = list; *at; at += strcspn(at, " "), at += strspn(at, " "))
		n++;
	return n;
}

/* --- flows ---------------------------------------------------------------------------- */

static void read_flows(const char *list, struct flow_list *flows)
{
	const double rate_bps = number("rate_mbps") * 1e6, rtt_s = number("rtt_us") / 1e6;
	const unsigned int rtts = words(text("rtts"));
	char path[1024], line[256];
	double start_ns, bytes, fct_ns;
	FILE *times, *arrivals;
	unsigned int sender;

	snprintf(path, sizeof(path), "times.%s", list);
	times = open_in(path);
	snprintf(path, sizeof(path), "%s.%s", text("arrivals"), list);
	arrivals = fopen(path, "re");
	if (!times || !arrivals)
		die(path);
	while (fgets(line, sizeof(line), arrivals)) {
		struct measured_flow f = { .unfinished = false };
		double alone_s;

		if (line[0] == '#')
			continue;
		if (sscanf(line, "%*s %*s %u", &sender) != 1 ||
		    fscanf(times, "%lf %lf %lf", &start_ns, &bytes, &fct_ns) != 3)
			die("the flows' times are not those of the arrivals");
		alone_s = 2 * rtt_s * nth(text("rtts"), sender % rtts) +
			(bytes * (1 + HEADERS / SEGMENT) + HEADERS) * 8 / rate_bps;
		f.bytes = bytes;
		f.start_s = start_ns / 1e9;
		f.unfinished = fct_ns <= 0;
		f.fct_us = f.unfinished ? (number("seconds") + DRAIN_S - f.start_s) * 1e6 : fct_ns / 1e3;
		f.slowdown = f.fct_us / 1e6 / alone_s;
		flow_list_add(flows, &f);
	}
	fclose(times);
	fclose(arrivals);
}

/* Sums over the lists' reports; *goodput_share of the mean rate. */
static void add_load(struct record *r, double t1_s, double *goodput_share)
{
	static const char *const lists[] = { "dctcp", "cubic", "plain" };
	double goodput = 0, again = 0, delivered = 0, marked = 0, failed = 0, late = 0, rate = 0;

	for (int i = 0; i < ARRIVALS_LISTS; i++) {
		char name[32];
		json_t *o;

		snprintf(name, sizeof(name), "load.%s", lists[i]);
		o = json_in(name);
		if (!o)
			continue;
		goodput += get(o, "goodput_bps");
		again += get(o, "retransmits");
		delivered += get(o, "delivered_packets");
		marked += get(o, "ce_packets");
		failed += get(o, "failed");
		late = fmax(late, get(o, "late_mean_us"));
		json_decref(o);
	}
	for (unsigned int i = 0; i < words(text("rates")); i++)
		rate += nth(text("rates"), i) / words(text("rates")) * number("rate_mbps") * 1e6;
	*goodput_share = goodput / rate;
	record_whole(r, "goodput_bps", "", t1_s, goodput, 0);
	record_whole(r, "goodput_share", "", t1_s, *goodput_share, 0);
	record_whole(r, "retransmits", "", t1_s, again, delivered);
	record_whole(r, "marks_share", "", t1_s, delivered > 0 ? marked / delivered : NAN, delivered);
	record_whole(r, "late_mean_us", "", t1_s, late, 0);
	record_whole(r, "lost_connections", "", t1_s, failed, 0);
}

/* --- the queue --------------------------------------------------------------------------- */

struct sample {
	double t_s, backlog, bytes, packets, drops;
};

static size_t read_samples(struct sample **ret)
{
	FILE *f = open_in("queue");
	struct sample *s = NULL, x;
	size_t n = 0, room = 0;

	while (f && fscanf(f, "%lf %lf %lf %lf %lf", &x.t_s, &x.backlog, &x.bytes, &x.packets,
			   &x.drops) == 5) {
		if (n == room) {
			room = room ? 2 * room : 1024;
			s = reallocarray(s, room, sizeof(*s));
			if (!s)
				die("out of memory");
		}
		s[n++] = x;
	}
	if (f)
		fclose(f);
	*ret = s;
	return n;
}

/* Configured, bits per second; NAN: it changes about then. */
static double rate_at(double t_s)
{
	const unsigned int phases = words(text("rates"));
	const double phase_s = number("phase_s"), all = number("rate_mbps") * 1e6;

	if (phases < 2 || phase_s <= 0 || nth(text("rates"), 0) == nth(text("rates"), 1))
		return all * nth(text("rates"), 0);
	if (fmod(t_s, phase_s) < SWITCH_S || fmod(t_s, phase_s) > phase_s - SWITCH_S)
		return NAN;
	return all * nth(text("rates"), (unsigned int)(t_s / phase_s) % phases);
}

/*
 * Over the intervals at whose beginning there was more than the link can send in them: it was never
 * idle then, whatever arrived.
 */
static double drain_share(const struct sample *s, size_t n)
{
	double sent = 0, could = 0;

	for (size_t i = 1; i < n; i++) {
		const double dt = s[i].t_s - s[i - 1].t_s, rate = rate_at(s[i].t_s);

		if (isnan(rate) || s[i - 1].backlog < rate / 8 * dt || s[i].backlog <= 0)
			continue;
		sent += (s[i].bytes - s[i - 1].bytes) * 8;
		could += rate * dt;
	}
	return could > 0 ? sent / could : NAN;
}

static void add_part(struct record *r, const char *name, double t0_s, double t1_s, bool whole,
		     double value, double n)
{
	struct metric m = { .t0_s = t0_s, .t1_s = t1_s, .whole = whole, .value = value, .n = n };

	snprintf(m.name, sizeof(m.name), "%s", name);
	if (isfinite(value))
		record_add(r, &m);
}

/* Of the samples within [t0_s, t1_s). */
static void add_queue(struct record *r, const struct sample *s, size_t n, double t0_s, double t1_s,
		      bool whole)
{
	const struct sample *first = NULL, *last = NULL;
	double sum = 0, most = 0, dt = 0, drops, packets;

	for (size_t i = 1; i < n; i++) {
		if (s[i].t_s < t0_s || s[i].t_s >= t1_s)
			continue;
		first = first ? first : &s[i - 1];
		last = &s[i];
		sum += s[i].backlog * (s[i].t_s - s[i - 1].t_s);
		dt += s[i].t_s - s[i - 1].t_s;
		most = fmax(most, s[i].backlog);
	}
	if (!last || dt <= 0)
		return;
	packets = last->packets - first->packets;
	drops = last->drops - first->drops;
	add_part(r, "queue_bytes", t0_s, t1_s, whole, sum / dt, packets);
	add_part(r, "drops_share", t0_s, t1_s, whole, drops / fmax(drops + packets, 1), packets);
	if (whole) {
		add_part(r, "queue_max_bytes", t0_s, t1_s, true, most, packets);
		add_part(r, "packets", t0_s, t1_s, true, packets, packets);
	} else {
		add_part(r, "throughput_share", t0_s, t1_s, false, (last->bytes - first->bytes) * 8 / dt /
			 (number("rate_mbps") * 1e6), packets);
	}
}

/* What the sluice qdisc alone tells. */
static void add_sluice(struct record *r, double t1_s)
{
	json_t *o = json_in("sluice");
	const double packets = get(o, "packets");
	const double us[] = { get(o, "sojourn_p50_ms") * 1e3, get(o, "sojourn_p99_ms") * 1e3 };

	if (!o) {
		record_absent(r, "latency_p50_us", t1_s);
		record_absent(r, "latency_p99_us", t1_s);
		record_absent(r, "k_bytes", t1_s);
		return;
	}
	record_whole(r, "latency_p50_us", "", t1_s, us[0], packets);
	if (packets >= P99_FLOWS)
		record_whole(r, "latency_p99_us", "", t1_s, us[1], packets);
	record_whole(r, "k_bytes", "", t1_s, get(o, "qth_min_mean"), 0);
	/* Exact: the qdisc knows when it had a backlog. */
	if (get(o, "saturated_s") > 0.1 && words(text("rates")) == 1)
		r->drain_share = get(o, "drain_bps") / (number("rate_mbps") * 1e6);
	json_decref(o);
}

/* Its own are those that were not the static setting's: in a slice of the watch, or in a novel state. */
static void add_decisions(struct record *r, double t1_s)
{
	json_t *o = json_in("policy"), *decided = json_object_get(o, "decided");
	const double own = get(decided, "incumbent") + get(decided, "candidate") - get(o, "fell_back");
	const double all = get(decided, "incumbent") + get(decided, "candidate") + get(decided, "static");

	if (isfinite(all)) {
		record_whole(r, "decisions", "", t1_s, all, all);
		record_whole(r, "decisions_own", "", t1_s, own, all);
	}
	json_decref(o);
}

/* --- the machine ---------------------------------------------------------------------------- */

static unsigned int read_cpus(const char *name, double busy[CPUS_MAX], double all[CPUS_MAX])
{
	FILE *f = open_in(name);
	unsigned int n = 0, cpu;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		double v[8];

		/* The first line, of all, is "cpu  ...". */
		if (line[3] == ' ' || sscanf(line, "cpu%u %lf %lf %lf %lf %lf %lf %lf %lf", &cpu, &v[0], &v[1], &v[2], &v[3],
			   &v[4], &v[5], &v[6], &v[7]) != 9 || cpu >= CPUS_MAX)
			continue;
		busy[cpu] = v[0] + v[1] + v[2] + v[5] + v[6] + v[7];
		all[cpu] = busy[cpu] + v[3] + v[4];
		n = cpu + 1 > n ? cpu + 1 : n;
	}
	if (f)
		fclose(f);
	return n;
}

static void add_cpus(struct record *r, double t1_s)
{
	static double busy[2][CPUS_MAX], all[2][CPUS_MAX];
	const unsigned int n = read_cpus("cpu.0", busy[0], all[0]);
	double b = 0, a = 0;
	char name[16];

	read_cpus("cpu.1", busy[1], all[1]);
	for (unsigned int i = 0; i < n; i++) {
		const double db = busy[1][i] - busy[0][i], da = all[1][i] - all[0][i];

		snprintf(name, sizeof(name), "%u", i);
		record_whole(r, "cpu_share", name, t1_s, da > 0 ? db / da : NAN, 0);
		b += db;
		a += da;
	}
	record_whole(r, "cpu_share", "all", t1_s, a > 0 ? b / a : NAN, 0);
}

static double first_number(const char *name)
{
	FILE *f = open_in(name);
	double v;

	if (!f)
		return NAN;
	if (fscanf(f, "%lf", &v) != 1)
		v = NAN;
	fclose(f);
	return v;
}

static void measure(struct record *r)
{
	struct objective o = { .goodput = number("w_goodput") };
	const double seconds = number("seconds");
	const unsigned int series = number("series");
	struct flow_list flows = { 0 };
	char lists[64], *at = lists, *list;
	struct sample *s;
	double goodput;
	size_t n;
	int e;

	for (unsigned int c = 0; c < FLOW_CLASSES; c++) {
		char name[32];

		snprintf(name, sizeof(name), "w_%s", flow_class_name(c));
		o.class[c] = number(name);
	}
	snprintf(lists, sizeof(lists), "%.63s", text("lists"));
	while ((list = strsep(&at, " ")))
		read_flows(list, &flows);
	n = read_samples(&s);
	add_load(r, seconds, &goodput);
	r->drain_share = drain_share(s, n);
	add_queue(r, s, n, 0, seconds, true);
	for (unsigned int i = 0; i < series; i++)
		add_queue(r, s, n, i * seconds / series, (i + 1) * seconds / series, false);
	add_sluice(r, seconds);
	add_decisions(r, seconds);
	add_cpus(r, seconds);
	record_whole(r, "reordered_packets", "", seconds, first_number("tcp.1") - first_number("tcp.0"), 0);
	record_absent(r, "llc_misses", seconds);
	record_absent(r, "instructions", seconds);
	record_absent(r, "memory_bandwidth_bps", seconds);
	e = objective_measure(&o, &flows, goodput, seconds, r);
	if (e)
		record_fail(r, e == -ENODATA ? "no flow of a class with a weight has begun: make the run "
			    "longer" : "out of memory");
	else if (r->drain_share < DRAIN_LEAST) {
		r->state = RECORD_INVALID;
		snprintf(r->error, sizeof(r->error), "the queue drained at %.1f %% of the rate while "
			 "backlogged", 100 * r->drain_share);
	}
}

int main(int argc, char *argv[])
{
	return job_main(argc, argv, measure);
}
