/* SPDX-License-Identifier: GPL-2.0 */
/* What "train" and "eval" have in common: words, files of sizes, progress. */
#ifndef SLUICE_CLI_LAB_ARGS_H
#define SLUICE_CLI_LAB_ARGS_H

#include "cli/cli.h"
#include "policy/algo.h"

#define LAB_FILES_MAX	32

struct lab_files {
	struct dist dist[LAB_FILES_MAX];
	char *name[LAB_FILES_MAX];
	size_t n;
	struct link_trace trace[LAB_FILES_MAX];
	char *trace_name[LAB_FILES_MAX];
	size_t traces;
};

/* Adds the files of "FILE,FILE,...", of sizes or link traces; an exit status. */
int lab_files_add(struct lab_files *f, const char *list);
int lab_files_add_traces(struct lab_files *f, const char *list);
void lab_files_free(struct lab_files *f);
/* Of the rates that mixes have, so many percent. */
struct mix_files lab_files_mix(const struct lab_files *f, unsigned int epochs,
			       unsigned int rate_percent);

/* Progress of par_run() on standard error, where that is a terminal. */
struct lab_progress {
	const char *what;
	double started, told;
};
void lab_progress_begin(struct lab_progress *p, const char *what);
void lab_progress_tick(void *arg, size_t done, size_t n);

#endif
