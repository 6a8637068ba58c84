/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What decides an ECN queue's thresholds: one type for rules, tables, trees and learners, so that
 * they meet the same intervals and are judged alike.
 *
 *	static		K in bytes
 *	bdp		K = x * C * RTT
 *	time		K = C * t, a ce_threshold in time
 *	pi		a controller on log K, by the share of bytes sent while there was a backlog
 *	rules		four rules on marks, that share and the sojourn time
 *	lookup		K / (C * RTT) of the nearest situation seen in training
 *	linear		a regression from the features to log K / (C * RTT)
 *	tree		a decision tree over the features
 *	network		taught what each template costs there (network.h)
 *	qtree		a tree that was distilled for the qdisc, as the qdisc runs it (qtree.h)
 *	identify	which training mix is this? then what would cost least there
 *	bandit		LinUCB over ten templates
 *	ddqn		the daemon's agent
 *	ppo		a policy gradient over ten templates
 *
 * K is a step (all packets beyond it are marked), but of ddqn, which has the daemon's whole grid. A
 * policy is made from a model (model.h); what is trained in it is the business of fit.h and
 * learn.h.
 */
#ifndef SLUICE_POLICY_POLICY_H
#define SLUICE_POLICY_POLICY_H

#include <stdbool.h>

#include "daemon/ecn_agent.h"
#include "policy/features.h"
#include "policy/model.h"

/* Templates K = C * RTT * 2^(n - POLICY_BELOW), kept within 2 packets and POLICY_K_MAX. */
#define POLICY_TEMPLATES	10
#define POLICY_BELOW		4
#define POLICY_K_MAX		1550000.0
/* Share of the way to what seems best now that K goes at the n-th decision, n = 1, 2, ...: 1 / n, */
#define POLICY_MOVE		0.25	/* but this at least */
/* Epochs that those who look at features observe before they decide. */
#define POLICY_HOLD		8

struct policy;

struct policy_ops {
	const char *name;
	size_t size;			/* of what embeds struct policy */
	/* Keeps no pointer into the model. -EBADMSG: not a payload of this kind. */
	int (*init)(struct policy *p, const struct model *m);
	/* The first setting, where no more than C, RTT, MTU and limit are known yet. */
	struct qdisc_triple (*start)(struct policy *p, const struct ecn_interval *in);
	/* One interval of the queue has ended; *t is the setting in force, and becomes the next. */
	int (*decide)(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t);
	bool idle;			/* decides in intervals without traffic, too */
	void (*reset)(struct policy *p);	/* may be NULL: remembers nothing of the queue */
	void (*fini)(struct policy *p);		/* may be NULL; accepts what init left half-built */
};

struct policy {
	const struct policy_ops *ops;
};

extern const struct policy_ops policy_static, policy_bdp, policy_time, policy_pi, policy_rules,
	policy_lookup, policy_linear, policy_tree, policy_network, policy_identify, policy_bandit,
	policy_ddqn, policy_ppo, policy_qtree;

int policy_new(const struct model *m, struct policy **ret, struct sl_err *e);
void policy_free(struct policy *p);	/* accepts NULL */
struct qdisc_triple policy_start(struct policy *p, const struct ecn_interval *in);
/* An idle or malformed interval changes nothing and is 0. */
int policy_decide(struct policy *p, const struct ecn_interval *in, struct qdisc_triple *t);
void policy_reset(struct policy *p);	/* another queue from now on */

/* --- for policies ----------------------------------------------------------------- */

/* All packets beyond k are marked; k is kept within two packets and the limit. */
struct qdisc_triple policy_step(const struct ecn_interval *in, double k_bytes);
double policy_bdp_bytes(const struct ecn_interval *in);
double policy_template_bytes(const struct ecn_interval *in, double n);

/* Observes and now and then tells: true, and x is what was seen since the last time. */
struct policy_watch {
	struct feature_sum sum;
	bool skip;	/* the epoch in which a new setting takes hold */
	unsigned int told;	/* how often */
};
bool policy_watch(struct policy_watch *w, const struct ecn_interval *in, double x[FEATURES]);
/*
 * After it told: a share of the way from K to 2^log_ratio * C * RTT, in octaves. What is seen in
 * some epochs is noisy, and noise in K costs more than waiting does.
 */
void policy_move(const struct policy_watch *w, const struct ecn_interval *in, double log_ratio,
		 struct qdisc_triple *t);

#endif
