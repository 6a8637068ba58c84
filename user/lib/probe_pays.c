// SPDX-License-Identifier: GPL-2.0
/* The rule whether a cpumap hop pays; see probe_hop.h. */
#include "lib/probe_hop.h"

const char *const probe_verdict_text[PROBE_VERDICT_MAX] = {
#define X(name, text) text,
	PROBE_VERDICTS(X)
#undef X
};

static enum probe_verdict verdict(const struct probe_move *m)
{
	double work_ns, moved;

	if (m->source_pps <= 0 || m->send_ns < 0)
		return PROBE_unknown;
	work_ns = m->source_busy * 1e9 / m->source_pps;
	moved = m->rate_pps * (work_ns + (m->remote ? 0 : m->send_ns)) / 1e9;
	if (m->remote) {
		if (m->source_busy > PROBE_TARGET_MAX && m->target_busy > PROBE_TARGET_MAX)
			return PROBE_unknown;
		return m->target_busy + moved < m->source_busy ? PROBE_pays : PROBE_target_full;
	}
	if (m->source_busy < PROBE_BUSY_MIN)
		return PROBE_source_idle;
	if (work_ns < PROBE_GAIN_MIN * m->send_ns)
		return PROBE_too_cheap;
	return m->target_busy + moved > PROBE_TARGET_MAX ? PROBE_target_full : PROBE_pays;
}

bool probe_hop_pays(const struct probe_move *m, enum probe_verdict *why)
{
	enum probe_verdict v = verdict(m);

	if (why)
		*why = v;
	return v == PROBE_pays || v == PROBE_unknown;
}
