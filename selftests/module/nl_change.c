// SPDX-License-Identifier: GPL-2.0
/*
 * Speaks netlink to a sluice qdisc, because stock tc passes no options to a qdisc it does not
 * know. Prints the kernel's own sentence (extack) when a request fails.
 *
 *	nl_change knobs				the table: name minimum maximum default
 *	nl_change add|change|replace DEV PARENT[/HANDLE] [KNOB=VALUE...]
 *	nl_change show DEV PARENT		"option KNOB VALUE", "stats FIELD VALUE", "tc FIELD VALUE"
 *
 * PARENT is "root" or "major:minor" in hexadecimal. Instead of a knob, "attr:N=VALUE" sends
 * attribute N, "short:KNOB" a knob in two bytes, and "badrate" a malformed rate estimator, on
 * which the kernel gives the qdisc up after it was initialised.
 */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <linux/sluice.h>

static const struct {
	const char *name;
	uint32_t min, max, def;
} knobs[] = {
#define X(name, min, max, def, unit, text) { #name, min, max, def },
	SLUICE_KNOBS(X)
#undef X
};
#define KNOBS (sizeof(knobs) / sizeof(*knobs))

static int usage(void)
{
	fprintf(stderr, "usage: nl_change knobs | add|change|replace DEV PARENT[/HANDLE] "
			"[KNOB=VALUE...] | show DEV PARENT\n");
	return 2;
}

static int find_knob(const char *name, size_t len)
{
	for (size_t i = 0; i < KNOBS; i++)
		if (strlen(knobs[i].name) == len && !strncmp(knobs[i].name, name, len))
			return i;
	return -1;
}

/* The kernel's sentence, from the attributes behind the error message. */
static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct nlmsghdr *h = (struct nlmsghdr *)((char *)e - NLMSG_HDRLEN);
	int skip = sizeof(*e), *error = arg;

	(void)from;
	*error = e->error;
	if (e->error)
		fprintf(stderr, "%s", strerror(-e->error));
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		skip += e->msg.nlmsg_len - NLMSG_HDRLEN;
	if (h->nlmsg_flags & NLM_F_ACK_TLVS) {
		struct nlattr *a = nlmsg_find_attr(h, skip, NLMSGERR_ATTR_MSG);

		if (a)
			fprintf(stderr, ": %s", (const char *)nla_data(a));
	}
	if (e->error)
		fprintf(stderr, "\n");
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return NL_STOP;
}

static void show_stats(const struct sluice_qdisc_stats *s)
{
#define U(field) printf("stats " #field " %" PRIu64 "\n", (uint64_t)s->field)
	U(abi_version), U(source), U(time_ns), U(packets), U(bytes), U(ce_packets), U(ce_bytes);
	U(early_drops), U(limit_drops), U(backlog_bytes), U(backlog_packets);
	U(backlog_max_bytes), U(backlog_byte_us), U(backlogged_ns), U(sojourn_samples);
	U(sojourn_sum_ns), U(qth_min), U(qth_max), U(max_p), U(generation), U(base_qth_min);
	U(base_qth_max), U(base_max_p), U(manual_gen), U(limit_bytes), U(limit_pkts), U(lease_ms);
	U(lease_expired), U(tree_evaluations), U(tree_generation), U(tree_lease_ms);
	U(tree_lease_expired), U(tree_cell), U(ce_sojourn_packets), U(ce_sojourn_bytes);
#undef U
	printf("stats sojourn_hist");
	for (int i = 0; i < SLUICE_HIST_SLOTS; i++)
		printf(" %" PRIu64, (uint64_t)s->sojourn_hist[i]);
	printf("\n");
}

struct target {
	unsigned int ifindex;
	uint32_t parent;
	int found;
};

static int on_qdisc(struct nl_msg *msg, void *arg)
{
	struct target *t = arg;
	struct nlmsghdr *h = nlmsg_hdr(msg);
	struct tcmsg *tc = nlmsg_data(h);
	struct nlattr *tb[TCA_MAX + 1], *opt[TCA_SLUICE_MAX + 1], *st[TCA_STATS_MAX + 1];
	const struct gnet_stats_basic *basic;
	const struct gnet_stats_queue *queue;

	if ((unsigned int)tc->tcm_ifindex != t->ifindex || tc->tcm_parent != t->parent ||
	    nlmsg_parse(h, sizeof(*tc), tb, TCA_MAX, NULL) || !tb[TCA_KIND] ||
	    strcmp(nla_get_string(tb[TCA_KIND]), "sluice"))
		return NL_OK;
	t->found = 1;
	if (tb[TCA_OPTIONS] && !nla_parse_nested(opt, TCA_SLUICE_MAX, tb[TCA_OPTIONS], NULL))
		for (size_t i = 0; i < KNOBS; i++)
			if (opt[i + 1])
				printf("option %s %u\n", knobs[i].name, nla_get_u32(opt[i + 1]));
	if (!tb[TCA_STATS2] || nla_parse_nested(st, TCA_STATS_MAX, tb[TCA_STATS2], NULL))
		return NL_OK;
	if (st[TCA_STATS_APP] && nla_len(st[TCA_STATS_APP]) == sizeof(struct sluice_qdisc_stats)) {
		struct sluice_qdisc_stats copy;

		memcpy(&copy, nla_data(st[TCA_STATS_APP]), sizeof(copy));
		show_stats(&copy);
	}
	if (st[TCA_STATS_BASIC] && st[TCA_STATS_QUEUE]) {
		basic = nla_data(st[TCA_STATS_BASIC]);
		queue = nla_data(st[TCA_STATS_QUEUE]);
		printf("tc bytes %llu\ntc packets %u\n", (unsigned long long)basic->bytes,
		       basic->packets);
		printf("tc drops %u\ntc overlimits %u\ntc backlog %u\ntc qlen %u\n", queue->drops,
		       queue->overlimits, queue->backlog, queue->qlen);
	}
	return NL_OK;
}

static int put_option(struct nl_msg *msg, const char *arg)
{
	const char *eq = strchr(arg, '=');
	int knob;

	if (!strncmp(arg, "short:", 6)) {
		knob = find_knob(arg + 6, strlen(arg + 6));
		return knob < 0 ? -1 : nla_put_u16(msg, knob + 1, 1);
	}
	if (!eq)
		return -1;
	if (!strncmp(arg, "attr:", 5))
		return nla_put_u32(msg, strtoul(arg + 5, NULL, 0), strtoul(eq + 1, NULL, 0));
	knob = find_knob(arg, eq - arg);
	return knob < 0 ? -1 : nla_put_u32(msg, knob + 1, strtoul(eq + 1, NULL, 0));
}

static uint32_t parse_parent(const char *s, uint32_t *handle)
{
	unsigned int major = 0, minor = 0;
	const char *slash = strchr(s, '/');

	*handle = slash ? strtoul(slash + 1, NULL, 16) << 16 : 0;
	if (!strncmp(s, "root", 4))
		return TC_H_ROOT;
	sscanf(s, "%x:%x", &major, &minor);
	return TC_H_MAKE(major << 16, minor);
}

int main(int argc, char *argv[])
{
	struct target target = { .found = 0 };
	struct tcmsg tc = { .tcm_family = AF_UNSPEC };
	int flags, type = RTM_NEWQDISC, on = 1, error = 0, r, bad_rate = 0;
	struct nl_sock *sk;
	struct nl_msg *msg;

	if (argc == 2 && !strcmp(argv[1], "knobs")) {
		for (size_t i = 0; i < KNOBS; i++)
			printf("%s %u %u %u\n", knobs[i].name, knobs[i].min, knobs[i].max,
			       knobs[i].def);
		return 0;
	}
	if (argc < 4)
		return usage();
	if (!strcmp(argv[1], "add"))
		flags = NLM_F_CREATE | NLM_F_EXCL;
	else if (!strcmp(argv[1], "replace"))
		flags = NLM_F_CREATE | NLM_F_REPLACE;
	else if (!strcmp(argv[1], "change"))
		flags = 0;
	else if (!strcmp(argv[1], "show"))
		flags = NLM_F_DUMP, type = RTM_GETQDISC;
	else
		return usage();

	tc.tcm_ifindex = if_nametoindex(argv[2]);
	if (!tc.tcm_ifindex) {
		fprintf(stderr, "%s: no such interface\n", argv[2]);
		return 1;
	}
	tc.tcm_parent = parse_parent(argv[3], &tc.tcm_handle);
	target.ifindex = tc.tcm_ifindex;
	target.parent = tc.tcm_parent;

	sk = nl_socket_alloc();
	msg = nlmsg_alloc_simple(type, flags);
	if (!sk || !msg || nl_connect(sk, NETLINK_ROUTE) ||
	    setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)))
		return 1;
	nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, on_error, &error);
	nl_socket_modify_cb(sk, NL_CB_ACK, NL_CB_CUSTOM, on_ack, NULL);
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_qdisc, &target);
	nlmsg_append(msg, &tc, sizeof(tc), NLMSG_ALIGNTO);
	nla_put_string(msg, TCA_KIND, "sluice");
	if (argc > 4) {
		struct nlattr *opt = nla_nest_start(msg, TCA_OPTIONS);

		for (int i = 4; i < argc; i++) {
			if (!strcmp(argv[i], "badrate"))
				bad_rate = 1;
			else if (put_option(msg, argv[i]))
				return usage();
		}
		nla_nest_end(msg, opt);
	}
	if (bad_rate)
		nla_put_u16(msg, TCA_RATE, 0);

	r = nl_send_auto(sk, msg);
	if (r >= 0)
		r = nl_recvmsgs_default(sk);
	nlmsg_free(msg);
	nl_socket_free(sk);
	if (r < 0 && !error)
		fprintf(stderr, "%s\n", nl_geterror(r));
	if (r < 0 || error)
		return 1;
	if (type == RTM_GETQDISC && !target.found) {
		fprintf(stderr, "%s %s: no sluice qdisc there\n", argv[2], argv[3]);
		return 1;
	}
	return 0;
}
