// SPDX-License-Identifier: GPL-2.0
#include "daemon/ecn_grid.h"

#include <math.h>

/* ACC's alpha is 20 KB in a network with C * RTT of about 25 KB. */
#define ACC_ALPHA_BDP	0.8
#define BYTES_MAX	2147483647.0	/* of the knobs qth_min and qth_max */
#define SECONDS_MAX	1e6
#define CAPACITY_MAX	1e13		/* 80 Tbit/s */

static const double ratio_of_m[ECN_GRID_M] = { 1.0, 2.0, 4.0 };
static const uint32_t max_p_of_p[ECN_GRID_P] = { 10000, 100000, 500000 };

bool ecn_interval_ok(const struct ecn_interval *in)
{
	return in->seconds > 0.0 && in->seconds < SECONDS_MAX && in->rtt_s > 0.0 &&
	       in->rtt_s < SECONDS_MAX && in->capacity_bps > 0.0 &&
	       in->capacity_bps < CAPACITY_MAX && isfinite(in->tx_bytes) &&
	       isfinite(in->ce_bytes) && isfinite(in->backlogged_s) &&
	       isfinite(in->avg_backlog_bytes) && isfinite(in->sojourn_p95_s);
}

double ecn_grid_acc_bytes(const struct ecn_interval *in, int n)
{
	return fmax(in->mtu_bytes, ACC_ALPHA_BDP * in->capacity_bps * in->rtt_s) * exp2(n);
}

/* C * t(n) */
static double time_grid_bytes(const struct ecn_interval *in, int n)
{
	return fmax(2.0 * in->mtu_bytes, in->capacity_bps * in->rtt_s / 8.0) * exp2(n);
}

/* qth_min of a template before rounding; the paper's grid counts by qth_max. */
static double template_min(const struct ecn_agent_config *c, const struct ecn_interval *in,
			   struct ecn_pos at)
{
	return c->grid == ECN_GRID_ACC ? ecn_grid_acc_bytes(in, at.n) / ratio_of_m[at.m] :
					 time_grid_bytes(in, at.n);
}

void ecn_grid(const struct ecn_agent_config *c, const struct ecn_interval *in,
	      struct qdisc_triple triple[ECN_ACTIONS], uint8_t feasible[ECN_ACTIONS])
{
	const bool ok = ecn_interval_ok(in);
	const double limit = fmin(in->limit_bytes, BYTES_MAX);

	for (int i = 0; i < ECN_ACTIONS; i++) {
		const struct ecn_pos at = ecn_index_pos(i);
		double min = ok ? round(template_min(c, in, at)) : 0.0;
		double max = ok ? round(template_min(c, in, at) * ratio_of_m[at.m]) : 0.0;

		/* On a step (m = 1) max_p means nothing: one of its values stands for all. */
		feasible[i] = min >= 1.0 && max <= limit && (at.m > 0 || at.p == 0);
		triple[i] = (struct qdisc_triple) {
			.qth_min = fmin(min, BYTES_MAX),
			.qth_max = fmin(max, BYTES_MAX),
			.max_p = max_p_of_p[at.p],
		};
	}
}

static double log2_ratio(double a, double b)
{
	return log2(fmax(a, 1.0) / fmax(b, 1.0));
}

int ecn_grid_nearest(const struct qdisc_triple triple[ECN_ACTIONS],
		     const uint8_t feasible[ECN_ACTIONS], const struct qdisc_triple *t)
{
	int best = -1;
	double nearest = INFINITY;

	for (int i = 0; i < ECN_ACTIONS; i++) {
		double d;

		if (!feasible[i])
			continue;
		d = fabs(log2_ratio(triple[i].qth_min, t->qth_min)) +
		    fabs(log2_ratio(triple[i].qth_max, t->qth_max));
		if (ecn_index_pos(i).m > 0)
			d += 0.1 * fabs(log2_ratio(triple[i].max_p, t->max_p));
		if (d < nearest) {
			nearest = d;
			best = i;
		}
	}
	return best;
}

static float limited(double x)
{
	return fmin(fmax(x, -1.0), 2.0);
}

void ecn_grid_coordinates(const struct ecn_agent_config *c, const struct ecn_interval *in,
			  const struct qdisc_triple *t, float x[3])
{
	const double smallest = template_min(c, in, (struct ecn_pos) { 0, 0, 0 });
	const double anchor = c->grid == ECN_GRID_ACC ? t->qth_max : t->qth_min;
	const bool ramp = t->qth_max > t->qth_min;

	x[0] = limited(log2_ratio(anchor, smallest) / (ECN_GRID_N - 1));
	x[1] = limited(log2_ratio(t->qth_max, t->qth_min) / 2.0);
	x[2] = ramp ? limited(log2_ratio(t->max_p, max_p_of_p[0]) /
			      log2_ratio(max_p_of_p[ECN_GRID_P - 1], max_p_of_p[0])) : 0.0f;
}

int ecn_grid_neighbours(int at, const uint8_t feasible[ECN_ACTIONS], int out[ECN_NEIGHBOURS])
{
	static const struct ecn_pos step[ECN_NEIGHBOURS - 1] = {
		{ -1, 0, 0 }, { 1, 0, 0 }, { 0, -1, 0 }, { 0, 1, 0 }, { 0, 0, -1 }, { 0, 0, 1 },
	};
	const struct ecn_pos from = ecn_index_pos(at);
	int n = 0;

	out[n++] = at;
	for (int i = 0; i < ECN_NEIGHBOURS - 1; i++) {
		struct ecn_pos to = { from.n + step[i].n, from.m + step[i].m, from.p + step[i].p };

		if (to.m == 0 && from.m > 0)
			to.p = 0;
		if (to.n < 0 || to.n >= ECN_GRID_N || to.m < 0 || to.m >= ECN_GRID_M ||
		    to.p < 0 || to.p >= ECN_GRID_P || !feasible[ecn_pos_index(to)])
			continue;
		out[n++] = ecn_pos_index(to);
	}
	return n;
}
