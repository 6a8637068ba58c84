// SPDX-License-Identifier: GPL-2.0
#include "lib/ecn_backend.h"

#include <errno.h>
#include <string.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "lib/qdisc.h"

static const struct ecn_backend sluice = { .name = "sluice" };

static const struct ecn_backend *const backends[ECN_KINDS] = {
	[ECN_SLUICE] = &sluice,
	[ECN_RED] = &ecn_red,
	[ECN_FQ_CODEL] = &ecn_fq_codel,
	[ECN_FQ] = &ecn_fq,
};

static const struct {
	const char *name, *text;
} lacks[] = {
#define X(name, text) { #name, text },
	ECN_LACKS(X)
#undef X
};

const char *ecn_lack_name(unsigned int bit)
{
	return bit < ECN_LACK_N ? lacks[bit].name : "?";
}

const char *ecn_lack_text(unsigned int bit)
{
	return bit < ECN_LACK_N ? lacks[bit].text : "?";
}

const char *ecn_block_text(enum ecn_block b)
{
	static const char *const texts[] = {
#define X(name, text) text,
		ECN_BLOCKS(X)
#undef X
	};
	return b < ECN_BLOCK_N ? texts[b] : "?";
}

const struct ecn_backend *ecn_backend(enum ecn_kind kind)
{
	return backends[kind < ECN_KINDS ? kind : ECN_SLUICE];
}

enum ecn_kind ecn_kind_of(const char *name)
{
	int i;

	for (i = 0; i < ECN_KINDS; i++)
		if (!strcmp(backends[i]->name, name))
			break;
	return (enum ecn_kind)i;
}

bool ecn_raw_same(const struct ecn_raw *a, const struct ecn_raw *b)
{
	/* An adaptive RED moves its probability by itself. */
	bool adaptive = a->flags & b->flags & TC_RED_ADAPTATIVE;

	return a->qth_min == b->qth_min && a->qth_max == b->qth_max &&
	       (a->max_p == b->max_p || adaptive) && a->ce_threshold_us == b->ce_threshold_us &&
	       a->wlog == b->wlog && a->plog == b->plog && a->scell_log == b->scell_log &&
	       a->flags == b->flags;
}

struct nl_msg *ecn_backend_message(const struct qdisc_sample *s, const struct ecn_raw *raw,
				   bool ours)
{
	const struct ecn_backend *b = ecn_backend(s->backend);
	struct tcmsg tc = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = s->ifindex,
		.tcm_handle = s->handle,
		.tcm_parent = s->parent,
	};
	struct nlattr *nest;
	struct nl_msg *msg;

	/* Neither NLM_F_CREATE nor NLM_F_REPLACE: a qdisc that is gone stays gone. */
	msg = nlmsg_alloc_simple(RTM_NEWQDISC, NLM_F_REQUEST);
	if (!msg)
		return NULL;
	if (nlmsg_append(msg, &tc, sizeof(tc), NLMSG_ALIGNTO) < 0 ||
	    nla_put_string(msg, TCA_KIND, b->name) < 0)
		goto fail;
	nest = nla_nest_start(msg, TCA_OPTIONS);
	if (!nest || b->put(msg, raw, ours) < 0)
		goto fail;
	nla_nest_end(msg, nest);
	/* A change that does not repeat the size table takes it away. */
	if (s->has_size) {
		nest = nla_nest_start(msg, TCA_STAB);
		if (!nest || nla_put(msg, TCA_STAB_BASE, sizeof(s->size), &s->size) < 0)
			goto fail;
		nla_nest_end(msg, nest);
	}
	return msg;
fail:
	nlmsg_free(msg);
	return NULL;
}

/* libnl has numbers of its own, which lose some of the kernel's. */
static int to_errno(int nle)
{
	switch (-nle) {
	case NLE_NODEV:
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_PERM:
		return -EPERM;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_OPNOTSUPP:
		return -EOPNOTSUPP;
	case NLE_INVAL:
		return -EINVAL;
	default:
		return -EIO;
	}
}

int ecn_backend_change(struct nl_sock *sock, const struct qdisc_sample *s,
		       const struct ecn_raw *raw, bool ours, struct sl_err *e)
{
	struct nl_msg *msg = ecn_backend_message(s, raw, ours);
	int nle;

	if (!msg)
		return sl_err(e, -ENOMEM, "out of memory");
	nle = nl_send_sync(sock, msg);	/* frees msg */
	if (nle >= 0)
		return 0;
	return sl_err(e, to_errno(nle), "%s %s: the kernel refused to change the %s qdisc: %s",
		      s->id.ifname, s->id.parent, ecn_backend(s->backend)->name,
		      nl_geterror(nle));
}

/* A threshold beyond this is as good as none, and CoDel's clock wraps at 2 s times 2^10. */
#define STEP_MAX_US	10000000

__u32 ecn_step_us(const struct qdisc_triple *t, double capacity)
{
	double bytes = ((double)t->qth_min + t->qth_max) / 2, us;

	us = capacity > 0 ? bytes / capacity * 1e6 : STEP_MAX_US;
	/* CoDel rounds 1 us down to 0, which would mark everything. */
	return us < 2 ? 2 : us < STEP_MAX_US ? (__u32)us : STEP_MAX_US;
}

void ecn_step_triple(__u32 us, double capacity, __u32 limit_bytes, struct qdisc_triple *t)
{
	double bytes = us == ECN_CE_OFF ? limit_bytes : us / 1e6 * capacity;

	t->qth_min = t->qth_max = bytes < limit_bytes ? (__u32)bytes : limit_bytes;
	t->max_p = 1000000;
}
