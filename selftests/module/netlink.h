/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests to a qdisc, byte by byte: libnl, which nl_change.c uses, cannot be brought to lie
 * about a length, and its error numbers are its own.
 */
#ifndef SLUICE_SELFTEST_NETLINK_H
#define SLUICE_SELFTEST_NETLINK_H

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <linux/sluice.h>

struct request {
	struct nlmsghdr h;
	struct tcmsg tc;
	unsigned char attrs[1024];
};

struct answer {
	int error;		/* 0 or an errno */
	char sentence[256];	/* the kernel's extack, or "" */
	unsigned char msg[16384];	/* the last message that was not an acknowledgement */
	size_t bytes;
};

static inline int request_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on))) {
		perror("netlink socket");
		exit(1);
	}
	return fd;
}

/* PARENT[/HANDLE], as nl_change has it. */
static inline void request_init(struct request *r, int type, int flags, const char *dev,
				const char *parent)
{
	const char *slash = strchr(parent, '/');
	unsigned int major = 0, minor = 0;

	memset(r, 0, sizeof(*r));
	r->h.nlmsg_type = type;
	r->h.nlmsg_flags = NLM_F_REQUEST | flags;
	r->h.nlmsg_len = NLMSG_LENGTH(sizeof(r->tc));
	r->tc.tcm_ifindex = if_nametoindex(dev);
	if (slash)
		r->tc.tcm_handle = strtoul(slash + 1, NULL, 16) << 16;
	if (!strncmp(parent, "root", 4))
		r->tc.tcm_parent = TC_H_ROOT;
	else if (sscanf(parent, "%x:%x", &major, &minor) == 2)
		r->tc.tcm_parent = TC_H_MAKE(major << 16, minor);
	if (!r->tc.tcm_ifindex || !r->tc.tcm_parent) {
		fprintf(stderr, "%s %s: no such place\n", dev, parent);
		exit(1);
	}
}

static inline void request_put(struct request *r, int type, const void *data, size_t bytes)
{
	struct nlattr *a = (struct nlattr *)((char *)r + NLMSG_ALIGN(r->h.nlmsg_len));

	if ((char *)a + NLA_HDRLEN + NLA_ALIGN(bytes) > (char *)(r + 1))
		abort();
	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + bytes;
	if (bytes)
		memcpy(a + 1, data, bytes);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

static inline const struct nlattr *find_attr(const void *attrs, size_t bytes, int type)
{
	const struct nlattr *a = attrs;

	while (bytes >= sizeof(*a) && a->nla_len >= sizeof(*a) && a->nla_len <= bytes) {
		size_t step = NLA_ALIGN(a->nla_len);

		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		if (step > bytes)
			break;
		bytes -= step;
		a = (const struct nlattr *)((const char *)a + step);
	}
	return NULL;
}

/* Sends it and waits for the acknowledgement. Exits when the socket itself fails. */
static inline void request_send(int fd, struct request *r, struct answer *ret)
{
	static uint32_t seq;
	static unsigned char buf[16384];
	const struct nlattr *a;
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	struct nlmsgerr *e = NLMSG_DATA(h);
	ssize_t n;

	r->h.nlmsg_flags |= NLM_F_ACK;
	r->h.nlmsg_seq = ++seq;
	ret->error = 0;
	ret->sentence[0] = 0;
	ret->bytes = 0;
	if (send(fd, r, r->h.nlmsg_len, 0) != (ssize_t)r->h.nlmsg_len) {
		perror("netlink send");
		exit(1);
	}
	while (true) {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n < (ssize_t)sizeof(*h)) {
			perror("netlink receive");
			exit(1);
		}
		if (h->nlmsg_seq != seq)
			continue;
		if (h->nlmsg_type == NLMSG_ERROR)
			break;
		memcpy(ret->msg, buf, n);
		ret->bytes = n;
	}
	ret->error = -e->error;
	/* NETLINK_CAP_ACK: what was sent is not sent back, attributes follow. */
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	a = find_attr(e + 1, h->nlmsg_len - NLMSG_LENGTH(sizeof(*e)), NLMSGERR_ATTR_MSG);
	if (a)
		snprintf(ret->sentence, sizeof(ret->sentence), "%s", (const char *)(a + 1));
}

/* What one reads back: each knob by its attribute. Exits when the qdisc is gone. */
struct settings {
	uint32_t knob[TCA_SLUICE_MAX + 1];
};
#define LAST_KNOB (TCA_SLUICE_PAD - 1)

static inline void read_settings(int fd, const char *dev, const char *parent, struct settings *ret)
{
	static struct answer a;
	struct request r;
	struct nlmsghdr *h = (struct nlmsghdr *)a.msg;
	const struct nlattr *options;

	/* Without NLM_F_ECHO only those who subscribed get the answer. */
	request_init(&r, RTM_GETQDISC, NLM_F_ECHO, dev, parent);
	request_send(fd, &r, &a);
	if (a.error || !a.bytes) {
		fprintf(stderr, "%s %s: the qdisc is gone: %s\n", dev, parent, strerror(a.error));
		exit(1);
	}
	options = find_attr(a.msg + NLMSG_LENGTH(sizeof(r.tc)),
			    h->nlmsg_len - NLMSG_LENGTH(sizeof(r.tc)), TCA_OPTIONS);
	memset(ret, 0, sizeof(*ret));
	for (int i = 1; i <= LAST_KNOB; i++) {
		const struct nlattr *o = options ? find_attr(options + 1,
							     options->nla_len - NLA_HDRLEN, i) : NULL;

		if (!o || o->nla_len != NLA_HDRLEN + sizeof(uint32_t)) {
			fprintf(stderr, "%s %s: the dump lacks option %d\n", dev, parent, i);
			exit(1);
		}
		memcpy(&ret->knob[i], o + 1, sizeof(ret->knob[i]));
	}
}

#endif
