/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets that arrive at the NIC of the multi-core simulator (cpus.h): up to four kinds at once,
 * each with its share of the rate.
 *
 *	zipf		a population of flows, each packet's drawn by Zipf's law, in trains
 *	flows		flows that arrive at random, with sizes of a distribution, and end
 *	elephants	flows that never end, sending always or on and off
 *	capture		a recorded sequence of packets, over and over, sped up to the rate
 *
 * Nothing here depends on what becomes of the packets: a seed is a sequence of arrivals, whatever
 * the policy. A source can be copied, which is how an oracle looks into the future.
 */
#ifndef SLUICE_SIM_CPUS_TRAFFIC_H
#define SLUICE_SIM_CPUS_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/sluice.h>

#include "lib/dist.h"
#include "lib/err.h"

/* A recorded sequence of packets. */
struct cpus_record {
	uint64_t time_ns;	/* from the first packet */
	uint32_t flow;		/* index of key */
	uint32_t bytes;
};

struct cpus_capture {
	struct cpus_record *packet;
	struct sluice_flow_key *key;
	size_t n_packets, n_flows;
	uint64_t duration_ns;
	uint64_t not_steered;	/* packets left out: neither IPv4 nor IPv6 of the usual kind */
};

/* TCP, UDP and the like over IPv4 and IPv6, behind at most two tags. An error names the file. */
int cpus_capture_read(const char *path, struct cpus_capture *ret, struct sl_err *e);
void cpus_capture_free(struct cpus_capture *c);

struct cpus_traffic_params {
	double rate_pps;	/* of all kinds together, on average */
	/* Shares of it; what they add up to is the whole. */
	double zipf_share, flows_share, elephants_share, capture_share;

	uint32_t zipf_flows;
	double zipf_exponent;	/* 0: all alike */
	double train_pkts;	/* on average, of one flow back to back; 1: Poisson packets */
	double churn_s;		/* after so long other flows are the frequent ones; 0: never */

	const struct dist *sizes;	/* of flows in bytes; the caller's, and stays there */
	double flow_pps;	/* of a flow while it lasts */
	double flow_pps_sigma;	/* of its logarithm, over flows */

	uint32_t elephants;
	double elephant_skew;	/* flow i sends in proportion to 1 / (i + 1)^skew */
	double on_s, off_s;	/* means, exponential; off_s 0: always on */

	const struct cpus_capture *capture;

	double swing;		/* 0..1: amplitude of the rate about its mean (zipf, flows) ... */
	double swing_s;		/* ... and its period */
	uint32_t bytes;		/* of a packet (zipf, flows, elephants), on the wire */
	double work_cv;		/* 0: a packet's work is its flow's; 1: exponential about it */
	double flow_work_sigma;	/* of the logarithm of a flow's work per packet; its mean is 1 */
};
void cpus_traffic_params_default(struct cpus_traffic_params *p);

struct cpus_arrival {
	uint64_t time_ns;
	uint32_t flow;		/* slot: used again long after its flow has ended */
	uint32_t id;		/* of the flow, never used again */
	uint32_t bytes;
	float work;		/* in units of what the costs say; 1 on average */
	uint32_t rss_hash;
	uint32_t bucket;
	uint64_t hash;		/* of the flow's key */
};

struct cpus_traffic;

/* -EINVAL when the parameters are out of bounds; the capture and sizes stay the caller's. */
int cpus_traffic_new(const struct cpus_traffic_params *p, uint64_t seed, struct cpus_traffic **ret,
		     struct sl_err *e);
struct cpus_traffic *cpus_traffic_copy(const struct cpus_traffic *t);	/* NULL: out of memory */
void cpus_traffic_free(struct cpus_traffic *t);		/* accepts NULL */
/* The next packet; it never ends. 0 or -ENOMEM. */
int cpus_traffic_next(struct cpus_traffic *t, struct cpus_arrival *out);
/* Mean bytes of a packet, for who computes a rate from a load. */
double cpus_traffic_mean_bytes(const struct cpus_traffic_params *p);

#endif
