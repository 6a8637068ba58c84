// SPDX-License-Identifier: GPL-2.0
/* sluice eval --steer */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/lab_args.h"
#include "cli/steer_args.h"
#include "policy/steer_board.h"

#define MODELS_MAX	32

struct evaluation {
	struct steer_args args;
	struct steer_board board;
	struct model model[MODELS_MAX];
	const char *name[MODELS_MAX];
	size_t models;
	uint64_t seeds, jobs, tune;
	bool baselines;
	struct lab_progress progress;
};

static int take(const struct cli *cli, struct evaluation *v, int c)
{
	bool ok = true;

	switch (c) {
	case 1:		/* a word that is no option */
		if (v->models == MODELS_MAX)
			return cli_usage(cli, "more than %d models", MODELS_MAX);
		v->name[v->models++] = optarg;
		return CLI_OK;
	case 'E':
		return CLI_OK;
	case 't':
		ok = cli_decimal(optarg, 0.1, 1e5, &v->board.seconds);
		break;
	case 'S':
		ok = cli_number(optarg, 1, STEER_BOARD_SEEDS, &v->seeds);
		break;
	case 'u':
		ok = cli_number(optarg, 1, STEER_LAB_SETTINGS, &v->tune);
		break;
	case 'J':
		ok = cli_number(optarg, 1, 64, &v->jobs);
		break;
	case 'b':
		v->baselines = !strcmp(optarg, "all");
		ok = v->baselines || !strcmp(optarg, "none");
		break;
	default:
		return cli_usage(cli, c == ':' ? "%s needs a value" :
				 "there is no option '%s' with --steer", optarg);
	}
	return ok ? CLI_OK : cli_usage(cli, "'%s' is not what its option takes", optarg);
}

static int parse(const struct cli *cli, int argc, char **argv, struct evaluation *v)
{
	static const struct option options[] = {
		STEER_ARGS_OPTIONS,
		{ "steer", no_argument, NULL, 'E' },
		{ "seconds", required_argument, NULL, 't' },
		{ "seeds", required_argument, NULL, 'S' },
		{ "tune", required_argument, NULL, 'u' },
		{ "jobs", required_argument, NULL, 'J' },
		{ "baseline", required_argument, NULL, 'b' },
		{ 0 },
	};
	int c, r = CLI_OK;
	bool mine;

	opterr = 0;
	optind = 0;
	while (r == CLI_OK && (c = getopt_long(argc, argv, "-:", options, NULL)) != -1) {
		if (c == ':' || c == '?')
			optarg = argv[optind - 1];
		r = steer_args_take(cli, &v->args, c, optarg, &mine);
		if (!mine)
			r = take(cli, v, c);
	}
	return r;
}

/* Reads the models, and sees that they were not trained on what they are to be judged by. */
static int read_models(struct evaluation *v)
{
	const struct steer_lab *l = &v->args.lab;
	struct sl_err e;

	for (size_t i = 0; i < v->models; i++) {
		if (steer_model_read(v->name[i], &v->model[i], &e))
			return cli_fail_err(&e);
		for (size_t w = 0; w < l->n; w++)
			if (l->test[w] && steer_model_trained_on(&v->model[i], &l->workload[w]))
				return cli_fail("%s was trained on %s at load %g, which is in the "
						"test: give the --loads that it was trained with",
						v->name[i], l->workload[w].family,
						l->workload[w].load);
	}
	return CLI_OK;
}

static int climb(struct evaluation *v, struct sl_err *e)
{
	const struct par par = { (unsigned int)v->jobs, lab_progress_tick, &v->progress };
	struct steer_board *b = &v->board;
	int r = 0;

	lab_progress_begin(&v->progress, "tuning");
	if (v->baselines)
		r = steer_board_baselines(b, &par, v->tune, e);
	/* These two are what all are measured by. */
	else if (!steer_board_add(b, "static", steer_policy_find("static", NULL), NULL) ||
		 !steer_board_add(b, "oracle", steer_policy_find("oracle", NULL), NULL))
		r = sl_err(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < v->models && !r; i++) {
		const char *file = strrchr(v->name[i], '/');

		if (!steer_board_add(b, file ? file + 1 : v->name[i],
				     steer_policy_find("agent", NULL), &v->model[i]))
			r = sl_err(e, -ENOMEM, "out of memory");
	}
	lab_progress_begin(&v->progress, "test workloads");
	return r ? r : steer_board_run(b, &par, e);
}

/* What the last line says: log(cost / cost of the best baseline) of the best model. */
struct comparison {
	const struct steer_row *learned, *simple;
	double mean, low, high;
};

static struct comparison compare(const struct evaluation *v)
{
	const struct steer_row *oracle = steer_board_find(&v->board, "oracle");
	struct comparison c = {
		.learned = steer_board_best(&v->board, oracle, true),
		.simple = v->baselines ? steer_board_best(&v->board, oracle, false) : NULL,
	};

	if (c.learned && c.simple) {
		c.mean = steer_board_mean(&v->board, c.learned, c.simple);
		steer_board_interval(&v->board, c.learned, c.simple, &c.low, &c.high);
	}
	return c;
}

static void print_text(const struct evaluation *v)
{
	const struct steer_board *b = &v->board;
	const struct steer_row *oracle = steer_board_find(b, "oracle"),
			       *still = steer_board_find(b, "static");
	const double to_win = steer_board_mean(b, still, oracle);
	const struct comparison c = compare(v);

	printf("%zu test workloads, %zu to tune on; %" PRIu64 " seeds of %g s; %% and 95 %% "
	       "intervals over families\n\n", b->lab->tests, b->lab->n - b->lab->tests, v->seeds,
	       b->seconds);
	printf("%-16s %24s %6s %9s %9s %9s %9s %9s %8s\n", "policy", "over oracle      ", "won",
	       "cost us", "mean us", "p99 us", "dropped", "overtaken", "moves/s");
	for (size_t i = 0; i < b->n; i++) {
		const struct steer_row *r = b->row[i];
		const struct steer_outcome x = steer_board_summary(b, r);
		double low, high;

		steer_board_interval(b, r, oracle, &low, &high);
		printf("%-16.16s %8.1f [%6.1f, %6.1f]", r->name,
		       100 * expm1(steer_board_mean(b, r, oracle)), 100 * expm1(low),
		       100 * expm1(high));
		if (to_win > 0)
			printf(" %6.0f", 100 * steer_board_mean(b, still, r) / to_win);
		else
			printf(" %6s", "-");
		printf(" %9.0f %9.1f %9.1f %9.3f %9.4f %8.2f\n", x.cost_us, x.mean_us, x.p99_us,
		       100 * x.dropped, 100 * x.reordered, x.moves_per_s);
	}
	if (!c.learned || !c.simple)
		return;
	printf("\n%s costs %.1f %% [%.1f, %.1f] more than %s, the best row that does not learn: "
	       "%s\n", c.learned->name, 100 * expm1(c.mean), 100 * expm1(c.low),
	       100 * expm1(c.high), c.simple->name, c.high < 0 ? "learning wins" :
	       c.low > 0 ? "learning loses" :
	       "no difference can be told, and the simpler one is to be used");
}

static json_t *row_json(const struct evaluation *v, const struct steer_row *r)
{
	const struct steer_board *b = &v->board;
	const struct steer_row *oracle = steer_board_find(b, "oracle");
	const struct steer_outcome x = steer_board_summary(b, r);
	json_t *each = json_array();
	double low, high;

	steer_board_interval(b, r, oracle, &low, &high);
	for (size_t w = 0; w < b->lab->n; w++)
		for (unsigned int s = 0; s < b->seeds && b->lab->test[w]; s++)
			json_array_append_new(each, json_pack(
				"{s:s s:f s:i s:f}", "family", b->lab->workload[w].family, "load",
				b->lab->workload[w].load, "seed", STEER_LAB_TEST_SEED + (int)s,
				"cost_us", r->out[w][s].cost_us));
	return json_pack("{s:s s:b s:b s:{s:f s:f s:f} s:f s:f s:f s:f s:f s:f s:o}", "policy",
			 r->name, "learned", !!r->model, "yardstick",
			 r->ops->unguarded || r->ops->placer, "over", "mean",
			 expm1(steer_board_mean(b, r, oracle)), "low", expm1(low), "high",
			 expm1(high), "cost_us", x.cost_us, "mean_us", x.mean_us, "p99_us",
			 x.p99_us, "dropped_share", x.dropped, "reordered_share", x.reordered,
			 "moves_per_s", x.moves_per_s, "runs", each);
}

static int print_json(const struct evaluation *v)
{
	const struct comparison c = compare(v);
	json_t *rows = json_array(), *best = json_null();

	for (size_t i = 0; i < v->board.n; i++)
		json_array_append_new(rows, row_json(v, v->board.row[i]));
	if (c.learned && c.simple)
		best = json_pack("{s:s s:s s:f s:f s:f}", "learned", c.learned->name, "simple",
				 c.simple->name, "mean", expm1(c.mean), "low", expm1(c.low),
				 "high", expm1(c.high));
	return cli_print_json(json_pack("{s:I s:I s:o s:o}", "workloads",
					(json_int_t)v->board.lab->tests, "tuning_workloads",
					(json_int_t)(v->board.lab->n - v->board.lab->tests),
					"rows", rows, "best", best));
}

static int evaluate(const struct cli *cli, struct evaluation *v)
{
	struct sl_err e;
	int r = steer_args_lab(&v->args);

	if (r)
		return r;
	if (!v->args.lab.tests)
		return cli_fail("none of these workloads is one for the test: every other load of a "
				"family is kept for training");
	r = read_models(v);
	if (r)
		return r;
	v->board.lab = &v->args.lab;
	v->board.seeds = (unsigned int)v->seeds;
	if (climb(v, &e))
		return cli_fail_err(&e);
	if (cli->json)
		return print_json(v);
	print_text(v);
	return CLI_OK;
}

int cmd_eval_steer(struct cli *cli, int argc, char **argv)
{
	static struct evaluation v = {
		.seeds = 2, .tune = STEER_LAB_SETTINGS, .baselines = true, .board.seconds = 10,
	};
	int r;

	v.jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	steer_args_init(&v.args);
	r = parse(cli, argc, argv, &v);
	if (r == CLI_OK)
		r = evaluate(cli, &v);
	steer_board_free(&v.board);
	for (size_t i = 0; i < v.models; i++)
		model_free(&v.model[i]);
	steer_args_free(&v.args);
	return r;
}
