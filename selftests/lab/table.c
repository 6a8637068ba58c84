// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the results of lab runs (lab_run in topology.sh) as a table: a column
 * for each policy, the mean over its trials. A trial counts only if the queue
 * was the bottleneck: its drain rate while backlogged must have reached 95 % of
 * the configured rate. When no trial of a policy did, its column shows the
 * invalid ones and says so.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#define MAX_TRIALS 32
#define VALID_SHARE 0.95
#define WIDTH 19

static struct policy {
	const char *name, *title;
	json_t *trial[MAX_TRIALS];
	bool valid[MAX_TRIALS];
	size_t n, n_valid;
	const char *error;
} policies[] = {
	{ .name = "fixed", .title = "fixed default" },
	{ .name = "bdp", .title = "K = C*RTT/7" },
	{ .name = "learn", .title = "learning daemon" },
};
#define N_POLICIES (sizeof(policies) / sizeof(policies[0]))

/* The number at "a.b.c"; NAN when there is none. */
static double at(const json_t *j, const char *path)
{
	char copy[96], *word, *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (word = strtok_r(copy, ".", &save); word && j; word = strtok_r(NULL, ".", &save))
		j = json_object_get(j, word);
	return json_is_number(j) ? json_number_value(j) : NAN;
}

/* The mean over the trials that count. */
static double mean(const struct policy *p, const char *path)
{
	double sum = 0;
	size_t i, n = 0;

	for (i = 0; i < p->n; i++) {
		double v = at(p->trial[i], path);

		if ((p->n_valid && !p->valid[i]) || isnan(v))
			continue;
		sum += v;
		n++;
	}
	return n ? sum / (double)n : NAN;
}

/* Only a queue that was ever busy can tell the drain rate. */
static bool is_valid(const json_t *trial)
{
	return at(trial, "queue.drain_bps") >= VALID_SHARE * at(trial, "rate_bps");
}

static int add(const char *path)
{
	json_error_t e;
	json_t *j = json_load_file(path, 0, &e);
	const char *name, *error;
	size_t i;

	if (!j) {
		fprintf(stderr, "table: %s: %s\n", path, e.text);
		return -1;
	}
	name = json_string_value(json_object_get(j, "policy"));
	error = json_string_value(json_object_get(j, "error"));
	for (i = 0; i < N_POLICIES; i++) {
		struct policy *p = &policies[i];

		if (!name || strcmp(p->name, name) || p->n == MAX_TRIALS)
			continue;
		if (error) {
			p->error = error;
			return 0;
		}
		p->valid[p->n] = is_valid(j);
		p->n_valid += p->valid[p->n];
		p->trial[p->n++] = j;
		return 0;
	}
	fprintf(stderr, "table: %s: no result of a known policy\n", path);
	json_decref(j);
	return -1;
}

static void cell(const char *text)
{
	printf("%*s", WIDTH, text);
}

static void number_cell(double v, double scale, int digits)
{
	char text[32];

	snprintf(text, sizeof(text), "%.*f", digits, v / scale);
	cell(isnan(v) ? "-" : text);
}

static void row(const char *title, const char *path, double scale, int digits)
{
	size_t i;

	printf("%-26s", title);
	for (i = 0; i < N_POLICIES; i++)
		number_cell(mean(&policies[i], path), scale, digits);
	putchar('\n');
}

static void fct_row(const char *title, const char *class)
{
	char path[64], text[64];
	size_t i;

	printf("%-26s", title);
	for (i = 0; i < N_POLICIES; i++) {
		double m, p99;

		snprintf(path, sizeof(path), "load.fct.%s.mean_us", class);
		m = mean(&policies[i], path);
		snprintf(path, sizeof(path), "load.fct.%s.p99_us", class);
		p99 = mean(&policies[i], path);
		snprintf(text, sizeof(text), "%.1f / %.1f", m / 1e3, p99 / 1e3);
		cell(isnan(m) ? "-" : text);
	}
	putchar('\n');
}

/* Packets that the steering of both inside interfaces sent to a CPU, thousands for each CPU. */
static void cpu_row(void)
{
	size_t i, k;

	printf("%-26s", "packets per CPU, 1000s");
	for (i = 0; i < N_POLICIES; i++) {
		const struct policy *p = &policies[i];
		char text[64] = "";
		size_t len = 0;
		double cpu;

		for (cpu = 0; cpu < 8; cpu++) {
			double sum = 0;
			bool found = false;

			for (k = 0; k < p->n; k++) {
				json_t *dev, *one;
				size_t a, b;

				if (p->n_valid && !p->valid[k])
					continue;
				json_array_foreach(json_object_get(p->trial[k], "steering"), a, dev)
					json_array_foreach(json_object_get(dev, "cpus"), b, one)
						if (at(one, "cpu") == cpu) {
							sum += at(one, "sent_packets");
							found = true;
						}
			}
			if (found && len < sizeof(text))
				len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.0f",
							len ? " " : "", sum / 1e3 /
							(double)(p->n_valid ? p->n_valid : p->n));
		}
		cell(*text ? text : "-");
	}
	putchar('\n');
}

static void drain_row(void)
{
	size_t i;

	printf("%-26s", "drain rate, % of link");
	for (i = 0; i < N_POLICIES; i++)
		number_cell(100 * mean(&policies[i], "queue.drain_bps") /
			    mean(&policies[i], "rate_bps"), 1, 1);
	printf("\n%-26s", "valid trials");
	for (i = 0; i < N_POLICIES; i++) {
		const struct policy *p = &policies[i];
		char text[32];

		snprintf(text, sizeof(text), "%s%zu of %zu",
			 p->n && !p->n_valid ? "INVALID, " : "", p->n_valid, p->n);
		cell(!p->n && p->error ? "FAILED" : text);
	}
	putchar('\n');
}

int main(int argc, char *argv[])
{
	int status = 0;
	size_t i;

	for (i = 1; i < (size_t)argc; i++)
		if (add(argv[i]))
			status = 1;
	printf("%-26s", "");
	for (i = 0; i < N_POLICIES; i++)
		cell(policies[i].title);
	putchar('\n');
	puts("completion time, mean / p99, ms");
	fct_row("  small  (<= 10 KB)", "small");
	fct_row("  medium (<= 100 KB)", "medium");
	fct_row("  large", "large");
	fct_row("  all", "all");
	row("unfinished flows", "load.fct.all.unfinished", 1, 1);
	row("goodput, Mbit/s", "load.goodput_bps", 1e6, 1);
	row("marks (CE), packets", "queue.ce_packets", 1, 0);
	row("drops, packets", "queue.drops", 1, 0);
	row("retransmits", "load.retransmits", 1, 0);
	row("mean queue, KB", "queue.avg_backlog_bytes", 1e3, 1);
	row("mean qth_min, KB", "queue.qth_min_mean", 1e3, 1);
	cpu_row();
	row("decisions taken", "agent.decisions", 1, 0);
	row("  carried out", "agent.carried_out", 1, 0);
	drain_row();
	for (i = 0; i < N_POLICIES; i++)
		if (policies[i].error)
			printf("%s: %s\n", policies[i].title, policies[i].error);
	return status;
}
