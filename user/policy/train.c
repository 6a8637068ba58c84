// SPDX-License-Identifier: GPL-2.0
#include "policy/train.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "policy/curve.h"

/* A checkpoint's payload: this, the curve's points, the learner's model. */
struct head {
	uint64_t episodes, points;
};

struct training {
	const struct lab *lab;
	const struct train_config *config;
	struct learner *learner;
	struct curve curve;
	uint64_t episodes;		/* done */
	struct curve_point block;	/* being filled */
	unsigned int in_block;
	char settings[MODEL_COMMAND_MAX];
	char path[4096];		/* of the checkpoint */
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* What must be the same for a checkpoint to be gone on from. */
static void describe(struct training *t)
{
	const struct train_config *c = t->config;
	const struct lab *l = t->lab;
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
	snprintf(t->settings, sizeof(t->settings), "%s reward %d seed %" PRIu64 " mixes %zu of %"
		 PRIu64 " sizes %08lx epochs %u episodes %" PRIu64, learn_name(c->learn.kind),
		 c->learn.reward, c->learn.seed, l->n, l->seed, files, l->files.epochs,
		 c->episodes);
}

static int save(struct training *t, struct sl_err *e)
{
	const struct head head = { t->episodes, t->curve.n };
	const size_t points = t->curve.n * sizeof(*t->curve.point);
	struct model inner = { 0 }, m = { .kind = "checkpoint" };
	char *data;
	int r = learn_model(t->learner, &inner);

	if (r)
		return sl_err(e, r, "out of memory");
	m.size = sizeof(head) + points + inner.size;
	m.data = data = malloc(m.size);
	if (data) {
		memcpy(data, &head, sizeof(head));
		if (points)
			memcpy(data + sizeof(head), t->curve.point, points);
		memcpy(data + sizeof(head) + points, inner.data, inner.size);
		snprintf(m.command, sizeof(m.command), "%s", t->settings);
		r = model_write(&m, t->path, e);
	} else {
		r = sl_err(e, -ENOMEM, "out of memory");
	}
	model_free(&inner);
	model_free(&m);
	return r;
}

/* The checkpoint's curve, counters and learner; m is one, and of these settings. */
static int take(struct training *t, const struct model *m)
{
	const char *data = m->data;
	struct model inner = { 0 };
	struct head head;
	size_t points;
	int r;

	if (m->size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, data, sizeof(head));
	if (head.points > m->size / sizeof(*t->curve.point))
		return -EBADMSG;
	points = head.points * sizeof(*t->curve.point);
	if (m->size <= sizeof(head) + points)
		return -EBADMSG;
	snprintf(inner.kind, sizeof(inner.kind), "%s", learn_name(t->config->learn.kind));
	inner.size = m->size - sizeof(head) - points;
	inner.data = (char *)data + sizeof(head) + points;
	r = learn_restore(t->learner, &inner);
	for (uint64_t i = 0; !r && i < head.points; i++) {
		struct curve_point p;

		memcpy(&p, data + sizeof(head) + i * sizeof(p), sizeof(p));
		r = curve_add(&t->curve, &p);
	}
	if (!r)
		t->episodes = head.episodes;
	return r;
}

static int resume(struct training *t, struct sl_err *e)
{
	struct model m = { 0 };
	int r;

	if (access(t->path, F_OK))
		return 0;
	r = model_read(t->path, &m, e);
	if (r)
		return r;
	if (strcmp(m.kind, "checkpoint") || strcmp(m.command, t->settings))
		r = sl_err(e, -EINVAL, "%s was made under other settings (%s); remove it, or give "
			   "those again", t->path, m.command);
	else if (take(t, &m))
		r = sl_err(e, -EBADMSG, "%s: not what this version of sluice wrote; remove it",
			   t->path);
	model_free(&m);
	return r;
}

static int block_done(struct training *t)
{
	struct curve_point p = t->block;

	p.episode = t->episodes;
	p.reward /= t->in_block;
	p.regret /= t->in_block;
	t->block = (struct curve_point){ 0 };
	t->in_block = 0;
	if (t->config->progress)
		t->config->progress(t->config->arg, t->episodes, t->config->episodes, p.regret);
	return curve_add(&t->curve, &p);
}

static int episode(struct training *t)
{
	struct learn_result one;
	int r = learn_episode(t->learner, t->episodes, &one);

	if (r)
		return r;
	t->episodes++;
	t->block.reward += one.reward;
	t->block.regret += one.regret;
	if (++t->in_block == TRAIN_BLOCK || t->episodes == t->config->episodes)
		r = block_done(t);
	return r;
}

/* Episodes until all are done, with a checkpoint now and then, at the end of a block. */
static int run(struct training *t, struct train_report *out, struct sl_err *e)
{
	double saved = seconds();
	int r = t->episodes ? 0 : save(t, e);

	while (!r && t->episodes < t->config->episodes) {
		r = episode(t);
		if (r == -EDOM) {
			out->diverged = true;
			break;
		}
		if (r)
			return sl_err(e, r, "training stopped: %s", strerror(-r));
		if (!t->in_block && seconds() - saved >= t->config->checkpoint_s) {
			r = save(t, e);
			saved = seconds();
		}
	}
	if (!out->diverged)
		return r;
	/* The last good checkpoint's, in the place of what is not finite. */
	learn_free(t->learner);
	curve_free(&t->curve);
	r = learn_new(&t->config->learn, t->lab, &t->learner);
	if (r)
		t->learner = NULL;
	return r ? sl_err(e, r, "out of memory") : resume(t, e);
}

static int finish(struct training *t, struct train_report *out, struct sl_err *e)
{
	const size_t last = t->curve.n - t->curve.n / 5 * 4;
	struct model m = { 0 };
	int r = learn_model(t->learner, &m);

	if (r)
		return sl_err(e, r, "out of memory");
	snprintf(m.command, sizeof(m.command), "%s", t->config->command);
	r = model_write(&m, t->config->out, e);
	model_free(&m);
	if (!r)
		r = curve_write(&t->curve, t->config->out, e);
	if (!r)
		unlink(t->path);
	for (size_t i = t->curve.n - last; i < t->curve.n; i++)
		out->regret += t->curve.point[i].regret / last;
	out->episodes = t->episodes;
	return r;
}

int train(const struct lab *l, const struct train_config *c, struct train_report *out,
	  struct sl_err *e)
{
	struct training t = { .lab = l, .config = c };
	int r = learn_new(&c->learn, l, &t.learner);

	if (r)
		return sl_err(e, r, "out of memory");
	*out = (struct train_report){ 0 };
	describe(&t);
	if (snprintf(t.path, sizeof(t.path), "%s.checkpoint", c->out) >= (int)sizeof(t.path))
		r = sl_err(e, -ENAMETOOLONG, "%s: the name is too long", c->out);
	if (!r)
		r = resume(&t, e);
	out->resumed_at = t.episodes;
	if (!r)
		r = run(&t, out, e);
	if (!r)
		r = finish(&t, out, e);
	learn_free(t.learner);
	curve_free(&t.curve);
	return r;
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
