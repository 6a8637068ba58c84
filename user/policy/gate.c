// SPDX-License-Identifier: GPL-2.0
#include "policy/gate.h"

#include <math.h>

#include "daemon/reward_ecn.h"
#include "policy/lab.h"

const char *gate_name(int reward)
{
	static const char *const name[] = {
#define X(name, value) #name,
		GATE_CANDIDATES(X)
#undef X
	};

	return name[reward];
}

double gate_reward(int reward, const struct ecn_interval *in)
{
	struct ecn_interval without_flows = *in;
	struct ecn_agent_config defaults, *c = &defaults;

	ecn_agent_config_default(c);
	without_flows.active_flows = 0;
	switch (reward) {
#define X(name, value) case GATE_##name: return value;
	GATE_CANDIDATES(X)
#undef X
	}
	return 0;
}

static void ranks(const double v[LAB_STEPS], double rank[LAB_STEPS])
{
	for (int i = 0; i < LAB_STEPS; i++) {
		double below = 0, same = 0;

		for (int j = 0; j < LAB_STEPS; j++) {
			below += v[j] < v[i];
			same += v[j] == v[i];
		}
		rank[i] = below + (same - 1) / 2;
	}
}

double gate_mix(const struct lab *l, size_t mix, int reward)
{
	const double mean = (LAB_STEPS - 1) / 2.0;
	double good[LAB_STEPS], paid[LAB_STEPS], x[LAB_STEPS], y[LAB_STEPS];
	double xy = 0, xx = 0, yy = 0;

	for (int k = 0; k < LAB_STEPS; k++) {
		good[k] = -l->cell[mix][k].out.cost;
		paid[k] = l->cell[mix][k].reward[reward];
	}
	ranks(good, x);
	ranks(paid, y);
	for (int i = 0; i < LAB_STEPS; i++) {
		xy += (x[i] - mean) * (y[i] - mean);
		xx += (x[i] - mean) * (x[i] - mean);
		yy += (y[i] - mean) * (y[i] - mean);
	}
	return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

void gate_judge(const struct lab *l, int reward, struct gate_report *out)
{
	*out = (struct gate_report){ .least = 1 };
	for (size_t i = 0; i < l->n; i++) {
		const double rho = gate_mix(l, i, reward);

		out->passed += rho >= GATE_PASS;
		out->mean += rho / l->n;
		out->least = fmin(out->least, rho);
	}
	out->passed /= l->n;
}
