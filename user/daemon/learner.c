// SPDX-License-Identifier: GPL-2.0
#include "daemon/learner.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "daemon/ecn_agent.h"
#include "daemon/learner_core.h"
#include "daemon/spsc.h"
#include "lib/clock.h"

#define RING_ROWS	1024	/* 1.3 MB; 64 queues at 50 ms make 1280 a second */
#define RING_MODELS	4
#define STEPS_AT_ONCE	8	/* about a millisecond, before the clock is looked at */
#define SLEEP_MAX_NS	100000000ULL	/* the ring is emptied as often */
/* CPU time that may be saved up for a burst. */
#define CREDIT_MAX_NS	10000000.0

struct made {
	struct model model;	/* freed by the thread, in whose arena it is */
	struct learner_report report;
};

struct learner {
	struct learner_config config;
	pthread_t thread;
	bool running;
	atomic_bool stop;
	int stop_fd, ready_fd;

	struct spsc rows;	/* main loop -> thread */
	struct translog_row row[RING_ROWS];
	float *x;		/* (RING_ROWS, 2, width) */
	size_t width, features, max_rows;
	struct spsc models;	/* thread -> main loop */
	struct made made[RING_MODELS];

	/* The main loop's. */
	uint64_t fed, lost, bad;
	uint64_t started_ns;

	/* The thread's; others only read them. */
	_Atomic uint64_t bad_rows, n_rows, steps, cpu_ns, verdicts[LEARNER_VERDICT_N];
	_Atomic double td, gap;

	/* The thread's alone. */
	struct learner_core *core;
	double credit_ns;
	uint64_t clock_ns, cpu_seen_ns, next_ns, candidate_cpu_ns;
};

/* --- the thread -------------------------------------------------------------- */

static uint64_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static void be_last(void)
{
	const struct sched_param p = { 0 };

	if (pthread_setschedparam(pthread_self(), SCHED_IDLE, &p))
		setpriority(PRIO_PROCESS, (id_t)gettid(), 19);	/* of this thread */
}

static bool must_stop(void *data)
{
	struct learner *l = data;

	return atomic_load_explicit(&l->stop, memory_order_relaxed);
}

static void put(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

static void add_one(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void empty_ring(struct learner *l)
{
	int i;

	while ((i = spsc_next(&l->rows)) >= 0) {
		if (learner_core_add(l->core, &l->row[i]))
			add_one(&l->bad_rows);
		spsc_pop(&l->rows);
	}
	put(&l->n_rows, learner_core_rows(l->core));
}

/* Takes what time went by into account; whether there is CPU time left to use. */
static bool account(struct learner *l)
{
	const uint64_t now = monotonic_ns(), cpu = thread_cpu_ns();

	l->credit_ns += (double)(now - l->clock_ns) * l->config.cpu_percent / 100 -
			(double)(cpu - l->cpu_seen_ns);
	if (l->credit_ns > CREDIT_MAX_NS)
		l->credit_ns = CREDIT_MAX_NS;
	l->clock_ns = now;
	l->cpu_seen_ns = cpu;
	put(&l->cpu_ns, cpu);
	return l->credit_ns >= 0;
}

static void sleep_ns(struct learner *l, uint64_t ns)
{
	struct pollfd p = { .fd = l->stop_fd, .events = POLLIN };
	struct timespec t;

	if (ns > SLEEP_MAX_NS)
		ns = SLEEP_MAX_NS;
	t = (struct timespec){ .tv_nsec = (long)ns };
	ppoll(&p, 1, &t, NULL);
}

static void train(struct learner *l)
{
	double td, gap;
	int i, r;

	for (i = 0; i < STEPS_AT_ONCE && !must_stop(l); i++) {
		r = learner_core_step(l->core, &td, &gap);
		if (r == -EDOM)
			add_one(&l->verdicts[LEARNER_not_finite]);
		if (r)
			return;
		atomic_store_explicit(&l->td, td, memory_order_relaxed);
		atomic_store_explicit(&l->gap, gap, memory_order_relaxed);
		add_one(&l->steps);
	}
}

static void hand_over(struct learner *l, struct model *m, const struct learner_report *report)
{
	int i = spsc_room(&l->models);

	if (i < 0) {
		model_free(m);
		add_one(&l->verdicts[LEARNER_dropped]);
		return;
	}
	model_free(&l->made[i].model);
	l->made[i] = (struct made){ *m, *report };
	spsc_push(&l->models);
	add_one(&l->verdicts[LEARNER_handed_over]);
	eventfd_write(l->ready_fd, 1);	/* full after 2^64 candidates */
}

static void make_candidate(struct learner *l)
{
	struct learner_report report;
	struct model m = { 0 };
	enum learner_verdict v;
	uint64_t cpu;

	if (learner_core_candidate(l->core, must_stop, l, &m, &report, &v))
		return;
	cpu = thread_cpu_ns();
	report.cpu_s = (double)(cpu - l->candidate_cpu_ns) / 1e9;
	l->candidate_cpu_ns = cpu;
	if (v == LEARNER_handed_over)
		hand_over(l, &m, &report);
	else
		add_one(&l->verdicts[v]);
}

static void *run(void *data)
{
	struct learner *l = data;
	const double share = l->config.cpu_percent / 100;

	if (!l->config.in_a_hurry)
		be_last();
	l->clock_ns = monotonic_ns();
	l->cpu_seen_ns = thread_cpu_ns();
	l->next_ns = l->clock_ns + l->config.period_ns;
	while (!must_stop(l)) {
		bool enough;

		empty_ring(l);
		enough = learner_core_rows(l->core) >= l->config.rows_min;
		if (account(l) && enough) {
			train(l);
			if (l->clock_ns >= l->next_ns &&
			    learner_core_steps(l->core) >= l->config.steps_min) {
				l->next_ns = l->clock_ns + l->config.period_ns;
				make_candidate(l);
			}
			account(l);
		}
		if (!enough)
			sleep_ns(l, SLEEP_MAX_NS);
		else if (l->credit_ns < 0)
			sleep_ns(l, (uint64_t)(-l->credit_ns / share));
	}
	put(&l->cpu_ns, thread_cpu_ns());
	return NULL;
}

/* --- the main loop's side ---------------------------------------------------- */

static void learner_free(struct learner *l)
{
	for (int i = 0; i < RING_MODELS; i++)
		model_free(&l->made[i].model);
	learner_core_free(l->core);
	if (l->stop_fd >= 0)
		close(l->stop_fd);
	if (l->ready_fd >= 0)
		close(l->ready_fd);
	free(l->x);
	free(l);
}

/* Signals are the main loop's: the thread begins with all blocked. */
static int start_thread(struct learner *l)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&l->thread, NULL, run, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		pthread_setname_np(l->thread, "sluice-learner");
	return r;
}

int learner_start(const struct learner_config *c, struct learner **ret, struct sl_err *e)
{
	struct translog_shape shape;
	struct learner *l = NULL;
	int r;

	if (posix_memalign((void **)&l, _Alignof(struct learner), sizeof(*l)))
		return sl_err(e, -ENOMEM, "out of memory");
	memset(l, 0, sizeof(*l));
	l->config = *c;
	l->config.start = NULL;
	ecn_agent_shape(&shape);
	l->features = shape.n_features;
	l->max_rows = shape.max_rows;
	l->width = l->features * l->max_rows;
	l->rows.size = RING_ROWS;
	l->models.size = RING_MODELS;
	l->x = calloc(RING_ROWS, 2 * l->width * sizeof(*l->x));
	l->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* As many readings as candidates. */
	l->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	if (!l->x || l->stop_fd < 0 || l->ready_fd < 0)
		r = sl_err(e, -ENOMEM, "out of memory or file descriptors");
	else
		r = learner_core_new(c, &l->core, e);
	if (r == 0) {
		l->started_ns = monotonic_ns();
		r = start_thread(l);
		if (r < 0)
			sl_err(e, r, "no thread for learning in the background: %s", strerror(-r));
	}
	if (r < 0) {
		learner_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void learner_feed(struct learner *l, const struct translog_row *row)
{
	const size_t bytes = l->features * sizeof(float);
	struct translog_row *to;
	float *x;
	int i;

	if (row->mask || row->next_mask || row->rows > l->max_rows ||
	    row->next_rows > l->max_rows) {
		l->bad++;
		return;
	}
	i = spsc_room(&l->rows);
	if (i < 0) {
		l->lost++;
		return;
	}
	to = &l->row[i];
	x = l->x + (size_t)i * 2 * l->width;
	*to = *row;
	to->x = x;
	to->next_x = x + l->width;
	memcpy(x, row->x, row->rows * bytes);
	if (row->next_rows)
		memcpy(x + l->width, row->next_x, row->next_rows * bytes);
	spsc_push(&l->rows);
	l->fed++;
}

int learner_fd(const struct learner *l)
{
	return l->ready_fd;
}

bool learner_take(struct learner *l, struct model *candidate, struct learner_report *report)
{
	eventfd_t one;
	struct model m;
	bool taken;
	int i;

	eventfd_read(l->ready_fd, &one);	/* does not wait */
	i = spsc_next(&l->models);
	if (i < 0)
		return false;
	/* A copy: freeing memory of the thread's arena could wait for a thread in malloc(). */
	m = l->made[i].model;
	m.data = malloc(m.size ? m.size : 1);
	taken = m.data != NULL;
	if (taken) {
		memcpy(m.data, l->made[i].model.data, m.size);
		*candidate = m;
		*report = l->made[i].report;
	}
	spsc_pop(&l->models);
	return taken;
}

void learner_stats(const struct learner *l, struct learner_stats *out)
{
#define GET(field) atomic_load_explicit(&l->field, memory_order_relaxed)
	*out = (struct learner_stats){
		.fed = l->fed, .lost = l->lost, .bad = l->bad + GET(bad_rows),
		.rows = GET(n_rows), .steps = GET(steps), .td = GET(td), .gap = GET(gap),
		.cpu_s = (double)GET(cpu_ns) / 1e9,
		.wall_s = (double)(monotonic_ns() - l->started_ns) / 1e9,
	};
	for (int i = 0; i < LEARNER_VERDICT_N; i++)
		out->verdicts[i] = GET(verdicts[i]);
#undef GET
}

void learner_stop(struct learner *l)
{
	if (!l)
		return;
	atomic_store_explicit(&l->stop, true, memory_order_relaxed);
	/* Ends a sleep; were it refused, the sleep would end by itself. */
	eventfd_write(l->stop_fd, 1);
	pthread_join(l->thread, NULL);
	learner_free(l);
}
