/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything that requests to a sluice qdisc can change, as text: the qdiscs of a device with kind,
 * handle and parent, and the writable and the constant files of each sluice directory.
 */
#ifndef SLUICE_SELFTEST_QDISC_STATE_H
#define SLUICE_SELFTEST_QDISC_STATE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <linux/sluice.h>

/* Says why on standard output, as the caller prints the rest there. */
__attribute__((format(printf, 1, 2), noreturn))
static inline void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	exit(1);
}

/* What was noted so far. */
static char *state_end, state[65536];
static int state_ifindex;

__attribute__((format(printf, 1, 2)))
static inline void state_note(const char *format, ...)
{
	size_t room = state + sizeof(state) - state_end;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(state_end, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		die("the state is larger than %zu bytes", sizeof(state));
	state_end += n;
}

static inline int on_qdisc(struct nl_msg *msg, void *arg)
{
	struct tcmsg *tc = nlmsg_data(nlmsg_hdr(msg));
	struct nlattr *kind = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(*tc), TCA_KIND);

	(void)arg;
	if (tc->tcm_ifindex == state_ifindex && kind)
		state_note("qdisc %s %x parent %x\n", nla_get_string(kind), tc->tcm_handle,
			   tc->tcm_parent);
	return NL_OK;
}

static inline void note_qdiscs(void)
{
	struct tcmsg tc = { .tcm_ifindex = state_ifindex };
	struct nl_sock *sk = nl_socket_alloc();

	if (!sk || nl_connect(sk, NETLINK_ROUTE))
		die("no netlink socket");
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_qdisc, NULL);
	if (nl_send_simple(sk, RTM_GETQDISC, NLM_F_DUMP, &tc, sizeof(tc)) < 0 ||
	    nl_recvmsgs_default(sk))
		die("cannot dump the qdiscs");
	nl_socket_free(sk);
}

/* A file's contents as text; time that remains is no state. */
static inline void note_file(const char *dir, const char *name)
{
	unsigned char data[SLUICE_TREE_MAX_SIZE];
	unsigned int triple[3], lease, generation, sum = 2166136261u;
	char path[1024];
	ssize_t n, i;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, data, sizeof(data) - 1);
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		state_note("%s: %s\n", path, strerror(errno));
		return;
	}
	data[n] = 0;
	if (!strcmp(name, "tree")) {
		for (i = 0; i < n; i++)
			sum = (sum ^ data[i]) * 16777619u;
		state_note("%s: %zd bytes, %x\n", path, n, sum);
	} else if (!strcmp(name, "learned") &&
		   sscanf((char *)data, "%u %u %u %u %u", &triple[0], &triple[1], &triple[2], &lease,
			  &generation) == 5) {
		state_note("%s: %u %u %u, %u\n", path, triple[0], triple[1], triple[2], generation);
	} else {
		state_note("%s: %s", path, data);
	}
}

static inline bool constant(const char *name)
{
	return !strcmp(name, "source") || !strcmp(name, "generation") || !strcmp(name, "manual_gen");
}

static inline void note_directory(const char *dir)
{
	struct dirent **entry;
	int i, n = scandir(dir, &entry, NULL, alphasort);
	char path[1024];
	struct stat st;

	if (n < 0)
		die("%s: %s", dir, strerror(errno));
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry[i]->d_name);
		if (!stat(path, &st) && S_ISREG(st.st_mode) &&
		    ((st.st_mode & 0200) || constant(entry[i]->d_name)))
			note_file(dir, entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
}

/* Text that the caller frees; no memory: NULL. */
static inline char *qdisc_state(const char *dev)
{
	struct dirent **entry;
	char dir[300], path[700];
	int i, n;

	state_end = state;
	state_ifindex = if_nametoindex(dev);
	note_qdiscs();
	snprintf(dir, sizeof(dir), "/sys/class/net/%s/sluice", dev);
	n = scandir(dir, &entry, NULL, alphasort);
	state_note(n < 0 ? "no directory\n" : "directory\n");
	for (i = 0; i < n; i++) {
		if (entry[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", dir, entry[i]->d_name);
			note_directory(path);
		}
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return strdup(state);
}

#endif
