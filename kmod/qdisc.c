// SPDX-License-Identifier: GPL-2.0
/*
 * sluice: a FIFO that marks CE on a ramp over its instantaneous backlog.
 *
 * The decision is in include/sluice/aqm.h, the protocol with user space in
 * include/uapi/linux/sluice.h. It does not set TCQ_F_CAN_BYPASS: a packet that
 * goes around an empty queue would be missing from its counters.
 */
#include <linux/ktime.h>
#include <linux/random.h>
#include <linux/skbuff.h>
#include <net/inet_ecn.h>
#include <net/netlink.h>
#include <net/pkt_sched.h>

#include "sluice.h"

/* When a packet was queued, in its control block while it is ours; 0: not measured. */
struct sluice_skb_cb {
	u64 enqueue_ns;
};

static struct sluice_skb_cb *sluice_skb_cb(const struct sk_buff *skb)
{
	qdisc_cb_private_validate(skb, sizeof(struct sluice_skb_cb));
	return (struct sluice_skb_cb *)qdisc_skb_cb(skb)->data;
}

/* As bstats_update(), but a GSO packet of unknown segment count is not nothing. */
static u32 sluice_segs(const struct sk_buff *skb)
{
	return skb_is_gso(skb) ? max_t(u32, skb_shinfo(skb)->gso_segs, 1) : 1;
}

/* qdisc_drop() that counts segments, as all our packet counters do. */
static void sluice_drop(struct sk_buff *skb, struct Qdisc *sch, struct sk_buff **to_free, u32 segs)
{
	__qdisc_drop(skb, to_free);
	sch->qstats.drops += segs;
}

/* What the ramp sees of a queue of that many bytes and segments. */
static u32 sluice_seen_backlog(const struct sluice_set *set, u32 bytes, u32 segs)
{
	if (likely(!set->knob[SLUICE_KNOB_packet_mode]))
		return bytes;
	return min_t(u64, (u64)segs * SLUICE_PACKET_BYTES, U32_MAX);
}

static bool sluice_ramp_selects(struct sluice_sched *q, const struct sluice_aqm_config *aqm,
				u32 backlog)
{
	if (likely(!sluice_aqm_decide(aqm, &q->lot, backlog)))
		return false;
	if (sluice_aqm_spent(&q->lot))
		sluice_aqm_draw(&q->lot, get_random_u32());
	return true;
}

enum sluice_verdict {
	SLUICE_PASS,
	SLUICE_MARKED,
	SLUICE_EARLY_DROP,
	SLUICE_LIMIT_DROP,
};

/* Decides about a packet that arrives, and sets CE. */
static enum sluice_verdict sluice_judge(struct sluice_sched *q, const struct sluice_set *set,
					const struct sluice_aqm_config *aqm, struct sk_buff *skb)
{
	const struct Qdisc *sch = q->sch;
	u32 backlog = sch->qstats.backlog;
	int dsfield;

	if (unlikely(sch->q.qlen >= set->knob[SLUICE_KNOB_limit_pkts] ||
		     (u64)backlog + qdisc_pkt_len(skb) > set->knob[SLUICE_KNOB_limit_bytes]))
		return SLUICE_LIMIT_DROP;
	if (!sluice_ramp_selects(q, aqm, sluice_seen_backlog(set, backlog, q->stats.segs)))
		return SLUICE_PASS;

	/* What arrived with CE passes, too: it is not our mark. */
	dsfield = skb_get_dsfield(skb);
	if (dsfield >= 0 && INET_ECN_is_ce(dsfield))
		return SLUICE_PASS;
	if (set->knob[SLUICE_KNOB_mark_dequeue] && dsfield >= 0 && !INET_ECN_is_not_ect(dsfield))
		return SLUICE_PASS;
	if (INET_ECN_set_ce(skb))
		return SLUICE_MARKED;
	return set->knob[SLUICE_KNOB_drop_non_ect] ? SLUICE_EARLY_DROP : SLUICE_PASS;
}

static bool sluice_is_timed(const struct sluice_set *set)
{
	return set->knob[SLUICE_KNOB_sojourn] || set->knob[SLUICE_KNOB_ce_threshold_us];
}

static void sluice_count_mark(struct sluice_counters *st, struct Qdisc *sch,
			      const struct sk_buff *skb, u32 segs)
{
	st->ce_packets += segs;
	st->ce_bytes += qdisc_pkt_len(skb);
	sch->qstats.overlimits += segs;
}

static int sluice_enqueue(struct sk_buff *skb, struct Qdisc *sch, struct sk_buff **to_free)
{
	struct sluice_sched *q = qdisc_priv(sch);
	struct sluice_counters *st = &q->stats;
	struct sluice_set *set = rcu_dereference_bh(q->set);
	u32 segs = sluice_segs(skb);
	u64 now_ns = ktime_get_ns();
	const struct sluice_force *force;
	enum sluice_verdict verdict;
	int ret = NET_XMIT_SUCCESS;

	sluice_tree_poll(q, set, now_ns);

	/* Outside of the counters' write section, where random numbers may not be drawn on RT. */
	force = sluice_in_force(q, set);
	verdict = sluice_judge(q, set, &force->aqm, skb);

	sluice_stats_begin(st, now_ns);
	sluice_stats_epoch(st, force->key);
	switch (verdict) {
	case SLUICE_MARKED:
		sluice_count_mark(st, sch, skb, segs);
		fallthrough;
	case SLUICE_PASS:
		sluice_skb_cb(skb)->enqueue_ns = sluice_is_timed(set) ? now_ns : 0;
		st->segs += segs;
		qdisc_enqueue_tail(skb, sch);
		break;
	case SLUICE_EARLY_DROP:
		st->early_drops += segs;
		sluice_drop(skb, sch, to_free, segs);
		ret = NET_XMIT_CN;
		break;
	case SLUICE_LIMIT_DROP:
		st->limit_drops += segs;
		sluice_drop(skb, sch, to_free, segs);
		ret = NET_XMIT_DROP;
		break;
	}
	sluice_stats_end(st, sch);
	return ret;
}

static bool sluice_mark(struct sk_buff *skb)
{
	int dsfield = skb_get_dsfield(skb);

	return dsfield >= 0 && !INET_ECN_is_ce(dsfield) && INET_ECN_set_ce(skb);
}

/* A packet that leaves after waiting so long; "selected" by what is behind it. */
static void sluice_mark_leaving(struct sluice_sched *q, const struct sluice_set *set,
				struct sk_buff *skb, u32 segs, u64 waited_ns, bool selected)
{
	u32 threshold_us = set->knob[SLUICE_KNOB_ce_threshold_us];

	if (selected && sluice_mark(skb)) {
		sluice_count_mark(&q->stats, q->sch, skb, segs);
		return;
	}
	if (!threshold_us || waited_ns <= (u64)threshold_us * NSEC_PER_USEC || !sluice_mark(skb))
		return;
	sluice_count_mark(&q->stats, q->sch, skb, segs);
	q->stats.ce_sojourn_packets += segs;
	q->stats.ce_sojourn_bytes += qdisc_pkt_len(skb);
}

static struct sk_buff *sluice_dequeue(struct Qdisc *sch)
{
	struct sluice_sched *q = qdisc_priv(sch);
	struct sluice_counters *st = &q->stats;
	struct sluice_set *set = rcu_dereference_bh(q->set);
	struct sk_buff *skb = sch->q.head;
	bool selected = false;
	u64 now_ns;

	/* Nothing to do, and nothing that the core took from under us either. */
	if (!skb && st->backlog == sch->qstats.backlog)
		return NULL;

	now_ns = ktime_get_ns();
	sluice_tree_poll(q, set, now_ns);
	if (skb && unlikely(set->knob[SLUICE_KNOB_mark_dequeue]))
		selected = sluice_ramp_selects(q, &sluice_in_force(q, set)->aqm,
			sluice_seen_backlog(set, sch->qstats.backlog - qdisc_pkt_len(skb),
					    st->segs - sluice_segs(skb)));
	sluice_stats_begin(st, now_ns);
	skb = qdisc_dequeue_head(sch);
	if (skb) {
		u64 enqueue_ns = sluice_skb_cb(skb)->enqueue_ns;
		u64 waited_ns = enqueue_ns ? now_ns - enqueue_ns : 0;
		u32 segs = sluice_segs(skb);

		st->packets += segs;
		st->bytes += qdisc_pkt_len(skb);
		st->segs -= segs;
		if (set->knob[SLUICE_KNOB_sojourn] && enqueue_ns)
			sluice_stats_sojourn(st, waited_ns);
		sluice_mark_leaving(q, set, skb, segs, waited_ns, selected);
	}
	sluice_stats_end(st, sch);
	return skb;
}

static void sluice_reset(struct Qdisc *sch)
{
	struct sluice_sched *q = qdisc_priv(sch);

	/* The core also resets what failed to initialise. */
	if (!q->sch)
		return;
	/* During destruction soft interrupts are on, and a writer must not meet another one. */
	local_bh_disable();
	sluice_stats_begin(&q->stats, ktime_get_ns());
	qdisc_reset_queue(sch);
	sch->qstats.backlog = 0;
	q->stats.segs = 0;
	sluice_stats_end(&q->stats, sch);
	local_bh_enable();
}

/* --- netlink -------------------------------------------------------------- */

#define X(name, _min, _max, def, unit, text) \
	static struct netlink_range_validation name##_range = { .min = _min, .max = _max };
SLUICE_KNOBS(X)
#undef X

static const struct nla_policy sluice_policy[TCA_SLUICE_MAX + 1] = {
#define X(name, min, max, def, unit, text) \
	[TCA_SLUICE_ATTR_##name] = NLA_POLICY_FULL_RANGE(NLA_U32, &name##_range),
	SLUICE_KNOBS(X)
#undef X
};

/* The range check of the policy says "integer out of range"; say which and what. */
static int sluice_range_error(struct netlink_ext_ack *extack)
{
	if (!extack || !extack->bad_attr)
		return -EINVAL;
	switch (nla_type(extack->bad_attr)) {
#define X(name, min, max, def, unit, text)					\
	case TCA_SLUICE_ATTR_##name:						\
		NL_SET_ERR_MSG_MOD(extack, #name " must be " #min " to " #max	\
				   " (" unit ")");				\
		break;
	SLUICE_KNOBS(X)
#undef X
	}
	return -EINVAL;
}

static int sluice_parse(struct nlattr *opt, u32 value[SLUICE_KNOB_NR], unsigned long *which,
			struct netlink_ext_ack *extack)
{
	struct nlattr *tb[TCA_SLUICE_MAX + 1];
	int i, err;

	/* nla_parse(), because tc and libnl do not set NLA_F_NESTED on TCA_OPTIONS. */
	err = nla_parse(tb, TCA_SLUICE_MAX, nla_data(opt), nla_len(opt), sluice_policy, extack);
	if (err == -ERANGE)
		return sluice_range_error(extack);
	if (err < 0)
		return err;
	*which = 0;
	for (i = 0; i < SLUICE_KNOB_NR; i++) {
		if (!tb[SLUICE_KNOB_ATTR(i)])
			continue;
		value[i] = nla_get_u32(tb[SLUICE_KNOB_ATTR(i)]);
		*which |= BIT(i);
	}
	return 0;
}

static int sluice_change(struct Qdisc *sch, struct nlattr *opt, struct netlink_ext_ack *extack)
{
	struct sluice_sched *q = qdisc_priv(sch);
	u32 value[SLUICE_KNOB_NR];
	unsigned long which = 0;
	int err;

	if (!opt)
		return 0;
	err = sluice_parse(opt, value, &which, extack);
	if (err || !which)
		return err;
	sluice_lock(q);
	err = sluice_set_knobs(q, value, which, extack);
	if (!err)
		sluice_dir_notify(q);
	sluice_unlock(q);
	return err;
}

static int sluice_init(struct Qdisc *sch, struct nlattr *opt, struct netlink_ext_ack *extack)
{
	struct sluice_sched *q = qdisc_priv(sch);
	u32 value[SLUICE_KNOB_NR];
	unsigned long which = 0;
	int err;

	INIT_LIST_HEAD(&q->slot_node);
	sluice_stats_init(&q->stats);
	sluice_aqm_draw(&q->lot, get_random_u32());
	q->sch = sch;

	/* On failure the core calls ->destroy, which copes with what is there. */
	err = sluice_params_init(q);
	if (err)
		return err;
	if (opt) {
		err = sluice_parse(opt, value, &which, extack);
		if (!err && which)
			err = sluice_set_knobs(q, value, which, extack);
		if (err)
			return err;
		q->manual_gen = 0;	/* counts writes since the creation */
	}
	err = sluice_dir_add(q);
	if (err)
		NL_SET_ERR_MSG_MOD(extack, "cannot create the qdisc's directory in sysfs");
	return err;
}

static void sluice_destroy(struct Qdisc *sch)
{
	struct sluice_sched *q = qdisc_priv(sch);

	sluice_dir_remove(q);
	sluice_params_destroy(q);
}

static int sluice_dump(struct Qdisc *sch, struct sk_buff *skb)
{
	struct sluice_sched *q = qdisc_priv(sch);
	u32 value[SLUICE_KNOB_NR];
	struct nlattr *opts;
	int i;

	rcu_read_lock();
	memcpy(value, rcu_dereference(q->set)->knob, sizeof(value));
	rcu_read_unlock();

	opts = nla_nest_start_noflag(skb, TCA_OPTIONS);
	if (!opts)
		return -EMSGSIZE;
	for (i = 0; i < SLUICE_KNOB_NR; i++) {
		if (nla_put_u32(skb, SLUICE_KNOB_ATTR(i), value[i])) {
			nla_nest_cancel(skb, opts);
			return -EMSGSIZE;
		}
	}
	return nla_nest_end(skb, opts);
}

static int sluice_dump_stats(struct Qdisc *sch, struct gnet_dump *d)
{
	struct sluice_qdisc_stats st;

	sluice_snapshot(qdisc_priv(sch), &st);
	return gnet_stats_copy_app(d, &st, sizeof(st));
}

static struct Qdisc_ops sluice_qdisc_ops __read_mostly = {
	.id		= "sluice",
	.priv_size	= sizeof(struct sluice_sched),
	.enqueue	= sluice_enqueue,
	.dequeue	= sluice_dequeue,
	.peek		= qdisc_peek_head,
	.init		= sluice_init,
	.reset		= sluice_reset,
	.destroy	= sluice_destroy,
	.change		= sluice_change,
	.dump		= sluice_dump,
	.dump_stats	= sluice_dump_stats,
	.owner		= THIS_MODULE,
};

static int __init sluice_module_init(void)
{
	return register_qdisc(&sluice_qdisc_ops);
}
module_init(sluice_module_init);

static void __exit sluice_module_exit(void)
{
	unregister_qdisc(&sluice_qdisc_ops);
}
module_exit(sluice_module_exit);

MODULE_AUTHOR("The sluice authors");
MODULE_DESCRIPTION("sluice qdisc: FIFO with ECN marking thresholds that can be learned");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
MODULE_ALIAS("sch_sluice");	/* what tc asks for before Linux 6.9 */
MODULE_ALIAS_NET_SCH("sluice");
