// SPDX-License-Identifier: GPL-2.0
/*
 * Where arrivals come from; see cpus_traffic.h. Every kind knows the time of its next packet, and
 * the earliest of them is the next one. Flows that come, last and end, and elephants, share a heap
 * by the time of their next packet. Each kind draws from a stream of random numbers of its own.
 *
 * Slots of flows (cpus_flows.h): first those of the Zipf population, then the capture's, then
 * elephants, then flows that end.
 */
#include "sim/cpus_traffic.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include <sluice/hash.h>

#include "lib/rng.h"
#include "sim/cpus_flows.h"
#include "sim/zipf.h"

#define NEVER		UINT64_MAX
#define FLOWS_MAX	(1u << 24)
#define TRAIN_GAP_NS	120	/* a full frame at 100 Gbit/s */

enum kind { ZIPF, FLOWS, CAPTURE, KINDS };	/* elephants are in the heap of FLOWS */

struct cpus_traffic {
	struct cpus_traffic_params p;
	struct rng rng[KINDS], work;
	uint64_t next_ns[KINDS];	/* of FLOWS: when the next flow arrives */
	struct cpus_flows flows;

	struct zipf zipf;
	double zipf_gap_ns;		/* between trains, at the highest rate */
	uint32_t train_left, train_slot;

	double flows_gap_ns;

	uint32_t capture_slot;		/* its first */
	size_t capture_at;
	uint64_t capture_begin_ns;
	double capture_scale;
};

void cpus_traffic_params_default(struct cpus_traffic_params *p)
{
	*p = (struct cpus_traffic_params) {
		.rate_pps = 1e6,
		.zipf_share = 1,
		.zipf_flows = 10000,
		.zipf_exponent = 1.1,
		.train_pkts = 4,
		.flow_pps = 20000,
		.flow_pps_sigma = 1,
		.elephants = 4,
		.swing_s = 1,
		.bytes = 800,
	};
}

double cpus_traffic_mean_bytes(const struct cpus_traffic_params *p)
{
	const double own = p->zipf_share + p->flows_share + p->elephants_share;
	double sum = 0;

	if (!(p->capture_share > 0) || !p->capture)
		return p->bytes;
	for (size_t i = 0; i < p->capture->n_packets; i++)
		sum += p->capture->packet[i].bytes;
	return (own * p->bytes + p->capture_share * sum / p->capture->n_packets) /
	       (own + p->capture_share);
}

static double exponential(struct rng *r)
{
	return -log1p(-rng_uniform(r));
}

/* A time from now on; never 0 from now, and never so far that it wraps. */
static uint64_t after(uint64_t now, double ns)
{
	return now + (ns < 1 ? 1 : ns < 1e18 ? (uint64_t)ns : (uint64_t)1e18);
}

/* --- the kinds ------------------------------------------------------------------ */

/* Rates that swing: arrivals are drawn at the highest rate, and some of them do not happen. */
static bool happens(struct cpus_traffic *t, enum kind k, uint64_t now_ns)
{
	double phase;

	if (!(t->p.swing > 0))
		return true;
	phase = 2 * M_PI * (now_ns / 1e9) / t->p.swing_s;
	return rng_uniform(&t->rng[k]) * (1 + t->p.swing) < 1 + t->p.swing * sin(phase);
}

static void fill(struct cpus_traffic *t, uint32_t slot, uint64_t time_ns, uint32_t bytes,
		 struct cpus_arrival *out)
{
	const struct cpus_slot *s = &t->flows.slot[slot];

	*out = (struct cpus_arrival){
		.time_ns = time_ns, .flow = slot, .id = s->id, .bytes = bytes, .work = s->work,
		.rss_hash = s->rss_hash, .bucket = sluice_hash_bucket(s->hash), .hash = s->hash,
	};
	if (t->p.work_cv > 0)
		out->work *= (float)(1 - t->p.work_cv + t->p.work_cv * exponential(&t->work));
}

static uint32_t draw_flow(struct cpus_traffic *t, uint64_t now_ns)
{
	uint32_t rank = zipf_draw(&t->zipf, &t->rng[ZIPF]);

	if (t->p.churn_s > 0) {
		const uint64_t era = (uint64_t)(now_ns / (t->p.churn_s * 1e9));

		rank = (uint32_t)((rank + era * 0x9e3779b1u) % t->zipf.n);
	}
	return rank;
}

static void zipf_next(struct cpus_traffic *t, struct cpus_arrival *out)
{
	const uint64_t now = t->next_ns[ZIPF];

	if (!t->train_left) {
		t->train_slot = draw_flow(t, now);
		if (!t->flows.slot[t->train_slot].id)
			cpus_flows_begin(&t->flows, &t->flows.slot[t->train_slot], NULL);
		t->train_left = 1;
		if (t->p.train_pkts > 1)	/* geometric */
			t->train_left += (uint32_t)(exponential(&t->rng[ZIPF]) /
						    -log1p(-1 / t->p.train_pkts));
	}
	fill(t, t->train_slot, now, t->p.bytes, out);
	if (--t->train_left) {
		t->next_ns[ZIPF] = now + TRAIN_GAP_NS;
		return;
	}
	do
		t->next_ns[ZIPF] = after(t->next_ns[ZIPF],
					 t->zipf_gap_ns * exponential(&t->rng[ZIPF]));
	while (!happens(t, ZIPF, t->next_ns[ZIPF]));
}

static double packets_of(const struct cpus_traffic *t, double bytes)
{
	return fmax(ceil(bytes / t->p.bytes), 1);
}

/* A flow that ends begins now, with its first packet. */
static int flow_begins(struct cpus_traffic *t)
{
	const uint64_t now = t->next_ns[FLOWS];
	const double sigma = t->p.flow_pps_sigma;
	struct rng *r = &t->rng[FLOWS];
	int64_t i = cpus_flows_slot(&t->flows);
	struct cpus_slot *s;

	if (i < 0)
		return (int)i;
	s = &t->flows.slot[i];
	cpus_flows_begin(&t->flows, s, NULL);
	s->left = (uint64_t)packets_of(t, dist_quantile(t->p.sizes, rng_uniform(r)));
	s->gap_ns = 1e9 / (t->p.flow_pps * exp(sigma * rng_normal(r)));
	do
		t->next_ns[FLOWS] = after(t->next_ns[FLOWS], t->flows_gap_ns * exponential(r));
	while (!happens(t, FLOWS, t->next_ns[FLOWS]));
	return cpus_flows_add_due(&t->flows, (struct cpus_due){ now, (uint32_t)i });
}

/* The packet of the flow that is due first. */
static int heap_next(struct cpus_traffic *t, struct cpus_arrival *out)
{
	const struct cpus_due d = t->flows.heap[0];
	struct cpus_slot *s = &t->flows.slot[d.slot];
	struct rng *r = &t->rng[FLOWS];
	uint64_t next;

	fill(t, d.slot, d.time_ns, t->p.bytes, out);
	if (!s->elephant && !--s->left) {
		cpus_flows_drop_due(&t->flows);
		return cpus_flows_free_slot(&t->flows, d.slot);
	}
	next = after(d.time_ns, s->gap_ns * (0.5 + rng_uniform(r)));
	if (s->elephant && t->p.off_s > 0 && next > s->on_until_ns) {
		next = after(s->on_until_ns > d.time_ns ? s->on_until_ns : d.time_ns,
			     t->p.off_s * 1e9 * exponential(r));
		s->on_until_ns = after(next, t->p.on_s * 1e9 * exponential(r));
	}
	cpus_flows_replace_due(&t->flows, (struct cpus_due){ next, d.slot });
	return 0;
}

static uint64_t capture_time(const struct cpus_traffic *t)
{
	return t->capture_begin_ns +
	       (uint64_t)(t->p.capture->packet[t->capture_at].time_ns * t->capture_scale);
}

static void capture_next(struct cpus_traffic *t, struct cpus_arrival *out)
{
	const struct cpus_capture *c = t->p.capture;
	const struct cpus_record *p = &c->packet[t->capture_at];

	fill(t, t->capture_slot + p->flow, t->next_ns[CAPTURE], p->bytes, out);
	if (++t->capture_at == c->n_packets) {
		t->capture_at = 0;
		/* One more gap of the mean, so that the last and the first packet do not meet. */
		t->capture_begin_ns += (uint64_t)((c->duration_ns +
						   (double)c->duration_ns / c->n_packets) *
						  t->capture_scale) + 1;
	}
	t->next_ns[CAPTURE] = capture_time(t);
}

int cpus_traffic_next(struct cpus_traffic *t, struct cpus_arrival *out)
{
	for (;;) {
		const uint64_t due = t->flows.n_heap ? t->flows.heap[0].time_ns : NEVER;
		uint64_t first = due;
		int r, kind = KINDS;

		for (int k = 0; k < KINDS; k++)
			if (t->next_ns[k] < first) {
				first = t->next_ns[k];
				kind = k;
			}
		if (kind == KINDS)
			return heap_next(t, out);
		if (kind != FLOWS) {
			if (kind == ZIPF)
				zipf_next(t, out);
			else
				capture_next(t, out);
			return 0;
		}
		r = flow_begins(t);
		if (r)
			return r;
	}
}

/* --- making ones ----------------------------------------------------------------- */

static int add_slots(struct cpus_traffic *t, size_t n)
{
	int64_t r = 0;

	while (n-- && r >= 0)
		r = cpus_flows_slot(&t->flows);
	return r < 0 ? (int)r : 0;
}

static int start_zipf(struct cpus_traffic *t, double pps)
{
	int r = add_slots(t, t->p.zipf_flows);

	if (!r)
		r = zipf_new(&t->zipf, t->p.zipf_flows, t->p.zipf_exponent);
	/*
	 * A train takes its own time, too. Where trains fill it all, they come one after
	 * another, and the rate is not reached.
	 */
	t->zipf_gap_ns = 1e9 * t->p.train_pkts / pps - TRAIN_GAP_NS * (t->p.train_pkts - 1);
	t->zipf_gap_ns = fmax(t->zipf_gap_ns, 1) / (1 + t->p.swing);
	t->next_ns[ZIPF] = after(0, t->zipf_gap_ns * exponential(&t->rng[ZIPF]));
	return r;
}

static int start_capture(struct cpus_traffic *t, double pps)
{
	const struct cpus_capture *c = t->p.capture;
	int r;

	t->capture_slot = t->flows.n_slots;
	r = add_slots(t, c->n_flows);
	if (r)
		return r;
	for (size_t i = 0; i < c->n_flows; i++)
		cpus_flows_begin(&t->flows, &t->flows.slot[t->capture_slot + i], &c->key[i]);
	t->capture_scale = 1e9 * c->n_packets / pps /
			   (c->duration_ns + (double)c->duration_ns / c->n_packets);
	t->next_ns[CAPTURE] = capture_time(t);
	return 0;
}

static int start_elephants(struct cpus_traffic *t, double pps)
{
	const double on = t->p.off_s > 0 ? t->p.on_s / (t->p.on_s + t->p.off_s) : 1;
	struct rng *r = &t->rng[FLOWS];
	double sum = 0;

	for (uint32_t i = 0; i < t->p.elephants; i++)
		sum += pow(i + 1.0, -t->p.elephant_skew);
	for (uint32_t i = 0; i < t->p.elephants; i++) {
		const int64_t slot = cpus_flows_slot(&t->flows);
		struct cpus_slot *s;
		uint64_t at;
		int e;

		if (slot < 0)
			return (int)slot;
		s = &t->flows.slot[slot];
		cpus_flows_begin(&t->flows, s, NULL);
		s->elephant = true;
		s->gap_ns = 1e9 * on * sum / (pps * pow(i + 1.0, -t->p.elephant_skew));
		/* In the middle of an on-period or of an off-period. */
		at = after(0, (t->p.off_s > 0 && rng_uniform(r) > on ?
			       t->p.off_s * 1e9 * exponential(r) : 0) + s->gap_ns * rng_uniform(r));
		s->on_until_ns = NEVER;
		if (t->p.off_s > 0)
			s->on_until_ns = after(at, t->p.on_s * 1e9 * exponential(r));
		e = cpus_flows_add_due(&t->flows, (struct cpus_due){ at, (uint32_t)slot });
		if (e)
			return e;
	}
	return 0;
}

/*
 * Packets of a flow on average: more than its mean bytes, because the last packet is counted
 * whole.
 */
static double mean_packets(const struct cpus_traffic *t)
{
	double sum = 0;

	for (int i = 0; i < 4096; i++)
		sum += packets_of(t, dist_quantile(t->p.sizes, (i + 0.5) / 4096));
	return sum / 4096;
}

static int check(const struct cpus_traffic_params *p, struct sl_err *e)
{
	const double all = p->zipf_share + p->flows_share + p->elephants_share + p->capture_share;

	if (!(p->rate_pps >= 1 && p->rate_pps <= 1e9))
		return sl_err(e, -EINVAL, "the packet rate must be 1 to 1e9 in a second");
	if (!(p->zipf_share >= 0 && p->flows_share >= 0 && p->elephants_share >= 0 &&
	      p->capture_share >= 0 && all > 0 && all < 1e6))
		return sl_err(e, -EINVAL, "shares of the traffic must not be negative, nor all 0");
	if (p->zipf_share > 0 && (!p->zipf_flows || p->zipf_flows > FLOWS_MAX ||
				  !(p->zipf_exponent >= 0 && p->zipf_exponent <= 10) ||
				  !(p->train_pkts >= 1 && p->train_pkts <= 1000)))
		return sl_err(e, -EINVAL, "Zipf traffic needs 1 to %u flows, an exponent of 0 to "
			      "10 and trains of 1 to 1000 packets", FLOWS_MAX);
	if (p->flows_share > 0 && (!p->sizes || !(p->flow_pps > 0)))
		return sl_err(e, -EINVAL, "flows need a distribution of sizes and a packet rate");
	if (p->elephants_share > 0 && (!p->elephants || p->elephants > 100000 ||
				       (p->off_s > 0 && !(p->on_s > 0))))
		return sl_err(e, -EINVAL, "elephants must be 1 to 100000, and be on for some time");
	if (p->capture_share > 0 && (!p->capture || p->capture->n_packets < 2 ||
				     !p->capture->duration_ns))
		return sl_err(e, -EINVAL, "a capture needs two or more packets, not all at once");
	if (!(p->swing >= 0 && p->swing <= 1) || (p->swing > 0 && !(p->swing_s > 0)) || !p->bytes ||
	    !(p->work_cv >= 0 && p->work_cv <= 1) ||
	    !(p->flow_work_sigma >= 0 && p->flow_work_sigma <= 5))
		return sl_err(e, -EINVAL, "the swing must be 0 to 1 with a period, packets have "
			      "bytes, work varies by 0 to 1 and over flows by 0 to 5");
	return 0;
}

int cpus_traffic_new(const struct cpus_traffic_params *p, uint64_t seed, struct cpus_traffic **ret,
		     struct sl_err *e)
{
	const double all = p->zipf_share + p->flows_share + p->elephants_share + p->capture_share;
	struct cpus_traffic *t;
	struct rng root;
	int r = check(p, e);

	if (r)
		return r;
	t = calloc(1, sizeof(*t));
	if (!t)
		return sl_err(e, -ENOMEM, "out of memory");
	t->p = *p;
	t->flows.seed = rng_mix64(seed + 0x5eed);
	t->flows.work_sigma = p->flow_work_sigma;
	rng_seed(&root, seed);
	for (int k = 0; k < KINDS; k++) {
		rng_split(&root, k, &t->rng[k]);
		t->next_ns[k] = NEVER;
	}
	rng_split(&root, KINDS, &t->work);
	if (p->zipf_share > 0)
		r = start_zipf(t, p->rate_pps * p->zipf_share / all);
	if (!r && p->capture_share > 0)
		r = start_capture(t, p->rate_pps * p->capture_share / all);
	if (!r && p->elephants_share > 0)
		r = start_elephants(t, p->rate_pps * p->elephants_share / all);
	if (!r && p->flows_share > 0) {
		t->flows_gap_ns = 1e9 * mean_packets(t) / (p->rate_pps * p->flows_share / all) /
				  (1 + p->swing);
		t->next_ns[FLOWS] = after(0, t->flows_gap_ns * exponential(&t->rng[FLOWS]));
	}
	if (r) {
		cpus_traffic_free(t);
		return sl_err(e, r, "out of memory");
	}
	*ret = t;
	return 0;
}

struct cpus_traffic *cpus_traffic_copy(const struct cpus_traffic *t)
{
	struct cpus_traffic *c = malloc(sizeof(*c));
	bool flows;

	if (!c)
		return NULL;
	*c = *t;
	flows = cpus_flows_copy(&c->flows, &t->flows);
	if (!zipf_copy(&c->zipf, &t->zipf) && flows)
		return c;
	cpus_traffic_free(c);
	return NULL;
}

void cpus_traffic_free(struct cpus_traffic *t)
{
	if (!t)
		return;
	cpus_flows_fini(&t->flows);
	zipf_free(&t->zipf);
	free(t);
}
