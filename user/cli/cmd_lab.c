// SPDX-License-Identifier: GPL-2.0
/* sluice lab: campaigns of runs by a plan. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lab/export.h"
#include "lab/runner.h"
#include "lib/clock.h"

#define TELL_S	10	/* between two lines where standard error is no terminal */

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

/* --- run ---------------------------------------------------------------------------- */

struct watching {
	struct store *store;
	const struct plan *plan;
	double begun_s, told_s;
	unsigned int done;		/* attempts since then */
	bool terminal;
};

static void time_text(double s, char *buf, size_t size)
{
	if (s < 120)
		snprintf(buf, size, "%.0f s", s);
	else if (s < 7200)
		snprintf(buf, size, "%.0f min", s / 60);
	else
		snprintf(buf, size, "%.1f h", s / 3600);
}

static void tell_progress(struct watching *w)
{
	const double now = monotonic_s();
	struct store_progress p = { 0 };
	struct sl_err e;
	char left[32];

	if (now - w->told_s < (w->terminal ? 0.3 : TELL_S) || store_progress(w->store, &p, &e))
		return;
	w->told_s = now;
	time_text(p.pending * (now - w->begun_s) / (w->done ? w->done : 1), left, sizeof(left));
	fprintf(stderr, "%s%u of %u runs, %u failed, %u invalid, %u absent; %s left%s",
		w->terminal ? "\r" : "", p.runs - p.pending, p.runs, p.failed, p.invalid, p.absent, left,
		w->terminal ? "\033[K" : "\n");
}

static void tell(void *arg, const struct store_run *run, const struct record *rec, const char *text)
{
	struct watching *w = arg;
	const struct plan *p = w->plan;

	if (text)
		fprintf(stderr, "%s%s\n", w->terminal ? "\r\033[K" : "", text);
	if (!rec) {
		if (!w->done)	/* what is made before the first run is no measure of how long runs take */
			w->begun_s = monotonic_s();
		return;
	}
	w->done++;
	if (rec->state != RECORD_VALID)
		fprintf(stderr, "%srun %lld (%s, %s, %s, trial %u) %s: %s\n",
			w->terminal ? "\r\033[K" : "", (long long)run->id,
			p->workload[run->workload].w.name, p->configuration[run->configuration].name,
			p->policy[run->policy].name, run->trial, record_state_name(rec->state), rec->error);
	tell_progress(w);
}

static int say_end(struct store *s, bool terminal)
{
	struct store_progress p = { 0 };
	struct sl_err e;

	if (store_progress(s, &p, &e))
		return cli_fail_err(&e);
	fprintf(stderr, "%s%u of %u runs done, %u failed, %u invalid, %u absent, %u to do; %u attempts\n",
		terminal ? "\r\033[K" : "", p.done, p.runs, p.failed, p.invalid, p.absent, p.pending,
		p.attempts);
	return CLI_OK;
}

static int work(const struct plan *p, const char *db, unsigned int jobs)
{
	struct watching w = { .plan = p, .begun_s = monotonic_s(), .terminal = isatty(2) };
	struct runner r = { .plan = p, .jobs = jobs, .stop = &stopped, .tell = tell, .arg = &w };
	const struct sigaction action = { .sa_handler = on_signal };
	unsigned int interrupted;
	struct sl_err e;
	int error;

	signal(SIGXFSZ, SIG_IGN);	/* a limit on files is an error as others */
	signal(SIGPIPE, SIG_IGN);
	error = store_begin_work(db, p, &r.store, &interrupted, &e);
	if (error)
		return cli_fail_err(&e);
	w.store = r.store;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (interrupted)
		fprintf(stderr, "%u interrupted run%s of before begin%s again\n", interrupted,
			interrupted == 1 ? "" : "s", interrupted == 1 ? "s" : "");
	error = runner_run(&r, &e);
	if (!error || error == -EINTR)
		say_end(r.store, w.terminal);
	store_close(r.store);
	if (error == -EINTR)
		return cli_fail("stopped; the same command goes on with %s", db);
	return error ? cli_fail_err(&e) : CLI_OK;
}

static int check(const struct plan *p)
{
	size_t test = 0;

	for (size_t i = 0; i < p->workloads; i++)
		test += p->workload[i].test;
	printf("%s: %zu workloads (%zu of them to test) x %zu configurations x %zu policies x %u trials = "
	       "%zu runs, executor %s\nhash %s\n", p->name, p->workloads, test, p->configurations,
	       p->policies, p->trials, plan_runs(p), plan_executor_name(p->executor), p->hash);
	if (!p->aa)
		printf("primary endpoint: %s%s%s of %s against %s\n", p->endpoint,
		       *p->endpoint_class ? " " : "", p->endpoint_class, p->candidate, p->reference);
	return CLI_OK;
}

static int lab_run_plan(const struct cli *cli, int argc, char **argv)
{
	const char *path = NULL, *db = NULL;
	uint64_t jobs = sysconf(_SC_NPROCESSORS_ONLN);
	bool only_check = false;
	struct plan p = { .seed = 0 };
	char name[PLAN_NAME_MAX + 4];
	struct sl_err e;
	int r;

	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--check"))
			only_check = true;
		else if (!strcmp(argv[i], "--jobs")) {
			if (++i == argc || !cli_number(argv[i], 1, 64, &jobs))
				return cli_usage(cli, "--jobs takes a number of 1..64");
		} else if (argv[i][0] == '-')
			return cli_usage(cli, "there is no option '%s'", argv[i]);
		else if (!path)
			path = argv[i];
		else if (!db)
			db = argv[i];
		else
			return cli_usage(cli, "'%s' is one word too many", argv[i]);
	}
	if (!path)
		return cli_usage(cli, "no plan given");
	if (plan_read(path, &p, &e))
		return cli_fail_err(&e);
	snprintf(name, sizeof(name), "%s.db", p.name);
	for (char *at = name; *at; at++)
		if (*at == '/')
			*at = '_';
	r = only_check ? check(&p) : work(&p, db ? db : name, jobs);
	plan_free(&p);
	return r;
}

/* --- status ------------------------------------------------------------------------- */

/* All rows of a query, each an object by its columns' names. NULL: e says why. */
static json_t *query(struct store *s, const char *sql, struct sl_err *e)
{
	json_t *rows = json_array();
	sqlite3_stmt *st;
	int code;

	if (sqlite3_prepare_v2(store_db(s), sql, -1, &st, NULL) != SQLITE_OK) {
		store_error(s, "reading", e);
		json_decref(rows);
		return NULL;
	}
	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		json_t *row = json_object();

		for (int i = 0; i < sqlite3_column_count(st); i++) {
			const int type = sqlite3_column_type(st, i);

			json_object_set_new(row, sqlite3_column_name(st, i), type == SQLITE_INTEGER ?
				json_integer(sqlite3_column_int64(st, i)) : type == SQLITE_FLOAT ?
				json_real(sqlite3_column_double(st, i)) : type == SQLITE_NULL ? json_null() :
				json_string((const char *)sqlite3_column_text(st, i)));
		}
		json_array_append_new(rows, row);
	}
	if (code != SQLITE_DONE) {
		store_error(s, "reading", e);
		json_decref(rows);
		rows = NULL;
	}
	sqlite3_finalize(st);
	return rows;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static long long number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void print_status(const json_t *all)
{
	const json_t *plan = json_array_get(json_object_get(all, "plan"), 0);
	const json_t *runs = json_array_get(json_object_get(all, "runs"), 0), *row;
	size_t i;

	printf("plan %s, executor %s, hash %.16s...\n", text_of(plan, "name"), text_of(plan, "executor"),
	       text_of(plan, "hash"));
	if (number_of(plan, "aa"))
		printf("an A/A plan\n");
	else
		printf("primary endpoint: %s%s%s of %s against %s\n", text_of(plan, "endpoint"),
		       *text_of(plan, "endpoint_class") ? " " : "", text_of(plan, "endpoint_class"),
		       text_of(plan, "candidate"), text_of(plan, "reference"));
	printf("%lld of %lld runs done, %lld to do; %lld attempts, %lld interrupted; %.0f s of measuring\n",
	       number_of(runs, "done"), number_of(runs, "runs"), number_of(runs, "pending"),
	       number_of(runs, "attempts"), number_of(runs, "interrupted"),
	       json_number_value(json_object_get(runs, "seconds")));
	printf("%lld evaluations on test workloads; results of them were shown %lld times\n\n",
	       number_of(runs, "test_evaluations"), number_of(runs, "looks"));
	printf("%-32s %-9s %6s %6s %7s %7s %7s %8s\n", "policy", "role", "done", "failed", "invalid",
	       "absent", "to do", "attempts");
	json_array_foreach(json_object_get(all, "outcomes"), i, row)
		printf("%-32s %-9s %6lld %6lld %7lld %7lld %7lld %8lld\n", text_of(row, "policy"),
		       text_of(row, "role"), number_of(row, "done"), number_of(row, "failed"),
		       number_of(row, "invalid"), number_of(row, "absent"), number_of(row, "pending"),
		       number_of(row, "done") + number_of(row, "failed_attempts") +
		       number_of(row, "invalid_attempts"));
	if (json_array_size(json_object_get(all, "errors")))
		printf("\nlast errors\n");
	json_array_foreach(json_object_get(all, "errors"), i, row)
		printf("run %lld, %s, %s: %s: %s\n", number_of(row, "run"), text_of(row, "workload"),
		       text_of(row, "policy"), text_of(row, "state"), text_of(row, "error"));
}

static const struct {
	const char *name, *sql;
} queries[] = {
	{ "plan", "SELECT name, executor, hash, seed, trials, endpoint, endpoint_class, candidate, "
	  "reference, aa FROM plan" },
	{ "runs", "SELECT count(*) AS runs, sum(state = 'done') AS done, sum(state = 'pending') AS "
	  "pending, (SELECT count(*) FROM attempts) AS attempts, (SELECT count(*) FROM attempts WHERE "
	  "state = 'interrupted') AS interrupted, (SELECT coalesce(sum(duration_s), 0.0) FROM attempts) AS "
	  "seconds, (SELECT coalesce(sum(evaluations), 0) FROM test_evaluations) AS test_evaluations, "
	  "(SELECT count(*) FROM looks) AS looks FROM runs" },
	{ "outcomes", "SELECT * FROM outcomes" },
	{ "errors", "SELECT a.run AS run, w.name AS workload, p.name AS policy, a.state AS state, a.error "
	  "AS error FROM attempts a JOIN runs r ON a.run = r.id JOIN workloads w ON r.workload = w.id JOIN "
	  "policies p ON r.policy = p.id WHERE a.state IN ('failed', 'invalid') ORDER BY a.id DESC LIMIT 5" },
};

static int show_plan(struct store *s)
{
	struct sl_err e;
	json_t *rows = query(s, "SELECT text FROM plan", &e);

	if (!rows)
		return cli_fail_err(&e);
	fputs(text_of(json_array_get(rows, 0), "text"), stdout);
	json_decref(rows);
	return CLI_OK;
}

static int status(const struct cli *cli, struct store *s)
{
	json_t *all = json_object();
	struct sl_err e;
	int r = CLI_OK;

	for (size_t i = 0; r == CLI_OK && i < sizeof(queries) / sizeof(queries[0]); i++) {
		json_t *rows = query(s, queries[i].sql, &e);

		if (rows)
			json_object_set_new(all, queries[i].name, rows);
		else
			r = cli_fail_err(&e);
	}
	if (r == CLI_OK && cli->json)
		return cli_print_json(all);
	if (r == CLI_OK)
		print_status(all);
	json_decref(all);
	return r;
}

static int lab_status(const struct cli *cli, int argc, char **argv)
{
	const bool plan = argc > 0 && !strcmp(argv[0], "--plan");
	struct store *s;
	struct sl_err e;
	int r;

	argc -= plan;
	argv += plan;
	if (argc != 1)
		return cli_usage(cli, "status takes one database");
	if (store_open(argv[0], &s, &e))
		return cli_fail_err(&e);
	r = plan ? show_plan(s) : status(cli, s);
	store_close(s);
	return r;
}

/* --- export, list ----------------------------------------------------------------------- */

static int lab_export(const struct cli *cli, int argc, char **argv)
{
	FILE *f = stdout;
	struct store *s;
	struct sl_err e;
	int r;

	if (argc != 1 && !(argc == 3 && !strcmp(argv[1], "-o")))
		return cli_usage(cli, "export takes a database, and -o FILE");
	if (store_open(argv[0], &s, &e))
		return cli_fail_err(&e);
	if (argc == 3)
		f = fopen(argv[2], "we");
	if (!f) {
		store_close(s);
		return cli_fail("cannot write %s: %s", argv[2], strerror(errno));
	}
	r = export_csv(s, f, &e);
	store_close(s);
	if (f != stdout && fclose(f) && !r)
		r = sl_err(&e, -errno, "cannot write %s: %s", argv[2], strerror(errno));
	return r ? cli_fail_err(&e) : CLI_OK;
}

static int lab_list(void)
{
	printf("workloads: name, family\n\n");
	workloads_print(stdout);
	printf("\npolicies: name[:number], role, executors\n\n");
	lab_policies_print(stdout);
	printf("\nconfigurations: key, range, defaults by executor\n\n");
	for (int k = 0; k < LAB_KEYS; k++) {
		const struct lab_key_row *row = &lab_key_rows[k];

		printf("%-13s ", row->name);
		for (int i = 0; row->words && row->words[i]; i++)
			printf("%s%s", i ? "|" : "", row->words[i]);
		if (!row->words)
			printf("%.10g..%.10g %s", row->min, row->max, row->unit);
		for (int x = 0; x < PLAN_EXECUTORS; x++) {
			if (row->in[x] && row->words)
				printf(", %s %s", plan_executor_name(x), row->words[(int)row->def[x]]);
			else if (row->in[x])
				printf(", %s %.0f", plan_executor_name(x), row->def[x]);
		}
		printf("; %s\n", row->help);
	}
	return CLI_OK;
}

int cmd_lab(struct cli *cli, int argc, char **argv)
{
	if (argc && !strcmp(argv[0], "run"))
		return lab_run_plan(cli, argc - 1, argv + 1);
	if (argc && !strcmp(argv[0], "status"))
		return lab_status(cli, argc - 1, argv + 1);
	if (argc && !strcmp(argv[0], "export"))
		return lab_export(cli, argc - 1, argv + 1);
	if (argc && !strcmp(argv[0], "report"))
		return cmd_lab_report(cli, argc - 1, argv + 1);
	if (argc && !strcmp(argv[0], "dynamic"))
		return cmd_lab_dynamic(cli, argc - 1, argv + 1);
	if (argc == 1 && !strcmp(argv[0], "list"))
		return lab_list();
	return cli_usage(cli, argc ? "lab has no verb '%s'" : "lab needs a verb", argc ? argv[0] : "");
}
