// SPDX-License-Identifier: GPL-2.0
/*
 * Runs in the kernel lab: a block is one boot of scripts/vm_run.sh, in which selftests/lab/block.sh does
 * its runs on a network of namespaces. Lists of arrivals are by workload, configuration and trial, which
 * all policies have in common.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lab/block.h"

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
	static const char *const means[] = { "qdisc", "threshold", "model", "learn", "choice" };
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
	fprintf(f, "run=%lld\nmeans=%s\nqdisc='%s'\nk_bytes=%.0f\nseed=%llu\n", (long long)run->id,
		means[q->means], q->qdisc, q->means == LAB_THRESHOLD ? q->number : 0,
		(unsigned long long)run->seed);
	for (int k = 0; k < LAB_KEYS; k++)
		if (lab_key_rows[k].words)
			fprintf(f, "%s=%s\n", lab_key_rows[k].name, lab_key_rows[k].words[(int)c->value[k]]);
		else
			fprintf(f, "%s=%.10g\n", lab_key_rows[k].name, c->value[k]);
	write_phases(f, &p->workload[run->workload].w);
	for (int i = 0; i < FLOW_CLASSES; i++)
		fprintf(f, "w_%s=%.10g\n", flow_class_name(i), p->objective.class[i]);
	fprintf(f, "w_goodput=%.10g\nseries=%u\narrivals=%s\nmodel=%s/%u.model\n",
		p->objective.goodput, p->series, arrivals, b->dir, run->policy);
	return fclose(f) ? sl_err(e, -errno, "cannot write %s: %s", path, strerror(errno)) : 0;
}

static int write_files(const struct block *b, const struct store_run *run, struct sl_err *e)
{
	const struct lab_policy *q = &b->r->plan->policy[run->policy].p;
	char path[PATH_MAX + 64];
	int r = write_job(b, run, e);

	if (!r)
		r = block_write_arrivals(b, run, e);
	snprintf(path, sizeof(path), "%s/%u.model", b->dir, run->policy);
	if (!r && q->means == LAB_MODEL)
		r = model_write(&q->model, path, e);
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
