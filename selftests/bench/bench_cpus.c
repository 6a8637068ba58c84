// SPDX-License-Identifier: GPL-2.0
/*
 * How many packets a second the multi-core simulator takes, from their arrival until they are
 * through the stack, and how fast simulated time goes: 80 % load, packets of 2 us, moves each 250
 * ms. A packet is three events: its arrival, its poll, its way through the stack.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "policy/steer_workloads.h"

#define PACKETS	10e6

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run(const char *family, const char *policy, unsigned int cpus)
{
	const struct steer_workload w = { family, "", 0.8 };
	struct steer_policy_config config;
	struct steer_policy *p = NULL;
	struct steer_env_params env;
	struct steer_outcome out;
	struct rusage use;
	struct sl_err e;
	unsigned int intervals;
	double begin, took;
	int r;

	steer_env_params_default(&env);
	steer_policy_config_default(&config);
	r = steer_workload_fill(&w, NULL, NULL, &env, &e);
	if (!r)
		r = steer_policy_new(steer_policy_find(policy, &e), &config, &p, &e);
	if (r)
		goto out;
	env.traffic.rate_pps *= (double)cpus / env.cpus.n_cpus;
	env.cpus.n_cpus = cpus;
	env.warmup = 0;
	intervals = 1 + (unsigned int)(PACKETS / env.traffic.rate_pps / env.interval_s);
	begin = cpu_s();
	r = steer_env_run(&env, 1, p, intervals, &out, &e);
	took = cpu_s() - begin;
	getrusage(RUSAGE_SELF, &use);
	if (!r)
		printf("cpus/%s_%s_%u/mpackets_per_s %.2f  (%.1f simulated s in %.2f s, %.1f "
		       "million packets, %ld KB at most)\n", family, policy, cpus,
		       out.packets / took / 1e6, out.seconds, took, out.packets / 1e6,
		       use.ru_maxrss);
out:
	steer_policy_free(p);
	if (r)
		fprintf(stderr, "bench_cpus: %s\n", e.text);
	return r;
}

int main(void)
{
	return run("zipf", "rss", 4) || run("zipf", "rsspp", 4) || run("zipf", "rsspp", 16) ||
	       run("zipf", "rsspp", 64) || run("websearch", "rsspp", 4) ||
	       run("zipf", "agent", 4) || run("zipf", "oracle", 4);
}
