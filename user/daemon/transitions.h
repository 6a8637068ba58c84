/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What was done on queues and buckets, for who learns from it: the learner in the background, if
 * there is one, and a log for learning offline (rl/translog.h), a file for each agent, if
 * [learn] transitions names one. Of queues it is all that was done under control, whoever decided;
 * of buckets and flows, what the agent did. What cannot be written is lost and said once; the control loop
 * waits for nothing but a write of one block, of some 10 KB, into the page cache.
 */
#ifndef SLUICE_DAEMON_TRANSITIONS_H
#define SLUICE_DAEMON_TRANSITIONS_H

#include <stdint.h>

struct daemon;
struct transitions;

/*
 * After the settings and the agents are there; again after they changed, when it begins anew. The
 * learner in the background begins and ends with it.
 */
void transitions_configure(struct daemon *d);
/* Writes what has waited for some seconds. */
void transitions_epoch(struct daemon *d, uint64_t now);
/* Before the agents go. Writes what is left. */
void transitions_close(struct daemon *d);

#endif
