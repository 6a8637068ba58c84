/* SPDX-License-Identifier: GPL-2.0 */
/* What trial.c (blocks, verdicts) and trial_slice.c (one queue's slices) share. */
#ifndef SLUICE_GUARD_TRIAL_PRIV_H
#define SLUICE_GUARD_TRIAL_PRIV_H

#include "guard/trial.h"

#define TRIAL_PENDING	4	/* strikes of a queue that are not judged yet */

/* A mean over time. */
struct trial_mean {
	double sum, seconds;
};

/* A slice that was ended early, not yet compared with what the static arm did afterwards. */
struct trial_strike {
	enum trial_arm arm;
	double reward, seconds;
	bool passed;		/* the arm had a slice without harm since: none in a row */
};

struct trial_queue {
	bool known, taking, warm_up, is_void;
	bool out;		/* interrupted: until the next block */
	uint64_t block, slice;		/* slice: within the block */
	enum trial_arm *order;		/* of this block; a trial's or a watch's slices */

	/* The slice. */
	enum trial_arm arm, acting;	/* acting: static after an early end */
	uint64_t slice_ns, acting_ns;	/* since when */
	struct trial_mean reported, counted, afterwards;
	struct trial_mean all;		/* counted, and what came after the early end, did it not end */
	bool ended;

	/* The block. */
	double reward[TRIAL_ARMS];	/* sum over the slices that counted */
	unsigned int slices[TRIAL_ARMS];
	bool struck;

	/* What stays. */
	double reference;		/* static arm's latest mean; NAN */
	double block_reference;		/* as it was when the block began */
	struct trial_strike pending[TRIAL_PENDING];
	unsigned int n_pending;
	unsigned int in_row[TRIAL_ARMS];
	double in_all[TRIAL_ARMS];
};

struct trial_sums {	/* over queues, for trial_report() */
	uint64_t slices[TRIAL_ARMS], harmful[TRIAL_ARMS];
	double reward[TRIAL_ARMS];
	double worst, harm_s;
};

void trial_slice_open(const struct trial_config *c, struct trial_queue *q, enum trial_arm arm,
		      uint64_t start_ns, uint64_t now_ns);
void trial_slice_add(const struct trial_config *c, struct trial_queue *q, uint64_t now_ns,
		     double seconds, double reward, struct trial_sums *s);
void trial_slice_close(const struct trial_config *c, struct trial_queue *q, struct trial_sums *s);
/* Strikes that end it when they come in a row. */
unsigned int trial_in_row(const struct trial_config *c);
/* Whether the arm has done as much harm as it may. */
bool trial_harm_over(const struct trial_config *c, const struct trial_queue *q,
		     enum trial_arm arm);

#endif
