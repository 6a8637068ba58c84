// SPDX-License-Identifier: GPL-2.0
/*
 * The daemon's policies on a queue that is made up: its backlog is half of K, and below 0.15 C * RTT
 * it runs empty. What is better is known, and time passes as fast as it is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/policies_priv.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/rng.h"

#define EPOCH_NS	50000000ULL
#define C_BPS		12.5e6
#define RTT_S		2e-3

static char dir[] = "/tmp/test_promotion.XXXXXX";

struct world {
	struct daemon d;
	struct rng rng;
	uint64_t now;
	uint32_t worst_k;	/* largest that was in force */
};

static void write_model(const char *name, double share)
{
	struct model m = { 0 };
	char path[200];
	struct sl_err e;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(m.command, sizeof(m.command), "by hand, %s", name);
	assert_int_equal(model_set_numbers(&m, "bdp", &share, 1), 0);
	assert_int_equal(model_write(&m, path, &e), 0);
	model_free(&m);
}

static struct world *begin(const char *model)
{
	struct world *w = calloc(1, sizeof(*w));
	struct settings *s = &w->d.settings;
	struct sl_err e;

	assert_non_null(w);
	assert_int_equal(settings_load(s, NULL, &e), 0);
	snprintf(s->ecn_model, sizeof(s->ecn_model), "%s/%s", dir, model);
	snprintf(s->policies, sizeof(s->policies), "%s/kept", dir);
	s->trials.shadow_s = 5;
	rng_seed(&w->rng, 1);
	settings_guard(s, &w->d.guard);
	assert_int_equal(policies_new(s, &w->d.policies, &e), 0);
	w->d.n_queues = 2;
	for (int i = 0; i < 2; i++) {
		w->d.queues[i].used = true;
		w->d.queues[i].acting = TRIAL_ARMS;
		w->d.queues[i].mtu = 1514;
		w->d.queues[i].triple = (struct qdisc_triple){ 60000, 180000, 100000 };
	}
	w->now = monotonic_ns();
	return w;
}

static void end(struct world *w)
{
	policies_leave(&w->d);
	policies_free(w->d.policies);
	free(w);
}

static struct ecn_interval interval(struct world *w, const struct queue *q)
{
	const double k = q->triple.qth_min, bdp = C_BPS * RTT_S;
	const double load = 0.7 + 0.1 * rng_uniform(&w->rng);
	const double empty = fmax(0, 1 - k / (0.15 * bdp));

	return (struct ecn_interval){
		.seconds = 0.05, .capacity_bps = C_BPS, .rtt_s = RTT_S, .mtu_bytes = 1514,
		.limit_bytes = 4000000, .tx_bytes = load * C_BPS * 0.05,
		.backlogged_s = load * 0.05 * (1 - 0.9 * empty),
		.avg_backlog_bytes = k / 2, .sojourn_p95_s = k / C_BPS,
		.elephant_share = NAN, .ect_share = NAN, .setting = q->triple,
	};
}

/* As queues.c does it. */
static void epoch(struct world *w, struct queue *q)
{
	enum trial_arm arm = policies_arm(&w->d, q, w->now);
	struct ecn_interval in = interval(w, q);
	struct ecn_decision want;

	if (arm != q->acting) {
		assert_int_equal(policies_resume(&w->d, q, arm, &in, &want), 0);
		q->acting = arm;
	} else {
		assert_int_equal(policies_decide(&w->d, q, &in, w->now, &want), 0);
	}
	q->triple = want.triple;
	policies_applied(&w->d, q, &q->triple, true);
	if (q->triple.qth_min > w->worst_k)
		w->worst_k = q->triple.qth_min;
}

static void run(struct world *w, double seconds)
{
	const uint64_t until = w->now + seconds * 1e9;

	for (; w->now < until; w->now += EPOCH_NS) {
		for (int i = 0; i < 2; i++)
			epoch(w, &w->d.queues[i]);
		policies_epoch(&w->d, w->now);
	}
}

static json_t *show(struct world *w)
{
	json_t *o = policies_show(&w->d);

	assert_non_null(o);
	assert_null(json_object_get(o, "error"));
	return o;
}

static void assert_name(struct world *w, const char *who, const char *file)
{
	json_t *o = show(w), *one = json_object_get(o, who);
	const char *name = json_string_value(json_object_get(one, "name"));

	if (!file)
		assert_true(json_is_null(one));
	else
		assert_string_equal(strrchr(name, '/') ? strrchr(name, '/') + 1 : name, file);
	json_decref(o);
}

static void assert_stage(struct world *w, const char *stage)
{
	json_t *o = show(w);

	assert_string_equal(json_string_value(json_object_get(o, "stage")), stage);
	json_decref(o);
}

/* The latest event; its reason is text. */
static void assert_event(struct world *w, const char *event, const char *text)
{
	json_t *o = policies_history(&w->d), *list = json_object_get(o, "history"), *last;

	last = json_array_get(list, json_array_size(list) - 1);
	assert_non_null(last);
	assert_string_equal(json_string_value(json_object_get(last, "event")), event);
	assert_non_null(strstr(json_string_value(json_object_get(last, "reason")), text));
	json_decref(o);
}

static int offer(struct world *w, const char *file, struct sl_err *e)
{
	struct model m = { 0 };
	char path[200];
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	assert_int_equal(model_read(path, &m, e), 0);
	r = policies_offer(&w->d, &m, path, "a test", 0.1, e);
	model_free(&m);
	return r;
}

static void forget_all(void)
{
	char path[400];
	struct dirent *one;
	DIR *kept;

	snprintf(path, sizeof(path), "%s/kept", dir);
	kept = opendir(path);
	while (kept && (one = readdir(kept))) {
		snprintf(path, sizeof(path), "%s/kept/%s", dir, one->d_name);
		unlink(path);
	}
	if (kept)
		closedir(kept);
}

static void a_better_one_is_promoted(void **state)
{
	struct world *w;
	struct sl_err e;

	(void)state;
	forget_all();
	w = begin("high");
	run(w, 2);
	assert_stage(w, "watch");
	assert_int_equal(offer(w, "high", &e), -EINVAL);
	assert_non_null(strstr(e.text, "incumbent already"));
	assert_int_equal(offer(w, "good", &e), 0);
	assert_int_equal(offer(w, "low", &e), -EBUSY);
	assert_stage(w, "shadow");
	run(w, 4);
	assert_stage(w, "shadow");
	assert_int_equal(w->d.queues[0].triple.qth_min, 50000);	/* the incumbent's */
	run(w, 3);
	assert_stage(w, "trial");
	run(w, 1200);
	assert_event(w, "promoted", "better");
	assert_name(w, "incumbent", "good");
	assert_name(w, "previous", "high");
	assert_name(w, "candidate", NULL);
	assert_stage(w, "watch");
	run(w, 300);
	assert_name(w, "incumbent", "good");
	/* A reload is no reason to begin anew, but another model in the same file is. */
	assert_int_equal(policies_differ(w->d.policies, &w->d.settings, &e), 0);
	write_model("high", 3);
	assert_int_equal(policies_differ(w->d.policies, &w->d.settings, &e), 1);
	write_model("high", 2);
	end(w);
	/* A daemon that comes after it goes on from there; with another configuration it does not. */
	w = begin("high");
	assert_name(w, "incumbent", "good");
	assert_event(w, "promoted", "better");
	end(w);
	w = begin("low");
	assert_name(w, "incumbent", "low");
	end(w);
}

static void a_worse_one_is_not(void **state)
{
	static const char *const bad[] = { "high", "deep", "low" };
	struct world *w;
	struct sl_err e;

	(void)state;
	forget_all();
	w = begin("good");
	run(w, 2);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(offer(w, bad[i], &e), 0);
		run(w, 3600);
		assert_name(w, "candidate", NULL);
		assert_name(w, "incumbent", "good");
		assert_event(w, "rejected", "");
	}
	end(w);
}

/* What the operator puts into force is watched; the one before it comes back, and then has its chances. */
static void harm_is_taken_back(void **state)
{
	struct model m = { 0 };
	struct world *w;
	char path[200];
	struct sl_err e;

	(void)state;
	forget_all();
	w = begin("good");
	run(w, 2);
	snprintf(path, sizeof(path), "%s/deep", dir);
	assert_int_equal(model_read(path, &m, &e), 0);
	assert_int_equal(policies_promote(&w->d, &m, path, &e), 0);
	assert_null(m.data);
	run(w, 600);
	assert_int_equal(w->worst_k, 200000);
	assert_event(w, "taken back", "harm");
	assert_name(w, "incumbent", "good");
	assert_name(w, "previous", "deep");
	run(w, 3700);
	assert_name(w, "incumbent", "good");
	assert_event(w, "rejected", "");	/* its other chance */
	end(w);
}

static void the_operator_decides(void **state)
{
	struct world *w;
	struct sl_err e;

	(void)state;
	forget_all();
	w = begin("good");
	run(w, 2);
	assert_int_equal(offer(w, "high", &e), 0);
	policies_pin(&w->d, true);
	assert_name(w, "candidate", NULL);
	assert_int_equal(offer(w, "high", &e), -EPERM);
	assert_non_null(strstr(e.text, "pinned"));
	policies_pin(&w->d, false);
	assert_int_equal(offer(w, "high", &e), 0);
	policies_rollback(&w->d, "a test");
	assert_name(w, "candidate", NULL);
	assert_event(w, "rejected", "a test");
	policies_rollback(&w->d, "a test");
	assert_event(w, "taken back", "a test");
	assert_name(w, "incumbent", "K = 0.25 C RTT");
	run(w, 7200);
	assert_name(w, "incumbent", "K = 0.25 C RTT");	/* no second chance against the operator */
	w->d.policies->settings.trials.error_budget = 0.01;
	assert_int_equal(offer(w, "high", &e), -EPERM);
	assert_non_null(strstr(e.text, "error budget"));
	end(w);
}

/* A model that knows what it was made from leaves a queue like no other to the static one. */
static void what_is_new_falls_back(void **state)
{
	struct ecn_interval in;
	struct ecn_decision want;
	struct world *w;
	struct queue *q;
	int novel = 0;

	(void)state;
	forget_all();
	w = begin("good");
	policies_free(w->d.policies);
	strcpy(w->d.settings.ecn_model, MODEL_SHIPPED_TREE);
	w->d.settings.trials.watch_slices = 0;
	assert_int_equal(policies_new(&w->d.settings, &w->d.policies, NULL), 0);
	if (!w->d.policies->incumbent.novelty)
		skip();
	q = &w->d.queues[0];
	run(w, 1);
	for (int i = 0; i < 100; i++) {
		w->now += EPOCH_NS;
		in = interval(w, q);
		in.avg_backlog_bytes = 3e6;	/* 120 C * RTT, and nothing marked */
		in.backlogged_s = in.seconds;
		assert_int_equal(policies_decide(&w->d, q, &in, w->now, &want), 0);
		novel += strstr(want.reason, "does not know") != NULL;
		if (strstr(want.reason, "does not know"))
			assert_int_equal(want.triple.qth_min, 6250);
	}
	assert_true(novel > 50);
	end(w);
}

static int setup(void **state)
{
	(void)state;
	log_open(LOG_ERR);
	if (!mkdtemp(dir))
		return -1;
	write_model("good", 0.15);
	write_model("high", 2);
	write_model("deep", 8);
	write_model("low", 0.02);
	return 0;
}

static int teardown(void **state)
{
	char command[200];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_better_one_is_promoted),
		cmocka_unit_test(a_worse_one_is_not),
		cmocka_unit_test(harm_is_taken_back),
		cmocka_unit_test(the_operator_decides),
		cmocka_unit_test(what_is_new_falls_back),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
