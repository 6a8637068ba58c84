// SPDX-License-Identifier: GPL-2.0
#include "policy/trainer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"

/* A checkpoint's payload: this, the curve's points, the learner's model. */
struct head {
	uint64_t episodes, points;
	char kind[MODEL_KIND_MAX];	/* of the learner's model */
};

struct training {
	const struct trainer_config *config;
	void *learner;
	struct curve curve;
	uint64_t episodes;		/* done */
	struct curve_point block;	/* being filled */
	unsigned int in_block;
	char path[4096];		/* of the checkpoint */
	struct model good;		/* a checkpoint's, as it was when the last block ended */
};

/* What there is becomes "good". */
static int remember(struct training *t)
{
	struct head head = { t->episodes, t->curve.n, "" };
	const size_t points = t->curve.n * sizeof(*t->curve.point);
	struct model inner = { 0 }, m = { .kind = "checkpoint" };
	char *data;
	int r = t->config->ops->model(t->learner, &inner);

	if (r)
		return r;
	memcpy(head.kind, inner.kind, sizeof(head.kind));
	m.size = sizeof(head) + points + inner.size;
	m.data = data = malloc(m.size);
	if (data) {
		memcpy(data, &head, sizeof(head));
		if (points)
			memcpy(data + sizeof(head), t->curve.point, points);
		memcpy(data + sizeof(head) + points, inner.data, inner.size);
		snprintf(m.command, sizeof(m.command), "%s", t->config->settings);
		model_free(&t->good);
		t->good = m;
	}
	model_free(&inner);
	return data ? 0 : -ENOMEM;
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
	if (m->size - sizeof(head) <= points || !memchr(head.kind, 0, sizeof(head.kind)))
		return -EBADMSG;
	memcpy(inner.kind, head.kind, sizeof(inner.kind));
	inner.size = m->size - sizeof(head) - points;
	inner.data = (char *)data + sizeof(head) + points;
	r = t->config->ops->restore(t->learner, &inner);
	t->curve.n = 0;
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
	if (strcmp(m.kind, "checkpoint") || strcmp(m.command, t->config->settings))
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
	int r;

	p.episode = t->episodes;
	p.plotted /= t->in_block;
	p.beside /= t->in_block;
	t->block = (struct curve_point){ 0 };
	t->in_block = 0;
	r = curve_add(&t->curve, &p);
	if (!r)
		r = remember(t);
	if (!r && t->config->progress)
		t->config->progress(t->config->arg, t->episodes, t->config->episodes, p.plotted);
	return r;
}

static int episode(struct training *t)
{
	double plotted, beside;
	int r = t->config->ops->episode(t->learner, t->episodes, &plotted, &beside);

	if (r)
		return r;
	t->episodes++;
	t->block.plotted += plotted;
	t->block.beside += beside;
	if (++t->in_block == t->config->block || t->episodes == t->config->episodes)
		r = block_done(t);
	return r;
}

/* The last good state in the place of one that is not finite. */
static int go_back(struct training *t, struct sl_err *e)
{
	const struct trainer_config *c = t->config;
	int r;

	c->ops->free(t->learner);
	t->learner = NULL;
	t->block = (struct curve_point){ 0 };
	t->in_block = 0;
	r = c->ops->make(c->learner, &t->learner);
	if (r)
		t->learner = NULL;
	if (!r)
		r = take(t, &t->good);
	return r ? sl_err(e, r, "cannot go back to the last good model: %s", strerror(-r)) : 0;
}

/* Episodes until all are done, with a checkpoint now and then, at the end of a block. */
static int run(struct training *t, struct train_report *out, struct sl_err *e)
{
	double saved = monotonic_s();
	int r = remember(t);

	if (!r && !t->episodes)
		r = model_write(&t->good, t->path, e);
	else if (r)
		sl_err(e, r, "out of memory");
	while (!r && t->episodes < t->config->episodes) {
		r = episode(t);
		if (r == -EDOM) {
			out->diverged = true;
			return go_back(t, e);
		}
		if (r)
			return sl_err(e, r, "training stopped: %s", strerror(-r));
		if (!t->in_block && monotonic_s() - saved >= t->config->checkpoint_s) {
			r = model_write(&t->good, t->path, e);
			saved = monotonic_s();
		}
	}
	return r;
}

static int finish(struct training *t, struct train_report *out, struct sl_err *e)
{
	const size_t last = t->curve.n - t->curve.n / 5 * 4;
	struct model m = { 0 };
	int r = t->config->ops->model(t->learner, &m);

	if (r)
		return sl_err(e, r, "out of memory");
	snprintf(m.command, sizeof(m.command), "%s", t->config->command);
	r = model_write(&m, t->config->out, e);
	model_free(&m);
	if (!r)
		r = curve_write(&t->curve, &t->config->names, t->config->out, e);
	if (!r)
		unlink(t->path);
	for (size_t i = t->curve.n - last; i < t->curve.n; i++)
		out->regret += t->curve.point[i].plotted / last;
	out->episodes = t->episodes;
	return r;
}

int trainer_run(const struct trainer_config *c, struct train_report *out, struct sl_err *e)
{
	struct training t = { .config = c };
	int r = c->ops->make(c->learner, &t.learner);

	if (r)
		return sl_err(e, r, "cannot make the learner: %s", strerror(-r));
	*out = (struct train_report){ 0 };
	if (snprintf(t.path, sizeof(t.path), "%s.checkpoint", c->out) >= (int)sizeof(t.path))
		r = sl_err(e, -ENAMETOOLONG, "%s: the name is too long", c->out);
	if (!r)
		r = resume(&t, e);
	out->resumed_at = t.episodes;
	if (!r)
		r = run(&t, out, e);
	if (!r)
		r = finish(&t, out, e);
	c->ops->free(t.learner);
	curve_free(&t.curve);
	model_free(&t.good);
	return r;
}
