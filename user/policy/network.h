/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A network that knows from the features what each template costs more than the best of them. It is
 * taught that on the training mixes, where all thresholds were run: cost-sensitive regression,
 * supervised, and nothing needs to be tried. K moves towards the least of its curve.
 *
 * Its model is numbers (model.h): K / (C * RTT) at first, mean (F) and 1 / standard deviation (F)
 * of the features, then the parameters of an MLP (mlp.h) of F, 32, 32 and T units.
 */
#ifndef SLUICE_POLICY_NETWORK_H
#define SLUICE_POLICY_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "policy/model.h"

/* x (n, F), regret (n, T): ln(cost / least cost). -ENOMEM, or -EDOM: not finite any more. */
int network_fit(const double *x, const double *regret, size_t n, double start, uint64_t seed,
		struct model *m);

/*
 * What each template costs more than the best, as a policy that was made from such a model sees it,
 * bent as network_fit() bends it. -EINVAL: another kind of policy; -EDOM: not finite.
 */
struct policy;
int network_regret(struct policy *p, const double *x, double *regret);

#endif
