/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a candidate would have earned, from decisions that another policy made: a screen before a
 * trial, never a reason to promote. A decision counts by how likely the candidate's choice was under
 * the behaviour policy: self-normalised importance sampling (Swaminathan, Joachims, NeurIPS 2015) and
 * the doubly robust estimate (Dudik et al., Statistical Science 2014). Both are refused where the
 * data has no say: too small an effective sample (Kish: (sum w)^2 / sum w^2), or choices of the candidate
 * that the behaviour policy never made.
 */
#ifndef SLUICE_GUARD_OFFPOLICY_H
#define SLUICE_GUARD_OFFPOLICY_H

#include <stddef.h>

#define OFFPOLICY_ESS_MIN	200
/* Share of the decisions in which the candidate's choice had a chance, at least. */
#define OFFPOLICY_SUPPORT_MIN	0.95

struct offpolicy_row {
	double reward;
	double behaviour;	/* probability of the action that was taken, when it was */
	double candidate;	/* the candidate's probability of that action: 1 or 0 of a deterministic one */
	double support;		/* the behaviour policy's probability of the candidate's own choice; NAN: unknown */
	double value_taken;	/* model of the reward: of the action taken; NAN without one */
	double value_candidate;	/* ... under the candidate's choices */
};

struct offpolicy_estimate {
	size_t n;
	double ess, support;	/* effective sample, share with support */
	double behaviour;	/* mean reward as it was */
	double snips, snips_low, snips_high;	/* 95 %, normal approximation */
	double dr, dr_low, dr_high;		/* NAN without a model of the reward */
};

/*
 * -EDOM: no support; -ENODATA: the effective sample is too small; *out says so in numbers all the same. Rows
 * that are not well-formed do not count. The intervals take rows as independent: a screen, as was said.
 */
int offpolicy_estimate(const struct offpolicy_row *row, size_t n, struct offpolicy_estimate *out);

#endif
