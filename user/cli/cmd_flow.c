// SPDX-License-Identifier: GPL-2.0
/* sluice flow show|set|del */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "lib/steer.h"

#define DELETE_TRIES	50	/* a second */

static int by_packets(const void *a, const void *b)
{
	const struct steer_flow *x = a, *y = b;

	if (x->flow.packets != y->flow.packets)
		return x->flow.packets < y->flow.packets ? 1 : -1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

/* Who wrote the entry. Without either flag it only counts. */
static const char *source_of(const struct sluice_flow *f)
{
	if (f->assign.flags & SLUICE_FLOW_OPERATOR)
		return "operator";
	if (f->assign.flags & SLUICE_FLOW_TREE)
		return "tree";
	return f->assign.flags & SLUICE_FLOW_LEARNED ? "learned" : "none";
}

json_t *cli_flow_json(const struct sluice_flow_key *key, uint64_t packets, uint64_t bytes,
		      unsigned int cpu)
{
	const int family = key->family == 6 ? AF_INET6 : AF_INET;
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN], proto[STEER_PROTO_SIZE];

	steer_proto_format(key->proto, proto);
	inet_ntop(family, key->saddr, from, sizeof(from));
	inet_ntop(family, key->daddr, to, sizeof(to));
	return json_pack("{s:s s:s s:i s:i s:s s:I s:I s:i}", "saddr", from, "daddr", to,
			 "sport", ntohs(key->sport), "dport", ntohs(key->dport),
			 "proto", proto, "packets", (json_int_t)packets, "bytes", (json_int_t)bytes,
			 "cpu", (int)cpu);
}

static int show_json(const char *dev, const struct steer_flow *flows, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct sluice_flow *f = &flows[i].flow;
		json_t *entry = cli_flow_json(&flows[i].key, f->packets, f->bytes,
					      f->assign.cpu);

		if (!f->assign.flags)
			json_object_set_new(entry, "cpu", json_null());
		json_object_set_new(entry, "source", json_string(source_of(f)));
		json_object_set_new(entry, "vlan_tci", json_integer(f->seen.vlan_tci));
		json_object_set_new(entry, "tos", json_integer(f->seen.tos));
		json_object_set_new(entry, "tcp_flags", json_integer(f->seen.tcp_flags));
		json_object_set_new(entry, "generation", json_integer(f->assign.generation));
		if (json_array_append_new(list, entry)) {
			json_decref(list);
			return cli_print_json(NULL);
		}
	}
	return cli_print_json(json_pack("{s:s s:o}", "dev", dev, "flows", list));
}

static int flow_show(const struct cli *cli, struct steer *s, const char *dev, struct sl_err *e)
{
	struct steer_flow *flows;
	char text[128];
	size_t n;
	int r;

	if (steer_flow_list(s, &flows, &n, e))
		return cli_fail_err(e);
	qsort(flows, n, sizeof(*flows), by_packets);
	if (cli->json) {
		r = show_json(dev, flows, n);
		free(flows);
		return r;
	}
	for (size_t i = 0; i < n; i++) {
		const struct sluice_flow *f = &flows[i].flow;

		steer_flow_format(&flows[i].key, text, sizeof(text));
		if (f->assign.flags)
			printf("%s cpu %u %s", text, f->assign.cpu, source_of(f));
		else
			printf("%s by its bucket", text);
		printf(" packets %llu bytes %llu\n", f->packets, f->bytes);
	}
	free(flows);
	return CLI_OK;
}

static int flow_set(const struct cli *cli, struct steer *s, int argc, char **argv, struct sl_err *e)
{
	struct sluice_flow_key key;
	uint64_t cpu;

	if (argc != 5 || strcmp(argv[3], "cpu"))
		return cli_usage(cli, "a flow and a CPU are needed");
	if (steer_flow_parse(3, argv, &key, e))
		return cli_fail_err(e);
	if (!cli_number(argv[4], 0, SLUICE_MAX_CPUS - 1, &cpu))
		return cli_fail("'%s' is not a CPU below %u", argv[4], SLUICE_MAX_CPUS);
	if (steer_flow_set(s, &key, cpu, SLUICE_FLOW_OPERATOR, 0, e))
		return cli_fail_err(e);
	return CLI_OK;
}

static int flow_del(const struct cli *cli, struct steer *s, int argc, char **argv, struct sl_err *e)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	struct sluice_flow_key key;
	int r = 0;

	if (argc != 3)
		return cli_usage(cli, "a flow is needed");
	if (steer_flow_parse(argc, argv, &key, e))
		return cli_fail_err(e);
	/* It leaves its CPU in order, which a pause of the flow lets it do. */
	for (int i = 0; i < DELETE_TRIES; i++) {
		r = steer_flow_delete(s, &key, e);
		if (r != -EAGAIN)
			break;
		nanosleep(&pause, NULL);
	}
	return r ? cli_fail_err(e) : CLI_OK;
}

int cmd_flow(struct cli *cli, int argc, char **argv)
{
	struct sl_err e;
	struct steer *s;
	int r;

	if (argc < 2)
		return cli_usage(cli, argc ? "no interface given" : "show, set, del or where?");
	if (!strcmp(argv[0], "where"))
		return cmd_where(cli, argc - 1, argv + 1);
	if (strcmp(argv[0], "show") && strcmp(argv[0], "set") && strcmp(argv[0], "del"))
		return cli_usage(cli, "unknown verb '%s'", argv[0]);
	if (!strcmp(argv[0], "show") && argc > 2)
		return cli_usage(cli, "unexpected '%s'", argv[2]);
	if (steer_adopt(argv[1], &s, &e))
		return cli_fail_err(&e);
	if (!strcmp(argv[0], "show"))
		r = flow_show(cli, s, argv[1], &e);
	else if (!strcmp(argv[0], "set"))
		r = flow_set(cli, s, argc - 2, argv + 2, &e);
	else
		r = flow_del(cli, s, argc - 2, argv + 2, &e);
	steer_close(s);
	return r;
}
