// SPDX-License-Identifier: GPL-2.0
/* sluice tree place */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/steer_tree.h"

static json_t *loads_json(const struct steer_tree_state *st)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < st->n_targets; i++)
		json_array_append_new(list, json_pack("{s:i s:I s:I s:I}",
			"cpu", (int)st->target[i].cpu,
			"load_ppm", (json_int_t)st->target[i].load.ppm,
			"fresh", (json_int_t)st->target[i].load.fresh,
			"lost", (json_int_t)st->target[i].load.lost));
	return list;
}

static json_t *generations_json(const struct sluice_tree_stats *s)
{
	json_t *list = json_array();

	for (int i = 0; i < SLUICE_TREE_COUNTS && s->of[i].generation; i++)
		json_array_append_new(list, json_pack("{s:I s:I s:I}",
			"generation", (json_int_t)s->of[i].generation,
			"home", (json_int_t)s->of[i].home, "other", (json_int_t)s->of[i].other));
	return list;
}

static int show_json(const char *dev, const struct steer_tree_state *st,
		     const struct sluice_tree *t)
{
	const struct sluice_tree_stats *s = &st->stats;
	json_t *tree = t ? json_pack("{s:I s:I s:I}", "generation", (json_int_t)t->h.generation,
				     "nodes", (json_int_t)t->h.n_nodes,
				     "bytes", (json_int_t)t->h.size) : json_null();

	return cli_print_json(json_pack("{s:s s:o s:b s:I s:I s:o s:I s:I s:I s:I s:I s:I s:o}",
		"dev", dev, "tree", tree, "leased", st->leased,
		"mean_load_ppm", (json_int_t)st->mean_ppm, "flow_ppm", (json_int_t)st->flow_ppm,
		"targets", loads_json(st), "home", (json_int_t)s->home,
		"other", (json_int_t)s->other, "alone", (json_int_t)s->alone,
		"held", (json_int_t)s->held, "lapsed", (json_int_t)s->lapsed,
		"torn", (json_int_t)s->torn, "generations", generations_json(s)));
}

static int show(const struct cli *cli, struct steer *s, const char *dev)
{
	const struct sluice_tree_stats *st;
	struct steer_tree_state state;
	struct sluice_tree t;
	struct sl_err e;
	int r;

	r = steer_tree_read(s, &state, &e);
	if (!r)
		r = steer_tree_get(s, &t, &e);
	if (r && r != -ENODATA)
		return cli_fail_err(&e);
	if (cli->json)
		return show_json(dev, &state, r ? NULL : &t);
	st = &state.stats;
	if (r)
		printf("%s: no tree places flows\n", dev);
	else
		printf("%s: a tree of generation %u, %u nodes, %s\n", dev, t.h.generation,
		       t.h.n_nodes, state.leased ? "decides" :
		       "does not decide: no lease runs, so flows go with their buckets");
	for (unsigned int i = 0; i < state.n_targets; i++)
		printf("cpu %u load %.1f %% fresh %u lost %llu\n", state.target[i].cpu,
		       state.target[i].load.ppm / 1e4, state.target[i].load.fresh,
		       state.target[i].load.lost);
	printf("home %llu other %llu alone %llu held %llu lapsed %llu torn %llu\n", st->home,
	       st->other, st->alone, st->held, st->lapsed, st->torn);
	for (int i = 0; i < SLUICE_TREE_COUNTS && st->of[i].generation; i++)
		printf("generation %u home %llu other %llu\n", st->of[i].generation,
		       st->of[i].home, st->of[i].other);
	return CLI_OK;
}

static int load(const struct cli *cli, struct steer *s, const char *dev, const char *path)
{
	struct sluice_tree t;
	struct sl_err e;

	if (steer_tree_read_file(path, &t, &e) || steer_tree_publish(s, &t, &e))
		return cli_fail_err(&e);
	return cli->json ? cli_print_json(json_pack("{s:s s:I}", "dev", dev, "generation",
						    (json_int_t)t.h.generation)) : CLI_OK;
}

static int drop(const struct cli *cli, struct steer *s, const char *dev)
{
	struct sl_err e;

	if (steer_tree_drop(s, &e))
		return cli_fail_err(&e);
	return cli->json ? cli_print_json(json_pack("{s:s}", "dropped", dev)) : CLI_OK;
}

int cmd_tree_place(struct cli *cli, int argc, char **argv)
{
	const char *verb = argc ? argv[0] : "";
	const bool loads = !strcmp(verb, "load"), shows = !strcmp(verb, "show");
	struct steer *s;
	struct sl_err e;
	int r;

	if (!loads && !shows && strcmp(verb, "drop"))
		return cli_usage(cli, argc ? "there is no 'tree place %s'" : "load, show or drop?",
				 verb);
	if (argc != (loads ? 3 : 2))
		return cli_usage(cli, "'tree place %s' takes %s", verb,
				 loads ? "an interface and a tree" : "an interface");
	if (steer_adopt(argv[1], &s, &e))
		return cli_fail_err(&e);
	r = loads ? load(cli, s, argv[1], argv[2]) : shows ? show(cli, s, argv[1]) :
	    drop(cli, s, argv[1]);
	steer_close(s);
	return r;
}
