// SPDX-License-Identifier: GPL-2.0
/* sluice train ... --offline */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/steer_args.h"
#include "cli/train_seeds.h"
#include "policy/offline_learn.h"

#define LOGS_MAX	256
#define STEPS		10000
/* Independent transitions below which an estimate is not worth the name. */
#define WORTH		30

struct training {
	const char *agent, *algo, *out, *log[LOGS_MAX];
	size_t logs;
	struct offline_config config;
	uint64_t steps;
	char command[MODEL_COMMAND_MAX], settings[MODEL_COMMAND_MAX];
};

static int take(const struct cli *cli, struct training *t, int c)
{
	switch (c) {
	case 1:		/* a word that is no option */
	case 'O':
		if (t->logs == LOGS_MAX)
			return cli_usage(cli, "more than %d logs", LOGS_MAX);
		t->log[t->logs++] = optarg;
		return CLI_OK;
	case 'a':
		t->algo = optarg;
		t->config.kind = strcmp(optarg, "bc") ? OFFLINE_CQL : OFFLINE_BC;
		return !strcmp(optarg, "bc") || !strcmp(optarg, "cql") ? CLI_OK :
			cli_usage(cli, "there is no algorithm '%s' to learn from logs, but bc cql",
				  optarg);
	case 'o':
		t->out = optarg;
		return CLI_OK;
	case 'n':
		/* An agent acts by its network after 200 steps. */
		return cli_number(optarg, 200, 1000000000, &t->steps) ? CLI_OK :
			cli_usage(cli, "--steps must be 200 to 1000000000");
	case 's':
		return cli_number(optarg, 1, UINT32_MAX, &t->config.seed) ? CLI_OK :
			cli_usage(cli, "--seed must be 1 to %u", UINT32_MAX);
	case 'A':
		return cli_decimal(optarg, 0, 1000, &t->config.alpha) ? CLI_OK :
			cli_usage(cli, "--alpha must be 0 to 1000");
	}
	return cli_usage(cli, c == ':' ? "%s needs a value" :
			 "there is no option '%s' with --offline", optarg);
}

static int parse(const struct cli *cli, int argc, char **argv, struct training *t)
{
	static const struct option options[] = {
		{ "offline", required_argument, NULL, 'O' },
		{ "algo", required_argument, NULL, 'a' },
		{ "output", required_argument, NULL, 'o' },
		{ "steps", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "alpha", required_argument, NULL, 'A' },
		{ 0 },
	};
	int c, r = CLI_OK;

	t->agent = argv[0];
	if (strcmp(t->agent, "ecn") && strcmp(t->agent, "steer"))
		return cli_usage(cli, "there is no 'train %s'", t->agent);
	opterr = 0;
	optind = 0;
	while (r == CLI_OK && (c = getopt_long(argc, argv, "-:o:", options, NULL)) != -1) {
		if (c == ':' || c == '?')
			optarg = argv[optind - 1];
		r = take(cli, t, c);
	}
	for (; r == CLI_OK && optind < argc; optind++) {
		optarg = argv[optind];
		r = take(cli, t, 1);
	}
	if (r == CLI_OK && !t->algo)
		r = cli_usage(cli, "no --algo given");
	if (r == CLI_OK && !t->out)
		r = cli_usage(cli, "no -o given: the model to write");
	if (r == CLI_OK && t->config.kind == OFFLINE_BC && !strcmp(t->agent, "steer"))
		r = cli_usage(cli, "the steering agent goes on learning values from its model, and "
			      "bc learns none; give cql");
	return r;
}

static void compose_command(struct training *t)
{
	size_t n = (size_t)snprintf(t->command, sizeof(t->command), "sluice train %s --algo %s "
				    "--steps %" PRIu64 " --seed %" PRIu64, t->agent, t->algo,
				    t->steps, t->config.seed);

	if (t->config.kind == OFFLINE_CQL)
		n += (size_t)snprintf(t->command + n, sizeof(t->command) - n, " --alpha %g",
				      t->config.alpha);
	for (size_t i = 0; i < t->logs && n < sizeof(t->command); i++)
		n += (size_t)snprintf(t->command + n, sizeof(t->command) - n, "%s %s",
				      i ? "" : " --offline", t->log[i]);
	/* A line break in a name would end the line of the model. */
	for (char *p = t->command; *p; p++)
		if (*p == '\n')
			*p = '?';
}

static int report(const struct training *t, const struct train_report *r)
{
	const struct offline_data *d = t->config.data;
	struct offline_verdict v;
	struct model m = { 0 };
	struct sl_err e;
	int bad = model_read(t->out, &m, &e);

	if (!bad)
		bad = offline_judge(d, &m, &v, &e);
	model_free(&m);
	if (bad)
		return cli_fail_err(&e);
	if (d->torn)
		fprintf(stderr, "%" PRIu64 " bytes at the ends of logs are of blocks that were never "
			"finished, and left out\n", d->torn);
	if (r->resumed_at)
		printf("went on from step %" PRIu64 "\n", r->resumed_at * OFFLINE_STEPS);
	printf("%s: %zu transitions of %s, %" PRIu64 " steps, %s %.4g%s\n", t->algo,
	       dataset_size(d->learn), t->agent, r->episodes * OFFLINE_STEPS,
	       offline_names[t->config.kind].plotted, r->regret,
	       r->diverged ? "; stopped there, since then it diverged" : "");
	if (!v.n)
		return CLI_OK;
	printf("%zu kept apart: mean reward %.4g", v.n, v.logged);
	if (v.worth > 0)
		printf(", of the model %.4g by importance sampling, worth %.0f transitions%s\n",
		       v.model, v.worth, v.worth < WORTH ? ": too few to tell" : "");
	else
		printf("; the model never did what was done there\n");
	return CLI_OK;
}

static int train_whole(struct training *t, struct offline_data *data)
{
	struct train_told told = {
		.seed = t->config.seed, .steps = OFFLINE_STEPS, .unit = "steps", .times = 1,
		.plotted = offline_names[t->config.kind].plotted,
	};
	struct trainer_config c = {
		.ops = &offline_ops, .learner = &t->config, .settings = t->settings,
		.names = offline_names[t->config.kind], .block = OFFLINE_BLOCK,
		.episodes = (t->steps + OFFLINE_STEPS - 1) / OFFLINE_STEPS, .out = t->out,
		.command = t->command, .checkpoint_s = TRAIN_CHECKPOINT_S, .progress = train_tell,
		.arg = &told,
	};
	struct train_report r;
	struct sl_err e;

	if (offline_read(t->log, t->logs, !strcmp(t->agent, "steer"), data, &e))
		return cli_fail_err(&e);
	t->config.data = data;
	compose_command(t);
	offline_describe(&t->config, c.episodes, t->settings, sizeof(t->settings));
	return trainer_run(&c, &r, &e) ? cli_fail_err(&e) : report(t, &r);
}

int cmd_train_offline(struct cli *cli, int argc, char **argv)
{
	static struct training t = { .steps = STEPS, .config = { .alpha = 0.1, .seed = 1 } };
	struct offline_data data = { 0 };
	int r = parse(cli, argc, argv, &t);

	if (r == CLI_OK)
		r = train_whole(&t, &data);
	offline_free(&data);
	return r;
}
