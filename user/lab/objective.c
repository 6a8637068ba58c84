// SPDX-License-Identifier: GPL-2.0
#include "lab/objective.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const class_name[FLOW_CLASSES + 1] = { "10k", "100k", "1m", "large", "all" };

unsigned int flow_class(double bytes)
{
	return bytes <= 10000 ? 0 : bytes <= 100000 ? 1 : bytes <= 1000000 ? 2 : 3;
}

const char *flow_class_name(unsigned int class)
{
	return class_name[class];
}

void flow_list_add(struct flow_list *l, const struct measured_flow *f)
{
	if (l->n == l->room) {
		const size_t room = l->room ? 2 * l->room : 1024;
		void *more = reallocarray(l->flow, room, sizeof(*l->flow));

		if (!more) {
			l->no_memory = true;
			return;
		}
		l->flow = more;
		l->room = room;
	}
	l->flow[l->n++] = *f;
}

void flow_list_free(struct flow_list *l)
{
	free(l->flow);
	*l = (struct flow_list){ 0 };
}

static int compare(const void *a, const void *b)
{
	const double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

/* The smallest time that a share q of all n does not exceed; the unfinished ones exceed all. */
static void add_quantile(struct record *r, const char *name, const char *class, double t1_s,
			 const double *sorted, size_t finished, size_t n, size_t least, double q)
{
	size_t rank = ceil(q * n);
	struct metric m = {
		.t1_s = t1_s, .whole = true, .value = NAN, .n = n, .censored = n - finished,
	};

	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.class, sizeof(m.class), "%s", class);
	rank = rank ? rank - 1 : 0;
	if (n < least)
		m.status = METRIC_FEW;
	else if (rank >= finished)
		m.status = METRIC_CENSORED;
	else
		m.value = sorted[rank];
	record_add(r, &m);
}

static void add_mean(struct record *r, const char *name, const char *class, double t1_s, double sum,
		     size_t finished, size_t n)
{
	struct metric m = {
		.t1_s = t1_s, .whole = true, .value = sum / n, .n = n, .censored = n - finished,
		.status = finished < n ? METRIC_CENSORED : METRIC_OK,
	};

	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.class, sizeof(m.class), "%s", class);
	record_add(r, &m);
}

/* *slowdown: their mean; *unfinished: of them. Without flows of the class, nothing is added and NAN. */
static int measure_class(const struct flow_list *l, unsigned int class, double t1_s,
			 struct record *r, double *slowdown, size_t *unfinished)
{
	double *time = calloc(l->n + 1, sizeof(*time)), sum = 0, slow = 0;
	size_t finished = 0, n = 0;
	const char *name = class_name[class];

	if (!time)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++) {
		const struct measured_flow *f = &l->flow[i];

		if (class != FLOW_CLASS_ALL && flow_class(f->bytes) != class)
			continue;
		n++;
		sum += f->fct_us;
		slow += f->slowdown;
		if (!f->unfinished)
			time[finished++] = f->fct_us;
	}
	*slowdown = n ? slow / n : NAN;
	*unfinished = n - finished;
	if (n) {
		qsort(time, finished, sizeof(*time), compare);
		add_mean(r, "fct_mean_us", name, t1_s, sum, finished, n);
		add_mean(r, "slowdown_mean", name, t1_s, slow, finished, n);
		add_quantile(r, "fct_p50_us", name, t1_s, time, finished, n, P50_FLOWS, 0.5);
		add_quantile(r, "fct_p99_us", name, t1_s, time, finished, n, P99_FLOWS, 0.99);
		add_quantile(r, "fct_p999_us", name, t1_s, time, finished, n, P999_FLOWS, 0.999);
	}
	free(time);
	return 0;
}

int objective_measure(const struct objective *o, const struct flow_list *l, double goodput_share,
		      double t1_s, struct record *r)
{
	double slowdown[FLOW_CLASSES + 1], sum = 0, weights = 0;
	size_t unfinished[FLOW_CLASSES + 1];
	struct metric j = { .name = "J", .t1_s = t1_s, .whole = true };

	if (l->no_memory)
		return -ENOMEM;
	for (unsigned int c = 0; c <= FLOW_CLASSES; c++) {
		int e = measure_class(l, c, t1_s, r, &slowdown[c], &unfinished[c]);

		if (e)
			return e;
	}
	for (unsigned int c = 0; c < FLOW_CLASSES; c++) {
		if (isnan(slowdown[c]) || o->class[c] <= 0)
			continue;
		/* A clock that ticks in microseconds may make a flow look faster than alone. */
		sum += o->class[c] * log(fmax(slowdown[c], 1e-3));
		weights += o->class[c];
	}
	if (weights <= 0)
		return -ENODATA;
	j.value = exp(sum / weights - o->goodput * log(fmax(goodput_share, 1e-3)));
	j.n = l->n;
	j.censored = unfinished[FLOW_CLASS_ALL];
	j.status = j.censored ? METRIC_CENSORED : METRIC_OK;
	record_add(r, &j);
	return r->no_memory ? -ENOMEM : 0;
}
