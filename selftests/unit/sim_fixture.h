/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of the simulator share: the smallest network, and a comparison. */
#ifndef SLUICE_SELFTESTS_SIM_FIXTURE_H
#define SLUICE_SELFTESTS_SIM_FIXTURE_H

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim/sim.h"

#define MS		1000000ULL
#define S		1000000000ULL
#define GBIT		1e9
#define FRAME		(SIM_MSS + SIM_HEADERS)
#define NEVER_MARKS	{ 0x7fffffff, 0x7fffffff, 0 }

static inline void close_to(double value, double expected, double share, const char *what)
{
	if (fabs(value - expected) <= share * fabs(expected))
		return;
	print_error("%s is %g, expected %g within %g %%\n", what, value, expected, 100 * share);
	fail();
}

/* A bottleneck (stage 0) and the way back (stage 1); paths 0 and 1. */
static inline struct sim *bottleneck(uint64_t seed, double rate_bps, uint64_t rtt_ns, uint32_t limit,
			      struct sluice_aqm_params aqm)
{
	const struct sim_stage_params there = {
		.rate_bps = rate_bps, .delay_ns = rtt_ns / 2, .limit_bytes = limit, .aqm = aqm,
	};
	const struct sim_stage_params back = { .delay_ns = rtt_ns - rtt_ns / 2 };
	struct sim *s = sim_new(seed);

	assert_non_null(s);
	assert_int_equal(sim_add_stage(s, &there), 0);
	assert_int_equal(sim_add_stage(s, &back), 1);
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 0 }, 1), 0);
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 1 }, 1), 1);
	return s;
}

static inline struct sluice_aqm_params step(uint32_t k)
{
	return (struct sluice_aqm_params){ k, k, SLUICE_AQM_PPM };
}

static inline void add_flow(struct sim *s, enum sim_cc cc, bool ecn, uint64_t bytes)
{
	const struct sim_flow_params p = { .ack_path = 1, .bytes = bytes, .cc = cc, .ecn = ecn };

	assert_true(sim_add_flow(s, &p) >= 0);
}

/* The mean of the backlog from 1 s to 3 s, and the share of the rate that was used. */
static inline double steady(struct sim *s, double rate_bps, double *utilisation)
{
	struct sim_stage_stats a, b;

	assert_int_equal(sim_run(s, 1 * S), 0);
	sim_stage_read(s, 0, &a);
	assert_int_equal(sim_run(s, 3 * S), 0);
	sim_stage_read(s, 0, &b);
	*utilisation = (b.bytes - a.bytes) * 8 / (2 * rate_bps);
	return (b.backlog_byte_ns - a.backlog_byte_ns) / 2e9;
}

/* A file of its own in /tmp; path has room for 64 bytes. */
static inline void write_file(char *path, const char *text)
{
	int fd;

	strcpy(path, "/tmp/sluice_sim_XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

#endif
