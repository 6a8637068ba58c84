// SPDX-License-Identifier: GPL-2.0
#include "rl/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

void replay_fini(struct replay *p)
{
	for (unsigned int i = 0; p->entries && i < p->size; i++) {
		free(p->entries[i].next_x);
		free(p->entries[i].next_feasible);
	}
	free(p->entries);
	free(p->row_x);
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

int replay_add(struct replay *p, const float *row_x, unsigned int output, float reward,
	       const float *next_x, const uint8_t *feasible, unsigned int next_rows)
{
	struct replay_entry *e = &p->entries[p->head];
	int r;

	r = entry_make_room(p, e, next_rows);
	if (r < 0)
		return r;
	memcpy(e->row_x, row_x, p->features * sizeof(*row_x));
	e->output = output;
	e->reward = reward;
	e->next_rows = next_rows;
	if (next_rows) {
		memcpy(e->next_x, next_x, (size_t)next_rows * p->features * sizeof(*next_x));
		if (feasible)
			memcpy(e->next_feasible, feasible, (size_t)next_rows * p->outputs);
		else
			memset(e->next_feasible, 1, (size_t)next_rows * p->outputs);
	}
	p->head = (p->head + 1) % p->size;
	if (p->used < p->size)
		p->used++;
	return 0;
}

const struct replay_entry *replay_sample(const struct replay *p, struct rng *rng)
{
	return p->used ? &p->entries[rng_below(rng, p->used)] : NULL;
}
