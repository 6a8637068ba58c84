// SPDX-License-Identifier: GPL-2.0
/* The command table of sluice, and what all commands share. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const struct cli_command commands[] = {
	{ "load", cmd_load,
	  "load DEV [native|generic] [--no-attach] [--force] [cpus LIST] [qsize PACKETS] "
	  "[inside TUNNELS]\n",
	  "attach the XDP steering program, targets round-robin (TUNNELS to look into: "
	  "gre,ipip,vxlan,geneve,gtpu)" },
	{ "unload", cmd_unload,
	  "unload DEV\n",
	  "detach our program and remove its pins" },
	{ "queue", cmd_queue,
	  "queue show [DEV [PARENT]]\n"
	  "queue set DEV PARENT KNOB VALUE [KNOB VALUE ...]\n",
	  "knobs and counters of the sluice qdiscs" },
	{ "flow", cmd_flow,
	  "flow show DEV\n"
	  "flow set DEV PROTO SADDR:SPORT DADDR:DPORT cpu N\n"
	  "flow del DEV PROTO SADDR:SPORT DADDR:DPORT\n"
	  "flow where DEV PROTO SADDR:SPORT DADDR:DPORT\n"
	  "flow where DEV -\n",
	  "entries of the flow table, and where a flow goes (PROTO: tcp, udp, ... or a number; IPv6 addresses in brackets)" },
	{ "rss", cmd_rss,
	  "rss show DEV\n"
	  "rss set DEV equal QUEUES\n"
	  "rss set DEV weight W0 [W1 ...]\n",
	  "by which table the NIC spreads flows over its receive queues" },
	{ "cpu", cmd_cpu,
	  "cpu show DEV\n",
	  "packets steered to each CPU and how long they waited" },
	{ "agent", cmd_agent,
	  "agent show\n"
	  "agent pause [DEV [PARENT]]\n"
	  "agent resume [DEV [PARENT]]\n"
	  "agent release DEV [PARENT] | all\n",
	  "what the learning agents of sluiced do, and where they are to do nothing" },
	{ "policy", cmd_policy,
	  "policy show | history\n"
	  "policy promote MODEL [now]\n"
	  "policy rollback | pin | unpin\n"
	  "policy write KIND NUMBER... MODEL\n",
	  "which policy sets the ECN thresholds, what is on trial, and what became of others" },
	{ "status", cmd_status,
	  "status\n",
	  "the daemon, its interfaces and queues" },
	{ "probe", cmd_probe,
	  "probe DEV [--try] [--no-hop]\n",
	  "what this host and driver can do for steering, and what is in its way" },
	{ "replay", cmd_replay,
	  "replay FILE.pcap [inside TUNNELS]\n",
	  "run a capture through the XDP program, off any interface" },
	{ "capture", cmd_capture,
	  "capture anonymise IN OUT [key FILE]\n",
	  "a capture without payload and with other addresses" },
	{ "log", cmd_log,
	  "log show FILE\n",
	  "what the agents did, from a log that [learn] transitions has sluiced write" },
	{ "sim", cmd_sim,
	  "sim run SIZES [rate_kbps N] [rtt_us N] [rtt_max_us N] [seconds N] [seed N] "
	  "[flow_log FILE]\n"
	  "sim run SIZES ... [load_percent N] [endless N] [on_ms N off_ms N]\n"
	  "sim run SIZES ... [switch_s N switch_sizes SIZES]\n"
	  "sim run SIZES ... [incast_degree N] [incast_bytes N] [incast_per_s N] [incast_poisson 0|1]\n"
	  "sim run SIZES ... [cc reno|dctcp|cubic] [other_cc ...] [ecn_percent N] [gso_bytes N]\n"
	  "sim run SIZES ... [qth_min N] [qth_max N] [max_p N] [limit_bytes N] [drop_non_ect 0|1]\n"
	  "sim run SIZES ... [link_trace FILE] [step_ms N] [step_percent N]\n"
	  "sim run SIZES ... topology bottleneck [senders N] [access_kbps N]\n"
	  "sim run SIZES ... topology parking_lot [hops N]\n"
	  "sim run SIZES ... topology leaf_spine [leaves N] [spines N] [hosts_per_leaf N] "
	  "[fabric_kbps N]\n"
	  "sim steer WORKLOAD POLICY [PARAMETER VALUE ...] | sim steer list\n"
	  "sim validate DIR [flows N] [runs N] [seed N]\n",
	  "simulate flows through queues that mark as the qdisc does; or CPUs that receive" },
	{ "train", cmd_train,
	  "train ecn --algo ALGO --workload SIZES[,SIZES...] [--link-trace FILE,...] [--steps N] "
	  "[--seed N] [--seeds N] [--reward R] [--mixes N] [--mix-seed N] [--epochs N] "
	  "[--rate-percent N] [--jobs N] -o MODEL\n"
	  "train steer --algo ddqn [--workload FAMILY,...|all] [--loads L,L...] [--steps N] "
	  "[--seed N] [--seeds N] [--reward R] [--turn S] [--interval-ms N] [--stack-ns N] "
	  "[--stale N] [--no-hold] [--sizes SIZES] [--capture FILE] [--jobs N] -o MODEL\n"
	  "train ecn|steer --offline LOG... --algo cql|bc [--steps N] [--seed N] [--alpha A] "
	  "-o MODEL\n",
	  "make a policy for ECN thresholds, or a steering agent, by simulation or from logs" },
	{ "distill", cmd_distill,
	  "distill ecn TEACHER --workload SIZES[,SIZES...] [--link-trace FILE,...] "
	  "[--test-workload SIZES,...] [--test-link-trace FILE,...] "
	  "[--depth N[,N...]] [--top N] [--min-leaf N] [--calm X] [--rounds N] [--mixes N] "
	  "[--mix-seed N] [--judge-mixes N] [--test-mixes N] [--test-seed N] [--epochs N] "
	  "[--rate-percent N] [--jobs N] [--rate-kbps N] [--rtt-us N] [--mtu N] "
	  "[--limit-bytes N] [--generation N] [--lease-ms N] [--rule RULE]... [-o TREE] "
	  "[-m MODEL] [--c FILE]\n"
	  "distill steer [--workload FAMILIES] [--loads X[,X...]] [--depth N[,N...]] [--rounds N] "
	  "[--labels N] [--runs N] [--min-leaf N] [--horizon-ms N] [--announce N] [--seed N] "
	  "[--seeds N] [--judge-seeds N] [--test-seeds N] [--seconds S] [--rule RULE]... "
	  "[--interval-ms N] [--stack-ns N] [--stale N] [--no-hold] [--sizes SIZES] "
	  "[--capture FILE] [--no-hand] [--generation N] [--jobs N] [-o TREE]\n",
	  "make a tree for the kernel: one that imitates a policy, or that places new flows" },
	{ "novelty", cmd_novelty,
	  "novelty calibrate MODEL --workload SIZES[,SIZES...] [OPTION...] -o FILE\n"
	  "novelty test MODEL --workload SIZES[,SIZES...] [--link-trace FILE,...] "
	  "[--test-workload SIZES,...] [--mixes N] [--mix-seed N] [--test-mixes N] "
	  "[--test-seed N] [--epochs N] [--jobs N]\n",
	  "does a model know the states that it meets?" },
	{ "tree", cmd_tree,
	  "tree check TREE [--rule RULE]... [--depth N] [--qth-lo BYTES] [--qth-hi BYTES]\n"
	  "tree show TREE\n"
	  "tree c TREE\n"
	  "tree place load DEV TREE\n"
	  "tree place show|drop DEV\n",
	  "what a tree may do, and one that places flows (RULE: never-raise or never-lower, :OUTPUT:FEATURE)" },
	{ "eval", cmd_eval,
	  "eval [MODEL...] --workload SIZES[,SIZES...] [--link-trace FILE,...] "
	  "[--baseline all|none] [--mixes N] [--mix-seed N] [--train-workload SIZES,...] "
	  "[--train-link-trace FILE,...] [--train-mixes N] [--train-seed N] [--epochs N] "
	  "[--rate-percent N] [--jobs N] [--families]\n"
	  "eval --gate --workload SIZES[,SIZES...] [--link-trace FILE,...] [--mixes N] "
	  "[--mix-seed N]\n"
	  "eval --steer [MODEL...] [--workload FAMILY,...|all] [--loads L,L...] [--seconds S] "
	  "[--seeds N] [--baseline all|none] [--tune N] [--interval-ms N] [--stack-ns N] "
	  "[--stale N] [--no-hold] [--sizes SIZES] [--capture FILE] [--jobs N]\n",
	  "compare policies on mixes they were not made from, or rewards with what runs cost" },
	{ "lab", cmd_lab,
	  "lab run PLAN [DATABASE] [--jobs N] [--check]\n"
	  "lab status [--plan] DATABASE\n"
	  "lab export DATABASE [-o FILE]\n"
	  "lab report DATABASE [--aa DATABASE] [-o PAGE.html]\n"
	  "lab dynamic transitions|novel|interference|ablations [MODEL...] [--seeds N]\n"
	  "            [--first-seed S] [--jobs N] [--minutes N] [--quick]\n"
	  "lab list\n",
	  "campaigns: workloads, configurations and policies by a plan, into a database" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* After what was printed so far. */
static void complain(const char *format, va_list ap)
{
	fflush(stdout);
	fputs("sluice: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
}

int cli_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(format, ap);
	va_end(ap);
	return CLI_FAILED;
}

int cli_fail_err(const struct sl_err *e)
{
	return cli_fail("%s", e->text);
}

static void print_usage(FILE *to, const struct cli_command *c)
{
	const char *line = c->usage, *end;

	for (; (end = strchr(line, '\n')); line = end + 1)
		fprintf(to, "  sluice [-j] %.*s\n", (int)(end - line), line);
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(format, ap);
	va_end(ap);
	fputs("usage:\n", stderr);
	print_usage(stderr, cli->command);
	return CLI_USAGE;
}

int cli_print_json(json_t *doc)
{
	int r;

	if (!doc)
		return cli_fail("out of memory");
	r = json_dumpf(doc, stdout, JSON_INDENT(2));
	json_decref(doc);
	if (r || putchar('\n') == EOF || fflush(stdout))
		return cli_fail("cannot write to standard output: %s", strerror(errno));
	return CLI_OK;
}

bool cli_decimal(const char *text, double min, double max, double *value)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (errno || end == text || *end || !(v >= min && v <= max))
		return false;
	*value = v;
	return true;
}

bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	unsigned long long v;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || *end || v < min || v > max)
		return false;
	*value = v;
	return true;
}

int cli_take_number(const struct cli *cli, const char *name, const char *text, uint64_t min,
		    uint64_t max, uint64_t *value)
{
	if (cli_number(text, min, max, value))
		return CLI_OK;
	return cli_usage(cli, "--%s must be %" PRIu64 " to %" PRIu64, name, min, max);
}

static int help(void)
{
	printf("usage: sluice [-j] OBJECT VERB ...\n\n"
	       "  -j, --json  print JSON\n  --version   print the version\n  --help      this text\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		printf("%s: %s\n", commands[i].name, commands[i].text);
		print_usage(stdout, &commands[i]);
	}
	return CLI_OK;
}

static bool is_help(const char *word)
{
	return !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h");
}

/* Takes "-j" out of the words, wherever it stands. */
static int take_json(int argc, char **argv, bool *json)
{
	int n = 0;

	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "-j") || !strcmp(argv[i], "--json"))
			*json = true;
		else
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	return n;
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };

	argc = take_json(argc, argv, &cli.json);
	if (argc < 2) {
		fputs("sluice: no object given; \"sluice --help\" lists them\n", stderr);
		return CLI_USAGE;
	}
	if (is_help(argv[1]))
		return help();
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("sluice %s\n", SLUICE_VERSION);
		return CLI_OK;
	}
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		cli.command = &commands[i];
		if (argc > 2 && is_help(argv[2])) {
			print_usage(stdout, cli.command);
			return CLI_OK;
		}
		return cli.command->run(&cli, argc - 2, argv + 2);
	}
	fprintf(stderr, "sluice: unknown object '%s'; \"sluice --help\" lists them\n", argv[1]);
	return CLI_USAGE;
}
