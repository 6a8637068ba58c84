/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A block of runs that a child process does one after the other. What it is to do is in files of a
 * directory: "order" has the runs' numbers by line, NUMBER.job what is to be known of one, as
 * "key=value" lines that a shell can read. It answers by lines,
 *
 *	BEGIN RUN
 *	RECORD {...}
 *
 * and what else it prints is kept as the log. A child that dies costs the run that was under way.
 */
#ifndef SLUICE_LAB_BLOCK_H
#define SLUICE_LAB_BLOCK_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "lab/runner.h"

#define BLOCKS_AT_ONCE	16
#define BLOCK_LOG_BYTES	4000
#define BLOCK_WORDS	10

struct block;

/* What does blocks. */
struct block_executor {
	const char *who;		/* "the VM": for people */
	const char *script;		/* of the source tree, without which there is none */
	double start_s, extra_s;	/* until the first run; of a run beyond its seconds */
	bool one_cpu;			/* of this host, if several are done at once */
	int (*write_files)(const struct block *b, const struct store_run *run, struct sl_err *e);
	/* The command, with a NULL behind it; limit_s: seconds after which it may be killed. */
	void (*command)(const struct block *b, const char *limit_s, const char *words[BLOCK_WORDS]);
};

struct block {
	struct runner *r;
	const struct block_executor *by;
	struct store_run *run;
	size_t n;
	unsigned int slot;		/* among those that are done at once */
	char dir[PATH_MAX];
	pid_t pid;
	int fd;
	struct attempt attempt;
	char *line;
	size_t used;
	char log[BLOCK_LOG_BYTES];	/* what it said last that was no record */
	unsigned int begun;
};

/*
 * The file of a run, with what all executors tell: run, seed, the configuration's keys, the objective's weights (w_CLASS,
 * w_goodput) and arrivals, the lists' path without their names. The executor adds its own.
 */
int block_job(const struct block *b, const struct store_run *run, FILE **ret, struct sl_err *e);
int block_job_end(FILE *f, const struct store_run *run, struct sl_err *e);
/* The lists that the runs of a workload, configuration and trial have in common, unless they are there. */
int block_write_arrivals(const struct block *b, const struct store_run *run, struct sl_err *e);

/* Does what is to be done, as runner_run(). */
int blocks_run(struct runner *r, const struct block_executor *by, unsigned int at_once, struct sl_err *e);

#endif
