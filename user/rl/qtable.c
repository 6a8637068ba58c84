// SPDX-License-Identifier: GPL-2.0
#include "rl/qtable.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PAIRS	(1u << 24)

int qtable_init(struct qtable *t, unsigned int states, unsigned int actions, double gamma,
		double rate_first, double rate_half)
{
	struct qtable n = {
		.states = states, .actions = actions, .gamma = gamma,
		.rate_first = rate_first, .rate_half = rate_half,
	};

	if (!states || !actions || (uint64_t)states * actions > MAX_PAIRS ||
	    !(gamma >= 0.0 && gamma < 1.0) || !(rate_first > 0.0 && rate_first <= 1.0) ||
	    !(rate_half > 0.0))
		return -EINVAL;
	n.q = calloc((size_t)states * actions, sizeof(*n.q));
	n.visits = calloc((size_t)states * actions, sizeof(*n.visits));
	if (!n.q || !n.visits) {
		qtable_fini(&n);
		return -ENOMEM;
	}
	*t = n;
	return 0;
}

void qtable_fini(struct qtable *t)
{
	free(t->q);
	free(t->visits);
	memset(t, 0, sizeof(*t));
}

int qtable_greedy(const struct qtable *t, unsigned int state, const uint8_t *feasible)
{
	const double *q = t->q + (size_t)state * t->actions;
	int best = -ENOENT;

	for (unsigned int a = 0; a < t->actions; a++)
		if ((!feasible || feasible[a]) && (best < 0 || q[a] > q[best]))
			best = a;
	return best;
}

int qtable_learn(struct qtable *t, unsigned int state, unsigned int action, double reward,
		 int next, const uint8_t *next_feasible)
{
	const size_t at = (size_t)state * t->actions + action;
	double target = reward;
	int best;

	if (state >= t->states || action >= t->actions || next >= (int)t->states ||
	    !isfinite(reward))
		return -EINVAL;
	if (next >= 0) {
		best = qtable_greedy(t, next, next_feasible);
		if (best >= 0)
			target += t->gamma * t->q[(size_t)next * t->actions + best];
	}
	t->q[at] += t->rate_first / (1.0 + t->visits[at]++ / t->rate_half) * (target - t->q[at]);
	return 0;
}
