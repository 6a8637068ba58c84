/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fitted policies keep in their models, all as numbers: number[0] is K / (C * RTT) before
 * anything was observed, the rest by kind. F is FEATURES, T POLICY_TEMPLATES, S LAB_STEPS.
 *
 *	linear		intercept, weights (F) of log2(K / (C * RTT))
 *	tree		nodes of five: feature (-1: a leaf), below, above, class, at
 *	lookup		scale (F) of the features, then rows of F features and log2(K / (C * RTT))
 *	identify	scale (F), then by mix (S, F) features by step and (T) regrets by template
 *	bandit		theta (T, F + 1), b (the same), A^-1 (T, F + 1, F + 1), as of bandit.h
 */
#ifndef SLUICE_POLICY_FITTED_H
#define SLUICE_POLICY_FITTED_H

#include "policy/lab.h"

#define FITTED_NODE		5
#define FITTED_ROW		(FEATURES + 1)
#define FITTED_MIX		(LAB_STEPS * FEATURES + POLICY_TEMPLATES)
#define FITTED_NEIGHBOURS	20
#define FITTED_CONTEXT		(FEATURES + 1)
#define FITTED_BANDIT		(1 + POLICY_TEMPLATES * FITTED_CONTEXT * (2 + FITTED_CONTEXT))

/* A bandit's view of the features, near [-1, 1], with a constant. */
void fitted_context(const double x[FEATURES], double context[FITTED_CONTEXT]);

#endif
