/* SPDX-License-Identifier: GPL-2.0 */
/* How "sluice sim run" shows what came of it. */
#ifndef SLUICE_CLI_SIM_SHOW_H
#define SLUICE_CLI_SIM_SHOW_H

#include <jansson.h>

#include "sim/scenario.h"

struct sim_result {
	struct sim_stage_stats *queue;	/* at the end of the time */
	unsigned int n_queues;
	struct sim_flow_stats in_time;	/* also at the end of the time */
	struct sim_flow_stats flows;	/* when what was under way could end */
	double seconds, events;
};

/* Takes the reference to parameters; NULL: out of memory. */
json_t *sim_result_json(json_t *parameters, const struct sim_result *r);
void sim_result_print(const struct sim_result *r);

#endif
