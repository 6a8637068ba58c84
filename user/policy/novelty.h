/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Is what a queue does now like what a model was made from? A conformal test (Vovk, Gammerman, Shafer,
 * "Algorithmic Learning in a Random World", 2005): some states that the model visited on mixes like
 * those of its training, the reference, say where states lie; others, the calibration, how far from it
 * such states are, and
 *
 *	p = (1 + number of calibration states that are as far or further) / (their number + 1)
 *
 * If a state came from where they came from, P(p <= s) <= s for every s. That rests on
 * exchangeability. States of one run are like each other, so it holds over many runs: within one
 * false alarms come together.
 *
 * How far is the mean distance to the nearest of the reference, features being scaled to one standard
 * deviation. A leaf of a qtree that none of the reference is in is further than any other: nothing is
 * known of what it does. (To ask for three in a leaf took all power from high confidences: many leaves are
 * rare ones, and one state in twenty of training is in such.)
 *
 * A confidence of 0.9 as a threshold means significance 0.1: one state in ten of those the model
 * knows is taken for a new one.
 */
#ifndef SLUICE_POLICY_NOVELTY_H
#define SLUICE_POLICY_NOVELTY_H

#include "policy/model.h"
#include "policy/policy.h"
#include "policy/queue_tree.h"

struct novelty;

/* What states are made of: the policies' features, or of a qtree those of the kernel. */
enum novelty_space { NOVELTY_POLICY, NOVELTY_QTREE };
#define NOVELTY_FEATURES_MAX	16

#define NOVELTY_REFERENCE	1500	/* states that are kept, at most, by taking every n-th */
#define NOVELTY_CALIBRATION	2000

/*
 * Puts the test into a model: states are rows of its features, the reference's of other runs than the
 * calibration's. -ENODATA: too few; -EDOM: not finite; -ENOMEM. As model_set() it copies.
 */
int novelty_calibrate(struct model *m, const double *reference, size_t references,
		      const double *calibration, size_t calibrations);
/* *ret is NULL where the model has no calibration. -EBADMSG: what it has is none; -ENOMEM. */
int novelty_of(const struct model *m, struct novelty **ret);
void novelty_free(struct novelty *n);	/* accepts NULL */
/* Of as many features as the space has; of one that is not a number it is the least there is. */
double novelty_p(const struct novelty *n, const double *x);
enum novelty_space novelty_space(const struct novelty *n);
enum novelty_space novelty_space_of(const struct model *m);
size_t novelty_features(enum novelty_space space);

/* Confidence 0.7 to 0.95 as significance: below it a state is taken for a new one. */
static inline double novelty_significance(double confidence)
{
	return 1 - confidence;
}

/*
 * A queue that is watched, in step with a policy that began with it: every DISTILL_EPOCHS epochs with
 * traffic there is a state. Zeroed at first, and when the queue is another one.
 */
struct novelty_watch {
	struct policy_watch policy;
	struct sluice_tree_sample sample;
	double p;		/* of the last state; 0 before there was one */
	unsigned long states;
};
/* An epoch has ended; true: there was a state, and x is it (NOVELTY_FEATURES_MAX is room enough). */
bool novelty_state(struct novelty_watch *w, enum novelty_space space, const struct ecn_interval *in,
		   double *x);
/* The same; true: w->p is new. */
bool novelty_epoch(const struct novelty *n, struct novelty_watch *w, const struct ecn_interval *in);

#endif
