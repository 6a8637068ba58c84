// SPDX-License-Identifier: GPL-2.0
/* sluice tree */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "distill/c_source.h"
#include "policy/verify.h"

struct checking {
	struct verify_limits limits;
	const char *path;
	struct sluice_tree tree;
	struct verify_report report;
};

static int parse_check(const struct cli *cli, int argc, char **argv, struct checking *c)
{
	static const struct option options[] = {
		{ "rule", required_argument, NULL, 'r' },
		{ "depth", required_argument, NULL, 'd' },
		{ "qth-lo", required_argument, NULL, 'l' },
		{ "qth-hi", required_argument, NULL, 'h' },
		{ 0 },
	};
	uint64_t n = 0;
	struct sl_err e;
	bool ok = true;
	int o;

	opterr = 0;
	optind = 0;
	while (ok && (o = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (o == 'r') {
			if (verify_rule_add(&c->limits, optarg, &e))
				return cli_usage(cli, "%s", e.text);
		} else if (o == 'd') {
			ok = cli_number(optarg, 0, SLUICE_TREE_MAX_DEPTH, &n);
			c->limits.depth = n;
		} else if (o == 'l') {
			ok = cli_number(optarg, 0, INT32_MAX, &n);
			c->limits.clamps.qth_lo = n;
		} else if (o == 'h') {
			ok = cli_number(optarg, 0, INT32_MAX, &n);
			c->limits.clamps.qth_hi = n;
		} else {
			return cli_usage(cli, o == ':' ? "%s needs a value" :
					 "there is no option '%s'", argv[optind - 1]);
		}
	}
	if (!ok)
		return cli_usage(cli, "'%s' is not what its option takes", optarg);
	if (optind + 1 != argc)
		return cli_usage(cli, "%s", optind == argc ? "which tree?" : "one tree at a time");
	c->path = argv[optind];
	return CLI_OK;
}

static int check(const struct cli *cli, struct checking *c)
{
	const struct sluice_tree_header *h = &c->tree.h;

	if (cli->json)
		return cli_print_json(json_pack("{s:b s:s s:I s:I s:I s:I s:I s:I s:I}", "valid", 1,
			"kind", h->kind == SLUICE_TREE_PLACE ? "place" : "queue",
			"nodes", (json_int_t)h->n_nodes, "actions", (json_int_t)h->n_actions,
			"bytes", (json_int_t)h->size, "leaves", (json_int_t)c->report.leaves,
			"depth", (json_int_t)c->report.depth,
			"generation", (json_int_t)h->generation,
			"rules", (json_int_t)c->limits.rules));
	printf("%s: of kind %s, %u nodes, %u actions, %u bytes, generation %u, lease %u ms; %zu "
	       "leaves, at most %u comparisons, %zu rules hold\n", c->path,
	       h->kind == SLUICE_TREE_PLACE ? "place" : "queue", h->n_nodes, h->n_actions, h->size,
	       h->generation, h->lease_ms, c->report.leaves, c->report.depth, c->limits.rules);
	return CLI_OK;
}

static void show_place(const struct sluice_tree_place *a, const char *where, json_t *leaves)
{
	static const char *const choice[SLUICE_PLACE_NR] = {
#define X(NAME, name, text) #name,
		SLUICE_PLACE_CHOICES(X)
#undef X
	};

	if (leaves)
		json_array_append_new(leaves, json_pack("{s:s s:s}", "where", where, "choice",
							choice[a->choice]));
	else
		printf("%s: %s\n", choice[a->choice], where);
}

static int show(const struct cli *cli, const struct checking *c)
{
	struct verify_box *box = calloc(SLUICE_TREE_MAX_CELLS + 1, sizeof(*box));
	json_t *leaves = cli->json ? json_array() : NULL;
	char text[400];
	size_t n;

	if (!box)
		return cli_fail("out of memory");
	n = verify_boxes(&c->tree, box, SLUICE_TREE_MAX_CELLS + 1);
	for (size_t i = 0; i < n; i++) {
		const struct sluice_tree_action *a = &c->tree.cell[box[i].cell].action;

		verify_box_text(&box[i], text, sizeof(text));
		if (c->tree.h.kind == SLUICE_TREE_PLACE) {
			show_place(&c->tree.cell[box[i].cell].place, text, leaves);
			continue;
		}
		if (leaves)
			json_array_append_new(leaves, json_pack("{s:s s:I s:I s:I}", "where", text,
				"qth_min", (json_int_t)a->qth_min, "qth_max",
				(json_int_t)a->qth_max, "max_p", (json_int_t)a->max_p));
		else
			printf("%u %u %u: %s\n", a->qth_min, a->qth_max, a->max_p, text);
	}
	free(box);
	return leaves ? cli_print_json(json_pack("{s:o}", "leaves", leaves)) : CLI_OK;
}

int cmd_tree(struct cli *cli, int argc, char **argv)
{
	struct checking c = { .limits = verify_limits_default() };
	const char *verb = argc ? argv[0] : "";
	const bool checks = !strcmp(verb, "check");
	struct sl_err e;
	int r;

	if (!strcmp(verb, "place"))
		return cmd_tree_place(cli, argc - 1, argv + 1);
	c.limits.places = true;
	if (!checks && strcmp(verb, "show") && strcmp(verb, "c"))
		return cli_usage(cli, argc ? "there is no 'tree %s'" :
				 "check, show, c or place?", verb);
	r = parse_check(cli, argc, argv, &c);
	if (r != CLI_OK)
		return r;
	if (verify_read(c.path, &c.limits, &c.tree, &c.report, &e))
		return cli_fail_err(&e);
	if (checks)
		return check(cli, &c);
	if (!strcmp(verb, "show"))
		return show(cli, &c);
	return c_source_write(&c.tree, "sluice_tree", stdout) || fflush(stdout) ?
	       cli_fail("cannot write to standard output") : CLI_OK;
}
