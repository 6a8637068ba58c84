// SPDX-License-Identifier: GPL-2.0
/*
 * The ladder in the simulator: what thresholds are worth, and what learning adds.
 *
 *	ladder [--seconds S] [--train S] [--seeds N] [--rate-mbps R] SIZES...
 *
 * Workloads are all pairs of a file of flow sizes with a load (30, 60, 80 %) and a round-trip time
 * (0.5, 2 ms). Half of them are for training and the others for the test, so that no workload is in
 * both, while both have every load and round-trip time. Policies meet the same arrivals (seeds 1000 and up; training has others).
 *
 * A run's cost is the weighted geometric mean of the mean slowdowns of the four classes of flow size
 * (0.3, 0.3, 0.2, 0.2, those without flows left out); low is good. Rows:
 *
 *	static K	ten steps of one size: the best on the training workloads is "best static"
 *	C RTT / 7	by the true round-trip time of the workload
 *	learned		the daemon's agent, trained on the training workloads from scratch, acting
 *			greedily and not learning any more on the others
 *	oracle		the best of the ten for each workload
 *
 * Before that, the gate: how the agent's possible rewards order the ten steps, against how the
 * cost does, by Spearman's rank correlation for each workload. A reward that orders them otherwise
 * cannot teach what the cost asks for.
 *
 * "over oracle" is the mean over test workloads and seeds of cost / cost of the oracle - 1, the
 * interval is the 2.5 % to 97.5 % quantile of its bootstrap over workloads.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ecn_agent.h"
#include "daemon/reward_ecn.h"
#include "lib/hist.h"
#include "lib/rng.h"
#include "sim/sim.h"

#define EPOCH_NS	50000000ULL
#define LIMIT_BYTES	4000000
#define MTU_BYTES	1514
#define STEPS		10
#define WORKLOADS_MAX	96
#define SEEDS_MAX	16
#define TEST_SEED	1000
#define BOOTSTRAPS	2000
#define TRAIN_STEPS	2	/* gradient steps for each decision */

static const double loads[] = { 0.3, 0.6, 0.8 };
static const double rtts_s[] = { 0.5e-3, 2e-3 };
static const double class_weight[SIM_CLASSES] = { 0.3, 0.3, 0.2, 0.2 };

struct workload {
	const struct dist *sizes;
	const char *name;
	double load, rtt_s;
};

struct options {
	double rate_bps, seconds, train_seconds;
	unsigned int seeds;
};

/* Like the squares of a chessboard, by load and round-trip time. */
static bool is_test(size_t i)
{
	return (i / 2 + i) % 2;
}

/* What a run cost, and what the rewards made of it on average. */
struct outcome {
	double cost, reward[2];		/* by enum ecn_reward */
};

/* A policy chooses the triple for the next epoch; data is its own. */
typedef void policy(void *data, const struct ecn_interval *in, struct qdisc_triple *t);

static struct sim *build(const struct options *o, const struct workload *w, uint64_t seed)
{
	const struct sim_stage_params there = {
		.rate_bps = o->rate_bps, .delay_ns = w->rtt_s * 5e8, .limit_bytes = LIMIT_BYTES,
		.aqm = { 60000, 180000, 100000 },
	};
	const struct sim_stage_params back = { .delay_ns = w->rtt_s * 5e8 };
	const struct sim_source_params source = {
		.flow = { .ack_path = 1, .cc = SIM_DCTCP, .ecn = true }, .sizes = w->sizes,
		.until_ns = UINT64_MAX,
		.flows_per_s = w->load * o->rate_bps / 8 / dist_mean(w->sizes),
	};
	struct sim *s = sim_new(seed);

	if (!s || sim_add_stage(s, &there) < 0 || sim_add_stage(s, &back) < 0 ||
	    sim_add_path(s, (uint16_t[]){ 0 }, 1) < 0 || sim_add_path(s, (uint16_t[]){ 1 }, 1) < 0 ||
	    sim_add_source(s, &source)) {
		fprintf(stderr, "ladder: out of memory\n");
		exit(1);
	}
	return s;
}

/* The daemon's observation (queues.c), from the simulated queue. */
static struct ecn_interval observe(const struct options *o, const struct workload *w,
				   const struct sim_stage_stats *a, const struct sim_stage_stats *b,
				   const struct qdisc_triple *t)
{
	const double ns = EPOCH_NS, p95 = hist_quantile_ns((const __u64 *)b->sojourn_hist,
							   (const __u64 *)a->sojourn_hist, 0.95);

	return (struct ecn_interval){
		.seconds = ns / 1e9,
		.capacity_bps = o->rate_bps / 8,
		.rtt_s = w->rtt_s,
		.mtu_bytes = MTU_BYTES,
		.limit_bytes = LIMIT_BYTES,
		.tx_bytes = b->bytes - a->bytes,
		.ce_bytes = b->ce_bytes - a->ce_bytes,
		.backlogged_s = (b->backlogged_ns - a->backlogged_ns) / 1e9,
		.avg_backlog_bytes = (b->backlog_byte_ns - a->backlog_byte_ns) / ns,
		.sojourn_p95_s = p95 < 0 ? -1 : p95 / 1e9,
		.setting = *t,
	};
}

static double cost_of(const struct sim_flow_stats *f)
{
	double sum = 0, weights = 0;

	for (int i = 0; i < SIM_CLASSES; i++) {
		const struct sim_class_stats *c = &f->class[i];

		if (!c->flows)
			continue;
		sum += class_weight[i] * log(c->slowdown_sum / c->flows);
		weights += class_weight[i];
	}
	return weights > 0 ? exp(sum / weights) : NAN;
}

static struct outcome run_whole(const struct options *o, const struct workload *w, uint64_t seed,
				double seconds, policy *decide, void *data)
{
	struct outcome out = { 0 };
	struct ecn_agent_config c;
	double active = 0;
	struct qdisc_triple t = { 60000, 180000, 100000 };
	struct sim *s = build(o, w, seed);
	struct sim_stage_stats before, now;
	struct sim_flow_stats flows;
	struct ecn_interval in;

	ecn_agent_config_default(&c);
	sim_stage_read(s, 0, &before);
	while (sim_now_ns(s) < seconds * 1e9) {
		if (sim_run(s, sim_now_ns(s) + EPOCH_NS)) {
			fprintf(stderr, "ladder: out of memory\n");
			exit(1);
		}
		sim_stage_read(s, 0, &now);
		in = observe(o, w, &before, &now, &t);
		if (ecn_interval_active(&in)) {
			out.reward[ECN_REWARD_FCT] += ecn_reward_fct(&c, &in);
			out.reward[ECN_REWARD_ACC] += ecn_reward_acc(&in);
			active++;
		}
		decide(data, &in, &t);
		sim_set_aqm(s, 0, &(struct sluice_aqm_params){ t.qth_min, t.qth_max, t.max_p });
		before = now;
	}
	sim_flow_read(s, &flows);
	sim_free(s);
	out.cost = cost_of(&flows);
	for (int i = 0; i < 2 && active > 0; i++)
		out.reward[i] /= active;
	return out;
}

static double run(const struct options *o, const struct workload *w, uint64_t seed, double seconds,
		  policy *decide, void *data)
{
	return run_whole(o, w, seed, seconds, decide, data).cost;
}

/* --- policies ------------------------------------------------------------------ */

static uint32_t static_k(unsigned int step)
{
	return 4000u << step;	/* 4 KB to 2 MB */
}

static void decide_static(void *data, const struct ecn_interval *in, struct qdisc_triple *t)
{
	const uint32_t k = *(const uint32_t *)data;

	(void)in;
	*t = (struct qdisc_triple){ k, k, 1000000 };
}

static void decide_bdp(void *data, const struct ecn_interval *in, struct qdisc_triple *t)
{
	const double k = fmax(in->capacity_bps * in->rtt_s / 7, 2 * MTU_BYTES);

	(void)data;
	*t = (struct qdisc_triple){ k, k, 1000000 };
}

struct learner {
	struct ecn_agent *agent;
	unsigned int queue;	/* every run is another one */
	bool train;
};

static void decide_learned(void *data, const struct ecn_interval *in, struct qdisc_triple *t)
{
	struct learner *l = data;
	struct ecn_decision d;

	if (ecn_agent_decide(l->agent, l->queue, in, &d))
		return;
	*t = d.triple;
	ecn_agent_applied(l->agent, l->queue, true);
	if (l->train)
		ecn_agent_train(l->agent, TRAIN_STEPS);
}

/* Learns on the training workloads, then returns an agent of the same network that only acts. */
static struct ecn_agent *learn(const struct options *o, const struct workload *w, size_t n,
			       uint64_t seed)
{
	struct learner l = { .train = true };
	struct ecn_agent *actor = NULL;
	struct ecn_agent_config c;
	void *blob = NULL;
	size_t size;

	ecn_agent_config_default(&c);
	c.seed = seed;
	c.explore = c.learn = true;
	c.regret_budget = HUGE_VAL;
	if (ecn_agent_new(&c, &l.agent))
		return NULL;
	/* In short turns, so that the replay buffer never holds one workload only. */
	for (double left = o->train_seconds; left > 0; left -= 10)
		for (size_t i = 0; i < n; i++) {
			if (is_test(i))
				continue;
			l.queue = (l.queue + 1) % 256;
			ecn_agent_forget(l.agent, l.queue);
			run(o, &w[i], seed * 7919 + l.queue + (uint64_t)left * 131, 10,
			    decide_learned, &l);
		}
	c.explore = c.learn = false;
	if (ecn_agent_save(l.agent, &blob, &size) == 0 && ecn_agent_new(&c, &actor) == 0 &&
	    ecn_agent_load(actor, blob, size)) {
		ecn_agent_free(actor);
		actor = NULL;
	}
	free(blob);
	ecn_agent_free(l.agent);
	return actor;
}

/* --- the table ------------------------------------------------------------------- */

static double mean_of(const double *v, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return sum / n;
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* over: by test workload, the mean over seeds. */
static void row(const char *name, const double *over, size_t n)
{
	static double mean[BOOTSTRAPS];
	struct rng rng;

	rng_seed(&rng, 1);
	for (int b = 0; b < BOOTSTRAPS; b++) {
		double sum = 0;

		for (size_t i = 0; i < n; i++)
			sum += over[rng_below(&rng, n)];
		mean[b] = sum / n;
	}
	qsort(mean, BOOTSTRAPS, sizeof(*mean), ascending);
	printf("%-22s %8.1f %%   [%.1f, %.1f]\n", name, 100 * mean_of(over, n),
	       100 * mean[BOOTSTRAPS / 40], 100 * mean[BOOTSTRAPS - 1 - BOOTSTRAPS / 40]);
	fflush(stdout);
}

static void ranks(const double v[STEPS], double rank[STEPS])
{
	for (int i = 0; i < STEPS; i++) {
		double below = 0, same = 0;

		for (int j = 0; j < STEPS; j++) {
			below += v[j] < v[i];
			same += v[j] == v[i];
		}
		rank[i] = below + (same - 1) / 2;
	}
}

static double spearman(const double a[STEPS], const double b[STEPS])
{
	const double mean = (STEPS - 1) / 2.0;
	double x[STEPS], y[STEPS], xy = 0, xx = 0, yy = 0;

	ranks(a, x);
	ranks(b, y);
	for (int i = 0; i < STEPS; i++) {
		xy += (x[i] - mean) * (y[i] - mean);
		xx += (x[i] - mean) * (x[i] - mean);
		yy += (y[i] - mean) * (y[i] - mean);
	}
	return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

/* whole: by step, workload and seed. */
static void print_gate(const struct options *o, const struct workload *w, size_t n,
		       struct outcome whole[STEPS][WORKLOADS_MAX][SEEDS_MAX])
{
	static const char *const name[] = { [ECN_REWARD_FCT] = "fct", [ECN_REWARD_ACC] = "acc" };

	for (int reward = 0; reward < 2; reward++) {
		printf("reward %s against the cost:", name[reward]);
		for (size_t i = 0; i < n; i++) {
			double good[STEPS] = { 0 }, paid[STEPS] = { 0 };

			for (int k = 0; k < STEPS; k++)
				for (unsigned int s = 0; s < o->seeds; s++) {
					good[k] -= whole[k][i][s].cost;
					paid[k] += whole[k][i][s].reward[reward];
				}
			printf(" %.2f", spearman(good, paid));
		}
		printf("\n");
	}
	printf("workloads are:");
	for (size_t i = 0; i < n; i++)
		printf(" %s:%.0f%%:%gms", strrchr(w[i].name, '/') ? strrchr(w[i].name, '/') + 1 :
		       w[i].name, 100 * w[i].load, 1000 * w[i].rtt_s);
	printf("\n\n");
}

static size_t make_workloads(const struct dist *sizes, char **names, size_t n,
			     struct workload w[WORKLOADS_MAX])
{
	size_t made = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t l = 0; l < 3; l++)
			for (size_t r = 0; r < 2 && made < WORKLOADS_MAX; r++)
				w[made++] = (struct workload){ &sizes[i], names[i], loads[l],
							       rtts_s[r] };
	return made;
}

/* By policy row: the cost on each test workload over the oracle's, as a share. */
static void print_ladder(const struct options *o, const struct workload *w, size_t n)
{
	static struct outcome whole[STEPS][WORKLOADS_MAX][SEEDS_MAX];
	static double cost[STEPS][WORKLOADS_MAX][SEEDS_MAX];
	double over[WORKLOADS_MAX], oracle[WORKLOADS_MAX], trained[STEPS] = { 0 };
	size_t test[WORKLOADS_MAX], tests = 0;
	unsigned int best = 0;
	char name[32];

	for (size_t i = 0; i < n; i++)
		if (is_test(i))
			test[tests++] = i;

	for (unsigned int k = 0; k < STEPS; k++)
		for (size_t i = 0; i < n; i++)
			for (unsigned int s = 0; s < o->seeds; s++) {
				uint32_t bytes = static_k(k);

				whole[k][i][s] = run_whole(o, &w[i],
							   TEST_SEED * (is_test(i) ? 1 : 2) + s,
							   o->seconds, decide_static, &bytes);
				cost[k][i][s] = whole[k][i][s].cost;
				trained[k] += is_test(i) ? 0 : log(cost[k][i][s]);
			}
	print_gate(o, w, n, whole);
	for (unsigned int k = 1; k < STEPS; k++)
		if (trained[k] < trained[best])
			best = k;
	for (size_t t = 0; t < tests; t++) {
		oracle[t] = HUGE_VAL;
		for (unsigned int k = 0; k < STEPS; k++)
			oracle[t] = fmin(oracle[t], mean_of(cost[k][test[t]], o->seeds));
	}
	printf("%-22s %10s   95 %% interval  (%zu test workloads, %u seeds, %.0f s each)\n", "policy",
	       "over oracle", tests, o->seeds, o->seconds);
	for (unsigned int k = 0; k < STEPS; k++) {
		for (size_t t = 0; t < tests; t++)
			over[t] = mean_of(cost[k][test[t]], o->seeds) / oracle[t] - 1;
		snprintf(name, sizeof(name), "%s %u", k == best ? "best static" : "static", static_k(k));
		row(name, over, tests);
	}
	for (size_t t = 0; t < tests; t++) {
		double sum = 0;

		for (unsigned int s = 0; s < o->seeds; s++)
			sum += run(o, &w[test[t]], TEST_SEED + s, o->seconds, decide_bdp, NULL);
		over[t] = sum / o->seeds / oracle[t] - 1;
	}
	row("C RTT / 7", over, tests);
	for (unsigned int seed = 1; seed <= o->seeds && o->train_seconds > 0; seed++) {
		struct learner l = { .agent = learn(o, w, n, seed) };

		for (size_t t = 0; t < tests && l.agent; t++) {
			double sum = 0;

			for (unsigned int s = 0; s < o->seeds; s++) {
				ecn_agent_forget(l.agent, 0);
				sum += run(o, &w[test[t]], TEST_SEED + s, o->seconds,
					   decide_learned, &l);
			}
			over[t] = sum / o->seeds / oracle[t] - 1;
		}
		snprintf(name, sizeof(name), "learned, seed %u", seed);
		if (l.agent)
			row(name, over, tests);
		ecn_agent_free(l.agent);
	}
}

static double number(const char *text, double low, double high, const char *option)
{
	char *end;
	const double v = strtod(text, &end);

	if (end == text || *end || !(v >= low && v <= high)) {
		fprintf(stderr, "ladder: --%s '%s' is not a number from %g to %g\n", option, text,
			low, high);
		exit(1);
	}
	return v;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "train", required_argument, NULL, 't' },
		{ "seeds", required_argument, NULL, 'n' },
		{ "rate-mbps", required_argument, NULL, 'r' },
		{ 0 },
	};
	struct options o = { .rate_bps = 1e9, .seconds = 10, .train_seconds = 300, .seeds = 3 };
	static struct workload w[WORKLOADS_MAX];
	struct dist sizes[WORKLOADS_MAX / 6];
	struct sl_err e;
	size_t n = 0;
	int c, i;

	while ((c = getopt_long(argc, argv, "", names, &i)) != -1) {
		if (c == 's')
			o.seconds = number(optarg, 0.1, 1e5, "seconds");
		else if (c == 't')
			o.train_seconds = number(optarg, 0, 1e6, "train");
		else if (c == 'n')
			o.seeds = (unsigned int)number(optarg, 1, SEEDS_MAX, "seeds");
		else if (c == 'r')
			o.rate_bps = number(optarg, 0.1, 4e5, "rate-mbps") * 1e6;
		else
			return 2;
	}
	if (optind == argc || argc - optind > WORKLOADS_MAX / 6) {
		fprintf(stderr, "usage: ladder [--seconds S] [--train S] [--seeds N] [--rate-mbps R] "
			"SIZES...\n");
		return 2;
	}
	for (i = optind; i < argc; i++)
		if (dist_read(argv[i], &sizes[n++], &e)) {
			fprintf(stderr, "ladder: %s\n", e.text);
			return 1;
		}
	print_ladder(&o, w, make_workloads(sizes, argv + optind, n, w));
	while (n)
		dist_free(&sizes[--n]);
	return 0;
}
