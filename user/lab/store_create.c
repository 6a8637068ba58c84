// SPDX-License-Identifier: GPL-2.0
/* A new database: the schema, the plan, and all runs that it asks for, in one transaction. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <errno.h>

#include "lab/store_priv.h"

#define TEXT_OF(x)	TEXT_OF_(x)
#define TEXT_OF_(x)	#x

extern const char schema_begin[], schema_end[];
__asm__(".section .rodata\n"
	"schema_begin: .incbin \"user/lab/schema.sql\"\n"
	"schema_end: .byte 0\n"
	".previous\n");

static double now_unix_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void bind_text(sqlite3_stmt *st, int i, const char *text)
{
	sqlite3_bind_text(st, i, text, -1, SQLITE_TRANSIENT);
}

static int insert_plan(struct store *s, const struct plan *p, struct sl_err *e)
{
	const char *const word[] = { p->name, p->text, p->hash, plan_executor_name(p->executor) };
	const char *const end[] = { p->endpoint, p->endpoint_class, p->candidate, p->reference };
	sqlite3_stmt *st;
	int r = store_prepare(s, "INSERT INTO plan VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
			      "?, ?, ?, ?, ?)", &st, "writing the plan", e);

	if (r)
		return r;
	for (int i = 0; i < 4; i++)
		bind_text(st, 1 + i, word[i]);
	sqlite3_bind_int64(st, 5, p->seed);
	sqlite3_bind_int64(st, 6, p->trials);
	sqlite3_bind_int64(st, 7, p->attempts_max);
	for (int c = 0; c < FLOW_CLASSES; c++)
		sqlite3_bind_double(st, 8 + c, p->objective.class[c]);
	sqlite3_bind_double(st, 12, p->objective.goodput);
	for (int i = 0; i < 4; i++)
		bind_text(st, 13 + i, end[i]);
	sqlite3_bind_int(st, 17, p->aa > 0);
	sqlite3_bind_double(st, 18, now_unix_s());
	return store_finish(s, st, "writing the plan", e);
}

static int insert_workload(struct store *s, const struct plan *p, size_t i, struct sl_err *e)
{
	json_t *json = workload_json(&p->workload[i].w);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	sqlite3_stmt *st;
	int r = text ? store_prepare(s, "INSERT INTO workloads VALUES (?, ?, ?, ?, ?)", &st,
				     "writing workloads", e) : sl_err(e, -ENOMEM, "out of memory");

	json_decref(json);
	if (!r) {
		sqlite3_bind_int64(st, 1, i + 1);
		bind_text(st, 2, p->workload[i].w.name);
		bind_text(st, 3, p->workload[i].w.family);
		sqlite3_bind_int(st, 4, p->workload[i].test);
		bind_text(st, 5, text);
		r = store_finish(s, st, "writing workloads", e);
	}
	free(text);
	return r;
}

static int insert_configuration(struct store *s, const struct plan *p, size_t i, struct sl_err *e)
{
	const struct lab_configuration *c = &p->configuration[i];
	json_t *json = json_object();
	sqlite3_stmt *st;
	char *text;
	int r;

	for (int k = 0; k < LAB_KEYS; k++) {
		const struct lab_key_row *row = &lab_key_rows[k];

		if (row->in[p->executor])
			json_object_set_new(json, row->name, row->words ?
					    json_string(row->words[(int)c->value[k]]) :
					    json_real(c->value[k]));
	}
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	r = text ? store_prepare(s, "INSERT INTO configurations VALUES (?, ?, ?)", &st,
				 "writing configurations", e) : sl_err(e, -ENOMEM, "out of memory");
	if (!r) {
		sqlite3_bind_int64(st, 1, i + 1);
		bind_text(st, 2, c->name);
		bind_text(st, 3, text);
		r = store_finish(s, st, "writing configurations", e);
	}
	free(text);
	return r;
}

static int insert_policy(struct store *s, const struct plan *p, size_t i, struct sl_err *e)
{
	const struct lab_policy *q = &p->policy[i].p;
	sqlite3_stmt *st;
	int r = store_prepare(s, "INSERT INTO policies VALUES (?, ?, ?, ?, ?)", &st,
			      "writing policies", e);

	if (r)
		return r;
	sqlite3_bind_int64(st, 1, i + 1);
	bind_text(st, 2, p->policy[i].name);
	bind_text(st, 3, lab_role_name(q->role));
	if (q->means == LAB_THRESHOLD)
		sqlite3_bind_double(st, 4, ((double)q->triple.qth_min + q->triple.qth_max) / 2);
	if (q->means == LAB_MODEL)
		sqlite3_bind_int64(st, 5, model_crc(&q->model));
	return store_finish(s, st, "writing policies", e);
}

static int insert_runs(struct store *s, const struct plan *p, struct sl_err *e)
{
	struct plan_run *run = plan_order(p);
	sqlite3_stmt *st;
	int r = run ? store_prepare(s, "INSERT INTO runs (workload, configuration, policy, trial, "
				    "block, position, seed) VALUES (?, ?, ?, ?, ?, ?, ?)", &st,
				    "writing runs", e) : sl_err(e, -ENOMEM, "out of memory");

	for (size_t i = 0; !r && i < plan_runs(p); i++) {
		sqlite3_bind_int64(st, 1, run[i].workload + 1);
		sqlite3_bind_int64(st, 2, run[i].configuration + 1);
		sqlite3_bind_int64(st, 3, run[i].policy + 1);
		sqlite3_bind_int64(st, 4, run[i].trial);
		sqlite3_bind_int64(st, 5, run[i].block);
		sqlite3_bind_int64(st, 6, i);
		sqlite3_bind_int64(st, 7, plan_seed(p, run[i].workload, run[i].configuration,
						    run[i].trial, run[i].policy));
		if (sqlite3_step(st) != SQLITE_DONE)
			r = store_error(s, "writing runs", e);
		sqlite3_reset(st);
	}
	if (run)
		sqlite3_finalize(st);
	free(run);
	return r;
}

int store_create(struct store *s, const struct plan *p, struct sl_err *e)
{
	int r = store_exec(s, "BEGIN IMMEDIATE", "creating", e);

	if (r)
		return r;
	r = store_exec(s, "PRAGMA application_id = " TEXT_OF(STORE_APPLICATION_ID) ";"
		       "PRAGMA user_version = " TEXT_OF(STORE_VERSION), "creating", e);
	if (!r)
		r = store_exec(s, schema_begin, "creating", e);
	if (!r)
		r = insert_plan(s, p, e);
	for (size_t i = 0; !r && i < p->workloads; i++)
		r = insert_workload(s, p, i, e);
	for (size_t i = 0; !r && i < p->configurations; i++)
		r = insert_configuration(s, p, i, e);
	for (size_t i = 0; !r && i < p->policies; i++)
		r = insert_policy(s, p, i, e);
	if (!r)
		r = insert_runs(s, p, e);
	return store_commit(s, r, "creating", e);
}
