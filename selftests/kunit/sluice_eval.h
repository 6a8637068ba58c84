/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the test module sluice_eval is asked and answers, through one file in debugfs: a write()
 * of the request, as far as it has states, evaluates; a read() from offset 0 of the same open
 * file gets the answer, as far as it has rows.
 */
#ifndef SLUICE_EVAL_H
#define SLUICE_EVAL_H

#include <sluice/aqm.h>
#include <sluice/tree.h>

#define SLUICE_EVAL_FILE	"sluice_eval"		/* below debugfs */
#define SLUICE_EVAL_STATES	1024

struct sluice_eval_request {
	__u32 size;			/* of the block, as a caller would claim it */
	__u32 n_states;
	struct sluice_tree_clamps clamps;
	struct sluice_tree block;
	struct sluice_tree_sample state[SLUICE_EVAL_STATES];
};

/* What follows from one state; the probability is that at the state's backlog_bytes. */
struct sluice_eval_row {
	__u32 feature[SLUICE_TREE_F_NR];
	__u32 cell;
	struct sluice_tree_action action;
	__u64 slope;
	__u64 probability;
};

struct sluice_eval_answer {
	__u32 error;			/* enum sluice_tree_error; no rows unless it is OK */
	__u32 n_states;
	struct sluice_eval_row row[SLUICE_EVAL_STATES];
};

#define SLUICE_EVAL_REQUEST_SIZE(n)	(sizeof(struct sluice_eval_request) -		\
	(SLUICE_EVAL_STATES - (n)) * sizeof(struct sluice_tree_sample))
#define SLUICE_EVAL_ANSWER_SIZE(n)	(sizeof(struct sluice_eval_answer) -		\
	(SLUICE_EVAL_STATES - (n)) * sizeof(struct sluice_eval_row))

/* Both sides fill the answer by this; the request's n_states was checked. */
static inline void sluice_eval(const struct sluice_eval_request *req,
			       struct sluice_eval_answer *ans)
{
	__u32 i;

	ans->n_states = 0;
	ans->error = sluice_tree_validate(&req->block, req->size, &req->clamps);
	if (ans->error)
		return;
	for (i = 0; i < req->n_states; i++) {
		struct sluice_eval_row *row = &ans->row[i];
		struct sluice_aqm_params p;
		struct sluice_aqm_config c;

		sluice_tree_features(&req->state[i], row->feature);
		row->cell = sluice_tree_walk(&req->block, row->feature);
		row->action = req->block.cell[row->cell].action;
		p.qth_min = row->action.qth_min;
		p.qth_max = row->action.qth_max;
		p.max_p = row->action.max_p;
		sluice_aqm_configure(&c, &p);
		row->slope = c.slope;
		row->probability = sluice_aqm_probability(&c, req->state[i].backlog_bytes);
	}
	ans->n_states = req->n_states;
}

#endif /* SLUICE_EVAL_H */
