/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Policies that a plan can name. A row of the table is a word, with a number behind a colon where it
 * takes one ("static:24224", "fit:network:2"); what is no word is the file of a model.
 */
#ifndef SLUICE_LAB_POLICIES_H
#define SLUICE_LAB_POLICIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/err.h"
#include "lib/qdisc.h"
#include "policy/model.h"

#define LAB_POLICY_MAX	96
#define LAB_FIT_MAX	32

enum lab_role { LAB_DEFAULT, LAB_STATIC, LAB_BASELINE, LAB_LEARNED, LAB_ONLINE, LAB_ORACLE, LAB_ROLES };
const char *lab_role_name(enum lab_role r);

/* How it is carried out. */
enum lab_means {
	LAB_QDISC,	/* a stock qdisc; kernel lab */
	LAB_THRESHOLD,	/* K in the sluice qdisc, set once */
	LAB_MODEL,	/* a model: policy.h in the simulator, the daemon in the kernel lab */
	LAB_LEARN,	/* the daemon's agent, which learns as it goes */
	LAB_CHOICE,	/* the best of ten thresholds, chosen on other arrivals; simulator */
	LAB_STEERING,	/* packets to CPUs; native lab */
	LAB_FIT,	/* a model that the runner makes, another one for each family (fits.h) */
};

struct lab_policy {
	char name[LAB_POLICY_MAX];	/* as the plan has it */
	enum lab_role role;
	enum lab_means means;
	double number;			/* behind the colon, or its default; NAN: none */
	struct qdisc_triple triple;	/* of LAB_THRESHOLD */
	/* What is made: "linear", "network:2"; of LAB_FIT, and of LAB_LEARN where it begins from that. */
	char fit[LAB_FIT_MAX];
	char qdisc[96];			/* of LAB_QDISC: what tc is told */
	char steering[16];		/* of LAB_STEERING: its word */
	struct model model;		/* of LAB_MODEL; the policy's own */
};

/* executor: enum plan_executor. The sentence names word and remedy. */
int lab_policy_parse(const char *word, enum lab_role role, int executor, struct lab_policy *ret,
		     struct sl_err *e);
void lab_policy_free(struct lab_policy *p);
void lab_policies_print(FILE *f);

#endif
