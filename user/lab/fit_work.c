// SPDX-License-Identifier: GPL-2.0
/*
 * The process that makes policies. Ten thresholds are run once on every mix that any model is made
 * from; each model then gets the mixes of its families out of these. Those who learn by
 * trying have as many episodes as the thresholds had runs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/fits_priv.h"
#include "lab/runner.h"
#include "lab/sim_mix.h"
#include "lib/clock.h"
#include "policy/algo.h"

#define FIT_TRIAL	0x20000000u	/* of the first arrivals to fit to; an oracle's come from elsewhere */
#define ARRIVALS	2		/* of a workload and a configuration */
#define MODEL_MOST	(1 << 20)	/* bytes */

struct work {
	const struct plan *plan;
	const struct fit_wanted *wanted;
	struct mix *mix;
	unsigned int *workload;		/* of each mix */
	struct dist *sizes;		/* two for each of its mixes */
	size_t n;
	struct lab *lab;
	uint32_t *which;		/* of those wanted, to be made */
	size_t tasks;
};

/* --- mixes ------------------------------------------------------------------------------ */

static bool any_needs(const struct work *w, size_t wanted, unsigned int workload)
{
	bool use[w->plan->workloads];

	for (size_t i = 0; i < wanted; i++) {
		if (w->wanted[i].model.data)
			continue;
		fit_sources(w->plan, w->wanted[i].workload, use);
		if (use[workload])
			return true;
	}
	return false;
}

static int add_mix(struct work *w, unsigned int workload, unsigned int configuration, unsigned int draw,
		   struct sl_err *e)
{
	const uint64_t seed = plan_seed(w->plan, workload, configuration, FIT_TRIAL + draw, 0);
	struct mix *m = &w->mix[w->n];
	int r = sim_mix(w->plan, workload, configuration, seed, m, &w->sizes[2 * w->n], e);

	for (unsigned int i = 0; !r && i < m->phases; i++)
		m->phase[i].sizes += 2 * w->n;
	w->workload[w->n++] = workload;
	return r;
}

static int add_mixes(struct work *w, size_t wanted, struct sl_err *e)
{
	const struct plan *p = w->plan;
	const size_t most = p->workloads * p->configurations * ARRIVALS;
	int r = 0;

	w->mix = calloc(most, sizeof(*w->mix));
	w->workload = calloc(most, sizeof(*w->workload));
	w->sizes = calloc(2 * most, sizeof(*w->sizes));
	if (!w->mix || !w->workload || !w->sizes)
		return sl_err(e, -ENOMEM, "out of memory");
	for (unsigned int i = 0; i < p->workloads; i++)
		for (unsigned int c = 0; any_needs(w, wanted, i) && c < p->configurations; c++)
			for (unsigned int k = 0; !r && k < ARRIVALS; k++)
				r = add_mix(w, i, c, k, e);
	return r;
}

/* --- one model --------------------------------------------------------------------------- */

static int learn(const struct lab *l, enum learn_kind kind, uint64_t seed, struct fit_head *h,
		 struct model *m)
{
	const struct learn_config c = { kind, ECN_REWARD_BALANCE, seed };
	const uint64_t episodes = l->n * LAB_STEPS;
	struct learn_result result;
	struct learner *learner;
	int r = learn_new(&c, l, &learner);

	if (r)
		return r;
	for (uint64_t i = 0; !r && i < episodes; i++)
		r = learn_episode(learner, i, &result);
	if (!r)
		r = learn_model(learner, m);
	learn_free(learner);
	h->runs = l->runs + episodes;
	return r;
}

static int make(const struct work *w, const struct fit_wanted *wanted, struct fit_head *h,
		struct model *m)
{
	const char *colon = strchr(wanted->fit, ':');
	const uint64_t seed = colon ? strtoull(colon + 1, NULL, 10) : 1;
	bool source[w->plan->workloads], use[w->n];
	char name[LAB_FIT_MAX];
	struct lab *l;
	int algo, r;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(wanted->fit, ":"), wanted->fit);
	algo = algo_find(name);
	if (algo < 0)
		return -ENOENT;
	fit_sources(w->plan, wanted->workload, source);
	for (size_t i = 0; i < w->n; i++)
		use[i] = source[w->workload[i]];
	r = lab_part(w->lab, use, &l);
	if (r)
		return r;
	l->par.jobs = 1;
	r = algo < FIT_MAX ? fit(l, algo, seed, m) : learn(l, algo - FIT_MAX, seed, h, m);
	h->mixes = l->n;
	if (algo < FIT_MAX)
		h->runs = l->runs;
	lab_free(l);
	return !r && m->size > MODEL_MOST ? -E2BIG : r;
}

struct result {
	struct fit_head head;
	char payload[MODEL_MOST];
};

static int make_task(void *ctx, size_t i, void *result)
{
	const struct work *w = ctx;
	const struct fit_wanted *wanted = &w->wanted[w->which[i]];
	struct result *out = result;
	struct fit_head *h = &out->head;
	const double from = monotonic_s();
	struct model m = { 0 };
	int r = make(w, wanted, h, &m);

	h->which = w->which[i];
	if (r) {
		snprintf(h->why, sizeof(h->why), "%s without family '%s' cannot be made: %s", wanted->fit,
			 wanted->family, r == -EDOM ? "its values are not finite any more" :
			 r == -ENODATA ? "no run of its workloads has anything to learn from" :
			 strerror(-r));
	} else {
		snprintf(h->kind, sizeof(h->kind), "%s", m.kind);
		memcpy(out->payload, m.data, m.size);
		h->size = m.size;
	}
	h->seconds = monotonic_s() - from;
	model_free(&m);
	return 0;
}

/* --- all ------------------------------------------------------------------------------------ */

static void tell(int fd, const struct fit_head *h, const char *payload)
{
	const char *part[2] = { (const char *)h, payload };
	const size_t size[2] = { sizeof(*h), h->size };

	for (int i = 0; i < 2; i++)
		for (size_t at = 0; at < size[i]; ) {
			const ssize_t n = write(fd, part[i] + at, size[i] - at);

			if (n <= 0)
				_exit(1);
			at += n;
		}
}

static void send_failure(int fd, uint32_t which, const char *why)
{
	struct fit_head h = { .which = which };

	snprintf(h.why, sizeof(h.why), "%s", why);
	tell(fd, &h, NULL);
}

/* So many at a time, that what is made is kept before the others are. */
static void make_all(struct work *w, unsigned int jobs, int fd)
{
	struct result *result = malloc(jobs * sizeof(*result));
	const struct par par = { .jobs = jobs };
	uint32_t *all = w->which;

	for (size_t at = 0; result && at < w->tasks; at += jobs, w->which += jobs) {
		const size_t n = w->tasks - at < jobs ? w->tasks - at : jobs;
		int r = par_run(&par, n, make_task, w, result, sizeof(*result));

		for (size_t i = 0; i < n; i++)
			if (r)
				send_failure(fd, w->which[i], "the process that made it crashed");
			else
				tell(fd, &result[i].head, result[i].payload);
	}
	if (!result)
		send_failure(fd, FIT_ALL, "out of memory");
	free(result);
	w->which = all;
}

void fit_work(struct runner *r, const struct fit_wanted *wanted, size_t n, int fd)
{
	struct work w = { .plan = r->plan, .wanted = wanted, .which = calloc(n, sizeof(*w.which)) };
	const struct par par = { .jobs = r->jobs };
	struct sl_err e = { "out of memory" };
	int error = w.which ? add_mixes(&w, n, &e) : -ENOMEM;

	for (size_t i = 0; !error && i < n; i++)
		if (!wanted[i].model.data)
			w.which[w.tasks++] = i;
	if (!error) {
		const struct mix_files files = { .sizes = w.sizes, .n = 2 * w.n };

		error = lab_new_of(&files, &par, w.mix, w.n, &w.lab);
		if (error)
			sl_err(&e, error, "the simulator fails on what policies are made from: %s",
			       strerror(-error));
	}
	if (error)
		send_failure(fd, FIT_ALL, e.text);
	else
		make_all(&w, r->jobs, fd);
	lab_free(w.lab);
	for (size_t i = 0; i < 2 * w.n; i++)
		dist_free(&w.sizes[i]);
	free(w.sizes);
	free(w.mix);
	free(w.workload);
	free(w.which);
	_exit(0);
}
