// SPDX-License-Identifier: GPL-2.0
/* "sluice status": the daemon, what it controls, and what is wrong. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "lib/sysfs.h"

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static bool flag(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static void print_queue(const json_t *q)
{
	char capacity[32] = "unknown";

	if (number(q, "capacity_bps") > 0)
		snprintf(capacity, sizeof(capacity), "%.1f Mbit/s",
			 number(q, "capacity_bps") / 1e6);
	printf("queue  %s %s: %s; capacity %s, %.0f decisions, %.0f changes\n", text(q, "dev"),
	       text(q, "parent"), text(q, "text"), capacity, number(q, "decisions"),
	       number(q, "changes"));
}

static void print_link(const json_t *l)
{
	json_t *cpu, *cpus = json_object_get(l, "cpus");
	size_t i;

	printf("steer  %s: ", text(l, "dev"));
	if (!flag(l, "steering")) {
		printf("not steering\n");
		return;
	}
	printf("%s, CPUs", flag(l, "attached") ? text(l, "mode") : "not attached");
	json_array_foreach(cpus, i, cpu)
		printf(" %lld", (long long)json_integer_value(cpu));
	printf("; %.0f decisions, %.0f moves, %.0f flows\n", number(l, "decisions"),
	       number(l, "moves"), number(l, "flows"));
}

static void print_status(const json_t *s)
{
	const json_t *ecn = json_object_get(s, "ecn"), *steer = json_object_get(s, "steer");
	json_t *list, *one;
	size_t i;

	printf("daemon sluiced %s, pid %.0f, up %.0f s, epoch %.0f ms (%.0f done, %.0f skipped)\n",
	       text(s, "version"), number(s, "pid"), number(s, "uptime_s"), number(s, "epoch_ms"),
	       number(s, "epochs"), number(s, "epochs_skipped"));
	printf("policy ecn %s, steer %s; module %s\n", text(ecn, "policy"), text(steer, "policy"),
	       flag(s, "module_loaded") ? "loaded" : "not loaded");
	list = json_object_get(ecn, "queues");
	json_array_foreach(list, i, one)
		print_queue(one);
	list = json_object_get(steer, "interfaces");
	json_array_foreach(list, i, one)
		print_link(one);
	list = json_object_get(s, "problems");
	json_array_foreach(list, i, one)
		printf("wrong  %s: %s\n", text(one, "object"), text(one, "what"));
	if (!json_array_size(list))
		printf("no problem known\n");
}

/* Without the daemon there is still something to tell. */
static int without_daemon(struct cli *cli, const struct sl_err *e)
{
	bool module = sysfs_exists("/sys/module/sch_sluice");

	if (cli->json) {
		json_t *doc = json_pack("{s:b, s:b, s:[{s:s, s:s}]}", "running", 0, "module_loaded",
					module, "problems", "object", "daemon", "what", e->text);

		cli_print_json(doc);
		return CLI_FAILED;
	}
	printf("daemon not running; module %s\n", module ? "loaded" : "not loaded");
	return cli_fail_err(e);
}

int cmd_status(struct cli *cli, int argc, char **argv)
{
	struct sl_err e;
	json_t *reply;
	int r;

	(void)argv;
	if (argc)
		return cli_usage(cli, "status takes no argument");
	r = client_request("status", &reply, &e);
	if (r == -ENOTCONN)
		return without_daemon(cli, &e);
	if (r < 0)
		return cli_fail_err(&e);
	json_object_set_new(reply, "running", json_true());
	if (cli->json)
		return cli_print_json(reply);
	print_status(reply);
	json_decref(reply);
	return CLI_OK;
}
