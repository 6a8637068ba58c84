/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Trials: what decides whether a candidate takes the incumbent's place, and whether the incumbent
 * keeps it. Pure logic: no clock, no file, no policy; who calls says what time it is and lets the
 * arm act that it is told.
 *
 * A trial is a randomised switchback. A queue's time is cut into slices, each of one arm; the arms of
 * a block come in random order. J is measured of a slice without its beginning, in which the queue
 * still answers to the arm before. Of a block, J(candidate) - J(incumbent) and J(candidate) - J(static)
 * are one observation each: whatever the load does, alike arms have differences of mean zero,
 * because the order was drawn. J is a logarithm-like reward (daemon/reward_ecn.h), so 0.1 is about 10 %.
 * A queue's first block is the static arm's and does not count: harm is what is worse than that.
 *
 * One queue begins, the canary. After canary_blocks blocks there without harm all queues take part,
 * and of their observations in the same block the mean counts, because one host's queues are not independent.
 *
 *	BETTER		both differences are above zero, at confidence 1 - alpha, at whatever time. Each
 *			may take all of alpha: who is not better fails one of them at least
 *	WORSE		one of them is below zero; here alpha is split between them
 *	HARMFUL		so many slices of the candidate did visible harm: "strikes" in a row on one queue,
 *			or TRIAL_HARM_TOTAL times as many in all
 *	UNDECIDED	max_blocks are over; or four times as many, counting void ones
 *
 * A slice is ended early where J, of what counts so far of it and at least a second, is below the static arm's
 * latest mean by more than "harm"; the static arm has the rest of it. Where the static arm then
 * does no better, it was the load, and the slice was not harmful. That bounds what a bad
 * candidate costs at all before statistics have anything to say: see trial_worst(). All arms
 * are measured only until then, so that early ends favour none.
 *
 * The watch is the same with two arms and for as long as the incumbent is in force: of watch_slices slices one
 * is the static's, the others the incumbent's. A detector that forgets says WORSE when the
 * incumbent has become worse than the static by more than "tolerance"; HARMFUL as above, but after
 * TRIAL_WATCH_ROW times as many in a row, because a watch sees thousands of slices (in all: a slice
 * without harm makes up for 1 / 20 of one). It has no other verdicts. Its alpha is another: as long as the
 * incumbent is no worse than by the tolerance, a false WORSE comes after 1 / alpha blocks at the
 * earliest, on average. An incumbent that is better than that is all the safer.
 */
#ifndef SLUICE_GUARD_TRIAL_H
#define SLUICE_GUARD_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

enum trial_arm { TRIAL_INCUMBENT, TRIAL_CANDIDATE, TRIAL_STATIC, TRIAL_ARMS };

#define TRIAL_VERDICTS(X)						\
	X(RUNNING, "not decided yet")					\
	X(BETTER, "better than the incumbent and than the best static")	\
	X(WORSE, "worse than the incumbent or than the best static")	\
	X(HARMFUL, "visible harm, slice after slice")			\
	X(UNDECIDED, "no difference shown in the time it had")

enum trial_verdict {
#define X(name, text) TRIAL_##name,
	TRIAL_VERDICTS(X)
#undef X
	TRIAL_VERDICT_N,
};
const char *trial_verdict_name(enum trial_verdict v);	/* lower case */
const char *trial_verdict_text(enum trial_verdict v);
const char *trial_arm_name(enum trial_arm a);

struct trial_config {
	bool watch;
	bool incumbent_is_static;	/* then a trial has two arms and one difference */
	double slice_s;			/* the caller's: at least 5 s and 50 RTT */
	double discard;			/* share of a slice: 0.2 */
	double alpha;			/* below 0.5 */
	double span;			/* a difference counts as at most so much, either way: 0.5 */
	double harm;			/* 0.5 */
	unsigned int strikes;		/* harmful slices in a row of the same arm: 3 */
	double tolerance;		/* of the watch */
	unsigned int canary_blocks;
	unsigned int max_blocks;
	unsigned int watch_slices;
	uint64_t seed;
};
void trial_config_default(struct trial_config *c);

#define TRIAL_HARM_TOTAL	4
#define TRIAL_WATCH_ROW		2

struct trial;

int trial_new(const struct trial_config *c, struct trial **ret);	/* -EINVAL, -ENOMEM */
void trial_free(struct trial *t);	/* accepts NULL */

/*
 * Each epoch, for every queue that may be acted on: the arm that acts on it from now on. The queue is
 * an index that the caller keeps stable; one that is new joins, the first one being the canary.
 * Queues that do not take part yet have the incumbent, *takes_part (may be NULL) is false.
 */
enum trial_arm trial_arm(struct trial *t, unsigned int queue, uint64_t now_ns, bool *takes_part);
/*
 * An interval ended in which the arm that trial_arm() named acted, without a change of arm in between: J was
 * "reward" during its "seconds". An idle interval is not reported; a slice with less than half of
 * its time reported makes its block void.
 */
void trial_observe(struct trial *t, unsigned int queue, uint64_t now_ns, double seconds,
		   double reward);
/* The queue is gone, or somebody else acted on it: its block is void. */
void trial_interrupt(struct trial *t, unsigned int queue);

struct trial_report {
	enum trial_verdict verdict;
	uint64_t blocks, voided;	/* that counted; that did not */
	bool canary;			/* one queue only, so far */
	unsigned int queues;
	/*
	 * J(candidate) - J(incumbent), - J(static); in the watch J(incumbent) - J(static) in [1].
	 * Each end, low and high, holds at all times with probability 1 - alpha. BETTER: low >= 0.
	 */
	double mean[2], low[2], high[2];	/* NAN: not known, or no such difference */
	uint64_t slices[TRIAL_ARMS], harmful[TRIAL_ARMS];
	double reward[TRIAL_ARMS];	/* mean J; NAN */
	double worst;			/* lowest J - J(static) of a slice so far; NAN: none yet */
	double harm_s;			/* time in slices of arms other than static that were harmful */
};
void trial_report(const struct trial *t, struct trial_report *out);
/*
 * The promise, in numbers: seconds that the candidate can do visible harm (of more than "harm") on one queue
 * before it is rejected, slices that were ended early included. It holds for any candidate at all,
 * also for one that knows the rules; harm that never ceases is over after trial_worst_steady().
 * Of the watch: as long as harm is all that it does.
 */
double trial_worst(const struct trial_config *c);
double trial_worst_steady(const struct trial_config *c);

#endif
