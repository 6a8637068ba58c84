// SPDX-License-Identifier: GPL-2.0
/*
 * Stock fq_codel as an ECN backend: its ce_threshold, a step at a packet's sojourn time in the
 * queue of its flow, beside which CoDel goes on to mark and drop by target and interval.
 *
 * Every attribute is optional in a change, so only the threshold is sent. CoDel keeps it in units
 * of 1.024 us and has no word for "none" but its own largest time, 2^31 - 1 units, which a dump
 * leaves out and which 2199023255 us is rounded to.
 */
#include "lib/ecn_backend.h"

#include <string.h>
#include <netlink/attr.h>

#include "lib/qdisc.h"

#define CODEL_SHIFT	10
#define CODEL_OFF_US	2199023255U

__u32 ecn_codel_reads(__u32 us)
{
	__u64 units = ((__u64)us * 1000) >> CODEL_SHIFT;

	if (us == CODEL_OFF_US)
		return ECN_CE_OFF;
	return (__u32)((units << CODEL_SHIFT) / 1000);
}

__u32 ecn_codel_writes(__u32 us)
{
	if (us == ECN_CE_OFF)
		return CODEL_OFF_US;
	return ecn_codel_reads(us) == us ? us : us + 1;
}

static bool parse(struct qdisc_sample *s, struct nlattr *options, struct nlattr *app)
{
	struct sluice_qdisc_stats *st = &s->stats;
	struct nlattr *tb[TCA_FQ_CODEL_MAX + 1];
	struct tc_fq_codel_xstats x;
	__u64 limit = UINT32_MAX, memory = UINT32_MAX;

	if (!options || nla_parse_nested(tb, TCA_FQ_CODEL_MAX, options, NULL) < 0)
		return false;
	s->raw.ce_threshold_us = ECN_CE_OFF;
	if (tb[TCA_FQ_CODEL_CE_THRESHOLD])
		s->raw.ce_threshold_us = nla_get_u32(tb[TCA_FQ_CODEL_CE_THRESHOLD]);
	if (!tb[TCA_FQ_CODEL_ECN] || !nla_get_u32(tb[TCA_FQ_CODEL_ECN]))
		s->blocked = ECN_BLOCK_no_ecn;
	if (tb[TCA_FQ_CODEL_LIMIT]) {
		st->limit_pkts = nla_get_u32(tb[TCA_FQ_CODEL_LIMIT]);
		limit = (__u64)st->limit_pkts * QDISC_PACKET_BYTES;
	}
	if (tb[TCA_FQ_CODEL_MEMORY_LIMIT])
		memory = nla_get_u32(tb[TCA_FQ_CODEL_MEMORY_LIMIT]);
	if (limit > memory)
		limit = memory;
	st->limit_bytes = limit < 0x7fffffff ? (__u32)limit : 0x7fffffff;

	if (app && nla_len(app) >= (int)sizeof(x)) {
		memcpy(&x, nla_data(app), sizeof(x));
		if (x.type == TCA_FQ_CODEL_XSTATS_QDISC) {
			st->ce_packets = (__u32)(x.qdisc_stats.ce_mark + x.qdisc_stats.ecn_mark);
			st->limit_drops = x.qdisc_stats.drop_overlimit;
		}
	}
	return true;
}

static void encode(const struct qdisc_sample *s, const struct qdisc_triple *t, double capacity,
		   struct ecn_raw *raw)
{
	*raw = s->raw;
	raw->ce_threshold_us = ecn_codel_reads(ecn_step_us(t, capacity));
}

static void decode(const struct qdisc_sample *s, const struct ecn_raw *raw, double capacity,
		   struct qdisc_triple *t)
{
	ecn_step_triple(raw->ce_threshold_us, capacity, s->stats.limit_bytes, t);
}

static int put(struct nl_msg *msg, const struct ecn_raw *raw, bool ours)
{
	(void)ours;
	return nla_put_u32(msg, TCA_FQ_CODEL_CE_THRESHOLD, ecn_codel_writes(raw->ce_threshold_us));
}

const struct ecn_backend ecn_fq_codel = {
	.name = "fq_codel",
	.lacks = ECN_LACKS_OF_STEP,
	.parse = parse,
	.encode = encode,
	.decode = decode,
	.put = put,
};
