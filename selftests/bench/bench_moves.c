// SPDX-License-Identifier: GPL-2.0
/*
 * What share of its throughput the data plane keeps while a thousand buckets a
 * second change their CPU. Live frames of some thousand flows go through the
 * product's steer() and cpu_deliver to two CPUs, in pairs of runs with and
 * without moves, in alternating order. Prints the median of the pairs' ratios
 * and writes it to build/bench_moves.json.
 *
 *	bench_moves [-r PAIRS] [-t MILLISECONDS] [-o FILE]
 *
 * The mover costs what the daemon's would: it wakes up every millisecond, and
 * the run without moves has no such thread.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <jansson.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/rng.h"
#include "measure.h"
#include "objects.h"

#define PAIRS		21
#define RUN_MS		500
#define FLOWS		8192		/* every bucket has some */
#define MOVE_NS		1000000		/* between two moves */
#define LIVE_PACKETS	16384		/* between two looks at the clock */
#define LEASE_MS	600000

struct options {
	size_t pairs;
	unsigned int run_ms;
	const char *file;
};

struct mover {
	struct steer *s;
	pthread_t thread;
	volatile bool stop;
	__u32 generation;
	struct rng rng;
	__u64 moves;
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* One bucket to the other CPU every millisecond; catches up when it wakes late. */
static void *move(void *data)
{
	struct mover *m = data;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	while (!m->stop) {
		const unsigned int b = rng_below(&m->rng, SLUICE_BUCKETS);
		const struct sluice_bucket *is = &m->s->buckets[b];
		const int from = is->flags & SLUICE_BUCKET_F_LEARNED ? is->learned_cpu : is->cpu;

		steer_bucket_set_learned(m->s, b, !from, ++m->generation);
		m->moves++;
		next.tv_nsec += MOVE_NS;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	return NULL;
}

/* Packets delivered per second. */
static int run(const struct row *r, struct mover *m, unsigned int ms, double *pps, struct sl_err *e)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = r->frame.data, .data_size_in = r->frame.bytes,
		    .repeat = LIVE_PACKETS, .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);
	const volatile struct sluice_deliver *d = r->steer->deliver;
	const __u64 before = d[0].packets + d[1].packets;
	const double begin = now_s();
	int ret = 0;

	if (m) {
		m->stop = false;
		ret = -pthread_create(&m->thread, NULL, move, m);
		if (ret)
			return sl_err(e, ret, "cannot start a thread: %s", strerror(-ret));
	}
	while (ret == 0 && now_s() - begin < ms / 1e3)
		ret = bpf_prog_test_run_opts(r->prog, &o);
	*pps = (d[0].packets + d[1].packets - before) / (now_s() - begin);
	if (m) {
		m->stop = true;
		pthread_join(m->thread, NULL);
	}
	return ret ? sl_err(e, ret, "live frames: %s", strerror(-ret)) : 0;
}

static int prepare(struct row *r, struct bpf_object **o, struct sl_err *e)
{
	const struct sluice_flow_key key = { .daddr = { 192, 0, 2, 1 }, .dport = htons(443),
					     .proto = IPPROTO_UDP, .family = 4 };
	int ret;

	r->steer = instance_new(0, 2, 0, e);
	if (!r->steer)
		return -EIO;
	ret = object_load("steer", r->steer, o, e);
	if (ret == 0)
		ret = object_set_uniform(*o, FLOWS, e);
	if (ret == 0)
		ret = steer_lease_renew(r->steer, LEASE_MS, 1, e);
	r->prog = ret ? ret : object_prog(*o, "rewritten_steer", e);
	frame_make(&r->frame, &key, 0, 18);
	r->frame.data[0] = 2;	/* nobody's, so that the stack drops it */
	return r->prog < 0 ? r->prog : 0;
}

static int report(const struct row *r, const struct mover *m, const double *ratio,
		  const struct options *o, struct sl_err *e)
{
	const struct sluice_steer_stats *stats = r->steer->steer_stats;
	struct summary s;
	json_t *all;
	int ret = 0;

	summarise(ratio, o->pairs, &s);
	printf("moves/throughput_ratio %.3f  (iqr %.3f, min %.3f, max %.3f, %zu pairs of %u ms; "
	       "asked %llu, begun %llu, completed %llu, of these by gap %llu; forced %llu)\n",
	       s.median, s.iqr, s.min, s.max, o->pairs, o->run_ms, m->moves, stats->moves_begun,
	       stats->moves_completed, stats->moves_by_gap, stats->moves_forced);
	all = json_pack("{s:f, s:f, s:f, s:f}", "moves_1000_ratio", s.median, "iqr", s.iqr,
			"min", s.min, "max", s.max);
	if (json_dump_file(all, o->file, JSON_INDENT(1) | JSON_REAL_PRECISION(6)))
		ret = sl_err(e, -EIO, "cannot write %s", o->file);
	json_decref(all);
	return ret;
}

static int parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt(argc, argv, "r:t:o:")) != -1) {
		if (c == 'r')
			o->pairs = strtoul(optarg, NULL, 10);
		else if (c == 't')
			o->run_ms = strtoul(optarg, NULL, 10);
		else if (c == 'o')
			o->file = optarg;
		else
			return -EINVAL;
	}
	return o->pairs && o->run_ms && optind == argc ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct options o = { .pairs = PAIRS, .run_ms = RUN_MS, .file = "build/bench_moves.json" };
	struct bpf_object *object = NULL;
	struct sl_err e = { "" };
	struct row row = { 0 };
	struct mover m = { 0 };
	double with, without, *ratio;
	int r;

	if (parse(argc, argv, &o)) {
		fprintf(stderr, "usage: bench_moves [-r PAIRS] [-t MILLISECONDS] [-o FILE]\n");
		return 2;
	}
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		fprintf(stderr, "bench_moves: needs two CPUs\n");
		return 1;
	}
	if (unshare(CLONE_NEWNET)) {
		perror("bench_moves: unshare");
		return 1;
	}
	ratio = calloc(o.pairs, sizeof(*ratio));
	r = ratio ? prepare(&row, &object, &e) : sl_err(&e, -ENOMEM, "out of memory");
	m.s = row.steer;
	rng_seed(&m.rng, 1);
	if (r == 0)
		r = run(&row, NULL, o.run_ms, &with, &e);	/* warms up */
	for (size_t i = 0; i < o.pairs && r == 0; i++) {
		r = run(&row, i % 2 ? &m : NULL, o.run_ms, i % 2 ? &with : &without, &e);
		if (r == 0)
			r = run(&row, i % 2 ? NULL : &m, o.run_ms, i % 2 ? &without : &with, &e);
		ratio[i] = with / without;
	}
	if (r == 0)
		r = report(&row, &m, ratio, &o, &e);
	if (r)
		fprintf(stderr, "bench_moves: %s\n", e.text);
	bpf_object__close(object);
	steer_close(row.steer);
	free(ratio);
	return r != 0;
}
