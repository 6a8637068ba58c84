// SPDX-License-Identifier: GPL-2.0
/*
 * Requests and their answers, by UDP: what a small packet waits for beside other traffic.
 *
 *	rr serve PORT				answers what comes; prints 'ready'
 *	rr send ADDRESS PORT RATE SECONDS FLOWS	so many requests a second, the flows in turn
 *
 * The load is open: a request leaves at its time, whether the one before it was answered or not, and
 * its answer's time counts from when it should have left. A flow's requests are numbered, so that an answer
 * which overtook another is seen. send prints one object of JSON; times are in microseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define FLOWS_MAX	64
#define REQUESTS_MAX	1000000
#define PATIENCE_S	0.5	/* for answers that are still to come at the end */

struct request {
	uint32_t number;	/* of all, from 0 */
	char rest[60];
};

static struct {
	struct pollfd fd[FLOWS_MAX];
	int64_t highest[FLOWS_MAX];	/* number that was answered; -1: none */
	double *time_us;		/* by request; NAN: not answered */
	double begin_s, rate;
	unsigned int flows, requests, sent, answered, reordered;
} run;

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "rr: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int serve(int port)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(port) }, from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct request q;

	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)))
		die("bind");
	puts("ready");
	fflush(stdout);
	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, &q, sizeof(q), 0, (struct sockaddr *)&from, &size);

		if (n > 0)
			(void)!sendto(fd, &q, (size_t)n, 0, (struct sockaddr *)&from, size);
	}
}

static void take_answers(unsigned int flow)
{
	struct request q;

	while (recv(run.fd[flow].fd, &q, sizeof(q), MSG_DONTWAIT) == sizeof(q)) {
		if (q.number >= run.requests || !isnan(run.time_us[q.number]))
			continue;
		run.time_us[q.number] = (seconds(CLOCK_MONOTONIC) - run.begin_s - q.number / run.rate) * 1e6;
		run.answered++;
		if (q.number < run.highest[flow])
			run.reordered++;
		else
			run.highest[flow] = q.number;
	}
}

/* Until then, or until something came. */
static void wait_until(double at_s)
{
	const double left = fmax(at_s - (seconds(CLOCK_MONOTONIC) - run.begin_s), 0);
	const struct timespec t = { .tv_sec = left, .tv_nsec = (left - floor(left)) * 1e9 };

	if (ppoll(run.fd, run.flows, &t, NULL) <= 0)
		return;
	for (unsigned int i = 0; i < run.flows; i++)
		if (run.fd[i].revents)
			take_answers(i);
}

static void send_all(void)
{
	struct request q = { .number = 0 };
	double now;

	run.begin_s = seconds(CLOCK_MONOTONIC);
	for (now = 0; q.number < run.requests; now = seconds(CLOCK_MONOTONIC) - run.begin_s) {
		if (now < q.number / run.rate) {
			wait_until(q.number / run.rate);
			continue;
		}
		run.sent += send(run.fd[q.number % run.flows].fd, &q, sizeof(q), MSG_DONTWAIT) == sizeof(q);
		q.number++;
	}
	while (now < run.requests / run.rate + PATIENCE_S && run.answered < run.sent) {
		wait_until(run.requests / run.rate + PATIENCE_S);
		now = seconds(CLOCK_MONOTONIC) - run.begin_s;
	}
}

static int compare(const void *a, const void *b)
{
	const double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

static void report(void)
{
	double sum = 0;
	unsigned int n = 0;

	for (unsigned int i = 0; i < run.requests; i++) {
		if (isnan(run.time_us[i]))
			continue;
		sum += run.time_us[i];
		run.time_us[n++] = run.time_us[i];
	}
	qsort(run.time_us, n, sizeof(*run.time_us), compare);
	printf("{\"sent\": %u, \"answered\": %u, \"reordered\": %u, \"cpu_s\": %.6f", run.sent, n,
	       run.reordered, seconds(CLOCK_PROCESS_CPUTIME_ID));
	if (n)
		printf(", \"mean_us\": %.2f, \"p50_us\": %.2f, \"p99_us\": %.2f", sum / n,
		       run.time_us[(unsigned int)(0.5 * n)], run.time_us[(unsigned int)(0.99 * n)]);
	puts("}");
}

static double number(const char *text, double low, double high)
{
	char *end;
	const double v = strtod(text, &end);

	if (end != text && !*end && v >= low && v <= high)
		return v;
	fprintf(stderr, "rr: '%s' is no number of %g..%g\n", text, low, high);
	exit(2);
}

static int send_requests(char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(number(argv[1], 1, 65535)) };

	run.rate = number(argv[2], 1, 1e6);
	run.requests = fmin(run.rate * number(argv[3], 0.01, 3600), REQUESTS_MAX);
	run.flows = number(argv[4], 1, FLOWS_MAX);
	run.time_us = calloc(run.requests + 1, sizeof(*run.time_us));
	if (!run.time_us || inet_pton(AF_INET, argv[0], &to.sin_addr) != 1)
		die(argv[0]);
	for (unsigned int i = 0; i < run.requests; i++)
		run.time_us[i] = NAN;
	for (unsigned int i = 0; i < run.flows; i++) {
		run.highest[i] = -1;
		run.fd[i] = (struct pollfd){ .fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN };
		if (run.fd[i].fd < 0 || connect(run.fd[i].fd, (struct sockaddr *)&to, sizeof(to)))
			die("socket");
	}
	send_all();
	report();
	return fflush(stdout) ? 1 : 0;
}

int main(int argc, char *argv[])
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(number(argv[2], 1, 65535));
	if (argc == 7 && !strcmp(argv[1], "send"))
		return send_requests(argv + 2);
	fputs("usage: rr serve PORT | send ADDRESS PORT RATE SECONDS FLOWS\n", stderr);
	return 2;
}
