// SPDX-License-Identifier: GPL-2.0
/*
 * Numbered UDP packets with a chosen TOS byte, and a receiver that says what became of them.
 *
 *	ecn_udp send ADDRESS PORT COUNT PAYLOAD TOS [SEGMENTS]
 *		SEGMENTS > 1 sends that many packets in one GSO buffer.
 *	ecn_udp recv PORT COUNT
 *		Prints "ready", then, after COUNT packets or SIGTERM, one line
 *		packets=N ce=N first_ce=SEQUENCE reordered=N bytes=N
 *		(first_ce -1: none; reordered: sequence lower than one before).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define BUFFER (16 << 20)

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static int fail(const char *what)
{
	fprintf(stderr, "ecn_udp: %s: %s\n", what, strerror(errno));
	return 1;
}

/* IPv6 sockets serve both families; an IPv4 address is mapped. */
static int parse_address(const char *text, const char *port, struct sockaddr_in6 *to)
{
	char mapped[64];

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	*to = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
	return inet_pton(AF_INET6, mapped, &to->sin6_addr) == 1 ? 0 : -1;
}

static int send_all(char *argv[], int segments)
{
	unsigned long count = strtoul(argv[4], NULL, 0);
	int payload = atoi(argv[5]), tos = strtol(argv[6], NULL, 0), size = BUFFER;
	struct sockaddr_in6 to;
	static char buf[65536];
	uint32_t seq = 0;
	int fd;

	if (parse_address(argv[2], argv[3], &to) || payload < 4 ||
	    (size_t)payload * segments > sizeof(buf)) {
		errno = EINVAL;
		return fail(argv[2]);
	}
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos)) ||
	    (segments > 1 &&
	     setsockopt(fd, SOL_UDP, UDP_SEGMENT, &payload, sizeof(payload))))
		return fail("socket");
	while (seq < count) {
		for (int i = 0; i < segments; i++) {
			uint32_t net = htonl(seq++);

			memcpy(buf + i * payload, &net, sizeof(net));
		}
		/*
		 * Not connected, so that a port nobody listens on is no error. A dropped packet may
		 * be reported as ENOBUFS; drops are what is tested.
		 */
		if (sendto(fd, buf, payload * segments, 0, (struct sockaddr *)&to, sizeof(to)) < 0 &&
		    errno != ENOBUFS)
			return fail("send");
	}
	return 0;
}

static int receive(char *argv[])
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(argv[2])) };
	struct sigaction sa = { .sa_handler = on_term };
	struct timeval poll_stop = { .tv_usec = 100000 };
	long count = atol(argv[3]), packets = 0, ce = 0, reordered = 0, bytes = 0;
	int64_t first_ce = -1, last = -1;
	int on = 1, size = BUFFER, fd;

	sigaction(SIGTERM, &sa, NULL);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &poll_stop, sizeof(poll_stop)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)))
		return fail("socket");
	puts("ready");
	fflush(stdout);
	while (packets < count) {
		char buf[2048], control[128];
		struct iovec iov = { buf, sizeof(buf) };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				    .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &m, 0);
		uint32_t net;
		int tos = 0;

		/* A stop lets in what has arrived already. */
		if (n < 0 && errno == EAGAIN && stop)
			break;
		if (n < 4)
			continue;
		memcpy(&net, buf, sizeof(net));
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
				tos = *(unsigned char *)CMSG_DATA(c);
			else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
				memcpy(&tos, CMSG_DATA(c), sizeof(tos));
		}
		packets++;
		bytes += n;
		if ((tos & 3) == 3) {
			ce++;
			if (first_ce < 0)
				first_ce = ntohl(net);
		}
		reordered += ntohl(net) < last;
		last = ntohl(net);
	}
	printf("packets=%ld ce=%ld first_ce=%lld reordered=%ld bytes=%ld\n", packets, ce,
	       (long long)first_ce, reordered, bytes);
	return 0;
}

int main(int argc, char *argv[])
{
	if (argc == 4 && !strcmp(argv[1], "recv"))
		return receive(argv);
	if ((argc == 7 || argc == 8) && !strcmp(argv[1], "send"))
		return send_all(argv, argc == 8 ? atoi(argv[7]) : 1);
	fprintf(stderr, "usage: ecn_udp send ADDRESS PORT COUNT PAYLOAD TOS [SEGMENTS]"
			" | recv PORT COUNT\n");
	return 2;
}
