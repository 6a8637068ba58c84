// SPDX-License-Identifier: GPL-2.0
/*
 * Runs in the simulator, each in a process of its own, so that one that crashes or never ends is an
 * outcome and no end of the campaign. A child sends its record as a line through a pipe.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/runner.h"
#include "lab/sim_run.h"
#include "lib/clock.h"

#define JOBS_MAX	64
#define LIMIT_S		1800	/* of one run */
#define TICK_MS		200

struct child {
	struct attempt attempt;
	pid_t pid;
	int fd;
	char *line;
	size_t n, room;
};

static void __attribute__((noreturn)) be_child(const struct runner *r, const struct store_run *run,
						double chosen_k, int fd, pid_t parent)
{
	const char *why;
	const struct model *fitted = fits_find(r->fits, r->plan, run->policy, run->workload, &why);
	struct record rec;
	char *line = NULL;
	json_t *json;
	size_t n, at = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN);	/* the parent's to answer */
	if (getppid() != parent)
		_exit(1);
	record_init(&rec, run->id);
	if (why)
		record_fail(&rec, "%s", why);
	else
		sim_run_measure(r->plan, run, chosen_k, fitted, &rec);
	json = rec.no_memory ? NULL : record_json(&rec);
	if (json)
		line = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(12));
	n = line ? strlen(line) : 0;
	while (at < n) {
		const ssize_t w = write(fd, line + at, n - at);

		if (w <= 0)
			_exit(1);
		at += w;
	}
	_exit(line ? 0 : 1);
}

static int start(struct runner *r, const struct store_run *run, struct child *c, struct sl_err *e)
{
	const pid_t parent = getpid();
	double k = NAN;
	int error = 0, fd[2];

	if (r->plan->policy[run->policy].p.means == LAB_CHOICE)
		error = store_choice(r->store, run, &k, e);
	if (error < 0)
		return error;
	error = runner_begin(r, run, &c->attempt, e);
	if (error)
		return error;
	if (pipe(fd))
		return sl_err(e, -errno, "cannot make a pipe: %s", strerror(errno));
	c->pid = fork();
	if (!c->pid) {
		close(fd[0]);
		be_child(r, run, k, fd[1], parent);
	}
	close(fd[1]);
	c->fd = fd[0];
	if (c->pid < 0) {
		close(fd[0]);
		return sl_err(e, -errno, "cannot start a process: %s", strerror(errno));
	}
	return 0;
}

/* Takes what is there; 1: that was the end. */
static int receive(struct child *c)
{
	ssize_t n;

	if (c->room - c->n < 65536) {
		char *more = realloc(c->line, c->room + 262144);

		if (!more)
			return -ENOMEM;
		c->line = more;
		c->room += 262144;
	}
	n = read(c->fd, c->line + c->n, c->room - c->n);
	if (n > 0)
		c->n += n;
	return n <= 0;
}

/* The child has said all that it will. */
static int end(struct runner *r, struct child *c, const char *killed, struct sl_err *e)
{
	struct sl_err why = { "" };
	struct record rec;
	int status = 0, error;

	close(c->fd);
	if (killed)
		kill(c->pid, SIGKILL);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	record_init(&rec, c->attempt.run->id);
	if (killed) {
		record_fail(&rec, "%s", killed);
		if (*r->stop)
			rec.state = RECORD_INTERRUPTED;
	} else if (WIFSIGNALED(status)) {
		record_fail(&rec, "the simulation was ended by signal %d (%s)", WTERMSIG(status),
			    strsignal(WTERMSIG(status)));
	} else if (record_parse(c->line, c->n, &rec, &why)) {
		record_fail(&rec, "the simulation ended with status %d and no record: %.250s",
			    WEXITSTATUS(status), why.text);
	}
	free(c->line);
	error = runner_end(r, &c->attempt, &rec, e);
	record_free(&rec);
	*c = (struct child){ .fd = -1 };
	return error;
}

/* Waits until something comes, and ends what has ended. */
static int wait_for(struct runner *r, struct child *child, struct sl_err *e)
{
	struct pollfd p[JOBS_MAX];

	for (unsigned int i = 0; i < r->jobs; i++)
		p[i] = (struct pollfd){ .fd = child[i].attempt.run ? child[i].fd : -1,
					.events = POLLIN };
	poll(p, r->jobs, TICK_MS);
	for (unsigned int i = 0; i < r->jobs; i++) {
		struct child *c = &child[i];
		const char *killed = NULL;
		int over = 0;

		if (!c->attempt.run)
			continue;
		if (p[i].revents)
			over = receive(c);
		if (over < 0)
			return sl_err(e, over, "out of memory");
		if (*r->stop)
			killed = "the runner was told to stop";
		else if (monotonic_s() - c->attempt.monotonic_s > LIMIT_S)
			killed = "the simulation took more than half an hour";
		if (over || killed)
			over = end(r, c, over ? NULL : killed, e);
		if (over < 0)
			return over;
	}
	return 0;
}

static unsigned int busy(const struct runner *r, const struct child *child)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->jobs; i++)
		n += child[i].attempt.run != NULL;
	return n;
}

/* All pending runs of a block, once each. */
static int do_block(struct runner *r, const struct store_run *run, size_t n, struct sl_err *e)
{
	struct child child[JOBS_MAX] = { 0 };
	struct sl_err aside;
	size_t next = 0;
	int error = 0;

	while (!error && ((next < n && !*r->stop) || busy(r, child))) {
		for (unsigned int i = 0; !error && i < r->jobs && next < n && !*r->stop; i++)
			if (!child[i].attempt.run)
				error = start(r, &run[next++], &child[i], e);
		if (!error)
			error = wait_for(r, child, e);
	}
	/* After an error of the store: nobody is left behind. */
	for (unsigned int i = 0; i < r->jobs; i++)
		if (child[i].attempt.run && child[i].pid > 0)
			end(r, &child[i], "the runner failed", &aside);
	if (error)
		return error;
	return *r->stop ? -EINTR : 0;
}

int simulator_run(struct runner *r, struct sl_err *e)
{
	struct store_run *run;
	int error = 0;
	size_t n = 1;

	if (r->jobs > JOBS_MAX)
		r->jobs = JOBS_MAX;
	while (!error && n) {
		if (*r->stop)
			return -EINTR;
		error = store_next_block(r->store, NULL, 0, &run, &n, e);
		if (error)
			return error;
		error = do_block(r, run, n, e);
		free(run);
	}
	return error;
}
