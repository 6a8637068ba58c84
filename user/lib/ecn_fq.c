// SPDX-License-Identifier: GPL-2.0
/*
 * Stock fq as an ECN backend: its ce_threshold, a step at how long after its time a packet leaves.
 * For a flow that is paced that is less than its sojourn time.
 *
 * Every attribute is optional in a change, so only the threshold is sent. It is in microseconds
 * throughout, and none is the largest number.
 */
#include "lib/ecn_backend.h"

#include <string.h>
#include <netlink/attr.h>

#include "lib/qdisc.h"

static bool parse(struct qdisc_sample *s, struct nlattr *options, struct nlattr *app)
{
	struct sluice_qdisc_stats *st = &s->stats;
	struct nlattr *tb[TCA_FQ_MAX + 1];
	struct tc_fq_qd_stats x = { 0 };
	__u64 limit = UINT32_MAX;

	if (!options || nla_parse_nested(tb, TCA_FQ_MAX, options, NULL) < 0 ||
	    !tb[TCA_FQ_CE_THRESHOLD])
		return false;
	s->raw.ce_threshold_us = nla_get_u32(tb[TCA_FQ_CE_THRESHOLD]);
	if (tb[TCA_FQ_PLIMIT]) {
		st->limit_pkts = nla_get_u32(tb[TCA_FQ_PLIMIT]);
		limit = (__u64)st->limit_pkts * QDISC_PACKET_BYTES;
	}
	st->limit_bytes = limit < 0x7fffffff ? (__u32)limit : 0x7fffffff;
	if (app) {
		/* Newer kernels append to it. */
		memcpy(&x, nla_data(app),
		       (size_t)nla_len(app) < sizeof(x) ? (size_t)nla_len(app) : sizeof(x));
		st->ce_packets = (__u32)x.ce_mark;
		st->limit_drops = (__u32)x.flows_plimit;
	}
	return true;
}

static void encode(const struct qdisc_sample *s, const struct qdisc_triple *t, double capacity,
		   struct ecn_raw *raw)
{
	*raw = s->raw;
	raw->ce_threshold_us = ecn_step_us(t, capacity);
}

static void decode(const struct qdisc_sample *s, const struct ecn_raw *raw, double capacity,
		   struct qdisc_triple *t)
{
	ecn_step_triple(raw->ce_threshold_us, capacity, s->stats.limit_bytes, t);
}

static int put(struct nl_msg *msg, const struct ecn_raw *raw, bool ours)
{
	(void)ours;
	return nla_put_u32(msg, TCA_FQ_CE_THRESHOLD, raw->ce_threshold_us);
}

const struct ecn_backend ecn_fq = {
	.name = "fq",
	.lacks = ECN_LACKS_OF_STEP,
	.parse = parse,
	.encode = encode,
	.decode = decode,
	.put = put,
};
