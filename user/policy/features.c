// SPDX-License-Identifier: GPL-2.0
#include "policy/features.h"

#include <math.h>

/* About the medians over mixes: what says nothing should not look like an extreme. */
#define UNKNOWN_ELEPHANTS	0.75
#define UNKNOWN_ECT		1

const char *feature_name(int i)
{
	static const char *const name[] = {
#define X(name, text) #name,
		ECN_FEATURES(X)
#undef X
	};

	return name[i];
}

static double bdp_bytes(const struct ecn_interval *in)
{
	return fmax(in->capacity_bps * in->rtt_s, 1);
}

static void add_share(struct feature_share *s, double value, double bytes)
{
	if (!isfinite(value) || !(bytes > 0))
		return;
	s->bytes += fmin(fmax(value, 0), 1) * bytes;
	s->of += bytes;
}

static double share(const struct feature_share *s, double unknown)
{
	return s->of > 0 ? s->bytes / s->of : unknown;
}

void feature_add(struct feature_sum *sum, const struct ecn_interval *in)
{
	const double k = fmax(in->setting.qth_min, 1);

	sum->epochs++;
	sum->seconds += in->seconds;
	sum->tx_bytes += in->tx_bytes;
	sum->ce_bytes += in->ce_bytes;
	sum->backlogged_s += in->backlogged_s;
	sum->backlog_byte_s += in->avg_backlog_bytes * in->seconds;
	sum->sojourn_s2 += fmax(in->sojourn_p95_s, 0) * in->seconds;
	sum->setting_s += log2(k / bdp_bytes(in)) * in->seconds;
	add_share(&sum->elephants, in->elephant_share, in->tx_bytes);
	add_share(&sum->ect, in->ect_share, in->tx_bytes);
	sum->last = *in;
}

void feature_get(const struct feature_sum *sum, double x[FEATURES])
{
	const struct ecn_interval *in = &sum->last;
	const double bdp = bdp_bytes(in), tx = fmax(sum->tx_bytes, 1);

	x[FEATURE_bdp] = log2(bdp / fmax(in->mtu_bytes, 1));
	x[FEATURE_used] = fmin(sum->tx_bytes / (in->capacity_bps * sum->seconds), 2);
	x[FEATURE_queued] = fmin(in->capacity_bps * sum->backlogged_s / tx, 2);
	x[FEATURE_backlog] = log2(1 + 8 * sum->backlog_byte_s / sum->seconds / bdp);
	x[FEATURE_marked] = fmin(sum->ce_bytes / tx, 1);
	x[FEATURE_delay] = log2(1 + 8 * sum->sojourn_s2 / sum->seconds / in->rtt_s);
	x[FEATURE_setting] = sum->setting_s / sum->seconds;
	x[FEATURE_elephants] = share(&sum->elephants, UNKNOWN_ELEPHANTS);
	x[FEATURE_ect] = share(&sum->ect, UNKNOWN_ECT);
}
