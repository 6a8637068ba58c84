// SPDX-License-Identifier: GPL-2.0
/* sluice distill steer */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/lab_args.h"
#include "cli/steer_args.h"
#include "distill/steer.h"
#include "policy/steer_board.h"

#define DEPTHS_MAX	8
#define SEEDS_MAX	5
#define TREES_MAX	(DEPTHS_MAX * SEEDS_MAX + 8)
#define RULE		"greedy"	/* the row that all are compared with */

struct tree_row {
	char name[24];
	bool learned;
	double cost;		/* as judged on the training half */
	struct viper_report report;
	struct verify_report verified;
	size_t repaired;
	struct sluice_tree tree;
};

struct distilling {
	struct steer_args args;
	struct distill_steer distill;
	struct steer_board board;
	struct lab_progress progress;
	struct verify_limits limits;
	const char *out;
	bool no_hand;
	unsigned int depth[DEPTHS_MAX];
	size_t depths;
	uint64_t seed, seeds, rounds, labels, runs, min_leaf, horizon_ms, announce, jobs, judges,
		 test_seeds, generation;
	struct tree_row row[TREES_MAX];
	size_t rows;
};

/* X(option, member, least, most) */
#define NUMBERS(X)							\
	X("rounds", rounds, 1, 1000)					\
	X("labels", labels, 1, DISTILL_STEER_LABELS)			\
	X("runs", runs, 1, 1000)					\
	X("min-leaf", min_leaf, 1, 1000000)				\
	X("horizon-ms", horizon_ms, 1, 200)				\
	X("announce", announce, 1, 1048576)				\
	X("seed", seed, 1, UINT32_MAX)					\
	X("seeds", seeds, 1, SEEDS_MAX)					\
	X("judge-seeds", judges, 1, 100)				\
	X("test-seeds", test_seeds, 1, STEER_BOARD_SEEDS)		\
	X("generation", generation, 1, UINT32_MAX)			\
	X("jobs", jobs, 1, 64)

static int take_number(const struct cli *cli, struct distilling *d, int option, const char *text)
{
	const struct { const char *name; uint64_t *to, min, max; } number[] = {
#define X(name, member, min, max) { name, &d->member, min, max },
		NUMBERS(X)
#undef X
	};

	return cli_take_number(cli, number[option].name, text, number[option].min,
			       number[option].max, number[option].to);
}

static int take_depths(const struct cli *cli, struct distilling *d, char *list)
{
	char *word, *rest = NULL;
	uint64_t depth;

	d->depths = 0;
	for (word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		if (d->depths == DEPTHS_MAX || !cli_number(word, 0, SLUICE_TREE_MAX_DEPTH, &depth))
			return cli_usage(cli, "--depth takes up to %d numbers, each 0 to %d",
					 DEPTHS_MAX, SLUICE_TREE_MAX_DEPTH);
		d->depth[d->depths++] = (unsigned int)depth;
	}
	return d->depths ? CLI_OK : cli_usage(cli, "--depth takes a number");
}

static int take(const struct cli *cli, struct distilling *d, int c, char *value)
{
	struct sl_err e;

	switch (c) {
	case 'd':
		return take_depths(cli, d, value);
	case 'n':
		d->no_hand = true;
		return CLI_OK;
	case 'o':
		d->out = value;
		return CLI_OK;
	case 't':
		return cli_decimal(value, 0.5, 1e4, &d->distill.seconds) ? CLI_OK :
			cli_usage(cli, "--seconds must be 0.5 to 1e4");
	case 'r':
		return verify_rule_add(&d->limits, value, &e) ? cli_usage(cli, "%s", e.text) :
								CLI_OK;
	}
	return cli_usage(cli, c == ':' ? "%s needs a value" : "there is no option '%s'", value);
}

static int parse(const struct cli *cli, int argc, char **argv, struct distilling *d)
{
	static const struct option options[] = {
#define X(name, member, min, max) { name, required_argument, NULL, 0 },
		NUMBERS(X)
#undef X
		STEER_ARGS_OPTIONS,
		{ "no-hand", no_argument, NULL, 'n' },
		{ "depth", required_argument, NULL, 'd' },
		{ "seconds", required_argument, NULL, 't' },
		{ "rule", required_argument, NULL, 'r' },
		{ "output", required_argument, NULL, 'o' },
		{ 0 },
	};
	int c, which = 0, r = CLI_OK;
	bool mine;

	opterr = 0;
	optind = 1;
	while (r == CLI_OK && (c = getopt_long(argc, argv, "+:o:", options, &which)) != -1) {
		if (c == 0) {
			r = take_number(cli, d, which, optarg);
			continue;
		}
		if (c == ':' || c == '?')
			optarg = argv[optind - 1];
		r = steer_args_take(cli, &d->args, c, optarg, &mine);
		if (!mine)
			r = take(cli, d, c, optarg);
	}
	if (r == CLI_OK && optind < argc)
		r = cli_usage(cli, "'%s' is one word too many", argv[optind]);
	return r;
}

/* --- trees ---------------------------------------------------------------------------------- */

static int add_tree(struct distilling *d, const struct tree_row *row)
{
	struct sl_err e;

	if (d->rows == TREES_MAX)
		return cli_fail("more than %d trees", TREES_MAX);
	d->row[d->rows] = *row;
	/* A person's are none of the rules' business. */
	if (row->learned && verify_tree(&row->tree, row->tree.h.size, &d->limits,
					&d->row[d->rows].verified, &e))
		return cli_fail("%s: %s", row->name, e.text);
	d->rows++;
	return CLI_OK;
}

/* The best of a kind of trees that a person would write, by the training half. */
static int best_of(struct distilling *d, const char *name, size_t n,
		   void (*make)(size_t i, struct sluice_tree *t))
{
	struct tree_row row = { .cost = INFINITY };
	struct sluice_tree t;
	double cost;

	for (size_t i = 0; i < n; i++) {
		int r;

		make(i, &t);
		r = distill_steer_cost(&d->distill, &t, &cost);
		if (r)
			return cli_fail("simulating: %s", strerror(-r));
		if (cost < row.cost) {
			row.cost = cost;
			row.tree = t;
		}
	}
	snprintf(row.name, sizeof(row.name), "%s", name);
	return add_tree(d, &row);
}

static const uint32_t queues[] = { 1, 4, 16, 64 }, loads[] = { 500000, 700000, 850000, 950000 };

static void make_queue(size_t i, struct sluice_tree *t)
{
	const struct place_compare c = { SLUICE_PLACE_F_home_queue, queues[i], true };

	place_chain(&c, 1, false, 1, t);
}

static void make_load(size_t i, struct sluice_tree *t)
{
	const struct place_compare c = { SLUICE_PLACE_F_home_load, loads[i], true };

	place_chain(&c, 1, false, 1, t);
}

static void make_queues(size_t i, struct sluice_tree *t)
{
	const struct place_compare c[] = {
		{ SLUICE_PLACE_F_other_queue, queues[i % 4], false },
		{ SLUICE_PLACE_F_home_queue, queues[i / 4], true },
	};

	place_chain(c, 2, false, 1, t);
}

static void make_loads(size_t i, struct sluice_tree *t)
{
	const struct place_compare c[] = {
		{ SLUICE_PLACE_F_other_load, loads[i % 4], false },
		{ SLUICE_PLACE_F_home_load, loads[i / 4], true },
	};

	place_chain(c, 2, false, 1, t);
}

static void make_ladder(size_t i, struct sluice_tree *t)
{
	place_ladder(2u << i, 1, t);
}

static void make_always(size_t i, struct sluice_tree *t)
{
	(void)i;
	place_chain(NULL, 0, true, 1, t);
}

static int by_hand(struct distilling *d)
{
	int r = best_of(d, "always other", 1, make_always);

	lab_progress_begin(&d->progress, "trees by hand");
	if (r == CLI_OK)
		r = best_of(d, "hand: load", 4, make_load);
	if (r == CLI_OK)
		r = best_of(d, "hand: queue", 4, make_queue);
	if (r == CLI_OK)
		r = best_of(d, "hand: loads", 16, make_loads);
	if (r == CLI_OK)
		r = best_of(d, "hand: queues", 16, make_queues);
	return r == CLI_OK ? best_of(d, "hand: ladder", 5, make_ladder) : r;
}

static int learn(struct distilling *d, unsigned int depth, uint64_t seed)
{
	const struct viper_config c = {
		.depth = depth, .rounds = (unsigned int)d->rounds, .min_leaf = d->min_leaf,
		.leaves = PLACE_LEAVES, .split = CART_SPREAD,
	};
	const struct viper_task task = distill_steer_task(&d->distill);
	struct tree_row row = { .learned = true };
	struct cart cart;
	struct sl_err e;
	int r;

	lab_progress_begin(&d->progress, "distilling");
	d->distill.seed = seed;
	r = viper(&task, &c, &cart, &row.report);
	if (r)
		return cli_fail("distilling: %s", strerror(-r));
	row.cost = row.report.cost;
	snprintf(row.name, sizeof(row.name), "depth %u seed %" PRIu64, depth, seed);
	r = distill_steer_tree(&d->distill, &cart, (uint32_t)d->generation, &row.tree,
			       &row.repaired, &e);
	cart_free(&cart);
	return r ? cli_fail_err(&e) : add_tree(d, &row);
}

static int learn_all(struct distilling *d)
{
	int r = CLI_OK;

	for (uint64_t s = 0; s < d->seeds && r == CLI_OK; s++) {
		for (size_t i = 0; i < d->depths && r == CLI_OK; i++)
			r = learn(d, d->depth[i], d->seed + s);
		distill_steer_fini(&d->distill);
	}
	return r;
}

/* --- the test half --------------------------------------------------------------------------- */

static int add_row(struct distilling *d, const char *name, const char *policy,
		   const struct sluice_tree *tree, uint32_t announce)
{
	const struct steer_policy_ops *ops = steer_policy_find(policy, NULL);
	struct steer_row *r = steer_board_add(&d->board, name, ops, NULL);

	if (!r)
		return cli_fail("out of memory, or too many rows");
	r->tuning.ewma = 0.2;	/* as the daemon has it */
	r->place.tree = tree;
	r->place.announce = announce;
	return CLI_OK;
}

static int judge(struct distilling *d)
{
	const struct par par = { (unsigned int)d->jobs, lab_progress_tick, &d->progress };
	const uint32_t announce = (uint32_t)d->announce;
	char name[48];
	struct sl_err e;
	int r = add_row(d, RULE, "ewma", NULL, 0);

	if (r == CLI_OK)
		r = add_row(d, "static", "static", NULL, 0);
	if (r == CLI_OK)
		r = add_row(d, "oracle", "oracle", NULL, 0);
	if (r == CLI_OK)
		r = add_row(d, "flow_least", "flow_least", NULL, 0);
	snprintf(name, sizeof(name), "%s, announce %u", RULE, announce);
	if (r == CLI_OK)
		r = add_row(d, name, "ewma", NULL, announce);
	for (size_t i = 0; i < d->rows && r == CLI_OK; i++)
		r = add_row(d, d->row[i].name, "ewma", &d->row[i].tree, announce);
	for (size_t i = 0; i < d->rows && r == CLI_OK; i++) {
		if (d->row[i].learned)
			continue;
		snprintf(name, sizeof(name), "static, %s", d->row[i].name);
		r = add_row(d, name, "static", &d->row[i].tree, announce);
	}
	if (r != CLI_OK)
		return r;
	lab_progress_begin(&d->progress, "test workloads");
	return steer_board_run(&d->board, &par, &e) ? cli_fail_err(&e) : CLI_OK;
}

static const struct tree_row *tree_of(const struct distilling *d, const struct steer_row *r)
{
	for (size_t i = 0; i < d->rows; i++)
		if (r->place.tree == &d->row[i].tree)
			return &d->row[i];
	return NULL;
}

/* Of a test workload, over seeds: what it costs more than the rule alone, at worst. */
static double worst(const struct distilling *d, const struct steer_row *r, size_t *where)
{
	const struct steer_row *rule = steer_board_find(&d->board, RULE);
	double most = -INFINITY;

	for (size_t w = 0; w < d->args.lab.n; w++) {
		const double over = d->args.lab.test[w] ?
				    steer_board_over(&d->board, r, rule, w) : -INFINITY;

		if (over > most) {
			most = over;
			*where = w;
		}
	}
	return most;
}

static void print_row(const struct distilling *d, const struct steer_row *r)
{
	const struct steer_row *rule = steer_board_find(&d->board, RULE);
	const struct steer_outcome x = steer_board_summary(&d->board, r);
	const struct tree_row *t = tree_of(d, r);
	double low, high, most;
	size_t w = 0;

	steer_board_interval(&d->board, r, rule, &low, &high);
	most = worst(d, r, &w);
	printf("%-21.21s %7.1f [%6.1f, %6.1f] %7.1f %-10.10s %4.2f %7.0f %8.1f %8.1f %7.3f %9.4f",
	       r->name, 100 * expm1(steer_board_mean(&d->board, r, rule)), 100 * expm1(low),
	       100 * expm1(high), 100 * expm1(most), d->args.lab.workload[w].family,
	       d->args.lab.workload[w].load, x.cost_us, x.mean_us, x.p99_us, 100 * x.dropped,
	       100 * x.reordered);
	if (t)
		printf(" %5u %6u %7.3f %6zu %5u", t->tree.h.n_nodes, t->tree.h.size, t->cost,
		       t->report.states, t->report.round);
	printf("\n");
}

static json_t *row_json(const struct distilling *d, const struct steer_row *r)
{
	const struct steer_row *rule = steer_board_find(&d->board, RULE);
	const struct steer_outcome x = steer_board_summary(&d->board, r);
	const struct tree_row *t = tree_of(d, r);
	double low, high;
	json_t *row;
	size_t w = 0;

	steer_board_interval(&d->board, r, rule, &low, &high);
	row = json_pack("{s:s s:f s:f s:f s:f s:f s:f s:f s:f s:f}", "row", r->name, "over",
			expm1(steer_board_mean(&d->board, r, rule)), "low", expm1(low), "high",
			expm1(high), "worst", expm1(worst(d, r, &w)), "cost_us", x.cost_us,
			"mean_us", x.mean_us, "p99_us", x.p99_us, "dropped_share", x.dropped,
			"reordered_share", x.reordered);
	if (t)
		json_object_update_new(row, json_pack("{s:I s:I s:I s:I s:I}", "nodes",
			(json_int_t)t->tree.h.n_nodes, "bytes", (json_int_t)t->tree.h.size,
			"states", (json_int_t)t->report.states, "round",
			(json_int_t)t->report.round, "repaired", (json_int_t)t->repaired));
	return row;
}

/* Not by the test, which is to say what was chosen is worth. */
static const struct tree_row *chosen(const struct distilling *d)
{
	const struct tree_row *best = NULL;

	for (size_t i = 0; i < d->rows; i++)
		if (d->row[i].learned && (!best || d->row[i].cost < best->cost))
			best = &d->row[i];
	return best;
}

static int print(const struct cli *cli, const struct distilling *d)
{
	const struct steer_lab *l = &d->args.lab;
	json_t *rows;

	if (cli->json) {
		rows = json_array();
		for (size_t i = 0; i < d->board.n; i++)
			json_array_append_new(rows, row_json(d, d->board.row[i]));
		return cli_print_json(json_pack("{s:I s:s s:o}", "workloads",
						(json_int_t)l->tests, "written", chosen(d)->name,
						"rows", rows));
	}
	printf("%zu test workloads, %zu to learn from; %" PRIu64 " seeds of %g s; %% over the rule "
	       "alone, 95 %% over families\n%-21s %7s %16s %7s %-15s %7s %8s %8s %7s %9s %5s %6s %7s "
	       "%6s %5s\n", l->tests, l->n - l->tests, d->test_seeds, d->board.seconds, "placed by",
	       "over", "interval    ", "worst", "where", "cost us", "mean us", "p99 us", "dropped",
	       "overtaken", "nodes", "bytes", "judged", "states", "round");
	for (size_t i = 0; i < d->board.n; i++)
		print_row(d, d->board.row[i]);
	return CLI_OK;
}

static int write_tree(const struct distilling *d)
{
	const struct tree_row *best = chosen(d);
	FILE *to = fopen(d->out, "we");
	bool bad = !to;

	if (to)
		bad = fwrite(&best->tree, best->tree.h.size, 1, to) != 1;
	if (to && fclose(to))
		bad = true;
	return bad ? cli_fail("cannot write %s: %s", d->out, strerror(errno)) : CLI_OK;
}

static int distill(const struct cli *cli, struct distilling *d)
{
	int r = steer_args_lab(&d->args);

	if (r != CLI_OK)
		return r;
	if (!d->args.lab.tests || d->args.lab.tests == d->args.lab.n)
		return cli_fail("these workloads are all on one half of the board: give more --loads");
	d->distill.lab = &d->args.lab;
	d->distill.par = (struct par){ (unsigned int)d->jobs, lab_progress_tick, &d->progress };
	d->distill.limits = &d->limits;
	d->distill.announce = (uint32_t)d->announce;
	d->distill.horizon_s = (double)d->horizon_ms / 1e3;
	d->distill.labels = (unsigned int)d->labels;
	d->distill.runs = (unsigned int)d->runs;
	d->distill.judges = (unsigned int)d->judges;
	d->board.lab = &d->args.lab;
	d->board.seconds = d->distill.seconds;
	d->board.seeds = (unsigned int)d->test_seeds;
	r = d->no_hand ? CLI_OK : by_hand(d);
	if (r == CLI_OK)
		r = learn_all(d);
	if (r == CLI_OK && d->out)
		r = write_tree(d);
	if (r == CLI_OK)
		r = judge(d);
	return r == CLI_OK ? print(cli, d) : r;
}

int cmd_distill_steer(struct cli *cli, int argc, char **argv)
{
	static struct distilling d = {
		.depth = { 5, 10, 15, 20 }, .depths = 4, .seed = 1, .seeds = 1, .rounds = 4,
		.labels = 100, .runs = 2, .min_leaf = 50, .horizon_ms = 100, .announce = 64,
		.judges = 2, .test_seeds = 2, .generation = 1,
		.distill = { .seconds = 4, .judge_seed = STEER_LAB_TUNE_SEED },
	};
	int r;

	d.jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	d.limits = place_limits();
	steer_args_init(&d.args);
	r = parse(cli, argc, argv, &d);
	if (r == CLI_OK)
		r = distill(cli, &d);
	distill_steer_fini(&d.distill);
	steer_board_free(&d.board);
	steer_args_free(&d.args);
	return r;
}
