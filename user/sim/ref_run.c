// SPDX-License-Identifier: GPL-2.0
/* A reference run in our simulator: its topology and senders, and nothing fitted. */
#include <errno.h>
#include <string.h>

#include "sim/rate.h"
#include "sim/ref.h"

#define LINK_BPS	10e9
#define LINK_NS		1000
#define HEADER_BYTES	48	/* link layer 14, IPv4 20, UDP 8, sequence number and priority 6 */
#define ACK_BYTES	60
#define MAX_FLOW_BPS	10e9	/* MAX_RATE in that simulator's configuration */
#define LONGEST_NS	100000000000ULL	/* what has not ended then does not end */

static const struct known {
	const char *cc;
	double cc_mode;
	enum sim_rate_cc model;
} known[] = {
	{ "dctcp", 8, SIM_RATE_DCTCP },
	{ "dcqcn", 1, SIM_RATE_DCQCN },
};

#define N_KNOWN (sizeof(known) / sizeof(known[0]))

int ref_knows(const char *cc)
{
	for (size_t i = 0; i < N_KNOWN; i++)
		if (!strcmp(cc, known[i].cc))
			return 1;
	return 0;
}

/*
 * The links of hosts 0, 1 and 2 to the switch are stages 0, 1 and 2, those from it to them 3, 4
 * and 5. Sending on those of host 1 takes no time.
 */
static int add_stages(struct sim *s, const struct ref_settings *set)
{
	for (int i = 0; i < 2 * REF_HOSTS; i++) {
		struct sim_stage_params p = {
			.rate_bps = i % REF_HOSTS == 1 ? 0 : LINK_BPS, .delay_ns = LINK_NS,
			.aqm = { 0x7fffffff, 0x7fffffff, 0 },
		};
		int r;

		/* There a packet is marked above K, here from K on. */
		if (i == 5) {
			p.aqm.qth_min = (uint32_t)(set->kmin_kb * 1000) + 1;
			p.aqm.qth_max = (uint32_t)(set->kmax_kb * 1000) + 1;
			p.aqm.max_p = (uint32_t)(set->pmax * SLUICE_AQM_PPM + 0.5);
			p.mark_departing = true;
		}
		r = sim_add_stage(s, &p);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Path number REF_HOSTS * from + to, for data and acknowledgements. */
static int add_paths(struct sim *s)
{
	for (uint16_t from = 0; from < REF_HOSTS; from++) {
		for (uint16_t to = 0; to < REF_HOSTS; to++) {
			int r = sim_add_path(s, (uint16_t[]){ from, REF_HOSTS + to }, 2);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int add_nics(struct sim *s, const struct ref_settings *set, enum sim_rate_cc model)
{
	const struct sim_rate_params p = {
		.cc = model, .max_bps = MAX_FLOW_BPS, .min_bps = set->min_bps,
		.window_bytes = set->has_win > 0 ? set->window_bytes : 0,
		.var_window = set->var_win > 0,
		.payload_bytes = (uint16_t)set->payload_bytes, .header_bytes = HEADER_BYTES,
		.ack_bytes = ACK_BYTES, .gain = set->gain, .dctcp_ai_bps = set->dctcp_ai_bps,
		.alpha_ns = (uint64_t)(set->alpha_us * 1e3),
		.decrease_ns = (uint64_t)(set->decrease_us * 1e3),
		.increase_ns = (uint64_t)(set->increase_us * 1e3),
		.fast_recovery = (unsigned int)set->fast_recovery,
		.ai_bps = set->ai_bps, .hai_bps = set->hai_bps,
	};

	for (int i = 0; i < REF_HOSTS; i++) {
		int r = sim_add_nic(s, i == 1 ? 0 : LINK_BPS, &p);

		if (r < 0)
			return r;
	}
	return 0;
}

static int simulate(struct sim *s, const struct ref_run *run, enum sim_rate_cc model, size_t n,
		    double *fct_ns)
{
	int r = add_stages(s, &run->set);

	r = r ? r : add_paths(s);
	r = r ? r : add_nics(s, &run->set, model);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		const struct ref_flow *f = &run->flow[i];
		const struct sim_rate_flow_params p = {
			.nic = f->src, .ack_nic = f->dst, .bytes = f->bytes, .start_ns = f->start_ns,
			.data_path = (uint16_t)(REF_HOSTS * f->src + f->dst),
			.ack_path = (uint16_t)(REF_HOSTS * f->dst + f->src),
		};

		r = sim_add_rate_flow(s, &p);
	}
	if (r >= 0)
		r = sim_run(s, run->flow[n - 1].start_ns + LONGEST_NS);
	for (size_t i = 0; !r && i < n; i++)
		fct_ns[i] = (double)sim_rate_fct_ns(s, (uint32_t)i);
	return r;
}

int ref_simulate(const struct ref_run *run, size_t n, uint64_t seed, double *fct_ns,
		 struct sl_err *e)
{
	struct sim *s;
	size_t i = 0;
	int r;

	while (i < N_KNOWN && known[i].cc_mode != run->set.cc_mode)
		i++;
	if (i == N_KNOWN)
		return sl_err(e, -EINVAL, "CC_MODE %g: neither DCTCP (8) nor DCQCN (1)",
			      run->set.cc_mode);
	if (!n || n > run->n)
		return sl_err(e, -EINVAL, "the run has 1 to %zu flows, not %zu", run->n, n);
	s = sim_new(seed);
	r = s ? simulate(s, run, known[i].model, n, fct_ns) : -ENOMEM;
	sim_free(s);
	return r ? sl_err(e, r, "the simulation ended: %s", strerror(-r)) : 0;
}
