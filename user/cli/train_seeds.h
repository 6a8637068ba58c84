/* SPDX-License-Identifier: GPL-2.0 */
/* What all of "train" have in common: seeds in processes of their own, progress, the median. */
#ifndef SLUICE_CLI_TRAIN_SEEDS_H
#define SLUICE_CLI_TRAIN_SEEDS_H

#include "policy/trainer.h"

#define TRAIN_SEEDS_MAX		32
#define TRAIN_CHECKPOINT_S	5

/* Tells, every few seconds, how far it is, how fast it goes, and what is left. */
struct train_told {
	uint64_t seed;
	unsigned int steps;	/* of an episode */
	const char *unit;	/* "decisions" */
	const char *plotted;	/* "lately ..." so many times what is plotted, and this */
	double times;
	double next, started;
	uint64_t first;		/* the rate is that since then */
};
/* A progress() of trainer.h; arg is a struct train_told. */
void train_tell(void *arg, uint64_t done, uint64_t all, double plotted);

struct train_seeds {
	uint64_t seed, seeds, jobs;
	const char *out, *command;	/* the command less the seed */
	const char *over;		/* "over the best ..." */
	void *ctx;
	/* In a process of its own. */
	int (*train)(void *ctx, uint64_t seed, const char *out, const char *command,
		     struct train_report *report, struct sl_err *e);
	/* ln(cost / cost of what "over" says) of a model that acts greedily. */
	int (*judge)(void *ctx, const struct model *m, double *over, struct sl_err *e);
};
/* Trains all, reports each, and leaves the median one in out; an exit status. */
int train_seeds(const struct train_seeds *t);

#endif
