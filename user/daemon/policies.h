/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The policies of the ECN queues: which one is in force, which one is on trial, and what became of
 * others. All of it is told by "sluice policy", and survives a restart.
 *
 *	static		what learning is measured against and falls back to: [guard] static
 *	incumbent	acts; the model of [ecn] model, or the agent, until another one is promoted
 *	candidate	wants to act: offered by the operator, by the learner, or for another chance
 *	previous	was the incumbent before this one
 *
 * A candidate runs in the *shadow* first: it sees what the queues do and says what it would do.
 * Then there is a *trial*, and while there is none the incumbent is *watched* (guard/trial.h). A
 * trial costs a part of the error budget of a week, and there is none when it is used up.
 *
 * In a trial or under watch a queue is of one arm after the other. Each arm has a policy of its own for each
 * queue, and goes on from the setting that it left.
 */
#ifndef SLUICE_DAEMON_POLICIES_H
#define SLUICE_DAEMON_POLICIES_H

#include <jansson.h>

#include "daemon/daemon.h"

struct policies;

/*
 * What [ecn] and [guard] say; takes up what is kept from before, unless another model is named now.
 * *ret is NULL where [ecn] policy is neither model nor learn.
 */
int policies_new(const struct settings *s, struct policies **ret, struct sl_err *e);
void policies_free(struct policies *p);		/* accepts NULL */
/*
 * Whether these settings want other policies than those that p was made from: 1 or 0; -errno: the model
 * that they name cannot be read. A file of the same name with another content is another model.
 */
int policies_differ(const struct policies *p, const struct settings *s, struct sl_err *e);
/* Queues forget what they have of policies that are about to go. */
void policies_leave(struct daemon *d);

/* Each epoch, after the queues: verdicts. */
void policies_epoch(struct daemon *d, uint64_t now);

/* Which arm is to act on a queue that may be acted on. */
enum trial_arm policies_arm(struct daemon *d, const struct queue *q, uint64_t now);
/* The setting with which an arm begins or goes on where its turn comes. -ENOMEM. */
int policies_resume(struct daemon *d, struct queue *q, enum trial_arm arm,
		    const struct ecn_interval *in, struct ecn_decision *out);
/* An interval of the acting arm has ended: what it wants next. */
int policies_decide(struct daemon *d, struct queue *q, const struct ecn_interval *in,
		    uint64_t now, struct ecn_decision *out);
/* What the guard made of it. */
void policies_applied(struct daemon *d, struct queue *q, const struct qdisc_triple *in_force,
		      bool as_decided);
/*
 * The model of the arm that acts, with its checksum, where it is a tree that the qdisc may run by
 * itself; or NULL.
 */
const struct model *policies_tree(const struct daemon *d, const struct queue *q, uint32_t *crc);
/* Somebody else has the queue now, or it is gone. */
void policies_interrupt(struct daemon *d, struct queue *q);
void policies_forget(struct daemon *d, struct queue *q);

/*
 * Offers a candidate. The model is taken, unless no policy can be made of it. by: who offers it. expected: its gain in J as
 * estimated, or NAN. -EBUSY: another one is on its way; -EPERM: pinned, or the error budget is used up;
 * -EINVAL: no policy can be made of it, or it is the incumbent.
 */
int policies_offer(struct daemon *d, struct model *m, const char *name, const char *by,
		   double expected, struct sl_err *e);
/* The operator's: it acts from now on, without a trial, but watched. */
int policies_promote(struct daemon *d, struct model *m, const char *name, struct sl_err *e);
/* To the one before, or to the static one; a candidate goes. */
void policies_rollback(struct daemon *d, const char *why);
void policies_pin(struct daemon *d, bool pin);

/* policies_json.c; show says {"error": ...} where there is none. */
json_t *policies_show(const struct daemon *d);
json_t *policies_history(const struct daemon *d);
/* "policy promote" with {"file": PATH or name, "now": bool}, "rollback", "pin", "unpin". */
int policies_request(struct daemon *d, const json_t *request, json_t **reply, struct sl_err *e);

#endif
