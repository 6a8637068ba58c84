// SPDX-License-Identifier: GPL-2.0
#include "rl/dataset.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An entry's observations lie one after the other in x and ok: first seen, then next. */
struct entry {
	size_t x, ok;			/* where in dataset.x, dataset.ok */
	unsigned int rows, next_rows;
	unsigned int action;
	float behaviour, reward, discount;
};

struct dataset {
	unsigned int features, outputs, max_rows;
	size_t n, room;
	struct entry *entry;
	float *x;			/* (x_used) */
	uint8_t *ok;			/* (ok_used) */
	size_t x_used, x_room, ok_used, ok_room;
};

int dataset_new(unsigned int features, unsigned int outputs, unsigned int max_rows,
		struct dataset **ret)
{
	struct dataset *d;

	if (!features || !outputs || !max_rows)
		return -EINVAL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->features = features;
	d->outputs = outputs;
	d->max_rows = max_rows;
	*ret = d;
	return 0;
}

void dataset_free(struct dataset *d)
{
	if (!d)
		return;
	free(d->entry);
	free(d->x);
	free(d->ok);
	free(d);
}

/* Room for "more" items of "size" bytes beyond "used". */
static int make_room(void **array, size_t *room, size_t used, size_t more, size_t size)
{
	size_t n = *room;
	void *p;

	if (used + more <= n)
		return 0;
	n = n * 2 > used + more ? n * 2 : used + more + 64;
	p = realloc(*array, n * size);
	if (!p)
		return -ENOMEM;
	*array = p;
	*room = n;
	return 0;
}

static bool all_finite(const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return false;
	return true;
}

static bool row_ok(const struct dataset *d, const struct dataset_row *r)
{
	return r->obs.rows && r->obs.rows <= d->max_rows && r->next.rows <= d->max_rows &&
	       r->action < r->obs.rows * d->outputs &&
	       (!r->obs.feasible || r->obs.feasible[r->action]) &&
	       r->behaviour >= 0.0f && r->behaviour <= 1.0f && isfinite(r->reward) &&
	       r->discount >= 0.0f && r->discount < 1.0f &&
	       all_finite(r->obs.x, (size_t)r->obs.rows * d->features) &&
	       all_finite(r->next.x, (size_t)r->next.rows * d->features);
}

static void append(struct dataset *d, const struct ddqn_obs *o)
{
	const size_t x = (size_t)o->rows * d->features, ok = (size_t)o->rows * d->outputs;

	if (!o->rows)
		return;
	memcpy(d->x + d->x_used, o->x, x * sizeof(*d->x));
	if (o->feasible)
		memcpy(d->ok + d->ok_used, o->feasible, ok);
	else
		memset(d->ok + d->ok_used, 1, ok);
	d->x_used += x;
	d->ok_used += ok;
}

int dataset_add(struct dataset *d, const struct dataset_row *r)
{
	const size_t rows = (size_t)r->obs.rows + r->next.rows;

	if (!row_ok(d, r))
		return -EINVAL;
	if (make_room((void **)&d->entry, &d->room, d->n, 1, sizeof(*d->entry)) < 0 ||
	    make_room((void **)&d->x, &d->x_room, d->x_used, rows * d->features,
		      sizeof(*d->x)) < 0 ||
	    make_room((void **)&d->ok, &d->ok_room, d->ok_used, rows * d->outputs, 1) < 0)
		return -ENOMEM;
	d->entry[d->n++] = (struct entry) {
		.x = d->x_used, .ok = d->ok_used, .rows = r->obs.rows, .next_rows = r->next.rows,
		.action = r->action, .behaviour = r->behaviour, .reward = r->reward,
		.discount = r->discount,
	};
	append(d, &r->obs);
	append(d, &r->next);
	return 0;
}

size_t dataset_size(const struct dataset *d)
{
	return d->n;
}

void dataset_get(const struct dataset *d, size_t i, struct dataset_row *out)
{
	const struct entry *e = &d->entry[i];
	const float *x = d->x + e->x;
	const uint8_t *ok = d->ok + e->ok;

	*out = (struct dataset_row) {
		.obs = { x, ok, e->rows },
		.action = e->action, .behaviour = e->behaviour, .reward = e->reward,
		.discount = e->discount,
	};
	if (e->next_rows)
		out->next = (struct ddqn_obs){ x + (size_t)e->rows * d->features,
					       ok + (size_t)e->rows * d->outputs, e->next_rows };
}

unsigned int dataset_features(const struct dataset *d)
{
	return d->features;
}

unsigned int dataset_outputs(const struct dataset *d)
{
	return d->outputs;
}

unsigned int dataset_max_rows(const struct dataset *d)
{
	return d->max_rows;
}
