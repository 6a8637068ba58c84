/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What can put an ECN setting (qth_min, qth_max, max_p) into force: our own
 * qdisc or, where its module cannot be loaded, a qdisc of the stock kernel that
 * the operator put there. None is ever replaced by another one.
 *
 *   sluice     a triple with a lease and a generation, by sysfs
 *   red        RED's thresholds and probability, on the instantaneous queue
 *   fq_codel   a step at a sojourn time, ce_threshold
 *   fq         the same
 *
 * The last three have no lease: what is written stays until somebody writes
 * something else. So whoever writes keeps the operator's values (lib/ecn_note.h)
 * and puts them back. What else they lack is in ECN_LACKS.
 *
 * All are changed by one RTM_NEWQDISC that names parent and handle; the kernel
 * then changes the qdisc in place, or refuses, and drops and reorders nothing.
 */
#ifndef SLUICE_LIB_ECN_BACKEND_H
#define SLUICE_LIB_ECN_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/pkt_sched.h>
#include <linux/types.h>

#include "lib/err.h"

struct nl_msg;
struct nl_sock;
struct nlattr;
struct qdisc_sample;
struct qdisc_triple;

enum ecn_kind { ECN_SLUICE, ECN_RED, ECN_FQ_CODEL, ECN_FQ, ECN_KINDS };

/* X(name, text) */
#define ECN_LACKS(X)								\
	X(lease, "no lease: what is written stays if the daemon is killed, "	\
	  "until it starts again")						\
	X(generation, "no generation in the kernel")				\
	X(sojourn, "no sojourn times: they are estimated as backlog / C")	\
	X(backlog, "the backlog is sampled once an epoch, its average is an estimate")	\
	X(tree, "no decision tree in the kernel")				\
	X(spacing, "RED spaces its marks, so that between the thresholds it marks up to "	\
	  "twice as often as max_p says")					\
	X(limit, "tc shows limit 0 from the first change on, while the queue keeps its limit")	\
	X(idle, "how RED ages its average on an idle link cannot be read, so it is restored "	\
	  "approximately")							\
	X(ramp, "one step instead of a ramp: at half way between qth_min and qth_max, "	\
	  "divided by C")							\
	X(queue, "the step is on the sojourn time of one flow, not on the backlog of all")

enum {
#define X(name, text) ECN_LACK_##name##_bit,
	ECN_LACKS(X)
#undef X
	ECN_LACK_N,
};
#define ECN_LACK(name) (1u << ECN_LACK_##name##_bit)
/* Of a qdisc that has a threshold in time, and nothing else. */
#define ECN_LACKS_OF_STEP	(ECN_LACK(lease) | ECN_LACK(generation) | ECN_LACK(sojourn) |	\
				 ECN_LACK(backlog) | ECN_LACK(tree) | ECN_LACK(ramp) |		\
				 ECN_LACK(queue))
const char *ecn_lack_name(unsigned int bit);
const char *ecn_lack_text(unsigned int bit);

/* Why a qdisc is left alone although it is of a kind that could be changed. X(name, text) */
#define ECN_BLOCKS(X)								\
	X(none, "")								\
	X(no_ecn, "its ECN is off, so it is left alone")			\
	X(harddrop, "its harddrop is on, so that a threshold would drop: it is left alone")	\
	X(default_qdisc, "the kernel's default qdisc cannot be changed; "	\
	  "'tc qdisc replace' makes one of your own")				\
	X(size_table, "its size table (stab) would get lost, so it is left alone")

enum ecn_block {
#define X(name, text) ECN_BLOCK_##name,
	ECN_BLOCKS(X)
#undef X
	ECN_BLOCK_N,
};

const char *ecn_block_text(enum ecn_block b);

#define ECN_CE_OFF UINT32_MAX

/* The options of a stock qdisc that are changed, in the qdisc's own units and as it tells them. */
struct ecn_raw {
	__u32 qth_min, qth_max;		/* red: bytes */
	__u32 max_p;			/* red: fraction of 2^32 */
	__u32 ce_threshold_us;		/* fq_codel, fq; ECN_CE_OFF: none */
	__u8 wlog, plog, scell_log;	/* red */
	__u8 flags;			/* red: TC_RED_... */
};
bool ecn_raw_same(const struct ecn_raw *a, const struct ecn_raw *b);

struct ecn_backend {
	const char *name;		/* TCA_KIND, and the word in sluice.conf */
	unsigned int lacks;
	/*
	 * The rest is of stock qdiscs. parse: options and application statistics of a dump (either
	 * may be missing) into raw, blocked, limit and counters; false: not understood.
	 */
	bool (*parse)(struct qdisc_sample *s, struct nlattr *options, struct nlattr *app);
	/* What puts t into force, and what is in force. capacity: C in bytes per second. */
	void (*encode)(const struct qdisc_sample *s, const struct qdisc_triple *t, double capacity,
		       struct ecn_raw *raw);
	void (*decode)(const struct qdisc_sample *s, const struct ecn_raw *raw, double capacity,
		       struct qdisc_triple *t);
	/* The attributes within TCA_OPTIONS. ours: what encode made, else the operator's values. */
	int (*put)(struct nl_msg *msg, const struct ecn_raw *raw, bool ours);
};
/* By kind; always there for a kind below ECN_KINDS. */
const struct ecn_backend *ecn_backend(enum ecn_kind kind);
/* By TCA_KIND; ECN_KINDS when it is none of ours. */
enum ecn_kind ecn_kind_of(const char *name);

/* A message that changes the qdisc s to raw; NULL when out of memory. For ecn_backend_change(). */
struct nl_msg *ecn_backend_message(const struct qdisc_sample *s, const struct ecn_raw *raw,
				   bool ours);
/* Sends it and waits for the kernel's answer. */
int ecn_backend_change(struct nl_sock *sock, const struct qdisc_sample *s,
		       const struct ecn_raw *raw, bool ours, struct sl_err *e);

/* A step at a sojourn time, which two of them have in common. */
__u32 ecn_step_us(const struct qdisc_triple *t, double capacity);
void ecn_step_triple(__u32 us, double capacity, __u32 limit_bytes, struct qdisc_triple *t);

/* One per file. */
extern const struct ecn_backend ecn_red, ecn_fq_codel, ecn_fq;
__u32 ecn_red_max_p(__u32 ppm);		/* fraction of 2^32 */
__u32 ecn_red_ppm(__u32 max_p);
#define ECN_RED_STAB_SIZE 256
void ecn_red_stab(__u8 wlog, __u8 scell_log, __u8 stab[ECN_RED_STAB_SIZE]);
/* CoDel counts in 1.024 us: what it makes of a threshold, and what to write for it to say so. */
__u32 ecn_codel_reads(__u32 written_us);
__u32 ecn_codel_writes(__u32 read_us);

#endif
