// SPDX-License-Identifier: GPL-2.0
#include "lab/sim_mix.h"

#include <math.h>

#define EPOCH_S		0.05
#define EPOCH_RTTS	10
#define EPOCHS_MIN	20
#define LIMIT_RTTS	4	/* C RTT: a queue of mixed-ECN that drops */
#define LIMIT_MIN	150000

static enum mix_kind kind_of(const struct workload *w)
{
	if (w->cubic > 0 || w->ecn_cubic > 0)
		return MIX_MIXED_ECN;
	if (w->rtts > 1)
		return MIX_RTTS;
	if (w->phase[0].incast)
		return MIX_INCAST;
	if (w->phases > 1)
		return w->phase[0].rate != w->phase[1].rate ? MIX_RATE : MIX_SWITCHING;
	return w->endless ? MIX_ENDLESS : MIX_STEADY;
}

int sim_mix(const struct plan *p, unsigned int workload, unsigned int configuration, uint64_t seed,
	    struct mix *ret, struct dist sizes[2], struct sl_err *e)
{
	const struct workload *w = &p->workload[workload].w;
	const double *c = p->configuration[configuration].value;
	const double rate_bps = c[LAB_RATE] * 1e6, rtt_s = c[LAB_RTT] / 1e6;
	double longest = 0;
	struct mix x = {
		.seed = seed, .kind = kind_of(w), .rate_bps = rate_bps, .rtt_s = rtt_s,
		.rtts = w->rtts, .without_ecn = w->cubic, .ecn_cubic = w->ecn_cubic,
		.limit_bytes = c[LAB_LIMIT], .flows_seen = true, .endless = w->endless,
		.phases = w->phases, .phase_s = w->phases > 1 ? w->phase_s : INFINITY,
	};

	for (unsigned int i = 0; i < w->rtts; i++) {
		x.rtt_of[i] = w->rtt_of[i];
		longest = fmax(longest, w->rtt_of[i]);
	}
	if (w->cubic > 0)	/* a deep queue would never drop what cannot be marked */
		x.limit_bytes = fmin(x.limit_bytes, fmax(LIMIT_RTTS * rate_bps / 8 * rtt_s, LIMIT_MIN));
	for (unsigned int i = 0; i < w->phases; i++) {
		const struct workload_phase *f = &w->phase[i];
		int r = workload_sizes(w, i, rate_bps, &sizes[i], e);

		if (r)
			return r;
		x.phase[i] = (struct mix_phase){
			.sizes = i, .scale = 1, .rate = f->rate, .incast = f->incast,
			.load = p->executor == PLAN_KERNEL ? f->kernel_load : f->load,
			.incast_gap_s = f->incast * MIX_BLOCK_BYTES * 80 / rate_bps,
		};
	}
	x.epoch_s = fmin(fmax(EPOCH_S, EPOCH_RTTS * rtt_s * longest), c[LAB_SECONDS] / EPOCHS_MIN);
	x.epochs = round(c[LAB_SECONDS] / x.epoch_s);
	*ret = x;
	return 0;
}
