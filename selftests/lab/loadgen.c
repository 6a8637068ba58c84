// SPDX-License-Identifier: GPL-2.0
/*
 * Replays a list of flow arrivals (see arrivals.c) over real TCP connections
 * and measures flow completion times.
 *
 * The load is open: every flow starts at its time whatever the others do. A
 * flow is a connection that carries an 8-byte length, that many bytes, and in
 * return one byte when the last of them has arrived. Its completion time runs
 * from the arrival in the list, so a sender that falls behind is not excused,
 * until that byte. "Elephants" are connections that send until the list ends.
 *
 * One process serves all senders: a socket belongs to the network namespace
 * its creator was in, so the process steps into the sender's namespace to
 * create it.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#define ENDLESS UINT64_MAX
#define HEADER sizeof(uint64_t)
#define CHUNK 65536
#define MAX_SENDERS 64

enum flow_state { FLOW_WAITING, FLOW_OPEN, FLOW_DONE, FLOW_FAILED, FLOW_STOPPED };

struct flow {
	uint64_t start_ns;	/* relative to the start of the run */
	uint64_t size;		/* payload bytes, ENDLESS for an elephant */
	uint64_t sent;		/* header and payload */
	uint64_t fct_ns;
	uint32_t sender;
	int fd;
	enum flow_state state;
};

/* Size classes of the report: a flow belongs to the first that it fits in. */
static const struct {
	const char *name;
	uint64_t up_to;
} classes[] = {
	{ "small", 10000 },
	{ "medium", 100000 },
	{ "large", UINT64_MAX },
	{ "all", UINT64_MAX },
};
#define N_CLASSES (sizeof(classes) / sizeof(classes[0]))
#define CLASS_ALL (N_CLASSES - 1)

static struct {
	/* options */
	struct sockaddr_in to;
	const char *cc, *times;
	int netns[MAX_SENDERS];
	unsigned int n_netns;
	unsigned int elephants;
	double drain_s;
	bool progress;
	/* run */
	struct flow *flows;	/* elephants first, then the list in order of time */
	size_t n;
	uint64_t duration_ns;
	int epoll, in_netns;
	unsigned int open;
	/* results */
	uint64_t failed, acked_bytes, elephant_bytes, late_ns;
	uint64_t delivered_packets, ce_packets, retransmits;
} run;

static char chunk[CHUNK];

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list ap;

	fputs("loadgen: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void set_cc(int fd, const char *cc)
{
	if (cc && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, cc, (socklen_t)strlen(cc)))
		die("congestion control %s: %s; load its module and list it in "
		    "net.ipv4.tcp_allowed_congestion_control", cc, strerror(errno));
}

static double number(const char *text, double low, double high, const char *option)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= low && v <= high))
		die("--%s '%s' is not a number from %g to %g", option, text, low, high);
	return v;
}

static void many_files(void)
{
	struct rlimit l;

	if (!getrlimit(RLIMIT_NOFILE, &l)) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static void watch(int epoll, int fd, int op, uint32_t events, void *data)
{
	struct epoll_event ev = { .events = events, .data.ptr = data };

	if (epoll_ctl(epoll, op, fd, &ev))
		die("epoll: %s", strerror(errno));
}

/* --- receiver ------------------------------------------------------------ */

struct peer {
	uint64_t got;		/* bytes, header included */
	uint64_t header;	/* network order, as it arrives */
	int fd;
};

static void peer_close(struct peer *p)
{
	close(p->fd);
	free(p);
}

static void peer_read(struct peer *p)
{
	for (;;) {
		bool in_header = p->got < HEADER;
		ssize_t r = in_header ?
			recv(p->fd, (char *)&p->header + p->got, HEADER - p->got, 0) :
			recv(p->fd, chunk, sizeof(chunk), 0);

		if (r < 0 && errno == EAGAIN)
			return;
		if (r <= 0)
			break;
		p->got += (uint64_t)r;
		if (p->got >= HEADER && be64toh(p->header) != ENDLESS &&
		    p->got - HEADER >= be64toh(p->header)) {
			/* If that fails the sender sees the connection end without it. */
			(void)!send(p->fd, "", 1, MSG_NOSIGNAL);
			break;
		}
	}
	peer_close(p);
}

static void accept_all(int listener, int epoll)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct peer *p;

		if (fd < 0)
			return;
		p = calloc(1, sizeof(*p));
		if (!p) {
			close(fd);
			continue;
		}
		p->fd = fd;
		watch(epoll, fd, EPOLL_CTL_ADD, EPOLLIN, p);
	}
}

static int serve(uint16_t port, const char *cc)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1, epoll, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (listener < 0 || epoll < 0)
		die("socket: %s", strerror(errno));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Inherited by what is accepted. DCTCP's receiver answers CE in its own way. */
	set_cc(listener, cc);
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 4096))
		die("port %u: %s", port, strerror(errno));
	watch(epoll, listener, EPOLL_CTL_ADD, EPOLLIN, NULL);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct epoll_event ev[64];
		int i, n = epoll_wait(epoll, ev, 64, -1);

		for (i = 0; i < n; i++) {
			if (ev[i].data.ptr)
				peer_read(ev[i].data.ptr);
			else
				accept_all(listener, epoll);
		}
	}
}

/* --- sender -------------------------------------------------------------- */

/* Payload that the other side acknowledged. */
static uint64_t flow_info(struct flow *f, bool last)
{
	struct tcp_info t = { 0 };
	socklen_t size = sizeof(t);

	if (getsockopt(f->fd, IPPROTO_TCP, TCP_INFO, &t, &size))
		return 0;
	if (last) {
		run.delivered_packets += t.tcpi_delivered;
		run.ce_packets += t.tcpi_delivered_ce;
		run.retransmits += t.tcpi_total_retrans;
	}
	return t.tcpi_bytes_acked > HEADER ? t.tcpi_bytes_acked - HEADER : 0;
}

/* A flow that is not done is aborted: what its socket still holds would go on into the next run. */
static void flow_end(struct flow *f, enum flow_state state)
{
	const struct linger abort_it = { .l_onoff = 1 };

	flow_info(f, true);
	if (state != FLOW_DONE)
		setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
	f->state = state;
	run.failed += state == FLOW_FAILED;
	run.open--;
	close(f->fd);
	f->fd = -1;
}

static void flow_start(struct flow *f)
{
	int ns = run.n_netns ? run.netns[f->sender % run.n_netns] : -1;

	if (ns >= 0 && ns != run.in_netns) {
		if (setns(ns, CLONE_NEWNET))
			die("cannot enter a sender's network namespace: %s", strerror(errno));
		run.in_netns = ns;
	}
	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->fd < 0) {
		f->state = FLOW_FAILED;
		run.failed++;
		return;
	}
	set_cc(f->fd, run.cc);
	f->state = FLOW_OPEN;
	run.open++;
	if (connect(f->fd, (struct sockaddr *)&run.to, sizeof(run.to)) && errno != EINPROGRESS) {
		flow_end(f, FLOW_FAILED);
		return;
	}
	watch(run.epoll, f->fd, EPOLL_CTL_ADD, EPOLLOUT, f);
}

static void flow_write(struct flow *f)
{
	uint64_t total = f->size == ENDLESS ? ENDLESS : f->size + HEADER;
	int turns = 16;	/* then it is the others' turn */

	while (f->sent < total) {
		uint64_t header = htobe64(f->size), left = total - f->sent;
		bool in_header = f->sent < HEADER;
		ssize_t r = in_header ?
			send(f->fd, (char *)&header + f->sent, HEADER - f->sent,
			     MSG_NOSIGNAL | MSG_MORE) :
			send(f->fd, chunk, left < CHUNK ? left : CHUNK, MSG_NOSIGNAL);

		if (r < 0 && errno == EAGAIN)
			return;
		if (r < 0) {
			flow_end(f, FLOW_FAILED);
			return;
		}
		f->sent += (uint64_t)r;
		if (!--turns)
			return;
	}
	watch(run.epoll, f->fd, EPOLL_CTL_MOD, EPOLLIN, f);
}

static void flow_event(struct flow *f, uint32_t events, uint64_t t_ns)
{
	char byte;
	ssize_t r;

	if (!(events & EPOLLIN)) {
		flow_write(f);
		return;
	}
	r = recv(f->fd, &byte, 1, 0);
	if (r == 1) {
		f->fct_ns = t_ns - f->start_ns;
		flow_end(f, FLOW_DONE);
	} else if (r == 0 || errno != EAGAIN) {
		flow_end(f, FLOW_FAILED);
	}
}

/* At the end of the list: what was delivered until now is the goodput; elephants stop. */
static void list_ended(void)
{
	size_t i;

	for (i = 0; i < run.n; i++) {
		struct flow *f = &run.flows[i];

		if (f->state == FLOW_DONE) {
			run.acked_bytes += f->size;
		} else if (f->state == FLOW_OPEN) {
			uint64_t acked = flow_info(f, false);

			run.acked_bytes += acked;
			if (f->size == ENDLESS) {
				run.elephant_bytes += acked;
				flow_end(f, FLOW_STOPPED);
			}
		}
	}
}

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* SIGTERM: the list ends now, and is reported so far. */
static void replay(void)
{
	uint64_t begin_ns, progress_ns = 0, t_ns = 0;
	bool ended = false;
	size_t next = 0;
	int timer;

	run.epoll = epoll_create1(EPOLL_CLOEXEC);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (run.epoll < 0 || timer < 0)
		die("epoll, timerfd: %s", strerror(errno));
	watch(run.epoll, timer, EPOLL_CTL_ADD, EPOLLIN, NULL);
	begin_ns = now_ns();

	while (!ended || (run.open && t_ns < run.duration_ns + (uint64_t)(run.drain_s * 1e9))) {
		uint64_t wake_ns = run.duration_ns;
		struct epoll_event ev[64];
		int i, n;

		t_ns = now_ns() - begin_ns;
		if (stop && t_ns < run.duration_ns) {
			run.duration_ns = t_ns;
			run.drain_s = 0;
			next = run.n;
		}
		while (next < run.n && run.flows[next].start_ns <= t_ns) {
			run.late_ns += t_ns - run.flows[next].start_ns;
			flow_start(&run.flows[next++]);
		}
		if (!ended && t_ns >= run.duration_ns) {
			list_ended();
			ended = true;
			continue;
		}
		if (run.progress && t_ns >= progress_ns) {
			fprintf(stderr, "  %3.0f s of %.0f: %zu flows started, %u open\n", t_ns / 1e9,
				run.duration_ns / 1e9, next - run.elephants, run.open);
			progress_ns += 5000000000;
		}
		if (next < run.n && run.flows[next].start_ns < wake_ns)
			wake_ns = run.flows[next].start_ns;
		if (!ended) {
			struct itimerspec at = { 0 };

			at.it_value.tv_sec = (time_t)((begin_ns + wake_ns) / 1000000000);
			at.it_value.tv_nsec = (long)((begin_ns + wake_ns) % 1000000000);
			timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
		}
		n = epoll_wait(run.epoll, ev, 64, 200);
		t_ns = now_ns() - begin_ns;
		for (i = 0; i < n; i++) {
			uint64_t ticks;

			if (ev[i].data.ptr)
				flow_event(ev[i].data.ptr, ev[i].events, t_ns);
			else
				(void)!read(timer, &ticks, sizeof(ticks));
		}
	}
	for (size_t i = 0; i < run.n; i++)
		if (run.flows[i].state == FLOW_OPEN)
			flow_end(&run.flows[i], FLOW_STOPPED);
}

/* --- the list and the report --------------------------------------------- */

static void read_plan(const char *path)
{
	FILE *f = fopen(path, "re");
	uint64_t us, bytes, duration_us = 0;
	size_t room = 0, i;
	uint32_t sender;
	char line[512];

	if (!f)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (run.n == room) {
			room = room ? 2 * room : 1024 + run.elephants;
			run.flows = reallocarray(run.flows, room, sizeof(*run.flows));
			if (!run.flows)
				die("out of memory");
			for (; run.n < run.elephants; run.n++)
				run.flows[run.n] = (struct flow){ .size = ENDLESS, .fd = -1,
								  .sender = (uint32_t)run.n };
		}
		if (line[0] == '#') {
			sscanf(line, "# duration_us=%" SCNu64, &duration_us);
			continue;
		}
		if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu32, &us, &bytes, &sender) != 3)
			die("%s: not 'time_us bytes sender': %s", path, line);
		run.flows[run.n++] = (struct flow){ .start_ns = us * 1000, .size = bytes,
						    .sender = sender, .fd = -1 };
	}
	fclose(f);
	for (i = run.elephants + 1; i < run.n; i++)
		if (run.flows[i].start_ns < run.flows[i - 1].start_ns)
			die("%s: arrivals are not in order of time", path);
	if (!duration_us)
		die("%s: no 'duration_us' in the first line", path);
	run.duration_ns = duration_us * 1000;
}

static int compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

/* The smallest value that a share q of all does not exceed. */
static double quantile(const double *sorted, size_t n, double q)
{
	size_t i = (size_t)(q * (double)n);

	return sorted[i < n ? i : n - 1];
}

static json_t *report_class(unsigned int class)
{
	double *fct_us = calloc(run.n + 1, sizeof(*fct_us)), sum = 0;
	size_t i, n = 0, unfinished = 0;
	json_t *j;

	if (!fct_us)
		die("out of memory");
	for (i = run.elephants; i < run.n; i++) {
		const struct flow *f = &run.flows[i];
		unsigned int own = 0;

		while (f->size > classes[own].up_to)
			own++;
		if (class != CLASS_ALL && class != own)
			continue;
		if (f->state != FLOW_DONE) {
			unfinished++;
			continue;
		}
		fct_us[n] = (double)f->fct_ns / 1e3;
		sum += fct_us[n++];
	}
	qsort(fct_us, n, sizeof(*fct_us), compare);
	j = json_pack("{s:I, s:I}", "count", (json_int_t)n, "unfinished", (json_int_t)unfinished);
	if (n) {
		json_object_set_new(j, "mean_us", json_real(sum / (double)n));
		json_object_set_new(j, "p50_us", json_real(quantile(fct_us, n, 0.50)));
		json_object_set_new(j, "p95_us", json_real(quantile(fct_us, n, 0.95)));
		json_object_set_new(j, "p99_us", json_real(quantile(fct_us, n, 0.99)));
		json_object_set_new(j, "max_us", json_real(fct_us[n - 1]));
	}
	free(fct_us);
	return j;
}

static void report(void)
{
	double seconds = (double)run.duration_ns / 1e9;
	json_t *fct = json_object(), *j;
	unsigned int i;

	for (i = 0; i < N_CLASSES; i++)
		json_object_set_new(fct, classes[i].name, report_class(i));
	j = json_pack("{s:s, s:f, s:I, s:I, s:f, s:f, s:I, s:f, s:I, s:I, s:I, s:o}",
		      "cc", run.cc ? run.cc : "default", "duration_s", seconds,
		      "flows", (json_int_t)(run.n - run.elephants), "failed", (json_int_t)run.failed,
		      "late_mean_us", run.n ? (double)run.late_ns / 1e3 / (double)run.n : 0,
		      "goodput_bps", (double)run.acked_bytes * 8 / seconds,
		      "elephants", (json_int_t)run.elephants,
		      "elephant_goodput_bps", (double)run.elephant_bytes * 8 / seconds,
		      "delivered_packets", (json_int_t)run.delivered_packets,
		      "ce_packets", (json_int_t)run.ce_packets,
		      "retransmits", (json_int_t)run.retransmits, "fct", fct);
	if (!j || json_dumpf(j, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(7)))
		die("cannot write the report");
	putchar('\n');
	json_decref(j);
}

/* A line per flow of the list, in its order: when, bytes, and the time it took, 0 if it did not finish. */
static void write_times(void)
{
	FILE *f = fopen(run.times, "we");
	size_t i;

	for (i = run.elephants; f && i < run.n; i++)
		fprintf(f, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", run.flows[i].start_ns,
			run.flows[i].size, run.flows[i].fct_ns);
	if (!f || fclose(f))
		die("%s: %s", run.times, strerror(errno));
}

static void usage(FILE *f)
{
	fputs("usage: loadgen serve --port P [--cc NAME]\n"
	      "       loadgen send --plan FILE --to ADDRESS --port P [--cc NAME] [--netns NAME]...\n"
	      "                    [--elephants K] [--drain S] [--times FILE] [--progress]\n"
	      "serve prints 'ready' and runs until it is killed. send replays the list that\n"
	      "'arrivals' drew and prints a report in JSON. Sender i of the list is the i-th\n"
	      "--netns (modulo their number); after the list, open flows get S seconds (5).\n"
	      "Size classes: small <= 10 KB, medium <= 100 KB, large.\n", f);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "to", required_argument, NULL, 't' },
		{ "plan", required_argument, NULL, 'f' },
		{ "cc", required_argument, NULL, 'c' },
		{ "netns", required_argument, NULL, 'n' },
		{ "elephants", required_argument, NULL, 'e' },
		{ "drain", required_argument, NULL, 'd' },
		{ "times", required_argument, NULL, 'o' },
		{ "progress", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *plan = NULL, *verb = argc > 1 ? argv[1] : "";
	uint16_t port = 0;
	char path[256];
	int c;

	run.drain_s = 5;
	run.in_netns = -1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			port = (uint16_t)number(optarg, 1, 65535, "port");
			break;
		case 't':
			run.to.sin_family = AF_INET;
			if (inet_pton(AF_INET, optarg, &run.to.sin_addr) != 1)
				die("--to '%s' is not an IPv4 address", optarg);
			break;
		case 'f':
			plan = optarg;
			break;
		case 'c':
			run.cc = optarg;
			break;
		case 'n':
			if (run.n_netns == MAX_SENDERS)
				die("more than %d --netns", MAX_SENDERS);
			snprintf(path, sizeof(path), "/run/netns/%s", optarg);
			run.netns[run.n_netns] = open(path, O_RDONLY | O_CLOEXEC);
			if (run.netns[run.n_netns++] < 0)
				die("%s: %s", path, strerror(errno));
			break;
		case 'e':
			run.elephants = (unsigned int)number(optarg, 0, 1000, "elephants");
			break;
		case 'd':
			run.drain_s = number(optarg, 0, 3600, "drain");
			break;
		case 'o':
			run.times = optarg;
			break;
		case 'v':
			run.progress = true;
			break;
		default:
			usage(c == 'h' ? stdout : stderr);
			return c != 'h';
		}
	}
	many_files();
	if (!strcmp(verb, "serve") && port)
		return serve(port, run.cc);
	if (strcmp(verb, "send") || !port || !plan || !run.to.sin_family) {
		usage(stderr);
		return 1;
	}
	run.to.sin_port = htons(port);
	read_plan(plan);
	signal(SIGTERM, on_signal);
	replay();
	if (run.times)
		write_times();
	report();
	return 0;
}
