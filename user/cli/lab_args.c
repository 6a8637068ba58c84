// SPDX-License-Identifier: GPL-2.0
#include "cli/lab_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"

int lab_files_add(struct lab_files *f, const char *list)
{
	struct sl_err e;

	while (*list) {
		const size_t n = strcspn(list, ",");

		if (f->n == LAB_FILES_MAX)
			return cli_fail("more than %d files of sizes", LAB_FILES_MAX);
		f->name[f->n] = strndup(list, n);
		if (!f->name[f->n])
			return cli_fail("out of memory");
		if (dist_read(f->name[f->n], &f->dist[f->n], &e)) {
			free(f->name[f->n]);
			return cli_fail_err(&e);
		}
		f->n++;
		list += n + (list[n] == ',');
	}
	return CLI_OK;
}

int lab_files_add_traces(struct lab_files *f, const char *list)
{
	struct sl_err e;

	while (*list) {
		const size_t n = strcspn(list, ",");

		if (f->traces == LAB_FILES_MAX)
			return cli_fail("more than %d link traces", LAB_FILES_MAX);
		f->trace_name[f->traces] = strndup(list, n);
		if (!f->trace_name[f->traces])
			return cli_fail("out of memory");
		if (link_trace_read(f->trace_name[f->traces], &f->trace[f->traces], &e)) {
			free(f->trace_name[f->traces]);
			return cli_fail_err(&e);
		}
		f->traces++;
		list += n + (list[n] == ',');
	}
	return CLI_OK;
}

void lab_files_free(struct lab_files *f)
{
	while (f->n) {
		f->n--;
		dist_free(&f->dist[f->n]);
		free(f->name[f->n]);
	}
	while (f->traces) {
		f->traces--;
		link_trace_free(&f->trace[f->traces]);
		free(f->trace_name[f->traces]);
	}
}

struct mix_files lab_files_mix(const struct lab_files *f, unsigned int epochs,
			       unsigned int rate_percent)
{
	return (struct mix_files){
		.sizes = f->dist, .name = (const char *const *)f->name, .n = f->n, .epochs = epochs,
		.rate_scale = rate_percent / 100.0, .trace = f->trace, .traces = f->traces,
	};
}

void lab_progress_begin(struct lab_progress *p, const char *what)
{
	*p = (struct lab_progress){ what, monotonic_s(), 0 };
}

void lab_progress_tick(void *arg, size_t done, size_t n)
{
	struct lab_progress *p = arg;
	const double now = monotonic_s(), rate = done / (now - p->started + 1e-9);

	if (!isatty(STDERR_FILENO) || (done < n && now - p->told < 0.5))
		return;
	p->told = now;
	fprintf(stderr, "\r%-16s %zu of %zu, %.0f/s, %.0f s left   %s", p->what, done, n, rate,
		rate > 0 ? (n - done) / rate : 0, done == n ? "\r\033[K" : "");
}
