/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring of transitions, sampled uniformly or by priority. An entry owns copies
 * of what it was given; room for the next observation is allocated when a slot
 * is first used and grows only when a larger one arrives, so a ring made for
 * many rows costs what the observations need and never more than size * max_rows.
 *
 * By priority (Schaul, Quan, Antonoglou, Silver, "Prioritized experience replay",
 * ICLR 2016, the proportional variant): entry i is drawn with probability
 * p_i / sum p, p_i = (|error_i| + a little)^alpha. The sums are kept in a binary
 * tree, so that drawing and changing one entry cost log2(size) steps. A new entry
 * gets the highest priority seen, so that each is looked at once.
 */
#ifndef SLUICE_RL_REPLAY_H
#define SLUICE_RL_REPLAY_H

#include <stdint.h>

#include "lib/rng.h"

struct replay_entry {
	float *row_x;		/* (features) of the chosen row */
	unsigned int output;
	float reward;
	float discount;		/* of the value of what comes next: gamma, gamma^n over n steps */
	uint64_t policy;	/* version of the policy that acted, for its age */
	unsigned int next_rows;	/* 0: terminal */
	float *next_x;		/* (next_rows, features) */
	uint8_t *next_feasible;	/* (next_rows * outputs) */
	unsigned int room;	/* rows next_x and next_feasible have room for */
};

struct replay {
	unsigned int features, outputs;
	unsigned int size, used, head;
	struct replay_entry *entries;	/* (size) */
	float *row_x;			/* (size, features) backing store */

	/* By priority only. */
	float alpha;
	double max_priority;
	unsigned int leaves;		/* power of two >= size */
	double *tree;			/* (2 * leaves): tree[1] the sum, tree[leaves + i] of entry i */
};

/* What is stored. Memory is the caller's; feasible may be NULL (all are). */
struct replay_item {
	const float *row_x;
	unsigned int output;
	float reward;
	float discount;
	uint64_t policy;
	const float *next_x;
	const uint8_t *next_feasible;
	unsigned int next_rows;
};

int replay_init(struct replay *p, unsigned int features, unsigned int outputs, unsigned int size);
/* From now on by priority, in an empty ring; alpha in (0, 1], 0 would be uniform. */
int replay_prioritise(struct replay *p, float alpha);
void replay_fini(struct replay *p);
/* Replaces the oldest when full. -ENOMEM: nothing was stored. */
int replay_add(struct replay *p, const struct replay_item *item);
/* A random entry; NULL when empty. */
const struct replay_entry *replay_sample(const struct replay *p, struct rng *rng);

/*
 * Draw number "draw" of "draws" that share out the sum of priorities evenly (stratified, as the
 * paper's appendix B.2.1). Returns the entry's index, in a ring that is not empty, and how much
 * likelier than under uniform sampling it was drawn, N * P(i).
 */
unsigned int replay_draw(const struct replay *p, struct rng *rng, unsigned int draw,
			 unsigned int draws, double *ratio);
void replay_set_priority(struct replay *p, unsigned int index, float error);

#endif
