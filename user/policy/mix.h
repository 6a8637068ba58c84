/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Workload mixes for one bottleneck, drawn from a seed: a policy is trained on some and judged on
 * others. A mix is a rate, a round-trip time and one or two phases that alternate; a phase has flow
 * sizes (of a file, made smaller so that a run holds many flows), a load, and by kind:
 *
 *	steady		nothing else
 *	endless		flows that never end beside it
 *	incast		now and then many senders with a block each at once
 *	switching	two phases of different sizes and loads, some seconds each
 *	on/off		two phases of the same sizes, one with a small load
 *	mixed-ECN	a part of the flows is CUBIC, with ECN or without; flows that never end, too.
 *			Packets without ECN are dropped at the queue's limit, as by the qdisc unless
 *			it is told otherwise, and the limit is 2 to 8 C * RTT
 *	RTTs		two or three round-trip times from half of the mix's to twice as much
 *	rate		a link whose rate varies: two phases of the same arrivals, in one of them 0.5
 *			to 0.9 of the rate; where there are link traces, a part of one, scaled
 *
 * Senders are DCTCP but for mixed-ECN; in a third of all mixes they hand over packets of GSO, and in
 * half of them the host knows its flows.
 *
 * A family is a file of sizes and a kind: mixes of one resemble each other, and
 * intervals are bootstrapped over families.
 */
#ifndef SLUICE_POLICY_MIX_H
#define SLUICE_POLICY_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dist.h"
#include "lib/link_trace.h"

enum mix_kind { MIX_STEADY, MIX_ENDLESS, MIX_INCAST, MIX_SWITCHING, MIX_ON_OFF, MIX_MIXED_ECN,
		MIX_RTTS, MIX_RATE, MIX_KINDS };

#define MIX_RTTS_MAX	3

struct mix_phase {
	unsigned int sizes;	/* index of the file */
	double scale;		/* of its sizes, at most 1 */
	double load;		/* share of the mix's rate that arrives */
	double rate;		/* share of the mix's rate that the link has */
	unsigned int incast;	/* senders of a block; 0: none */
	double incast_gap_s;	/* between two of them, on average */
};

struct mix {
	uint64_t seed;		/* of what is drawn in a run */
	unsigned int family;	/* sizes * MIX_KINDS + kind */
	enum mix_kind kind;
	double rate_bps;	/* of a trace, on average */
	double rtt_s;		/* typical; what a passive measurement finds */
	unsigned int rtts;	/* as many paths, a flow has one of them at random */
	double rtt_of[MIX_RTTS_MAX];	/* their times, relative to rtt_s */
	double without_ecn, ecn_cubic;	/* shares of flows that are CUBIC */
	uint32_t gso_bytes;	/* most payload of a packet; 0: a segment */
	uint32_t limit_bytes;	/* of the queue */
	unsigned int trace;	/* index of the link trace plus 1; 0: none */
	double trace_from;	/* where in it the run begins, as a share of it */
	bool flows_seen;	/* there is a flow table: what elephants and ECT have is known */
	bool rate_told;		/* C is known as it varies; else it is the daemon's own estimate */
	unsigned int endless, phases;
	double phase_s;
	struct mix_phase phase[2];
	double epoch_s;		/* of a decision: max(50 ms, 10 RTT), and 500 packets or more */
	unsigned int epochs;	/* of a run */
};

struct mix_files {
	const struct dist *sizes;
	const char *const *name;	/* of the files, for people */
	size_t n;
	unsigned int epochs;		/* of a run; 0: the default */
	double rate_scale;		/* of all mixes' rates; 0: 1 */
	const struct link_trace *trace;
	size_t traces;			/* 0: rates vary in steps */
};

#define MIX_EPOCHS	120
#define MIX_BLOCK_BYTES	20000	/* of an incast sender */
#define MIX_LIMIT_BYTES	4000000

/* Number "index" of those that a seed names. Kinds and files are dealt out in turn. */
void mix_draw(const struct mix_files *files, uint64_t seed, unsigned int index, struct mix *ret);
void mix_text(const struct mix_files *files, const struct mix *m, char *buf, size_t size);
const char *mix_kind_name(enum mix_kind kind);

#endif
