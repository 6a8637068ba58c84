// SPDX-License-Identifier: GPL-2.0
/*
 * Runs on this host itself, in network namespaces of their own: how arriving packets get to CPUs.
 * selftests/lab/native.sh does them; block.h says how it is spoken to.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lab/arrivals.h"
#include "lab/block.h"

#define SCRIPT		"selftests/lab/native.sh"

static int write_job(const struct block *b, const struct store_run *run, struct sl_err *e)
{
	const struct plan *p = b->r->plan;
	const struct lab_configuration *c = &p->configuration[run->configuration];
	const struct lab_policy *q = &p->policy[run->policy].p;
	char path[PATH_MAX + 64], arrivals[PATH_MAX + 64];
	FILE *f;

	block_arrivals_path(b, run, arrivals, sizeof(arrivals));
	snprintf(path, sizeof(path), "%s/%lld.job", b->dir, (long long)run->id);
	f = fopen(path, "we");
	if (!f)
		return sl_err(e, -errno, "cannot write %s: %s", path, strerror(errno));
	fprintf(f, "run=%lld\nsteering='%s'\nseed=%llu\n", (long long)run->id, q->steering,
		(unsigned long long)run->seed);
	for (int k = 0; k < LAB_KEYS; k++)
		if (!lab_key_rows[k].words)
			fprintf(f, "%s=%.10g\n", lab_key_rows[k].name, c->value[k]);
	for (int i = 0; i < FLOW_CLASSES; i++)
		fprintf(f, "w_%s=%.10g\n", flow_class_name(i), p->objective.class[i]);
	fprintf(f, "w_goodput=%.10g\narrivals=%s.%s\n", p->objective.goodput, arrivals,
		arrivals_list_name(ARRIVALS_DCTCP));
	return fclose(f) ? sl_err(e, -errno, "cannot write %s: %s", path, strerror(errno)) : 0;
}

/* The flows have the host's congestion control, whatever the list is called. */
static int write_files(const struct block *b, const struct store_run *run, struct sl_err *e)
{
	const int r = write_job(b, run, e);

	return r ? r : block_write_arrivals(b, run, e);
}

static void command(const struct block *b, const char *limit_s, const char *words[BLOCK_WORDS])
{
	*words++ = "timeout";
	*words++ = "-k";
	*words++ = "20";
	*words++ = limit_s;
	*words++ = SCRIPT;
	*words = b->dir;
}

int native_run(struct runner *r, struct sl_err *e)
{
	static const struct block_executor native = {
		.who = "the native lab", .script = SCRIPT, .start_s = 60, .extra_s = 30,
		.write_files = write_files, .command = command,
	};

	return blocks_run(r, &native, 1, e);
}
