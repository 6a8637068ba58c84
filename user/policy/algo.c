// SPDX-License-Identifier: GPL-2.0
#include "policy/algo.h"

#include <stdio.h>
#include <string.h>

static const char *const algos[ALGO_MAX] = {
	[FIT_STATIC] = "static", [FIT_BDP7] = "bdp7", [FIT_BDP] = "bdp", [FIT_TIME] = "time",
	[FIT_PI] = "pi", [FIT_RULES] = "rules", [FIT_LOOKUP] = "lookup", [FIT_LINEAR] = "linear",
	[FIT_LABELS] = "labels", [FIT_TREE] = "tree", [FIT_NETWORK] = "network",
	[FIT_IDENTIFY] = "identify",
	[(int)FIT_MAX + LEARN_DDQN] = "ddqn", [(int)FIT_MAX + LEARN_PPO] = "ppo",
	[(int)FIT_MAX + LEARN_BANDIT] = "bandit",
};

int algo_find(const char *name)
{
	for (int i = 0; i < ALGO_MAX; i++)
		if (!strcmp(algos[i], name))
			return i;
	return -1;
}

const char *algo_name(int algo)
{
	return algos[algo];
}

bool algo_seeded(int algo)
{
	return algo == FIT_NETWORK || algo >= (int)FIT_MAX;
}

void algo_list(char *buf, size_t size)
{
	size_t n = 0;

	for (int i = 0; i < ALGO_MAX && n < size; i++)
		n += snprintf(buf + n, size - n, "%s%s", i ? " " : "", algos[i]);
}
