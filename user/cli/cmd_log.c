// SPDX-License-Identifier: GPL-2.0
/* sluice log */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "rl/translog.h"

static void show_head(const struct translog_shape *s)
{
	printf("agent %s, %u features, up to %u candidates, rewards are learned times %g\n",
	       s->agent, s->n_features, s->max_rows * s->outputs, (double)s->reward_scale);
	for (uint32_t i = 0; i < s->n_features; i++)
		printf("feature %u %s [%s]\n", i, s->feature[i].name, s->feature[i].unit);
}

static void show_row(const struct translog_row *r, const struct translog_shape *s)
{
	const time_t seconds = (time_t)(r->time_ns / 1000000000);
	char when[32] = "?";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%FT%T", &tm);
	printf("%s.%03uZ object %u action %u of %u p %.4g reward %.6g discount %g policy %llu%s\n",
	       when, (unsigned int)(r->time_ns / 1000000 % 1000), r->object, r->action,
	       r->rows * s->outputs, (double)r->probability, (double)r->reward,
	       (double)r->discount, (unsigned long long)r->policy,
	       r->flags & TRANSLOG_EXPLORED ? " explored" : "");
}

static json_t *matrix(const float *x, uint32_t rows, uint32_t columns)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < rows; i++) {
		json_t *row = json_array();

		for (uint32_t j = 0; j < columns; j++)
			json_array_append_new(row, json_real((double)x[(size_t)i * columns + j]));
		json_array_append_new(all, row);
	}
	return all;
}

static json_t *mask_json(const uint8_t *mask, uint32_t n)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(all, json_integer(!!mask[i]));
	return all;
}

static json_t *row_json(const struct translog_row *r, const struct translog_shape *s)
{
	return json_pack("{s:I s:I s:I s:b s:o s:o s:I s:f s:f s:f s:o s:o}",
			 "time_ns", (json_int_t)r->time_ns, "policy", (json_int_t)r->policy,
			 "object", (json_int_t)r->object,
			 "explored", !!(r->flags & TRANSLOG_EXPLORED),
			 "observation", matrix(r->x, r->rows, s->n_features),
			 "mask", mask_json(r->mask, r->rows * s->outputs),
			 "action", (json_int_t)r->action, "probability", (double)r->probability,
			 "reward", (double)r->reward, "discount", (double)r->discount,
			 "next_observation", matrix(r->next_x, r->next_rows, s->n_features),
			 "next_mask", mask_json(r->next_mask, r->next_rows * s->outputs));
}

static json_t *features_json(const struct translog_shape *s)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < s->n_features; i++)
		json_array_append_new(all, json_pack("{s:s s:s}", "name", s->feature[i].name,
						     "unit", s->feature[i].unit));
	return all;
}

/* Prints a value of the one document, whose rows are more than should be in memory. */
static void member(const char *before, json_t *value)
{
	fputs(before, stdout);
	if (!value)
		fputs("null", stdout);
	else
		json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
	json_decref(value);
}

static int show(struct cli *cli, struct translog_reader *log)
{
	const struct translog_shape *s = translog_read_shape(log);
	const char *before = "\n  ";
	unsigned long long n = 0, torn;
	struct translog_row row;
	struct sl_err e;
	int r;

	if (cli->json) {
		member("{\"agent\": ", json_string(s->agent));
		member(",\n \"features\": ", features_json(s));
		member(",\n \"outputs\": ", json_integer(s->outputs));
		member(",\n \"max_rows\": ", json_integer(s->max_rows));
		member(",\n \"reward_scale\": ", json_real((double)s->reward_scale));
		fputs(",\n \"transitions\": [", stdout);
	} else {
		show_head(s);
	}
	for (; (r = translog_read_next(log, &row, &e)) == 1; n++, before = ",\n  ") {
		if (cli->json)
			member(before, row_json(&row, s));
		else
			show_row(&row, s);
	}
	torn = translog_read_torn(log);
	if (cli->json)
		printf("],\n \"torn_bytes\": %llu,\n \"damaged\": %s}\n", torn, r ? "true" : "false");
	else
		printf("%llu transitions%s\n", n, r ? ", then damage" : "");
	if (torn && !cli->json)
		printf("%llu bytes at the end are of a block that was never finished\n", torn);
	if (r)
		return cli_fail_err(&e);
	if (ferror(stdout) || fflush(stdout))
		return cli_fail("cannot write to standard output: %s", strerror(errno));
	return CLI_OK;
}

int cmd_log(struct cli *cli, int argc, char **argv)
{
	struct translog_reader *log;
	struct sl_err e;
	int r;

	if (argc != 2 || strcmp(argv[0], "show"))
		return cli_usage(cli, argc && strcmp(argv[0], "show") ? "there is no 'log %s'" :
				 "give one file, as [learn] transitions names it",
				 argc ? argv[0] : "");
	if (translog_read_open(argv[1], &log, &e))
		return cli_fail_err(&e);
	r = show(cli, log);
	translog_read_close(log);
	return r;
}
