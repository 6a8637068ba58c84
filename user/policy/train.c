// SPDX-License-Identifier: GPL-2.0
#include "policy/train.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

struct making {
	const struct learn_config *config;
	const struct lab *lab;
};

static int make(const void *config, void **ret)
{
	const struct making *m = config;
	struct learner *l;
	int r = learn_new(m->config, m->lab, &l);

	if (!r)
		*ret = l;
	return r;
}

static void free_learner(void *learner)
{
	learn_free(learner);
}

static int episode(void *learner, uint64_t n, double *plotted, double *beside)
{
	struct learn_result one;
	int r = learn_episode(learner, n, &one);

	if (r)
		return r;
	*plotted = one.regret;
	*beside = one.reward;
	return 0;
}

static int model(const void *learner, struct model *m)
{
	return learn_model(learner, m);
}

static int restore(void *learner, const struct model *m)
{
	return learn_restore(learner, m);
}

static const struct trainer_ops ops = {
	.make = make, .free = free_learner, .episode = episode, .model = model, .restore = restore,
};

/* What must be the same for a checkpoint to be gone on from. */
static void describe(const struct lab *l, const struct train_config *c, char *text, size_t size)
{
	uLong files = crc32(0, NULL, 0);

	for (size_t i = 0; i < l->files.n; i++) {
		const struct dist *d = &l->files.sizes[i];

		files = crc32_z(files, (const Bytef *)d->bytes, d->n * sizeof(*d->bytes));
		files = crc32_z(files, (const Bytef *)d->share, d->n * sizeof(*d->share));
	}
	for (size_t i = 0; i < l->files.traces; i++) {
		const struct link_trace *trace = &l->files.trace[i];

		files = crc32_z(files, (const Bytef *)trace->piece,
				trace->n * sizeof(*trace->piece));
	}
	snprintf(text, size, "%s reward %d seed %" PRIu64 " mixes %zu of %" PRIu64
		 " sizes %08lx epochs %u rates %g episodes %" PRIu64, learn_name(c->learn.kind),
		 c->learn.reward, c->learn.seed, l->n, l->seed, files, l->files.epochs,
		 l->files.rate_scale, c->episodes);
}

int train(const struct lab *l, const struct train_config *c, struct train_report *out,
	  struct sl_err *e)
{
	const struct making making = { &c->learn, l };
	char settings[MODEL_COMMAND_MAX];
	const struct trainer_config t = {
		.ops = &ops, .learner = &making, .settings = settings,
		.names = { "regret", "reward", "ln(cost / cost of the best threshold)" },
		.episodes = c->episodes, .block = TRAIN_BLOCK, .out = c->out,
		.command = c->command, .checkpoint_s = c->checkpoint_s, .progress = c->progress,
		.arg = c->arg,
	};

	describe(l, c, settings, sizeof(settings));
	return trainer_run(&t, out, e);
}

struct judging {
	const struct lab *lab;
	const struct model *model;
};

static int judge_one(void *ctx, size_t i, void *result)
{
	const struct judging *j = ctx;
	struct outcome out;
	int r = lab_run_model(&j->lab->files, &j->lab->mix[i], 0, j->model, &out);

	if (!r)
		*(double *)result = log(out.cost / j->lab->cell[i][lab_best(j->lab, i)].out.cost);
	return r;
}

int train_judge(struct lab *l, const struct model *m, double *regret)
{
	struct judging j = { l, m };
	double *each = calloc(l->n, sizeof(*each)), sum = 0;
	int r = each ? par_run(&l->par, l->n, judge_one, &j, each, sizeof(*each)) : -ENOMEM;

	for (size_t i = 0; !r && i < l->n; i++)
		sum += each[i] / l->n;
	free(each);
	if (!r) {
		l->runs += l->n;
		*regret = sum;
	}
	return r;
}
