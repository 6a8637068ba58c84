// SPDX-License-Identifier: GPL-2.0
/* sluice train */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/lab_args.h"
#include "cli/train_seeds.h"
#include "policy/train.h"

static const char *const rewards[] = ECN_REWARD_NAMES;

struct training {
	struct lab_files files;
	struct lab *lab;
	int algo;
	enum ecn_reward reward;
	uint64_t mixes, mix_seed, epochs, seed, seeds, steps, jobs, rate_percent;
	const char *out;
	char command[MODEL_COMMAND_MAX];
	struct lab_progress progress;
};

static int parse_reward(const struct cli *cli, const char *text, enum ecn_reward *reward)
{
	for (int i = 0; rewards[i]; i++)
		if (!strcmp(rewards[i], text)) {
			*reward = i;
			return CLI_OK;
		}
	return cli_usage(cli, "there is no reward '%s'", text);
}

static int parse(const struct cli *cli, int argc, char **argv, struct training *t)
{
	static const struct option options[] = {
		{ "algo", required_argument, NULL, 'a' },
		{ "workload", required_argument, NULL, 'w' },
		{ "link-trace", required_argument, NULL, 'l' },
		{ "output", required_argument, NULL, 'o' },
		{ "steps", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'S' },
		{ "reward", required_argument, NULL, 'r' },
		{ "mixes", required_argument, NULL, 'm' },
		{ "mix-seed", required_argument, NULL, 'M' },
		{ "epochs", required_argument, NULL, 'e' },
		{ "rate-percent", required_argument, NULL, 'R' },
		{ "jobs", required_argument, NULL, 'J' },
		{ 0 },
	};
	char list[256];
	int c, r = CLI_OK;

	opterr = 0;
	optind = 1;
	while (r == CLI_OK && (c = getopt_long(argc, argv, "+:o:", options, NULL)) != -1) {
		if (c == 'a')
			t->algo = algo_find(optarg);
		if (c == 'a' && t->algo < 0) {
			algo_list(list, sizeof(list));
			r = cli_usage(cli, "there is no algorithm '%s', but %s", optarg, list);
		} else if (c == 'w') {
			r = lab_files_add(&t->files, optarg);
		} else if (c == 'l') {
			r = lab_files_add_traces(&t->files, optarg);
		} else if (c == 'o') {
			t->out = optarg;
		} else if (c == 'n') {
			r = cli_take_number(cli, "steps", optarg, 1, 1000000000, &t->steps);
		} else if (c == 's') {
			r = cli_take_number(cli, "seed", optarg, 1, UINT32_MAX, &t->seed);
		} else if (c == 'S') {
			r = cli_take_number(cli, "seeds", optarg, 1, TRAIN_SEEDS_MAX, &t->seeds);
		} else if (c == 'r') {
			r = parse_reward(cli, optarg, &t->reward);
		} else if (c == 'm') {
			r = cli_take_number(cli, "mixes", optarg, 1, 100000, &t->mixes);
		} else if (c == 'M') {
			r = cli_take_number(cli, "mix-seed", optarg, 0, UINT32_MAX, &t->mix_seed);
		} else if (c == 'e') {
			r = cli_take_number(cli, "epochs", optarg, 20, 100000, &t->epochs);
		} else if (c == 'R') {
			r = cli_take_number(cli, "rate-percent", optarg, 1, 1000, &t->rate_percent);
		} else if (c == 'J') {
			r = cli_take_number(cli, "jobs", optarg, 1, 64, &t->jobs);
		} else if (c == ':' || c == '?') {
			r = cli_usage(cli, c == ':' ? "%s needs a value" :
				      "there is no option '%s'", argv[optind - 1]);
		}
	}
	if (r == CLI_OK && optind < argc)
		r = cli_usage(cli, "'%s' is one word too many", argv[optind]);
	if (r == CLI_OK && t->algo < 0)
		r = cli_usage(cli, "no --algo given");
	if (r == CLI_OK && !t->files.n)
		r = cli_usage(cli, "no --workload given: files of flow sizes");
	if (r == CLI_OK && !t->out)
		r = cli_usage(cli, "no -o given: the model to write");
	return r;
}

static int library_failed(int r, const char *what)
{
	return cli_fail("%s: %s", what, strerror(-r));
}

/* Rules, tables, trees: fitted to the grid. */
static int fit_whole(struct training *t)
{
	struct model m = { 0 };
	double regret;
	struct sl_err e;
	int r = fit(t->lab, t->algo, t->seed, &m);

	if (!r)
		r = train_judge(t->lab, &m, &regret);
	if (r)
		return library_failed(r, "training");
	snprintf(m.command, sizeof(m.command), "%s", t->command);
	r = model_write(&m, t->out, &e);
	if (!r)
		printf("%s: %.1f %% over the best thresholds of the %" PRIu64 " training mixes, "
		       "%lu runs\n", m.kind, 100 * regret, t->mixes, t->lab->runs);
	model_free(&m);
	return r ? cli_fail_err(&e) : CLI_OK;
}

static int network_seed(const struct training *t, uint64_t seed, const char *path,
			const char *command, struct sl_err *e)
{
	struct model m = { 0 };
	int r = fit(t->lab, t->algo, seed, &m);

	if (r)
		return sl_err(e, r, "training: %s", strerror(-r));
	snprintf(m.command, sizeof(m.command), "%.*s", MODEL_COMMAND_MAX - 1, command);
	r = model_write(&m, path, e);
	model_free(&m);
	return r;
}

static int learn_seed(void *ctx, uint64_t seed, const char *out, const char *command,
		      struct train_report *report, struct sl_err *e)
{
	const struct training *t = ctx;
	struct train_told told = {
		.seed = seed, .steps = t->epochs, .unit = "epochs", .times = 100,
		.plotted = "% over the best thresholds",
	};
	const struct train_config c = {
		.learn = { t->algo - FIT_MAX, t->reward, seed },
		.episodes = (t->steps + t->epochs - 1) / t->epochs, .out = out,
		.command = command, .checkpoint_s = TRAIN_CHECKPOINT_S,
		.progress = train_tell, .arg = &told,
	};

	if (t->algo == FIT_NETWORK)
		return network_seed(t, seed, out, command, e);
	return train(t->lab, &c, report, e);
}

static int judge_seed(void *ctx, const struct model *m, double *over, struct sl_err *e)
{
	struct training *t = ctx;
	int r = train_judge(t->lab, m, over);

	return r ? sl_err(e, r, "judging: %s", strerror(-r)) : 0;
}

static int learn_whole(struct training *t)
{
	char over[64];
	const struct train_seeds seeds = {
		.seed = t->seed, .seeds = t->seeds, .jobs = t->jobs, .out = t->out,
		.command = t->command, .over = over, .ctx = t, .train = learn_seed,
		.judge = judge_seed,
	};

	snprintf(over, sizeof(over), "the best thresholds of the %" PRIu64 " training mixes",
		 t->mixes);
	return train_seeds(&seeds);
}

/* For the model: what would make it again, less the seed. */
static void compose_command(struct training *t)
{
	char *to = t->command;
	const size_t size = sizeof(t->command);
	size_t n;

	n = snprintf(to, size, "sluice train ecn --algo %s --mixes %" PRIu64 " --mix-seed %" PRIu64
		     " --epochs %" PRIu64, algo_name(t->algo), t->mixes, t->mix_seed, t->epochs);
	if (t->rate_percent != 100)
		n += snprintf(to + n, size - n, " --rate-percent %" PRIu64, t->rate_percent);
	if (t->algo >= FIT_MAX)
		n += snprintf(to + n, size - n, " --steps %" PRIu64 " --reward %s", t->steps,
			      rewards[t->reward]);
	for (size_t i = 0; i < t->files.n && n < size; i++)
		n += snprintf(to + n, size - n, "%s%s", i ? "," : " --workload ",
			      t->files.name[i]);
	for (size_t i = 0; i < t->files.traces && n < size; i++)
		n += snprintf(to + n, size - n, "%s%s", i ? "," : " --link-trace ",
			      t->files.trace_name[i]);
}

static int train_whole(struct training *t)
{
	const struct mix_files files = lab_files_mix(&t->files, t->epochs, t->rate_percent);
	const struct par par = { t->jobs, lab_progress_tick, &t->progress };
	int r;

	if (!t->steps)
		t->steps = t->mixes * LAB_STEPS * t->epochs;
	compose_command(t);
	lab_progress_begin(&t->progress, "thresholds");
	r = lab_new(&files, &par, t->mix_seed, t->mixes, &t->lab);
	if (r)
		return library_failed(r, "simulating the training mixes");
	lab_progress_begin(&t->progress, "training");
	r = t->algo < FIT_MAX && t->algo != FIT_NETWORK ? fit_whole(t) : learn_whole(t);
	lab_free(t->lab);
	return r;
}

int cmd_train(struct cli *cli, int argc, char **argv)
{
	struct training t = {
		.algo = -1, .mixes = 100, .mix_seed = 1, .epochs = MIX_EPOCHS, .seed = 1,
		.rate_percent = 100,
		.seeds = 1, .reward = ECN_REWARD_BALANCE, .jobs = sysconf(_SC_NPROCESSORS_ONLN),
	};
	int r;

	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--offline") || !strncmp(argv[i], "--offline=", 10))
			return cmd_train_offline(cli, argc, argv);
	if (argc && !strcmp(argv[0], "steer"))
		return cmd_train_steer(cli, argc, argv);
	if (!argc || strcmp(argv[0], "ecn"))
		return cli_usage(cli, argc ? "there is no 'train %s'" : "train what?",
				 argc ? argv[0] : "");
	r = parse(cli, argc, argv, &t);
	if (r == CLI_OK)
		r = train_whole(&t);
	lab_files_free(&t.files);
	return r;
}
