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
 *
 * A family is a file of sizes and a kind: mixes of one resemble each other, and
 * intervals are bootstrapped over families.
 */
#ifndef SLUICE_POLICY_MIX_H
#define SLUICE_POLICY_MIX_H

#include <stddef.h>
#include <stdint.h>

#include "lib/dist.h"

enum mix_kind { MIX_STEADY, MIX_ENDLESS, MIX_INCAST, MIX_SWITCHING, MIX_ON_OFF, MIX_KINDS };

struct mix_phase {
	unsigned int sizes;	/* index of the file */
	double scale;		/* of its sizes, at most 1 */
	double load;		/* share of the rate that arrives */
	unsigned int incast;	/* senders of a block; 0: none */
	double incast_gap_s;	/* between two of them, on average */
};

struct mix {
	uint64_t seed;		/* of what is drawn in a run */
	unsigned int family;	/* sizes * MIX_KINDS + kind */
	enum mix_kind kind;
	double rate_bps, rtt_s;
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
};

#define MIX_EPOCHS	120
#define MIX_BLOCK_BYTES	20000	/* of an incast sender */
#define MIX_LIMIT_BYTES	4000000

/* Number "index" of those that a seed names. Kinds and files are dealt out in turn. */
void mix_draw(const struct mix_files *files, uint64_t seed, unsigned int index, struct mix *ret);
void mix_text(const struct mix_files *files, const struct mix *m, char *buf, size_t size);
const char *mix_kind_name(enum mix_kind kind);

#endif
