/* SPDX-License-Identifier: GPL-2.0 */
/* What the daemon knows of the flows that pass a queue. */
#ifndef SLUICE_CLI_QUEUE_FLOWS_H
#define SLUICE_CLI_QUEUE_FLOWS_H

#include <jansson.h>

/* queue is as "status" has it, or NULL. The member "flows" of o; null where nothing is known. */
void queue_flows_json(const json_t *queue, json_t *o);
/* One line, behind "lead"; nothing where nothing is known. */
void queue_flows_print(const json_t *queue, const char *lead);

#endif
