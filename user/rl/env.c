// SPDX-License-Identifier: GPL-2.0
#include "rl/env.h"

#include <errno.h>
#include <string.h>

int env_reset(struct env *e, uint64_t seed)
{
	int r = e->ops->reset(e, seed);

	if (r < 0)
		return r;
	e->steps = 0;
	e->over = false;
	return 0;
}

int env_observe(const struct env *e, float *x, uint8_t *feasible)
{
	const struct env_shape *s = &e->shape;
	int rows;

	memset(feasible, 1, (size_t)s->max_rows * s->outputs);
	rows = e->ops->observe(e, x, feasible);
	if (rows >= 0 && (unsigned int)rows < s->max_rows) {
		const size_t left = s->max_rows - rows;

		memset(x + (size_t)rows * s->features, 0, left * s->features * sizeof(*x));
		memset(feasible + (size_t)rows * s->outputs, 0, left * s->outputs);
	}
	return rows;
}

int env_step(struct env *e, const struct env_action *a, struct env_step *out)
{
	const int actions = e->shape.max_rows * e->shape.outputs;
	struct env_step s = { 0 };
	int r;

	if (e->over || (actions ? a->index < 0 || a->index >= actions : !a->value))
		return -EINVAL;
	r = e->ops->step(e, a, &s);
	if (r < 0)
		return r;
	e->steps++;
	if (!s.terminated && e->time_limit && e->steps >= e->time_limit)
		s.truncated = true;
	e->over = s.terminated || s.truncated;
	*out = s;
	return 0;
}

void env_free(struct env *e)
{
	if (e)
		e->ops->free(e);
}
