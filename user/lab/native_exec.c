// SPDX-License-Identifier: GPL-2.0
/*
 * Runs on this host itself, in network namespaces of their own: how arriving packets get to CPUs.
 * selftests/lab/native.sh does them; block.h says how it is spoken to.
 */
#include <stdio.h>

#include "lab/block.h"

#define SCRIPT		"selftests/lab/native.sh"
#define CLEANUP_S	"120"	/* after it was told to stop */

static int write_files(const struct block *b, const struct store_run *run, struct sl_err *e)
{
	FILE *f;
	int r = block_job(b, run, &f, e);

	if (r)
		return r;
	fprintf(f, "steering='%s'\n", b->r->plan->policy[run->policy].p.steering);
	r = block_job_end(f, run, e);
	return r ? r : block_write_arrivals(b, run, e);
}

static void command(const struct block *b, const char *limit_s, const char *words[BLOCK_WORDS])
{
	*words++ = "timeout";
	*words++ = "-k";
	*words++ = CLEANUP_S;
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
