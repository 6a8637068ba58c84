// SPDX-License-Identifier: GPL-2.0
#include "daemon/steer_loads.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "lib/clamp.h"

#define PPS_MAX		1e12

double steer_loads_pps(double pps)
{
	return clamp(pps, 0.0, PPS_MAX);
}

int steer_loads_init(struct steer_loads *l, const struct steer_interval *in)
{
	l->in = in;
	l->n = in->n_cpus;
	l->pps_total = 0.0;
	l->mean = 0.0;
	for (size_t i = 0; i < SLUICE_MAX_CPUS; i++)
		l->index_of[i] = -1;
	for (size_t i = 0; i < l->n; i++) {
		if (in->cpus[i].cpu >= SLUICE_MAX_CPUS || l->index_of[in->cpus[i].cpu] >= 0)
			return -EINVAL;
		l->index_of[in->cpus[i].cpu] = i;
		l->util[i] = l->util_measured[i] = clamp(in->cpus[i].util, 0.0, 1.0);
		l->pps[i] = steer_loads_pps(in->cpus[i].pps);
		l->wait[i] = in->cpus[i].wait_p95_s >= 0.0 ?
			     clamp(log1p(in->cpus[i].wait_p95_s * 1e3) / 4.0, 0.0, 2.0) : 0.0;
		l->pps_total += l->pps[i];
		l->mean += l->util[i] / l->n;
	}
	return 0;
}

int steer_loads_cpu_of(const struct steer_loads *l, const struct steer_object *o)
{
	return o->cpu < SLUICE_MAX_CPUS ? l->index_of[o->cpu] : -1;
}

/* CPU share that the object costs where it was measured. */
static double work_of(const struct steer_loads *l, const struct steer_object *o, int from)
{
	const double pps = steer_loads_pps(o->pps);

	return pps > 0.0 ? l->util_measured[from] * pps / fmax(l->pps[from], pps) : 0.0;
}

void steer_loads_move(struct steer_loads *l, const struct steer_object *o, int from, int to)
{
	const double work = work_of(l, o, from);

	l->util[from] = fmax(l->util[from] - work, 0.0);
	l->util[to] += work;
}

/* The greatest load of all CPUs but one. */
static double max_beside(const struct steer_loads *l, int cpu)
{
	double max = 0.0;

	for (int i = 0; i < (int)l->n; i++)
		if (i != cpu && l->util[i] > max)
			max = l->util[i];
	return max;
}

void steer_features(const struct steer_loads *l, const struct steer_object *o, int from, float *x)
{
	const double work = work_of(l, o, from);
	const double pps = steer_loads_pps(o->pps);
	const double beside = max_beside(l, from);
	const double now_max = fmax(beside, l->util[from]);
	const double left_max = fmax(beside, l->util[from] - work);

	for (int to = 0; to < (int)l->n; to++, x += STEER_FEATURES) {
		const struct steer_cpu_obs *c = &l->in->cpus[to];
		const double drop = steer_loads_pps(c->drop_pps);

		/* The object: its work, its share of the traffic, the size of its packets. */
		x[0] = clamp(work, 0.0, 2.0);
		x[1] = l->pps_total > 0.0 ? clamp(pps / l->pps_total, 0.0, 1.0) : 0.0;
		x[2] = pps > 0.0 ? clamp(o->bps / pps / 1500.0, 0.0, 2.0) : 0.0;
		/* The loads before and after: its CPU, the candidate, the mean, the greatest. */
		x[3] = to == from;
		x[4] = clamp(l->util[from], 0.0, 2.0);
		x[5] = clamp(l->util[to], 0.0, 2.0);
		x[6] = clamp(l->util[to] + (to != from) * work, 0.0, 2.0);
		x[7] = l->mean;
		x[8] = clamp(now_max, 0.0, 2.0);
		x[9] = to == from ? x[8] : clamp(fmax(left_max, l->util[to] + work), 0.0, 2.0);
		/* The candidate as measured. */
		x[10] = clamp(c->softirq, 0.0, 1.0);
		x[11] = l->pps_total > 0.0 ? clamp(l->pps[to] / l->pps_total, 0.0, 1.0) : 0.0;
		x[12] = l->pps[to] + drop > 0.0 ? clamp(drop / (l->pps[to] + drop), 0.0, 1.0) : 0.0;
		x[13] = l->wait[to];
	}
}

void steer_features_name(struct translog_feature out[STEER_FEATURES])
{
	static const struct translog_feature feature[STEER_FEATURES] = {
		{ "work", "CPU share" }, { "packet_share", "1" }, { "packet_bytes", "1500 B" },
		{ "stays", "flag" }, { "from_load", "CPU share" }, { "to_load", "CPU share" },
		{ "to_load_after", "CPU share" }, { "mean_load", "CPU share" },
		{ "max_load", "CPU share" }, { "max_load_after", "CPU share" },
		{ "to_softirq", "CPU share" }, { "to_packet_share", "1" },
		{ "to_drop_share", "1" }, { "to_wait_p95", "ln(1+ms)/4" },
	};

	memcpy(out, feature, sizeof(feature));
}
