/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rewards of the ECN agent, of one decision interval of one queue.
 *
 * acc   0.7 * tx rate / C + 0.3 * (1 - n / 10), n being the smallest with
 *       E(n) > average queue, and 10 when the queue exceeds E(9): the reward of
 *       ACC (SIGCOMM 2021).
 *
 * fct   w_rate * log(drain rate while backlogged / C)
 *       - w_delay * log(1 + sojourn p95 / t_ref)
 *       after the power that congestion control theory maximises. A queue that
 *       had no backlog sent all it was given: its first term is 0. A queue is
 *       not better than C: the first term is never above 0. A queue that
 *       measured no sojourn has a second term of 0.
 *
 * balance  -log(1 + average wait / RTT) + 0.7 * log(share of bytes sent while
 *       there was a backlog) - log(1 + active flows)
 *       Thresholds that are too high show in the first term. Where they are too
 *       low, senders slow down before the link is full: more bytes pass an empty
 *       queue, and flows take longer, so that, by Little's law, more of them are
 *       active. The last term is left out where nobody counts flows. What is
 *       sent is none of it: over a few intervals that is what arrives.
 *
 * Every number is saturated, so that no input makes a reward that is not finite.
 */
#ifndef SLUICE_DAEMON_REWARD_ECN_H
#define SLUICE_DAEMON_REWARD_ECN_H

#include "daemon/ecn_agent.h"

#define ECN_REWARD_MAX	20.0	/* no reward is outside [-ECN_REWARD_MAX, ECN_REWARD_MAX] */

/* Whether the interval says anything: it is well-formed and the queue had traffic. */
bool ecn_interval_active(const struct ecn_interval *in);
/* -1 for an interval that is not well-formed, else 0 .. 10. */
int ecn_reward_acc_n(const struct ecn_interval *in);
double ecn_reward_acc(const struct ecn_interval *in);
double ecn_reward_fct(const struct ecn_agent_config *c, const struct ecn_interval *in);
double ecn_reward_balance(const struct ecn_interval *in);
/* The one that c selects. */
double ecn_reward(const struct ecn_agent_config *c, const struct ecn_interval *in);

#endif
