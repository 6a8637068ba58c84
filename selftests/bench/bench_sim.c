// SPDX-License-Identifier: GPL-2.0
/*
 * How many events a second the packet simulator takes (one is a packet put into a stage or taken
 * out of its queue, acknowledgements included), how fast simulated time goes, and what memory it
 * takes after a quarter of the flows and after all of them. DCTCP flows with sizes of web search.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "sim/scenario.h"

#define EVENTS	20e6
#define EPOCH_S	0.05	/* of the ECN agent, at round trips of up to 5 ms */

/* Alizadeh et al., "Data Center TCP (DCTCP)", SIGCOMM 2010, figure 4, as public simulators have it. */
static const double bytes[] = { 0, 10e3, 20e3, 30e3, 50e3, 80e3, 200e3, 1e6, 2e6, 5e6, 10e6, 30e6 };
static const double share[] = { 0, .15, .2, .3, .4, .53, .6, .7, .8, .9, .97, 1 };
static const struct dist sizes = {
	(double *)bytes, (double *)share, sizeof(bytes) / sizeof(bytes[0]),
};

struct row {
	const char *name;
	uint64_t rate_kbps, rtt_us;
	enum sim_network network;
	uint32_t gso_bytes, incast_degree;
};

static const struct row rows[] = {
	{ "200mbit", 200000, 1000, SIM_BOTTLENECK, 0, 0 },
	{ "1gbit", 1000000, 1000, SIM_BOTTLENECK, 0, 0 },
	{ "10gbit", 10000000, 1000, SIM_BOTTLENECK, 0, 0 },
	{ "10gbit_gso", 10000000, 1000, SIM_BOTTLENECK, SIM_GSO_MAX, 0 },
	{ "1gbit_incast", 1000000, 1000, SIM_BOTTLENECK, 0, 40 },
	{ "10gbit_parking_lot", 10000000, 1000, SIM_PARKING_LOT, 0, 0 },
	{ "10gbit_leaf_spine", 10000000, 80, SIM_LEAF_SPINE, 0, 0 },
};

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static long most_kb(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return use.ru_maxrss;
}

static struct sim_scenario scenario_of(const struct row *row)
{
	const double k = row->rate_kbps / 8.0 * row->rtt_us / 1e3 / 7 + 30000;
	struct sim_scenario c;

	sim_scenario_default(&c);
	c.sizes = &sizes;
	c.topology = row->network;
	c.rate_kbps = row->rate_kbps;
	c.rtt_us = row->rtt_us;
	c.load_percent = 60;
	c.seconds = 100000;
	c.qth_min = c.qth_max = (uint64_t)k;
	c.limit_bytes = 20000000;
	c.gso_bytes = row->gso_bytes;
	c.incast_degree = row->incast_degree;
	c.leaves = c.spines = 4;
	return c;
}

static int run(const struct row *row)
{
	const struct sim_scenario c = scenario_of(row);
	struct sim_flow_stats f;
	struct sim_world w;
	double begin, took, simulated;
	long quarter_kb = 0;
	int r = sim_world_build(&c, &w, NULL);

	if (r)
		return r;
	begin = cpu_s();
	do {
		r = sim_run(w.sim, sim_now_ns(w.sim) + 10000000);
		if (!quarter_kb && sim_events(w.sim) > EVENTS / 4)
			quarter_kb = most_kb();
	} while (!r && sim_events(w.sim) < EVENTS);
	took = cpu_s() - begin;
	simulated = sim_now_ns(w.sim) / 1e9;
	sim_flow_read(w.sim, &f);
	printf("sim/%s/mevents_per_s %.2f  (%llu flows finished; %ld KB after a quarter, %ld KB at most)\n",
	       row->name, sim_events(w.sim) / took / 1e6, (unsigned long long)f.finished, quarter_kb,
	       most_kb());
	printf("sim/%s/simulated_s_per_s %.2f  (%.0f epochs of 50 ms a minute)\n", row->name,
	       simulated / took, simulated / took * 60 / EPOCH_S);
	sim_world_free(&w);
	return r;
}

int main(void)
{
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(rows) / sizeof(rows[0]); i++)
		r = run(&rows[i]);
	return r;
}
