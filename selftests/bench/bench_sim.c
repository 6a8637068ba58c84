// SPDX-License-Identifier: GPL-2.0
/*
 * How many events a second the packet simulator takes (one is a packet put into a stage or taken
 * out of its queue, acknowledgements included), and how fast simulated time goes: DCTCP flows with
 * sizes of web search at 60 % of a bottleneck.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "sim/sim.h"

#define EVENTS	20e6
#define RTT_NS	1000000

/* Alizadeh et al., "Data Center TCP (DCTCP)", SIGCOMM 2010, figure 4, as public simulators have it. */
static const double bytes[] = { 0, 10e3, 20e3, 30e3, 50e3, 80e3, 200e3, 1e6, 2e6, 5e6, 10e6, 30e6 };
static const double share[] = { 0, .15, .2, .3, .4, .53, .6, .7, .8, .9, .97, 1 };

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int run(const char *name, double rate_bps)
{
	const uint32_t k = rate_bps / 8 * RTT_NS / 1e9 / 7 + 30000;
	const struct sim_stage_params there = {
		.rate_bps = rate_bps, .delay_ns = RTT_NS / 2, .limit_bytes = 20000000,
		.aqm = { k, k, SLUICE_AQM_PPM },
	};
	const struct sim_stage_params back = { .delay_ns = RTT_NS / 2 };
	const struct dist sizes = {
		(double *)bytes, (double *)share, sizeof(bytes) / sizeof(bytes[0]),
	};
	struct sim_source_params src = {
		.flow = { .ack_path = 1, .cc = SIM_DCTCP, .ecn = true },
		.sizes = &sizes, .until_ns = UINT64_MAX,
		.flows_per_s = 0.6 * rate_bps / 8 / dist_mean(&sizes),
	};
	struct sim *s = sim_new(1);
	struct sim_flow_stats f;
	struct rusage use;
	double begin, took, simulated;
	int r = -1;

	if (!s || sim_add_stage(s, &there) < 0 || sim_add_stage(s, &back) < 0 ||
	    sim_add_path(s, (uint16_t[]){ 0 }, 1) < 0 || sim_add_path(s, (uint16_t[]){ 1 }, 1) < 0 ||
	    sim_add_source(s, &src))
		goto out;
	begin = cpu_s();
	do
		r = sim_run(s, sim_now_ns(s) + 100000000);
	while (!r && sim_events(s) < EVENTS);
	took = cpu_s() - begin;
	simulated = sim_now_ns(s) / 1e9;
	sim_flow_read(s, &f);
	getrusage(RUSAGE_SELF, &use);
	printf("sim/%s/mevents_per_s %.2f  (%.1f simulated s in %.2f s, %llu flows finished, "
	       "%ld KB at most)\n", name, sim_events(s) / took / 1e6, simulated, took,
	       (unsigned long long)f.finished, use.ru_maxrss);
out:
	sim_free(s);
	return r;
}

int main(void)
{
	return run("200mbit", 200e6) || run("1gbit", 1e9) || run("10gbit", 10e9);
}
