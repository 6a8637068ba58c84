/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rows of a benchmark and their statistics. Rows are measured in interleaved
 * rounds, because the machine's speed drifts; compare ratios within one run. A
 * round is four passes over all rows, and its value is the least of them: what
 * a hypervisor or a hyper-thread's sibling takes away only ever adds.
 *
 * It is CPU time of the measuring thread, so that other processes disturb it
 * by what they do to caches only. (The kernel's own figure for a test run is in
 * whole nanoseconds and counts what was preempted.) Live frames are measured
 * by wall clock, because two CPUs work on them.
 *
 * The kernel waits for grace periods at both ends of a run, about 20 ms that cost
 * time and no CPU: hence long runs, and no more of them than it takes.
 */
#ifndef SLUICE_BENCH_MEASURE_H
#define SLUICE_BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>

#include "../bpf/frames.h"
#include "bench.h"
#include "lib/steer_priv.h"

/* What a packet of the row must be, so that it measures what it says. */
enum row_kind {
	ROW_OTHER,
	ROW_CACHED,	/* an entry, found in the cache but where that is written back */
	ROW_HASHED,	/* an entry, found in the hash each time */
	ROW_NO_TABLE,	/* no entry was ever made */
	ROW_NO_ENTRY,
};

struct row {
	const char *name;
	bool in_json;
	enum row_kind kind;
	unsigned int retval;	/* XDP_* */
	unsigned int repeat;	/* packets of a pass */
	unsigned int warm_up;	/* before them, not timed */
	struct steer *steer;	/* its instance, or NULL */
	int prog;
	struct frame frame;
	struct bench_state *state;	/* of its object, or NULL */
	bool live;		/* frames are delivered; repeat of them, by wall clock */
	/* What prepares the packet is taken off: the difference of these two in the same round. */
	const struct row *prepared, *plain;
	double *ns;		/* by round */
};

struct summary {
	double median, iqr, min, max;
};

void summarise(const double *values, size_t n, struct summary *ret);
/* Of the rows' values, round by round. */
double median_ratio(const struct row *a, const struct row *b, size_t rounds);
double median_difference(const struct row *a, const struct row *b, size_t rounds);

/* CPU time of one run of so many packets; also checks what the program returned. */
int run_packets(const struct row *r, unsigned int packets, double *ns, struct sl_err *e);
/* Wall-clock time per packet delivered. */
int run_live(const struct row *r, unsigned int packets, double *ns, struct sl_err *e);
/* Runs a few packets: are they of the kind that they should be? */
int check_kind(const struct row *r, struct sl_err *e);
/* All rows, that many rounds; fills ns. */
int measure(struct row *rows, size_t n, size_t rounds, struct sl_err *e);

#endif
