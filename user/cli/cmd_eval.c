// SPDX-License-Identifier: GPL-2.0
/* sluice eval */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/lab_args.h"
#include "policy/gate.h"
#include "policy/ladder.h"

#define MODELS_MAX	32
#define ROWS_MAX	(LAB_STEPS + FIT_MAX + MODELS_MAX + 3)

struct row {
	char name[64];
	bool learned, oracle;
	struct ladder_row values;
	struct ladder_score score;
	unsigned long runs;		/* of training or tuning */
};

struct evaluation {
	struct lab_files files, train_files;
	struct model model[MODELS_MAX];
	const char *name[MODELS_MAX];
	size_t models;
	uint64_t mixes, mix_seed, train_mixes, train_seed, epochs, jobs, rate_percent;
	bool baselines, gate, families;
	struct lab_progress progress;
	struct lab *lab, *train;
	struct ladder *ladder;
	struct row row[ROWS_MAX];
	size_t rows;
};

static int parse(const struct cli *cli, int argc, char **argv, struct evaluation *v)
{
	static const struct option options[] = {
		{ "workload", required_argument, NULL, 'w' },
		{ "train-workload", required_argument, NULL, 'W' },
		{ "link-trace", required_argument, NULL, 'l' },
		{ "train-link-trace", required_argument, NULL, 'L' },
		{ "mixes", required_argument, NULL, 'm' },
		{ "mix-seed", required_argument, NULL, 'M' },
		{ "train-mixes", required_argument, NULL, 't' },
		{ "train-seed", required_argument, NULL, 'T' },
		{ "epochs", required_argument, NULL, 'e' },
		{ "rate-percent", required_argument, NULL, 'R' },
		{ "jobs", required_argument, NULL, 'J' },
		{ "baseline", required_argument, NULL, 'b' },
		{ "families", no_argument, NULL, 'f' },
		{ "gate", no_argument, NULL, 'g' },
		{ 0 },
	};
	int c, r = CLI_OK;
	bool ok = true;

	opterr = 0;
	optind = 0;
	while (r == CLI_OK && ok && (c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'w' || c == 'W')
			r = lab_files_add(c == 'w' ? &v->files : &v->train_files, optarg);
		else if (c == 'l' || c == 'L')
			r = lab_files_add_traces(c == 'l' ? &v->files : &v->train_files, optarg);
		else if (c == 'm')
			ok = cli_number(optarg, 1, 100000, &v->mixes);
		else if (c == 'M')
			ok = cli_number(optarg, 0, UINT32_MAX, &v->mix_seed);
		else if (c == 't')
			ok = cli_number(optarg, 1, 100000, &v->train_mixes);
		else if (c == 'T')
			ok = cli_number(optarg, 0, UINT32_MAX, &v->train_seed);
		else if (c == 'e')
			ok = cli_number(optarg, 20, 100000, &v->epochs);
		else if (c == 'R')
			ok = cli_number(optarg, 1, 1000, &v->rate_percent);
		else if (c == 'J')
			ok = cli_number(optarg, 1, 64, &v->jobs);
		else if (c == 'b') {
			v->baselines = !strcmp(optarg, "all");
			ok = v->baselines || !strcmp(optarg, "none");
		} else if (c == 'g')
			v->gate = true;
		else if (c == 'f')
			v->families = true;
		else
			return cli_usage(cli, c == ':' ? "%s needs a value" :
					 "there is no option '%s'", argv[optind - 1]);
	}
	if (r != CLI_OK)
		return r;
	if (!ok)
		return cli_usage(cli, "'%s' is not what its option takes", optarg);
	if (!v->files.n)
		return cli_usage(cli, "no --workload given: files of flow sizes");
	for (; optind < argc; optind++) {
		if (v->models == MODELS_MAX)
			return cli_usage(cli, "more than %d models", MODELS_MAX);
		v->name[v->models++] = argv[optind];
	}
	if (!v->gate && v->mix_seed == v->train_seed)
		return cli_usage(cli, "the test's mixes would be those of the training: give "
				 "another --mix-seed");
	return CLI_OK;
}

/* Reads the models, and sees that they were not trained on these mixes. */
static int read_models(struct evaluation *v)
{
	static const char option[] = "--mix-seed ";
	struct sl_err e;

	for (size_t i = 0; i < v->models; i++) {
		struct policy *p;
		const char *seed;

		if (model_read(v->name[i], &v->model[i], &e))
			return cli_fail_err(&e);
		if (policy_new(&v->model[i], &p, &e))
			return cli_fail("%s: %s", v->name[i], e.text);
		policy_free(p);
		seed = strstr(v->model[i].command, option);
		if (!v->gate && seed && strtoull(seed + strlen(option), NULL, 10) == v->mix_seed)
			return cli_fail("%s was trained on mixes of the same seed: give another "
					"--mix-seed", v->name[i]);
	}
	return CLI_OK;
}

static int library_failed(int r, const char *what)
{
	return cli_fail("%s: %s", what, strerror(-r));
}

static struct row *new_row(struct evaluation *v, const char *name)
{
	struct row *row = &v->row[v->rows++];

	lab_progress_begin(&v->progress, name);
	snprintf(row->name, sizeof(row->name), "%s", name);
	return row;
}

static int add_model(struct evaluation *v, const char *name, const struct model *m, bool learned)
{
	struct row *row = new_row(v, name);

	row->learned = learned;
	return ladder_row_model(v->ladder, m, &row->values);
}

/* Rows whose numbers come from the training mixes. */
static int add_fitted(struct evaluation *v)
{
	for (int kind = 0; kind < FIT_MAX; kind++) {
		const unsigned long before = v->train->runs;
		struct model m = { 0 };
		int r;

		lab_progress_begin(&v->progress, fit_name(kind));
		r = fit(v->train, kind, 1, &m);
		if (!r)
			r = add_model(v, fit_name(kind), &m, false);
		v->row[v->rows - 1].runs = v->train->runs - before ? v->train->runs - before :
			kind == FIT_BDP7 ? 0 : v->train_mixes * LAB_STEPS;
		model_free(&m);
		if (r)
			return r;
	}
	return 0;
}

static int add_rows(struct evaluation *v)
{
	char name[32];
	struct row *row;
	int r = 0;

	for (unsigned int k = 0; !r && v->baselines && k < LAB_STEPS; k++) {
		snprintf(name, sizeof(name), "static %.0f", lab_step_bytes(k));
		r = ladder_row_step(v->ladder, k, &new_row(v, name)->values);
	}
	if (!r && v->baselines)
		r = add_fitted(v);
	if (!r && v->baselines) {
		row = new_row(v, "Bayesian, per mix");
		row->runs = LADDER_BAYES_RUNS * v->mixes;
		row->oracle = true;	/* it is told J of the test's own mixes */
		r = ladder_row_bayes(v->ladder, &row->values);
	}
	for (size_t i = 0; !r && i < v->models; i++) {
		const char *file = strrchr(v->name[i], '/');

		r = add_model(v, file ? file + 1 : v->name[i], &v->model[i],
			      !strcmp(v->model[i].kind, "ddqn") ||
			      !strcmp(v->model[i].kind, "ppo") ||
			      !strcmp(v->model[i].kind, "bandit"));
	}
	for (int varying = 0; !r && varying < 2; varying++) {
		row = new_row(v, varying ? "oracle, varying" : "oracle");
		row->oracle = true;
		r = ladder_row_oracle(v->ladder, varying, &row->values);
	}
	return r;
}

static const struct row *best_row(const struct evaluation *v, bool learned)
{
	const struct row *best = NULL;

	for (size_t i = 0; i < v->rows; i++) {
		const struct row *row = &v->row[i];

		if (row->oracle || row->learned != learned)
			continue;
		if (!best || row->score.over.mean < best->score.over.mean)
			best = row;
	}
	return best;
}

static void print_row(const struct row *row)
{
	const struct ladder_score *s = &row->score;

	printf("%-20.20s %6.1f [%5.1f, %5.1f] %6.1f [%5.1f, %5.1f] %6.1f %6.0f [%4.0f, %4.0f] "
	       "%6.2f %6.2f",
	       row->name, 100 * s->over.mean, 100 * s->over.low, 100 * s->over.high,
	       100 * s->loss.mean, 100 * s->loss.low, 100 * s->loss.high, 100 * s->worst_family,
	       100 * s->captured.mean, 100 * s->captured.low, 100 * s->captured.high, s->mice,
	       s->elephants);
	if (!isnan(s->nonecn))
		printf(" %6.2f %6.2f", s->ecn, s->nonecn);
	if (row->runs)
		printf(" %6lu\n", row->runs);
	else
		putchar('\n');
}

/* Where a row gains and loses, family by family. */
static void print_families(const struct evaluation *v, const struct row *row)
{
	printf("\n%s by family; %% and 95 %% intervals over its mixes\n%-32s %5s %21s %21s %19s\n",
	       row->name, "family", "mixes", "opportunity   ", "loss to static   ",
	       "captured     ");
	for (unsigned int f = 0; f < v->lab->files.n * MIX_KINDS; f++) {
		const char *path = v->lab->files.name[f / MIX_KINDS], *file = strrchr(path, '/');
		struct ladder_family s;

		if (!ladder_family(v->ladder, &row->values, f, &s))
			continue;
		printf("%-20.20s %-11s %5zu %6.1f [%5.1f, %5.1f] %6.1f [%5.1f, %5.1f] %6.0f "
		       "[%4.0f, %4.0f]\n", file ? file + 1 : path, mix_kind_name(f % MIX_KINDS),
		       s.mixes, 100 * s.opportunity.mean, 100 * s.opportunity.low,
		       100 * s.opportunity.high, 100 * s.loss.mean, 100 * s.loss.low,
		       100 * s.loss.high, 100 * s.captured.mean, 100 * s.captured.low,
		       100 * s.captured.high);
	}
}

static void print_text(const struct evaluation *v)
{
	const struct row *simple = best_row(v, false), *learned = best_row(v, true);
	struct ladder_interval o, d;

	ladder_opportunity(v->ladder, &o);
	printf("%zu test mixes of seed %" PRIu64 ", %zu training mixes of seed %" PRIu64
	       "; %% and 95 %% intervals over families\n", v->lab->n, v->mix_seed, v->train->n,
	       v->train_seed);
	printf("opportunity (best static over the varying oracle): %.1f [%.1f, %.1f]\n\n",
	       100 * o.mean, 100 * o.low, 100 * o.high);
	printf("%-20s %21s %21s %6s %19s %6s %6s%s %6s\n", "policy", "over oracle   ",
	       "loss to static   ", "worst", "captured     ", "mice", "large",
	       isnan(v->row[0].score.nonecn) ? "" : "    ecn nonecn", "runs");
	for (size_t i = 0; i < v->rows; i++)
		print_row(&v->row[i]);
	if (v->families && simple)
		print_families(v, simple);
	if (v->families && learned)
		print_families(v, learned);
	if (!simple || !learned)
		return;
	ladder_compare(v->ladder, &learned->values, &simple->values, &d);
	printf("\n%s costs %.1f %% [%.1f, %.1f] more than %s, the best row that does not learn: "
	       "%s\n", learned->name, 100 * d.mean, 100 * d.low, 100 * d.high, simple->name,
	       d.high < 0 ? "learning wins" : d.low > 0 ? "learning loses" :
	       "no difference can be told, and the simpler one is to be used");
}

static json_t *interval_json(const struct ladder_interval *i)
{
	return json_pack("{s:f s:f s:f}", "mean", i->mean, "low", i->low, "high", i->high);
}

static int print_json(const struct evaluation *v)
{
	json_t *rows = json_array();
	struct ladder_interval o;

	ladder_opportunity(v->ladder, &o);
	for (size_t i = 0; i < v->rows; i++) {
		const struct row *r = &v->row[i];

		json_t *row = json_pack(
			"{s:s s:b s:b s:o s:o s:f s:o s:f s:f s:I}", "policy", r->name, "learned",
			r->learned, "oracle", r->oracle, "over", interval_json(&r->score.over),
			"loss", interval_json(&r->score.loss), "worst_family",
			r->score.worst_family, "captured", interval_json(&r->score.captured),
			"mice_slowdown", r->score.mice, "elephants_slowdown", r->score.elephants,
			"runs", (json_int_t)r->runs);

		if (!isnan(r->score.nonecn)) {
			json_object_set_new(row, "ecn_slowdown", json_real(r->score.ecn));
			json_object_set_new(row, "nonecn_slowdown", json_real(r->score.nonecn));
		}
		json_array_append_new(rows, row);
	}
	return cli_print_json(json_pack("{s:I s:I s:o s:o}", "mixes", (json_int_t)v->lab->n,
					"train_mixes", (json_int_t)v->train->n, "opportunity",
					interval_json(&o), "rows", rows));
}

static int climb(const struct cli *cli, struct evaluation *v)
{
	const struct par par = { v->jobs, lab_progress_tick, &v->progress };
	struct mix_files files = lab_files_mix(v->train_files.n ? &v->train_files : &v->files,
					       v->epochs, v->rate_percent);
	const struct lab_files *traces = v->train_files.traces ? &v->train_files : &v->files;
	struct model fixed = { 0 };
	int r;

	files.trace = traces->trace;
	files.traces = traces->traces;
	lab_progress_begin(&v->progress, "training mixes");
	r = lab_new(&files, &par, v->train_seed, v->train_mixes, &v->train);
	if (!r)
		r = fit(v->train, FIT_STATIC, 1, &fixed);
	if (!r)
		r = ladder_new(v->lab, &fixed, &v->ladder);
	model_free(&fixed);
	if (!r)
		r = add_rows(v);
	if (r)
		return library_failed(r, "running the policies");
	for (size_t i = 0; i < v->rows; i++)
		ladder_score(v->ladder, &v->row[i].values, &v->row[i].score);
	if (cli->json)
		return print_json(v);
	print_text(v);
	return CLI_OK;
}

static void print_gate(const struct evaluation *v)
{
	struct gate_report g;
	char text[128];

	printf("Spearman's rank correlation of each reward with -J over %d thresholds, %zu mixes"
	       "\n\n%-48s", LAB_STEPS, v->lab->n, "mix");
	for (int i = 0; i < GATE_REWARDS; i++)
		printf(" %8s", gate_name(i));
	putchar('\n');
	for (size_t m = 0; m < v->lab->n; m++) {
		mix_text(&v->lab->files, &v->lab->mix[m], text, sizeof(text));
		printf("%-48.48s", text);
		for (int i = 0; i < GATE_REWARDS; i++)
			printf(" %8.2f", gate_mix(v->lab, m, i));
		putchar('\n');
	}
	for (int line = 0; line < 3; line++) {
		printf("%-48s", line == 0 ? "share of mixes with 0.8 or more" :
		       line == 1 ? "mean" : "least");
		for (int i = 0; i < GATE_REWARDS; i++) {
			gate_judge(v->lab, i, &g);
			printf(" %8.2f", line == 0 ? g.passed : line == 1 ? g.mean : g.least);
		}
		putchar('\n');
	}
}

static int print_gate_json(const struct evaluation *v)
{
	json_t *rewards = json_array();

	for (int i = 0; i < GATE_REWARDS; i++) {
		struct gate_report g;
		json_t *each = json_array();

		gate_judge(v->lab, i, &g);
		for (size_t m = 0; m < v->lab->n; m++)
			json_array_append_new(each, json_real(gate_mix(v->lab, m, i)));
		json_array_append_new(rewards, json_pack("{s:s s:f s:f s:f s:o}", "reward",
							 gate_name(i), "passed", g.passed, "mean",
							 g.mean, "least", g.least, "spearman",
							 each));
	}
	return cli_print_json(json_pack("{s:I s:o}", "mixes", (json_int_t)v->lab->n, "rewards",
					rewards));
}

static int evaluate(const struct cli *cli, struct evaluation *v)
{
	const struct mix_files files = lab_files_mix(&v->files, v->epochs,
						     v->rate_percent);
	const struct par par = { v->jobs, lab_progress_tick, &v->progress };
	int r = read_models(v);

	if (r)
		return r;
	lab_progress_begin(&v->progress, "test mixes");
	r = lab_new(&files, &par, v->mix_seed, v->mixes, &v->lab);
	if (r)
		return library_failed(r, "simulating the test mixes");
	if (v->gate && cli->json)
		return print_gate_json(v);
	if (v->gate) {
		print_gate(v);
		return CLI_OK;
	}
	return climb(cli, v);
}

int cmd_eval(struct cli *cli, int argc, char **argv)
{
	static struct evaluation v = {
		.mixes = 60, .mix_seed = 1000, .train_mixes = 100, .train_seed = 1,
		.epochs = MIX_EPOCHS, .baselines = true, .rate_percent = 100,
	};
	char *words[argc + 2];
	int r;

	/* getopt() takes the first for the program's name. */
	words[0] = "eval";
	memcpy(words + 1, argv, (argc + 1) * sizeof(*argv));
	for (int i = 0; i < argc; i++)
		if (!strcmp(argv[i], "--steer"))
			return cmd_eval_steer(cli, argc + 1, words);
	v.jobs = sysconf(_SC_NPROCESSORS_ONLN);
	r = parse(cli, argc + 1, words, &v);
	if (r == CLI_OK)
		r = evaluate(cli, &v);
	for (size_t i = 0; i < v.rows; i++)
		ladder_row_free(&v.row[i].values);
	for (size_t i = 0; i < v.models; i++)
		model_free(&v.model[i]);
	ladder_free(v.ladder);
	lab_free(v.lab);
	lab_free(v.train);
	lab_files_free(&v.files);
	lab_files_free(&v.train_files);
	return r;
}
