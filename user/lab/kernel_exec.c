// SPDX-License-Identifier: GPL-2.0
/*
 * Runs in the kernel lab: a block is one boot of scripts/vm_run.sh, in which selftests/lab/block.sh does
 * its runs on a network of namespaces. Lists of arrivals are by workload, configuration and trial, which
 * all policies have in common.
 */
#include <stdio.h>
#include <string.h>

#include "lab/block.h"
#include "lab/fits.h"

static void write_phases(FILE *f, const struct workload *w)
{
	fprintf(f, "phase_s=%g\nrates='", w->phases > 1 ? w->phase_s : 0);
	for (unsigned int i = 0; i < w->phases; i++)
		fprintf(f, "%s%g", i ? " " : "", w->phase[i].rate);
	fprintf(f, "'\nrtts='");
	for (unsigned int i = 0; i < w->rtts; i++)
		fprintf(f, "%s%g", i ? " " : "", w->rtt_of[i]);
	fprintf(f, "'\nendless=%u\nlists='dctcp%s%s'\n", w->endless, w->ecn_cubic > 0 ? " cubic" : "",
		w->cubic > 0 ? " plain" : "");
}

static int write_job(const struct block *b, const struct store_run *run, struct sl_err *e)
{
	static const char *const means[] = {
		[LAB_QDISC] = "qdisc", [LAB_THRESHOLD] = "threshold", [LAB_MODEL] = "model",
		[LAB_LEARN] = "learn", [LAB_FIT] = "model",
	};
	const struct plan *p = b->r->plan;
	const struct lab_policy *q = &p->policy[run->policy].p;
	FILE *f;
	const int r = block_job(b, run, &f, e);

	if (r)
		return r;
	fprintf(f, "means=%s\nqdisc='%s'\nk_bytes=%u\nqth_max=%u\nmax_p=%u\nseries=%u\nmodel=%s/%u-%u.model\n",
		means[q->means], q->qdisc, q->triple.qth_min, q->triple.qth_max, q->triple.max_p, p->series,
		b->dir, run->policy, run->workload);
	write_phases(f, &p->workload[run->workload].w);
	return block_job_end(f, run, e);
}

static int write_files(const struct block *b, const struct store_run *run, struct sl_err *e)
{
	const struct plan *p = b->r->plan;
	const struct lab_policy *q = &p->policy[run->policy].p;
	const struct model *model;
	char path[PATH_MAX + 64];
	const char *why;
	int r = write_job(b, run, e);

	if (!r)
		r = block_write_arrivals(b, run, e);
	/* Without one the daemon does not start, and the run has failed. */
	model = q->means == LAB_MODEL ? &q->model :
		fits_find(b->r->fits, p, run->policy, run->workload, &why);
	snprintf(path, sizeof(path), "%s/%u-%u.model", b->dir, run->policy, run->workload);
	if (!r && model)
		r = model_write(model, path, e);
	return r;
}

static void command(const struct block *b, const char *limit_s, const char *words[BLOCK_WORDS])
{
	*words++ = "scripts/vm_run.sh";
	if (b->r->plan->virtual_time)
		*words++ = "--virtual-time";
	*words++ = "--timeout";
	*words++ = limit_s;
	*words++ = "--";
	*words++ = "selftests/lab/block.sh";
	*words = b->dir;
}

/* One after the other in real time, where VMs would take each other's CPUs. */
int kernel_run(struct runner *r, struct sl_err *e)
{
	const struct block_executor vm = {
		.who = "the VM", .script = "scripts/vm_run.sh", .start_s = 120, .extra_s = 90,
		.one_cpu = r->plan->virtual_time, .write_files = write_files, .command = command,
	};

	return blocks_run(r, &vm, r->plan->virtual_time ? r->jobs : 1, e);
}
