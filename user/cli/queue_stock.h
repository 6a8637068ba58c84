/* SPDX-License-Identifier: GPL-2.0 */
/* Of "sluice queue show": stock qdiscs that stand in for ours. */
#ifndef SLUICE_CLI_QUEUE_STOCK_H
#define SLUICE_CLI_QUEUE_STOCK_H

#include <stdbool.h>
#include <jansson.h>

#include "lib/qdisc.h"

/* What the daemon says of the qdiscs it looks after, ours too; empty without a daemon. */
json_t *queue_stock_controlled(void);
/* Of this one, or NULL. */
const json_t *queue_stock_find(const json_t *controlled, const struct qdisc_sample *q);
/* Whether it is shown: the daemon looks after it, or its device was named. */
bool queue_stock_selected(const json_t *controlled, const struct qdisc_sample *q, bool named);
json_t *queue_stock_json(const json_t *controlled, const struct qdisc_sample *q);
void queue_stock_print(const json_t *controlled, const struct qdisc_sample *q);

#endif
