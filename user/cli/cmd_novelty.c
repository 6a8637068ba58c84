// SPDX-License-Identifier: GPL-2.0
/* sluice novelty */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/lab_args.h"
#include "policy/novelty_lab.h"

static const double confidences[] = { 0.70, 0.75, 0.80, 0.85, 0.90, 0.95 };
#define CONFIDENCES	(sizeof(confidences) / sizeof(*confidences))
#define AT_RUNS		4	/* the one that runs are looked at for */

struct novelty_args {
	struct lab_files files, test_files;
	struct lab_progress progress;
	const char *path, *out;
	struct model model;
	uint64_t mixes, mix_seed, test_mixes, test_seed, epochs, jobs;
	struct novelty_states reference, calibration;
	json_t *rows;		/* NULL: as text */
};

/* X(option, member, least, most) */
#define NUMBERS(X)								\
	X("mixes", mixes, 2, 100000)						\
	X("mix-seed", mix_seed, 0, UINT32_MAX)					\
	X("test-mixes", test_mixes, 1, 100000)					\
	X("test-seed", test_seed, 0, UINT32_MAX)				\
	X("epochs", epochs, 20, 100000)						\
	X("jobs", jobs, 1, 64)

static int parse_number(const struct cli *cli, struct novelty_args *a, int option, const char *text)
{
	const struct { const char *name; uint64_t *to, min, max; } number[] = {
#define X(name, member, min, max) { name, &a->member, min, max },
		NUMBERS(X)
#undef X
	};

	return cli_take_number(cli, number[option].name, text, number[option].min,
			       number[option].max, number[option].to);
}

static int parse(const struct cli *cli, int argc, char **argv, struct novelty_args *a)
{
	static const struct option options[] = {
#define X(name, member, min, max) { name, required_argument, NULL, 0 },
		NUMBERS(X)
#undef X
		{ "workload", required_argument, NULL, 'w' },
		{ "link-trace", required_argument, NULL, 'l' },
		{ "test-workload", required_argument, NULL, 'W' },
		{ "output", required_argument, NULL, 'o' },
		{ 0 },
	};
	int c, which, r = CLI_OK;

	opterr = 0;
	optind = 0;
	while (r == CLI_OK && (c = getopt_long(argc, argv, ":o:", options, &which)) != -1) {
		if (c == 0)
			r = parse_number(cli, a, which, optarg);
		else if (c == 'w' || c == 'W')
			r = lab_files_add(c == 'w' ? &a->files : &a->test_files, optarg);
		else if (c == 'l')
			r = lab_files_add_traces(&a->files, optarg);
		else if (c == 'o')
			a->out = optarg;
		else
			r = cli_usage(cli, c == ':' ? "%s needs a value" :
				      "there is no option '%s'", argv[optind - 1]);
	}
	if (r != CLI_OK)
		return r;
	if (optind + 1 != argc)
		return cli_usage(cli, "%s", optind >= argc ? "which model?" :
				 "one model at a time");
	a->path = argv[optind];
	if (!a->files.n)
		return cli_usage(cli, "no --workload given: files of flow sizes");
	if (a->test_seed == a->mix_seed)
		return cli_usage(cli, "the test's mixes would be those of the calibration: give "
				 "another --test-seed");
	return CLI_OK;
}

static int visit(struct novelty_args *a, const struct lab_files *files, uint64_t seed,
		 size_t first, size_t mixes, enum novelty_change change, struct novelty_states *to)
{
	struct mix_files mix = lab_files_mix(files, a->epochs, 100);
	const struct novelty_visit v = {
		.files = &mix, .par = { a->jobs, lab_progress_tick, &a->progress },
		.model = &a->model, .seed = seed, .first = first, .mixes = mixes,
		.change = change,
	};
	int r;

	if (!mix.traces) {
		mix.trace = a->files.trace;
		mix.traces = a->files.traces;
	}
	lab_progress_begin(&a->progress, novelty_change_text(change));
	r = novelty_visit(&v, to);
	return r ? cli_fail("simulating: %s", strerror(-r)) : CLI_OK;
}

/* Two thirds for the reference. */
static int visit_known(struct novelty_args *a)
{
	const size_t calibration = (a->mixes + 2) / 3, reference = a->mixes - calibration;
	int r = visit(a, &a->files, a->mix_seed, 0, reference, NOVELTY_NONE, &a->reference);

	return r ? r : visit(a, &a->files, a->mix_seed, reference, calibration, NOVELTY_NONE,
			     &a->calibration);
}

/* Of the model, without the states of a kind of mix. */
static int make_test(struct novelty_args *a, enum mix_kind without, struct novelty **ret)
{
	int r = novelty_calibrate_without(&a->model, &a->reference, &a->calibration, without);

	if (!r && ret)
		r = novelty_of(&a->model, ret);
	return r ? cli_fail("%s cannot be calibrated: %s", a->path, strerror(-r)) : CLI_OK;
}

/* --- calibrate ------------------------------------------------------------------------------ */

static int calibrate(const struct cli *cli, struct novelty_args *a)
{
	struct sl_err e;
	int r = visit_known(a);

	if (r == CLI_OK)
		r = make_test(a, NOVELTY_ANY, NULL);
	if (r != CLI_OK)
		return r;
	if (model_write(&a->model, a->out, &e))
		return cli_fail_err(&e);
	if (cli->json)
		return cli_print_json(json_pack("{s:s s:I s:I}", "model", a->out, "reference",
						(json_int_t)a->reference.n, "calibration",
						(json_int_t)a->calibration.n));
	printf("%s: calibrated by %zu states of %zu runs, against %zu of %zu others\n", a->out,
	       a->calibration.n, a->calibration.runs, a->reference.n, a->reference.runs);
	return CLI_OK;
}

/* --- test ------------------------------------------------------------------------------------ */

static int show(struct novelty_args *a, const char *text, const struct novelty *n,
		const struct novelty_states *s, enum mix_kind kind)
{
	struct novelty_rate rate[CONFIDENCES];
	const struct novelty_rate *at = &rate[AT_RUNS];
	json_t *rates;

	for (size_t i = 0; i < CONFIDENCES; i++)
		if (novelty_judge(n, s, kind, confidences[i], &rate[i]))
			return cli_fail("out of memory");
	if (!a->rows) {
		printf("%-24s %6zu ", text, at->states);
		for (size_t i = 0; i < CONFIDENCES; i++)
			printf(" %5.1f", 100 * rate[i].rate);
		printf("   [%5.1f, %5.1f] %5.0f %5.0f\n", 100 * (at->rate - 1.96 * at->se),
		       100 * (at->rate + 1.96 * at->se), 100 * at->any, 100 * at->most);
		fflush(stdout);
		return CLI_OK;
	}
	rates = json_array();
	for (size_t i = 0; i < CONFIDENCES; i++)
		json_array_append_new(rates, json_pack("{s:f s:f s:f s:f s:f}", "confidence",
			confidences[i], "rate", rate[i].rate, "se", rate[i].se, "runs_with_one",
			rate[i].any, "one_run_in_ten_above", rate[i].most));
	json_array_append_new(a->rows, json_pack("{s:s s:I s:I s:o}", "workload", text, "states",
		(json_int_t)at->states, "runs", (json_int_t)at->runs, "rates", rates));
	return CLI_OK;
}

static int show_visit(struct novelty_args *a, const char *text, const struct novelty *n,
		      const struct lab_files *files, enum novelty_change change)
{
	struct novelty_states s = { 0 };
	int r = visit(a, files, a->test_seed, 0, a->test_mixes, change, &s);

	if (r != CLI_OK)
		return r;
	r = show(a, text, n, &s, NOVELTY_ANY);
	novelty_states_free(&s);
	return r;
}

/* Each kind of mix against a test that has not seen it. */
static int show_kinds(struct novelty_args *a)
{
	struct novelty_states s = { 0 };
	int r = visit(a, &a->files, a->test_seed, 0, a->test_mixes, NOVELTY_NONE, &s);

	for (int kind = 0; r == CLI_OK && kind < MIX_KINDS; kind++) {
		struct novelty *n = NULL;
		char text[32];

		snprintf(text, sizeof(text), "without %s", mix_kind_name(kind));
		r = make_test(a, kind, &n);
		if (r == CLI_OK)
			r = show(a, text, n, &s, kind);
		novelty_free(n);
	}
	novelty_states_free(&s);
	return r;
}

static void print_head(const struct novelty_args *a)
{
	printf("%s: %% of states that are taken for new ones at each confidence; at %.2f the 95 %% "
	       "interval by runs,\nruns that have one, and the %% that one run in ten exceeds\n"
	       "%-24s %6s ", a->path, confidences[AT_RUNS], "workload", "states");
	for (size_t i = 0; i < CONFIDENCES; i++)
		printf(" %5.2f", confidences[i]);
	printf("   %16s%5s %5s\n", "[95 %]     ", "runs", "most");
}

static int test(const struct cli *cli, struct novelty_args *a)
{
	struct novelty *n = NULL;
	int r = visit_known(a);

	a->rows = cli->json ? json_array() : NULL;
	if (r == CLI_OK)
		r = make_test(a, NOVELTY_ANY, &n);
	if (r == CLI_OK && !a->rows)
		print_head(a);
	if (r == CLI_OK)
		r = show_visit(a, "like those of training", n, &a->files, NOVELTY_NONE);
	if (r == CLI_OK && a->test_files.n)
		r = show_visit(a, "other flow sizes", n, &a->test_files, NOVELTY_NONE);
	for (int c = NOVELTY_NONE + 1; r == CLI_OK && c < NOVELTY_CHANGES_NR; c++)
		r = show_visit(a, novelty_change_text(c), n, &a->files, c);
	if (r == CLI_OK)
		r = show_kinds(a);
	novelty_free(n);
	if (r == CLI_OK && a->rows)
		return cli_print_json(json_pack("{s:s s:o}", "model", a->path, "rows", a->rows));
	json_decref(a->rows);
	return r;
}

int cmd_novelty(struct cli *cli, int argc, char **argv)
{
	struct novelty_args a = {
		.mixes = 720, .mix_seed = 31, .test_mixes = 192, .test_seed = 32,
		.epochs = MIX_EPOCHS, .jobs = sysconf(_SC_NPROCESSORS_ONLN),
	};
	const char *verb = argc ? argv[0] : "";
	const bool calibrates = !strcmp(verb, "calibrate");
	struct sl_err e;
	struct policy *p;
	int r;

	if (!calibrates && strcmp(verb, "test"))
		return cli_usage(cli, argc ? "there is no 'novelty %s'" : "calibrate or test?",
				 verb);
	r = parse(cli, argc, argv, &a);
	if (r == CLI_OK && !calibrates == !!a.out)
		r = cli_usage(cli, calibrates ? "no -o given: the model to write" :
			      "a test writes nothing");
	if (r == CLI_OK && model_read(a.path, &a.model, &e))
		r = cli_fail_err(&e);
	if (r == CLI_OK && policy_new(&a.model, &p, &e))
		r = cli_fail("%s: %s", a.path, e.text);
	else if (r == CLI_OK)
		policy_free(p);
	if (r == CLI_OK)
		r = calibrates ? calibrate(cli, &a) : test(cli, &a);
	novelty_states_free(&a.reference);
	novelty_states_free(&a.calibration);
	model_free(&a.model);
	lab_files_free(&a.files);
	lab_files_free(&a.test_files);
	return r;
}
