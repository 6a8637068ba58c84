// SPDX-License-Identifier: GPL-2.0
/*
 * Congestion control of the simulator against its closed forms. With one mark in 1/p packets, always,
 * and no queue, an average window is a function of p (and, for CUBIC, of the round trip).
 */
#include "unit/sim_fixture.h"

/* The mean window in segments, after the first tenth of the time. */
static double window(enum sim_cc cc, bool ecn, double p, double rtt_s, double seconds)
{
	const struct sim_stage_params there = {
		.rate_bps = 1e12, .delay_ns = rtt_s * 5e8, .aqm = NEVER_MARKS,
		.select_every = lround(1 / p),
	};
	const struct sim_stage_params back = { .delay_ns = rtt_s * 5e8 };
	struct sim_stage_stats a, b;
	struct sim *s = sim_new(1);

	assert_int_equal(sim_add_stage(s, &there), 0);
	assert_int_equal(sim_add_stage(s, &back), 1);
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 0 }, 1), 0);
	assert_int_equal(sim_add_path(s, (uint16_t[]){ 1 }, 1), 1);
	add_flow(s, cc, ecn, UINT64_MAX);
	assert_int_equal(sim_run(s, seconds * 1e8), 0);
	sim_stage_read(s, 0, &a);
	assert_int_equal(sim_run(s, seconds * 1e9), 0);
	sim_stage_read(s, 0, &b);
	assert_true(ecn ? b.ce_packets > 5 && !b.early_drops : b.early_drops > 5 && !b.ce_packets);
	sim_free(s);
	return (b.packets - a.packets) * rtt_s / (0.9 * seconds);
}

/* W = sqrt(3 / 2p) (Mathis et al., "The Macroscopic Behavior of the TCP Congestion Avoidance ..."). */
static void test_reno(void **state)
{
	static const double p[] = { 1e-3, 1e-4 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const double marked = window(SIM_RENO, true, p[i], 0.01, 100);
		const double lost = window(SIM_RENO, false, p[i], 0.01, 100);

		print_message("# p %g: marks %.1f, losses %.1f, theory %.1f\n", p[i], marked, lost,
			      sqrt(1.5 / p[i]));
		close_to(marked, sqrt(1.5 / p[i]), 0.05, "Reno's window with marks");
		close_to(lost, sqrt(1.5 / p[i]), 0.05, "Reno's window with losses");
	}
}

/*
 * CUBIC as a fluid: cycles of 1/p packets, each along the cubic curve. Without fast convergence it
 * is RFC 9438's response function (section 5.1). With it a peak below the last one gives the next
 * plateau away, so that windows are some 10 % smaller.
 */
static double fluid(double p, double rtt_s, bool fast)
{
	double w_max = 1.054 * pow(rtt_s / p, 0.75) / 0.925, peak = w_max, time_s = 0;
	const double step_s = rtt_s / 10;
	int cycle;

	for (cycle = 0; cycle < 300; cycle++) {
		const double k_s = cbrt(fmax(w_max - 0.7 * peak, 0) / 0.4);
		double sent = 0, t_s, w = 0;

		w_max = fmax(w_max, 0.7 * peak);
		for (t_s = 0; sent < 1 / p; t_s += step_s) {
			w = w_max + 0.4 * pow(t_s - k_s, 3);
			sent += w * step_s / rtt_s;
		}
		peak = w;
		w_max = fast && peak < w_max ? peak * 0.85 : peak;
		if (cycle >= 100)
			time_s += t_s;
	}
	return 200 / p * rtt_s / time_s;
}

static void test_cubic(void **state)
{
	static const struct { double rtt_s, p, seconds; } runs[] = {
		{ 0.1, 1e-4, 300 }, { 0.1, 1e-5, 400 },
		{ 0.01, 1e-3, 50 }, { 0.01, 1e-4, 60 },	/* in the Reno-friendly region */
	};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const double rtt_s = runs[i].rtt_s, p = runs[i].p;
		const double form = 1.054 * pow(rtt_s / p, 0.75), reno = sqrt(1.5 / p);
		const double expected = fmax(fluid(p, rtt_s, true), reno);
		const double marked = window(SIM_CUBIC, true, p, rtt_s, runs[i].seconds);
		const double lost = window(SIM_CUBIC, false, p, rtt_s, runs[i].seconds);

		print_message("# RTT %g s, p %g: marks %.1f, losses %.1f; fluid %.1f, RFC %.1f\n",
			      rtt_s, p, marked, lost, expected, fmax(form, reno));
		close_to(fluid(p, rtt_s, false), form, 0.02, "the fluid without fast convergence");
		close_to(marked, expected, 0.08, "CUBIC's window with marks");
		close_to(lost, expected, 0.08, "CUBIC's window with losses");
		close_to(marked, fmax(form, reno), 0.15, "CUBIC's window, by the RFC");
	}
}

/* Two flows, the second one 20 s late: its share of what both sent from 80 s to 160 s. */
static double late_share(enum sim_cc cc)
{
	/* By chance, or it depends on the phase of their packets which one is hit. */
	const struct sluice_aqm_params ramp = { 50000, 1000000, 20000 };
	const struct sim_stage_params own = { .rate_bps = 1e12, .aqm = NEVER_MARKS };
	struct sim *s = bottleneck(3, 1e8, 20 * MS, 0, ramp);
	struct sim_flow_params p = { .ack_path = 1, .bytes = UINT64_MAX, .cc = cc, .ecn = true };
	struct sim_stage_stats a[2], b[2];

	for (uint16_t i = 0; i < 2; i++) {
		const int stage = sim_add_stage(s, &own);

		p.data_path = (uint16_t)sim_add_path(s, (uint16_t[]){ (uint16_t)stage, 0 }, 2);
		assert_true(sim_add_flow(s, &p) >= 0);
		assert_int_equal(sim_run(s, i ? 80 * S : 20 * S), 0);
	}
	for (int i = 0; i < 2; i++)
		sim_stage_read(s, 2 + i, &a[i]);
	assert_int_equal(sim_run(s, 160 * S), 0);
	for (int i = 0; i < 2; i++)
		sim_stage_read(s, 2 + i, &b[i]);
	sim_free(s);
	return (double)(b[1].bytes - a[1].bytes) /
	       (b[0].bytes - a[0].bytes + b[1].bytes - a[1].bytes);
}

static void test_convergence(void **state)
{
	const double cubic = late_share(SIM_CUBIC), reno = late_share(SIM_RENO);

	(void)state;
	print_message("# the late flow's share: CUBIC %.3f, Reno %.3f\n", cubic, reno);
	close_to(cubic, 0.5, 0.15, "CUBIC's share");
	close_to(reno, 0.5, 0.15, "Reno's share");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reno),
		cmocka_unit_test(test_cubic),
		cmocka_unit_test(test_convergence),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
