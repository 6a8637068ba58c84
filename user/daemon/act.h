/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only file of the daemon that writes to the kernel. What it is asked to
 * write has a verdict of guard.c with guard_go().
 */
#ifndef SLUICE_DAEMON_ACT_H
#define SLUICE_DAEMON_ACT_H

#include "daemon/daemon.h"
#include "lib/steer_tree.h"

/* A new learned triple with a new generation. */
int act_queue(struct daemon *d, struct queue *q, const struct qdisc_triple *t, uint64_t now,
	      struct sl_err *e);
/* The same again, when a quarter of its lease is over. */
int act_queue_renew(struct daemon *d, struct queue *q, uint64_t now, struct sl_err *e);
/* Gives the learned triple up at once. */
void act_queue_release(struct daemon *d, struct queue *q);

/* Loads a tree into the qdisc sluice, of the generation after the daemon's latest. */
int act_tree(struct daemon *d, struct queue *q, const struct sluice_tree *t, uint64_t now,
	     struct sl_err *e);
void act_tree_renew(struct daemon *d, struct queue *q, uint64_t now);	/* when it is due */
void act_tree_end(struct queue *q);

/* act_stock.c. The latest dump told of q: notices others' writes, completes q->now. */
void act_stock_observe(struct daemon *d, struct queue *q);
/* Of act_queue() and act_queue_release(). */
int act_stock_write(struct daemon *d, struct queue *q, const struct qdisc_triple *t,
		    struct sl_err *e);
void act_stock_release(struct daemon *d, struct queue *q);
void act_stock_gone(struct daemon *d, struct queue *q);
/* Once: puts back what a daemon that was killed left changed; whether there was something. */
bool act_stock_recover(struct daemon *d, const struct qdisc_sample *samples, size_t n);

/* Adopts or loads the program of l; sets its targets if it has none, and its configuration. */
int act_link_open(struct daemon *d, struct link *l, struct sl_err *e);
int act_link_config(struct daemon *d, struct link *l, struct sl_err *e);
int act_link_lease(struct daemon *d, struct link *l, uint64_t now, struct sl_err *e);
/* Ends the lease: what is not the operator's follows the baseline from now on. */
void act_link_lapse(struct link *l);
void act_link_release(struct link *l);
/* The tree that places flows, with a generation of ours; NULL gives it up. */
int act_link_tree(struct daemon *d, struct link *l, const struct sluice_tree *t, struct sl_err *e);
int act_link_loads(struct link *l, const struct steer_cpu_load *load, size_t n, uint32_t flow_ppm,
		   struct sl_err *e);
int act_bucket(struct daemon *d, struct link *l, unsigned int bucket, int cpu);
int act_flow(struct daemon *d, struct link *l, const struct sluice_flow_key *key, uint16_t cpu);
int act_flow_delete(struct link *l, const struct sluice_flow_key *key);
/* A target that comes and goes with its CPU; see link_cpus.c. cpu < 0: no baseline. */
void act_baseline(struct link *l, unsigned int bucket, int cpu);
int act_unwant(struct link *l, unsigned int cpu, struct sl_err *e);
int act_add_target(struct link *l, unsigned int cpu, struct sl_err *e);
int act_remove_target(struct link *l, unsigned int cpu, struct sl_err *e);

#endif
