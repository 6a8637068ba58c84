// SPDX-License-Identifier: GPL-2.0
/*
 * "sluice agent": what the learning agents of the daemon do, and why; where the operator wants them
 * to do nothing.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/client.h"

#define SHOWN 20	/* decisions; -j has all that the daemon keeps */

static void print_agent(const char *name, const json_t *a)
{
	printf("%-6s policy %s%s%s: %.0f decisions, %.0f explored, %.0f updates, loss %.4f, "
	       "mean reward %.3f\n",
	       name, get_text(a, "policy"), get_flag(a, "learning") ? ", learning" : "",
	       get_flag(a, "exploring") ? ", exploring" : "", get_num(a, "decisions"),
	       get_num(a, "explored"), get_num(a, "updates"), get_num(a, "loss"),
	       get_num(a, "reward_mean"));
}

static void print_decision(const json_t *one)
{
	time_t t = (time_t)get_num(one, "time");
	struct tm tm;
	char when[16];

	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&t, &tm));
	printf("%s %-20s %s%s: %s (guard: %s)\n", when, get_text(one, "object"),
	       get_flag(one, "carried_out") ? "" : "not ", get_text(one, "change"),
	       get_text(one, "reason"),
	       get_text(one, "guard"));
}

static void print_background(const json_t *b)
{
	const json_t *latest = json_object_get(b, "latest"), *verdict;
	const char *name;

	if (!b || json_is_null(b))
		return;
	printf("learn  in the background: %.0f transitions (%.0f lost), %.0f steps, %.2f %% of a core "
	       "of %.1f", get_num(b, "rows"), get_num(b, "lost"), get_num(b, "steps"),
	       get_num(b, "cpu_percent"), get_num(b, "cpu_budget_percent"));
	json_object_foreach((json_t *)json_object_get(b, "candidates"), name, verdict)
		if (json_integer_value(verdict))
			printf(", %s %lld", name, (long long)json_integer_value(verdict));
	printf("\n");
	if (json_is_object(latest))
		printf("       the latest candidate differs in %.1f %% of the states; its choices "
		       "might have been made in %.1f %%, effective sample %.0f\n",
		       100 * get_num(latest, "differs"), 100 * get_num(latest, "support"),
		       get_num(latest, "ess"));
}

/* "everything", "eth0" or "eth0 1:1". */
static void print_object(const json_t *o)
{
	const char *dev = get_text(o, "dev"), *parent = get_text(o, "parent");

	printf("%s%s%s", *dev ? dev : "everything", *parent ? " " : "", parent);
}

static void print_pauses(const json_t *reply)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(reply, "paused"), i, one) {
		printf("paused ");
		print_object(one);
		printf(": the baseline is in force until 'sluice agent resume'\n");
	}
}

static void print_stands(const json_t *reply)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(reply, "stand_downs"), i, one) {
		printf("stands down at ");
		print_object(one);
		if (json_is_null(json_object_get(one, "left_s")))
			printf(": the operator wrote a knob; until 'sluice agent release'\n");
		else
			printf(": the operator wrote a knob; for %.0f s more\n",
			       get_num(one, "left_s"));
	}
}

static int show(struct cli *cli)
{
	json_t *reply, *latest, *one, *verdict;
	const char *name;
	struct sl_err e;
	size_t i;

	if (client_request("agent", &reply, &e) < 0)
		return cli_fail_err(&e);
	if (cli->json)
		return cli_print_json(reply);
	print_agent("ecn", json_object_get(reply, "ecn"));
	print_agent("steer", json_object_get(reply, "steer"));
	print_background(json_object_get(reply, "background"));
	print_pauses(reply);
	print_stands(reply);
	printf("guard  %.0f decisions, %.0f carried out", get_num(reply, "decisions"),
	       get_num(reply, "carried_out"));
	json_object_foreach(json_object_get(reply, "guard"), name, verdict)
		if (json_integer_value(verdict))
			printf(", %s %lld", name, (long long)json_integer_value(verdict));
	printf("\n");
	latest = json_object_get(reply, "latest");
	json_array_foreach(latest, i, one) {
		if (i == SHOWN)
			break;
		print_decision(one);
	}
	json_decref(reply);
	return CLI_OK;
}

static void print_released(const json_t *reply)
{
	const json_t *list = json_object_get(reply, "released");
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		printf("released ");
		print_object(one);
		printf("\n");
	}
	if (!json_array_size(list))
		printf("nothing stood down there\n");
}

static void print_paused(const json_t *reply)
{
	if (!json_array_size(json_object_get(reply, "paused")))
		printf("nothing is paused\n");
	print_pauses(reply);
}

static const struct {
	const char *verb, *request;
	void (*print)(const json_t *reply);
	bool needs_object;	/* which may be "all" */
} verbs[] = {
	{ "pause", "agent pause", print_paused, false },
	{ "resume", "agent resume", print_paused, false },
	{ "release", "agent release", print_released, true },
};

static int ask(struct cli *cli, size_t verb, int argc, char **argv)
{
	json_t *request, *reply;
	struct sl_err e;

	if (argc > 2 || (verbs[verb].needs_object && !argc))
		return cli_usage(cli, "agent %s takes DEV [PARENT]%s", verbs[verb].verb,
				 verbs[verb].needs_object ? ", or all" : ", or nothing");
	request = json_pack("{s:s}", "request", verbs[verb].request);
	if (argc && (argc > 1 || !verbs[verb].needs_object || strcmp(argv[0], "all")))
		json_object_set_new(request, "dev", json_string(argv[0]));
	if (argc > 1)
		json_object_set_new(request, "parent", json_string(argv[1]));
	if (client_ask(request, &reply, &e) < 0)
		return cli_fail_err(&e);
	if (cli->json)
		return cli_print_json(reply);
	verbs[verb].print(reply);
	json_decref(reply);
	return CLI_OK;
}

int cmd_agent(struct cli *cli, int argc, char **argv)
{
	size_t i;

	if (argc == 1 && !strcmp(argv[0], "show"))
		return show(cli);
	for (i = 0; argc && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(argv[0], verbs[i].verb))
			return ask(cli, i, argc - 1, argv + 1);
	return cli_usage(cli, "agent is followed by show, pause, resume or release");
}
