// SPDX-License-Identifier: GPL-2.0
/*
 * A workload of the table becomes a mix (sim_mix.h), which the world of user/policy runs under whoever
 * decides (sim_actor.h), epoch by epoch as in the daemon. What differs from "sluice eval" is what is
 * measured: every flow, the queue in intervals, and J by the plan's weights.
 */
#include "lab/sim_run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lab/sim_actor.h"
#include "lab/sim_mix.h"
#include "lib/clock.h"
#include "lib/hist.h"
#include "lib/rng.h"
#include "policy/lab.h"
#include "policy/world.h"
#include "sim/sim.h"

#define SELECTION_TRIAL	0x40000000u	/* of the first arrivals that an oracle chooses by */
#define CALIBRATION_STEPS 500000
#define SATURATED	0.99	/* share of an epoch with a backlog */

struct sums {
	double seconds, bytes, capacity_bytes, byte_ns, k_s;
	double packets, marks, drops;
};

struct measuring {
	const struct plan *plan;
	struct record *rec;
	struct mix mix;
	struct mix_files files;
	struct dist sizes[2];
	struct flow_list flows;
	struct sim_stage_stats before;
	struct sums bin, saturated;
	double k_s;
	unsigned int epoch, bin_from;	/* of the interval that is kept next */
	uint64_t decisions, decisions_own, decide_ns;
};

static void note_flow(void *arg, const struct sim_flow_record *f)
{
	struct measuring *m = arg;

	if (!f->ended_ns || f->bytes == UINT64_MAX)
		return;
	flow_list_add(&m->flows, &(struct measured_flow){
		.bytes = f->bytes, .start_s = f->started_ns / 1e9, .slowdown = f->slowdown,
		.fct_us = (f->ended_ns - f->started_ns) / 1e3,
	});
}

/* Million steps of the generator in a second of CPU time. */
static double calibrate(void)
{
	struct timespec a, b;
	struct rng rng;
	volatile uint64_t sink = 0;
	double s;

	rng_seed(&rng, 1);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (int i = 0; i < CALIBRATION_STEPS; i++)
		sink ^= rng_u64(&rng);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	s = (b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) / 1e9;
	return CALIBRATION_STEPS / 1e6 / fmax(s, 1e-9);
}

/* --- what is measured ---------------------------------------------------------------------- */

static void add_part(struct measuring *m, const char *name, double t1_s, double value, double n)
{
	struct metric part = {
		.t0_s = m->bin_from * m->mix.epoch_s, .t1_s = t1_s, .value = value, .n = n,
	};

	if (!isfinite(value))
		return;
	snprintf(part.name, sizeof(part.name), "%s", name);
	record_add(m->rec, &part);
}

static void end_bin(struct measuring *m)
{
	const struct sums *b = &m->bin;
	const double t1_s = m->epoch * m->mix.epoch_s;

	add_part(m, "throughput_share", t1_s, b->bytes / b->capacity_bytes, b->packets);
	add_part(m, "queue_bytes", t1_s, b->byte_ns / 1e9 / b->seconds, b->packets);
	add_part(m, "k_bytes", t1_s, b->k_s / b->seconds, 0);
	add_part(m, "marks_share", t1_s, b->marks / b->packets, b->packets);
	add_part(m, "drops_share", t1_s, b->drops / (b->packets + b->drops), b->packets + b->drops);
	m->bin = (struct sums){ 0 };
	m->bin_from = m->epoch;
}

static void end_epoch(struct measuring *m, const struct sim_stage_stats *now, double k_bytes)
{
	const struct sim_stage_stats *a = &m->before;
	const double seconds = m->mix.epoch_s;
	struct sums *b = &m->bin;

	b->seconds += seconds;
	b->bytes += now->bytes - a->bytes;
	b->capacity_bytes += now->capacity_bytes - a->capacity_bytes;
	b->byte_ns += now->backlog_byte_ns - a->backlog_byte_ns;
	b->packets += now->packets - a->packets;
	b->marks += now->ce_packets - a->ce_packets;
	b->drops += now->early_drops + now->limit_drops - a->early_drops - a->limit_drops;
	b->k_s += k_bytes * seconds;
	m->k_s += k_bytes * seconds;
	if (now->backlogged_ns - a->backlogged_ns >= SATURATED * seconds * 1e9) {
		m->saturated.bytes += now->bytes - a->bytes;
		m->saturated.capacity_bytes += now->capacity_bytes - a->capacity_bytes;
	}
	m->before = *now;
	m->epoch++;
	if (m->plan->series && (uint64_t)m->epoch * m->plan->series / m->mix.epochs >
	    (uint64_t)(m->epoch - 1) * m->plan->series / m->mix.epochs)
		end_bin(m);
}

/* With how many packets it must be. */
static void add_latency(struct measuring *m, const char *name, double q, double least, double t1_s)
{
	const struct sim_stage_stats *s = &m->before;
	const double ns = hist_quantile_ns((const __u64 *)s->sojourn_hist, NULL, q);
	struct metric x = {
		.t1_s = t1_s, .whole = true, .value = ns / 1e3, .n = s->packets,
	};

	snprintf(x.name, sizeof(x.name), "%s", name);
	if (s->packets < least || ns < 0) {
		x.value = NAN;
		x.status = METRIC_FEW;
	}
	record_add(m->rec, &x);
}

static void add_queue(struct measuring *m, double t1_s)
{
	const struct sim_stage_stats *s = &m->before;
	const double drops = s->early_drops + s->limit_drops, packets = fmax(s->packets, 1);
	struct record *r = m->rec;

	add_latency(m, "latency_p50_us", 0.5, P50_FLOWS, t1_s);
	add_latency(m, "latency_p99_us", 0.99, P99_FLOWS, t1_s);
	add_latency(m, "latency_p999_us", 0.999, P999_FLOWS, t1_s);
	record_whole(r, "latency_mean_us", "", t1_s, s->wait_sum_ns / 1e3 / packets, s->packets);
	record_whole(r, "queue_bytes", "", t1_s, s->backlog_byte_ns / 1e9 / t1_s, s->packets);
	record_whole(r, "queue_max_bytes", "", t1_s, s->backlog_max_bytes, s->packets);
	record_whole(r, "packets", "", t1_s, s->packets, s->packets);
	record_whole(r, "marks_share", "", t1_s, s->ce_packets / packets, s->packets);
	record_whole(r, "drops_share", "", t1_s, drops / (drops + packets), s->packets + drops);
	record_whole(r, "k_bytes", "", t1_s, m->k_s / t1_s, 0);
	record_whole(r, "decisions", "", t1_s, m->decisions, m->decisions);
	record_whole(r, "decisions_own", "", t1_s, m->decisions_own, m->decisions);
	record_whole(r, "inference_ns", "", t1_s, m->decisions ? (double)m->decide_ns / m->decisions :
		     NAN, m->decisions);
	r->drain_share = m->saturated.capacity_bytes > 0 ?
		m->saturated.bytes / m->saturated.capacity_bytes : NAN;
}

/* Those that the end of the run found under way, with the time that they have had. */
static void add_unfinished(struct measuring *m, struct sim *s)
{
	struct sim_flow_stats f;

	sim_flow_read(s, &f);
	for (int c = 0; c < SIM_CLASSES; c++) {
		static const double bytes[SIM_CLASSES] = { 1e4, 1e5, 1e6, 1e7 };
		const struct sim_class_stats *k = &f.class[c];

		for (int slot = 0; k->unfinished && slot < SIM_SLOTS; slot++)
			for (uint64_t i = 0; i < k->unfinished_hist[slot]; i++)
				flow_list_add(&m->flows, &(struct measured_flow){
					.bytes = bytes[c], .unfinished = true,
					.fct_us = k->unfinished_age_sum_ns / 1e3 / k->unfinished,
					.slowdown = fmax(exp2((slot + 0.5) / 8), 1),
				});
	}
}

static int epochs(struct measuring *m, struct actor *a, struct world *w, struct qdisc_triple t)
{
	struct ecn_interval in;
	int last;

	do {
		struct sim_stage_stats now;
		const double k = (t.qth_min + (double)t.qth_max) / 2;
		bool decided, own;
		uint64_t from;
		int r;

		last = world_epoch(w, &in);
		if (last < 0)
			return last;
		sim_stage_read(world_sim(w), 0, &now);
		end_epoch(m, &now, k);
		from = monotonic_ns();
		r = actor_decide(a, &in, &t, &decided, &own);
		if (decided) {
			m->decide_ns += monotonic_ns() - from;
			m->decisions++;
			m->decisions_own += own;
		}
		if (r < 0)
			return r;
		world_set(w, &t);
		r = actor_learn(a);
		if (r < 0)
			return r;
	} while (!last);
	return 0;
}

/* The run itself; *goodput: payload over what the link could have sent. */
static int run_world(struct measuring *m, const struct actor_config *c, double *goodput)
{
	struct ecn_interval in;
	struct actor *a = NULL;
	struct world *w = NULL;
	struct sim_flow_stats f;
	struct qdisc_triple t;
	struct outcome out;
	int r = actor_new(c, &a);

	if (r)
		return r;
	world_interval(&m->mix, &in);
	t = actor_start(a, &in);
	r = world_new(&m->files, &m->mix, 0, &t, &w);
	if (!r) {
		sim_watch_flows(world_sim(w), note_flow, m);
		sim_stage_read(world_sim(w), 0, &m->before);
		r = epochs(m, a, w, t);
	}
	if (!r)
		r = world_end(w, &out);
	if (!r) {
		*goodput = out.goodput;
		add_unfinished(m, world_sim(w));
		sim_flow_read(world_sim(w), &f);
		record_whole(m->rec, "retransmits", "", m->epoch * m->mix.epoch_s, f.retransmits,
			     m->before.packets);
	}
	world_free(w);
	actor_free(a);
	return r;
}

static int static_model(double k_bytes, struct model *ret)
{
	return model_set_numbers(ret, "static", &k_bytes, 1);
}

/* J of a run, and all that is measured in rec. */
static int measure(const struct plan *p, const struct store_run *run, uint64_t seed,
		   const struct actor_config *actor, struct record *rec, double *cost, struct sl_err *e)
{
	struct measuring m = { .plan = p, .rec = rec };
	const struct metric *j;
	double goodput, t1_s;
	int r = sim_mix(p, run->workload, run->configuration, seed, &m.mix, m.sizes, e);

	if (r)
		goto out;
	m.files = (struct mix_files){ .sizes = m.sizes, .n = m.mix.phases };
	r = run_world(&m, actor, &goodput);
	if (!r) {
		t1_s = m.epoch * m.mix.epoch_s;
		add_queue(&m, t1_s);
		record_whole(rec, "goodput_share", "", t1_s, goodput, 0);
		record_whole(rec, "goodput_bps", "", t1_s, goodput * m.before.capacity_bytes * 8 / t1_s, 0);
		r = objective_measure(&p->objective, &m.flows, goodput, t1_s, rec);
		j = record_find(rec, "J", "");
		*cost = j ? j->value : NAN;
		record_absent(rec, "cpu_share", t1_s);
		record_absent(rec, "reordered_packets", t1_s);
		record_absent(rec, "llc_misses", t1_s);
		record_absent(rec, "instructions", t1_s);
		record_absent(rec, "memory_bandwidth_bps", t1_s);
	}
	if (r)
		sl_err(e, r, r == -ENODATA ? "no flow of a class with a weight has begun: make the run "
		       "longer" : "the simulation failed: %s", strerror(-r));
out:
	flow_list_free(&m.flows);
	dist_free(&m.sizes[0]);
	dist_free(&m.sizes[1]);
	return r;
}

/* The threshold of least mean J over runs that no trial has. */
static int choose(const struct plan *p, const struct store_run *run, struct record *rec,
		  struct sl_err *e)
{
	const unsigned int runs = p->policy[run->policy].p.number;
	double best = INFINITY;

	for (unsigned int step = 0; step < LAB_STEPS; step++) {
		struct model model = { 0 };
		double sum = 0;
		int r = static_model(lab_step_bytes(step), &model);

		for (unsigned int i = 0; !r && i < runs; i++) {
			struct record aside;
			double cost;

			record_init(&aside, run->id);
			r = measure(p, run, plan_seed(p, run->workload, run->configuration,
						      SELECTION_TRIAL + i, 0),
				    &(struct actor_config){ .model = &model }, &aside, &cost, e);
			record_free(&aside);
			sum += r ? 0 : cost;
		}
		model_free(&model);
		if (r)
			return r;
		if (sum / runs < best) {
			best = sum / runs;
			rec->choice_k_bytes = lab_step_bytes(step);
		}
	}
	rec->choice_cost = best;
	rec->choice_runs = runs * LAB_STEPS;
	return 0;
}

/* By a threshold: its own, or the oracle's choice. */
static int threshold(const struct plan *p, const struct store_run *run, double chosen_k,
		     struct record *rec, struct model *ret, struct sl_err *e)
{
	const struct lab_policy *policy = &p->policy[run->policy].p;
	double k = policy->means == LAB_CHOICE ? chosen_k : policy->number;

	if (isnan(k)) {
		int r = choose(p, run, rec, e);

		if (r)
			return r;
		k = rec->choice_k_bytes;
	}
	return static_model(k, ret);
}

void sim_run_measure(const struct plan *p, const struct store_run *run, double chosen_k,
		     const struct model *fitted, struct record *rec)
{
	const struct lab_policy *policy = &p->policy[run->policy].p;
	struct actor_config actor = { .model = fitted, .seed = run->seed };
	struct model fixed = { 0 };
	struct sl_err e = { "" };
	double cost;
	int r = 0;

	rec->calibration = calibrate();
	if (policy->means == LAB_MODEL)
		actor.model = &policy->model;
	else if (policy->means == LAB_LEARN)
		actor.learns = true;
	else if (policy->means == LAB_THRESHOLD && policy->triple.qth_max > policy->triple.qth_min)
		actor.fixed = &policy->triple;
	else if (policy->means == LAB_THRESHOLD || policy->means == LAB_CHOICE)
		r = threshold(p, run, chosen_k, rec, &fixed, &e);
	if (fixed.data)
		actor.model = &fixed;
	if (!r)
		r = measure(p, run, run->seed, &actor, rec, &cost, &e);
	model_free(&fixed);
	if (r)
		record_fail(rec, "%s", *e.text ? e.text : strerror(-r));
	else if (rec->drain_share < DRAIN_LEAST) {
		rec->state = RECORD_INVALID;
		snprintf(rec->error, sizeof(rec->error), "the queue drained at %.1f %% of the rate while "
			 "backlogged", 100 * rec->drain_share);
	}
}
