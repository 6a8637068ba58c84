// SPDX-License-Identifier: GPL-2.0
/*
 * Samples the queue of an interface, whatever qdiscs it is made of, until SIGTERM or SIGINT: a line
 * every few milliseconds,
 *
 *	seconds backlog_bytes bytes_sent packets_sent drops
 *
 * Bytes, packets and backlog are the root's, drops those of its child, where there is one: a token
 * bucket does not know what its child drops when packets leave.
 */
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/tc.h>

#include "lib/clock.h"

static volatile sig_atomic_t stop;

struct sample {
	uint64_t backlog, bytes, packets, root_drops, child_drops;
	int children;
};

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static int read_queue(struct nl_sock *sock, int ifindex, struct sample *s)
{
	struct nl_cache *cache;
	int r = rtnl_qdisc_alloc_cache(sock, &cache);

	if (r < 0)
		return r;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
		struct rtnl_tc *tc = TC_CAST(o);

		if (rtnl_tc_get_ifindex(tc) != ifindex)
			continue;
		if (rtnl_tc_get_parent(tc) == TC_H_ROOT) {
			s->backlog = rtnl_tc_get_stat(tc, RTNL_TC_BACKLOG);
			s->bytes = rtnl_tc_get_stat(tc, RTNL_TC_BYTES);
			s->packets = rtnl_tc_get_stat(tc, RTNL_TC_PACKETS);
			s->root_drops = rtnl_tc_get_stat(tc, RTNL_TC_DROPS);
		} else {
			s->child_drops = rtnl_tc_get_stat(tc, RTNL_TC_DROPS);
			s->children++;
		}
	}
	nl_cache_free(cache);
	return 0;
}

int main(int argc, char *argv[])
{
	const struct sigaction action = { .sa_handler = on_signal };
	const int interval_ms = argc > 2 ? atoi(argv[2]) : 5;
	const int ifindex = argc > 1 ? if_nametoindex(argv[1]) : 0;
	struct nl_sock *sock = nl_socket_alloc();
	uint64_t begin_ns;

	if (!ifindex || interval_ms < 1) {
		fputs("usage: qwatch DEV [INTERVAL_MS]\n", stderr);
		return 1;
	}
	if (!sock || nl_connect(sock, NETLINK_ROUTE) < 0) {
		fputs("qwatch: no netlink socket\n", stderr);
		return 1;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	begin_ns = monotonic_ns();
	while (!stop) {
		struct sample s = { 0 };

		if (read_queue(sock, ifindex, &s) < 0) {
			fputs("qwatch: the qdiscs cannot be read\n", stderr);
			return 1;
		}
		printf("%.6f %llu %llu %llu %llu\n", (monotonic_ns() - begin_ns) / 1e9,
		       (unsigned long long)s.backlog, (unsigned long long)s.bytes,
		       (unsigned long long)s.packets,
		       (unsigned long long)(s.children ? s.child_drops : s.root_drops));
		poll(NULL, 0, interval_ms);
	}
	nl_socket_free(sock);
	return fflush(stdout) ? 1 : 0;
}
