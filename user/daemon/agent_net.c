// SPDX-License-Identifier: GPL-2.0
#include "daemon/agent_net.h"

#define MEAN_WEIGHT	0.05	/* of the newest value in the running means */

int agent_net_new(const struct agent_net_params *p, struct ddqn **ret)
{
	const struct ddqn_config c = {
		.features = p->features,
		.outputs = 1,
		.max_rows = p->max_rows,
		.hidden = { 32, 32 },
		.replay_size = 4096,
		.batch = 32,
		.warmup = p->warmup,
		.gamma = p->gamma,
		.tau = 0.02f,
		.learning_rate = p->learning_rate,
		.grad_clip = 1.0f,
		.seed = p->seed,
	};

	return ddqn_new(&c, ret);
}

float agent_net_train(struct ddqn *d, unsigned int n, double *loss)
{
	double sum = 0.0;
	unsigned int done = 0;

	for (unsigned int i = 0; i < n; i++) {
		float one = ddqn_update(d);

		if (one < 0.0f)
			continue;
		sum += one;
		done++;
	}
	if (!done)
		return -1.0f;
	*loss += MEAN_WEIGHT * (sum / done - *loss);
	return sum / done;
}

void agent_mean_add(double *mean, bool *has, double x)
{
	*mean = *has ? *mean + MEAN_WEIGHT * (x - *mean) : x;
	*has = true;
}
