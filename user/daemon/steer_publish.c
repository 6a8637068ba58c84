// SPDX-License-Identifier: GPL-2.0
#include "daemon/steer_publish.h"

#include <string.h>

#include <sluice/tree.h>

#define SPARE		0.9	/* of its time: a CPU that uses less empties its ring */
#define SLACK_PKTS	64	/* on their way to a ring */

static uint64_t lost_on(struct steer_publish *p, unsigned int cpu, double util, uint64_t gone,
			uint32_t ring_pkts)
{
	const uint64_t room = (uint64_t)ring_pkts + SLACK_PKTS;
	uint64_t least = gone;

	if (util < SPARE)
		p->cpu[cpu].gone[p->cpu[cpu].n++ % STEER_PUBLISH_READINGS] = gone;
	else
		p->cpu[cpu].n = 0;
	if (p->cpu[cpu].n >= STEER_PUBLISH_READINGS) {
		for (int i = 0; i < STEER_PUBLISH_READINGS; i++)
			if (p->cpu[cpu].gone[i] < least)
				least = p->cpu[cpu].gone[i];
		if (least > p->cpu[cpu].lost)
			p->cpu[cpu].lost = least;
	}
	if (gone > room && gone - room > p->cpu[cpu].lost)
		p->cpu[cpu].lost = gone - room;
	if (gone < p->cpu[cpu].lost)	/* it was too much, or the counters began anew */
		p->cpu[cpu].lost = gone;
	return p->cpu[cpu].lost;
}

uint32_t steer_publish_ppm(double util)
{
	return !(util > 0) ? 0 : util < 1 ? (uint32_t)(util * SLUICE_TREE_PPM) : SLUICE_TREE_PPM;
}

uint32_t steer_publish_flow_ppm(const struct steer_snapshot *before,
				const struct steer_snapshot *now, uint64_t sum_ppm)
{
	const uint64_t admitted = now->stats.admitted - before->stats.admitted;

	return admitted && sum_ppm / admitted < STEER_PUBLISH_FLOW_PPM ?
	       (uint32_t)(sum_ppm / admitted) : STEER_PUBLISH_FLOW_PPM;
}

void steer_publish(struct steer_publish *p, const struct steer_snapshot *before,
		   const struct steer_snapshot *now, const struct steer_cpu_obs *cpus, size_t n,
		   uint32_t ring_pkts, struct place_loads *out)
{
	uint64_t sum = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < n; i++) {
		const unsigned int cpu = cpus[i].cpu;
		const uint64_t sent = now->cpu[cpu].packets, got = now->deliver[cpu].packets;

		out->cpu[out->n] = (uint8_t)cpu;
		out->ppm[out->n] = steer_publish_ppm(cpus[i].util);
		out->lost[out->n] = lost_on(p, cpu, cpus[i].util, sent > got ? sent - got : 0,
					    ring_pkts);
		sum += out->ppm[out->n++];
	}
	if (!out->n)
		return;
	out->mean_ppm = (uint32_t)(sum / out->n);
	out->flow_ppm = steer_publish_flow_ppm(before, now, sum);
}
