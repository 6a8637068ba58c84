// SPDX-License-Identifier: GPL-2.0
#include "policy/steer_workloads.h"

#include <errno.h>
#include <string.h>

/*
 * Alizadeh et al., "Data Center TCP (DCTCP)", SIGCOMM 2010, figure 4, as public simulators have
 * it.
 */
static const double web_bytes[] = {
	0, 10e3, 20e3, 30e3, 50e3, 80e3, 200e3, 1e6, 2e6, 5e6, 10e6, 30e6
};
static const double web_share[] = { 0, .15, .2, .3, .4, .53, .6, .7, .8, .9, .97, 1 };
static const struct dist websearch = {
	(double *)web_bytes, (double *)web_share, sizeof(web_bytes) / sizeof(web_bytes[0]),
};

/* --- machines and traffic ------------------------------------------------------------ */

static void machine(struct steer_env_params *p, unsigned int cpus, unsigned int rxqs)
{
	p->cpus.n_cpus = cpus;
	p->cpus.n_rxqs = rxqs;
	for (unsigned int i = 0; i < CPUS_RSS_SLOTS; i++)
		p->cpus.rss_table[i] = (uint8_t)(i % rxqs);
}

static void fill_zipf(struct steer_env_params *p)
{
	p->traffic.zipf_share = 1;
	p->traffic.zipf_flows = 10000;
	p->traffic.zipf_exponent = 1;
}

static void fill_uniform(struct steer_env_params *p)
{
	fill_zipf(p);
	p->traffic.zipf_flows = 20000;
	p->traffic.zipf_exponent = 0;
}

static void fill_steep(struct steer_env_params *p)
{
	fill_zipf(p);
	p->traffic.zipf_flows = 2000;
	p->traffic.zipf_exponent = 1.2;
}

static void fill_churn(struct steer_env_params *p)
{
	fill_zipf(p);
	p->traffic.churn_s = 1;
}

static void fill_elephants(struct steer_env_params *p)
{
	fill_zipf(p);
	p->traffic.elephants_share = 1;
	p->traffic.elephants = 12;
	p->traffic.elephant_skew = 0.5;
}

static void fill_onoff(struct steer_env_params *p)
{
	fill_elephants(p);
	p->traffic.on_s = p->traffic.off_s = 0.5;
}

static void fill_websearch(struct steer_env_params *p)
{
	p->traffic.zipf_share = 0;
	p->traffic.flows_share = 1;
	p->traffic.bytes = 1514;
	p->traffic.flow_pps = 5000;
}

static void fill_heavy(struct steer_env_params *p)
{
	fill_zipf(p);
	p->traffic.zipf_exponent = 0.8;
	p->traffic.flow_work_sigma = 1;
	p->traffic.work_cv = 0.3;
}

static void fill_swing(struct steer_env_params *p)
{
	fill_zipf(p);
	p->traffic.swing = 0.4;
	p->traffic.swing_s = 2;
}

static void fill_one_queue(struct steer_env_params *p)
{
	machine(p, 4, 1);
	fill_zipf(p);
}

static void fill_slow_cpu(struct steer_env_params *p)
{
	fill_zipf(p);
	p->cpus.speed[3] = 0.5;
}

static void fill_eight(struct steer_env_params *p)
{
	machine(p, 8, 4);
	fill_zipf(p);
	p->traffic.flows_share = 1;
	p->traffic.flow_pps = 5000;
}

static void fill_capture(struct steer_env_params *p)
{
	p->traffic.zipf_share = 0;
	p->traffic.capture_share = 1;
}

static const struct {
	const char *name, *text;
	void (*fill)(struct steer_env_params *p);
} families[] = {
#define X(name, text) { #name, text, fill_##name },
	STEER_FAMILIES(X)
#undef X
};
#define FAMILIES (sizeof(families) / sizeof(families[0]))

size_t steer_workloads(const double *loads, size_t n, bool capture, struct steer_workload *out,
		       size_t max)
{
	size_t k = 0;

	for (size_t f = 0; f < FAMILIES; f++)
		for (size_t i = 0; i < n && k < max; i++)
			if (capture || families[f].fill != fill_capture)
				out[k++] = (struct steer_workload){
					families[f].name, families[f].text, loads[i],
				};
	return k;
}

int steer_workload_fill(const struct steer_workload *w, const struct dist *sizes,
			const struct cpus_capture *capture, struct steer_env_params *p,
			struct sl_err *e)
{
	double speed = 0;
	size_t f = 0;

	while (f < FAMILIES && strcmp(families[f].name, w->family))
		f++;
	if (f == FAMILIES)
		return sl_err(e, -ENOENT, "there is no family of workloads '%s'", w->family);
	if (families[f].fill == fill_capture && !capture)
		return sl_err(e, -EINVAL, "the workload '%s' needs a capture file", w->family);
	machine(p, 4, 4);
	cpus_traffic_params_default(&p->traffic);
	for (unsigned int i = 0; i < SLUICE_MAX_CPUS; i++)
		p->cpus.speed[i] = 1;
	families[f].fill(p);
	p->traffic.sizes = sizes ? sizes : &websearch;
	p->traffic.capture = capture;
	for (unsigned int i = 0; i < p->cpus.n_cpus; i++)
		speed += p->cpus.speed[i];
	p->traffic.rate_pps = w->load * speed * 1e9 /
			      cpus_packet_ns(&p->cpus, cpus_traffic_mean_bytes(&p->traffic));
	return 0;
}
