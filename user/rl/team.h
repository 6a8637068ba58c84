/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Many agents, one network: each agent (a queue) observes and acts for itself, and all learn into
 * and act by one learner (parameter sharing; Gupta, Egorov, Kochenderfer, "Cooperative multi-agent
 * control using deep reinforcement learning", AAMAS 2017 workshops). What one has met the
 * others know, and experience grows with the number of agents.
 *
 * Agents that feel each other's changes (queues of one link) are coupled, and then one changes at
 * a time: a turn goes round among them, and with it the right to change. It comes back when what
 * its holder did has been measured, or at once when the holder stays as it is and need not
 * know what that pays. Without turns, an interval's reward is the doing of all who changed in
 * it, and all who see the same trouble at once answer it at once. While a coupled agent
 * holds the turn, that agent alone learns.
 *
 * An interval of an agent is, in this order:
 *
 *	team_settle()		what the interval that ends now paid; or team_rest()
 *	team_may_change()	whether it is this agent's turn
 *	team_decided()		what it does; without the turn, nothing new
 *	team_applied()		whether that came into force
 *
 * No clock is read. A holder of the turn that is not heard of while another asked more than
 * TEAM_PATIENCE times has lost it, and so has one that it was offered to; either is in the
 * round again as soon as it asks.
 */
#ifndef SLUICE_RL_TEAM_H
#define SLUICE_RL_TEAM_H

#include <stdbool.h>

#include "rl/ddqn.h"

#define TEAM_MAX	4096	/* agents */
#define TEAM_PATIENCE	2

struct team;

/* Borrows the learner, whose observations have this many features. */
int team_new(struct ddqn *d, unsigned int features, struct team **ret);
void team_free(struct team *t);	/* accepts NULL */

/* Agents of one group are coupled; 0, as at first: with none. -EINVAL: no such agent; -ENOMEM. */
int team_couple(struct team *t, unsigned int agent, unsigned int group);
/* Agents are indices the caller keeps stable; memory grows as needed. -EINVAL, -ENOMEM. */
int team_add(struct team *t, unsigned int agent);

/*
 * The interval paid this and led there. Remembers the transition if "learn" and if it was the
 * agent's own: applied, and not disturbed by a coupled agent's change. Returns whether it was.
 */
bool team_settle(struct team *t, unsigned int agent, float reward, const struct ddqn_obs *next,
		 bool learn);
/* Nothing can be said of the interval (idle); passes until it asks again. */
void team_rest(struct team *t, unsigned int agent);
bool team_may_change(struct team *t, unsigned int agent);
/*
 * row_x: features of the row acted by. hold: the turn, until the interval is settled; for every
 * change, and for a stay that is to be learned from.
 */
void team_decided(struct team *t, unsigned int agent, const float *row_x, unsigned int output,
		  bool hold);
void team_applied(struct team *t, unsigned int agent, bool applied);
/* The agent is gone. Its index may be used again, uncoupled. */
void team_forget(struct team *t, unsigned int agent);

#endif
