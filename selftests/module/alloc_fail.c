// SPDX-License-Identifier: GPL-2.0
/*
 * Lets allocations in the kernel fail (CONFIG_FAILSLAB) while a sluice qdisc is made, changed or
 * given a tree, and checks that each such request either succeeds or fails with ENOMEM and
 * leaves everything as it was.
 *
 *	alloc_fail each DEV OPERATION...	lets the first allocation of the operation fail, then
 *					the second, ... until it makes no more (/proc/self/fail-nth)
 *	alloc_fail random DEV ROUNDS SEED	operations at random, every allocation of which fails
 *					with the probability that failslab has in debugfs, if it
 *					is set to look at tasks (/proc/self/make-it-fail)
 *	alloc_fail once DEV		all operations without faults, on any kernel
 *	alloc_fail list
 *
 * DEV must have two transmit queues, be down or idle, and belong to nobody else.
 *
 * qdisc_state.h says what "everything" is. An acknowledgement that cannot be allocated either
 * reaches us as ENOBUFS and tells nothing; then both states are right.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <linux/sluice.h>
#include <sluice/tree.h>

#include "qdisc_state.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ROOT	TC_H_ROOT
#define CLASS	TC_H_MAKE(1 << 16, 1)
#define RANDOM	UINT_MAX	/* as the number of the allocation that fails */
#define HANDLE(major) ((uint32_t)(major) << 16)

static const char *dev;
static int ifindex, netlink, fail_nth = -1, make_it_fail = -1;
static unsigned int injected, refused;

/* --- injection ------------------------------------------------------------------- */

static void put_number(int fd, unsigned int value)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", value);

	if (pwrite(fd, text, len, 0) != len)
		die("cannot switch faults: %s", strerror(errno));
}

/* nth 0: none */
static void arm(unsigned int nth)
{
	if (nth)
		put_number(nth == RANDOM ? make_it_fail : fail_nth, nth == RANDOM ? 1 : nth);
}

/* Whether the nth allocation was reached. */
static bool disarm(unsigned int nth)
{
	char text[16] = "";

	if (nth == RANDOM) {
		put_number(make_it_fail, 0);
		return true;
	}
	if (!nth)
		return false;
	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		die("cannot read fail-nth");
	put_number(fail_nth, 0);
	return atoi(text) == 0;
}

/* --- requests. Each is prepared before faults are armed, and makes one system call then. ------ */

struct request {
	struct nl_msg *msg;	/* netlink, or ... */
	char path[256];		/* ... a write */
	const void *data;
	size_t size;
};

static void prepare_message(struct request *r, int type, int flags, uint32_t parent,
			    uint32_t handle, const char *kind)
{
	struct tcmsg tc = { .tcm_ifindex = ifindex, .tcm_parent = parent, .tcm_handle = handle };

	r->msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags);
	if (!r->msg)
		die("no memory");
	nlmsg_append(r->msg, &tc, sizeof(tc), NLMSG_ALIGNTO);
	if (kind)
		nla_put_string(r->msg, TCA_KIND, kind);
}

static void put_knob(struct request *r, int attr, uint32_t value)
{
	struct nlattr *opt = nla_nest_start(r->msg, TCA_OPTIONS);

	nla_put_u32(r->msg, attr, value);
	nla_nest_end(r->msg, opt);
}

/* All are about the root qdisc. */
static void prepare_write(struct request *r, const char *file, const void *data, size_t size)
{
	snprintf(r->path, sizeof(r->path), "/sys/class/net/%s/sluice/root/%s", dev, file);
	r->data = data;
	r->size = size;
}

static void prepare_text(struct request *r, const char *file, const char *text)
{
	prepare_write(r, file, text, strlen(text));
}

/* The acknowledgement's errno; ENOBUFS when it was lost. */
static int acknowledged(void)
{
	union {
		struct nlmsghdr h;
		char byte[8192];
	} u;
	struct nlmsgerr *e = NLMSG_DATA(&u.h);

	for (;;) {
		ssize_t n = recv(netlink, &u, sizeof(u), 0);

		if (n < 0)
			return errno;
		if (u.h.nlmsg_type == NLMSG_ERROR)
			return -e->error;
	}
}

/* Returns a positive errno. */
static int submit(struct request *r, unsigned int nth, bool *reached)
{
	int err = 0, fd = -1;
	ssize_t n;

	if (r->msg) {
		struct nlmsghdr *h = nlmsg_hdr(r->msg);
		static unsigned int seq;

		h->nlmsg_seq = ++seq;
		arm(nth);
		n = send(netlink, h, h->nlmsg_len, 0);
		err = n < 0 ? errno : 0;
		*reached = disarm(nth);
		if (!err)
			err = acknowledged();
		nlmsg_free(r->msg);
	} else {
		fd = open(r->path, O_WRONLY);
		if (fd < 0)
			die("%s: %s", r->path, strerror(errno));
		arm(nth);
		n = write(fd, r->data, r->size);
		err = n < 0 ? errno : 0;
		*reached = disarm(nth);
		close(fd);
	}
	memset(r, 0, sizeof(*r));
	return err;
}

/* Without a fault it succeeds. */
static void must(struct request *r)
{
	bool reached;
	int err = submit(r, 0, &reached);

	if (err)
		die("without a fault: %s", strerror(err));
}

/* --- operations ------------------------------------------------------------------ */

/* A tree of one action, or of a node that always takes the second one. */
static const void *make_tree(uint32_t generation, int nodes)
{
	static struct sluice_tree t;
	int i;

	memset(&t, 0, sizeof(t));
	t.h.generation = generation;
	t.h.lease_ms = SLUICE_LEASE_MS_MAX;
	t.h.n_nodes = nodes;
	t.h.n_actions = 2;
	for (i = 0; i < nodes; i++) {
		t.cell[i].node.left = nodes;
		t.cell[i].node.right = i + 1;
	}
	sluice_tree_seal(&t);
	return &t;
}

static void clear(void)
{
	struct request r = { 0 };
	bool reached;

	prepare_message(&r, RTM_DELQDISC, 0, ROOT, 0, NULL);
	submit(&r, 0, &reached);	/* there may be none */
}

static void sluice_at(uint32_t parent, uint32_t handle)
{
	struct request r = { 0 };

	prepare_message(&r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, parent, handle, "sluice");
	must(&r);
}

static void root(void) { sluice_at(ROOT, HANDLE(1)); }

static void below_tbf(void)
{
	struct tc_tbf_qopt tbf = {
		.rate = { .rate = 1000000, .linklayer = TC_LINKLAYER_ETHERNET }, .limit = 1000000,
	};
	struct request r = { 0 };
	struct nlattr *opt;

	prepare_message(&r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ROOT, HANDLE(1), "tbf");
	opt = nla_nest_start(r.msg, TCA_OPTIONS);
	nla_put(r.msg, TCA_TBF_PARMS, sizeof(tbf), &tbf);
	nla_put_u32(r.msg, TCA_TBF_BURST, 100000);
	nla_nest_end(r.msg, opt);
	must(&r);
}

static void with_tree(void)
{
	struct request r = { 0 };

	root();
	prepare_write(&r, "tree", make_tree(7, 3), sluice_tree_size(3, 2));
	must(&r);
}

static void with_both(void)
{
	struct request r = { 0 };

	with_tree();
	prepare_text(&r, "learned", "1000 2000 300000 600000 77");
	must(&r);
}

static void op_add(struct request *r)
{
	prepare_message(r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ROOT, HANDLE(1), "sluice");
	put_knob(r, TCA_SLUICE_ATTR_qth_min, 12345);
}

static void op_add_class(struct request *r)
{
	prepare_message(r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, CLASS, HANDLE(2), "sluice");
}

/* /proc/sys/net/core/default_qdisc names sluice. */
static void op_add_mq(struct request *r)
{
	prepare_message(r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ROOT, HANDLE(1), "mq");
}

static void op_replace(struct request *r)
{
	prepare_message(r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, ROOT, HANDLE(2), "sluice");
}

static void op_change(struct request *r)
{
	prepare_message(r, RTM_NEWQDISC, 0, ROOT, HANDLE(1), "sluice");
	put_knob(r, TCA_SLUICE_ATTR_qth_max, 765432);
}

static void op_knob(struct request *r) { prepare_text(r, "qth_min", "4321"); }

static void op_learned(struct request *r)
{
	prepare_text(r, "learned", "1001 2002 300003 600000 78");
}

static void op_give_up(struct request *r) { prepare_text(r, "learned", "0 0 0 0 0"); }

static void op_load(struct request *r)
{
	prepare_write(r, "tree", make_tree(8, 20), sluice_tree_size(20, 2));
}

/* A header alone. */
static void op_renew(struct request *r)
{
	static struct sluice_tree t;

	memset(&t, 0, sizeof(t));
	t.h.generation = 7;
	t.h.lease_ms = SLUICE_LEASE_MS_MAX / 2;
	sluice_tree_seal(&t);
	prepare_write(r, "tree", &t, t.h.size);
}

static void op_end_tree(struct request *r)
{
	static struct sluice_tree t;

	memset(&t, 0, sizeof(t));
	sluice_tree_seal(&t);
	prepare_write(r, "tree", &t, t.h.size);
}

static const struct operation {
	const char *name;
	void (*setup)(void);			/* on a device without qdisc */
	void (*prepare)(struct request *r);
} operations[] = {
	{ "add", clear, op_add },
	{ "add-class", below_tbf, op_add_class },
	{ "add-mq", clear, op_add_mq },
	{ "replace", with_both, op_replace },
	{ "change", with_both, op_change },
	{ "knob", with_both, op_knob },
	{ "learned", with_both, op_learned },
	{ "give-up", with_both, op_give_up },
	{ "load", root, op_load },
	{ "load-again", with_both, op_load },
	{ "renew", with_both, op_renew },
	{ "end-tree", with_both, op_end_tree },
};

/* Runs it once with faults; returns whether one was reached. */
static bool attempt(const struct operation *op, unsigned int nth, const char *after)
{
	struct request r = { 0 };
	char *before, *now;
	bool reached;
	int err;

	clear();
	op->setup();
	before = qdisc_state(dev);
	op->prepare(&r);
	err = submit(&r, nth, &reached);
	now = qdisc_state(dev);
	if (err && err != ENOMEM && err != ENOBUFS)
		die("%s, allocation %u: %s", op->name, nth, strerror(err));
	if (!(err != 0 && !strcmp(now, before)) && !(err != ENOMEM && !strcmp(now, after)))
		die("%s, allocation %u (%s): before:\n%safter:\n%sexpected:\n%s", op->name, nth,
		    strerror(err), before, now, after);
	injected += reached;
	refused += err != 0;
	free(before);
	free(now);
	return reached;
}

/* What it looks like when nothing fails. */
static char *outcome(const struct operation *op)
{
	struct request r = { 0 };

	clear();
	op->setup();
	op->prepare(&r);
	must(&r);
	return qdisc_state(dev);
}

static const struct operation *find_operation(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		if (!strcmp(operations[i].name, name))
			return &operations[i];
	die("there is no operation %s", name);
	return NULL;
}

static void each(const struct operation *op)
{
	char *after = outcome(op);
	unsigned int nth = 1;

	injected = refused = 0;
	while (attempt(op, nth, after))
		nth++;
	printf("%s injected=%u refused=%u\n", op->name, injected, refused);
	fflush(stdout);
	free(after);
}

static void once(const struct operation *op)
{
	char *after = outcome(op);

	attempt(op, 0, after);
	printf("%s: %s", op->name, after);
	free(after);
}

static void at_random(unsigned int rounds, unsigned int seed)
{
	char *after[ARRAY_SIZE(operations)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		after[i] = outcome(&operations[i]);
	srandom(seed);
	while (rounds--) {
		i = random() % ARRAY_SIZE(operations);
		attempt(&operations[i], RANDOM, after[i]);
	}
	printf("random injected=%u refused=%u\n", injected, refused);
	for (i = 0; i < ARRAY_SIZE(operations); i++)
		free(after[i]);
}

int main(int argc, char **argv)
{
	const struct timeval patience = { .tv_sec = 20 };
	size_t i;

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (i = 0; i < ARRAY_SIZE(operations); i++)
			printf("%s\n", operations[i].name);
		return 0;
	}
	if (argc < 3)
		return 2;
	dev = argv[2];
	ifindex = if_nametoindex(dev);
	netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (!ifindex || netlink < 0)
		die("%s: %s", dev, strerror(errno));
	if (!strcmp(argv[1], "once")) {
		for (i = 0; i < ARRAY_SIZE(operations); i++)
			once(&operations[i]);
	} else if (!strcmp(argv[1], "each")) {
		fail_nth = open("/proc/self/fail-nth", O_RDWR);
		if (fail_nth < 0)
			die("/proc/self/fail-nth: %s", strerror(errno));
		for (i = 3; i < (size_t)argc; i++)
			each(find_operation(argv[i]));
	} else if (!strcmp(argv[1], "random") && argc == 5) {
		make_it_fail = open("/proc/self/make-it-fail", O_RDWR);
		if (make_it_fail < 0)
			die("/proc/self/make-it-fail: %s", strerror(errno));
		at_random(strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
	} else {
		return 2;
	}
	clear();
	return 0;
}
