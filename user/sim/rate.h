/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rate-based senders, as NICs for RDMA have them: a NIC paces each of its flows, takes those that
 * may send in turn, and bounds what a flow has under way by a window. Receivers acknowledge every
 * packet with its CE mark, before data of their own; a gap is answered by one negative
 * acknowledgement, and the sender goes back to it. There is no timer for losses: if the end of a
 * flow is dropped, the flow never ends, so stages on its path better have no limit.
 *
 * The congestion controls are DCQCN (Zhu et al., "Congestion Control for Large-Scale RDMA
 * Deployments", SIGCOMM 2015) in the form that NICs have, where every marked acknowledgement is a
 * congestion notification and time alone raises the rate, and DCTCP with a rate in the place of
 * the window. What the papers leave open follows the public simulator of Li et al., "HPCC: High
 * Precision Congestion Control", SIGCOMM 2019, whose runs "sluice sim validate" compares with.
 *
 * Times are nanoseconds, rates bits per second. Functions that return int return 0 or a number,
 * or -errno.
 */
#ifndef SLUICE_SIM_RATE_H
#define SLUICE_SIM_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/sim.h"

enum sim_rate_cc { SIM_RATE_DCTCP, SIM_RATE_DCQCN };

struct sim_rate_params {
	enum sim_rate_cc cc;
	double max_bps, min_bps;	/* of one flow; it begins with max_bps */
	double window_bytes;		/* 0: none */
	bool var_window;		/* the window shrinks and grows with the rate */
	uint16_t payload_bytes, header_bytes, ack_bytes;
	double gain;			/* of alpha's moving average */
	double dctcp_ai_bps;		/* added in each round trip without a mark */
	/* DCQCN: periods of alpha, of reductions, and of increases. */
	uint64_t alpha_ns, decrease_ns, increase_ns;
	unsigned int fast_recovery;	/* so many increases go half the way to the target alone */
	double ai_bps, hai_bps;		/* then the target rises by ai once, by hai after that */
};

struct sim_rate_flow_params {
	uint32_t nic, ack_nic;		/* of the sender and of the receiver */
	uint16_t data_path, ack_path;	/* begin with the link of the one NIC and of the other */
	uint64_t bytes;			/* of payload, not 0 */
	uint64_t start_ns;		/* not before now */
};

/* Numbers of what was added, from 0. A rate of 0 has the NIC send without taking time. */
int sim_add_nic(struct sim *s, double rate_bps, const struct sim_rate_params *p);
int sim_add_rate_flow(struct sim *s, const struct sim_rate_flow_params *p);
/* From its start until its last byte arrived; 0 while that has not happened. */
uint64_t sim_rate_fct_ns(const struct sim *s, uint32_t flow);

#endif
