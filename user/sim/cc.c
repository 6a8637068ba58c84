// SPDX-License-Identifier: GPL-2.0
/*
 * Congestion control: what a window becomes. When it may change at all, once for a window of data
 * and not while losses are repaired, is the sender's business (flow.c).
 *
 * Reno (RFC 5681) halves for a loss and for a mark, as RFC 3168 has it. DCTCP (RFC 8257) reduces for
 * a mark by alpha / 2, where alpha is the moving share of marked bytes with gain 1/16, and for a
 * loss as Reno. CUBIC (RFC 9438) has C 0.4, fast convergence and its Reno-friendly region, and
 * reduces to 0.7 for a loss and for a mark alike: section 4.6 of its RFC, and what Linux does. The
 * gentler 0.85 that RFC 8511 would allow for marks is used by none of the hosts this is about.
 */
#include <math.h>

#include "sim/sim_priv.h"

#define DCTCP_GAIN	(1.0 / 16)
#define CUBIC_C		0.4	/* segments per s^3 */
#define CUBIC_BETA	0.7
/* Grows W_est on average as fast as Reno, which reduces more (RFC 9438, section 4.3). */
#define CUBIC_ALPHA	(3 * (1 - CUBIC_BETA) / (1 + CUBIC_BETA))

/* --- Reno ---------------------------------------------------------------------- */

static void reno_avoid(struct sim_flow *f, double acked, uint64_t now_ns)
{
	(void)now_ns;
	f->cwnd += SIM_MSS * acked / f->cwnd;
}

static double reno_reduce(struct sim_flow *f, enum sim_signal signal)
{
	(void)signal;
	return f->cwnd / 2;
}

/* --- DCTCP --------------------------------------------------------------------- */

static void dctcp_heard(struct sim_flow *f, double acked, bool marked)
{
	f->window_acked += acked;
	f->window_marked += marked ? acked : 0;
	if (f->una < f->window_end)
		return;
	if (f->window_acked > 0)
		f->alpha += DCTCP_GAIN * (f->window_marked / f->window_acked - f->alpha);
	f->window_acked = f->window_marked = 0;
	f->window_end = f->next;
}

static double dctcp_reduce(struct sim_flow *f, enum sim_signal signal)
{
	return f->cwnd * (signal == SIM_MARK ? 1 - f->alpha / 2 : 0.5);
}

/* --- CUBIC --------------------------------------------------------------------- */

static double cubed(double x)
{
	return x * x * x;
}

/* The stage of congestion avoidance that begins with this acknowledgement. */
static void cubic_begin(struct sim_cubic *c, double cwnd, uint64_t now_ns)
{
	c->begun = true;
	c->epoch_ns = now_ns;
	if (c->w_max < cwnd)	/* after a time-out, too, or slow start has gone beyond it */
		c->w_max = cwnd;
	c->k_s = cbrt((c->w_max - cwnd) / CUBIC_C);
	c->w_est = cwnd;
}

static void cubic_avoid(struct sim_flow *f, double acked, uint64_t now_ns)
{
	struct sim_cubic *c = &f->cubic;
	const double cwnd = f->cwnd / SIM_MSS, segments = acked / SIM_MSS;
	double t_s, target;

	if (!c->begun)
		cubic_begin(c, cwnd, now_ns);
	t_s = (now_ns - c->epoch_ns) / 1e9;
	c->w_est += (c->w_est < c->cwnd_prior ? CUBIC_ALPHA : 1) * segments / cwnd;
	if (c->w_max + CUBIC_C * cubed(t_s - c->k_s) < c->w_est) {
		f->cwnd = fmax(f->cwnd, c->w_est * SIM_MSS);
		return;
	}
	target = c->w_max + CUBIC_C * cubed(t_s + f->srtt_ns / 1e9 - c->k_s);
	target = fmin(fmax(target, cwnd), 1.5 * cwnd);
	f->cwnd += (target - cwnd) / cwnd * acked;
}

static double cubic_reduce(struct sim_flow *f, enum sim_signal signal)
{
	struct sim_cubic *c = &f->cubic;
	const double cwnd = f->cwnd / SIM_MSS;

	/* Fast convergence: who did not get back to where it was leaves room for others. */
	c->w_max = cwnd < c->w_max ? cwnd * (1 + CUBIC_BETA) / 2 : cwnd;
	c->cwnd_prior = cwnd;
	c->begun = false;
	if (signal == SIM_TIMEOUT)
		c->w_max = 0;
	return f->cwnd * CUBIC_BETA;
}

const struct sim_cc_ops sim_cc_ops[SIM_CC_MAX] = {
	[SIM_RENO] = { "reno", NULL, reno_avoid, reno_reduce },
	[SIM_DCTCP] = { "dctcp", dctcp_heard, reno_avoid, dctcp_reduce },
	[SIM_CUBIC] = { "cubic", NULL, cubic_avoid, cubic_reduce },
};

const char *sim_cc_name(enum sim_cc cc)
{
	return sim_cc_ops[cc].name;
}
