/* SPDX-License-Identifier: GPL-2.0 */
/* Of qdisc.c: what a dump tells of stock qdiscs, and what has to be remembered between dumps. */
#ifndef SLUICE_LIB_QDISC_STOCK_H
#define SLUICE_LIB_QDISC_STOCK_H

#include <stddef.h>

#include "lib/qdisc.h"

struct tcmsg;
struct stock;

struct stock *stock_new(void);
void stock_free(struct stock *k);	/* accepts NULL, as do begin, sent and end */
void stock_begin(struct stock *k);
/* The dump was asked for, and the kernel has answered, or the best part of it. */
void stock_sent(struct stock *k);
/* Fills s, which has its identity; 1, 0 when there is nothing to tell, or -ENOMEM. */
int stock_sample(struct stock *k, struct qdisc_sample *s, struct nlattr **tb,
		 struct nlattr **stats);
/* Any other qdisc: it may be the child that holds a RED's packets and knows its limit. */
int stock_child(struct stock *k, const struct tcmsg *tc, struct nlattr **tb);
void stock_end(struct stock *k, struct qdisc_sample *samples, size_t n);

#endif
