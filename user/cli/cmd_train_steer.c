// SPDX-License-Identifier: GPL-2.0
/* sluice train steer */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/steer_args.h"
#include "cli/train_seeds.h"
#include "policy/steer_learn.h"

#define STEPS	12000	/* twenty minutes of decisions each 100 ms */

struct training {
	struct steer_args args;
	struct steer_learn_config learn;
	bool algo;
	uint64_t steps, seed, seeds, jobs;
	const char *out;
	char command[MODEL_COMMAND_MAX];
};

static int take(const struct cli *cli, struct training *t, int c)
{
	switch (c) {
	case 'a':
		t->algo = !strcmp(optarg, "ddqn");
		return t->algo ? CLI_OK :
			cli_usage(cli, "there is no algorithm '%s' for steering, but ddqn; and, with "
				  "--offline, cql", optarg);
	case 'o':
		t->out = optarg;
		return CLI_OK;
	case 'n':
		return cli_take_number(cli, "steps", optarg, 1, 1000000000, &t->steps);
	case 's':
		return cli_take_number(cli, "seed", optarg, 1, UINT32_MAX, &t->seed);
	case 'S':
		return cli_take_number(cli, "seeds", optarg, 1, TRAIN_SEEDS_MAX, &t->seeds);
	case 'J':
		return cli_take_number(cli, "jobs", optarg, 1, 64, &t->jobs);
	case 'r':
		t->learn.reward = steer_reward_find(optarg);
		return t->learn.reward ? CLI_OK :
			cli_usage(cli, "there is no reward '%s'", optarg);
	case 'T':
		return cli_decimal(optarg, 0.1, 3600, &t->learn.turn_s) ? CLI_OK :
			cli_usage(cli, "--turn must be 0.1 to 3600");
	}
	return cli_usage(cli, c == ':' ? "%s needs a value" : "there is no option '%s'",
			 optarg ? optarg : "");
}

static int parse(const struct cli *cli, int argc, char **argv, struct training *t)
{
	static const struct option options[] = {
		STEER_ARGS_OPTIONS,
		{ "algo", required_argument, NULL, 'a' },
		{ "output", required_argument, NULL, 'o' },
		{ "steps", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'S' },
		{ "reward", required_argument, NULL, 'r' },
		{ "turn", required_argument, NULL, 'T' },
		{ "jobs", required_argument, NULL, 'J' },
		{ 0 },
	};
	int c, r = CLI_OK;
	bool mine;

	opterr = 0;
	optind = 1;
	while (r == CLI_OK && (c = getopt_long(argc, argv, "+:o:", options, NULL)) != -1) {
		if (c == ':' || c == '?')
			optarg = argv[optind - 1];
		r = steer_args_take(cli, &t->args, c, optarg, &mine);
		if (!mine)
			r = take(cli, t, c);
	}
	if (r == CLI_OK && optind < argc)
		r = cli_usage(cli, "'%s' is one word too many", argv[optind]);
	if (r == CLI_OK && !t->algo)
		r = cli_usage(cli, "no --algo given");
	if (r == CLI_OK && !t->out)
		r = cli_usage(cli, "no -o given: the model to write");
	return r;
}

static int learn_seed(void *ctx, uint64_t seed, const char *out, const char *command,
		      struct train_report *report, struct sl_err *e)
{
	const struct training *t = ctx;
	const unsigned int each = steer_learn_steps(&t->learn);
	struct steer_learn_config learn = t->learn;
	char settings[MODEL_COMMAND_MAX];
	struct train_told told = {
		.seed = seed, .steps = each, .unit = "decisions", .times = 1,
		.plotted = "= ln(cost / cost of never moving anything)",
	};
	const struct trainer_config c = {
		.ops = &steer_learn_ops, .learner = &learn, .settings = settings,
		.names = steer_learn_names, .episodes = (t->steps + each - 1) / each,
		.block = STEER_LEARN_BLOCK, .out = out, .command = command,
		.checkpoint_s = TRAIN_CHECKPOINT_S, .progress = train_tell, .arg = &told,
	};

	learn.seed = seed;
	steer_learn_describe(&learn, c.episodes, settings, sizeof(settings));
	return trainer_run(&c, report, e);
}

static int judge_seed(void *ctx, const struct model *m, double *over, struct sl_err *e)
{
	const struct training *t = ctx;
	const struct par par = { .jobs = (unsigned int)t->jobs };

	return steer_learn_judge(&t->learn, &par, m, over, e);
}

static int train_whole(struct training *t)
{
	const struct par par = { .jobs = (unsigned int)t->jobs };
	const struct train_seeds seeds = {
		.seed = t->seed, .seeds = t->seeds, .jobs = t->jobs, .out = t->out,
		.command = t->command, .ctx = t, .train = learn_seed, .judge = judge_seed,
		.over = "never moving anything on the training workloads (mean of logarithms)",
	};
	struct sl_err e;
	size_t n;
	int r = steer_args_lab(&t->args);

	if (r)
		return r;
	n = (size_t)snprintf(t->command, sizeof(t->command), "sluice train steer --algo ddqn "
			     "--steps %" PRIu64 " --turn %g --reward %s", t->steps,
			     t->learn.turn_s, t->learn.reward->name);
	steer_args_text(&t->args, t->command + n, sizeof(t->command) - n);
	t->learn.lab = &t->args.lab;
	if (steer_learn_still(&t->learn, &par, &e))
		return cli_fail_err(&e);
	return train_seeds(&seeds);
}

int cmd_train_steer(struct cli *cli, int argc, char **argv)
{
	static struct training t = {
		.learn.turn_s = STEER_LAB_TURN_S, .steps = STEPS, .seed = 1, .seeds = 1,
	};
	int r;

	t.jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	t.learn.reward = &steer_rewards[0];
	steer_args_init(&t.args);
	r = parse(cli, argc, argv, &t);
	if (r == CLI_OK)
		r = train_whole(&t);
	steer_args_free(&t.args);
	return r;
}
