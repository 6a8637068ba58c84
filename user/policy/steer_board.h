/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steering policies side by side on a lab's test workloads: all meet the same arrivals, under the
 * same guard but for yardsticks, and a row is what one of them led to.
 */
#ifndef SLUICE_POLICY_STEER_BOARD_H
#define SLUICE_POLICY_STEER_BOARD_H

#include "policy/par.h"
#include "policy/steer_model.h"

#define STEER_BOARD_SEEDS	8
#define STEER_BOARD_ROWS	48

struct steer_row {
	char name[48];
	const struct steer_policy_ops *ops;
	struct steer_tuning tuning;
	struct steer_place place;	/* all 0: none */
	const struct model *model;	/* of an agent; stays the caller's. NULL: a baseline */
	struct steer_outcome out[STEER_LAB_WORKLOADS][STEER_BOARD_SEEDS];	/* of test workloads */
};

struct steer_board {
	const struct steer_lab *lab;
	double seconds;			/* of a run, after the warm-up */
	unsigned int seeds;		/* STEER_LAB_TEST_SEED and up */
	struct steer_row *row[STEER_BOARD_ROWS];
	size_t n;
};

/* A row that was not run yet; an agent's with its model, else m is NULL. NULL: no memory or room. */
struct steer_row *steer_board_add(struct steer_board *b, const char *name,
				  const struct steer_policy_ops *ops, const struct model *m);
/* A row for every policy but the agent, tuned by steer_lab_tune() with so many settings. */
int steer_board_baselines(struct steer_board *b, const struct par *par, size_t settings,
			  struct sl_err *e);
/* Runs all rows. */
int steer_board_run(struct steer_board *b, const struct par *par, struct sl_err *e);
void steer_board_free(struct steer_board *b);

const struct steer_row *steer_board_find(const struct steer_board *b, const char *name);
/* log(cost / cost of the other) on a workload, the mean over seeds; and over test workloads. */
double steer_board_over(const struct steer_board *b, const struct steer_row *r,
			const struct steer_row *other, size_t w);
double steer_board_mean(const struct steer_board *b, const struct steer_row *r,
			const struct steer_row *other);
/* The 2.5 % and 97.5 % quantiles of the mean, families drawn with replacement. */
void steer_board_interval(const struct steer_board *b, const struct steer_row *r,
			  const struct steer_row *other, double *low, double *high);
/* Of policies that a host could run and that did not learn: the best on each workload, its mean. */
double steer_board_hindsight(const struct steer_board *b, const struct steer_row *other);
/* The one of them that is best on average; NULL: there is none. */
const struct steer_row *steer_board_best(const struct steer_board *b,
					 const struct steer_row *other, bool learned);
/* Means over test workloads and seeds; geometric ones of times. */
struct steer_outcome steer_board_summary(const struct steer_board *b, const struct steer_row *r);

#endif
