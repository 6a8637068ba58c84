/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reference runs of another simulator, and the same runs here.
 *
 * They are those of m3 (Li et al., "m3: Accurate Flow-Level Performance Estimation using Machine
 * Learning", SIGCOMM 2024), made with the ns-3 of HPCC: a directory with INDEX.tsv, a line per run,
 * and a file shardNN_CC.tsv for each. That begins with lines "# KEY VALUE ..." of the settings; the
 * column names and a line per flow follow. Columns are separated by one tab.
 *
 * Three hosts are on one switch by links of 1 us: 0 and 2 at 10 Gb/s, 1 at 100 Tb/s, so that only
 * the NIC of 0 and the switch's port to 2 queue. The switch marks by the packets that a departing
 * one leaves behind. Its PFC cannot set in and nothing is lost, whatever ENABLE_PFC and BUFFER_SIZE
 * say: its headroom for the link of host 1 alone exceeds every buffer, and the difference, taken
 * in 32 bits without sign, becomes a threshold of a gigabyte.
 */
#ifndef SLUICE_SIM_REF_H
#define SLUICE_SIM_REF_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define REF_HOSTS	3
#define REF_CC_LEN	16

struct ref_entry {
	unsigned int line;	/* of INDEX.tsv */
	unsigned int shard;
	char cc[REF_CC_LEN];
	size_t flows;
};

struct ref_index {
	struct ref_entry *entry;
	size_t n;
};

/* As the files call them. KMIN_MAP and its like are those of 10 Gb/s; rates are bits per second. */
struct ref_settings {
	double cc_mode, payload_bytes, has_win, var_win, window_bytes;
	double kmin_kb, kmax_kb, pmax;
	double gain, min_bps;
	double dctcp_ai_bps;
	double alpha_us, decrease_us, increase_us, fast_recovery, ai_bps, hai_bps;
};

struct ref_flow {
	unsigned int src, dst;
	uint64_t bytes, start_ns;	/* the first one starts at 0 */
	/* Completion times: in ns-3, alone there, with max-min shares. Below 0: did not end. */
	double ns3_ns, ideal_ns, maxmin_ns;
};

struct ref_run {
	struct ref_settings set;
	struct ref_flow *flow;
	size_t n;
};

/* An error names file, line and what is wrong. */
int ref_read_index(const char *dir, struct ref_index *ret, struct sl_err *e);
void ref_index_free(struct ref_index *x);
int ref_read_run(const char *dir, const struct ref_entry *entry, struct ref_run *ret,
		 struct sl_err *e);
void ref_run_free(struct ref_run *run);

/* Whether ref_simulate() knows the congestion control. */
int ref_knows(const char *cc);
/* The first n flows, of those that the run has; fct_ns[i] is 0 for one that did not end. */
int ref_simulate(const struct ref_run *run, size_t n, uint64_t seed, double *fct_ns,
		 struct sl_err *e);

#endif
