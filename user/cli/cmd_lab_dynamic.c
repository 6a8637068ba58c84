// SPDX-License-Identifier: GPL-2.0
/* sluice lab dynamic: what happens when the traffic changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/lab_args.h"
#include "lab/dynamic_test.h"

#define NUMBERS		4	/* options that take one */
#define COLUMNS		16
#define CELL		96
#define SEEDS		5
#define QUICK_SEEDS	2
#define FIRST_SEED	1000

typedef int dynamic_experiment(const struct dynamic_options *o, json_t **ret, struct sl_err *e);

static const struct {
	const char *name;
	dynamic_experiment *run;
} experiments[] = {
	{ "transitions", dynamic_transitions },
	{ "novel", dynamic_novel },
	{ "interference", dynamic_interference },
	{ "ablations", dynamic_ablations },
};

/* --- tables as text ---------------------------------------------------------------------------- */

static double part(const json_t *value, const char *key)
{
	return json_number_value(json_object_get(value, key));
}

static void cell_text(const json_t *value, char *buf, size_t size)
{
	if (json_is_string(value))
		snprintf(buf, size, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(buf, size, "%lld", (long long)json_integer_value(value));
	else if (json_is_number(value))
		snprintf(buf, size, "%.1f", json_number_value(value));
	else if (json_is_object(value))
		snprintf(buf, size, "%.1f [%.1f, %.1f]", part(value, "mean"), part(value, "low"),
			 part(value, "high"));
	else
		snprintf(buf, size, "-");
}

static void print_table(const json_t *table)
{
	const json_t *rows = json_object_get(table, "rows"), *row, *value;
	size_t width[COLUMNS] = { 0 }, i, c;
	const char *key;
	char text[CELL];

	json_array_foreach(rows, i, row) {
		c = 0;
		json_object_foreach((json_t *)row, key, value) {
			cell_text(value, text, sizeof(text));
			if (c == COLUMNS)
				break;
			width[c] = strlen(text) > width[c] ? strlen(text) : width[c];
			width[c] = strlen(key) > width[c] ? strlen(key) : width[c];
			c++;
		}
	}
	printf("\n%s\n\n", json_string_value(json_object_get(table, "title")));
	c = 0;
	json_object_foreach(json_array_get(rows, 0), key, value) {
		printf(c ? "  %*s" : "%-*s", (int)width[c], key);
		c++;
	}
	putchar('\n');
	json_array_foreach(rows, i, row) {
		c = 0;
		json_object_foreach((json_t *)row, key, value) {
			cell_text(value, text, sizeof(text));
			printf(c ? "  %*s" : "%-*s", (int)width[c], text);
			c++;
		}
		putchar('\n');
	}
}

/* --- the command --------------------------------------------------------------------------------- */

struct dynamic_args {
	struct dynamic_options o;
	struct lab_progress progress;
	struct model model[DYNAMIC_MODELS];
	const char *name[DYNAMIC_MODELS];
	uint64_t seeds, first_seed, jobs, minutes;
	dynamic_experiment *run;
};

static int add_model(struct dynamic_args *a, const char *path)
{
	const char *file = strrchr(path, '/');
	struct policy *p;
	struct sl_err e;

	if (a->o.models == DYNAMIC_MODELS)
		return cli_fail("more than %d models", DYNAMIC_MODELS);
	if (model_read(path, &a->model[a->o.models], &e))
		return cli_fail_err(&e);
	a->name[a->o.models] = file ? file + 1 : path;
	if (policy_new(&a->model[a->o.models++], &p, &e))
		return cli_fail("%s: %s", path, e.text);
	policy_free(p);
	return CLI_OK;
}

static int parse(const struct cli *cli, int argc, char **argv, struct dynamic_args *a)
{
	const struct {
		const char *option;
		uint64_t *to, min, max;
	} number[NUMBERS] = {
		{ "seeds", &a->seeds, 1, DYNAMIC_SEEDS },
		{ "first-seed", &a->first_seed, 0, 1 << 29 },	/* thresholds are chosen beyond */
		{ "jobs", &a->jobs, 1, 64 },
		{ "minutes", &a->minutes, 4, 10080 },
	};
	int r = CLI_OK;

	for (size_t i = 0; argc && i < sizeof(experiments) / sizeof(experiments[0]); i++)
		if (!strcmp(argv[0], experiments[i].name))
			a->run = experiments[i].run;
	if (!a->run)
		return cli_usage(cli, argc ? "there is no 'lab dynamic %s'" : "which dynamic test?",
				 argc ? argv[0] : "");
	for (int i = 1; r == CLI_OK && i < argc; i++) {
		size_t k = 0;

		while (k < NUMBERS && (strncmp(argv[i], "--", 2) || strcmp(argv[i] + 2, number[k].option)))
			k++;
		if (k < NUMBERS && i + 1 == argc)
			return cli_usage(cli, "%s needs a value", argv[i]);
		if (k < NUMBERS)
			r = cli_take_number(cli, number[k].option, argv[++i], number[k].min, number[k].max,
					    number[k].to);
		else if (!strcmp(argv[i], "--quick"))
			a->o.quick = true;
		else if (argv[i][0] == '-')
			return cli_usage(cli, "there is no option '%s'", argv[i]);
		else
			r = add_model(a, argv[i]);
	}
	if (!a->seeds)
		a->seeds = a->o.quick ? QUICK_SEEDS : SEEDS;
	return r;
}

static int experiment(const struct cli *cli, struct dynamic_args *a)
{
	const json_t *table;
	json_t *doc = NULL;
	struct sl_err e;
	size_t i;

	a->o.par = (struct par){ a->jobs, lab_progress_tick, &a->progress };
	a->o.seeds = a->seeds;
	a->o.first_seed = a->first_seed;
	a->o.minutes = a->minutes;
	a->o.model = a->model;
	a->o.name = a->name;
	lab_progress_begin(&a->progress, "runs");
	if (a->run(&a->o, &doc, &e))
		return cli_fail_err(&e);
	if (cli->json || !doc)
		return cli_print_json(doc);
	json_array_foreach(json_object_get(doc, "tables"), i, table)
		print_table(table);
	json_decref(doc);
	return CLI_OK;
}

int cmd_lab_dynamic(struct cli *cli, int argc, char **argv)
{
	static struct dynamic_args a = { .first_seed = FIRST_SEED };
	int r;

	a.jobs = sysconf(_SC_NPROCESSORS_ONLN);
	r = parse(cli, argc, argv, &a);
	if (r == CLI_OK)
		r = experiment(cli, &a);
	for (size_t i = 0; i < a.o.models; i++)
		model_free(&a.model[i]);
	return r;
}
