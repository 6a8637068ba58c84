// SPDX-License-Identifier: GPL-2.0
/*
 * The ladder of steering in the simulator: what policies are worth, and what learning adds.
 *
 *	steer_ladder [--seconds S] [--seeds N] [--agents N] [--train S] [--loads A,B,C]
 *		     [--interval-ms MS] [--stack-ns NS] [--reward NAME] [--stale N] [--no-hold]
 *		     [--tune N] [--capture FILE.pcap] [--sizes FILE] [--families N] [--tsv FILE]
 *
 * Workloads are all families of user/policy/steer_workloads.h at all loads. Half of them are for
 * training and tuning, the others for the test, like the squares of a chessboard: no workload is
 * in both, every family and every load is. Policies meet the same arrivals (seeds 1000 and up for
 * the test). All are limited by the guard as in the daemon, with as many changes for each
 * decision, but for the oracle. A baseline with tunables is tuned on the training workloads: the
 * setting, of --tune N, with the least mean logarithm of the cost. The agent learns there from
 * scratch, with each of several seeds, and then only acts.
 *
 * The cost is that of steer_env.h, from sojourn, drops and overtaking. "over oracle" is the
 * geometric mean over test workloads and seeds of cost / cost of the oracle, less 1; its interval
 * is the 2.5 % to 97.5 % quantile of the bootstrap over families. "won" is the share of what
 * there is to win, static's cost against the oracle's, by the means of logarithms.
 *
 * The gate comes before: the rank correlation (Spearman) of rewards and costs over policies, for
 * each workload. A reward that orders policies otherwise than the cost does cannot teach what is
 * asked for: below 0.8 it may not drive promotion.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rank.h"
#include "lib/rng.h"
#include "policy/steer_workloads.h"

#define WORKLOADS_MAX	64
#define SEEDS_MAX	8
#define RIVALS_MAX	24
#define LOADS_MAX	8
#define SETTINGS	6
#define TEST_SEED	1000
#define TUNE_SEED	5000
#define BOOTSTRAPS	2000
#define WARMUP_S	2.0
#define TURN_S		10.0	/* that the agent learns on one workload before the next */
#define GATE		0.8

/*
 * X(name, throughput, latency, imbalance, moves, fine): weights, and whether the reference is a
 * tenth.
 */
#define REWARDS(X)					\
	X(daemon, 1, 0.1, 1, 0.02, 0)			\
	X(no_moves, 1, 0.1, 1, 0, 0)			\
	X(latency, 1, 0.3, 0, 0.002, 0)			\
	X(fine, 1, 0.3, 0, 0.002, 1)			\
	X(throughput, 1, 0, 0, 0, 0)

static const struct reward {
	const char *name;
	struct steer_reward_weights w;
	bool fine;
} rewards[] = {
#define X(name, t, l, i, m, fine) { #name, { t, l, i, m, 1e-3 }, fine },
	REWARDS(X)
#undef X
};
#define N_REWARDS (sizeof(rewards) / sizeof(rewards[0]))

/* What is tried for every tunable baseline; those that do not matter to it are the same to it. */
static const struct steer_tuning settings[SETTINGS] = {
	{ .max_moves = 4, .ewma = 0.5, .move_cost = 0.01, .imbalance = 0.05 },
	{ .max_moves = 1, .ewma = 0.5, .move_cost = 0.01, .imbalance = 0.05 },
	{ .max_moves = 32, .ewma = 0.5, .move_cost = 0.01, .imbalance = 0.05 },
	{ .max_moves = 4, .ewma = 0.2, .move_cost = 0.03, .imbalance = 0.1 },
	{ .max_moves = 32, .ewma = 0.2, .move_cost = 0.002, .imbalance = 0.02 },
	{ .max_moves = 4, .ewma = 1, .move_cost = 0.05, .imbalance = 0.15 },
};

struct options {
	double seconds, train_s, interval_s, stack_ns, loads[LOADS_MAX];
	unsigned int seeds, agents, n_loads, stale, families, tune;
	bool no_hold;
	const struct reward *reward;
	const struct dist *sizes;
	const struct cpus_capture *capture;
	FILE *tsv;
};

struct rival {
	char name[48];
	const struct steer_policy_ops *ops;
	struct steer_policy_config config;
	void *blob;			/* of a trained agent */
	size_t size;
	struct steer_outcome out[WORKLOADS_MAX][SEEDS_MAX];
};

static struct options o = {
	.seconds = 10, .seeds = 2, .agents = 3, .train_s = 1200, .interval_s = 0.1,
	.stack_ns = 10000, .loads = { 0.5, 0.65, 0.8 }, .n_loads = 3, .reward = &rewards[0],
	.families = WORKLOADS_MAX, .tune = SETTINGS,
};
static struct steer_workload workload[WORKLOADS_MAX];
static size_t n_workloads;
static struct rival rival[RIVALS_MAX];
static size_t n_rivals;
static double simulated_s;

static _Noreturn void fail(const char *text)
{
	fprintf(stderr, "steer_ladder: %s\n", text);
	exit(1);
}

static size_t family_of(size_t i)
{
	return i / o.n_loads;
}

static bool is_test(size_t i)
{
	return (family_of(i) + i % o.n_loads) % 2;
}

static struct steer_env_params environment(size_t w)
{
	struct steer_env_params p;
	struct sl_err e;

	steer_env_params_default(&p);
	/* As many changes for a decision as the daemon's defaults allow. */
	p.changes_per_s = (unsigned int)(p.changes_per_s * p.interval_s / o.interval_s);
	p.interval_s = o.interval_s;
	p.warmup = (unsigned int)ceil(fmin(WARMUP_S, o.seconds) / o.interval_s);
	p.stale = o.stale;
	p.cpus.costs.stack_ns = o.stack_ns;
	if (o.no_hold)
		p.cpus.config.flags |= SLUICE_STEER_F_NO_HOLD;
	if (steer_workload_fill(&workload[w], o.sizes, o.capture, &p, &e))
		fail(e.text);
	return p;
}

static struct steer_policy *make(const struct rival *r)
{
	struct steer_policy *p;
	struct sl_err e;

	if (steer_policy_new(r->ops, &r->config, &p, &e))
		fail(e.text);
	if (r->blob && steer_agent_load(steer_policy_agent(p), r->blob, r->size))
		fail("the agent cannot be loaded");
	return p;
}

static struct steer_outcome run(size_t w, uint64_t seed, struct steer_policy *p, double seconds)
{
	const struct steer_env_params env = environment(w);
	struct steer_outcome out;
	struct sl_err e;

	if (steer_env_run(&env, seed, p, env.warmup + (unsigned int)ceil(seconds / o.interval_s),
			  &out, &e))
		fail(e.text);
	simulated_s += seconds + env.warmup * o.interval_s;
	return out;
}

/* --- tuning and training ------------------------------------------------------------- */

static double training_cost(struct rival *r)
{
	double sum = 0;

	for (size_t w = 0; w < n_workloads; w++) {
		struct steer_policy *p;

		if (is_test(w))
			continue;
		p = make(r);
		sum += log(run(w, TUNE_SEED, p, o.seconds).cost_us);
		steer_policy_free(p);
	}
	return sum;
}

static void tune(struct rival *r)
{
	const double begin = simulated_s;
	double best = INFINITY;
	size_t pick = 0;

	if (!*r->ops->tunables || o.tune < 2)
		return;
	for (size_t i = 0; i < o.tune; i++) {
		double cost;

		r->config.tuning = settings[i];
		cost = training_cost(r);
		if (cost < best) {
			best = cost;
			pick = i;
		}
	}
	r->config.tuning = settings[pick];
	printf("tuned %-10s max_moves %g, ewma %g, move_cost %g, imbalance %g; %.0f s simulated\n",
	       r->name, r->config.tuning.max_moves, r->config.tuning.ewma,
	       r->config.tuning.move_cost, r->config.tuning.imbalance, simulated_s - begin);
	fflush(stdout);
}

/* In short turns, so that the replay buffer does not hold one workload only. */
static void learn(struct rival *r, uint64_t seed)
{
	const double begin = simulated_s;
	struct steer_agent_stats st;
	struct steer_policy *p;
	uint64_t turn = 0;

	r->config.agent.seed = seed;
	r->config.agent.explore = r->config.agent.learn = true;
	r->config.agent.weights = o.reward->w;
	if (o.reward->fine)
		r->config.agent.weights.latency_ref_s /= 10;
	p = make(r);
	while (simulated_s - begin < o.train_s)
		for (size_t w = 0; w < n_workloads && simulated_s - begin < o.train_s; w++) {
			if (is_test(w))
				continue;
			steer_agent_restart(steer_policy_agent(p));
			run(w, seed * 1000003 + turn++, p, fmin(TURN_S, o.train_s));
		}
	steer_agent_stats(steer_policy_agent(p), &st);
	if (steer_agent_save(steer_policy_agent(p), &r->blob, &r->size) < 0)
		fail("out of memory");
	steer_policy_free(p);
	r->config.agent.explore = r->config.agent.learn = false;
	printf("learnt %-9s %.0f s simulated, %llu decisions, %llu gradient steps, reward %.3f\n",
	       r->name, simulated_s - begin, (unsigned long long)st.decisions,
	       (unsigned long long)st.updates, st.reward_mean);
	fflush(stdout);
}

static void add_rivals(void)
{
	for (size_t i = 0; i < steer_policies_n; i++) {
		const bool learns = !strcmp(steer_policies[i]->name, "agent");

		for (unsigned int k = 0; k < (learns ? o.agents : 1); k++) {
			struct rival *r = &rival[n_rivals++];

			r->ops = steer_policies[i];
			steer_policy_config_default(&r->config);
			snprintf(r->name, sizeof(r->name), learns ? "%s %u" : "%s", r->ops->name,
				 k + 1);
			if (learns)
				learn(r, k + 1);
			else
				tune(r);
		}
	}
}

static void test_all(void)
{
	for (size_t i = 0; i < n_rivals; i++)
		for (size_t w = 0; w < n_workloads; w++)
			for (unsigned int s = 0; s < o.seeds; s++) {
				struct steer_policy *p;

				if (!is_test(w))
					continue;
				p = make(&rival[i]);
				rival[i].out[w][s] = run(w, TEST_SEED + s, p, o.seconds);
				steer_policy_free(p);
				if (rival[i].out[w][s].digest != rival[0].out[w][s].digest)
					fail("arrivals depend on the policy");
			}
}

/* --- the gate -------------------------------------------------------------------------- */

static double paid(const struct reward *r, const struct steer_outcome *out)
{
	struct steer_reward_terms t = out->terms;

	if (r->fine)
		t.latency = out->latency_fine;
	return steer_reward(&t, &r->w);
}

static double correlation(const struct reward *reward, size_t w)
{
	double good[RIVALS_MAX] = { 0 }, got[RIVALS_MAX] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < n_rivals; i++) {
		if (rival[i].ops->no_program)
			continue;
		for (unsigned int s = 0; s < o.seeds; s++) {
			good[n] -= log(rival[i].out[w][s].cost_us);
			got[n] += paid(reward, &rival[i].out[w][s]);
		}
		n++;
	}
	return rank_spearman(good, got, n);
}

static void print_gate(void)
{
	printf("\nThe gate: rank correlation of reward and cost, over %zu policies\n%-18s",
	       n_rivals - 1, "");
	for (size_t k = 0; k < N_REWARDS; k++)
		printf(" %11s", rewards[k].name);
	printf("\n");
	for (size_t w = 0; w < n_workloads; w++) {
		if (!is_test(w))
			continue;
		printf("%-11s %3.0f %% ", workload[w].family, 100 * workload[w].load);
		for (size_t k = 0; k < N_REWARDS; k++)
			printf(" %11.2f", correlation(&rewards[k], w));
		printf("\n");
	}
	printf("at least %.1f in    ", GATE);
	for (size_t k = 0; k < N_REWARDS; k++) {
		unsigned int pass = 0, all = 0;

		for (size_t w = 0; w < n_workloads; w++)
			if (is_test(w)) {
				all++;
				pass += correlation(&rewards[k], w) >= GATE;
			}
		printf("     %2u / %2u", pass, all);
	}
	printf("\n");
}

/* --- the table --------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static const struct rival *find(const char *name)
{
	for (size_t i = 0; i < n_rivals; i++)
		if (!strcmp(rival[i].name, name))
			return &rival[i];
	fail("a policy is missing");
}

/* log(cost / cost of the other), the mean over seeds. */
static double over(const struct rival *r, const struct rival *other, size_t w)
{
	double sum = 0;

	for (unsigned int s = 0; s < o.seeds; s++)
		sum += log(r->out[w][s].cost_us / other->out[w][s].cost_us);
	return sum / o.seeds;
}

static double mean_over(const struct rival *r, const struct rival *other)
{
	double sum = 0;
	size_t n = 0;

	for (size_t w = 0; w < n_workloads; w++)
		if (is_test(w)) {
			sum += over(r, other, w);
			n++;
		}
	return sum / (double)n;
}

/* The 2.5 % and 97.5 % quantiles of mean_over(), families drawn with replacement. */
static void bootstrap(const struct rival *r, const struct rival *other, double *low, double *high)
{
	static double mean[BOOTSTRAPS];
	const size_t families = family_of(n_workloads - 1) + 1;
	struct rng rng;

	rng_seed(&rng, 1);
	for (int b = 0; b < BOOTSTRAPS; b++) {
		double sum = 0;
		size_t n = 0;

		while (!n)
			for (size_t k = 0; k < families; k++) {
				const size_t f = rng_below(&rng, (uint32_t)families);

				for (size_t w = f * o.n_loads; w < (f + 1) * o.n_loads; w++)
					if (is_test(w)) {
						sum += over(r, other, w);
						n++;
					}
			}
		mean[b] = sum / (double)n;
	}
	qsort(mean, BOOTSTRAPS, sizeof(*mean), ascending);
	*low = mean[BOOTSTRAPS / 40];
	*high = mean[BOOTSTRAPS - 1 - BOOTSTRAPS / 40];
}

/* Means over test workloads and seeds of what a policy led to. */
static struct steer_outcome summary(const struct rival *r)
{
	struct steer_outcome sum = { 0 };
	double n = 0;

	for (size_t w = 0; w < n_workloads; w++)
		for (unsigned int s = 0; s < o.seeds && is_test(w); s++, n++) {
			const struct steer_outcome *x = &r->out[w][s];

			sum.mean_us += log(x->mean_us);
			sum.p99_us += log(x->p99_us);
			sum.dropped += x->dropped;
			sum.reordered += x->reordered;
			sum.moves_per_s += x->moves_per_s;
			sum.reward += x->reward;
		}
	sum.mean_us = exp(sum.mean_us / n);
	sum.p99_us = exp(sum.p99_us / n);
	sum.dropped /= n;
	sum.reordered /= n;
	sum.moves_per_s /= n;
	sum.reward /= n;
	return sum;
}

/* The best row for each workload, of those that a host could run and that did not learn. */
static void print_best(const struct rival *oracle)
{
	double sum = 0;
	size_t n = 0;

	for (size_t w = 0; w < n_workloads; w++) {
		double best = INFINITY;

		if (!is_test(w))
			continue;
		for (size_t i = 0; i < n_rivals; i++)
			if (!rival[i].ops->unguarded && !rival[i].ops->placer && !rival[i].blob)
				best = fmin(best, over(&rival[i], oracle, w));
		sum += best;
		n++;
	}
	printf("%-11s %8.1f%%   the best baseline for each workload, in hindsight\n", "(best)",
	       100 * expm1(sum / (double)n));
}

static void print_table(void)
{
	const struct rival *oracle = find("oracle"), *still = find("static");
	const double to_win = mean_over(still, oracle);

	printf("\n%-11s %9s %17s %7s %9s %9s %9s %10s %8s %7s\n", "policy", "over", "95 % interval",
	       "won", "mean us", "p99 us", "dropped", "overtaken", "moves/s", "reward");
	for (size_t i = 0; i < n_rivals; i++) {
		const struct rival *r = &rival[i];
		const struct steer_outcome x = summary(r);
		double low, high;

		bootstrap(r, oracle, &low, &high);
		printf("%-11s %8.1f%% [%6.1f, %6.1f]%% %6.0f%%", r->name,
		       100 * expm1(mean_over(r, oracle)), 100 * expm1(low), 100 * expm1(high),
		       to_win > 0 ? 100 * mean_over(still, r) / to_win : NAN);
		printf(" %9.1f %9.1f %8.3f%% %9.4f%% %8.2f %7.3f\n", x.mean_us, x.p99_us,
		       100 * x.dropped, 100 * x.reordered, x.moves_per_s, x.reward);
	}
	print_best(oracle);
	printf("(over the oracle's cost; mean and p99 are geometric means over test workloads)\n");
}

static void print_workloads(void)
{
	printf("\nCost in us, by test workload\n%-18s", "");
	for (size_t i = 0; i < n_rivals; i++)
		printf(" %10s", rival[i].name);
	printf("\n");
	for (size_t w = 0; w < n_workloads; w++) {
		if (!is_test(w))
			continue;
		printf("%-11s %3.0f %% ", workload[w].family, 100 * workload[w].load);
		for (size_t i = 0; i < n_rivals; i++) {
			double sum = 0;

			for (unsigned int s = 0; s < o.seeds; s++)
				sum += log(rival[i].out[w][s].cost_us);
			printf(" %10.0f", exp(sum / o.seeds));
		}
		printf("\n");
	}
}

static void write_tsv(FILE *f)
{
	fprintf(f, "policy\tfamily\tload\tseed\tcost_us\tmean_us\tp50_us\tp99_us\tp999_us\t"
		"dropped\treordered\tcold\tmoves_per_s\trefused_per_s\treward\tutil_max\t"
		"throughput\tlatency\timbalance\tmoves\tlatency_fine\n");
	for (size_t i = 0; i < n_rivals; i++)
		for (size_t w = 0; w < n_workloads; w++)
			for (unsigned int s = 0; s < o.seeds && is_test(w); s++) {
				const struct steer_outcome *x = &rival[i].out[w][s];
				const double v[] = {
					x->cost_us, x->mean_us, x->p50_us, x->p99_us, x->p999_us,
					x->dropped, x->reordered, x->cold, x->moves_per_s,
					x->refused_per_s, x->reward, x->util_max,
					x->terms.throughput, x->terms.latency,
					x->terms.imbalance, x->terms.moves, x->latency_fine,
				};

				fprintf(f, "%s\t%s\t%g\t%u", rival[i].name, workload[w].family,
					workload[w].load, TEST_SEED + s);
				for (size_t k = 0; k < sizeof(v) / sizeof(v[0]); k++)
					fprintf(f, "\t%.8g", v[k]);
				fprintf(f, "\n");
			}
}

/* --- options ------------------------------------------------------------------------------ */

static double number(const char *text, double low, double high, const char *option)
{
	char *end;
	const double v = strtod(text, &end);

	if (end == text || *end || !(v >= low && v <= high)) {
		fprintf(stderr, "steer_ladder: --%s '%s' is not a number from %g to %g\n", option,
			text, low, high);
		exit(2);
	}
	return v;
}

static void parse_loads(char *text)
{
	o.n_loads = 0;
	for (char *word = strtok(text, ","); word && o.n_loads < LOADS_MAX;
	     word = strtok(NULL, ","))
		o.loads[o.n_loads++] = number(word, 0.01, 3, "loads");
	if (!o.n_loads)
		fail("--loads needs numbers");
}

static const struct reward *parse_reward(const char *name)
{
	for (size_t i = 0; i < N_REWARDS; i++)
		if (!strcmp(rewards[i].name, name))
			return &rewards[i];
	fail("there is no reward of that name");
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'n' },
		{ "agents", required_argument, NULL, 'a' },
		{ "train", required_argument, NULL, 't' },
		{ "loads", required_argument, NULL, 'l' },
		{ "interval-ms", required_argument, NULL, 'i' },
		{ "stack-ns", required_argument, NULL, 'k' },
		{ "reward", required_argument, NULL, 'r' },
		{ "tune", required_argument, NULL, 'u' },
		{ "stale", required_argument, NULL, 'o' },
		{ "no-hold", no_argument, NULL, 'h' },
		{ "capture", required_argument, NULL, 'c' },
		{ "sizes", required_argument, NULL, 'z' },
		{ "families", required_argument, NULL, 'f' },
		{ "tsv", required_argument, NULL, 'v' },
		{ 0 },
	};
	static struct cpus_capture capture;
	static struct dist sizes;
	struct sl_err e;
	int c, i = 0;

	while ((c = getopt_long(argc, argv, "", names, &i)) != -1) {
		if (c == 's')
			o.seconds = number(optarg, 0.1, 1e5, names[i].name);
		else if (c == 'n')
			o.seeds = (unsigned int)number(optarg, 1, SEEDS_MAX, names[i].name);
		else if (c == 'a')
			o.agents = (unsigned int)number(optarg, 0, 10, names[i].name);
		else if (c == 't')
			o.train_s = number(optarg, 0.1, 1e7, names[i].name);
		else if (c == 'l')
			parse_loads(optarg);
		else if (c == 'i')
			o.interval_s = number(optarg, 1, 60000, names[i].name) / 1e3;
		else if (c == 'k')
			o.stack_ns = number(optarg, 1, 1e7, names[i].name);
		else if (c == 'r')
			o.reward = parse_reward(optarg);
		else if (c == 'o')
			o.stale = (unsigned int)number(optarg, 0, 16, names[i].name);
		else if (c == 'u')
			o.tune = (unsigned int)number(optarg, 1, SETTINGS, names[i].name);
		else if (c == 'h')
			o.no_hold = true;
		else if (c == 'f')
			o.families = (unsigned int)number(optarg, 1, WORKLOADS_MAX, names[i].name);
		else if (c == 'c' && cpus_capture_read(optarg, &capture, &e) == 0)
			o.capture = &capture;
		else if (c == 'z' && dist_read(optarg, &sizes, &e) == 0)
			o.sizes = &sizes;
		else if (c == 'v' && (o.tsv = fopen(optarg, "w")) != NULL)
			continue;
		else if (c == 'v')
			fail("cannot write the file of --tsv");
		else if (c == 'c' || c == 'z')
			fail(e.text);
		else
			exit(2);
	}
	if (optind != argc)
		fail("what is it to do with a word that is no option?");
}

int main(int argc, char **argv)
{
	size_t tests = 0;

	parse(argc, argv);
	n_workloads = steer_workloads(o.loads, o.n_loads, o.capture != NULL, workload,
				      WORKLOADS_MAX);
	n_workloads -= n_workloads % o.n_loads;
	if (n_workloads > o.families * o.n_loads)
		n_workloads = o.families * o.n_loads;
	for (size_t w = 0; w < n_workloads; w++)
		tests += is_test(w);
	if (!tests || tests == n_workloads)
		fail("too few workloads to split");
	printf("%zu workloads to learn from, %zu for the test; %u seeds, %g s each after %g s; "
	       "decisions each %g ms\n", n_workloads - tests, tests, o.seeds, o.seconds,
	       fmin(WARMUP_S, o.seconds), 1e3 * o.interval_s);
	printf("stack %g ns a packet, loads %u intervals old%s; agents learn by the reward '%s'\n",
	       o.stack_ns, o.stale, o.no_hold ? ", no hold" : "", o.reward->name);
	add_rivals();
	test_all();
	print_gate();
	print_workloads();
	print_table();
	printf("%.0f s simulated in all\n", simulated_s);
	if (o.tsv) {
		write_tsv(o.tsv);
		fclose(o.tsv);
	}
	for (size_t i = 0; i < n_rivals; i++)
		free(rival[i].blob);
	return 0;
}
