// SPDX-License-Identifier: GPL-2.0
#include "daemon/steer_view.h"

#include "lib/hist.h"
#include "lib/probe_hop.h"

static double rate(uint64_t now, uint64_t before, double seconds)
{
	return now > before ? (double)(now - before) / seconds : 0;
}

double steer_view_seconds(const struct steer_snapshot *before, const struct steer_snapshot *now)
{
	return (double)(now->time_ns - before->time_ns) / 1e9;
}

struct steer_cpu_obs steer_view_cpu(unsigned int cpu, const struct procstat_cpu *before,
				    const struct procstat_cpu *now, double seconds)
{
	return (struct steer_cpu_obs){
		.cpu = (uint16_t)cpu,
		.util = procstat_util(now, before),
		.softirq = procstat_softirq(now, before),
		.drop_pps = rate(now->softnet_dropped, before->softnet_dropped, seconds),
		.wait_p95_s = -1,
	};
}

void steer_view_sent(const struct steer_snapshot *before, const struct steer_snapshot *now,
		     struct steer_cpu_obs *out)
{
	const double seconds = steer_view_seconds(before, now);
	const unsigned int cpu = out->cpu;
	double sent, delivered, p95;

	sent = rate(now->cpu[cpu].packets, before->cpu[cpu].packets, seconds);
	delivered = rate(now->deliver[cpu].packets, before->deliver[cpu].packets, seconds);
	out->pps += sent;
	out->drop_pps += sent > delivered ? sent - delivered : 0;
	if (steer_wait_measurable(now) != 1)
		return;
	p95 = hist_quantile_ns(now->deliver[cpu].wait_hist, before->deliver[cpu].wait_hist, 0.95) /
	      1e9;
	if (p95 < 0)
		p95 = 0;	/* measurable, but nobody waited */
	if (p95 > out->wait_p95_s)
		out->wait_p95_s = p95;
}

int steer_view_bucket_cpu(const struct steer_snapshot *now, unsigned int bucket)
{
	const struct sluice_bucket *b = &now->bucket_target[bucket];
	bool runs = now->control.expires_jiffies > now->jiffies;

	if ((b->flags & SLUICE_BUCKET_F_LEARNED) && !(b->flags & SLUICE_BUCKET_F_HOLD) && runs)
		return b->learned_cpu;
	return b->flags & SLUICE_BUCKET_F_BASELINE ? b->cpu : -1;
}

size_t steer_view_buckets(const struct steer_snapshot *before, const struct steer_snapshot *now,
			  struct steer_object *objects, size_t max)
{
	size_t n = 0;

	for (unsigned int b = 0; b < SLUICE_BUCKETS && n < max; b++) {
		const uint64_t packets = now->bucket[b].packets - before->bucket[b].packets;
		const int cpu = steer_view_bucket_cpu(now, b);

		if (!packets || cpu < 0)
			continue;
		objects[n++] = (struct steer_object){
			.id = b,
			.cpu = (uint16_t)cpu,
			.pps = (double)packets,
			.bps = (double)(now->bucket[b].bytes - before->bucket[b].bytes),
		};
	}
	return n;
}

static const struct steer_cpu_obs *find_cpu(const struct steer_interval *in, uint16_t cpu)
{
	for (size_t i = 0; i < in->n_cpus; i++)
		if (in->cpus[i].cpu == cpu)
			return &in->cpus[i];
	return NULL;
}

static double object_pps(const struct steer_interval *in, uint32_t id, bool is_flow)
{
	for (size_t i = 0; i < in->n_objects; i++)
		if (in->objects[i].id == id && in->objects[i].is_flow == is_flow)
			return in->objects[i].pps;
	return 0;
}

bool steer_view_loses(const struct steer_interval *in, const struct steer_move *m)
{
	const struct steer_cpu_obs *from = find_cpu(in, m->from), *to = find_cpu(in, m->to);
	struct probe_move p = { .remote = true };

	if (!from || !to)
		return false;
	p.rate_pps = object_pps(in, m->id, m->is_flow);
	p.source_pps = from->pps;
	p.source_busy = from->util;
	p.target_busy = to->util;
	return !probe_hop_pays(&p, NULL);
}
