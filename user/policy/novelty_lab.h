/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Novelty (novelty.h) in the simulator: the states that a model visits when it acts, on mixes like
 * those it was made from and on others that there are no such of among them, and what a test
 * says of them.
 */
#ifndef SLUICE_POLICY_NOVELTY_LAB_H
#define SLUICE_POLICY_NOVELTY_LAB_H

#include "policy/mix.h"
#include "policy/novelty.h"
#include "policy/par.h"

/* What mixes are made to. X(name, text) */
#define NOVELTY_CHANGES(X)							\
	X(NONE, "as drawn")							\
	X(RELATIVE, "rate / 4, RTT x 4")					\
	X(SLOW, "rate / 20")							\
	X(FAR, "RTT x 10")							\
	X(CUBIC, "all CUBIC, no ECN")						\
	X(CUBIC_ECN, "all CUBIC with ECN")					\
	X(CROWD, "64 endless flows")						\
	X(FLOOD, "incast of 256")						\
	X(IDLE, "load 2 %")

enum novelty_change {
#define X(name, text) NOVELTY_##name,
	NOVELTY_CHANGES(X)
#undef X
	NOVELTY_CHANGES_NR
};
const char *novelty_change_text(enum novelty_change c);

struct novelty_visit {
	const struct mix_files *files;
	struct par par;
	const struct model *model;
	uint64_t seed;			/* of mixes, from number "first" on */
	size_t first, mixes;
	enum novelty_change change;
};

/* Row by row; runs with their kind of mix. */
struct novelty_states {
	size_t features, n, runs;
	double *x;			/* (n, features) */
	size_t *run;			/* (n), ascending */
	enum mix_kind *kind;		/* (runs) */
};

int novelty_visit(const struct novelty_visit *v, struct novelty_states *ret);
void novelty_states_free(struct novelty_states *s);	/* leaves it empty */

#define NOVELTY_ANY	MIX_KINDS	/* in place of a kind of mix */
/* As novelty_calibrate(), without the states of one kind. */
int novelty_calibrate_without(struct model *m, const struct novelty_states *reference,
			      const struct novelty_states *calibration, enum mix_kind kind);

/* What a test says of states, all or those of one kind, against a confidence. */
struct novelty_rate {
	size_t states, runs;	/* runs with a state */
	double rate;		/* share of states that are taken for new ones */
	double se;		/* standard error, by runs */
	double any;		/* share of the runs that have one */
	double most;		/* rate that one run in ten exceeds */
};
/* -ENOMEM; all is 0 where there are no states. */
int novelty_judge(const struct novelty *n, const struct novelty_states *s, enum mix_kind kind,
		  double confidence, struct novelty_rate *ret);

#endif
