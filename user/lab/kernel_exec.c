// SPDX-License-Identifier: GPL-2.0
/*
 * Runs in the kernel lab: a block is one boot of scripts/vm_run.sh, in which selftests/lab/block.sh does
 * its runs one after the other. What it is to do is in files of a directory that the VM shares: a job
 * by run ("key=value" lines that a shell can read), and lists of arrivals by workload,
 * configuration and trial, which all policies have in common. It answers by lines,
 *
 *	BEGIN RUN
 *	RECORD {...}
 *
 * and what else it prints is kept as the log. A VM that dies costs the run that was under way.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include "lab/runner.h"

#define BOOT_S		120	/* until the first run, on a loaded machine */
#define RUN_EXTRA_S	90	/* of a run beyond its seconds: daemon, drain, reading */
#define LOG_BYTES	4000
#define LINE_BYTES	(4 << 20)
#define TICK_MS		200
#define BLOCKS		"build/lab"
#define VMS_MAX		16

struct vm {
	struct runner *r;
	struct store_run *run;		/* its block's */
	size_t n;
	unsigned int slot;
	char dir[PATH_MAX];
	pid_t pid;
	int fd;
	struct attempt attempt;
	char *line;
	size_t used;
	char log[LOG_BYTES];		/* what it said last that was no record */
	unsigned int begun;
};

/* --- the job's files --------------------------------------------------------------------- */

static void write_phases(FILE *f, const struct workload *w)
{
	fprintf(f, "phase_s=%g\nrates='", w->phases > 1 ? w->phase_s : 0);
	for (unsigned int i = 0; i < w->phases; i++)
		fprintf(f, "%s%g", i ? " " : "", w->phase[i].rate);
	fprintf(f, "'\nrtts='");
	for (unsigned int i = 0; i < w->rtts; i++)
		fprintf(f, "%s%g", i ? " " : "", w->rtt_of[i]);
	fprintf(f, "'\nendless=%u\nlists='dctcp%s%s'\n", w->endless, w->ecn_cubic > 0 ? " cubic" : "",
		w->cubic > 0 ? " plain" : "");
}

static int write_job(const struct vm *v, const struct store_run *run, struct sl_err *e)
{
	static const char *const means[] = { "qdisc", "threshold", "model", "learn", "choice" };
	const struct plan *p = v->r->plan;
	const struct lab_configuration *c = &p->configuration[run->configuration];
	const struct lab_policy *q = &p->policy[run->policy].p;
	char path[PATH_MAX + 64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%lld.job", v->dir, (long long)run->id);
	f = fopen(path, "we");
	if (!f)
		return sl_err(e, -errno, "cannot write %s: %s", path, strerror(errno));
	fprintf(f, "run=%lld\nmeans=%s\nqdisc='%s'\nk_bytes=%.0f\nseed=%llu\n", (long long)run->id,
		means[q->means], q->qdisc, q->means == LAB_THRESHOLD ? q->number : 0,
		(unsigned long long)run->seed);
	for (int k = 0; k < LAB_KEYS; k++)
		if (lab_key_rows[k].words)
			fprintf(f, "%s=%s\n", lab_key_rows[k].name, lab_key_rows[k].words[(int)c->value[k]]);
		else
			fprintf(f, "%s=%.10g\n", lab_key_rows[k].name, c->value[k]);
	write_phases(f, &p->workload[run->workload].w);
	for (int i = 0; i < FLOW_CLASSES; i++)
		fprintf(f, "w_%s=%.10g\n", flow_class_name(i), p->objective.class[i]);
	fprintf(f, "w_goodput=%.10g\nseries=%u\narrivals=%s/%u-%u-%u-%llu\nmodel=%s/%u.model\n",
		p->objective.goodput, p->series, v->dir, run->workload, run->configuration, run->trial,
		(unsigned long long)run->seed, v->dir, run->policy);
	return fclose(f) ? sl_err(e, -errno, "cannot write %s: %s", path, strerror(errno)) : 0;
}

static int write_files(const struct vm *v, const struct store_run *run, struct sl_err *e)
{
	const struct plan *p = v->r->plan;
	const struct lab_configuration *c = &p->configuration[run->configuration];
	const struct lab_policy *q = &p->policy[run->policy].p;
	char path[PATH_MAX + 64], list[PATH_MAX + 80];
	int r = write_job(v, run, e);

	snprintf(path, sizeof(path), "%s/%u-%u-%u-%llu", v->dir, run->workload, run->configuration,
		 run->trial, (unsigned long long)run->seed);
	snprintf(list, sizeof(list), "%s.%s", path, arrivals_list_name(ARRIVALS_DCTCP));
	if (!r && access(list, F_OK))
		r = arrivals_write(&p->workload[run->workload].w, c->value[LAB_RATE] * 1e6,
				   c->value[LAB_SECONDS], run->seed, path, e);
	snprintf(path, sizeof(path), "%s/%u.model", v->dir, run->policy);
	if (!r && q->means == LAB_MODEL)
		r = model_write(&q->model, path, e);
	return r;
}

static int write_order(const struct vm *v, struct sl_err *e)
{
	char path[PATH_MAX + 64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/order", v->dir);
	f = fopen(path, "we");
	for (size_t i = 0; f && i < v->n; i++)
		fprintf(f, "%lld\n", (long long)v->run[i].id);
	return !f || fclose(f) ? sl_err(e, -errno, "cannot write %s: %s", path, strerror(errno)) : 0;
}

static int make_files(struct vm *v, struct sl_err *e)
{
	char cwd[PATH_MAX];
	int r = 0;

	if (access("scripts/vm_run.sh", X_OK) || access("selftests/lab/block.sh", X_OK))
		return sl_err(e, -ENOENT, "the kernel lab is a part of the source tree: give the command "
			      "in its top directory, where scripts/vm_run.sh is");
	if (!getcwd(cwd, sizeof(cwd) - 64))
		return sl_err(e, -errno, "the current directory cannot be told: %s", strerror(errno));
	mkdir("build", 0755);
	mkdir(BLOCKS, 0755);
	snprintf(v->dir, sizeof(v->dir), "%.*s/" BLOCKS "/block.%d.XXXXXX", PATH_MAX - 64, cwd, getpid());
	if (!mkdtemp(v->dir)) {
		v->dir[0] = '\0';
		return sl_err(e, -errno, "cannot make a directory in " BLOCKS ": %s", strerror(errno));
	}
	for (size_t i = 0; !r && i < v->n; i++)
		r = write_files(v, &v->run[i], e);
	return r ? r : write_order(v, e);
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

/* --- what it says -------------------------------------------------------------------------- */

static const struct store_run *find(const struct vm *v, long long id)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->run[i].id == id)
			return &v->run[i];
	return NULL;
}

/* The end of what was said stays. */
static void keep_log(struct vm *v, const char *line)
{
	size_t have = strlen(v->log), n = strlen(line);

	if (n > LOG_BYTES / 2)
		n = LOG_BYTES / 2;
	if (have + n + 2 > LOG_BYTES) {
		const size_t cut = have + n + 2 - LOG_BYTES;

		memmove(v->log, v->log + cut, have - cut + 1);
		have -= cut;
	}
	snprintf(v->log + have, LOG_BYTES - have, "%.*s\n", (int)n, line);
}

static int end_attempt(struct vm *v, struct record *rec, struct sl_err *e)
{
	if (!rec->log && rec->state != RECORD_VALID && *v->log)
		rec->log = strdup(v->log);
	return runner_end(v->r, &v->attempt, rec, e);
}

/* The run under way has not said how it ended. */
static int lost(struct vm *v, enum record_state state, const char *why, struct sl_err *e)
{
	struct record rec;
	int r;

	if (!v->attempt.run)
		return 0;
	record_init(&rec, v->attempt.run->id);
	record_fail(&rec, "%s", why);
	rec.state = state;
	r = end_attempt(v, &rec, e);
	record_free(&rec);
	return r;
}

static int take_line(struct vm *v, char *line, struct sl_err *e)
{
	struct sl_err why = { "" };
	struct record rec;
	int r;

	line[strcspn(line, "\r")] = '\0';
	if (!strncmp(line, "BEGIN ", 6)) {
		const struct store_run *run = find(v, atoll(line + 6));

		r = lost(v, RECORD_FAILED, "the run ended without a record", e);
		if (r || !run)
			return r;
		v->log[0] = '\0';
		v->begun++;
		return runner_begin(v->r, run, &v->attempt, e);
	}
	if (strncmp(line, "RECORD ", 7)) {
		keep_log(v, line);
		return 0;
	}
	if (!v->attempt.run)
		return 0;
	r = record_parse(line + 7, strlen(line + 7), &rec, &why);
	if (!r && rec.run != v->attempt.run->id) {
		record_free(&rec);
		r = sl_err(&why, -EBADMSG, "it is of another run");
	}
	if (r)
		return lost(v, RECORD_FAILED, why.text, e);
	r = end_attempt(v, &rec, e);
	record_free(&rec);
	return r;
}

/* 1: it has said all. */
static int receive(struct vm *v, struct sl_err *e)
{
	const ssize_t got = read(v->fd, v->line + v->used, LINE_BYTES - 1 - v->used);
	char *at = v->line, *end;
	int r = 0;

	if (got <= 0)
		return got < 0 && errno == EINTR ? 0 : 1;
	v->used += got;
	v->line[v->used] = '\0';
	while (!r && (end = strchr(at, '\n'))) {
		*end = '\0';
		r = take_line(v, at, e);
		at = end + 1;
	}
	v->used -= at - v->line;
	memmove(v->line, at, v->used);
	if (v->used == LINE_BYTES - 1)
		v->used = 0;	/* no line of ours is that long */
	return r;
}

/* --- the VM ---------------------------------------------------------------------------------- */

static double limit_s(const struct vm *v)
{
	double s = BOOT_S;

	for (size_t i = 0; i < v->n; i++)
		s += v->r->plan->configuration[v->run[i].configuration].value[LAB_SECONDS] + RUN_EXTRA_S;
	return s;
}

/*
 * A VM in virtual time is one thread and its event loop, which wait for each other: together on one
 * CPU they are faster than apart.
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

static int boot(struct vm *v, struct sl_err *e)
{
	char limit[32], *arguments[8];
	int fd[2], n = 0;

	snprintf(limit, sizeof(limit), "%.0f", ceil(limit_s(v)));
	arguments[n++] = "scripts/vm_run.sh";
	if (v->r->plan->virtual_time)
		arguments[n++] = "--virtual-time";
	arguments[n++] = "--timeout";
	arguments[n++] = limit;
	arguments[n++] = "--";
	arguments[n++] = "selftests/lab/block.sh";
	arguments[n++] = v->dir;
	arguments[n] = NULL;
	if (pipe2(fd, O_CLOEXEC))
		return sl_err(e, -errno, "cannot make a pipe: %s", strerror(errno));
	v->pid = fork();
	if (!v->pid) {
		setpgid(0, 0);	/* an interrupt from the terminal is the runner's to answer */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (v->r->plan->virtual_time)
			stay_on_cpu(v->slot);
		signal(SIGPIPE, SIG_DFL);
		dup2(fd[1], 1);
		dup2(fd[1], 2);
		execv(arguments[0], arguments);
		_exit(127);
	}
	close(fd[1]);
	v->fd = fd[0];
	return v->pid < 0 ? sl_err(e, -errno, "cannot start the VM: %s", strerror(errno)) : 0;
}

static int end_vm(struct vm *v, int error, struct sl_err *e)
{
	int status = 0, r = 0;
	char why[200];

	if (v->pid <= 0)
		return error;
	if (error || *v->r->stop)
		kill(v->pid, SIGTERM);	/* which ends QEMU */
	close(v->fd);
	while (waitpid(v->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (error)
		return error;
	if (*v->r->stop) {
		r = lost(v, RECORD_INTERRUPTED, "the runner was told to stop", e);
		return r ? r : -EINTR;
	}
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	snprintf(why, sizeof(why), "the VM ended with status %d during the run (124: out of time, 125: it "
		 "failed or its kernel complained)", status);
	r = lost(v, RECORD_FAILED, why, e);
	if (!r && !v->begun)
		r = sl_err(e, -EIO, "the VM ended with status %d before its first run; it said: %.250s",
			   status, *v->log ? v->log : "nothing");
	return r;
}

/* --- several of them ------------------------------------------------------------------------- */

static void free_vm(struct vm *v)
{
	if (!v)
		return;
	if (*v->dir)
		remove_dir(v->dir);
	free(v->run);
	free(v->line);
	free(v);
}

/* The VM of the next block; *ret NULL: there is nothing to do that is not under way. */
static int start_vm(struct runner *r, struct vm *const *other, unsigned int slot, struct vm **ret,
		    struct sl_err *e)
{
	unsigned int under_way[VMS_MAX], blocks = 0;
	struct vm *v = calloc(1, sizeof(*v));
	int error;

	if (v)
		v->line = malloc(LINE_BYTES);
	if (!v || !v->line) {
		free(v);
		return sl_err(e, -ENOMEM, "out of memory");
	}
	v->r = r;
	v->slot = slot;
	for (unsigned int i = 0; i < r->jobs; i++)
		if (other[i])
			under_way[blocks++] = other[i]->run->block;
	error = store_next_block(r->store, under_way, blocks, &v->run, &v->n, e);
	if (!error && v->n)
		error = make_files(v, e);
	if (!error && v->n)
		error = boot(v, e);
	if (error || !v->n)
		free_vm(v);
	else
		*ret = v;
	return error;
}

/* Takes what the VMs say, and ends those that have said all. */
static int listen_to(struct runner *r, struct vm **vm, struct sl_err *e)
{
	struct pollfd p[VMS_MAX];
	int error = 0;

	for (unsigned int i = 0; i < r->jobs; i++)
		p[i] = (struct pollfd){ .fd = vm[i] ? vm[i]->fd : -1, .events = POLLIN };
	if (poll(p, r->jobs, TICK_MS) <= 0)
		return 0;
	for (unsigned int i = 0; !error && i < r->jobs; i++) {
		if (!vm[i] || !p[i].revents)
			continue;
		error = receive(vm[i], e);
		if (error <= 0)
			continue;
		error = end_vm(vm[i], 0, e);
		free_vm(vm[i]);
		vm[i] = NULL;
	}
	return error;
}

/* One after the other in real time, where VMs would take each other's CPUs. */
int kernel_run(struct runner *r, struct sl_err *e)
{
	struct vm *vm[VMS_MAX] = { NULL };
	unsigned int busy;
	int error = 0;

	if (!r->plan->virtual_time)
		r->jobs = 1;
	else if (r->jobs > VMS_MAX)
		r->jobs = VMS_MAX;
	remove_orphans();
	do {
		busy = 0;
		for (unsigned int i = 0; !error && i < r->jobs && !*r->stop; i++) {
			if (!vm[i])
				error = start_vm(r, vm, i, &vm[i], e);
			busy += vm[i] != NULL;
		}
		if (!error && busy && !*r->stop)
			error = listen_to(r, vm, e);
	} while (!error && busy && !*r->stop);
	for (unsigned int i = 0; i < r->jobs; i++) {
		struct sl_err aside;
		int left;

		if (!vm[i])
			continue;
		left = end_vm(vm[i], error, error ? &aside : e);
		error = error ? error : left;
		free_vm(vm[i]);
	}
	return error ? error : *r->stop ? -EINTR : 0;
}
