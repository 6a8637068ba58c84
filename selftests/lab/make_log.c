// SPDX-License-Identifier: GPL-2.0
/*
 * Writes a log of transitions as the daemon does, of an agent that explores:
 *
 *	make_log ecn|steer FILE DECISIONS [SEED]
 *
 * ecn is on the queue of toy_queue.h, steer on simulated CPUs (workload zipf).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/toy_queue.h"
#include "policy/steer_workloads.h"
#include "rl/translog.h"

static void add(void *log, const struct translog_row *row)
{
	struct translog_row stamped = *row;
	struct sl_err e;

	stamped.time_ns = 1700000000000000000ull;
	if (translog_add(log, &stamped, &e)) {
		fprintf(stderr, "make_log: %s\n", e.text);
		exit(1);
	}
}

static int make_ecn(struct translog *log, unsigned int decisions, uint64_t seed)
{
	struct ecn_agent_config c;
	struct ecn_agent *a;

	ecn_agent_config_default(&c);
	c.explore = true;
	c.epsilon = 0.5;
	c.learn = false;
	c.regret_budget = HUGE_VAL;
	c.seed = seed;
	if (ecn_agent_new(&c, &a))
		return 1;
	ecn_agent_watch(a, add, log);
	toy_queue_run(a, decisions, seed);
	ecn_agent_free(a);
	return 0;
}

static int make_steer(struct translog *log, unsigned int decisions, uint64_t seed)
{
	const struct steer_workload w = { "zipf", "", 0.8 };
	struct steer_policy_config c;
	struct steer_env_params env;
	struct steer_outcome out;
	struct steer_policy *p;
	struct sl_err e;

	steer_policy_config_default(&c);
	c.agent.explore = true;
	c.agent.epsilon = 0.5;
	c.agent.seed = seed;
	steer_env_params_default(&env);
	env.cpus.costs.stack_ns = 50000;
	env.interval_s = 0.05;
	if (steer_workload_fill(&w, NULL, NULL, &env, &e) ||
	    steer_policy_new(steer_policy_find("agent", &e), &c, &p, &e))
		return 1;
	if (steer_agent_watch(steer_policy_agent(p), add, log) ||
	    steer_env_run(&env, seed, p, decisions, &out, &e))
		return 1;
	steer_policy_free(p);
	return 0;
}

int main(int argc, char **argv)
{
	const struct translog_config c = { .path = argv[2], .max_bytes = 100000000, .files = 1 };
	const unsigned int decisions = argc > 3 ? (unsigned int)atoi(argv[3]) : 0;
	const uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
	struct translog_shape shape;
	struct translog *log;
	struct sl_err e;
	bool steer;
	int r;

	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: make_log ecn|steer FILE DECISIONS [SEED]\n");
		return 2;
	}
	steer = !strcmp(argv[1], "steer");
	if (steer)
		steer_agent_shape(&shape);
	else
		ecn_agent_shape(&shape);
	if (translog_open(&c, &shape, &log, &e)) {
		fprintf(stderr, "make_log: %s\n", e.text);
		return 1;
	}
	r = steer ? make_steer(log, decisions, seed) : make_ecn(log, decisions, seed);
	translog_close(log);
	return r;
}
