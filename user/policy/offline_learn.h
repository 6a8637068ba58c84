/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The daemon's agents learning from its transition logs (rl/translog.h) alone, as trainer.h has
 * it: an episode is OFFLINE_STEPS gradient steps.
 *
 *	cql	conservative Q-learning
 *	bc	behaviour cloning; of the ECN agent only: the steering agent goes on learning from its
 *		model, and a clone's network has no values to go on from
 *
 * Models are those that the agents are trained to in the simulators, "ddqn" and "steer". The last
 * tenth of the transitions is not learned from; by it a model is judged.
 */
#ifndef SLUICE_POLICY_OFFLINE_LEARN_H
#define SLUICE_POLICY_OFFLINE_LEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/trainer.h"
#include "rl/dataset.h"

#define OFFLINE_STEPS	100
#define OFFLINE_BLOCK	5

enum offline_kind { OFFLINE_CQL, OFFLINE_BC };

struct offline_data {
	bool steer;			/* whose logs they are */
	struct dataset *learn, *judge;	/* rewards as the agent learns them */
	double reward_scale;		/* by which those of the log were multiplied */
	uint64_t torn;			/* bytes at the ends of files that were left out */
	uint32_t crc;			/* of all transitions */
};

/*
 * Reads the logs, all of the agent's own shape. Errors name the file, and where in it: -EINVAL of
 * another agent or shape, or nothing in it to learn from; else those of translog_read_open().
 */
int offline_read(const char *const *paths, size_t n, bool steer, struct offline_data *out,
		 struct sl_err *e);
void offline_free(struct offline_data *d);

struct offline_config {
	const struct offline_data *data;
	enum offline_kind kind;
	double alpha;			/* of cql */
	uint64_t seed;
};

/* learner of trainer_config is a struct offline_config; names by its kind. */
extern const struct trainer_ops offline_ops;
extern const struct curve_names offline_names[];
void offline_describe(const struct offline_config *c, uint64_t episodes, char *text, size_t size);

/*
 * What the model would be paid for the transitions that were kept, in rewards of the log, by
 * self-normalised importance sampling with the probabilities that the log has: each was paid
 * to the action that was taken, and counts where the model takes that, too, as much more as it was
 * seldom taken.
 */
struct offline_verdict {
	size_t n;
	double logged;		/* mean reward of all */
	double model;		/* that of the model; NaN where it never did what was done */
	double worth;		/* as many independent transitions as that is worth */
};
int offline_judge(const struct offline_data *d, const struct model *m,
		  struct offline_verdict *out, struct sl_err *e);

#endif
