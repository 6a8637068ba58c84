/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dynamic tests: what a queue's agent does when the traffic changes under it. A scene is a bottleneck in
 * the simulator and parts of traffic, each a workload of the table (workloads.h) for a time, from one of
 * two tenants. A system decides on the queue's thresholds:
 *
 *	steps	a threshold for each part, in force from its first epoch on: the oracle, or a static one
 *	host	what sluiced does with a model: the novelty test with its fallback, learning in the
 *		background, trials and the watch (dynamic_host.h)
 *	agent	the daemon's agent, which learns online and explores, from scratch
 *
 * A workload with flows that never end can be the last part alone.
 *
 * Arrivals depend on the scene alone, so that all systems meet the same flows. The cost is J with the
 * plan's default weights (lab.md), of the flows that began within a window of time.
 */
#ifndef SLUICE_LAB_DYNAMIC_H
#define SLUICE_LAB_DYNAMIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lab/workloads.h"
#include "policy/lab.h"
#include "policy/model.h"

#define DYNAMIC_PARTS		24
#define DYNAMIC_TENANTS		2
#define DYNAMIC_WINDOWS		512
#define DYNAMIC_EPOCHS		1024	/* of which thresholds are kept */

struct dynamic_part {
	const struct workload *workload;	/* the caller's; of one round-trip time */
	double from_s, length_s;
	double load;				/* times that of the table */
	unsigned int tenant;
};

struct dynamic_scene {
	double rate_bps, rtt_s, epoch_s, length_s, window_s;
	double limit_bytes;
	uint64_t seed;
	struct dynamic_part part[DYNAMIC_PARTS];
	size_t parts;
};

enum dynamic_kind { DYNAMIC_STEPS, DYNAMIC_HOST, DYNAMIC_AGENT };

struct dynamic_system {
	enum dynamic_kind kind;
	double k_bytes[DYNAMIC_PARTS];		/* steps: of each part; the latest one begun counts */
	/* host */
	const struct model *model;		/* the caller's */
	double fixed;				/* static arm and fallback: K / (C * RTT) */
	double confidence;			/* of the novelty test; 0: none */
	double background_s;			/* between candidates; 0: nothing is learned */
	double steps_per_epoch;			/* gradient steps, of background and agent */
	bool watch;				/* the incumbent is compared with the static arm */
	uint64_t seed;
};

struct dynamic_result {
	double cost[DYNAMIC_WINDOWS];		/* J by window; NAN: no flow began */
	double tenant_cost[DYNAMIC_TENANTS];	/* slowdowns alone, of all the run */
	double total;				/* J of the whole run */
	double part_cost[DYNAMIC_PARTS];	/* J of the time from a part's beginning to the next one's */
	float k[DYNAMIC_EPOCHS];		/* mean of qth_min and qth_max, from the end of an epoch on */
	unsigned int windows, epochs;
	uint64_t flows;
	/* host */
	uint64_t states, novel;			/* looked at; taken for new ones */
	uint64_t active, fallback;		/* epochs with traffic; of them, static instead of the model */
	uint64_t static_turns;			/* of them, turns of the static arm in trials and watch */
	unsigned int candidates, trials, promoted, taken_back;
};

/* -EINVAL: a part cannot be in such a scene. */
int dynamic_run(const struct dynamic_scene *s, const struct dynamic_system *system,
		struct dynamic_result *ret);

/*
 * The static thresholds on one workload that does not change, over arrivals that no other test has:
 * what the best is, and what is as good.
 */
#define DYNAMIC_TOP		3
#define DYNAMIC_NEAR		0.05	/* of the least cost */
struct dynamic_reference {
	double cost[LAB_STEPS];			/* ln J, mean over the arrivals */
	unsigned int best;			/* step */
	bool top[LAB_STEPS];
};
/* s has the network; its parts are not looked at. One for each workload. */
int dynamic_references(const struct par *par, const struct dynamic_scene *s,
		       const struct workload *w, size_t n, unsigned int arrivals, double seconds,
		       struct dynamic_reference *ret);
/* Is the threshold nearest to k one of the top ones; what k costs over the best, as ln, by lines. */
bool dynamic_is_top(const struct dynamic_reference *r, double k_bytes);
double dynamic_regret(const struct dynamic_reference *r, double k_bytes);

#endif
