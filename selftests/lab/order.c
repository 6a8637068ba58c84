// SPDX-License-Identifier: GPL-2.0
/*
 * Does steering keep the order of flows? Three parts of one experiment:
 *
 *   order recv PORT                         counts, per flow, packets that come after a later one;
 *                                           reports on SIGTERM
 *   order send ADDR PORT FLOWS PACKETS [BURST]  numbered UDP packets, the flows in turn;
 *                                           a pause of 200 us after each BURST packets
 *   order move DEV RATE SECONDS [no-hold]   moves buckets that have traffic between the first
 *                                           two targets of DEV, RATE times a second, and
 *                                           reports how the hold took it
 *
 * Each prints one line of name=value pairs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/rng.h"
#include "lib/steer.h"

#define FLOWS_MAX	16384
#define BATCH		32
#define PAYLOAD		18

struct numbered {
	__u32 flow, number;	/* numbers begin with 1 */
	char rest[PAYLOAD - 8];
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static int fail(const char *what)
{
	fprintf(stderr, "order: %s: %s\n", what, strerror(errno));
	return 1;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void sleep_s(double s)
{
	struct timespec ts = { .tv_sec = s, .tv_nsec = (s - (long)s) * 1e9 };

	nanosleep(&ts, NULL);
}

/* --- recv ------------------------------------------------------------------- */

static int receive(int port)
{
	static __u32 highest[FLOWS_MAX];
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sigaction act = { .sa_handler = on_signal };
	unsigned long long packets = 0, reordered = 0;
	struct numbered in[BATCH];
	struct iovec iov[BATCH];
	struct mmsghdr msg[BATCH];
	int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 64 << 20, n;

	sigaction(SIGTERM, &act, NULL);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fail("bind");
	while (!stopped) {
		memset(msg, 0, sizeof(msg));
		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ &in[i], sizeof(in[i]) };
			msg[i].msg_hdr.msg_iov = &iov[i];
			msg[i].msg_hdr.msg_iovlen = 1;
		}
		n = recvmmsg(fd, msg, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++) {
			if (in[i].flow >= FLOWS_MAX)
				continue;
			packets++;
			if (in[i].number < highest[in[i].flow])
				reordered++;
			else
				highest[in[i].flow] = in[i].number;
		}
	}
	printf("received=%llu reordered=%llu\n", packets, reordered);
	return 0;
}

/* --- send ------------------------------------------------------------------- */

static int open_flow(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		return -1;
	return fd;
}

static int send_all(const char *addr, int port, unsigned int flows, unsigned long packets,
		    unsigned int burst)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	static int fd[FLOWS_MAX];
	struct numbered out = { 0 };
	unsigned long sent = 0;
	double begin;

	if (inet_pton(AF_INET, addr, &to.sin_addr) != 1 || !flows || flows > FLOWS_MAX)
		return fail("bad arguments");
	for (unsigned int i = 0; i < flows; i++) {
		fd[i] = open_flow(&to);
		if (fd[i] < 0)
			return fail("socket");
	}
	begin = seconds();
	for (unsigned long i = 0; i < packets; i++) {
		out.flow = i % flows;
		out.number = i / flows + 1;
		sent += send(fd[out.flow], &out, sizeof(out), 0) == sizeof(out);
		if (burst && i % burst == burst - 1)
			sleep_s(200e-6);
	}
	printf("sent=%lu seconds=%.3f\n", sent, seconds() - begin);
	return 0;
}

/* --- move ------------------------------------------------------------------- */

static int first_targets(const struct steer_snapshot *snap, int cpu[2])
{
	int n = 0;

	for (int i = 0; i < SLUICE_MAX_CPUS && n < 2; i++)
		if (snap->target[i])
			cpu[n++] = i;
	return n;
}

/* Buckets that had packets between two readings. */
static unsigned int busy_buckets(const struct steer_snapshot *a, const struct steer_snapshot *b,
				 unsigned int *list)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < SLUICE_BUCKETS; i++)
		if (b->bucket[i].packets != a->bucket[i].packets)
			list[n++] = i;
	return n;
}

static void report(const struct steer_snapshot *a, const struct steer_snapshot *b,
		   unsigned long asked)
{
	unsigned long long numbered = 0, reordered = 0, sent = 0, delivered = 0;

	for (int i = 0; i < SLUICE_MAX_CPUS; i++) {
		numbered += b->deliver[i].numbered - a->deliver[i].numbered;
		reordered += b->deliver[i].reordered - a->deliver[i].reordered;
		sent += b->cpu[i].packets - a->cpu[i].packets;
		delivered += b->deliver[i].packets - a->deliver[i].packets;
	}
	printf("asked=%lu begun=%llu completed=%llu by_gap=%llu busy=%llu cancelled=%llu "
	       "forced=%llu numbered=%llu overtaken=%llu sent=%llu delivered=%llu\n", asked,
	       b->stats.moves_begun - a->stats.moves_begun,
	       b->stats.moves_completed - a->stats.moves_completed,
	       b->stats.moves_by_gap - a->stats.moves_by_gap,
	       b->stats.moves_busy - a->stats.moves_busy,
	       b->stats.moves_cancelled - a->stats.moves_cancelled,
	       b->stats.moves_forced - a->stats.moves_forced, numbered, reordered, sent, delivered);
}

static int move(const char *dev, double rate, double duration, bool no_hold)
{
	static struct steer_snapshot first, before, now;
	static unsigned int list[SLUICE_BUCKETS];
	static bool other[SLUICE_BUCKETS];
	struct sluice_steer_config c = {
		.flags = SLUICE_STEER_F_ORDER | (no_hold ? SLUICE_STEER_F_NO_HOLD : 0),
	};
	unsigned int n = 0, generation = 1;
	unsigned long asked = 0;
	double begin, looked;
	struct steer *s;
	struct sl_err e;
	struct rng rng;
	int cpu[2], r;

	rng_seed(&rng, 1);
	r = steer_adopt(dev, &s, &e);
	if (!r)
		r = steer_set_config(s, &c, &e);
	if (!r)
		r = steer_read(s, &first, &e);
	if (r) {
		fprintf(stderr, "order: %s\n", e.text);
		return 1;
	}
	if (first_targets(&first, cpu) < 2) {
		fprintf(stderr, "order: %s has fewer than two targets\n", dev);
		return 1;
	}
	before = first;
	begin = looked = seconds();
	while (seconds() - begin < duration && !r) {
		if (!n || seconds() - looked > 0.1) {
			r = steer_lease_renew(s, 1000, generation, &e);
			if (!r)
				r = steer_read(s, &now, &e);
			n = busy_buckets(&before, &now, list);
			before = now;
			looked = seconds();
		}
		while (n && asked < rate * (seconds() - begin)) {
			unsigned int b = list[rng_below(&rng, n)];

			other[b] = !other[b];
			steer_bucket_set_learned(s, b, cpu[other[b]], ++generation);
			asked++;
		}
		sleep_s(1e-3);
	}
	/* What is pending ends by its gap; what is in a ring is delivered. */
	sleep_s(0.5);
	if (!r)
		r = steer_read(s, &now, &e);
	if (r)
		fprintf(stderr, "order: %s\n", e.text);
	else
		report(&first, &now, asked);
	steer_close(s);
	return r != 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "recv") && argc == 3)
		return receive(atoi(argv[2]));
	if (!strcmp(verb, "send") && (argc == 6 || argc == 7))
		return send_all(argv[2], atoi(argv[3]), atoi(argv[4]), atol(argv[5]),
				argc == 7 ? atoi(argv[6]) : 0);
	if (!strcmp(verb, "move") && (argc == 5 || argc == 6))
		return move(argv[2], atof(argv[3]), atof(argv[4]), argc == 6);
	fprintf(stderr, "usage: order recv PORT | send ADDR PORT FLOWS PACKETS [BURST] | "
		"move DEV RATE SECONDS [no-hold]\n");
	return 2;
}
