// SPDX-License-Identifier: GPL-2.0
/* "sluice agent show": what the learning agents of the daemon do, and why. */
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

int cmd_agent(struct cli *cli, int argc, char **argv)
{
	if (argc == 1 && !strcmp(argv[0], "show"))
		return show(cli);
	return cli_usage(cli, "agent is followed by show");
}
