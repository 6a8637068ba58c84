// SPDX-License-Identifier: GPL-2.0
/*
 * The ladder of steering in the simulator: what policies are worth, and what learning adds.
 *
 *	steer_ladder [--seconds S] [--seeds N] [--agents N] [--train S] [--loads A,B,C]
 *		     [--interval-ms MS] [--stack-ns NS] [--reward NAME] [--stale N] [--no-hold]
 *		     [--tune N] [--capture FILE.pcap] [--sizes FILE] [--families N] [--tsv FILE]
 *		     [--jobs N]
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
#include "policy/steer_board.h"
#include "policy/steer_learn.h"

#define AGENTS_MAX	10
#define GATE		0.8

struct options {
	double seconds, train_s;
	unsigned int seeds, agents, families, tune, jobs;
	const struct steer_reward_kind *reward;
	struct steer_lab_config lab;
	FILE *tsv;
};

static struct options o = {
	.seconds = 10, .seeds = 2, .agents = 3, .train_s = 1200, .jobs = 1,
	.families = STEER_LAB_WORKLOADS, .tune = STEER_LAB_SETTINGS,
};
static struct steer_lab lab;
static struct steer_board board = { .lab = &lab };
static struct model agent[AGENTS_MAX];

static _Noreturn void fail(const char *text)
{
	fprintf(stderr, "steer_ladder: %s\n", text);
	exit(1);
}

/* --- rows ------------------------------------------------------------------------------ */

/* A training without files: its episodes, then its model. */
static void learn(uint64_t seed, struct model *m)
{
	struct steer_learn_config c = {
		.lab = &lab, .reward = o.reward, .seed = seed,
		.turn_s = fmin(STEER_LAB_TURN_S, o.train_s),
	};
	const double each = steer_lab_run_s(c.turn_s);
	double plotted, reward = 0, done = 0;
	void *learner;

	for (size_t w = 0; w < STEER_LAB_WORKLOADS; w++)
		c.still_us[w] = 1;
	if (steer_learn_ops.make(&c, &learner))
		fail("out of memory");
	for (uint64_t n = 0; done < o.train_s; n++, done += each)
		if (steer_learn_ops.episode(learner, n, &plotted, &reward))
			fail("the training failed");
	if (steer_learn_ops.model(learner, m))
		fail("out of memory");
	steer_learn_ops.free(learner);
	printf("learnt agent %llu: %.0f s simulated, last reward %.3f\n",
	       (unsigned long long)seed, done, reward);
	fflush(stdout);
}

static void add_rows(const struct par *par)
{
	struct sl_err e;
	char name[48];

	if (steer_board_baselines(&board, par, o.tune, &e))
		fail(e.text);
	for (size_t i = 0; i < board.n; i++) {
		const struct steer_tuning *t = &board.row[i]->tuning;

		if (*board.row[i]->ops->tunables && o.tune > 1)
			printf("tuned %-10s max_moves %g, ewma %g, move_cost %g, imbalance %g\n",
			       board.row[i]->name, t->max_moves, t->ewma, t->move_cost,
			       t->imbalance);
	}
	for (unsigned int k = 0; k < o.agents; k++) {
		learn(k + 1, &agent[k]);
		snprintf(name, sizeof(name), "agent %u", k + 1);
		if (!steer_board_add(&board, name, steer_policy_find("agent", NULL), &agent[k]))
			fail("out of memory");
	}
}

/* --- the gate -------------------------------------------------------------------------- */

static double paid(const struct steer_reward_kind *r, const struct steer_outcome *out)
{
	struct steer_reward_terms t = out->terms;

	if (r->fine)
		t.latency = out->latency_fine;
	return steer_reward(&t, &r->weights);
}

static double correlation(const struct steer_reward_kind *reward, size_t w)
{
	double good[STEER_BOARD_ROWS] = { 0 }, got[STEER_BOARD_ROWS] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < board.n; i++) {
		if (board.row[i]->ops->no_program)
			continue;
		for (unsigned int s = 0; s < o.seeds; s++) {
			good[n] -= log(board.row[i]->out[w][s].cost_us);
			got[n] += paid(reward, &board.row[i]->out[w][s]);
		}
		n++;
	}
	return rank_spearman(good, got, n);
}

static void print_gate(void)
{
	printf("\nThe gate: rank correlation of reward and cost, over %zu policies\n%-18s",
	       board.n - 1, "");
	for (size_t k = 0; k < steer_rewards_n; k++)
		printf(" %11s", steer_rewards[k].name);
	printf("\n");
	for (size_t w = 0; w < lab.n; w++) {
		if (!lab.test[w])
			continue;
		printf("%-11s %3.0f %% ", lab.workload[w].family, 100 * lab.workload[w].load);
		for (size_t k = 0; k < steer_rewards_n; k++)
			printf(" %11.2f", correlation(&steer_rewards[k], w));
		printf("\n");
	}
	printf("at least %.1f in    ", GATE);
	for (size_t k = 0; k < steer_rewards_n; k++) {
		unsigned int pass = 0;

		for (size_t w = 0; w < lab.n; w++)
			pass += lab.test[w] && correlation(&steer_rewards[k], w) >= GATE;
		printf("     %2u / %2zu", pass, lab.tests);
	}
	printf("\n");
}

/* --- the table --------------------------------------------------------------------------- */

static void print_table(void)
{
	const struct steer_row *oracle = steer_board_find(&board, "oracle");
	const struct steer_row *still = steer_board_find(&board, "static");
	const double to_win = steer_board_mean(&board, still, oracle);

	printf("\n%-11s %9s %17s %7s %9s %9s %9s %10s %8s %7s\n", "policy", "over", "95 % interval",
	       "won", "mean us", "p99 us", "dropped", "overtaken", "moves/s", "reward");
	for (size_t i = 0; i < board.n; i++) {
		const struct steer_row *r = board.row[i];
		const struct steer_outcome x = steer_board_summary(&board, r);
		double low, high;

		steer_board_interval(&board, r, oracle, &low, &high);
		printf("%-11s %8.1f%% [%6.1f, %6.1f]%% %6.0f%%", r->name,
		       100 * expm1(steer_board_mean(&board, r, oracle)), 100 * expm1(low),
		       100 * expm1(high),
		       to_win > 0 ? 100 * steer_board_mean(&board, still, r) / to_win : NAN);
		printf(" %9.1f %9.1f %8.3f%% %9.4f%% %8.2f %7.3f\n", x.mean_us, x.p99_us,
		       100 * x.dropped, 100 * x.reordered, x.moves_per_s, x.reward);
	}
	printf("%-11s %8.1f%%   the best baseline for each workload, in hindsight\n", "(best)",
	       100 * expm1(steer_board_hindsight(&board, oracle)));
	printf("(over the oracle's cost; mean and p99 are geometric means over test workloads)\n");
}

static void print_workloads(void)
{
	printf("\nCost in us, by test workload\n%-18s", "");
	for (size_t i = 0; i < board.n; i++)
		printf(" %10s", board.row[i]->name);
	printf("\n");
	for (size_t w = 0; w < lab.n; w++) {
		if (!lab.test[w])
			continue;
		printf("%-11s %3.0f %% ", lab.workload[w].family, 100 * lab.workload[w].load);
		for (size_t i = 0; i < board.n; i++) {
			double sum = 0;

			for (unsigned int s = 0; s < o.seeds; s++)
				sum += log(board.row[i]->out[w][s].cost_us);
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
	for (size_t i = 0; i < board.n; i++)
		for (size_t w = 0; w < lab.n; w++)
			for (unsigned int s = 0; s < o.seeds && lab.test[w]; s++) {
				const struct steer_outcome *x = &board.row[i]->out[w][s];
				const double v[] = {
					x->cost_us, x->mean_us, x->p50_us, x->p99_us, x->p999_us,
					x->dropped, x->reordered, x->cold, x->moves_per_s,
					x->refused_per_s, x->reward, x->util_max,
					x->terms.throughput, x->terms.latency,
					x->terms.imbalance, x->terms.moves, x->latency_fine,
				};

				fprintf(f, "%s\t%s\t%g\t%u", board.row[i]->name,
					lab.workload[w].family, lab.workload[w].load,
					STEER_LAB_TEST_SEED + s);
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
	o.lab.n_loads = 0;
	for (char *word = strtok(text, ","); word && o.lab.n_loads < STEER_LAB_LOADS;
	     word = strtok(NULL, ","))
		o.lab.loads[o.lab.n_loads++] = number(word, 0.01, 3, "loads");
	if (!o.lab.n_loads)
		fail("--loads needs numbers");
}

/* The first so many, as a list. */
static void keep_families(void)
{
	static const char *const name[] = {
#define X(name, text) #name,
		STEER_FAMILIES(X)
#undef X
	};
	static char list[256];

	for (size_t i = 0; i < o.families && i < sizeof(name) / sizeof(name[0]); i++)
		if (strcmp(name[i], "capture") || o.lab.capture)
			sprintf(list + strlen(list), "%s%s", i ? "," : "", name[i]);
	o.lab.families = list;
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
		{ "jobs", required_argument, NULL, 'j' },
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
			o.seeds = (unsigned int)number(optarg, 1, STEER_BOARD_SEEDS, names[i].name);
		else if (c == 'a')
			o.agents = (unsigned int)number(optarg, 0, AGENTS_MAX, names[i].name);
		else if (c == 't')
			o.train_s = number(optarg, 0.1, 1e7, names[i].name);
		else if (c == 'l')
			parse_loads(optarg);
		else if (c == 'i')
			o.lab.interval_s = number(optarg, 1, 60000, names[i].name) / 1e3;
		else if (c == 'k')
			o.lab.stack_ns = number(optarg, 1, 1e7, names[i].name);
		else if (c == 'r')
			o.reward = steer_reward_find(optarg);
		else if (c == 'o')
			o.lab.stale = (unsigned int)number(optarg, 0, 16, names[i].name);
		else if (c == 'u')
			o.tune = (unsigned int)number(optarg, 1, STEER_LAB_SETTINGS, names[i].name);
		else if (c == 'h')
			o.lab.no_hold = true;
		else if (c == 'f')
			o.families = (unsigned int)number(optarg, 1, STEER_LAB_WORKLOADS,
							  names[i].name);
		else if (c == 'j')
			o.jobs = (unsigned int)number(optarg, 1, 64, names[i].name);
		else if (c == 'c' && cpus_capture_read(optarg, &capture, &e) == 0)
			o.lab.capture = &capture;
		else if (c == 'z' && dist_read(optarg, &sizes, &e) == 0)
			o.lab.sizes = &sizes;
		else if (c == 'v' && (o.tsv = fopen(optarg, "w")) != NULL)
			continue;
		else if (c == 'v')
			fail("cannot write the file of --tsv");
		else if (c == 'c' || c == 'z')
			fail(e.text);
		else
			exit(2);
	}
	if (!o.reward)
		fail("there is no reward of that name");
	if (optind != argc)
		fail("what is it to do with a word that is no option?");
}

int main(int argc, char **argv)
{
	struct par par = { 0 };
	struct sl_err e;

	steer_lab_config_default(&o.lab);
	o.reward = &steer_rewards[0];
	parse(argc, argv);
	keep_families();
	par.jobs = o.jobs;
	board.seconds = o.seconds;
	board.seeds = o.seeds;
	if (steer_lab_init(&lab, &o.lab, &e))
		fail(e.text);
	if (!lab.tests || lab.tests == lab.n)
		fail("too few workloads to split");
	printf("%zu workloads to learn from, %zu for the test; %u seeds, %g s each after %g s; "
	       "decisions each %g ms\n", lab.n - lab.tests, lab.tests, o.seeds, o.seconds,
	       steer_lab_run_s(o.seconds) - o.seconds, 1e3 * o.lab.interval_s);
	printf("stack %g ns a packet, loads %u intervals old%s; agents learn by the reward '%s'\n",
	       o.lab.stack_ns, o.lab.stale, o.lab.no_hold ? ", no hold" : "", o.reward->name);
	add_rows(&par);
	if (steer_board_run(&board, &par, &e))
		fail(e.text);
	print_gate();
	print_workloads();
	print_table();
	if (o.tsv) {
		write_tsv(o.tsv);
		fclose(o.tsv);
	}
	steer_board_free(&board);
	for (unsigned int k = 0; k < o.agents; k++)
		model_free(&agent[k]);
	return 0;
}
