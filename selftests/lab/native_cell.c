// SPDX-License-Identifier: GPL-2.0
/*
 * The record of one run in the native lab, as a line of JSON (user/lab/record.h), from what native.sh has
 * left in a directory; X.0 is of before the run, X.1 of after it:
 *
 *	times load		of loadgen; flows in the order of the job's list of arrivals
 *	requests		of rr
 *	sender			"sender USER SYSTEM", seconds of CPU time
 *	tasks.I			"NAME ns" by line: CPU time of servers, the cpumap's threads, daemon, ksoftirqd
 *	cpu.I softnet.I		/proc/stat, /proc/net/softnet_stat
 *	tcp.I dev.I		the sender's netstat and /proc/net/dev
 *	steer.I			"sluice -j cpu show", where there is the program
 *	counters		of "perf stat -x,", where the machine has them
 *
 *	native_cell JOB DIRECTORY			what was measured
 *	native_cell JOB DIRECTORY failed|absent TEXT	why nothing was
 */
#include "job.h"

#include <stdint.h>

#include "lab/objective.h"

#define DRAIN_S		2	/* that loadgen gives open flows */
#define SEGMENT		1448.0
#define HEADERS		66
#define CPUS_MAX	64
#define LATE_MOST	0.1	/* of the run: flows that begin later met another load than the plan's */

/* By CPU, what has been counted in the run. */
struct by_cpu {
	double busy[CPUS_MAX], all[CPUS_MAX], softirq[CPUS_MAX];	/* ticks */
	double packets[CPUS_MAX], dropped[CPUS_MAX];			/* softnet's */
	unsigned int n;
};

/* --- flows ---------------------------------------------------------------------------- */

/* Times over those of a link with the plan's rate and round-trip time, which this one beats. */
static void read_flows(struct flow_list *flows)
{
	const double rate_bps = number("rate_mbps") * 1e6, rtt_s = number("rtt_us") / 1e6;
	double start_ns, bytes, fct_ns;
	FILE *f = open_in("times");

	while (f && fscanf(f, "%lf %lf %lf", &start_ns, &bytes, &fct_ns) == 3) {
		struct measured_flow m = {
			.bytes = bytes, .start_s = start_ns / 1e9, .unfinished = fct_ns <= 0,
		};

		m.fct_us = m.unfinished ? (number("seconds") + DRAIN_S - m.start_s) * 1e6 : fct_ns / 1e3;
		m.slowdown = m.fct_us / 1e6 /
			(2 * rtt_s + (bytes * (1 + HEADERS / SEGMENT) + HEADERS) * 8 / rate_bps);
		flow_list_add(flows, &m);
	}
	if (f)
		fclose(f);
}

static void add_load(struct record *r, double t1_s, double *goodput_share)
{
	json_t *o = json_in("load");
	const double goodput = get(o, "goodput_bps"), late_us = get(o, "late_mean_us");

	*goodput_share = goodput / (number("rate_mbps") * 1e6);
	record_whole(r, "goodput_bps", "", t1_s, goodput, 0);
	record_whole(r, "retransmits", "", t1_s, get(o, "retransmits"), get(o, "delivered_packets"));
	record_whole(r, "late_mean_us", "", t1_s, late_us, 0);
	record_whole(r, "lost_connections", "", t1_s, get(o, "failed"), 0);
	if (late_us / 1e6 > LATE_MOST * t1_s) {
		r->state = RECORD_INVALID;
		snprintf(r->error, sizeof(r->error), "flows began %.0f ms late on average: the host is too "
			 "busy", late_us / 1e3);
	}
	json_decref(o);
}

/* None is told from fewer than so many. */
static void add_quantile(struct record *r, const char *name, double t1_s, double us, double n, double least)
{
	struct metric m = { .t1_s = t1_s, .whole = true, .value = us, .n = n };

	snprintf(m.name, sizeof(m.name), "%s", name);
	if (n < least) {
		m.value = NAN;
		m.status = METRIC_FEW;
	} else if (isnan(us)) {
		m.status = METRIC_ABSENT;
	}
	record_add(r, &m);
}

/* Returns the CPU time of who asks. */
static double add_requests(struct record *r, double t1_s)
{
	json_t *o = json_in("requests");
	const double sent = get(o, "sent"), answered = get(o, "answered"), cpu_s = get(o, "cpu_s");

	record_whole(r, "rr_mean_us", "", t1_s, get(o, "mean_us"), answered);
	add_quantile(r, "rr_p50_us", t1_s, get(o, "p50_us"), answered, P50_FLOWS);
	add_quantile(r, "rr_p99_us", t1_s, get(o, "p99_us"), answered, P99_FLOWS);
	record_whole(r, "rr_lost_share", "", t1_s, sent > 0 ? 1 - answered / sent : NAN, sent);
	record_whole(r, "rr_reordered", "", t1_s, get(o, "reordered"), answered);
	json_decref(o);
	return cpu_s;
}

/* --- the link and the program ----------------------------------------------------------- */

/* What eth0 has sent, into packets and bytes. */
static void read_sent(const char *name, double *packets, double *bytes)
{
	FILE *f = open_in(name);
	char line[512];

	*packets = *bytes = NAN;
	while (f && fgets(line, sizeof(line), f)) {
		const char *at = strstr(line, "eth0:");
		double v[10];

		if (at && sscanf(at + 5, "%lf %lf %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2], &v[3],
				 &v[4], &v[5], &v[6], &v[7], &v[8], &v[9]) == 10) {
			*bytes = v[8];
			*packets = v[9];
		}
	}
	if (f)
		fclose(f);
}

static double add_link(struct record *r, double t1_s)
{
	double packets[2], bytes[2];

	read_sent("dev.0", &packets[0], &bytes[0]);
	read_sent("dev.1", &packets[1], &bytes[1]);
	packets[0] = packets[1] - packets[0];
	record_whole(r, "packets", "", t1_s, packets[0], packets[0]);
	record_whole(r, "packets_per_s", "", t1_s, packets[0] / t1_s, packets[0]);
	record_whole(r, "bits_per_s", "", t1_s, (bytes[1] - bytes[0]) * 8 / t1_s, packets[0]);
	return packets[0];
}

/* Sum over CPUs of what the program counts. */
static double steer_sum(const json_t *o, const char *key)
{
	double sum = 0;
	const json_t *cpu;
	size_t i;

	json_array_foreach(json_object_get(o, "cpus"), i, cpu)
		sum += get(cpu, key);
	return sum;
}

/* The wait in the ring where most of it was measured: one CPU's, since quantiles do not add up. */
static void add_wait(struct record *r, double t1_s, const json_t *o)
{
	double most = 0, p50 = NAN, p99 = NAN;
	const json_t *cpu;
	size_t i;

	json_array_foreach(json_object_get(o, "cpus"), i, cpu) {
		const double n = get(cpu, "wait_samples");

		if (n > most) {
			most = n;
			p50 = get(cpu, "wait_p50_ns");
			p99 = get(cpu, "wait_p99_ns");
		}
	}
	add_quantile(r, "ring_wait_p50_us", t1_s, p50 / 1e3, most, P50_FLOWS);
	add_quantile(r, "ring_wait_p99_us", t1_s, p99 / 1e3, most, P99_FLOWS);
}

/* Programs are loaded anew for each run, but counted from before it as all else. */
static void add_steering(struct record *r, double t1_s)
{
	json_t *before = json_in("steer.0"), *after = json_in("steer.1");
	const char *const keys[] = { "sent_packets", "undelivered_packets" };
	double v[2];

	if (before && after) {
		for (int i = 0; i < 2; i++)
			v[i] = steer_sum(after, keys[i]) - steer_sum(before, keys[i]);
		record_whole(r, "steered_packets", "", t1_s, v[0], v[0]);
		record_whole(r, "ring_drops", "", t1_s, v[1], v[0]);
		record_whole(r, "moves", "", t1_s, get(json_object_get(after, "moves"), "completed"), 0);
		add_wait(r, t1_s, after);
	} else {
		record_absent(r, "ring_drops", t1_s);
		record_absent(r, "moves", t1_s);
		record_absent(r, "ring_wait_p50_us", t1_s);
		record_absent(r, "ring_wait_p99_us", t1_s);
	}
	json_decref(before);
	json_decref(after);
}

/* --- the machine ------------------------------------------------------------------------ */

static void read_cpus(const char *name, double sign, struct by_cpu *c)
{
	FILE *f = open_in(name);
	unsigned int cpu;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		double v[8];

		if (sscanf(line, "cpu%u %lf %lf %lf %lf %lf %lf %lf %lf", &cpu, &v[0], &v[1], &v[2], &v[3],
			   &v[4], &v[5], &v[6], &v[7]) != 9 || cpu >= CPUS_MAX)
			continue;
		c->busy[cpu] += sign * (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]);
		c->softirq[cpu] += sign * v[6];
		c->all[cpu] += sign * (v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7]);
		c->n = cpu + 1 > c->n ? cpu + 1 : c->n;
	}
	if (f)
		fclose(f);
}

/* A line by CPU, in hexadecimal; packets that the stack has received, and those the backlog had no room for. */
static void read_softnet(const char *name, double sign, struct by_cpu *c)
{
	FILE *f = open_in(name);
	unsigned int packets, dropped, v, i = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned int cpu = i++;

		/* The thirteenth column is the CPU's number, where the kernel has it. */
		if (sscanf(line, "%x %x %*x %*x %*x %*x %*x %*x %*x %*x %*x %*x %x", &packets, &dropped, &v) == 3)
			cpu = v;
		if (cpu >= CPUS_MAX || sscanf(line, "%x %x", &packets, &dropped) != 2)
			continue;
		c->packets[cpu] += sign * packets;
		c->dropped[cpu] += sign * dropped;
	}
	if (f)
		fclose(f);
}

/* Counters are of 32 bits. */
static double difference(double d)
{
	return d < 0 ? d + 4294967296.0 : d;
}

static void add_cpus(struct record *r, double t1_s)
{
	static struct by_cpu c;
	double busy = 0, all = 0, softirq = 0, packets = 0, dropped = 0, most = 0;
	char name[16];

	for (int i = 0; i < 2; i++) {
		read_cpus(i ? "cpu.1" : "cpu.0", i ? 1 : -1, &c);
		read_softnet(i ? "softnet.1" : "softnet.0", i ? 1 : -1, &c);
	}
	for (unsigned int i = 0; i < c.n; i++) {
		busy += c.busy[i];
		all += c.all[i];
		softirq += c.softirq[i];
		c.packets[i] = difference(c.packets[i]);
		packets += c.packets[i];
		most = fmax(most, c.packets[i]);
		dropped += difference(c.dropped[i]);
	}
	for (unsigned int i = 0; i < c.n; i++) {
		snprintf(name, sizeof(name), "%u", i);
		record_whole(r, "cpu_share", name, t1_s, c.all[i] > 0 ? c.busy[i] / c.all[i] : NAN, 0);
		record_whole(r, "packets_share", name, t1_s, packets > 0 ? c.packets[i] / packets : NAN, packets);
	}
	record_whole(r, "cpu_share", "all", t1_s, all > 0 ? busy / all : NAN, 0);
	record_whole(r, "softirq_share", "", t1_s, all > 0 ? softirq / all : NAN, 0);
	record_whole(r, "imbalance", "", t1_s, packets > 0 ? most * c.n / packets : NAN, packets);
	record_whole(r, "backlog_drops", "", t1_s, dropped, packets);
}

/* Of a name in tasks.I, seconds. */
static double task_s(const char *file, const char *wanted)
{
	FILE *f = open_in(file);
	char name[32];
	double ns, s = 0;

	while (f && fscanf(f, "%31s %lf", name, &ns) == 2)
		if (!strcmp(name, wanted))
			s += ns / 1e9;
	if (f)
		fclose(f);
	return s;
}

static double sender_s(void)
{
	FILE *f = open_in("sender");
	char line[256];
	double user, kernel, s = NAN;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "sender %lf %lf", &user, &kernel) == 2)
			s = user + kernel;
	if (f)
		fclose(f);
	return s;
}

/*
 * All CPU time of who sends, receives and steers, by packet. What interrupts somebody else is in nobody's
 * account: a packet that RPS gives to another CPU is received there in an interrupt, so that its figure is
 * a lower bound.
 */
static void add_cost(struct record *r, double t1_s, double packets, double requests_s)
{
	static const char *const tasks[] = { "servers", "cpumap", "daemon", "ksoftirqd" };
	struct metric m = { .name = "cpu_ns_per_packet", .t1_s = t1_s, .whole = true, .n = packets };
	double sum = sender_s() + requests_s;

	record_whole(r, "cpu_ns_per_packet", "senders", t1_s, 1e9 * sum / packets, packets);
	for (unsigned int i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
		const double s = task_s("tasks.1", tasks[i]) - task_s("tasks.0", tasks[i]);

		record_whole(r, "cpu_ns_per_packet", tasks[i], t1_s, 1e9 * s / packets, packets);
		sum += s;
	}
	m.value = 1e9 * sum / packets;
	m.status = isnan(m.value) ? METRIC_ABSENT : !strcmp(text("steering"), "rps") ||
		!strcmp(text("steering"), "rfs") ? METRIC_CENSORED : METRIC_OK;
	record_add(r, &m);
}

/* Reordering that senders have seen: the sum of two counters of TCP. */
static double reordered(const char *name)
{
	char names[8192], values[8192];
	FILE *f = open_in(name);
	double sum = NAN;

	while (f && fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		char *n, *v, *at = names, *to = values;

		if (strncmp(names, "TcpExt:", 7))
			continue;
		sum = 0;
		while ((n = strsep(&at, " \n")) && (v = strsep(&to, " \n")))
			if (!strcmp(n, "TCPSACKReorder") || !strcmp(n, "TCPTSReorder"))
				sum += strtod(v, NULL);
	}
	if (f)
		fclose(f);
	return sum;
}

/* Of the whole host, in the run's seconds. */
static void add_counter(struct record *r, double t1_s, const char *name, const char *event)
{
	FILE *f = open_in("counters");
	double value = NAN, v;
	char line[256], seen[64];

	/* Value, unit, event, and more. What is not counted has words for a value. */
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lf,%*[^,],%63[^,]", &v, seen) == 2 ||
		    sscanf(line, "%lf,,%63[^,]", &v, seen) == 2)
			value = strcmp(seen, event) ? value : v;
	if (f)
		fclose(f);
	record_whole(r, name, "", t1_s, value, 0);
}

static void measure(struct record *r)
{
	struct objective o = { .goodput = number("w_goodput") };
	const double t1_s = number("seconds");
	struct flow_list flows = { 0 };
	double goodput, packets, requests_s;
	int e;

	for (unsigned int c = 0; c < FLOW_CLASSES; c++) {
		char name[32];

		snprintf(name, sizeof(name), "w_%s", flow_class_name(c));
		o.class[c] = number(name);
	}
	read_flows(&flows);
	add_load(r, t1_s, &goodput);
	requests_s = add_requests(r, t1_s);
	packets = add_link(r, t1_s);
	add_cost(r, t1_s, packets, requests_s);
	add_cpus(r, t1_s);
	add_steering(r, t1_s);
	record_whole(r, "reordered_packets", "", t1_s, reordered("tcp.1") - reordered("tcp.0"), packets);
	add_counter(r, t1_s, "llc_misses", "LLC-misses");
	add_counter(r, t1_s, "instructions", "instructions");
	record_absent(r, "memory_bandwidth_bps", t1_s);
	e = objective_measure(&o, &flows, goodput, t1_s, r);
	flow_list_free(&flows);
	if (e)
		record_fail(r, e == -ENODATA ? "no flow of a class with a weight has begun: make the run "
			    "longer" : "out of memory");
}

int main(int argc, char *argv[])
{
	return job_main(argc, argv, measure);
}
