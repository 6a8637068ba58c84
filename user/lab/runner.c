// SPDX-License-Identifier: GPL-2.0
#include "lab/runner.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "lib/clock.h"

#define CLOCK_STEP_S	1	/* less is how clocks are disciplined */

static double wall_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

void runner_say(struct runner *r, const char *format, ...)
{
	char text[512];
	va_list ap;

	if (!r->tell)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	r->tell(r->arg, NULL, NULL, text);
}

int runner_begin(struct runner *r, const struct store_run *run, struct attempt *a, struct sl_err *e)
{
	int error = store_begin(r->store, run, &a->id, e);

	if (error)
		return error;
	a->run = run;
	a->monotonic_s = monotonic_s();
	a->wall_s = wall_s();
	return 0;
}

int runner_end(struct runner *r, struct attempt *a, struct record *rec, struct sl_err *e)
{
	const struct store_run *run = a->run;
	double step;
	bool again;
	int error;

	rec->run = run->id;
	rec->duration_s = monotonic_s() - a->monotonic_s;
	step = wall_s() - a->wall_s - rec->duration_s;
	rec->clock_step_s = fabs(step) > CLOCK_STEP_S ? step : 0;
	a->run = NULL;
	error = store_end(r->store, run, a->id, rec, &again, e);
	if (error)
		return error;
	if (rec->clock_step_s)
		runner_say(r, "the clock was moved by %.0f s during run %lld; durations are not "
			   "affected", rec->clock_step_s, (long long)run->id);
	if (r->tell)
		r->tell(r->arg, run, rec, NULL);
	return 0;
}

static int do_blocks(struct runner *r, struct sl_err *e)
{
	switch (r->plan->executor) {
	case PLAN_KERNEL:
		return kernel_run(r, e);
	case PLAN_NATIVE:
		return native_run(r, e);
	default:
		return simulator_run(r, e);
	}
}

int runner_run(struct runner *r, struct sl_err *e)
{
	int error = fits_make(r, &r->fits, e);

	if (!error)
		error = do_blocks(r, e);
	fits_free(r->fits);
	r->fits = NULL;
	return error;
}
