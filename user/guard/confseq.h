/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Evidence on the mean of numbers that come one by one, valid whenever one looks and stops.
 *
 * Confidence sequence: intervals that contain the mean at all times at once with probability 1 - alpha,
 * by betting (Waudby-Smith, Ramdas, "Estimating means of bounded random variables by betting", JRSS B
 * 2024): for every mean m on a grid gamblers bet that x is above and below m, with stakes that
 * are known before x; m is in the interval while neither side has got rich. Observations need not be
 * independent nor alike: what is needed is that they are bounded and that each has the mean in
 * question given the past, which is what randomising slices makes true of differences between arms
 * that are alike. The most that a bet earns is in proportion to the mean's distance from m over that
 * of the bounds: narrow bounds decide sooner.
 *
 * Change detector: one that forgets a good past. An e-process restarted whenever it is below 1
 * (Shin, Ramdas, Rinaldo, "E-detectors", 2022): while the mean is not below zero, it takes at least
 * 1 / alpha observations on average until it is wrong.
 */
#ifndef SLUICE_GUARD_CONFSEQ_H
#define SLUICE_GUARD_CONFSEQ_H

#include <stdbool.h>
#include <stdint.h>

#define CONFSEQ_GRID	256
#define CONFSEQ_STAKES	6

struct confseq {
	double low, high;	/* no observation is outside */
	double alpha;
	uint64_t n;
	double sum;		/* of what was seen, scaled to [0, 1] */
	/* Each gambler's wealth, one per stake, side and mean. */
	double up[CONFSEQ_STAKES][CONFSEQ_GRID + 1], down[CONFSEQ_STAKES][CONFSEQ_GRID + 1];
	double from, to;	/* running intersection */
	int below, above;	/* so many cells of the grid are out, at either end */
};

/* alpha is of both ends together: each alone holds at all times with probability 1 - alpha / 2. */
void confseq_init(struct confseq *c, double low, double high, double alpha);
/* Clipped to the bounds; what is not a number counts as nothing. */
void confseq_add(struct confseq *c, double x);
void confseq_interval(const struct confseq *c, double *from, double *to);
double confseq_mean(const struct confseq *c);	/* of what was seen; NAN before */
/*
 * log of the evidence, as it is now, against "the mean is at most m" and "at least m": it ever reaches
 * log(1 / a) with probability a at most, if that is so.
 */
double confseq_evidence_above(const struct confseq *c, double m);
double confseq_evidence_below(const struct confseq *c, double m);

struct edetector {
	double span, alpha, tolerance;
	uint64_t n;
	bool alarm;
	/* Of a mixture of stakes: log of each one's wealth since its last restart. */
	double wealth[CONFSEQ_STAKES];
};

/* Against "the mean is at least -tolerance", of observations within +-span. */
void edetector_init(struct edetector *e, double span, double tolerance, double alpha);
/* true: the mean has fallen; it goes on being true until init. */
bool edetector_add(struct edetector *e, double x);
double edetector_evidence(const struct edetector *e);	/* log; alarm at log(1 / alpha) */

#endif
