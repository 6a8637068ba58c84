// SPDX-License-Identifier: GPL-2.0
/* "sluice policy": who sets the ECN thresholds, what is on trial, and what became of others. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "policy/policy.h"

static void print_entry(const char *what, const json_t *e)
{
	if (json_is_object(e))
		printf("%-10s %s (%s %s)\n", what, get_text(e, "name"), get_text(e, "kind"),
		       get_text(e, "crc"));
}

/* "J over the static one's by 0.120 [0.041, 0.205]" */
static void print_gain(const json_t *o, const char *key, const char *whose)
{
	const json_t *g = json_object_get(o, key);

	if (json_is_number(json_object_get(g, "mean")))
		printf("  J over the %s's by %.3f [%.3f, %.3f]\n", whose, get_num(g, "mean"),
		       get_num(g, "low"), get_num(g, "high"));
}

static void print_trial(const json_t *t)
{
	const json_t *arm;
	const char *name;

	if (!json_is_object(t))
		return;
	printf("  %s, %.0f blocks, %.0f void, %.0f queues%s\n", get_text(t, "verdict"),
	       get_num(t, "blocks"), get_num(t, "voided"), get_num(t, "queues"),
	       get_flag(t, "canary") ? " (the canary)" : "");
	json_object_foreach(json_object_get(t, "arms"), name, arm)
		if (get_num(arm, "slices") > 0)
			printf("  %-10s J %.3f in %.0f slices, %.0f ended early\n", name,
			       get_num(arm, "reward"), get_num(arm, "slices"),
			       get_num(arm, "harmful"));
	print_gain(t, "against_incumbent", "incumbent");
	print_gain(t, "against_static", "static one");
	if (json_is_number(json_object_get(t, "worst")))
		printf("  worst slice: J %.3f below the static one's; %.0f s of visible harm\n",
		       -get_num(t, "worst"), get_num(t, "harm_s"));
}

static int show(struct cli *cli, json_t *reply)
{
	if (cli->json)
		return cli_print_json(reply);
	print_entry("incumbent", json_object_get(reply, "incumbent"));
	print_entry("candidate", json_object_get(reply, "candidate"));
	print_entry("previous", json_object_get(reply, "previous"));
	print_entry("static", json_object_get(reply, "static"));
	printf("%s for %.0f s%s\n", get_text(reply, "stage"), get_num(reply, "stage_s"),
	       get_flag(reply, "pinned") ? ", pinned" : "");
	print_trial(json_object_get(reply, "trial"));
	if (get_num(reply, "states") > 0)
		printf("%.0f of %.0f states were unlike those that the incumbent was made from\n",
		       get_num(reply, "novel"), get_num(reply, "states"));
	if (json_is_number(json_object_get(reply, "retry_s")))
		printf("the previous one has another chance in %.0f s\n", get_num(reply, "retry_s"));
	printf("error budget: %g of %g used in seven days, a trial takes %g\n",
	       get_num(reply, "error_budget_used"), get_num(reply, "error_budget"),
	       get_num(reply, "alpha"));
	json_decref(reply);
	return CLI_OK;
}

static int history(struct cli *cli, json_t *reply)
{
	json_t *one;
	size_t i;

	if (cli->json)
		return cli_print_json(reply);
	json_array_foreach(json_object_get(reply, "history"), i, one) {
		time_t t = (time_t)get_num(one, "time");
		struct tm tm;
		char when[32];

		strftime(when, sizeof(when), "%F %H:%M:%S", localtime_r(&t, &tm));
		printf("%s %s: %s (%s %s): %s\n", when, get_text(one, "event"),
		       get_text(one, "policy"), get_text(one, "kind"), get_text(one, "crc"),
		       get_text(one, "reason"));
		if (json_is_number(json_object_get(one, "expected")))
			printf("  expected gain in J %.3f\n", get_num(one, "expected"));
		print_gain(one, "against_incumbent", "incumbent");
		print_gain(one, "against_static", "static one");
	}
	json_decref(reply);
	return CLI_OK;
}

/* A policy that a person can write down: policy/policy.h has the numbers of each kind. */
static int write_down(const struct cli *cli, int argc, char **argv)
{
	double number[8];
	struct model m = { 0 };
	struct policy *p;
	struct sl_err e = { "" };
	const int n = argc - 2;

	if (n < 1 || n > 8)
		return cli_usage(cli, "write takes a kind, one to eight numbers and a file");
	for (int i = 0; i < n; i++)
		if (!cli_decimal(argv[1 + i], -1e12, 1e12, &number[i]))
			return cli_usage(cli, "'%s' is no number", argv[1 + i]);
	snprintf(m.command, sizeof(m.command), "sluice policy write %s", argv[0]);
	for (int i = 0; i < n; i++)
		snprintf(m.command + strlen(m.command), sizeof(m.command) - strlen(m.command),
			 " %.32s", argv[1 + i]);
	if (strlen(argv[0]) >= MODEL_KIND_MAX || model_set_numbers(&m, argv[0], number, (size_t)n))
		return cli_fail("there is no policy '%s'", argv[0]);
	if (policy_new(&m, &p, &e) == 0) {
		policy_free(p);
		model_write(&m, argv[argc - 1], &e);
	}
	model_free(&m);
	return *e.text ? cli_fail_err(&e) : CLI_OK;
}

/* The daemon has another working directory. */
static int add_file(const char *name, json_t *request)
{
	char path[PATH_MAX];

	if (model_is_builtin(name))
		return json_object_set_new(request, "file", json_string(name));
	if (!realpath(name, path))
		return cli_fail("%s: there is no such file", name);
	return json_object_set_new(request, "file", json_string(path));
}

int cmd_policy(struct cli *cli, int argc, char **argv)
{
	static const char *const verbs[] = { "show", "history", "promote", "rollback", "pin", "unpin" };
	const char *verb = argc ? argv[0] : "";
	json_t *request, *reply;
	struct sl_err e;
	char name[32];
	bool promotes = !strcmp(verb, "promote"), known = false;

	if (!strcmp(verb, "write"))
		return write_down(cli, argc - 1, argv + 1);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		known |= !strcmp(verb, verbs[i]);
	if (!known)
		return cli_usage(cli, *verb ? "there is no 'policy %s'" : "which verb?", verb);
	if (promotes ? argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "now")) : argc != 1)
		return cli_usage(cli, promotes ? "promote takes a model and perhaps the word now" :
				 "nothing follows %s", verb);
	snprintf(name, sizeof(name), strcmp(verb, "show") ? "policy %s" : "policy", verb);
	request = json_pack("{s:s, s:b}", "request", name, "now", argc == 3);
	if (promotes && add_file(argv[1], request)) {
		json_decref(request);
		return CLI_FAILED;
	}
	if (client_ask(request, &reply, &e) < 0)
		return cli_fail_err(&e);
	return !strcmp(verb, "history") ? history(cli, reply) : show(cli, reply);
}
