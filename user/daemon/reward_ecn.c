// SPDX-License-Identifier: GPL-2.0
#include "daemon/reward_ecn.h"

#include <math.h>

#include "daemon/ecn_grid.h"
#include "lib/clamp.h"

#define DRAIN_MIN	1e-3	/* a slower drain counts as this: log is -6.9 */
#define DELAY_MAX	1e6	/* sojourn p95 / t_ref */
#define WEIGHT_MAX	1e3
#define QUEUED_WEIGHT	0.7
#define QUEUED_MIN	1e-3	/* a smaller share counts as this */
#define FLOWS_MAX	1e6

bool ecn_interval_active(const struct ecn_interval *in)
{
	return ecn_interval_ok(in) &&
	       (in->tx_bytes > 0.0 || in->backlogged_s > 0.0 || in->avg_backlog_bytes > 0.0);
}

int ecn_reward_acc_n(const struct ecn_interval *in)
{
	if (!ecn_interval_ok(in))
		return -1;
	for (int n = 0; n < ECN_GRID_N; n++)
		if (ecn_grid_acc_bytes(in, n) > in->avg_backlog_bytes)
			return n;
	return ECN_GRID_N;
}

double ecn_reward_acc(const struct ecn_interval *in)
{
	int n = ecn_reward_acc_n(in);

	if (n < 0)
		return 0.0;
	return 0.7 * clamp(in->tx_bytes / (in->seconds * in->capacity_bps), 0.0, 1.0) +
	       0.3 * (1.0 - n / 10.0);
}

double ecn_reward_fct(const struct ecn_agent_config *c, const struct ecn_interval *in)
{
	double rate = 0.0, delay = 0.0;

	if (!ecn_interval_ok(in))
		return 0.0;
	if (in->backlogged_s > 0.0)
		rate = log(clamp(in->tx_bytes / (in->backlogged_s * in->capacity_bps),
				 DRAIN_MIN, 1.0));
	if (in->sojourn_p95_s > 0.0)
		delay = log1p(clamp(in->sojourn_p95_s / clamp(c->fct_ref_ns * 1e-9, 1e-9, 1e3),
				    0.0, DELAY_MAX));
	return clamp(clamp(c->fct_weight_rate, 0.0, WEIGHT_MAX) * rate -
		     clamp(c->fct_weight_delay, 0.0, WEIGHT_MAX) * delay,
		     -ECN_REWARD_MAX, ECN_REWARD_MAX);
}

double ecn_reward_balance(const struct ecn_interval *in)
{
	double wait_s, queued = 1.0;

	if (!ecn_interval_ok(in))
		return 0.0;
	wait_s = in->avg_backlog_bytes / in->capacity_bps;
	if (in->tx_bytes > 0.0)
		queued = in->capacity_bps * in->backlogged_s / in->tx_bytes;
	return clamp(QUEUED_WEIGHT * log(clamp(queued, QUEUED_MIN, 1.0)) -
		     log1p(clamp(wait_s / in->rtt_s, 0.0, DELAY_MAX)) -
		     log1p(clamp(in->active_flows, 0.0, FLOWS_MAX)),
		     -ECN_REWARD_MAX, ECN_REWARD_MAX);
}

double ecn_reward(const struct ecn_agent_config *c, const struct ecn_interval *in)
{
	switch (c->reward) {
	case ECN_REWARD_ACC:
		return ecn_reward_acc(in);
	case ECN_REWARD_BALANCE:
		return ecn_reward_balance(in);
	default:
		return ecn_reward_fct(c, in);
	}
}
