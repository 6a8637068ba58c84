/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Learning in the background: a thread that trains a network on recent transitions and, every so
 * often, hands over a candidate model. It decides nothing and writes nothing; what becomes of a
 * candidate is others' to say (policies.h).
 *
 *	main loop    learner_feed() ──► ring of rows ──► thread: window, CQL, candidate
 *	             learner_take() ◄── ring of models ◄──┘  and an eventfd
 *
 * Nothing is shared but the two rings, each with one writer and one reader, and counters. There is
 * no lock, so the main loop cannot wait for a thread that it preempted. Where a ring is full, what
 * is new is dropped and counted. The thread has SCHED_IDLE (nice 19 where that is refused), owns
 * all it learns with, and sleeps off the CPU time it takes above its share, by the clock of its own
 * CPU time. It looks whether it is to stop between steps of some 0.1 ms.
 *
 * It begins with a network and goes on with that, on the transitions of its window. A candidate is
 * not handed over that is not finite, of which no policy can be made, or that would have done in
 * the recorded states what was done.
 */
#ifndef SLUICE_DAEMON_LEARNER_H
#define SLUICE_DAEMON_LEARNER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "policy/model.h"
#include "rl/translog.h"

#define LEARNER_WINDOW		4096	/* transitions, 1.2 KB each */
#define LEARNER_ROWS_MIN	256	/* in the window, before there is a candidate */
#define LEARNER_STEPS_MIN	200	/* gradient steps, too */

struct learner_config {
	const struct model *start;	/* of kind "ddqn", to begin with; NULL: anew */
	double cpu_percent;		/* of one core */
	uint64_t period_ns;		/* between candidates */
	unsigned int window, rows_min, steps_min;
	double alpha;			/* of CQL */
	double differs_min;		/* share of the states in which a candidate does otherwise */
	uint64_t seed;
	bool in_a_hurry;		/* keeps its priority: for tests on a busy machine */
};
void learner_config_default(struct learner_config *c);

/* What becomes of a candidate. X(name, text) */
#define LEARNER_VERDICTS(X)						\
	X(handed_over, "handed over")					\
	X(not_finite, "its values are not finite, or run away")		\
	X(unusable, "no policy can be made of it")			\
	X(same, "it would do what was done")				\
	X(dropped, "the one before it was not taken yet")

enum learner_verdict {
#define X(name, text) LEARNER_##name,
	LEARNER_VERDICTS(X)
#undef X
	LEARNER_VERDICT_N,
};
const char *learner_verdict_name(enum learner_verdict v);
const char *learner_verdict_text(enum learner_verdict v);

/*
 * What a candidate is worth by the data alone: little, where nothing was tried. The estimate is by
 * self-normalised importance sampling over the window's transitions whose probability is known.
 */
struct learner_report {
	uint64_t number;		/* of the candidates made so far */
	uint64_t rows, known, explored;	/* in the window; with a probability; of exploring steps */
	uint64_t steps;			/* gradient steps since the start */
	double td, gap;			/* losses, of the latest steps */
	double differs;			/* share of the states in which it does something else */
	double support;			/* ... in which what it would do might have been done */
	double ess;			/* effective sample size of the estimate */
	double logged, estimate;	/* mean reward, and what it would have been; NAN: not known */
	double cpu_s;			/* that the thread took since the candidate before */
};

struct learner_stats {
	uint64_t fed, lost;		/* transitions, and those that found the ring full */
	uint64_t bad;			/* of another shape, or with numbers that are none */
	uint64_t rows, steps;		/* in the window; taken */
	uint64_t verdicts[LEARNER_VERDICT_N];
	double td, gap;
	double cpu_s, wall_s;		/* since the start */
};

struct learner;

/* -EINVAL: the model to start from is not one of this network. Models are copied. */
int learner_start(const struct learner_config *c, struct learner **ret, struct sl_err *e);
/* From one thread, as all that follows. Copies the row; never blocks, calls nothing that could. */
void learner_feed(struct learner *l, const struct translog_row *row);
/* Readable while there is a candidate to take. */
int learner_fd(const struct learner *l);
/* False: there is none. The model is the caller's. */
bool learner_take(struct learner *l, struct model *candidate, struct learner_report *report);
void learner_stats(const struct learner *l, struct learner_stats *out);
/* Ends the thread within some steps, and frees everything; accepts NULL. */
void learner_stop(struct learner *l);

#endif
