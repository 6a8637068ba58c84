// SPDX-License-Identifier: GPL-2.0
#include "rl/replay.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* So that an entry that is predicted well is still drawn now and then. */
#define SMALLEST_ERROR	1e-3

int replay_init(struct replay *p, unsigned int features, unsigned int outputs, unsigned int size)
{
	struct replay n = { .features = features, .outputs = outputs, .size = size };

	if (!features || !outputs || !size)
		return -EINVAL;
	n.entries = calloc(size, sizeof(*n.entries));
	n.row_x = calloc((size_t)size * features, sizeof(*n.row_x));
	if (!n.entries || !n.row_x) {
		replay_fini(&n);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < size; i++)
		n.entries[i].row_x = n.row_x + (size_t)i * features;
	*p = n;
	return 0;
}

int replay_prioritise(struct replay *p, float alpha)
{
	unsigned int leaves = 1;

	if (p->used || p->tree || !(alpha > 0.0f && alpha <= 1.0f))
		return -EINVAL;
	while (leaves < p->size)
		leaves *= 2;
	p->tree = calloc(2 * (size_t)leaves, sizeof(*p->tree));
	if (!p->tree)
		return -ENOMEM;
	p->leaves = leaves;
	p->alpha = alpha;
	p->max_priority = 1.0;
	return 0;
}

void replay_fini(struct replay *p)
{
	for (unsigned int i = 0; p->entries && i < p->size; i++) {
		free(p->entries[i].next_x);
		free(p->entries[i].next_feasible);
	}
	free(p->entries);
	free(p->row_x);
	free(p->tree);
	memset(p, 0, sizeof(*p));
}

static int entry_make_room(const struct replay *p, struct replay_entry *e, unsigned int rows)
{
	float *x;
	uint8_t *feasible;

	if (rows <= e->room)
		return 0;
	x = malloc((size_t)rows * p->features * sizeof(*x));
	feasible = malloc((size_t)rows * p->outputs);
	if (!x || !feasible) {
		free(x);
		free(feasible);
		return -ENOMEM;
	}
	free(e->next_x);
	free(e->next_feasible);
	e->next_x = x;
	e->next_feasible = feasible;
	e->room = rows;
	return 0;
}

static void set_leaf(struct replay *p, unsigned int index, double priority)
{
	unsigned int i = p->leaves + index;

	p->tree[i] = priority;
	/* Each sum afresh from its two parts, so that rounding does not add up. */
	while (i /= 2)
		p->tree[i] = p->tree[2 * i] + p->tree[2 * i + 1];
}

int replay_add(struct replay *p, const struct replay_item *item)
{
	struct replay_entry *e = &p->entries[p->head];
	const unsigned int rows = item->next_rows;
	int r;

	r = entry_make_room(p, e, rows);
	if (r < 0)
		return r;
	memcpy(e->row_x, item->row_x, p->features * sizeof(*e->row_x));
	e->output = item->output;
	e->reward = item->reward;
	e->discount = item->discount;
	e->policy = item->policy;
	e->next_rows = rows;
	if (rows) {
		memcpy(e->next_x, item->next_x, (size_t)rows * p->features * sizeof(*e->next_x));
		if (item->next_feasible)
			memcpy(e->next_feasible, item->next_feasible, (size_t)rows * p->outputs);
		else
			memset(e->next_feasible, 1, (size_t)rows * p->outputs);
	}
	if (p->tree)
		set_leaf(p, p->head, p->max_priority);
	p->head = (p->head + 1) % p->size;
	if (p->used < p->size)
		p->used++;
	return 0;
}

const struct replay_entry *replay_sample(const struct replay *p, struct rng *rng)
{
	return p->used ? &p->entries[rng_below(rng, p->used)] : NULL;
}

unsigned int replay_draw(const struct replay *p, struct rng *rng, unsigned int draw,
			 unsigned int draws, double *ratio)
{
	double at = (draw + rng_uniform(rng)) / draws;
	unsigned int i = 1;

	if (!p->tree) {
		*ratio = 1.0;
		return rng_below(rng, p->used);
	}
	at *= p->tree[1];
	while (i < p->leaves) {
		i *= 2;
		/* Rounding may leave "at" just beyond the sum: never walk into an empty half. */
		if (at >= p->tree[i] && p->tree[i + 1] > 0.0) {
			at -= p->tree[i];
			i++;
		}
	}
	*ratio = p->used * p->tree[i] / p->tree[1];
	return i - p->leaves;
}

void replay_set_priority(struct replay *p, unsigned int index, float error)
{
	const double priority = pow(fabs(error) + SMALLEST_ERROR, p->alpha);

	if (!p->tree || !isfinite(priority))
		return;
	p->max_priority = fmax(p->max_priority, priority);
	set_leaf(p, index, priority);
}
