// SPDX-License-Identifier: GPL-2.0
#include "measure.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIVE_BATCH	64
#define FEW_PACKETS	2	/* more than 1, or the kernel takes another way */
#define PASSES		4
#define CHECK_PACKETS	4096

static double clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t n, double q)
{
	const double at = q * (n - 1);
	const size_t i = (size_t)at;

	if (i + 1 >= n)
		return sorted[n - 1];
	return sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]);
}

void summarise(const double *values, size_t n, struct summary *ret)
{
	double *v = malloc(n * sizeof(*v));

	memset(ret, 0, sizeof(*ret));
	if (!v)
		return;
	memcpy(v, values, n * sizeof(*v));
	qsort(v, n, sizeof(*v), ascending);
	ret->median = quantile(v, n, 0.5);
	ret->iqr = quantile(v, n, 0.75) - quantile(v, n, 0.25);
	ret->min = v[0];
	ret->max = v[n - 1];
	free(v);
}

static double median_by_round(const struct row *a, const struct row *b, size_t rounds, bool ratio)
{
	double *v = malloc(rounds * sizeof(*v));
	struct summary s;

	if (!v)
		return 0;
	for (size_t i = 0; i < rounds; i++)
		v[i] = ratio ? a->ns[i] / b->ns[i] : a->ns[i] - b->ns[i];
	summarise(v, rounds, &s);
	free(v);
	return s.median;
}

double median_ratio(const struct row *a, const struct row *b, size_t rounds)
{
	return median_by_round(a, b, rounds, true);
}

double median_difference(const struct row *a, const struct row *b, size_t rounds)
{
	return median_by_round(a, b, rounds, false);
}

int run_packets(const struct row *r, unsigned int packets, double *ns, struct sl_err *e)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = r->frame.data, .data_size_in = r->frame.bytes,
		    .repeat = packets);
	double begin;
	int ret;

	if (r->state)
		r->state->sent_ns = clock_ns(CLOCK_MONOTONIC);
	begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	ret = bpf_prog_test_run_opts(r->prog, &o);
	if (ret)
		return sl_err(e, ret, "%s: test run: %s", r->name, strerror(-ret));
	*ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
	if (o.retval != r->retval)
		return sl_err(e, -EPROTO, "%s: the program returned %u, not %u", r->name, o.retval,
			      r->retval);
	return 0;
}

static __u64 delivered(const struct steer *s)
{
	__u64 sum = 0;

	for (int i = 0; i < SLUICE_MAX_CPUS; i++)
		sum += ((const volatile struct sluice_deliver *)s->deliver)[i].packets;
	return sum;
}

/* Per packet that was delivered, until the last one was. */
int run_live(const struct row *r, unsigned int packets, double *ns, struct sl_err *e)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = r->frame.data, .data_size_in = r->frame.bytes,
		    .repeat = packets, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .batch_size = LIVE_BATCH);
	const __u64 before = delivered(r->steer);
	const struct timespec pause = { .tv_nsec = 20 * 1000 };
	double begin = clock_ns(CLOCK_MONOTONIC), last;
	__u64 now, seen;
	int ret;

	ret = bpf_prog_test_run_opts(r->prog, &o);
	if (ret)
		return sl_err(e, ret, "%s: live frames: %s", r->name, strerror(-ret));
	last = clock_ns(CLOCK_MONOTONIC);
	seen = delivered(r->steer);
	/* Until nothing comes for 2 ms: what the ring holds takes less. */
	while (clock_ns(CLOCK_MONOTONIC) - last < 2e6) {
		nanosleep(&pause, NULL);
		now = delivered(r->steer);
		if (now != seen) {
			seen = now;
			last = clock_ns(CLOCK_MONOTONIC);
		}
	}
	if (seen == before)
		return sl_err(e, -EPROTO, "%s: nothing was delivered", r->name);
	*ns = (last - begin) / (seen - before);
	return 0;
}

int check_kind(const struct row *r, struct sl_err *e)
{
	const struct sluice_steer_stats *now = r->steer ? r->steer->steer_stats : NULL;
	struct sluice_steer_stats before;
	__u64 found, missed;
	double ns;
	int ret;

	if (r->kind == ROW_OTHER)
		return 0;
	ret = run_packets(r, 2, &ns, e);	/* what was in the cache may go */
	if (ret)
		return ret;
	before = *now;
	ret = run_packets(r, CHECK_PACKETS, &ns, e);
	if (ret)
		return ret;
	found = now->hash_hits - before.hash_hits;
	missed = now->flow_misses - before.flow_misses;
	if ((r->kind == ROW_CACHED ? found > CHECK_PACKETS / 100 :
	     found != (r->kind == ROW_HASHED ? CHECK_PACKETS : 0)) ||
	    missed != (r->kind == ROW_NO_ENTRY ? CHECK_PACKETS : 0))
		return sl_err(e, -EPROTO, "%s: of %d packets %llu were found in the hash, %llu "
			      "were not", r->name, CHECK_PACKETS, found, missed);
	return 0;
}

static void keep_least(double *least, double value)
{
	if (!*least || value < *least)
		*least = value;
}

/* All rows once; keeps the least of what each cost, and of what a run of hardly any packets did. */
static int measure_pass(const struct row *rows, size_t n, double *least, double *least_begin,
			struct sl_err *e)
{
	double ns;
	int ret = run_packets(&rows[0], FEW_PACKETS, &ns, e);

	keep_least(least_begin, ns);
	for (size_t i = 0; i < n && ret == 0; i++) {
		const struct row *r = &rows[i];

		if (r->warm_up)
			ret = run_packets(r, r->warm_up, &ns, e);
		if (ret == 0 && r->live)
			ret = run_live(r, r->repeat, &ns, e);
		else if (ret == 0)
			ret = run_packets(r, r->repeat + FEW_PACKETS, &ns, e);
		keep_least(&least[i], ns);
	}
	return ret;
}

/* What it costs to begin and end a run, as much as thousands of packets, is taken off. */
static int measure_round(struct row *rows, size_t n, size_t round, struct sl_err *e)
{
	double *least = calloc(n, sizeof(*least)), least_begin = 0;
	int ret = least ? 0 : sl_err(e, -ENOMEM, "out of memory");

	for (int pass = 0; pass < PASSES && ret == 0; pass++)
		ret = measure_pass(rows, n, least, &least_begin, e);
	for (size_t i = 0; i < n && ret == 0; i++)
		rows[i].ns[round] = rows[i].live ? least[i] :
				    (least[i] - least_begin) / rows[i].repeat;
	for (size_t i = 0; i < n && ret == 0; i++)
		if (rows[i].prepared)
			rows[i].ns[round] -= rows[i].prepared->ns[round] - rows[i].plain->ns[round];
	free(least);
	return ret;
}

int measure(struct row *rows, size_t n, size_t rounds, struct sl_err *e)
{
	int ret = 0;

	for (size_t i = 0; i < n && ret == 0; i++)
		ret = check_kind(&rows[i], e);
	for (size_t round = 0; round < rounds && ret == 0; round++)
		ret = measure_round(rows, n, round, e);
	return ret;
}
