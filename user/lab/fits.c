// SPDX-License-Identifier: GPL-2.0
/* Which models are needed, which are there, and the process that makes the others. */
#include "lab/fits.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/fits_priv.h"
#include "lab/runner.h"
#include "lab/store_priv.h"
#include "policy/policy.h"

#define TICK_MS		200

struct fits {
	struct fit_wanted *wanted;
	size_t n;
};

/* --- which ------------------------------------------------------------------------------ */

static bool other_family(const struct plan *p, unsigned int a, unsigned int b)
{
	return strcmp(p->workload[a].w.family, p->workload[b].w.family) != 0;
}

/* Whether it is among those that models for this workload are made from. */
static bool is_source(const struct plan *p, unsigned int workload, unsigned int of)
{
	bool train = false;

	for (unsigned int i = 0; i < p->workloads; i++)
		train |= !p->workload[i].test && other_family(p, i, workload);
	return other_family(p, of, workload) && (!train || !p->workload[of].test);
}

bool fits_possible(const struct plan *p, unsigned int workload)
{
	for (unsigned int i = 0; i < p->workloads; i++)
		if (is_source(p, workload, i))
			return true;
	return false;
}

void fit_sources(const struct plan *p, unsigned int workload, bool *use)
{
	for (unsigned int i = 0; i < p->workloads; i++)
		use[i] = is_source(p, workload, i);
}

/*
 * The family that is left out; "" if it would not have been taken anyway, so that all such workloads
 * have one model.
 */
static const char *left_out(const struct plan *p, unsigned int workload)
{
	bool train = false, own = false;

	for (unsigned int i = 0; i < p->workloads; i++) {
		train |= !p->workload[i].test && other_family(p, i, workload);
		own |= !p->workload[i].test && !other_family(p, i, workload);
	}
	return train && !own ? "" : p->workload[workload].w.family;
}

static struct fit_wanted *find(const struct fits *f, const char *fit, const char *family)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->wanted[i].fit, fit) && !strcmp(f->wanted[i].family, family))
			return &f->wanted[i];
	return NULL;
}

static int want(struct fits *f, const struct plan *p, unsigned int policy, unsigned int workload)
{
	const char *fit = p->policy[policy].p.fit, *family = left_out(p, workload);
	struct fit_wanted *more;

	if (!*fit || find(f, fit, family))
		return 0;
	more = reallocarray(f->wanted, f->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	f->wanted = more;
	more[f->n] = (struct fit_wanted){ .workload = workload };
	snprintf(more[f->n].fit, sizeof(more->fit), "%s", fit);
	snprintf(more[f->n++].family, sizeof(more->family), "%s", family);
	return 0;
}

void fits_free(struct fits *f)
{
	for (size_t i = 0; f && i < f->n; i++)
		model_free(&f->wanted[i].model);
	free(f ? f->wanted : NULL);
	free(f);
}

const struct model *fits_find(const struct fits *f, const struct plan *p, unsigned int policy,
			      unsigned int workload, const char **why)
{
	const char *fit = p->policy[policy].p.fit;
	const struct fit_wanted *w;

	*why = NULL;
	if (!*fit)
		return NULL;
	w = f ? find(f, fit, left_out(p, workload)) : NULL;
	if (w && w->model.data)
		return &w->model;
	*why = w && *w->why ? w->why : "the policy has not been made";
	return NULL;
}

/* --- the process ---------------------------------------------------------------------------- */

struct making {
	struct runner *r;
	struct fits *f;
	pid_t pid;
	int fd;
	char *data;			/* that came and was not taken yet */
	size_t n;
	char error[FIT_WHY];		/* of all of them */
};

static int start(struct making *m, struct sl_err *e)
{
	const pid_t parent = getpid();
	int fd[2];

	if (pipe(fd))
		return sl_err(e, -errno, "cannot make a pipe: %s", strerror(errno));
	m->pid = fork();
	if (!m->pid) {
		close(fd[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGINT, SIG_IGN);	/* the parent's to answer */
		if (getppid() != parent)
			_exit(1);
		fit_work(m->r, m->f->wanted, m->f->n, fd[1]);
	}
	close(fd[1]);
	m->fd = fd[0];
	if (m->pid < 0) {
		close(fd[0]);
		return sl_err(e, -errno, "cannot start a process: %s", strerror(errno));
	}
	return 0;
}

/* That it is usable is seen before it is kept. */
static int check(struct fit_wanted *w)
{
	struct sl_err why = { "" };
	struct policy *p;
	int r = policy_new(&w->model, &p, &why);

	if (!r) {
		policy_free(p);
		return 0;
	}
	snprintf(w->why, sizeof(w->why), "what was made as %s is no good: %.120s", w->fit, why.text);
	model_free(&w->model);
	return r;
}

static int take_one(struct making *m, const struct fit_head *h, const char *payload,
		    struct sl_err *e)
{
	struct plan const *p = m->r->plan;
	struct fit_wanted *w;

	if (h->which == FIT_ALL || h->which >= m->f->n) {
		snprintf(m->error, sizeof(m->error), "%.*s", FIT_WHY - 1, h->why);
		return 0;
	}
	w = &m->f->wanted[h->which];
	snprintf(w->why, sizeof(w->why), "%s", h->why);
	if (*h->why) {
		runner_say(m->r, "%s", w->why);
		return 0;
	}
	if (model_set(&w->model, h->kind, payload, h->size))
		return sl_err(e, -ENOMEM, "out of memory");
	snprintf(w->model.command, sizeof(w->model.command), "sluice lab: fit:%s without '%s', plan %s",
		 w->fit, w->family, p->name);
	if (check(w))
		return 0;
	w->mixes = h->mixes;
	w->runs = h->runs;
	w->seconds = h->seconds;
	runner_say(m->r, "made %s without family '%s' from %u mixes in %.1f s", w->fit, w->family,
		   w->mixes, w->seconds);
	return fit_keep(m->r->store, p, w, e);
}

/* What has come whole. */
static int take(struct making *m, struct sl_err *e)
{
	struct fit_head h;
	int r = 0;

	while (!r && m->n >= sizeof(h)) {
		memcpy(&h, m->data, sizeof(h));
		if (m->n < sizeof(h) + h.size)
			break;
		r = take_one(m, &h, m->data + sizeof(h), e);
		m->n -= sizeof(h) + h.size;
		memmove(m->data, m->data + sizeof(h) + h.size, m->n);
	}
	return r;
}

/* 1: it has said all. */
static int receive(struct making *m, struct sl_err *e)
{
	char *more = realloc(m->data, m->n + 65536);
	ssize_t n;

	if (!more)
		return sl_err(e, -ENOMEM, "out of memory");
	m->data = more;
	n = read(m->fd, m->data + m->n, 65536);
	if (n <= 0)
		return n < 0 && errno == EINTR ? 0 : 1;
	m->n += n;
	return take(m, e);
}

static int listen_to(struct making *m, struct sl_err *e)
{
	int r = 0;

	while (!r && !*m->r->stop) {
		struct pollfd p = { .fd = m->fd, .events = POLLIN };

		if (poll(&p, 1, TICK_MS) > 0)
			r = receive(m, e);
	}
	return r < 0 ? r : *m->r->stop ? -EINTR : 0;
}

static int make(struct runner *r, struct fits *f, struct sl_err *e)
{
	struct making m = { .r = r, .f = f };
	int error = start(&m, e), status = 0;

	if (error)
		return error;
	error = listen_to(&m, e);
	if (error)
		kill(m.pid, SIGKILL);	/* its own children go with it */
	close(m.fd);
	while (waitpid(m.pid, &status, 0) < 0 && errno == EINTR)
		;
	free(m.data);
	if (!error && !*m.error && status)
		snprintf(m.error, sizeof(m.error), "the process that makes policies ended with status %d",
			 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	if (!error && *m.error)
		runner_say(r, "%s", m.error);
	for (size_t i = 0; !error && i < f->n; i++)
		if (!f->wanted[i].model.data && !*f->wanted[i].why)
			snprintf(f->wanted[i].why, sizeof(f->wanted[i].why), "%s", m.error);
	return error;
}

int fits_make(struct runner *r, struct fits **ret, struct sl_err *e)
{
	struct fits *f = calloc(1, sizeof(*f));
	size_t left = 0;
	int error = f ? 0 : sl_err(e, -ENOMEM, "out of memory");

	*ret = NULL;
	for (unsigned int i = 0; !error && i < r->plan->policies; i++)
		for (unsigned int k = 0; !error && k < r->plan->workloads; k++)
			if (want(f, r->plan, i, k))
				error = sl_err(e, -ENOMEM, "out of memory");
	for (size_t i = 0; !error && i < f->n; i++) {
		error = fit_kept(r->store, &f->wanted[i], e);
		left += !f->wanted[i].model.data;
	}
	if (!error && left) {
		runner_say(r, "%zu models are made first, each without the family it is to run on", left);
		error = make(r, f, e);
	}
	if (error || !f->n) {
		fits_free(f);
		return error;
	}
	*ret = f;
	return 0;
}
