/* SPDX-License-Identifier: GPL-2.0 */
/* The latest decisions with their reasons, for "sluice agent show". */
#ifndef SLUICE_DAEMON_DECISIONS_H
#define SLUICE_DAEMON_DECISIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <jansson.h>

#include "daemon/guard.h"

#define DECISIONS_KEPT 256

struct decision {
	struct timespec time;	/* CLOCK_REALTIME */
	char object[128];	/* "eth0 root", "eth1 bucket 17", "eth1 tcp ..." */
	char change[96];	/* "qth 60000-180000 max_p 100000", "cpu 1 -> 3" */
	char reason[128];	/* the agent's */
	enum guard_verdict verdict;
	bool explored;
	bool reward_valid;
	double reward;		/* of the interval before it */
};

struct decisions {
	uint64_t total, carried_out;
	uint64_t by_verdict[GUARD_N];
	struct decision ring[DECISIONS_KEPT];
};

/* Keeps a copy with the time of now, and logs: a change at info, the rest at debug. */
void decisions_add(struct decisions *d, const struct decision *one);
/* Newest first. NULL: out of memory. */
json_t *decisions_json(const struct decisions *d);

#endif
