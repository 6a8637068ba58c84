// SPDX-License-Identifier: GPL-2.0
/* sluice rss show|set */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/rss.h"

static void count_slots(const struct rss *rss, uint32_t *count)
{
	memset(count, 0, RSS_MAX_SLOTS * sizeof(*count));
	for (uint32_t i = 0; i < rss->slots; i++)
		if (rss->table[i] < RSS_MAX_SLOTS)
			count[rss->table[i]]++;
}

static void format_key(const struct rss *rss, char *buf)
{
	*buf = '\0';
	for (uint32_t i = 0; i < rss->key_len; i++)
		buf += sprintf(buf, "%s%02x", i ? ":" : "", rss->key[i]);
}

static int show_json(const struct rss *rss, const uint32_t *count)
{
	json_t *table = json_array(), *queues = json_array(), *fields = json_object();
	char text[3 * RSS_MAX_KEY + 1];

	for (uint32_t i = 0; i < rss->slots; i++)
		json_array_append_new(table, json_integer(rss->table[i]));
	for (uint32_t i = 0; i < rss->queues && i < RSS_MAX_SLOTS; i++)
		json_array_append_new(queues, json_pack("{s:i s:i}", "queue", (int)i, "slots",
							(int)count[i]));
	for (int i = 0; i < RSS_KIND_MAX; i++) {
		rss_fields_format(rss, i, text, sizeof(text));
		json_object_set_new(fields, rss_kind_name(i), json_string(text));
	}
	format_key(rss, text);
	return cli_print_json(json_pack("{s:s s:i s:s s:s s:o s:o s:o s:o}", "dev", rss->ifname,
					"slots", (int)rss->slots, "function",
					rss_func_name(rss->func), "input_transformation",
					rss_xfrm_name(rss->xfrm), "key",
					rss->key_len ? json_string(text) : json_null(),
					"queues", queues, "fields", fields, "table", table));
}

static void show_text(const struct rss *rss, const uint32_t *count)
{
	char text[3 * RSS_MAX_KEY + 1];

	printf("%s: %u receive queues, %u slots, function %s, input transformation %s\n",
	       rss->ifname, rss->queues, rss->slots, rss_func_name(rss->func),
	       rss_xfrm_name(rss->xfrm));
	format_key(rss, text);
	printf("key %s\nfields", rss->key_len ? text : "unknown");
	for (int i = 0; i < RSS_KIND_MAX; i++) {
		rss_fields_format(rss, i, text, sizeof(text));
		printf(" %s %s%s", rss_kind_name(i), text, i + 1 < RSS_KIND_MAX ? ";" : "\n");
	}
	printf("%6s %6s\n", "queue", "slots");
	for (uint32_t i = 0; i < rss->queues && i < RSS_MAX_SLOTS; i++)
		printf("%6u %6u\n", i, count[i]);
}

static int rss_set(const struct cli *cli, struct rss *rss, int argc, char **argv, struct sl_err *e)
{
	static uint32_t weight[RSS_MAX_SLOTS];
	uint64_t number;
	int r;

	if (argc == 2 && !strcmp(argv[0], "equal")) {
		if (!cli_number(argv[1], 1, UINT32_MAX, &number))
			return cli_fail("'%s' is not a number of queues", argv[1]);
		r = rss_table_equal(rss, number, e);
	} else if (argc >= 2 && !strcmp(argv[0], "weight")) {
		if (argc - 1 > RSS_MAX_SLOTS)
			return cli_fail("more weights than any table has slots");
		for (int i = 1; i < argc; i++) {
			if (!cli_number(argv[i], 0, UINT16_MAX, &number))
				return cli_fail("'%s' is not a weight of at most %u", argv[i],
						UINT16_MAX);
			weight[i - 1] = number;
		}
		r = rss_table_weight(rss, weight, argc - 1, e);
	} else {
		return cli_usage(cli, "equal N, or weight and one number for each queue?");
	}
	if (!r)
		r = rss_write(rss, e);
	return r ? cli_fail_err(e) : CLI_OK;
}

int cmd_rss(struct cli *cli, int argc, char **argv)
{
	static uint32_t count[RSS_MAX_SLOTS];
	static struct rss rss;
	struct sl_err e;
	bool set;

	if (argc < 1)
		return cli_usage(cli, "show or set?");
	set = !strcmp(argv[0], "set");
	if (!set && strcmp(argv[0], "show"))
		return cli_usage(cli, "unknown verb '%s'", argv[0]);
	if (argc < 2)
		return cli_usage(cli, "no interface given");
	if (!set && argc > 2)
		return cli_usage(cli, "unexpected '%s'", argv[2]);
	if (rss_read(argv[1], &rss, &e))
		return cli_fail_err(&e);
	if (set)
		return rss_set(cli, &rss, argc - 2, argv + 2, &e);
	count_slots(&rss, count);
	if (cli->json)
		return show_json(&rss, count);
	show_text(&rss, count);
	return CLI_OK;
}
