// SPDX-License-Identifier: GPL-2.0
/*
 * Stock RED as an ECN backend.
 *
 * RED compares an average of its child's backlog with two thresholds in bytes. With Wlog 0 the
 * average is the backlog itself, and RED's ramp is ours but for the spacing of its marks: it draws
 * the number of packets to the next mark evenly from 1..1/p, so that it marks 2p/(1+p) of them.
 *
 * A change has to repeat everything but the flags, with these particulars:
 *
 *   limit       0 keeps the child qdisc with its packets; anything else puts an empty one in its
 *               place. The limit that tc shows becomes 0, the child's own stays.
 *   flags       an attribute of their own changes only selected ones; then those in tc_red_qopt
 *               must be 0. ECN, harddrop and nodrop stay the operator's. "adaptive" goes while we
 *               are here, because a timer would move max_P behind our back; only tc_red_qopt's
 *               flag starts that timer again.
 *   max_P       0 would mean "by Plog", so the least is 1.
 *   Stab        256 exponents by which the average is shifted when the link was idle, indexed by
 *               idle time >> Scell_log. It cannot be read back.
 */
#include "lib/ecn_backend.h"

#include <math.h>
#include <string.h>
#include <netlink/attr.h>

#include "lib/qdisc.h"

#define STAB_MAX	31
/* fls(qth) + Wlog has to stay below 32. */
#define QTH_MAX		0x7fffffffU

__u32 ecn_red_max_p(__u32 ppm)
{
	__u64 p = (((__u64)ppm << 32) + 500000) / 1000000;

	return p < 1 ? 1 : p > UINT32_MAX ? UINT32_MAX : (__u32)p;
}

__u32 ecn_red_ppm(__u32 max_p)
{
	return (__u32)(((__u64)max_p * 1000000 + (1ULL << 31)) >> 32);
}

/*
 * After us of idleness the average has been halved us * slope times. tc chooses Scell_log so that
 * 31 halvings take 256 to 512 cells; which of them it was is lost. Half way is off by a third.
 */
void ecn_red_stab(__u8 wlog, __u8 scell_log, __u8 stab[ECN_RED_STAB_SIZE])
{
	int i, shift;

	for (i = 0; i < ECN_RED_STAB_SIZE; i++) {
		/* Without an average there is nothing to age, and one cell ends it. */
		shift = !wlog ? STAB_MAX : scell_log ? i * STAB_MAX / 384 : i * STAB_MAX / 256;
		stab[i] = (__u8)(shift > STAB_MAX ? STAB_MAX : shift);
	}
	stab[ECN_RED_STAB_SIZE - 1] = STAB_MAX;
}

static bool parse(struct qdisc_sample *s, struct nlattr *options, struct nlattr *app)
{
	struct sluice_qdisc_stats *st = &s->stats;
	struct nlattr *tb[TCA_RED_MAX + 1];
	struct nla_bitfield32 flags;
	struct tc_red_xstats x;
	struct tc_red_qopt o;

	if (!options || nla_parse_nested(tb, TCA_RED_MAX, options, NULL) < 0 ||
	    !tb[TCA_RED_PARMS] || nla_len(tb[TCA_RED_PARMS]) < (int)sizeof(o))
		return false;
	memcpy(&o, nla_data(tb[TCA_RED_PARMS]), sizeof(o));
	s->raw.qth_min = o.qth_min;
	s->raw.qth_max = o.qth_max;
	s->raw.wlog = o.Wlog;
	s->raw.plog = o.Plog;
	s->raw.scell_log = o.Scell_log;
	s->raw.flags = o.flags & TC_RED_HISTORIC_FLAGS;
	if (tb[TCA_RED_FLAGS] && nla_len(tb[TCA_RED_FLAGS]) >= (int)sizeof(flags)) {
		memcpy(&flags, nla_data(tb[TCA_RED_FLAGS]), sizeof(flags));
		s->raw.flags = (__u8)(flags.value & flags.selector);
	}
	if (tb[TCA_RED_MAX_P] && nla_len(tb[TCA_RED_MAX_P]) >= (int)sizeof(__u32))
		s->raw.max_p = nla_get_u32(tb[TCA_RED_MAX_P]);

	if (!(s->raw.flags & TC_RED_ECN))
		s->blocked = ECN_BLOCK_no_ecn;
	else if (s->raw.flags & TC_RED_HARDDROP)
		s->blocked = ECN_BLOCK_harddrop;
	/* Else the child says it, see qdisc.c. */
	st->limit_bytes = o.limit ? o.limit : QTH_MAX;
	if (app && nla_len(app) >= (int)sizeof(x)) {
		memcpy(&x, nla_data(app), sizeof(x));
		st->ce_packets = x.marked;
		st->early_drops = x.early;
		st->limit_drops = x.pdrop;
	}
	return true;
}

static void encode(const struct qdisc_sample *s, const struct qdisc_triple *t, double capacity,
		   struct ecn_raw *raw)
{
	(void)capacity;
	*raw = (struct ecn_raw) {
		.qth_min = t->qth_min < QTH_MAX ? t->qth_min : QTH_MAX,
		.qth_max = t->qth_max < QTH_MAX ? t->qth_max : QTH_MAX,
		.max_p = ecn_red_max_p(t->max_p),
		.plog = s->raw.plog,
		.flags = s->raw.flags & (__u8)~TC_RED_ADAPTATIVE,
	};
}

static void decode(const struct qdisc_sample *s, const struct ecn_raw *raw, double capacity,
		   struct qdisc_triple *t)
{
	(void)s;
	(void)capacity;
	t->qth_min = raw->qth_min;
	t->qth_max = raw->qth_max;
	t->max_p = ecn_red_ppm(raw->max_p);
}

static int put(struct nl_msg *msg, const struct ecn_raw *raw, bool ours)
{
	struct nla_bitfield32 flags = { .value = 0, .selector = TC_RED_ADAPTATIVE };
	struct tc_red_qopt o = {
		.limit = 0,
		.qth_min = raw->qth_min,
		.qth_max = raw->qth_max,
		.Wlog = raw->wlog,
		.Plog = raw->plog,
		.Scell_log = raw->scell_log,
		.flags = ours ? 0 : raw->flags & TC_RED_HISTORIC_FLAGS,
	};
	__u8 stab[ECN_RED_STAB_SIZE];
	int r;

	ecn_red_stab(raw->wlog, raw->scell_log, stab);
	r = nla_put(msg, TCA_RED_PARMS, sizeof(o), &o);
	if (r >= 0)
		r = nla_put(msg, TCA_RED_STAB, sizeof(stab), stab);
	if (r >= 0)
		r = nla_put_u32(msg, TCA_RED_MAX_P, raw->max_p ? raw->max_p : 1);
	if (r >= 0 && ours)
		r = nla_put(msg, TCA_RED_FLAGS, sizeof(flags), &flags);
	return r;
}

const struct ecn_backend ecn_red = {
	.name = "red",
	.lacks = ECN_LACK(lease) | ECN_LACK(generation) | ECN_LACK(sojourn) | ECN_LACK(backlog) |
		 ECN_LACK(tree) | ECN_LACK(spacing) | ECN_LACK(limit) | ECN_LACK(idle),
	.parse = parse,
	.encode = encode,
	.decode = decode,
	.put = put,
};
