// SPDX-License-Identifier: GPL-2.0
#include "rl/nstep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int nstep_init(struct nstep *s, unsigned int n, unsigned int features, float gamma)
{
	struct nstep new = { .n = n, .features = features, .gamma = gamma };

	if (!n || !features || !(gamma >= 0.0f && gamma < 1.0f))
		return -EINVAL;
	new.wait = calloc(n, sizeof(*new.wait));
	new.row_x = calloc((size_t)n * features, sizeof(*new.row_x));
	if (!new.wait || !new.row_x) {
		nstep_fini(&new);
		return -ENOMEM;
	}
	*s = new;
	return 0;
}

void nstep_fini(struct nstep *s)
{
	free(s->wait);
	free(s->row_x);
	memset(s, 0, sizeof(*s));
}

void nstep_clear(struct nstep *s)
{
	s->used = 0;
}

static void pass_on_oldest(struct nstep *s, struct ddqn *d, const struct ddqn_obs *next)
{
	const struct nstep_wait *w = &s->wait[s->head];

	ddqn_store(d, &(struct ddqn_transition){
		.row_x = s->row_x + (size_t)s->head * s->features,
		.output = w->output, .reward = w->sum, .discount = w->discount, .next = *next,
	});
	s->head = (s->head + 1) % s->n;
	s->used--;
}

void nstep_add(struct nstep *s, struct ddqn *d, const float *row_x, unsigned int output,
	       float reward, const struct ddqn_obs *next, bool truncated)
{
	const bool over = !next->rows || truncated;
	const unsigned int slot = (s->head + s->used) % s->n;

	s->wait[slot] = (struct nstep_wait) { .output = output, .discount = 1.0 };
	memcpy(s->row_x + (size_t)slot * s->features, row_x, s->features * sizeof(*row_x));
	s->used++;
	for (unsigned int i = 0; i < s->used; i++) {
		struct nstep_wait *w = &s->wait[(s->head + i) % s->n];

		w->sum += w->discount * reward;
		w->discount *= s->gamma;
	}
	while (s->used == s->n || (over && s->used))
		pass_on_oldest(s, d, next);
}
