/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Makes models of a lab's grid: everything but the learners (learn.h). All have the same budget of
 * runs: the grid's own, which serves those who are fitted to it, or as many again for those whose
 * numbers are chosen by trying (pi and rules).
 */
#ifndef SLUICE_POLICY_FIT_H
#define SLUICE_POLICY_FIT_H

#include "policy/lab.h"

/* X(kind, name of the row) */
#define FIT_KINDS(X)								\
	X(STATIC, "best static")						\
	X(BDP7, "C RTT / 7")							\
	X(BDP, "C RTT times x")							\
	X(TIME, "static time")							\
	X(PI, "pi")								\
	X(RULES, "rules")							\
	X(LOOKUP, "lookup")							\
	X(LINEAR, "linear")							\
	X(LABELS, "tree on labels")						\
	X(TREE, "tree")								\
	X(NETWORK, "network")							\
	X(IDENTIFY, "identify")

enum fit_kind {
#define X(kind, name) FIT_##kind,
	FIT_KINDS(X)
#undef X
	FIT_MAX
};

const char *fit_name(enum fit_kind kind);
/* *m, zeroed before, is the caller's; runs are counted in the lab. The seed is the network's. */
int fit(struct lab *l, enum fit_kind kind, uint64_t seed, struct model *m);
/* K / (C * RTT) that costs least on the training mixes, by the grid. */
double fit_ratio(const struct lab *l);

#endif
