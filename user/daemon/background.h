/* SPDX-License-Identifier: GPL-2.0 */
/* The daemon's side of learning in the background (learner.h): [learn] background and the like. */
#ifndef SLUICE_DAEMON_BACKGROUND_H
#define SLUICE_DAEMON_BACKGROUND_H

#include <jansson.h>

#include "daemon/ecn_agent.h"

struct background;
struct daemon;
struct translog_row;

/* If the settings ask for it. What cannot be begun is said, and done without. */
void background_start(struct daemon *d);
void background_stop(struct daemon *d);
void background_feed(struct background *b, const struct translog_row *row);
/*
 * An interval that somebody else than the agent decided on has ended, and "next" is in force: it
 * becomes a transition, if anybody wants those.
 */
void background_follow(struct daemon *d, unsigned int queue, const struct ecn_interval *in,
		       const struct qdisc_triple *next, const struct ecn_decision *want);
json_t *background_json(const struct daemon *d);	/* null: there is none */

#endif
