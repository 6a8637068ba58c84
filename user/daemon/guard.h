/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guard: everything that act.c writes went through here first. It bounds
 * what a decision may do (clamps), how often (a rate limit per object, a
 * number of moves per epoch), and leaves an object alone when its operator
 * holds it, has changed it (stand-down: until released, or for a time) or has
 * paused the agents there. Pure: the clock is an argument.
 */
#ifndef SLUICE_DAEMON_GUARD_H
#define SLUICE_DAEMON_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/sluice.h>

#include "lib/qdisc.h"

/* X(name, whether the decision is carried out, reason) */
#define GUARD_VERDICTS(X)						\
	X(allowed, true, "within bounds")				\
	X(clamped, true, "clamped to the configured bounds")		\
	X(unchanged, false, "already in force")				\
	X(infeasible, false, "no value within the bounds and the limit")	\
	X(rate_limited, false, "the object was changed too often")	\
	X(hold, false, "the operator holds the baseline")		\
	X(manual, false, "the operator wrote a baseline: standing down")	\
	X(stand_down, false, "standing down after the operator's change")	\
	X(paused, false, "the operator paused the agents here")	\
	X(cpu_not_allowed, false, "the CPU is not among the configured ones")	\
	X(loses, false, "the move would cost more than it frees")		\
	X(too_many_moves, false, "the moves of this epoch are used up")

enum guard_verdict {
#define X(name, go, text) GUARD_##name,
	GUARD_VERDICTS(X)
#undef X
	GUARD_N,
};
const char *guard_verdict_name(enum guard_verdict v);
const char *guard_verdict_text(enum guard_verdict v);
bool guard_go(enum guard_verdict v);

struct guard_config {
	uint32_t qth_low, qth_high;	/* bytes, both thresholds */
	uint32_t max_p_low, max_p_high;	/* ppm */
	unsigned int changes_per_s;	/* of one object */
	unsigned int moves_per_epoch;	/* over all interfaces */
	uint64_t stand_down_ns;		/* 0: until guard_release() */
	bool cpu_allowed[SLUICE_MAX_CPUS];
};

/* What the guard remembers of one object (a queue, an interface's bucket). All zero is new. */
struct guard_object {
	bool known;
	uint32_t manual_gen;
	uint64_t stand_down_until_ns;
	bool until_released;		/* it stands down, whatever the clock says */
	bool just_released;		/* a write before that may be noticed only now */
	bool paused;			/* set by who knows, see operator.h */
	/* A bucket of tokens, in units of a change. */
	double tokens;
	uint64_t tokens_at_ns;
};

struct guard_queue {
	uint64_t now_ns;
	bool hold;
	bool left_alone;		/* by the settings: a write is not one against us */
	uint32_t manual_gen;
	uint32_t limit_bytes;
	struct qdisc_triple current;	/* in force */
	bool learned;			/* current is a learned triple */
};
/*
 * First, each epoch: whether the queue may be touched at all. GUARD_allowed,
 * GUARD_paused, GUARD_hold, GUARD_manual (once, when the operator's write is
 * noticed) or GUARD_stand_down.
 */
enum guard_verdict guard_watch(const struct guard_config *c, struct guard_object *o,
			       const struct guard_queue *q);
bool guard_stands_down(const struct guard_object *o, uint64_t now_ns);
/* Ends a stand-down, also for what was written and not noticed yet; whether there was one. */
bool guard_release(struct guard_object *o, uint64_t now_ns);
/* Of the daemon before us: stands down until released, as of this write. */
void guard_restore(struct guard_object *o, uint32_t manual_gen);
/* Then: what becomes of a wanted triple. *out is set when guard_go(). */
enum guard_verdict guard_triple(const struct guard_config *c, struct guard_object *o,
				const struct guard_queue *q, const struct qdisc_triple *want,
				struct qdisc_triple *out);

/* A bucket or a flow. moves: done in this epoch so far. */
enum guard_verdict guard_move(const struct guard_config *c, struct guard_object *o,
			      uint64_t now_ns, bool hold, unsigned int moves, uint16_t from,
			      uint16_t to);

#endif
