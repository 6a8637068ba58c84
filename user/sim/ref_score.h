/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How near runs of ours come to reference runs.
 *
 * A flow's slowdown is its completion time over that which the reference has for it alone.
 * A run is summed up by the mean of its flows' slowdowns and by their 99th percentile (between two
 * flows linearly between them). A score is over the runs of one congestion control: Spearman's rank
 * correlation of the runs' figures with the reference's, and the median of their relative errors.
 * The null model is the reference's max-min column; a slowdown below 1, which cannot be, counts
 * there as 1.
 */
#ifndef SLUICE_SIM_REF_SCORE_H
#define SLUICE_SIM_REF_SCORE_H

#include "sim/ref.h"

struct ref_figures {
	double mean, p99;
};

struct ref_outcome {
	size_t flows;		/* that count: they ended everywhere */
	size_t unended;		/* ended in the reference, but not here */
	struct ref_figures ns3, sim, maxmin;
	double flow_err;	/* the median over flows of the completion time's relative error */
};

/* Of the first n flows; -ENOMEM, or -EINVAL when none counts. */
int ref_outcome(const struct ref_run *run, const double *fct_ns, size_t n, struct ref_outcome *ret);

enum ref_model { REF_SIM, REF_NULL };
/* By position in the list: all, those at 0, 2, 4, ... or those at 1, 3, 5, ... */
enum ref_part { REF_ALL, REF_EVEN, REF_ODD };

/* NaN where there are too few runs. */
struct ref_score {
	size_t runs;
	double spearman_mean, spearman_p99, median_rel_err_mean, median_rel_err_p99;
};

int ref_score(const struct ref_outcome *outcome, size_t n, enum ref_model model,
	      enum ref_part part, struct ref_score *ret);	/* 0 or -ENOMEM */

#endif
