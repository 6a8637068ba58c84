/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mixes that were drawn from a seed and what ten static thresholds cost on each: the grid. It is
 * the common knowledge that policies are fitted to, and on test mixes it is the oracle's.
 */
#ifndef SLUICE_POLICY_LAB_H
#define SLUICE_POLICY_LAB_H

#include "policy/gate.h"
#include "policy/par.h"
#include "policy/policy.h"
#include "policy/world.h"

#define LAB_STEPS	10
#define LAB_WINDOWS	16

double lab_step_bytes(unsigned int step);	/* 3,028 bytes * 2^step */

/* A run under one threshold. */
struct lab_cell {
	struct outcome out;
	double reward[GATE_REWARDS];	/* of gate.h, means over active epochs */
	unsigned int windows;		/* POLICY_HOLD epochs each */
	double x[LAB_WINDOWS][FEATURES];
};

struct lab {
	struct mix_files files;
	struct par par;
	uint64_t seed;
	size_t n;
	struct mix *mix;
	struct lab_cell (*cell)[LAB_STEPS];	/* by mix */
	unsigned long runs;			/* done so far with these mixes */
	double packets;				/* of them */
};

/* Draws n mixes and runs the grid. The files are the caller's and stay there. */
int lab_new(const struct mix_files *files, const struct par *par, uint64_t seed, size_t n,
	    struct lab **ret);
/* The same of these mixes. */
int lab_new_of(const struct mix_files *files, const struct par *par, const struct mix *mix, size_t n,
	       struct lab **ret);
/* A lab of the mixes for which use is true, with their cells: nothing is run again. -ENOMEM. */
int lab_part(const struct lab *l, const bool *use, struct lab **ret);
void lab_free(struct lab *l);	/* accepts NULL */

typedef void lab_observe(void *arg, const struct ecn_interval *in);
/* One run of a mix under p, which is reset before. observe may be NULL. Needs no lab. */
int lab_run(const struct mix_files *files, const struct mix *m, uint64_t seed, struct policy *p,
	    lab_observe *observe, void *arg, struct outcome *out);
/* The same of a new policy that the model makes. */
int lab_run_model(const struct mix_files *files, const struct mix *m, uint64_t seed,
		  const struct model *model, struct outcome *out);

/* ln(cost / cost of the best step) of a step of any size, between those of the grid on lines. */
double lab_regret(const struct lab *l, size_t mix, double k_bytes);
unsigned int lab_best(const struct lab *l, size_t mix);

#endif
