// SPDX-License-Identifier: GPL-2.0
/* "sluice status": the daemon, what it controls, and what is wrong. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/queue_flows.h"
#include "lib/sysfs.h"

static void print_queue(const json_t *q)
{
	json_t *one, *lacks = json_object_get(q, "lacks");
	char capacity[32] = "unknown";
	size_t i;

	if (get_num(q, "capacity_bps") > 0)
		snprintf(capacity, sizeof(capacity), "%.1f Mbit/s",
			 get_num(q, "capacity_bps") / 1e6);
	printf("queue  %s %s: %s; capacity %s, %.0f decisions, %.0f changes\n", get_text(q, "dev"),
	       get_text(q, "parent"), get_text(q, "text"), capacity, get_num(q, "decisions"),
	       get_num(q, "changes"));
	queue_flows_print(q, "       flows: ");
	if (!json_array_size(lacks))
		return;
	printf("       through stock %s, which lacks", get_text(q, "backend"));
	json_array_foreach(lacks, i, one)
		printf("%s %s", i ? "," : "", json_string_value(one));
	printf(" (sluiced(8))\n");
}

/* What places newly admitted flows. */
static void print_tree(const json_t *t)
{
	if (!json_is_object(t))
		return;
	printf("       tree %.0f%s: of the flows admitted %.0f went elsewhere, %.0f stayed; %.0f "
	       "without a choice\n", get_num(t, "generation"), get_flag(t, "leased") ? "" :
	       " (no lease)", get_num(t, "other"), get_num(t, "home"),
	       get_num(t, "alone") + get_num(t, "held") + get_num(t, "lapsed") +
	       get_num(t, "torn"));
}

static void print_link(const json_t *l)
{
	json_t *cpu, *cpus = json_object_get(l, "cpus");
	size_t i;

	printf("steer  %s: ", get_text(l, "dev"));
	if (!get_flag(l, "steering")) {
		printf("not steering\n");
		return;
	}
	printf("%s, CPUs", get_flag(l, "attached") ? get_text(l, "mode") : "not attached");
	json_array_foreach(cpus, i, cpu)
		printf(" %lld", (long long)json_integer_value(cpu));
	printf("; %.0f decisions, %.0f moves, %.0f flows%s\n", get_num(l, "decisions"),
	       get_num(l, "moves"), get_num(l, "flows"), get_flag(l, "paused") ?
	       "; the operator paused the agents here ('sluice agent resume')" : "");
	print_tree(json_object_get(l, "tree"));
}

static void print_status(const json_t *s)
{
	const json_t *ecn = json_object_get(s, "ecn"), *steer = json_object_get(s, "steer");
	json_t *list, *one;
	size_t i;

	printf("daemon sluiced %s, pid %.0f, up %.0f s, epoch %.0f ms (%.0f done, %.0f skipped)\n",
	       get_text(s, "version"), get_num(s, "pid"), get_num(s, "uptime_s"),
	       get_num(s, "epoch_ms"), get_num(s, "epochs"), get_num(s, "epochs_skipped"));
	printf("policy ecn %s, steer %s; module %s\n", get_text(ecn, "policy"),
	       get_text(steer, "policy"), get_flag(s, "module_loaded") ? "loaded" : "not loaded");
	list = json_object_get(ecn, "queues");
	json_array_foreach(list, i, one)
		print_queue(one);
	list = json_object_get(steer, "interfaces");
	json_array_foreach(list, i, one)
		print_link(one);
	list = json_object_get(s, "problems");
	json_array_foreach(list, i, one)
		printf("wrong  %s: %s\n", get_text(one, "object"), get_text(one, "what"));
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
