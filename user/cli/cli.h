/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The command line tool "sluice": grammar of iproute2 and bpftool,
 *
 *     sluice [-j] OBJECT VERB ...
 *
 * One row per object is in the table of main.c; help comes from the rows. A
 * command gets the words after its object: "sluice queue show eth0" calls
 * cmd_queue() with argc 2, argv { "show", "eth0", NULL }. "-j" may stand
 * anywhere and is taken out before. A command returns the exit status:
 *
 *     0  done
 *     1  it could not be done; "sluice: <one sentence>" went to stderr
 *     2  it was not said right; the usage of the object went to stderr
 */
#ifndef SLUICE_CLI_CLI_H
#define SLUICE_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "lib/err.h"

#define CLI_OK		0
#define CLI_FAILED	1
#define CLI_USAGE	2

struct cli_command;

struct cli {
	bool json;			/* -j: print one JSON document */
	const struct cli_command *command;
};

struct cli_command {
	const char *name;
	int (*run)(struct cli *cli, int argc, char **argv);
	const char *usage;	/* one line per form, without "sluice" */
	const char *text;	/* what it does, for help */
};

int cmd_load(struct cli *cli, int argc, char **argv);
int cmd_unload(struct cli *cli, int argc, char **argv);
int cmd_flow(struct cli *cli, int argc, char **argv);
int cmd_where(struct cli *cli, int argc, char **argv);	/* of "flow" */
int cmd_rss(struct cli *cli, int argc, char **argv);
int cmd_cpu(struct cli *cli, int argc, char **argv);
int cmd_queue(struct cli *cli, int argc, char **argv);
int cmd_agent(struct cli *cli, int argc, char **argv);
int cmd_policy(struct cli *cli, int argc, char **argv);
int cmd_status(struct cli *cli, int argc, char **argv);
int cmd_probe(struct cli *cli, int argc, char **argv);
int cmd_replay(struct cli *cli, int argc, char **argv);
int cmd_capture(struct cli *cli, int argc, char **argv);
int cmd_log(struct cli *cli, int argc, char **argv);
int cmd_sim(struct cli *cli, int argc, char **argv);
int cmd_validate(struct cli *cli, int argc, char **argv);	/* of "sim" */
int cmd_train(struct cli *cli, int argc, char **argv);
int cmd_train_steer(struct cli *cli, int argc, char **argv);	/* of "train" */
int cmd_train_offline(struct cli *cli, int argc, char **argv);	/* of "train" */
int cmd_distill(struct cli *cli, int argc, char **argv);
int cmd_novelty(struct cli *cli, int argc, char **argv);
int cmd_tree(struct cli *cli, int argc, char **argv);
int cmd_tree_place(struct cli *cli, int argc, char **argv);	/* of "tree" */
int cmd_eval(struct cli *cli, int argc, char **argv);
int cmd_distill_steer(struct cli *cli, int argc, char **argv);	/* of "distill" */
int cmd_lab(struct cli *cli, int argc, char **argv);
int cmd_lab_report(struct cli *cli, int argc, char **argv);	/* of "lab" */
int cmd_lab_dynamic(struct cli *cli, int argc, char **argv);	/* of "lab" */
int cmd_eval_steer(struct cli *cli, int argc, char **argv);	/* of "eval" */

/* Prints "sluice: ..." to stderr and returns CLI_FAILED. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with the sentence a library call left. */
int cli_fail_err(const struct sl_err *e);
/* Prints "sluice: ...", then the usage of the object, to stderr; returns CLI_USAGE. */
int cli_usage(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Prints doc to stdout as JSON with a newline and gives up the reference to it; returns the exit
 * status. A NULL doc (a json_pack() that failed) is reported as out of memory.
 */
int cli_print_json(json_t *doc);

struct sluice_flow_key;
/* A flow with its counters, as "flow show" and "replay" print it. */
json_t *cli_flow_json(const struct sluice_flow_key *key, uint64_t packets, uint64_t bytes,
		      unsigned int cpu);

/* A decimal number within [min, max]; false leaves *value alone. */
bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);
/* The same of the option --NAME: CLI_USAGE, and it said what there may be. */
int cli_take_number(const struct cli *cli, const char *name, const char *text, uint64_t min,
		    uint64_t max, uint64_t *value);
/* A number with a fraction. */
bool cli_decimal(const char *text, double min, double max, double *value);

#endif
