/* SPDX-License-Identifier: GPL-2.0 */
/* What "train steer" and "eval --steer" have in common: which workloads on which machine. */
#ifndef SLUICE_CLI_STEER_ARGS_H
#define SLUICE_CLI_STEER_ARGS_H

#include <getopt.h>

#include "cli/cli.h"
#include "policy/steer_lab.h"

/* Rows of getopt_long()'s table; letters that steer_args_take() knows. */
#define STEER_ARGS_OPTIONS					\
	{ "workload", required_argument, NULL, 'w' },		\
	{ "loads", required_argument, NULL, 'l' },		\
	{ "interval-ms", required_argument, NULL, 'i' },	\
	{ "stack-ns", required_argument, NULL, 'k' },		\
	{ "stale", required_argument, NULL, 'O' },		\
	{ "no-hold", no_argument, NULL, 'H' },			\
	{ "sizes", required_argument, NULL, 'z' },		\
	{ "capture", required_argument, NULL, 'c' }

struct steer_args {
	struct steer_lab_config config;
	const char *families, *loads, *sizes_path, *capture_path;	/* as they were given */
	struct dist sizes;
	struct cpus_capture capture;
	struct steer_lab lab;
};

void steer_args_init(struct steer_args *a);
void steer_args_free(struct steer_args *a);
/* An exit status; *mine is false when the letter is none of these. */
int steer_args_take(const struct cli *cli, struct steer_args *a, int letter, const char *value,
		    bool *mine);
/* Reads the files and makes the lab; an exit status. */
int steer_args_lab(struct steer_args *a);
/* " --loads ..." and so on, as many bytes as snprintf() would say. */
size_t steer_args_text(const struct steer_args *a, char *text, size_t size);

#endif
