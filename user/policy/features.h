/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a queue did over some epochs, as a few numbers without units, so that what is learned at one
 * rate and round-trip time holds at others. What is not measured is what it is on most queues.
 *
 * A model knows its features by their places: another list needs another MODEL_VERSION (model.h).
 */
#ifndef SLUICE_POLICY_FEATURES_H
#define SLUICE_POLICY_FEATURES_H

#include "daemon/ecn_agent.h"

/* X(name, text) */
#define ECN_FEATURES(X)								\
	X(bdp, "log2 of C * RTT in packets")					\
	X(used, "share of C that was sent")					\
	X(queued, "share of what was sent while there was a backlog")		\
	X(backlog, "log2(1 + 8 * average backlog / (C * RTT))")			\
	X(marked, "share of bytes that were marked")				\
	X(delay, "log2(1 + 8 * sojourn p95 / RTT)")				\
	X(setting, "log2 of qth_min / (C * RTT)")				\
	X(elephants, "share of bytes by flows that had more than 100 KB")	\
	X(ect, "share of bytes in ECN-capable packets")

enum {
#define X(name, text) FEATURE_##name,
	ECN_FEATURES(X)
#undef X
	FEATURES
};

const char *feature_name(int i);

struct feature_sum {
	unsigned int epochs;
	double seconds, tx_bytes, ce_bytes, backlogged_s, backlog_byte_s, sojourn_s2, setting_s;
	struct feature_share {
		double bytes, of;	/* of epochs in which it was measured */
	} elephants, ect;
	struct ecn_interval last;
};

void feature_add(struct feature_sum *sum, const struct ecn_interval *in);
/* Of what was added, of one epoch or more. */
void feature_get(const struct feature_sum *sum, double x[FEATURES]);

#endif
