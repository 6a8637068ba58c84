// SPDX-License-Identifier: GPL-2.0
#include "sim/closed.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "sim/sim.h"

#define RATE_BPS	1e9
#define S		1000000000ULL
#define FRAME		(SIM_MSS + SIM_HEADERS)

/* A bottleneck (stage and path 0) and the way back (1), half the round-trip time each. */
static struct sim *bottleneck(uint64_t seed, uint64_t rtt_ns, uint32_t step_bytes)
{
	const struct sim_stage_params there = {
		.rate_bps = RATE_BPS, .delay_ns = rtt_ns / 2,
		.aqm = { step_bytes, step_bytes, SLUICE_AQM_PPM },
	};
	const struct sim_stage_params back = { .delay_ns = rtt_ns - rtt_ns / 2 };
	struct sim *s = sim_new(seed);

	if (s && sim_add_stage(s, &there) >= 0 && sim_add_stage(s, &back) >= 0 &&
	    sim_add_path(s, (uint16_t[]){ 0 }, 1) >= 0 &&
	    sim_add_path(s, (uint16_t[]){ 1 }, 1) >= 0)
		return s;
	sim_free(s);
	return NULL;
}

/* The mean time in the system, in us. */
static int md1(double rho, struct sim_closed_form *ret)
{
	const double service_us = 10;
	const struct sim_blast_params blast = {
		.bytes = (uint32_t)(RATE_BPS / 8e6 * service_us),
		.packets_per_s = rho * 1e6 / service_us, .until_ns = UINT64_MAX,
	};
	struct sim *s = bottleneck(7, 0, 0x7fffffff);
	struct sim_stage_stats st;
	int r = s ? sim_add_blast(s, &blast) : -ENOMEM;

	if (r >= 0)
		r = sim_run(s, 20 * S);
	if (r >= 0) {
		sim_stage_read(s, 0, &st);
		ret->measured = st.wait_sum_ns / st.packets / 1e3;
		ret->theory = service_us * (1 + rho / (2 * (1 - rho)));
		snprintf(ret->what, sizeof(ret->what), "M/D/1 at load %.1f, time in the system, us",
			 rho);
	}
	sim_free(s);
	return r < 0 ? r : 0;
}

/* The mean backlog after the first second, in packets. */
static int dctcp(unsigned int flows, unsigned int k, struct sim_closed_form *ret)
{
	const double n = flows, bdp = RATE_BPS / 8 * 1e-3 / FRAME;
	const struct sim_flow_params flow = {
		.ack_path = 1, .bytes = UINT64_MAX, .cc = SIM_DCTCP, .ecn = true,
	};
	struct sim *s = bottleneck(3 + flows, S / 1000, k * FRAME);
	struct sim_stage_stats a, b;
	int r = s ? 0 : -ENOMEM;

	for (unsigned int i = 0; r >= 0 && i < flows; i++)
		r = sim_add_flow(s, &flow);
	if (r >= 0)
		r = sim_run(s, 1 * S);
	if (r >= 0) {
		sim_stage_read(s, 0, &a);
		r = sim_run(s, 3 * S);
	}
	if (r >= 0) {
		sim_stage_read(s, 0, &b);
		ret->measured = (b.backlog_byte_ns - a.backlog_byte_ns) / (2.0 * S) / FRAME;
		ret->theory = k + n - sqrt(2 * n * (bdp + k)) / 4;
		snprintf(ret->what, sizeof(ret->what),
			 "DCTCP, %u flow%s, K %u, mean backlog, packets", flows,
			 flows > 1 ? "s" : "", k);
	}
	sim_free(s);
	return r < 0 ? r : 0;
}

int sim_closed_forms(struct sim_closed_form ret[SIM_CLOSED_FORMS])
{
	static const double loads[] = { 0.3, 0.6, 0.9 };
	static const unsigned int flows[] = { 1, 2, 2 }, k[] = { 40, 40, 80 };
	int r = 0;

	for (int i = 0; !r && i < 3; i++)
		r = md1(loads[i], &ret[i]);
	for (int i = 0; !r && i < 3; i++)
		r = dctcp(flows[i], k[i], &ret[3 + i]);
	return r;
}
