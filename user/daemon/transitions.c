// SPDX-License-Identifier: GPL-2.0
#include "daemon/transitions.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/background.h"
#include "daemon/daemon.h"
#include "lib/log.h"
#include "rl/translog.h"

/* What a kill may cost. */
#define FLUSH_NS	2000000000ULL
#define RETRY_NS	60000000000ULL

struct log {
	char path[SETTINGS_LIST + 8];
	struct translog_shape shape;
	struct translog *t;		/* NULL: could not be opened */
	bool failed;			/* and it was said */
};

struct transitions {
	struct translog_config config;
	struct log ecn, steer;
	uint64_t next_flush_ns, next_try_ns;
};

/* Logs the first failure and the first success after it; bytes: of the file, before. */
static void judge(struct log *l, int r, uint64_t bytes, const struct sl_err *e)
{
	struct translog_stats now = { 0 };

	if (l->t)
		translog_stats(l->t, &now);
	if (r < 0 && !l->failed) {
		log_error("%s; transitions are lost until it can be written again", e->text);
		l->failed = true;
	} else if (r >= 0 && l->failed && now.bytes != bytes) {
		log_notice("the transition log %s is written again, %llu transitions were lost",
			   l->path, (unsigned long long)now.lost);
		l->failed = false;
	}
}

static uint64_t bytes_of(const struct log *l)
{
	struct translog_stats now;

	translog_stats(l->t, &now);
	return now.bytes;
}

static void log_row(struct log *l, const struct translog_row *row)
{
	struct translog_row stamped = *row;
	struct timespec t;
	struct sl_err e;
	uint64_t bytes;

	if (!l->t)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	stamped.time_ns = (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
	bytes = bytes_of(l);
	judge(l, translog_add(l->t, &stamped, &e), bytes, &e);
}

static void on_steer(void *data, const struct translog_row *row)
{
	log_row(data, row);
}

static void on_ecn(void *data, const struct translog_row *row)
{
	struct daemon *d = data;

	if (d->transitions)
		log_row(&d->transitions->ecn, row);
	if (d->background)
		background_feed(d->background, row);
}

static void open_log(struct transitions *all, struct log *l)
{
	struct translog_config c = all->config;
	struct sl_err e;
	int r;

	c.path = l->path;
	r = translog_open(&c, &l->shape, &l->t, &e);
	judge(l, r, 0, &e);
}

void transitions_configure(struct daemon *d)
{
	const struct settings *s = &d->settings;
	struct transitions *all;

	transitions_close(d);
	background_start(d);
	if (d->background)
		ecn_agent_watch(d->ecn, on_ecn, d);
	if (!strcmp(s->transitions, "none"))
		return;
	all = calloc(1, sizeof(*all));
	if (!all || steer_agent_watch(d->steer_agent, on_steer, &all->steer) < 0) {
		log_error("transitions are not logged: out of memory");
		free(all);
		return;
	}
	ecn_agent_watch(d->ecn, on_ecn, d);
	all->config.max_bytes = s->transitions_mbytes * 1000000ULL;
	all->config.files = s->transitions_files;
	ecn_agent_shape(&all->ecn.shape);
	steer_agent_shape(&all->steer.shape);
	snprintf(all->ecn.path, sizeof(all->ecn.path), "%s.ecn", s->transitions);
	snprintf(all->steer.path, sizeof(all->steer.path), "%s.steer", s->transitions);
	open_log(all, &all->ecn);
	open_log(all, &all->steer);
	d->transitions = all;
}

static void flush(struct log *l)
{
	struct sl_err e;
	uint64_t bytes;

	if (!l->t)
		return;
	bytes = bytes_of(l);
	judge(l, translog_flush(l->t, &e), bytes, &e);
}

void transitions_epoch(struct daemon *d, uint64_t now)
{
	struct transitions *all = d->transitions;

	if (!all || now < all->next_flush_ns)
		return;
	all->next_flush_ns = now + FLUSH_NS;
	flush(&all->ecn);
	flush(&all->steer);
	if (now < all->next_try_ns)
		return;
	all->next_try_ns = now + RETRY_NS;
	if (!all->ecn.t)
		open_log(all, &all->ecn);
	if (!all->steer.t)
		open_log(all, &all->steer);
}

void transitions_close(struct daemon *d)
{
	ecn_agent_watch(d->ecn, NULL, NULL);
	background_stop(d);
	if (!d->transitions)
		return;
	steer_agent_watch(d->steer_agent, NULL, NULL);
	flush(&d->transitions->ecn);
	flush(&d->transitions->steer);
	translog_close(d->transitions->ecn.t);
	translog_close(d->transitions->steer.t);
	free(d->transitions);
	d->transitions = NULL;
}
