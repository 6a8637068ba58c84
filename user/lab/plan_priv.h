/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SLUICE_LAB_PLAN_PRIV_H
#define SLUICE_LAB_PLAN_PRIV_H

#include "lab/plan.h"

/* Fills p->hash. -ENOMEM. */
int plan_hash(struct plan *p, struct sl_err *e);

#endif
