// SPDX-License-Identifier: GPL-2.0
#include "policy/mix.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/rng.h"
#include "sim/sim.h"

#define EPOCH_S		0.05
#define EPOCH_RTTS	10
#define EPOCH_PACKETS	500
#define MTU_BITS	(1514 * 8.0)
#define LIMIT_MIN	150000		/* of mixed-ECN: 100 packets */
#define HOST_STREAM	0x47534f0000000000ULL

static const double rates_bps[] = { 100e6, 200e6, 500e6, 1e9 };
static const double rtts_s[] = { 0.25e-3, 0.5e-3, 1e-3, 2e-3, 5e-3 };
static const double mean_bytes[] = { 20e3, 60e3, 200e3 };	/* of a flow, at most */
static const uint32_t gso_segments[] = { 4, 16, SIM_GSO_MAX / SIM_MSS };

#define PICK(rng, array) ((array)[rng_below((rng), sizeof(array) / sizeof((array)[0]))])

static double between(struct rng *rng, double low, double high)
{
	return low + (high - low) * rng_uniform(rng);
}

static void draw_phase(const struct mix_files *files, unsigned int sizes, struct rng *rng,
		       struct mix_phase *p)
{
	*p = (struct mix_phase){
		.sizes = sizes,
		.scale = fmin(1, PICK(rng, mean_bytes) / dist_mean(&files->sizes[sizes])),
		.load = between(rng, 0.3, 0.85),
		.rate = 1,
	};
}

static void draw_mixed_ecn(struct rng *rng, struct mix *m)
{
	static const double bdps[] = { 2, 4, 8 };

	m->without_ecn = between(rng, 0.1, 0.5);
	m->ecn_cubic = between(rng, 0, 0.4);
	m->endless = rng_below(rng, 3);
	m->phase[0].load = between(rng, 0.2, m->endless ? 0.5 : 0.8);
	m->limit_bytes = fmin(fmax(PICK(rng, bdps) * m->rate_bps / 8 * m->rtt_s, LIMIT_MIN),
			      MIX_LIMIT_BYTES);
}

static void draw_rtts(struct rng *rng, struct mix *m)
{
	static const double of[][MIX_RTTS_MAX] = { { 0.5, 2 }, { 0.5, 1, 2 } };

	m->rtts = 2 + rng_below(rng, 2);
	memcpy(m->rtt_of, of[m->rtts - 2], sizeof(m->rtt_of));
	/* One on each path, or none. */
	m->endless = rng_below(rng, 2) * m->rtts;
	m->phase[0].load = between(rng, 0.2, m->endless ? 0.5 : 0.85);
}

static void draw_rate(const struct mix_files *files, struct rng *rng, struct mix *m)
{
	const double other = between(rng, 0.5, 0.9), load = between(rng, 0.3, 0.85);
	const double from = rng_uniform(rng);

	m->rate_told = rng_below(rng, 2);
	if (files->traces) {
		m->trace = 1 + rng_below(rng, files->traces);
		m->trace_from = from;
		m->phase[0].load = load / 2;
	} else {
		m->phases = 2;
		/* Of the rate when it is low, so that all that arrives can leave. */
		m->phase[0].load = m->phase[1].load = load * other;
		m->phase[1].rate = other;
	}
}

/* By itself, so that the rest of the mix does not depend on it. */
static void draw_host(uint64_t seed, unsigned int index, struct mix *m)
{
	struct rng root, rng;

	rng_seed(&root, seed);
	rng_split(&root, HOST_STREAM + index, &rng);
	m->gso_bytes = rng_below(&rng, 3) ? 0 : PICK(&rng, gso_segments) * SIM_MSS;
	m->flows_seen = rng_below(&rng, 2);
}

void mix_draw(const struct mix_files *files, uint64_t seed, unsigned int index, struct mix *ret)
{
	const unsigned int sizes = index % files->n;
	struct rng root, rng;
	struct mix m = {
		.phases = 1, .kind = index / files->n % MIX_KINDS, .rtts = 1, .rtt_of = { 1 },
		.limit_bytes = MIX_LIMIT_BYTES,
	};
	double load;

	draw_host(seed, index, &m);
	rng_seed(&root, seed);
	rng_split(&root, index, &rng);
	m.seed = rng_u64(&rng);
	m.family = sizes * MIX_KINDS + m.kind;
	m.rate_bps = PICK(&rng, rates_bps) * (files->rate_scale > 0 ? files->rate_scale : 1);
	m.rtt_s = PICK(&rng, rtts_s);
	draw_phase(files, sizes, &rng, &m.phase[0]);
	m.phase[1] = m.phase[0];
	switch (m.kind) {
	case MIX_ENDLESS:
		m.endless = 1 + rng_below(&rng, 4);
		m.phase[0].load = between(&rng, 0.1, 0.5);
		break;
	case MIX_INCAST:
		m.phase[0].load = between(&rng, 0.2, 0.6);
		m.phase[0].incast = 8 << rng_below(&rng, 3);
		/* A tenth of the rate. */
		m.phase[0].incast_gap_s = m.phase[0].incast * MIX_BLOCK_BYTES * 80 / m.rate_bps;
		break;
	case MIX_SWITCHING:
		m.phases = 2;
		draw_phase(files, rng_below(&rng, files->n), &rng, &m.phase[1]);
		break;
	case MIX_ON_OFF:
		m.phases = 2;
		m.phase[0].load = between(&rng, 0.6, 0.85);
		m.phase[1].load = between(&rng, 0.05, 0.2);
		break;
	case MIX_MIXED_ECN:
		draw_mixed_ecn(&rng, &m);
		break;
	case MIX_RTTS:
		draw_rtts(&rng, &m);
		break;
	case MIX_RATE:
		draw_rate(files, &rng, &m);
		break;
	default:
		break;
	}
	load = m.phases == 1 ? m.phase[0].load : (m.phase[0].load + m.phase[1].load) / 2;
	m.epoch_s = fmax(fmax(EPOCH_S, EPOCH_RTTS * m.rtt_s * m.rtt_of[m.rtts - 1]),
			 EPOCH_PACKETS * MTU_BITS / (m.rate_bps * (m.endless ? 1 : load)));
	m.epochs = files->epochs ? files->epochs : MIX_EPOCHS;
	m.phase_s = m.phases == 1 ? INFINITY : m.epoch_s * (20 + rng_below(&rng, 20));
	*ret = m;
}

const char *mix_kind_name(enum mix_kind kind)
{
	static const char *const name[MIX_KINDS] = {
		[MIX_STEADY] = "steady", [MIX_ENDLESS] = "endless", [MIX_INCAST] = "incast",
		[MIX_SWITCHING] = "switching", [MIX_ON_OFF] = "on/off",
		[MIX_MIXED_ECN] = "mixed-ECN", [MIX_RTTS] = "RTTs", [MIX_RATE] = "rate",
	};

	return name[kind];
}

void mix_text(const struct mix_files *files, const struct mix *m, char *buf, size_t size)
{
	const char *path = files->name[m->phase[0].sizes], *file = strrchr(path, '/');

	snprintf(buf, size, "%s %s %.0f%% %.0fM %gms%s", file ? file + 1 : path,
		 mix_kind_name(m->kind), 100 * m->phase[0].load, m->rate_bps / 1e6, m->rtt_s * 1e3,
		 m->gso_bytes ? " GSO" : "");
}
