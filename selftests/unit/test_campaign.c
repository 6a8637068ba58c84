// SPDX-License-Identifier: GPL-2.0
/* Plans, records, the objective and the store of "sluice lab". */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab/arrivals.h"
#include "lab/fits_priv.h"
#include "lab/objective.h"
#include "lab/plan.h"
#include "lab/record.h"
#include "lab/runner.h"
#include "lab/store.h"

static char dir[64], db[128], path[128];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/sluice-campaign.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(db, sizeof(db), "%s/x.db", dir);
	snprintf(path, sizeof(path), "%s/x.plan", dir);
	return 0;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char text[] =
	"[plan]\nname = unit\ntrials = 3\nattempts = 2\nseed = 5\nblock = 2\n"
	"[endpoint]\ncandidate = bdp\nreference = best-static\n"
	"[workloads]\ntrain = web video\ntest = family:incast\n"
	"[configurations]\nrate_mbps = 10 100\n"
	"[policies]\nstatic = static:5000 static:50000\nbaseline = bdp\n";

static void read_plan(const char *what, struct plan *p)
{
	FILE *f = fopen(path, "w");
	struct sl_err e = { "" };

	fputs(what, f);
	fclose(f);
	if (plan_read(path, p, &e))
		fail_msg("%s", e.text);
}

/* --- plan ------------------------------------------------------------------------------- */

static void test_order(void **state)
{
	struct plan p;
	struct plan_run *run, *again;
	unsigned int seen[5][2][3][3] = { 0 };

	(void)state;
	read_plan(text, &p);
	assert_int_equal(plan_runs(&p), 5 * 2 * 3 * 3);
	run = plan_order(&p);
	again = plan_order(&p);
	assert_memory_equal(run, again, plan_runs(&p) * sizeof(*run));
	for (size_t i = 0; i < plan_runs(&p); i++) {
		seen[run[i].workload][run[i].configuration][run[i].policy][run[i].trial]++;
		/* Two groups of three policies in a block, and a group is never cut. */
		assert_int_equal(run[i].block, i / 6);
		assert_int_equal(run[i].workload, run[i - i % 3].workload);
		assert_int_equal(run[i].trial, run[i - i % 3].trial);
		assert_true(!i || run[i].trial >= run[i - 1].trial);
	}
	for (size_t i = 0; i < 90; i++)
		assert_int_equal(((unsigned int *)seen)[i], 1);
	free(run);
	free(again);
	plan_free(&p);
}

static void test_seeds(void **state)
{
	struct plan p;

	(void)state;
	read_plan(text, &p);
	assert_int_equal(plan_seed(&p, 1, 0, 2, 0), plan_seed(&p, 1, 0, 2, 1));
	assert_int_not_equal(plan_seed(&p, 1, 0, 2, 0), plan_seed(&p, 1, 0, 1, 0));
	assert_int_not_equal(plan_seed(&p, 1, 0, 2, 0), plan_seed(&p, 0, 1, 2, 0));
	p.fresh = true;
	assert_int_not_equal(plan_seed(&p, 1, 0, 2, 0), plan_seed(&p, 1, 0, 2, 1));
	plan_free(&p);
}

static void test_hash(void **state)
{
	struct plan a, b, c;
	char other[sizeof(text) + 64];

	(void)state;
	read_plan(text, &a);
	snprintf(other, sizeof(other), "# the same\n%s", text);
	read_plan(other, &b);
	assert_string_equal(a.hash, b.hash);
	snprintf(other, sizeof(other), "%s[objective]\nlarge = 0.25\n", text);
	read_plan(other, &c);
	assert_string_not_equal(a.hash, c.hash);
	plan_free(&a);
	plan_free(&b);
	plan_free(&c);
}

static void test_aa(void **state)
{
	struct plan p;

	(void)state;
	read_plan("[plan]\naa = 3\nfresh = yes\n[workloads]\ntrain = web\n[policies]\nlearned = shipped\n", &p);
	assert_int_equal(p.policies, 3);
	assert_string_equal(p.policy[2].name, "shipped#3");
	assert_int_equal(model_crc(&p.policy[0].p.model), model_crc(&p.policy[2].p.model));
	plan_free(&p);
}

static unsigned int named(const struct plan *p, const char *workload)
{
	for (unsigned int i = 0; i < p->workloads; i++)
		if (!strcmp(p->workload[i].w.name, workload))
			return i;
	fail_msg("no %s", workload);
	return 0;
}

/* What a model for one workload is made from, as names. */
static const char *sources(const struct plan *p, const char *workload)
{
	static char list[256];
	bool use[16];

	assert_true(p->workloads <= 16);
	fit_sources(p, named(p, workload), use);
	list[0] = '\0';
	for (unsigned int i = 0; i < p->workloads; i++)
		if (use[i])
			strcat(strcat(list, " "), p->workload[i].w.name);
	return list;
}

/* Never of the own family; of those to train where there are some. */
static void test_sources(void **state)
{
	static const char held_out[] =
		"[plan]\nname = unit\n[endpoint]\ncandidate = fit:linear\nreference = best-static\n"
		"[workloads]\ntest = web mid-rate high-rate incast-8\n"
		"[policies]\nstatic = static:5000 ramp:5000:20000:0.25\nlearned = fit:linear\n"
		"baseline = fit:lookup\nonline = learn-on:7\n";
	struct plan p;

	(void)state;
	read_plan(text, &p);
	assert_string_equal(sources(&p, "incast-8"), " web video");
	assert_string_equal(sources(&p, "web"), " video");
	assert_string_equal(sources(&p, "video"), " web");
	plan_free(&p);
	read_plan(held_out, &p);
	assert_string_equal(sources(&p, "web"), " mid-rate high-rate incast-8");
	assert_string_equal(sources(&p, "high-rate"), " web incast-8");
	assert_true(fits_possible(&p, 0));
	assert_int_equal(p.policy[1].p.triple.qth_min, 5000);
	assert_int_equal(p.policy[1].p.triple.qth_max, 20000);
	assert_int_equal(p.policy[1].p.triple.max_p, 250000);
	assert_int_equal(p.policy[0].p.triple.qth_max, 5000);
	assert_int_equal(p.policy[2].p.role, LAB_BASELINE);
	assert_string_equal(p.policy[2].p.fit, "lookup");
	assert_string_equal(p.policy[4].p.fit, "ddqn:7");
	plan_free(&p);
}

/* What is kept comes back as it was, and damaged it is not taken. */
static void test_fit_kept(void **state)
{
	const double number[] = { 0.25, 1, 2 };
	struct fit_wanted w = { .fit = "linear", .family = "incast" }, back = w, none = { .fit = "tree" };
	unsigned int interrupted;
	struct store *s;
	struct plan p;
	struct sl_err e;

	(void)state;
	read_plan(text, &p);
	assert_int_equal(store_begin_work(db, &p, &s, &interrupted, &e), 0);
	w.workload = named(&p, "incast-8");
	assert_int_equal(model_set_numbers(&w.model, "linear", number, 3), 0);
	strcpy(w.model.command, "by hand");
	assert_int_equal(fit_keep(s, &p, &w, &e), 0);
	assert_int_equal(fit_kept(s, &back, &e), 0);
	assert_int_equal(model_crc(&back.model), model_crc(&w.model));
	assert_int_equal(fit_kept(s, &none, &e), 0);
	assert_null(none.model.data);
	model_free(&back.model);
	sqlite3_exec(store_db(s), "UPDATE fits SET payload = zeroblob(24)", NULL, NULL, NULL);
	assert_int_equal(fit_kept(s, &back, &e), -EBADMSG);
	model_free(&back.model);
	model_free(&w.model);
	store_close(s);
	plan_free(&p);
}

/* All workloads can be drawn for the kernel lab, but those whose sizes are in files. */
static void test_workloads(void **state)
{
	const char *name, *family;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; (name = workload_name(i, &family)); i++) {
		struct workload w;
		struct sl_err e = { "" };
		char base[128], list[160];

		if (workload_find(name, "", &w, &e)) {
			assert_non_null(strstr(e.text, "'sizes' in [plan]"));
			continue;
		}
		snprintf(base, sizeof(base), "%s/%s", dir, name);
		assert_int_equal(arrivals_write(&w, 10e6, 4, 1, base, &e), 0);
		snprintf(list, sizeof(list), "%s.dctcp", base);
		assert_int_equal(access(list, R_OK), 0);
		n++;
	}
	assert_true(n >= 15);
}

/* --- objective ---------------------------------------------------------------------------- */

static void add_flows(struct flow_list *l, unsigned int n, double bytes, double slowdown,
		      unsigned int unfinished)
{
	for (unsigned int i = 0; i < n; i++)
		flow_list_add(l, &(struct measured_flow){
			.bytes = bytes, .fct_us = 100 + i, .slowdown = slowdown, .unfinished = i < unfinished,
		});
}

static void test_objective(void **state)
{
	const struct objective o = { { 0.3, 0.3, 0.2, 0.2 }, 0.2 };
	struct flow_list l = { 0 };
	struct record r;
	const struct metric *m;

	(void)state;
	record_init(&r, 1);
	add_flows(&l, 1000, 5000, 2, 0);
	add_flows(&l, 999, 50000, 8, 0);
	assert_int_equal(objective_measure(&o, &l, 0.5, 6, &r), 0);
	/* Two classes of equal weights: sqrt(2 * 8), and half of the link. */
	m = record_find(&r, "J", "");
	assert_float_equal(m->value, 4 * pow(0.5, -0.2), 1e-9);
	assert_int_equal(m->status, METRIC_OK);
	assert_int_equal(record_find(&r, "fct_p99_us", "10k")->status, METRIC_OK);
	assert_float_equal(record_find(&r, "fct_p99_us", "10k")->value, 100 + 989, 1e-9);
	assert_int_equal(record_find(&r, "fct_p99_us", "100k")->status, METRIC_FEW);
	assert_true(isnan(record_find(&r, "fct_p99_us", "100k")->value));
	assert_int_equal(record_find(&r, "fct_p999_us", "10k")->status, METRIC_FEW);
	assert_null(record_find(&r, "fct_mean_us", "1m"));
	record_free(&r);
	flow_list_free(&l);
}

static void test_censored(void **state)
{
	const struct objective o = { { 1, 0, 0, 0 }, 0 };
	struct flow_list l = { 0 };
	struct record r;

	(void)state;
	record_init(&r, 1);
	add_flows(&l, 2000, 5000, 3, 21);
	assert_int_equal(objective_measure(&o, &l, 1, 6, &r), 0);
	/* The slowest 1.05 % have not finished: the 99th percentile is among them, the median is not. */
	assert_int_equal(record_find(&r, "fct_p99_us", "10k")->status, METRIC_CENSORED);
	assert_true(isnan(record_find(&r, "fct_p99_us", "10k")->value));
	assert_int_equal(record_find(&r, "fct_p50_us", "10k")->status, METRIC_OK);
	assert_int_equal(record_find(&r, "J", "")->status, METRIC_CENSORED);
	assert_int_equal(record_find(&r, "J", "")->censored, 21);
	record_free(&r);
	flow_list_free(&l);
	record_init(&r, 1);
	add_flows(&l, 100, 50000, 3, 0);
	assert_int_equal(objective_measure(&o, &l, 1, 6, &r), -ENODATA);
	record_free(&r);
	flow_list_free(&l);
}

/* --- records -------------------------------------------------------------------------------- */

static void test_record(void **state)
{
	struct record r, back;
	struct sl_err e;
	char *line;
	json_t *o;

	(void)state;
	record_init(&r, 12);
	r.drain_share = 0.97;
	record_whole(&r, "J", "", 6, 2.5, 10);
	record_absent(&r, "llc_misses", 6);
	o = record_json(&r);
	line = json_dumps(o, 0);
	assert_int_equal(record_parse(line, strlen(line), &back, &e), 0);
	assert_int_equal(back.run, 12);
	assert_float_equal(back.drain_share, 0.97, 1e-12);
	assert_true(isnan(back.calibration));
	assert_float_equal(record_find(&back, "J", "")->value, 2.5, 1e-12);
	assert_int_equal(record_find(&back, "llc_misses", "")->status, METRIC_ABSENT);
	/* Half a line, as of a child that was killed. */
	assert_int_equal(record_parse(line, strlen(line) / 2, &r, &e), -EBADMSG);
	assert_int_equal(record_parse("{\"run\": 1}", 10, &r, &e), -EBADMSG);
	free(line);
	json_decref(o);
	record_free(&back);
	record_free(&r);
}

static void test_bad_metrics(void **state)
{
	static const char *const bad[] = {
		"[\"J\", \"\", 0, 1, 1, null, 1, 0, \"ok\"]", "[\"J\", \"\", 2, 1, 1, 1, 1, 0, \"ok\"]",
		"[\"\", \"\", 0, 1, 1, 1, 1, 0, \"ok\"]", "[\"J\", \"\", 0, 1, 1, 1, 1, 0, \"fine\"]",
		"[\"J\", \"\", 0, 1, 1, 1, 1, 0]", "7",
		"[\"a name that is much longer than there is room for\", \"\", 0, 1, 1, 1, 1, 0, \"ok\"]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char line[256];
		struct record r;
		struct sl_err e;

		snprintf(line, sizeof(line), "{\"run\": 1, \"state\": \"valid\", \"metrics\": [%s]}", bad[i]);
		assert_int_equal(record_parse(line, strlen(line), &r, &e), -EBADMSG);
	}
}

/* --- store ---------------------------------------------------------------------------------- */

static int64_t ask(struct store *s, const char *sql)
{
	sqlite3_stmt *st;
	int64_t v = -1;

	assert_int_equal(sqlite3_prepare_v2(store_db(s), sql, -1, &st, NULL), SQLITE_OK);
	if (sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static void attempt(struct store *s, const struct store_run *run, enum record_state as, bool again)
{
	struct record r;
	struct sl_err e;
	int64_t id;
	bool comes;

	record_init(&r, run->id);
	record_whole(&r, "J", "", 1, 2, 3);
	if (as != RECORD_VALID)
		record_fail(&r, "for a reason");
	r.state = as;
	r.log = strdup("the last lines");
	assert_int_equal(store_begin(s, run, &id, &e), 0);
	assert_int_equal(store_end(s, run, id, &r, &comes, &e), 0);
	assert_int_equal(comes, again);
	record_free(&r);
}

/* Every failure is kept and counted; the last that is permitted ends the run. */
static void test_outcomes(void **state)
{
	struct store *s;
	struct store_run *run;
	unsigned int interrupted;
	struct plan p;
	struct sl_err e;
	size_t n;

	(void)state;
	read_plan(text, &p);
	assert_int_equal(store_begin_work(db, &p, &s, &interrupted, &e), 0);
	assert_int_equal(store_next_block(s, NULL, 0, &run, &n, &e), 0);
	assert_int_equal(n, 6);
	attempt(s, &run[0], RECORD_FAILED, true);
	attempt(s, &run[0], RECORD_INTERRUPTED, true);
	run[0].attempts = 1;
	attempt(s, &run[0], RECORD_FAILED, false);
	attempt(s, &run[1], RECORD_INVALID, true);
	run[1].attempts = 1;
	attempt(s, &run[1], RECORD_VALID, false);
	attempt(s, &run[2], RECORD_ABSENT, false);
	free(run);
	assert_int_equal(ask(s, "SELECT sum(failed) * 1000 + sum(absent) * 100 + sum(done) * 10 + "
			     "sum(failed_attempts) FROM outcomes"), 1112);
	assert_int_equal(ask(s, "SELECT count(*) FROM attempts WHERE log = 'the last lines'"), 6);
	assert_int_equal(ask(s, "SELECT count(*) FROM results"), 1);
	/* A run that was interrupted does not use up what it may. */
	assert_int_equal(store_next_block(s, NULL, 0, &run, &n, &e), 0);
	assert_int_equal(n, 3);
	free(run);
	store_close(s);
	plan_free(&p);
}

static void test_full(void **state)
{
	struct store *s;
	struct store_run *run;
	unsigned int interrupted;
	struct record r;
	struct plan p;
	struct sl_err e;
	int64_t id;
	bool again;
	size_t n;

	(void)state;
	read_plan(text, &p);
	assert_int_equal(store_begin_work(db, &p, &s, &interrupted, &e), 0);
	assert_int_equal(store_next_block(s, NULL, 0, &run, &n, &e), 0);
	attempt(s, &run[0], RECORD_VALID, false);
	assert_int_equal(store_begin(s, &run[1], &id, &e), 0);
	sqlite3_exec(store_db(s), "PRAGMA max_page_count = 1", NULL, NULL, NULL);
	record_init(&r, run[1].id);
	for (int i = 0; i < 20000; i++) {
		struct metric m = { .name = "queue_bytes", .t0_s = i, .t1_s = i + 1 };

		record_add(&r, &m);
	}
	assert_int_equal(store_end(s, &run[1], id, &r, &again, &e), -ENOSPC);
	assert_non_null(strstr(e.text, "nothing that was measured before is lost"));
	store_close(s);
	/* There is room again. */
	assert_int_equal(store_begin_work(db, &p, &s, &interrupted, &e), 0);
	assert_int_equal(interrupted, 1);
	assert_int_equal(ask(s, "SELECT count(*) FROM results"), 1);
	assert_int_equal(ask(s, "SELECT count(*) FROM metrics"), 1);
	assert_int_equal(ask(s, "SELECT foreign_keys FROM pragma_foreign_keys"), 1);
	record_free(&r);
	free(run);
	store_close(s);
	plan_free(&p);
}

/* Several blocks at a time: none is given out twice, and none is passed over. */
static void test_under_way(void **state)
{
	unsigned int taken[16], blocks = 0, interrupted;
	struct store_run *run;
	struct store *s;
	struct plan p;
	struct sl_err e;
	size_t n, runs = 0;

	(void)state;
	read_plan(text, &p);
	assert_int_equal(store_begin_work(db, &p, &s, &interrupted, &e), 0);
	while (store_next_block(s, taken, blocks, &run, &n, &e) == 0 && n) {
		for (unsigned int i = 0; i < blocks; i++)
			assert_int_not_equal(run->block, taken[i]);
		assert_in_range(blocks, 0, 14);
		taken[blocks++] = run->block;
		runs += n;
		free(run);
	}
	assert_int_equal(runs, plan_runs(&p));
	assert_true(blocks > 1);
	/* The first is there again when it is not under way any more. */
	assert_int_equal(store_next_block(s, taken + 1, blocks - 1, &run, &n, &e), 0);
	assert_int_equal(run->block, taken[0]);
	free(run);
	store_close(s);
	plan_free(&p);
}

/* A clock that is set back while a run is under way changes no duration, and is noted. */
static void test_clock_step(void **state)
{
	const volatile sig_atomic_t stop = 0;
	struct runner r = { .stop = &stop };
	struct store_run *run;
	struct attempt a = { 0 };
	unsigned int interrupted;
	struct record rec;
	struct plan p;
	struct sl_err e;
	size_t n;

	(void)state;
	read_plan(text, &p);
	r.plan = &p;
	assert_int_equal(store_begin_work(db, &p, &r.store, &interrupted, &e), 0);
	assert_int_equal(store_next_block(r.store, NULL, 0, &run, &n, &e), 0);
	assert_int_equal(runner_begin(&r, run, &a, &e), 0);
	a.wall_s += 3600;
	record_init(&rec, run->id);
	assert_int_equal(runner_end(&r, &a, &rec, &e), 0);
	assert_int_equal(ask(r.store, "SELECT duration_s BETWEEN 0 AND 10 AND round(clock_step_s) = -3600 "
			     "FROM attempts"), 1);
	free(run);
	store_close(r.store);
	plan_free(&p);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(test_order),
		IN_DIR(test_seeds),
		IN_DIR(test_hash),
		IN_DIR(test_aa),
		IN_DIR(test_sources),
		IN_DIR(test_fit_kept),
		IN_DIR(test_workloads),
		cmocka_unit_test(test_objective),
		cmocka_unit_test(test_censored),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_bad_metrics),
		IN_DIR(test_outcomes),
		IN_DIR(test_full),
		IN_DIR(test_under_way),
		IN_DIR(test_clock_step),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
