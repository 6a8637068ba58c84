// SPDX-License-Identifier: GPL-2.0
/*
 * The loss of one sample is
 *
 *   L = -min(rho A, clip(rho, 1 - eps, 1 + eps) A) - c H,   rho = pi(a) / pi_old(a)
 *
 * so dL/dlog pi(a) is -rho A where the first of the two is the smaller, else 0.
 */
#include <math.h>

#include "rl/ppo.h"

#define LOG_2PI		1.8378770664093453

void ppo_gae(unsigned int n, const float *reward, const float *value, const float *next_value,
	     const uint8_t *ends, float gamma, float lambda, float *advantage)
{
	double sum = 0.0;

	for (unsigned int t = n; t-- > 0;) {
		const double delta = reward[t] + (double)gamma * next_value[t] - value[t];

		sum = delta + (ends[t] ? 0.0 : (double)gamma * lambda * sum);
		advantage[t] = sum;
	}
}

/* Returns the surrogate loss; *d its derivative by log pi(a). */
static double surrogate(const struct ppo_sample *s, double logp, double *d, struct ppo_stats *stats)
{
	const double rho = exp(logp - s->old_logp);
	const double limited = fmin(fmax(rho, 1.0 - s->clip), 1.0 + s->clip);
	const double plain = rho * s->advantage, clipped = limited * s->advantage;

	stats->clipped += rho != limited;
	*d = plain <= clipped ? -plain : 0.0;
	return -fmin(plain, clipped);
}

double ppo_loss_discrete(const struct ppo_sample *s, unsigned int n, const float *logit,
			 const uint8_t *feasible, unsigned int action, float *grad,
			 struct ppo_stats *stats)
{
	double max = -INFINITY, sum = 0.0, entropy = 0.0, d, loss, log_sum;

	for (unsigned int i = 0; i < n; i++)
		if (feasible[i])
			max = fmax(max, logit[i]);
	for (unsigned int i = 0; i < n; i++)
		if (feasible[i])
			sum += exp(logit[i] - max);
	log_sum = max + log(sum);
	for (unsigned int i = 0; i < n; i++)
		if (feasible[i])
			entropy -= exp(logit[i] - log_sum) * (logit[i] - log_sum);
	loss = surrogate(s, logit[action] - log_sum, &d, stats);
	for (unsigned int i = 0; i < n; i++) {
		const double logp = logit[i] - log_sum, p = feasible[i] ? exp(logp) : 0.0;

		/* dH/dlogit = -p (log p + H) */
		grad[i] = d * ((i == action) - p) + s->entropy * p * (logp + entropy);
	}
	stats->entropy += entropy;
	return loss - s->entropy * entropy;
}

double ppo_loss_continuous(const struct ppo_sample *s, unsigned int n, const float *mean,
			   const float *log_std, const float *action, float *grad_mean,
			   float *grad_log_std, struct ppo_stats *stats)
{
	double logp = 0.0, entropy = 0.0, d, loss;

	for (unsigned int i = 0; i < n; i++) {
		const double z = ((double)action[i] - mean[i]) * exp(-log_std[i]);

		logp -= 0.5 * z * z + log_std[i] + 0.5 * LOG_2PI;
		entropy += log_std[i] + 0.5 * (1.0 + LOG_2PI);
	}
	loss = surrogate(s, logp, &d, stats);
	for (unsigned int i = 0; i < n; i++) {
		const double z = ((double)action[i] - mean[i]) * exp(-log_std[i]);

		grad_mean[i] = d * z * exp(-log_std[i]);
		grad_log_std[i] = d * (z * z - 1.0) - s->entropy;
	}
	stats->entropy += entropy;
	return loss - s->entropy * entropy;
}
