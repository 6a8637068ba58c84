/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A tree that was distilled for the qdisc, as a model of kind "qtree": relative to C * RTT as it was
 * learned (queue_tree.h), so that one file serves any queue, and compiled for each. "sluice distill
 * -m" makes one.
 *
 * As a policy it acts as the kernel would: on integers, every DISTILL_EPOCHS epochs in which the queue
 * had traffic, and at once to where its leaf says. A tree that was made to keep rules keeps
 * them on every queue.
 */
#ifndef SLUICE_POLICY_QTREE_H
#define SLUICE_POLICY_QTREE_H

#include "policy/cart.h"
#include "policy/policy.h"
#include "policy/queue_tree.h"
#include "policy/verify.h"

#define QTREE_TEACHER_MAX	48
#define QTREE_NODES_MAX		(2 * DISTILL_LEAVES - 1)

struct qtree {
	char teacher[QTREE_TEACHER_MAX];	/* as it was named, and its model's checksum */
	uint32_t teacher_crc;
	uint32_t depth, round;		/* asked for; of VIPER, that it is of */
	uint64_t states;		/* that it was fitted to */
	double start;			/* K / (C * RTT) before anything was observed */
	size_t rules;			/* that it was made to keep */
	struct verify_rule rule[VERIFY_RULES];
	struct cart cart;
};

/* The payload, of a tree with these features and classes. -EINVAL: it is not; -ENOMEM. */
int qtree_set(struct model *m, const struct qtree *t);
/* -EBADMSG: not such a payload, or not a tree; -ENOMEM. */
int qtree_get(const struct model *m, struct qtree *ret);
void qtree_free(struct qtree *t);	/* leaves it empty */

/* What compiling it for a queue came to. */
struct qtree_made {
	size_t repaired;		/* leaves that were lowered so that the rules hold */
	size_t clamped;			/* actions that the clamps changed */
	struct verify_report report;
};

/*
 * The kernel's tree for a queue: thresholds kept within the clamps, its own rules and those of the
 * limits kept by lowering leaves (verify_repair()), then verified and sealed. limits (NULL: what the
 * kernel takes) and made may be NULL; *ret stays untouched on failure. -EBADMSG: not a qtree;
 * -EINVAL: no queue; -E2BIG: too large or, for the limits, too deep; -ERANGE: the lease.
 */
int qtree_compile(const struct model *m, const struct distill_queue *q, uint32_t generation,
		  uint32_t lease_ms, const struct verify_limits *limits, struct sluice_tree *ret,
		  struct qtree_made *made, struct sl_err *e);
int qtree_compile_for(const struct qtree *t, const struct distill_queue *q, uint32_t generation,
		      uint32_t lease_ms, const struct verify_limits *limits,
		      struct sluice_tree *ret, struct qtree_made *made, struct sl_err *e);

/* C or RTT are another by more than a quarter: a tree that was compiled for "was" is to be made anew. */
bool qtree_stale(const struct distill_queue *was, const struct distill_queue *now);

#endif
