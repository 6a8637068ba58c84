// SPDX-License-Identifier: GPL-2.0
/*
 * What the data plane costs per packet, by BPF_PROG_RUN on private instances:
 * nothing is attached or pinned. Prints a line per row and writes the rows that
 * CONTRIBUTING.md describes to build/bench.json.
 *
 *	bench_steer [-r ROUNDS] [-q] [-t] [-o FILE]
 *
 * -q is for a test of the benchmark itself: small tables, few packets. -t measures the rows tree_*
 * alone, and writes no file.
 *
 * Every row is measured once in each round, between the other rows. "ratio" is
 * the median of the ratios to the floor (floor.bpf.h) of the same round; what a
 * test run itself costs, the row "empty", is in both. In the rows with many
 * flows a program writes the next source address and port into the packet and
 * then does what the product does. What that writing costs is known from
 * "rewritten_floor", the floor behind the same writing: its difference to the
 * floor, of the same round, is taken off the row, so that all rows have the same
 * floor.
 */
#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "objects.h"
#include "steer_rows.h"

#define ROUNDS	21
#define P99_STATES	10000
#define P99_PACKETS	1000

struct options {
	size_t rounds;
	bool quick;
	bool trees;		/* those rows alone */
	const char *file;
};

static int report(const struct bench *b, const struct options *o, struct sl_err *e)
{
	const struct row *floor = &b->row[ROW_floor];
	json_t *all = json_array();
	int r = 0;

	for (int i = 0; i < ROW_MAX; i++) {
		const struct row *row = &b->row[i];
		const double ratio = median_ratio(row, floor, o->rounds);
		struct summary s;

		summarise(row->ns, o->rounds, &s);
		printf("steer/%s/median_ns %.1f  (iqr %.1f, min %.1f, max %.1f, %zu rounds; "
		       "ratio to floor %.2f)\n", row->name, s.median, s.iqr, s.min, s.max,
		       o->rounds, ratio);
		if (row->in_json)
			json_array_append_new(all, json_pack("{s:s, s:f, s:f, s:f, s:f, s:f}",
				"name", row->name, "median_ns", s.median, "iqr_ns", s.iqr,
				"min_ns", s.min, "max_ns", s.max, "ratio_to_floor", ratio));
	}
	if (json_dump_file(all, o->file, JSON_INDENT(1) | JSON_REAL_PRECISION(6)))
		r = sl_err(e, -EIO, "cannot write %s", o->file);
	json_decref(all);
	return r;
}

/* What the question adds to a packet, over states by turns, and in the worst hundredth of them. */
static int report_trees(const struct bench *b, const struct options *o, struct sl_err *e)
{
	const unsigned int n = o->quick && !o->trees ? P99_STATES / 100 : P99_STATES;
	const struct row *off = &b->row[ROW_tree_off];
	double p99, median;
	int r = 0;

	for (int i = 0; i < 3; i++) {
		const struct row *on = &b->row[ROW_tree_d5 + i];

		printf("steer/%s/added_ns %.1f  (over tree_off, median of %zu rounds; ratio %.2f; "
		       "%.1f comparisons on average)\n", on->name,
		       median_difference(on, off, o->rounds), o->rounds,
		       median_ratio(on, off, o->rounds), b->trees.comparisons[i]);
	}
	printf("steer/tree_place/added_ns %.1f  (a whole decision, depth 10)\n",
	       median_difference(&b->row[ROW_tree_place], off, o->rounds));
	for (int i = 0; i < 3 && r == 0; i++) {
		const struct row *on = &b->row[ROW_tree_d5 + i];

		r = bench_trees_p99(off, b->tree_object[0], on, b->tree_object[1 + i], n,
				    P99_PACKETS, &p99, &median, e);
		if (r == 0)
			printf("steer/%s/p99_added_ns %.1f  (of %u states, each a mean of %u; median "
			       "%.1f)\n", on->name, p99, n, P99_PACKETS, median);
	}
	return r;
}

static int measure_trees(struct bench *b, const struct options *o, struct sl_err *e)
{
	/* The floor, which "measure" begins with, then those. */
	struct row rows[6] = { b->row[ROW_floor] };
	int r;

	for (int i = 0; i < 4; i++)
		rows[1 + i] = b->row[ROW_tree_off + i];
	rows[5] = b->row[ROW_tree_place];
	for (int i = 0; i < 6; i++)
		rows[i].repeat = 100000;
	r = measure(rows, 6, o->rounds, e);
	return r ? r : report_trees(b, o, e);
}

/* Both programs' part: the stamp in front of one packet in 64, and reading it. */
static int report_sampling(const struct bench *b, size_t rounds, struct sl_err *e)
{
	const struct row *sampled = &b->row[ROW_hit4_sampled];
	const struct sluice_steer_stats *stats = sampled->steer->steer_stats;
	const __u64 sent = sampled->steer->sent[0].packets;
	double steer, deliver;

	if (stats->sampled != sent / 64 || stats->meta_failed)
		return sl_err(e, -EPROTO, "of %llu packets %llu were sampled, %llu could not be; "
			      "one in 64 should be", sent, stats->sampled, stats->meta_failed);
	steer = median_difference(sampled, &b->row[ROW_hit4_undone], rounds);
	deliver = median_difference(&b->row[ROW_cpumap_sampled], &b->row[ROW_cpumap_undone], rounds);
	printf("steer/sampling/added_ns %.2f  (one packet in 64: xdp_steer %.2f, cpu_deliver %.2f; "
	       "of hit4 %.1f %%)\n", steer + deliver, steer, deliver,
	       100 * median_ratio(sampled, &b->row[ROW_hit4_undone], rounds) - 100);
	return 0;
}

static void report_live(const struct bench *b, size_t rounds)
{
	struct summary s;

	summarise(b->row[ROW_live].ns, rounds, &s);
	printf("steer/live/mpps %.2f  (one CPU to another; time per packet is %.2f that of the floor "
	       "before the same cpumap)\n", 1000 / s.median,
	       median_ratio(&b->row[ROW_live], &b->row[ROW_live_floor], rounds));
}

static int parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt(argc, argv, "r:qto:")) != -1) {
		if (c == 'r')
			o->rounds = strtoul(optarg, NULL, 10);
		else if (c == 'q')
			o->quick = true;
		else if (c == 't')
			o->trees = o->quick = true;
		else if (c == 'o')
			o->file = optarg;
		else
			return -EINVAL;
	}
	return o->rounds && optind == argc ? 0 : -EINVAL;
}

/* Live frames are delivered on CPU 0, so they come from the last one. */
static void pin_to_last_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
	struct options o = { .rounds = ROUNDS, .file = "build/bench.json" };
	static struct bench b;
	struct sl_err e = { "" };
	int r;

	if (parse(argc, argv, &o)) {
		fprintf(stderr, "usage: bench_steer [-r ROUNDS] [-q] [-t] [-o FILE]\n");
		return 2;
	}
	pin_to_last_cpu();
	/* Live frames come in by the loopback interface of this namespace, and end there. */
	if (unshare(CLONE_NEWNET)) {
		perror("bench_steer: unshare");
		return 1;
	}
	r = bench_prepare(&b, o.rounds, o.quick, &e);
	if (r == 0 && o.trees) {
		r = measure_trees(&b, &o, &e);
		goto out;
	}
	if (r == 0)
		r = measure(b.row, ROW_MAX, o.rounds, &e);
	if (r == 0)
		r = report(&b, &o, &e);
	if (r == 0)
		r = report_sampling(&b, o.rounds, &e);
	if (r == 0)
		r = report_trees(&b, &o, &e);
	if (r == 0)
		report_live(&b, o.rounds);
out:
	if (r)
		fprintf(stderr, "bench_steer: %s\n", e.text);
	bench_free(&b);
	return r != 0;
}
