// SPDX-License-Identifier: GPL-2.0
/*
 * Watches one sluice qdisc of this network namespace until SIGTERM or SIGINT,
 * and then reports what it did meanwhile, in JSON.
 *
 * The drain rate while backlogged tells whether the bottleneck of a run was
 * the configured rate or an overloaded machine. It is taken over those
 * sampling intervals in which the queue was never empty ("saturated"): packets
 * that find tokens and an empty queue say nothing about it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/hist.h"
#include "lib/qdisc.h"

#define SATURATED 0.99	/* share of an interval with a backlog */

static volatile sig_atomic_t stop;

struct watch {
	struct sluice_qdisc_stats first, last;
	bool begun;
	double saturated_s, saturated_bytes;
	uint64_t changes;		/* of the triple in force */
	uint32_t qth_min_low, qth_min_high;
	double qth_min_sum;		/* weighted by time */
};

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void watch_add(struct watch *w, const struct sluice_qdisc_stats *s)
{
	const struct sluice_qdisc_stats *l = &w->last;
	double seconds = (double)(s->time_ns - l->time_ns) / 1e9;

	if (!w->begun) {
		w->first = w->last = *s;
		w->qth_min_low = w->qth_min_high = s->qth_min;
		w->begun = true;
		return;
	}
	if ((double)(s->backlogged_ns - l->backlogged_ns) / 1e9 >= SATURATED * seconds) {
		w->saturated_s += seconds;
		w->saturated_bytes += (double)(s->bytes - l->bytes);
	}
	w->changes += s->qth_min != l->qth_min || s->qth_max != l->qth_max || s->max_p != l->max_p;
	if (s->qth_min < w->qth_min_low)
		w->qth_min_low = s->qth_min;
	if (s->qth_min > w->qth_min_high)
		w->qth_min_high = s->qth_min;
	w->qth_min_sum += s->qth_min * seconds;
	w->last = *s;
}

static json_t *sojourn_ms(const struct watch *w, double q)
{
	double ns = hist_quantile_ns(w->last.sojourn_hist, w->first.sojourn_hist, q);

	return ns < 0 ? json_null() : json_real(ns / 1e6);
}

static int watch_report(const struct watch *w)
{
	const struct sluice_qdisc_stats *a = &w->first, *b = &w->last;
	double seconds = (double)(b->time_ns - a->time_ns) / 1e9;
	double backlogged_s = (double)(b->backlogged_ns - a->backlogged_ns) / 1e9;
	double byte_s = (double)(b->backlog_byte_us - a->backlog_byte_us) / 1e6;
	json_t *j = json_object();

#define DELTA(name) json_object_set_new(j, #name, json_integer((json_int_t)(b->name - a->name)))
	DELTA(packets);
	DELTA(bytes);
	DELTA(ce_packets);
	DELTA(ce_bytes);
	DELTA(early_drops);
	DELTA(limit_drops);
	DELTA(lease_expired);
#undef DELTA
	json_object_set_new(j, "drops", json_integer((json_int_t)(b->early_drops - a->early_drops +
								b->limit_drops - a->limit_drops)));
	json_object_set_new(j, "seconds", json_real(seconds));
	json_object_set_new(j, "backlogged_s", json_real(backlogged_s));
	json_object_set_new(j, "saturated_s", json_real(w->saturated_s));
	json_object_set_new(j, "drain_bps", w->saturated_s > 0 ?
			    json_real(w->saturated_bytes * 8 / w->saturated_s) : json_null());
	json_object_set_new(j, "avg_backlog_bytes", json_real(seconds > 0 ? byte_s / seconds : 0));
	json_object_set_new(j, "sojourn_p50_ms", sojourn_ms(w, 0.50));
	json_object_set_new(j, "sojourn_p99_ms", sojourn_ms(w, 0.99));
	json_object_set_new(j, "changes", json_integer((json_int_t)w->changes));
	json_object_set_new(j, "qth_min_low", json_integer(w->qth_min_low));
	json_object_set_new(j, "qth_min_high", json_integer(w->qth_min_high));
	json_object_set_new(j, "qth_min_mean",
			    json_real(seconds > 0 ? w->qth_min_sum / seconds : b->qth_min));
	if (json_dumpf(j, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) || puts("") < 0)
		return -EIO;
	json_decref(j);
	return 0;
}

static int watch_run(struct watch *w, const char *dev, const char *parent, int interval_ms,
		     struct sl_err *e)
{
	struct qdisc_reader *r;
	const struct qdisc_sample *q;
	size_t n, i;
	int ret;

	ret = qdisc_reader_new(&r, e);
	while (ret == 0 && !stop) {
		ret = qdisc_read(r, &q, &n, e);
		if (ret < 0)
			break;
		for (i = 0; i < n; i++)
			if (!strcmp(q[i].id.ifname, dev) && !strcmp(q[i].id.parent, parent))
				break;
		if (i == n) {
			ret = sl_err(e, -ENOENT, "no sluice qdisc at %s %s", dev, parent);
			break;
		}
		watch_add(w, &q[i].stats);
		poll(NULL, 0, interval_ms);
	}
	qdisc_reader_free(r);
	return ret < 0 ? ret : 0;
}

int main(int argc, char *argv[])
{
	struct sigaction action = { .sa_handler = on_signal };
	static struct watch w;
	struct sl_err e;

	if (argc != 3 && argc != 4) {
		fputs("usage: watch DEV PARENT [INTERVAL_MS]\n", stderr);
		return 1;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (watch_run(&w, argv[1], argv[2], argc == 4 ? atoi(argv[3]) : 10, &e) < 0) {
		fprintf(stderr, "watch: %s\n", e.text);
		return 1;
	}
	return watch_report(&w) < 0;
}
