// SPDX-License-Identifier: GPL-2.0
#include "policy/par.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX	64

struct shared {
	atomic_size_t next, done;
	atomic_int error;
	_Alignas(max_align_t) char results[];
};

static void work(struct shared *s, size_t n, par_task *task, void *ctx, size_t size)
{
	size_t i;

	while (!atomic_load(&s->error) && (i = atomic_fetch_add(&s->next, 1)) < n) {
		int none = 0, r = task(ctx, i, s->results + i * size);

		if (r < 0)
			atomic_compare_exchange_strong(&s->error, &none, r);
		atomic_fetch_add(&s->done, 1);
	}
}

static void wait_for(const struct par *p, struct shared *s, const pid_t *pid, unsigned int jobs,
		     size_t n)
{
	const struct timespec nap = { .tv_nsec = 20000000 };
	unsigned int left = jobs;
	bool gone[JOBS_MAX] = { false };

	while (left) {
		for (unsigned int j = 0; j < jobs; j++) {
			int status;

			if (gone[j] || waitpid(pid[j], &status, WNOHANG) <= 0)
				continue;
			gone[j] = true;
			left--;
			if (!WIFEXITED(status) || WEXITSTATUS(status))
				atomic_store(&s->error, -ECHILD);
		}
		if (p->tick)
			p->tick(p->arg, atomic_load(&s->done), n);
		if (left)
			nanosleep(&nap, NULL);
	}
}

static void child(pid_t parent, struct shared *s, size_t n, par_task *task, void *ctx, size_t size)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		work(s, n, task, ctx, size);
	_exit(0);
}

int par_run(const struct par *p, size_t n, par_task *task, void *ctx, void *results, size_t size)
{
	const size_t all = sizeof(struct shared) + n * size;
	struct shared *s = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				-1, 0);
	const pid_t parent = getpid();
	unsigned int jobs = 0;
	pid_t pid[JOBS_MAX];
	int r;

	if (s == MAP_FAILED)
		return -errno;
	while (jobs < p->jobs && jobs < n && jobs < JOBS_MAX) {
		pid[jobs] = fork();
		if (pid[jobs] == 0)
			child(parent, s, n, task, ctx, size);
		if (pid[jobs] < 0) {
			atomic_store(&s->error, -errno);
			break;
		}
		jobs++;
	}
	wait_for(p, s, pid, jobs, n);
	r = atomic_load(&s->error);
	if (!r)
		memcpy(results, s->results, n * size);
	munmap(s, all);
	return r;
}
