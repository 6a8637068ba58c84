/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many flows there are, and what share of the bytes the large ones have. Pure logic: the
 * daemon gives it what it reads of the XDP program anyway (queue_flows.c, link_flows.c).
 *
 * Flows in progress are counted by the buckets they occupy. The flow table cannot tell: a flow
 * gets an entry once it was sampled twice, which of those with ten packets hardly one is. Every
 * flow has a bucket, though, and from the share of the 1024 that no flow has follows how many
 * there are (linear counting; Whang, Vander-Zanden, Taylor, TODS 1990). It is an estimate: its
 * standard error is 0.4 at 20 flows, 2 at 100, 26 at 1000 and 360 at 5000; beyond 7000 or so
 * there is no empty bucket left, and more cannot be told. Both directions of a connection have
 * one bucket.
 *
 * Large flows have entries, whose counters are exact from the entry's making on. What is taken
 * for large counted FLOW_LARGE_BYTES there, so that it surely has more; bytes before the entry
 * (on average those of 2 * [steer] announce packets), and before an older entry became large,
 * are missing: the share is a lower bound.
 */
#ifndef SLUICE_DAEMON_FLOW_CENSUS_H
#define SLUICE_DAEMON_FLOW_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/sluice.h>

#define FLOW_LARGE_BYTES 100000

/* Of one bit for each bucket. */
#define BUCKET_WORDS	(SLUICE_BUCKETS / 64)
struct bucket_set {
	__u64 word[BUCKET_WORDS];
};

static inline void bucket_set_add(struct bucket_set *s, unsigned int bucket)
{
	s->word[bucket / 64] |= 1ULL << bucket % 64;
}
void bucket_set_join(struct bucket_set *s, const struct bucket_set *more);
/* How many flows occupy these buckets. */
double bucket_set_flows(const struct bucket_set *s);

/* Bytes per second of one interface, on average between two passes through its flow table. */
struct flow_census_result {
	uint64_t at_ns;		/* when the second of them was complete; 0: there is none */
	double arrived_bps;
	double large_bps;	/* of these: by large flows */
	double ect_bps;		/* of those: whose latest packet looked at was ECN-capable */
};

struct flow_census_slot;
struct flow_census_table {
	struct flow_census_slot *slots;	/* by tag, from its hash on; tag 0 is free */
	size_t size, n;			/* size: a power of two */
	bool incomplete;		/* it was full */
};

struct flow_census {
	struct flow_census_table before, now;	/* large flows, as of each pass */
	bool have_before;
	uint64_t before_ns, arrived_before;
	uint32_t before_ticks;
	uint64_t large_bytes, ect_bytes;	/* since the pass before */
	struct flow_census_result result;
};

/* One entry of the flow table in this pass; an error (-ENOMEM) makes the pass incomplete. */
int flow_census_see(struct flow_census *c, const struct sluice_flow_key *key,
		    const struct sluice_flow *f);
/* All have been seen. arrived: bytes, ticks: jiffies, both as of about now. */
void flow_census_end(struct flow_census *c, uint64_t now_ns, uint32_t ticks, uint64_t arrived);
/* Another table, or one that could not be read: from the beginning. */
void flow_census_reset(struct flow_census *c);

/* Shares over several interfaces; NAN where there is nothing to have a share of. */
double flow_census_large_share(const struct flow_census_result *r, size_t n);
double flow_census_ect_share(const struct flow_census_result *r, size_t n);

#endif
