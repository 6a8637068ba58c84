/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Policies beside each other on test mixes. Costs are compared by their logarithms, mix by mix;
 * intervals are of the 2.5 % and 97.5 % quantiles of a bootstrap over families.
 *
 *	over		mean of cost / cost of the oracle - 1
 *	loss		the same against the best static threshold
 *	captured	(static - policy) / (static - oracle), of the means
 *
 * Of one family alone, a bootstrap over its mixes.
 *
 * The oracle is, for each mix, the best of the ten thresholds, and where phases alternate the best
 * that was found with one threshold for each of them. It was chosen by the very runs it is judged
 * by, and its luck is part of it: no policy gets there.
 */
#ifndef SLUICE_POLICY_LADDER_H
#define SLUICE_POLICY_LADDER_H

#include "policy/lab.h"

#define LADDER_BAYES_RUNS	6	/* of each mix */

struct ladder;

/* The test's own lab, which stays the caller's, and the best static threshold of another. */
int ladder_new(const struct lab *test, const struct model *best_static, struct ladder **ret);
void ladder_free(struct ladder *l);	/* accepts NULL */

/*
 * By mix: ln(cost), ln(slowdown) of small and large flows, and of those with ECN and without, NAN
 * where a mix does not have both. The caller's memory.
 */
enum { LADDER_COST, LADDER_MICE, LADDER_ELEPHANTS, LADDER_ECN, LADDER_NONECN, LADDER_VALUES };
struct ladder_row {
	double (*value)[LADDER_VALUES];
};

int ladder_row_model(struct ladder *l, const struct model *m, struct ladder_row *ret);
int ladder_row_step(struct ladder *l, unsigned int step, struct ladder_row *ret);
int ladder_row_oracle(struct ladder *l, bool varying, struct ladder_row *ret);
/* One threshold for each mix, by Bayesian optimisation on other arrivals of it. */
int ladder_row_bayes(struct ladder *l, struct ladder_row *ret);
void ladder_row_free(struct ladder_row *row);

struct ladder_interval {
	double mean, low, high;
};

struct ladder_score {
	struct ladder_interval over, loss, captured;
	double worst_family;		/* mean loss in the worst of them */
	double mice, elephants;		/* slowdowns, geometric means over mixes */
	double ecn, nonecn;		/* over mixes that have both; NAN: there is none */
};
void ladder_score(const struct ladder *l, const struct ladder_row *row, struct ladder_score *out);
/* Of the mixes of one family; false: there are none. */
struct ladder_family {
	size_t mixes;
	struct ladder_interval opportunity, loss, captured;
};
bool ladder_family(const struct ladder *l, const struct ladder_row *row, unsigned int family,
		   struct ladder_family *out);
/* Cost of a over that of b - 1. */
void ladder_compare(const struct ladder *l, const struct ladder_row *a, const struct ladder_row *b,
		    struct ladder_interval *out);
/* (static - oracle), as a share of the oracle: what there is to gain. */
void ladder_opportunity(const struct ladder *l, struct ladder_interval *out);

#endif
