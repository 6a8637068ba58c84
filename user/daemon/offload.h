/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fast tier of a queue: where the arm that acts is a distilled tree (policy/qtree.h), the qdisc
 * sluice runs it by itself. It is compiled for the queue, within the guard's clamps and rules, loaded
 * with a lease, and made anew when C has changed. The daemon then only watches; the triple that was
 * in force before stays below the tree, for when that is gone.
 *
 * How often a tree decides is the operator's knob tree_interval_ms. A tree was made for a rhythm of
 * DISTILL_EPOCHS decision intervals; where the knob says something quite different, the daemon
 * evaluates the tree, and says why.
 */
#ifndef SLUICE_DAEMON_OFFLOAD_H
#define SLUICE_DAEMON_OFFLOAD_H

#include "daemon/daemon.h"

/* Each epoch of a queue that may be acted on: loads, renews or gives up a tree. */
void offload_epoch(struct daemon *d, struct queue *q, uint64_t now);
/* Whether a tree of ours is in force. */
bool offload_decides(const struct queue *q);

#endif
