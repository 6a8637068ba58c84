/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a tree may do, checked before it is loaded, over all states there are and not over some that
 * were tried: the states that lead to a leaf are a box (for every feature an interval), and a tree has
 * at most 340 of them.
 *
 * sluice_tree_validate() comes first, so that the block is a tree and all triples are inside the
 * clamps. Beyond that an operator may ask for a lesser depth, and for rules. A rule
 *
 *	never-raise:OUTPUT:FEATURE
 *
 * says that of two states that differ in FEATURE alone the one where it is larger does not have the
 * larger OUTPUT (qth_min, qth_max or max_p); never-lower the opposite. A tree that places flows
 * (sluice/place.h) has the output "other", which is 1 where the flow leaves home: a load that grows
 * there never brings it back by never-lower:other:home_load. Rules of the other kind of tree do not
 * concern one. "The threshold never rises as
 * the queue grows" is never-raise:qth_min:backlog_avg. It is checked on every pair of boxes that
 * two such states can lie in, which is exact, but that a state the kernel can never be in (a busy
 * queue that sent nothing) counts like all others.
 */
#ifndef SLUICE_POLICY_VERIFY_H
#define SLUICE_POLICY_VERIFY_H

#include <stddef.h>
#include <stdint.h>
#include <sluice/place.h>

#include "lib/err.h"

#define VERIFY_RULES	16

enum verify_output { VERIFY_QTH_MIN, VERIFY_QTH_MAX, VERIFY_MAX_P, VERIFY_OTHER, VERIFY_OUTPUTS };
#define VERIFY_FEATURES	SLUICE_PLACE_F_NR	/* the most that a kind has */

struct verify_rule {
	enum verify_output output;
	unsigned int feature;	/* of the kind that has the output */
	int sign;		/* of what must not be: 1: a rise, -1: a fall */
};

struct verify_limits {
	struct sluice_tree_clamps clamps;
	unsigned int depth;	/* comparisons on a path, at most */
	bool places;		/* a tree that places flows is taken, too */
	struct verify_rule rule[VERIFY_RULES];
	size_t rules;
};

/* Inclusive. */
struct verify_box {
	uint32_t low[VERIFY_FEATURES], high[VERIFY_FEATURES];	/* beyond the kind's: 0 */
	enum sluice_tree_kind kind;
	uint32_t cell;		/* of the action */
	unsigned int depth;
};

struct verify_report {
	size_t leaves;		/* that some state leads to */
	unsigned int depth;
	const struct verify_rule *broken;	/* of the limits; NULL: none */
	struct verify_box box[2];		/* the offending; of a rule, the smaller feature first */
};

/* What the kernel takes. */
struct verify_limits verify_limits_default(void);
/* "never-raise:qth_min:backlog_avg". -EINVAL, -E2BIG: no room. */
int verify_rule_add(struct verify_limits *l, const char *text, struct sl_err *e);

/*
 * Of a block of "size" bytes. *report (may be NULL) is set where the block is a tree. What
 * sluice_tree_errno() gives; -E2BIG: too deep; -EPERM: a rule is broken. The sentence has the box.
 */
int verify_tree(const struct sluice_tree *t, size_t size, const struct verify_limits *l,
		struct verify_report *report, struct sl_err *e);
/* Of a file of any content. */
int verify_read(const char *path, const struct verify_limits *l, struct sluice_tree *ret,
		struct verify_report *report, struct sl_err *e);
/* "backlog_avg > 1514 bytes, busy <= 5000 ppm", or "any state". */
void verify_box_text(const struct verify_box *b, char *buf, size_t size);
/* The leaves' boxes, at most "room" of them: 1 + SLUICE_TREE_MAX_CELLS is enough. Their number. */
size_t verify_boxes(const struct sluice_tree *t, struct verify_box *box, size_t room);
/* Of a queue's tree. */
const char *verify_feature_name(unsigned int feature);
const char *verify_feature_unit(unsigned int feature);

/*
 * Lowers the outputs of a valid tree (of one that places flows: to home), leaf by leaf, until no rule is broken: where a rule is, the
 * larger output becomes the smaller one, and the whole action that of the other leaf where that is
 * nowhere larger (a step stays a step). A leaf that shared its action gets its own. The tree is sealed anew. -E2BIG: there is
 * no room for more actions; then the tree is as before.
 */
int verify_repair(struct sluice_tree *t, const struct verify_limits *l, size_t *changed);

#endif
