/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring of transitions, sampled uniformly. An entry owns copies of what it
 * was given; room for the next observation is allocated when a slot is first
 * used and grows only when a larger one arrives, so a ring made for many rows
 * costs what the observations need and never more than size * max_rows.
 */
#ifndef SLUICE_RL_REPLAY_H
#define SLUICE_RL_REPLAY_H

#include <stdint.h>

#include "lib/rng.h"

struct replay_entry {
	float *row_x;		/* (features) of the chosen row */
	unsigned int output;
	float reward;
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
};

int replay_init(struct replay *p, unsigned int features, unsigned int outputs, unsigned int size);
void replay_fini(struct replay *p);
/* Replaces the oldest when full. feasible may be NULL (all are). -ENOMEM: nothing was stored. */
int replay_add(struct replay *p, const float *row_x, unsigned int output, float reward,
	       const float *next_x, const uint8_t *feasible, unsigned int next_rows);
/* A random entry; NULL when empty. */
const struct replay_entry *replay_sample(const struct replay *p, struct rng *rng);

#endif
