// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/dynamic_test.h"
#include "lab/stats.h"
#include "policy/mix.h"

struct dynamic_scene dynamic_network(void)
{
	return (struct dynamic_scene){
		.rate_bps = 100e6, .rtt_s = 2e-3, .epoch_s = 0.05, .window_s = 1,
		.limit_bytes = MIX_LIMIT_BYTES,
	};
}

struct dynamic_scene dynamic_network_slow(void)
{
	struct dynamic_scene s = dynamic_network();

	s.rate_bps /= 10;
	s.rtt_s *= 10;
	s.epoch_s = 10 * s.rtt_s;
	return s;
}

struct dynamic_system dynamic_alone(const struct model *m)
{
	return (struct dynamic_system){ .kind = DYNAMIC_HOST, .model = m, .fixed = DYNAMIC_FIXED };
}

struct dynamic_system dynamic_host_of(const struct model *m)
{
	struct dynamic_system s = dynamic_alone(m);

	s.confidence = DYNAMIC_CONFIDENCE;
	s.watch = true;
	return s;
}

int dynamic_workloads(const char *const *name, size_t n, struct workload *ret, struct sl_err *e)
{
	int r = 0;

	for (size_t i = 0; !r && i < n; i++)
		r = workload_find(name[i], "", &ret[i], e);
	return r;
}

int dynamic_runs(const struct dynamic_options *o, size_t n, par_task *run, void *arg, size_t size,
		 void **ret, struct sl_err *e)
{
	int r;

	*ret = calloc(n, size);
	if (!*ret)
		return sl_err(e, -ENOMEM, "out of memory");
	r = par_run(&o->par, n, run, arg, *ret, size);
	return r ? sl_err(e, r, "the runs: %s", strerror(-r)) : 0;
}

json_t *dynamic_number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *interval(const double *x, size_t n, double (*map)(double))
{
	struct stats_interval i;

	for (size_t k = 0; k < n; k++)
		if (!isfinite(x[k]))
			return json_null();
	if (n < 2)
		return n ? json_real(map(x[0])) : json_null();
	stats_interval_mean(x, n, &i);
	return json_pack("{s:f s:f s:f}", "mean", map(i.mean), "low", map(i.low), "high",
			 map(i.high));
}

static double same(double x)
{
	return x;
}

static double percent(double x)
{
	return 100 * expm1(x);
}

json_t *dynamic_interval(const double *x, size_t n)
{
	return interval(x, n, same);
}

json_t *dynamic_percent(const double *x, size_t n)
{
	return interval(x, n, percent);
}

json_t *dynamic_table(const char *title, json_t *rows)
{
	return json_pack("{s:s s:o}", "title", title, "rows", rows);
}
