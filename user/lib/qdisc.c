// SPDX-License-Identifier: GPL-2.0
#include "lib/qdisc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "lib/qdisc_stock.h"
#include "lib/sysfs.h"

/* A dump that was interrupted by a change is repeated this often. */
#define DUMP_TRIES 5

struct qdisc_reader {
	struct nl_sock *sock;	/* of dumps alone, whose answers libnl does not see */
	struct nl_sock *changes;
	struct qdisc_sample *samples;
	size_t n, room;
	struct stock *stock;	/* NULL: only ours */
	unsigned int sequence;	/* of the dump that is asked for */
	int error;		/* of the callback */
	struct sl_err *e;	/* during a read */
};

/* Room for one more and what all have in common; NULL with *error 0: the interface is gone. */
static struct qdisc_sample *new_sample(struct qdisc_reader *r, const struct tcmsg *tc, int *error)
{
	struct qdisc_sample *s, *bigger;
	size_t room;

	*error = 0;
	if (r->n == r->room) {
		room = r->room ? 2 * r->room : 16;
		bigger = realloc(r->samples, room * sizeof(*bigger));
		if (!bigger) {
			*error = sl_err(r->e, -ENOMEM, "out of memory for %zu qdiscs", room);
			return NULL;
		}
		r->samples = bigger;
		r->room = room;
	}
	s = &r->samples[r->n];
	memset(s, 0, sizeof(*s));
	/*
	 * A device's qdiscs come one after the other, and asking for its name is three system calls.
	 * It may be gone since the kernel wrote the message.
	 */
	if (r->n && s[-1].ifindex == tc->tcm_ifindex)
		memcpy(s->id.ifname, s[-1].id.ifname, sizeof(s->id.ifname));
	else if (!if_indextoname((unsigned int)tc->tcm_ifindex, s->id.ifname))
		return NULL;
	s->ifindex = tc->tcm_ifindex;
	s->handle = tc->tcm_handle;
	s->parent = tc->tcm_parent;
	if (tc->tcm_parent == TC_H_ROOT)
		strcpy(s->id.parent, "root");
	else
		snprintf(s->id.parent, sizeof(s->id.parent), "%x:%x",
			 TC_H_MAJ(tc->tcm_parent) >> 16, TC_H_MIN(tc->tcm_parent));
	return s;
}

static int add_sample(struct qdisc_reader *r, const struct tcmsg *tc, struct nlattr *app)
{
	struct qdisc_sample *s;
	int error;

	s = new_sample(r, tc, &error);
	if (!s)
		return error;
	if (nla_len(app) < (int)sizeof(s->stats.abi_version))
		return 0;
	memcpy(&s->stats, nla_data(app),
	       (size_t)nla_len(app) < sizeof(s->stats) ? (size_t)nla_len(app) : sizeof(s->stats));
	if (s->stats.abi_version != SLUICE_ABI_VERSION || nla_len(app) != sizeof(s->stats))
		return sl_err(r->e, -EPROTO,
			      "the module sch_sluice speaks version %u of the protocol, this program "
			      "%u: install both from the same release and reload the module",
			      s->stats.abi_version, SLUICE_ABI_VERSION);
	r->n++;
	return 0;
}

static int add_stock(struct qdisc_reader *r, const struct tcmsg *tc, enum ecn_kind kind,
		     struct nlattr **tb, struct nlattr **stats)
{
	struct qdisc_sample *s;
	int error;

	s = new_sample(r, tc, &error);
	if (!s)
		return error;
	s->backend = kind;
	error = stock_sample(r->stock, s, tb, stats);
	if (error > 0)
		r->n++;
	return error < 0 ? sl_err(r->e, error, "out of memory") : 0;
}

static int take_message(struct qdisc_reader *r, struct nlmsghdr *h)
{
	struct nlattr *tb[TCA_MAX + 1], *stats[TCA_STATS_MAX + 1];
	enum ecn_kind kind;
	int error;

	if (h->nlmsg_type != RTM_NEWQDISC ||
	    nlmsg_parse(h, sizeof(struct tcmsg), tb, TCA_MAX, NULL) < 0 || !tb[TCA_KIND])
		return 0;
	kind = ecn_kind_of(nla_get_string(tb[TCA_KIND]));
	if (kind == ECN_KINDS && r->stock) {
		error = stock_child(r->stock, nlmsg_data(h), tb);
		if (error)
			return error;
	}
	if (kind == ECN_KINDS || (kind != ECN_SLUICE && !r->stock) || !tb[TCA_STATS2] ||
	    nla_parse_nested(stats, TCA_STATS_MAX, tb[TCA_STATS2], NULL) < 0)
		return 0;
	if (kind != ECN_SLUICE)
		return add_stock(r, nlmsg_data(h), kind, tb, stats);
	return stats[TCA_STATS_APP] ? add_sample(r, nlmsg_data(h), stats[TCA_STATS_APP]) : 0;
}

static int request_dump(struct qdisc_reader *r, void *request, size_t size)
{
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETQDISC, NLM_F_DUMP);
	int nle = -NLE_NOMEM;

	if (msg && nlmsg_append(msg, request, size, NLMSG_ALIGNTO) >= 0) {
		nl_complete_msg(r->sock, msg);
		r->sequence = nlmsg_hdr(msg)->nlmsg_seq;
		nle = nl_send(r->sock, msg);
	}
	nlmsg_free(msg);
	return nle;
}

/*
 * The answer to a dump, to its end. nl_recvmsgs() would copy each message into one of its own,
 * which took longer than all the rest. A negative number of libnl's.
 */
static int receive_dump(struct qdisc_reader *r)
{
	bool interrupted = false, done = false;
	struct sockaddr_nl from;
	unsigned char *buf;
	struct nlmsghdr *h;
	int n, nle = 0;

	while (!done) {
		n = nl_recv(r->sock, &from, &buf, NULL);
		if (n <= 0)
			return n < 0 ? n : -NLE_AGAIN;
		for (h = (struct nlmsghdr *)buf; nlmsg_ok(h, n) && !done; h = nlmsg_next(h, &n)) {
			if (h->nlmsg_seq != r->sequence)
				continue;	/* of a dump that failed half-way */
			interrupted |= h->nlmsg_flags & NLM_F_DUMP_INTR;
			done = h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR;
			if (h->nlmsg_type == NLMSG_ERROR)
				nle = -nl_syserr2nlerr(((struct nlmsgerr *)nlmsg_data(h))->error);
			else if (!done && !r->error)
				r->error = take_message(r, h);
		}
		free(buf);
	}
	return nle ? nle : interrupted ? -NLE_DUMP_INTR : 0;
}

int qdisc_reader_new(struct qdisc_reader **ret, struct sl_err *e)
{
	struct qdisc_reader *r;
	int nle;

	r = calloc(1, sizeof(*r));
	if (!r)
		return sl_err(e, -ENOMEM, "out of memory");
	r->sock = nl_socket_alloc();
	r->changes = nl_socket_alloc();
	if (!r->sock || !r->changes) {
		qdisc_reader_free(r);
		return sl_err(e, -ENOMEM, "out of memory");
	}
	nle = nl_connect(r->sock, NETLINK_ROUTE);
	if (nle >= 0)
		nle = nl_connect(r->changes, NETLINK_ROUTE);
	if (nle < 0) {
		qdisc_reader_free(r);
		return sl_err(e, -EIO, "cannot open a netlink socket: %s", nl_geterror(nle));
	}
	/* A message of a qdisc with its histogram is below 4 KiB; the kernel batches them. */
	nl_socket_set_msg_buf_size(r->sock, 65536);
	*ret = r;
	return 0;
}

void qdisc_reader_free(struct qdisc_reader *r)
{
	if (!r)
		return;
	nl_socket_free(r->sock);
	nl_socket_free(r->changes);
	stock_free(r->stock);
	free(r->samples);
	free(r);
}

void qdisc_reader_stock(struct qdisc_reader *r, bool want)
{
	if (want && !r->stock)
		r->stock = stock_new();		/* without memory the next dump tells */
	if (!want) {
		stock_free(r->stock);
		r->stock = NULL;
	}
}

struct nl_sock *qdisc_reader_socket(struct qdisc_reader *r)
{
	return r->changes;
}

int qdisc_read(struct qdisc_reader *r, const struct qdisc_sample **samples, size_t *n,
	       struct sl_err *e)
{
	struct {
		struct tcmsg tc;
		struct nlattr invisible;	/* a flag: qdiscs inside of others, too */
	} request = {
		.tc.tcm_family = AF_UNSPEC,
		.invisible = { .nla_len = NLA_HDRLEN, .nla_type = TCA_DUMP_INVISIBLE },
	};
	size_t size = r->stock ? sizeof(request) : sizeof(request.tc);
	int nle, tries;

	r->e = e;
	for (tries = 0; tries < DUMP_TRIES; tries++) {
		r->n = 0;
		r->error = 0;
		stock_begin(r->stock);
		nle = request_dump(r, &request, size);
		stock_sent(r->stock);
		if (nle >= 0)
			nle = receive_dump(r);
		if (nle != -NLE_DUMP_INTR)
			break;
	}
	r->e = NULL;
	if (nle < 0)
		return sl_err(e, -EIO, "cannot list the qdiscs: %s", nl_geterror(nle));
	if (r->error)
		return r->error;
	stock_end(r->stock, r->samples, r->n);
	*samples = r->samples;
	*n = r->n;
	return 0;
}

/* --- sysfs --------------------------------------------------------------- */

struct knob {
	const char *name;
	__u32 min, max;
	const char *unit;
};

static const struct knob knobs[] = {
#define X(name, min, max, def, unit, text) { #name, min, max, unit },
	SLUICE_KNOBS(X)
#undef X
};
#define N_KNOBS (sizeof(knobs) / sizeof(knobs[0]))

/* The knobs' names, for an error message. */
static void list_knobs(char *buf, size_t size)
{
	size_t i, used = 0;

	for (i = 0; i < N_KNOBS && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s (%u..%u)", i ? ", " : "",
					 knobs[i].name, knobs[i].min, knobs[i].max);
}

static const struct knob *find_knob(const char *name, struct sl_err *e)
{
	char list[320];
	size_t i;

	for (i = 0; i < N_KNOBS; i++)
		if (!strcmp(knobs[i].name, name))
			return &knobs[i];
	list_knobs(list, sizeof(list));
	sl_err(e, -EINVAL, "unknown knob '%s'; the knobs are %s", name, list);
	return NULL;
}

#define DIR_FORMAT "/sys/class/net/%s/sluice/%s"

/* Turns "no such file" into what is missing. */
static int missing(const struct qdisc_id *id, struct sl_err *e)
{
	char path[128];

	if (!if_nametoindex(id->ifname))
		return sl_err(e, -ENODEV, "no interface '%s'; 'ip link' lists them", id->ifname);
	snprintf(path, sizeof(path), "/sys/class/net/%s", id->ifname);
	if (!sysfs_exists(path))
		return sl_err(e, -ENOENT,
			      "/sys does not show %s: it belongs to another network namespace; "
			      "enter with 'ip netns exec'", id->ifname);
	if (!sysfs_exists("/sys/module/sch_sluice"))
		return sl_err(e, -ENOENT,
			      "%s has no sluice qdisc: the module is not loaded; "
			      "'modprobe sch_sluice'", id->ifname);
	return sl_err(e, -ENOENT,
		      "%s has no sluice qdisc at parent %s; 'sluice queue show' lists them, "
		      "'tc qdisc add dev %s root sluice' adds one", id->ifname, id->parent,
		      id->ifname);
}

static int explain_write(const struct qdisc_id *id, int r, const char *file, struct sl_err *e)
{
	switch (r) {
	case 0:
		return 0;
	case -ENOENT:
	case -ENODEV:
		return missing(id, e);
	case -EACCES:
	case -EPERM:
		return sl_err(e, r, "%s %s: no permission to write %s; run as root (CAP_NET_ADMIN)",
			      id->ifname, id->parent, file);
	case -EROFS:
		return sl_err(e, r, "%s %s: /sys is read-only here, so %s cannot be written",
			      id->ifname, id->parent, file);
	case -EBUSY:
		return sl_err(e, r, "%s %s: the operator holds the baseline (hold is 1)",
			      id->ifname, id->parent);
	default:
		return sl_err(e, r, "%s %s: writing %s failed: %s", id->ifname, id->parent, file,
			      strerror(-r));
	}
}

int qdisc_write_learned(const struct qdisc_id *id, int *kept, const struct qdisc_triple *t,
			__u32 lease_ms, __u32 generation, struct sl_err *e)
{
	char path[128], text[80];

	snprintf(path, sizeof(path), DIR_FORMAT "/learned", id->ifname, id->parent);
	if (lease_ms)
		snprintf(text, sizeof(text), "%u %u %u %u %u\n", t->qth_min, t->qth_max, t->max_p,
			 lease_ms, generation);
	else
		snprintf(text, sizeof(text), "0 0 0 0 %u\n", generation);
	return explain_write(id, sysfs_write_kept(path, kept, text), "learned", e);
}

int qdisc_write_tree(const struct qdisc_id *id, const struct sluice_tree *t, size_t size,
		     struct sl_err *e)
{
	char path[128];

	snprintf(path, sizeof(path), DIR_FORMAT "/tree", id->ifname, id->parent);
	return explain_write(id, sysfs_write_block(path, t, size), "tree", e);
}

int qdisc_read_knob(const struct qdisc_id *id, const char *knob, __u32 *value, struct sl_err *e)
{
	char path[160];
	int r;

	if (!find_knob(knob, e))
		return -EINVAL;
	snprintf(path, sizeof(path), DIR_FORMAT "/%s", id->ifname, id->parent, knob);
	r = sysfs_read_u32(path, value);
	if (r == -ENOENT || r == -ENODEV)
		return missing(id, e);
	if (r < 0)
		return sl_err(e, r, "cannot read %s: %s", path, strerror(-r));
	return 0;
}

int qdisc_check_knob(const struct qdisc_id *id, const char *knob, __u32 value, struct sl_err *e)
{
	const struct knob *k = find_knob(knob, e);

	if (!k)
		return -EINVAL;
	if (value < k->min || value > k->max)
		return sl_err(e, -EINVAL, "%s %s: %s must be %u..%u %s, not %u", id->ifname,
			      id->parent, knob, k->min, k->max, k->unit, value);
	return 0;
}

int qdisc_write_knob(const struct qdisc_id *id, const char *knob, __u32 value, struct sl_err *e)
{
	char path[160], text[16];
	int r;

	r = qdisc_check_knob(id, knob, value, e);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), DIR_FORMAT "/%s", id->ifname, id->parent, knob);
	snprintf(text, sizeof(text), "%u\n", value);
	r = sysfs_write(path, text);
	if (r == -EINVAL && !strncmp(knob, "qth_", 4))
		return sl_err(e, r, "%s %s: %s %u was refused: qth_min may not exceed qth_max",
			      id->ifname, id->parent, knob, value);
	return explain_write(id, r, knob, e);
}
