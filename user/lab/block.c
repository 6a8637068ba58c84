// SPDX-License-Identifier: GPL-2.0
#include "lab/block.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/arrivals.h"

#define BLOCKS		"build/lab"
#define LINE_BYTES	(4 << 20)
#define TICK_MS		200

/* --- its directory ------------------------------------------------------------------------- */

static int write_order(const struct block *b, struct sl_err *e)
{
	char path[PATH_MAX + 64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/order", b->dir);
	f = fopen(path, "we");
	for (size_t i = 0; f && i < b->n; i++)
		fprintf(f, "%lld\n", (long long)b->run[i].id);
	return !f || fclose(f) ? sl_err(e, -errno, "cannot write %s: %s", path, strerror(errno)) : 0;
}

static int make_dir(struct block *b, struct sl_err *e)
{
	char cwd[PATH_MAX];

	if (!getcwd(cwd, sizeof(cwd) - 64))
		return sl_err(e, -errno, "the current directory cannot be told: %s", strerror(errno));
	mkdir("build", 0755);
	mkdir(BLOCKS, 0755);
	snprintf(b->dir, sizeof(b->dir), "%.*s/" BLOCKS "/block.%d.XXXXXX", PATH_MAX - 64, cwd, getpid());
	if (!mkdtemp(b->dir)) {
		b->dir[0] = '\0';
		return sl_err(e, -errno, "cannot make a directory in " BLOCKS ": %s", strerror(errno));
	}
	return 0;
}

static void remove_dir(const char *path)
{
	const pid_t pid = fork();

	if (!pid) {
		execlp("rm", "rm", "-rf", "--", path, NULL);
		_exit(1);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* What runners have left that were killed. */
static void remove_orphans(void)
{
	DIR *d = opendir(BLOCKS);
	struct dirent *file;
	char path[sizeof(BLOCKS) + 1 + sizeof(file->d_name)];
	int owner;

	while (d && (file = readdir(d))) {
		if (sscanf(file->d_name, "block.%d.", &owner) != 1 || owner <= 0 || !kill(owner, 0) ||
		    errno != ESRCH)
			continue;
		snprintf(path, sizeof(path), BLOCKS "/%s", file->d_name);
		remove_dir(path);
	}
	if (d)
		closedir(d);
}

/* What the arrivals of a run's workload, configuration and trial are called, without the lists' names. */
static void block_arrivals_path(const struct block *b, const struct store_run *run, char *path, size_t size)
{
	snprintf(path, size, "%s/%u-%u-%u-%llu", b->dir, run->workload, run->configuration, run->trial,
		 (unsigned long long)run->seed);
}

int block_write_arrivals(const struct block *b, const struct store_run *run, struct sl_err *e)
{
	const struct plan *p = b->r->plan;
	const struct lab_configuration *c = &p->configuration[run->configuration];
	char path[PATH_MAX + 64], list[PATH_MAX + 80];

	block_arrivals_path(b, run, path, sizeof(path));
	snprintf(list, sizeof(list), "%s.%s", path, arrivals_list_name(ARRIVALS_DCTCP));
	if (!access(list, F_OK))
		return 0;
	return arrivals_write(&p->workload[run->workload].w, c->value[LAB_RATE] * 1e6,
			      c->value[LAB_SECONDS], run->seed, path, e);
}

int block_job(const struct block *b, const struct store_run *run, FILE **ret, struct sl_err *e)
{
	const struct objective *o = &b->r->plan->objective;
	const struct lab_configuration *c = &b->r->plan->configuration[run->configuration];
	char path[PATH_MAX + 64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%lld.job", b->dir, (long long)run->id);
	f = fopen(path, "we");
	if (!f)
		return sl_err(e, -errno, "cannot write %s: %s", path, strerror(errno));
	fprintf(f, "run=%lld\nseed=%llu\n", (long long)run->id, (unsigned long long)run->seed);
	for (int k = 0; k < LAB_KEYS; k++)
		if (lab_key_rows[k].words)
			fprintf(f, "%s=%s\n", lab_key_rows[k].name, lab_key_rows[k].words[(int)c->value[k]]);
		else
			fprintf(f, "%s=%.10g\n", lab_key_rows[k].name, c->value[k]);
	for (int i = 0; i < FLOW_CLASSES; i++)
		fprintf(f, "w_%s=%.10g\n", flow_class_name(i), o->class[i]);
	block_arrivals_path(b, run, path, sizeof(path));
	fprintf(f, "w_goodput=%.10g\narrivals=%s\n", o->goodput, path);
	*ret = f;
	return 0;
}

int block_job_end(FILE *f, const struct store_run *run, struct sl_err *e)
{
	return fclose(f) ? sl_err(e, -errno, "cannot write the job of run %lld: %s", (long long)run->id,
				  strerror(errno)) : 0;
}

static int write_files(struct block *b, struct sl_err *e)
{
	int error = make_dir(b, e);

	for (size_t i = 0; !error && i < b->n; i++)
		error = b->by->write_files(b, &b->run[i], e);
	return error ? error : write_order(b, e);
}

/* --- what the child says ------------------------------------------------------------------- */

static const struct store_run *find(const struct block *b, long long id)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->run[i].id == id)
			return &b->run[i];
	return NULL;
}

/* The end of what was said stays. */
static void keep_log(struct block *b, const char *line)
{
	size_t have = strlen(b->log), n = strlen(line);

	if (n > BLOCK_LOG_BYTES / 2)
		n = BLOCK_LOG_BYTES / 2;
	if (have + n + 2 > BLOCK_LOG_BYTES) {
		const size_t cut = have + n + 2 - BLOCK_LOG_BYTES;

		memmove(b->log, b->log + cut, have - cut + 1);
		have -= cut;
	}
	snprintf(b->log + have, BLOCK_LOG_BYTES - have, "%.*s\n", (int)n, line);
}

static int end_attempt(struct block *b, struct record *rec, struct sl_err *e)
{
	if (!rec->log && rec->state != RECORD_VALID && *b->log)
		rec->log = strdup(b->log);
	return runner_end(b->r, &b->attempt, rec, e);
}

/* The run under way has not said how it ended. */
static int lost(struct block *b, enum record_state state, const char *why, struct sl_err *e)
{
	struct record rec;
	int r;

	if (!b->attempt.run)
		return 0;
	record_init(&rec, b->attempt.run->id);
	record_fail(&rec, "%s", why);
	rec.state = state;
	r = end_attempt(b, &rec, e);
	record_free(&rec);
	return r;
}

static int take_line(struct block *b, char *line, struct sl_err *e)
{
	struct sl_err why = { "" };
	struct record rec;
	int r;

	line[strcspn(line, "\r")] = '\0';
	if (!strncmp(line, "BEGIN ", 6)) {
		const struct store_run *run = find(b, atoll(line + 6));

		r = lost(b, RECORD_FAILED, "the run ended without a record", e);
		if (r || !run)
			return r;
		b->log[0] = '\0';
		b->begun++;
		return runner_begin(b->r, run, &b->attempt, e);
	}
	if (strncmp(line, "RECORD ", 7)) {
		keep_log(b, line);
		return 0;
	}
	if (!b->attempt.run)
		return 0;
	r = record_parse(line + 7, strlen(line + 7), &rec, &why);
	if (!r && rec.run != b->attempt.run->id) {
		record_free(&rec);
		r = sl_err(&why, -EBADMSG, "it is of another run");
	}
	if (r)
		return lost(b, RECORD_FAILED, why.text, e);
	r = end_attempt(b, &rec, e);
	record_free(&rec);
	return r;
}

/* 1: it has said all. */
static int receive(struct block *b, struct sl_err *e)
{
	const ssize_t got = read(b->fd, b->line + b->used, LINE_BYTES - 1 - b->used);
	char *at = b->line, *end;
	int r = 0;

	if (got <= 0)
		return got < 0 && errno == EINTR ? 0 : 1;
	b->used += got;
	b->line[b->used] = '\0';
	while (!r && (end = strchr(at, '\n'))) {
		*end = '\0';
		r = take_line(b, at, e);
		at = end + 1;
	}
	b->used -= at - b->line;
	memmove(b->line, at, b->used);
	if (b->used == LINE_BYTES - 1)
		b->used = 0;	/* no line of ours is that long */
	return r;
}

/* --- the child ----------------------------------------------------------------------------- */

static void limit_text(const struct block *b, char *text, size_t size)
{
	double s = b->by->start_s;

	for (size_t i = 0; i < b->n; i++)
		s += b->r->plan->configuration[b->run[i].configuration].value[LAB_SECONDS] + b->by->extra_s;
	snprintf(text, size, "%.0f", ceil(s));
}

/*
 * A VM in virtual time is a thread and an event loop that wait for each other: together on one CPU they
 * are faster than apart.
 */
static void stay_on_cpu(unsigned int slot)
{
	cpu_set_t may, one;
	int n;

	if (sched_getaffinity(0, sizeof(may), &may) || (n = CPU_COUNT(&may)) < 1)
		return;
	slot %= n;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &may) || slot--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

static int start(struct block *b, struct sl_err *e)
{
	const char *words[BLOCK_WORDS] = { NULL };
	char limit[32];
	int fd[2];

	limit_text(b, limit, sizeof(limit));
	b->by->command(b, limit, words);
	if (pipe2(fd, O_CLOEXEC))
		return sl_err(e, -errno, "cannot make a pipe: %s", strerror(errno));
	b->pid = fork();
	if (!b->pid) {
		setpgid(0, 0);	/* an interrupt from the terminal is the runner's to answer */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (b->by->one_cpu)
			stay_on_cpu(b->slot);
		signal(SIGPIPE, SIG_DFL);
		dup2(fd[1], 1);
		dup2(fd[1], 2);
		execvp(words[0], (char *const *)words);
		_exit(127);
	}
	close(fd[1]);
	b->fd = fd[0];
	return b->pid < 0 ? sl_err(e, -errno, "cannot start %s: %s", b->by->who, strerror(errno)) : 0;
}

/* It has said all, or it is told to stop, or the runner has failed. */
static int end(struct block *b, int error, struct sl_err *e)
{
	int status = 0, r;
	char why[200];

	if (b->pid <= 0)
		return error;
	if (error || *b->r->stop)
		kill(b->pid, SIGTERM);	/* which ends what it has started, too */
	close(b->fd);
	while (waitpid(b->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (error)
		return error;
	if (*b->r->stop) {
		r = lost(b, RECORD_INTERRUPTED, "the runner was told to stop", e);
		return r ? r : -EINTR;
	}
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	snprintf(why, sizeof(why), "%s ended with status %d during the run (124: out of time; 125: it "
		 "failed, or its kernel complained)", b->by->who, status);
	r = lost(b, RECORD_FAILED, why, e);
	if (!r && !b->begun)
		r = sl_err(e, -EIO, "%s ended with status %d before its first run; it said: %.250s",
			   b->by->who, status, *b->log ? b->log : "nothing");
	return r;
}

/* --- several of them ------------------------------------------------------------------------ */

static void block_free(struct block *b)
{
	if (*b->dir)
		remove_dir(b->dir);
	free(b->run);
	free(b->line);
	free(b);
}

/* Of what is not under way; *ret stays NULL where there is nothing. */
static int start_next(struct runner *r, const struct block_executor *by, struct block *const *other,
		      unsigned int slot, struct block **ret, struct sl_err *e)
{
	unsigned int under_way[BLOCKS_AT_ONCE], blocks = 0;
	struct block *b = calloc(1, sizeof(*b));
	int error;

	if (b)
		b->line = malloc(LINE_BYTES);
	if (!b || !b->line) {
		free(b);
		return sl_err(e, -ENOMEM, "out of memory");
	}
	b->r = r;
	b->by = by;
	b->slot = slot;
	for (unsigned int i = 0; i < BLOCKS_AT_ONCE; i++)
		if (other[i])
			under_way[blocks++] = other[i]->run->block;
	error = store_next_block(r->store, under_way, blocks, &b->run, &b->n, e);
	if (!error && b->n)
		error = write_files(b, e);
	if (!error && b->n)
		error = start(b, e);
	if (error || !b->n)
		block_free(b);
	else
		*ret = b;
	return error;
}

/* Takes what they say, and ends those that have said all. */
static int listen_to(struct block **block, struct sl_err *e)
{
	struct pollfd p[BLOCKS_AT_ONCE];
	int error = 0;

	for (unsigned int i = 0; i < BLOCKS_AT_ONCE; i++)
		p[i] = (struct pollfd){ .fd = block[i] ? block[i]->fd : -1, .events = POLLIN };
	if (poll(p, BLOCKS_AT_ONCE, TICK_MS) <= 0)
		return 0;
	for (unsigned int i = 0; !error && i < BLOCKS_AT_ONCE; i++) {
		if (!block[i] || !p[i].revents)
			continue;
		error = receive(block[i], e);
		if (error <= 0)
			continue;
		error = end(block[i], 0, e);
		block_free(block[i]);
		block[i] = NULL;
	}
	return error;
}

/* Nobody is left behind, whatever happened. */
static int end_all(struct block **block, int error, struct sl_err *e)
{
	struct sl_err aside;

	for (unsigned int i = 0; i < BLOCKS_AT_ONCE; i++) {
		const int left = block[i] ? end(block[i], error, error ? &aside : e) : 0;

		error = error ? error : left;
		if (block[i])
			block_free(block[i]);
	}
	return error;
}

int blocks_run(struct runner *r, const struct block_executor *by, unsigned int at_once, struct sl_err *e)
{
	struct block *block[BLOCKS_AT_ONCE] = { NULL };
	unsigned int busy;
	int error = 0;

	if (access(by->script, X_OK))
		return sl_err(e, -ENOENT, "this executor is a part of the source tree: give the command in "
			      "its top directory, where %s is", by->script);
	if (at_once > BLOCKS_AT_ONCE)
		at_once = BLOCKS_AT_ONCE;
	remove_orphans();
	do {
		busy = 0;
		for (unsigned int i = 0; !error && i < at_once && !*r->stop; i++) {
			if (!block[i])
				error = start_next(r, by, block, i, &block[i], e);
			busy += block[i] != NULL;
		}
		if (!error && busy && !*r->stop)
			error = listen_to(block, e);
	} while (!error && busy && !*r->stop);
	error = end_all(block, error, e);
	return error ? error : *r->stop ? -EINTR : 0;
}
